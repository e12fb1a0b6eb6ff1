"""`analogrnn analyze fixed-points`."""

import json

import matplotlib.image
import pytest

from .conftest import NETWORK


def test_the_text_shows_the_codes_the_levels_and_the_recurrence(call):
    said = call("analyze", "fixed-points", NETWORK)
    assert said.code == 0
    for part in (
        "codes that hold",
        "6 of 16 (nominal ladder: 6)",
        "0011",
        "waveform model from every code",
        "levels",
        "eps",
    ):
        assert part in said.out


def test_json_has_the_same_results(call):
    answer = call("analyze", "fixed-points", NETWORK, "--cell", 3, "--eps", "0,1", "--json").json
    assert (answer["cell"], answer["stages"], answer["rest_states"], answer["islands"]) == (3, 4, 6, ["0011"])
    assert (answer["waveform_agrees"], answer["ngspice_agrees"], answer["islands_reached"]) == (True, None, 0)
    assert [row["eps"] for row in answer["recurrence"]] == [0.0, 1.0]
    assert answer["recurrence"][1]["attract"] == [-2.0, 2.0]


@pytest.mark.ngspice
def test_ngspice_runs_on_request(call):
    assert call("analyze", "fixed-points", NETWORK, "--ngspice", "--json").json["ngspice_agrees"] is True


def test_a_missing_simulator_is_named(call, no_simulator):
    call("analyze", "fixed-points", NETWORK, "--ngspice").refused(3, "is not an executable")


def test_figures_and_numbers_are_written_to_the_folder(call, tmp_path):
    assert call("analyze", "fixed-points", NETWORK, "--chip", 2, "--out", tmp_path / "out").code == 0
    assert json.loads((tmp_path / "out" / "fixed_points.json").read_text())["chip"] == 2
    for name in ("hysteresis_loops", "rest_states", "fixed_points_eps"):
        assert matplotlib.image.imread(tmp_path / "out" / f"{name}.png").shape[0] > 200


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--eps", "2"), "--eps = 2 is outside [0, 1]: 0 is the BMRU"),
        (("--eps", "x"), "--eps = 'x' is not a number"),
        (("--eps", ","), "names no value"),
        (("--cell", "16"), "--cell = 16 is outside [0, 15]"),
        (("--chip", "-1"), "--chip = -1 is outside"),
        (("--chip", "1", "--ngspice"), "--ngspice simulates the nominal design"),
        (("--layer", "out"), "--layer = 'out' is not a recurrent layer; use one of ['cell']"),
    ],
)
def test_bad_input_is_refused(call, arguments, reason):
    call("analyze", "fixed-points", NETWORK, *arguments).refused(2, reason)


def test_a_folder_that_cannot_be_made_is_an_output_error(call, blocked):
    call("analyze", "fixed-points", NETWORK, "--out", blocked).refused(5, "can't make the folder")
