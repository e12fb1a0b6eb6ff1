"""A read-only installation, a user without a home: no folder that a cache could use can be written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import analogrnn

from .conftest import NETWORK

ROOT = Path(analogrnn.__file__).parents[1]


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """The package with a file in place of every `__pycache__`: not even root can write there."""
    place = tmp_path_factory.mktemp("installation")
    shutil.copytree(ROOT / "analogrnn", place / "analogrnn", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("calibration", "circuits", "networks"):
        if (ROOT / folder).exists():
            (place / folder).symlink_to(ROOT / folder)
    for folder in (place / "analogrnn", *(place / "analogrnn").rglob("*/")):
        if folder.is_dir():
            (folder / "__pycache__").touch()
    return place


def run(installation, *words, **environment):
    blocked = "/dev/null/nowhere"
    surroundings = {name: os.environ[name] for name in ("PATH", "NGSPICE", "PDK_ROOT") if name in os.environ} | {
        "HOME": blocked,
        "XDG_CACHE_HOME": blocked,
        "XDG_CONFIG_HOME": blocked,
        "NUMBA_CACHE_DIR": blocked,
        "PYTHONPATH": str(installation),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "analogrnn", *(str(word) for word in words)]
    return subprocess.run(
        command, capture_output=True, text=True, env=surroundings | environment, cwd=installation, check=False
    )


def test_doctor_names_the_folders_and_the_variable(installation):
    said = run(installation, "doctor", "--json")
    row = next(row for row in json.loads(said.stdout)["optional"] if row["name"] == "kernel cache")
    assert not row["found"]
    assert "set NUMBA_CACHE_DIR to a folder that can be written" in row["detail"]
    assert str(installation / "analogrnn" / "kernels" / "__pycache__") in row["detail"]
    assert said.returncode in (0, 3)  # the simulator and the models may be missing
    assert said.stderr == ""


@pytest.mark.parametrize("words", [("map", NETWORK), ("simulate", NETWORK, "--clips", 3, "--noise", "on")])
def test_a_command_gives_the_same_output_as_with_a_cache(installation, call, words):
    said = run(installation, *words, "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == call(*words, "--json").json


@pytest.mark.slow
def test_a_campaign_runs_and_keeps_nothing(installation, call):
    words = ("mc", NETWORK, "--clips", 3, "--chips", 2, "--json")
    said = run(installation, *words)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == call(*words, "--fresh").json


def test_what_a_cache_would_hold_can_not_be_resumed(installation):
    said = run(installation, "mc", NETWORK, "--clips", 3, "--chips", 2, "--resume")
    assert said.returncode == 5
    assert said.stderr.startswith("analogrnn: can't make the folder /dev/null/nowhere/analogrnn/mc/")
    assert said.stderr.count("\n") == 1


def test_pictures_are_drawn_without_a_folder_of_settings(installation, tmp_path):
    said = run(installation, "agree", NETWORK, "--level", "step", "--clips", 1, "--out", tmp_path)
    assert said.returncode == 0, said.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"agreement.json", "worst_cell.png"}


def test_without_the_compiler_the_plain_kernels_answer_the_same(installation, call):
    words = ("simulate", NETWORK, "--clips", 2, "--noise", "on", "--json")
    said = run(installation, *words, NUMBA_DISABLE_JIT="1")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == call(*words).json


def test_without_the_compiler_a_small_campaign_answers_the_same(installation, call):
    words = ("mc", NETWORK, "--clips", 2, "--chips", 2, "--json")
    said = run(installation, *words, NUMBA_DISABLE_JIT="1")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == call(*words).json


def test_without_the_compiler_a_large_campaign_is_one_clear_line(installation, tmp_path):
    """32 chips on 300 clips: 5 million cell-steps, more than numpy is allowed to run."""
    said = run(installation, "mc", NETWORK, "--clips", 300, "--chips", 32, "--out", tmp_path, NUMBA_DISABLE_JIT="1")
    assert said.returncode == 3
    assert "NUMBA_DISABLE_JIT switches numba's compiler off; unset it." in said.stderr
    assert said.stderr.count("\n") == 1
