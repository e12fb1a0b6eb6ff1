"""`analogrnn demo` on the small network, from the network to the figures."""

import json
from pathlib import Path

import matplotlib.image
import pytest

from analogrnn import library
from analogrnn.network.files import load

from .conftest import NETWORK

PICTURES = ("ladder_waveforms", "hysteresis_loop", "fixed_points", "accuracy_over_chips")
WORDS = ("demo", "--network", NETWORK, "--chips", "4", "--clips", "1", "--out")


def check_pictures(folder):
    assert {path.stem for path in folder.glob("*.png")} == set(PICTURES)
    for name in PICTURES:
        picture = matplotlib.image.imread(folder / f"{name}.png")
        assert min(picture.shape[:2]) > 400
        ink = (picture[..., :3] < 0.9).any(axis=-1).mean()
        assert 0.01 < ink < 0.9, f"{name}: {ink:.1%} of the pixels are inked"


def check_summary(summary):
    assert set(summary) >= {"task", "network", "accuracy", "agreement", "design", "decks", "seed", "seconds"}
    assert (summary["task"], summary["network"], summary["seed"]) == ("spoken_digits", NETWORK, 1)
    accuracy = summary["accuracy"]
    assert set(accuracy) >= {"digital", "nominal", "noisy", "mc"}
    assert set(accuracy["mc"]) >= {"mean", "std", "min", "p05", "chips"}
    assert accuracy["mc"]["chips"] == 4
    assert accuracy["digital"] == accuracy["nominal"]
    assert accuracy["digital"] == load(library.network_path(NETWORK)).metadata["accuracy_test"]
    assert 0.0 < accuracy["mc"]["min"] <= accuracy["mc"]["p05"] <= accuracy["mc"]["mean"] <= 1.0
    assert set(summary["design"]) >= {"stages", "transistors", "unit_current_A"}
    assert summary["design"]["stages"] == 64
    assert summary["seconds"] > 0.0


def check_waveform(agreement):
    assert set(agreement) >= {"steps_checked", "steps_equal", "stages", "clips", "holds"}
    assert agreement["steps_equal"] == agreement["steps_checked"] == 32 * 16  # steps, ladders
    assert (agreement["stages"], agreement["clips"]) == (64, 1)


@pytest.mark.ngspice
def test_the_demo_maps_simulates_and_agrees_with_ngspice(call, tmp_path):
    said = call(*WORDS, tmp_path / "demo")
    assert said.code == 0
    assert said.err == ""
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    check_summary(summary)
    check_waveform(summary["agreement"])
    check_waveform(summary["agreement_waveform"])
    assert summary["agreement"]["level"] == "ideal"
    check_pictures(tmp_path / "demo")
    for deck in summary["decks"]:
        assert (tmp_path / "demo" / deck).read_text(encoding="ascii").endswith(".end\n")
    assert (tmp_path / "demo" / "bill_of_materials.csv").read_text().count("\n") > 300
    assert [line[0] for line in said.out.splitlines() if line[:2] in ("1.", "2.", "3.", "4.", "5.")] == list("12345")
    assert "512 of 512 steps equal" in said.out


def test_without_ngspice_the_rest_runs_and_one_line_says_what_is_missing(call, tmp_path, no_simulator):
    said = call(*WORDS, tmp_path / "demo")
    assert said.code == 0
    assert said.err == ""
    missing = [line for line in said.out.splitlines() if "ngspice part skipped" in line]
    assert len(missing) == 1
    assert no_simulator in missing[0]
    assert "apt-get install ngspice" in missing[0]
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert summary["agreement"] is None
    check_summary(summary)
    check_waveform(summary["agreement_waveform"])
    check_pictures(tmp_path / "demo")


def test_the_same_seed_gives_the_same_summary(call, tmp_path, no_simulator):
    summaries = [call(*WORDS, tmp_path / name, "--json").json for name in ("one", "two")]
    assert json.loads((tmp_path / "one" / "summary.json").read_text()) == summaries[0]
    for summary in summaries:
        del summary["seconds"]
    assert summaries[0] == summaries[1]
    other = call(*WORDS, tmp_path / "three", "--seed", "2", "--json").json
    assert other["accuracy"]["mc"] != summaries[0]["accuracy"]["mc"]
    assert other["accuracy"]["nominal"] == summaries[0]["accuracy"]["nominal"]


def test_a_crash_of_the_simulator_affects_its_own_part_only(call, tmp_path, simulator):
    simulator("kill -SEGV $$")
    said = call(*WORDS, tmp_path / "demo")
    assert said.code == 0
    assert said.err == ""
    failed = [line for line in said.out.splitlines() if "ngspice part failed" in line]
    assert len(failed) == 1
    assert "killed by SIGSEGV" in failed[0]
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert summary["agreement"] is None
    check_summary(summary)
    check_waveform(summary["agreement_waveform"])
    check_pictures(tmp_path / "demo")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--clips", "0"], "--clips = 0 is outside [1, 300]"),
        (["--clips", "301"], "--clips = 301 is outside [1, 300]"),
        (["--chips", "0"], "chips = 0 is outside"),
        (["--network", "digits_d99"], "digits_d16_k2, digits_d32_k4"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(call, tmp_path, words, reason):
    call(*WORDS, tmp_path / "demo", *words).refused(2, reason)


@pytest.mark.parametrize("path", ["/dev/full", "/proc/demo"])
def test_a_folder_that_can_not_be_made_is_exit_code_5(call, path):
    said = call(*WORDS, path)
    said.refused(5, path, "choose another one")
    assert said.out == ""


def test_a_path_under_a_file_is_exit_code_5(call, blocked):
    call(*WORDS, blocked).refused(5, "Not a directory")


@pytest.mark.parametrize("name", ["summary.json", "bill_of_materials.csv", "decks", "fixed_points.png"])
def test_a_result_that_can_not_be_written_is_exit_code_5(call, tmp_path, no_simulator, name):
    """A folder in the place of a file, and a file in the place of a folder."""
    if Path(name).suffix:
        (tmp_path / "demo" / name).mkdir(parents=True)
    else:
        (tmp_path / "demo").mkdir()
        (tmp_path / "demo" / name).write_text("")
    call(*WORDS, tmp_path / "demo").refused(5, name, "choose another")
