"""The command line, called in this process; inputs that need no data set; faulty simulators."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analogrnn.cli.main import main

NETWORK = "digits_d16_k2"
INPUTS = 14  # of that network


@dataclass(frozen=True)
class Said:
    """The exit code and the output of one call."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.err == ""
        return json.loads(self.out)

    def refused(self, code: int, *parts: str) -> None:
        """One line on standard error that holds `parts`, and this exit code."""
        assert self.err.startswith("analogrnn: ")
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        for part in parts:
            assert part in self.err
        assert self.code == code


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run `analogrnn WORDS`; a word may be a path or a number."""

    def run(*words: object) -> Said:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:  # argparse, which prints help and usage by itself
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Two labelled clips of six steps, as the option --inputs takes them."""
    x = np.random.default_rng(7).uniform(-2.0, 2.0, (6, 2, INPUTS)).round(3)
    np.savez(tmp_path / "inputs.npz", x=x, labels=np.array([3, 8]))
    return tmp_path / "inputs.npz"


@pytest.fixture
def blocked(tmp_path: Path) -> Path:
    """A path that can't be written, even by root: its parent is a regular file."""
    (tmp_path / "plain_file").write_text("")
    return tmp_path / "plain_file" / "out"


@pytest.fixture
def simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Install a shell script as the simulator: it reports a version as ngspice does, and then runs `body`."""

    def install(body: str, version: str = "ngspice-39") -> Path:
        script = tmp_path / "fake_ngspice"
        script.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{version}"; exit 0; fi\n{body}\n')
        script.chmod(0o755)
        # the version is remembered for each modification time, and two scripts may be written within one tick
        install.count += 1
        os.utime(script, (install.count, install.count))
        monkeypatch.setenv("NGSPICE", str(script))
        return script

    install.count = 0
    return install


@pytest.fixture
def no_simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = str(tmp_path / "nowhere" / "ngspice")
    monkeypatch.setenv("NGSPICE", path)
    return path
