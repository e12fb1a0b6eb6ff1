"""`analogrnn analyze noise`."""

import json

import matplotlib.image
import numpy as np
import pytest

from .conftest import INPUTS, NETWORK


def test_a_person_reads_wrong_moves_hold_times_and_accuracy(call, inputs):
    said = call("analyze", "noise", NETWORK, "--inputs", inputs, "--sigmas", "0.1,1")
    assert said.code == 0
    for part in ("beta rms", "wrong move", "mean time to a flip", "accuracy, 2 clips, 3 draws", "standard error"):
        assert part in said.out


def test_a_machine_reads_the_same(call, inputs):
    arguments = ("analyze", "noise", NETWORK, "--inputs", inputs, "--sigmas", "0,1", "--repeats", 2, "--json")
    answer = call(*arguments).json
    (layer,) = answer["layers"]
    assert len(layer["sigma_beta"]) == len(layer["wrong_move_mean"]) == 16
    assert layer["losing_band_levels"] is None
    assert min(layer["log10_hold_s"]) > 80
    assert answer["accuracy"]["accuracy"][0] == answer["accuracy"]["without_noise"]
    assert call(*arguments).json == answer


def test_inputs_without_labels_have_no_accuracy(call, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 2, INPUTS)))
    answer = call("analyze", "noise", NETWORK, "--inputs", tmp_path / "x.npz", "--json").json
    assert "accuracy" not in answer
    assert answer["clips"] == 2


def test_mismatch_shortens_holds_and_makes_levels_of_small_devices_drift(call, tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 1, INPUTS)))

    def layer(*arguments):
        return call("analyze", "noise", NETWORK, "--inputs", tmp_path / "x.npz", "--json", *arguments).json["layers"][0]

    assert min(layer("--chip", 1)["log10_hold_s"]) < min(layer()["log10_hold_s"])
    assert layer("--chip", 1, "--cell-size", "3um")["drifting_levels"] > 0
    arguments = ("--inputs", tmp_path / "x.npz", "--chip", 1, "--cell-size", "3um")
    assert "levels drift at rest" in call("analyze", "noise", NETWORK, *arguments).out


def test_figures_and_numbers_are_written_to_the_folder(call, inputs, tmp_path):
    arguments = ("--inputs", inputs, "--sigmas", "0.5", "--out", tmp_path / "out")
    assert call("analyze", "noise", NETWORK, *arguments).code == 0
    assert json.loads((tmp_path / "out" / "noise.json").read_text())["network"] == NETWORK
    for name in ("noise_flips", "noise_crossover", "noise_accuracy"):
        assert matplotlib.image.imread(tmp_path / "out" / f"{name}.png").shape[0] > 200


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--sigmas", "-1"), "--sigmas = -1 is outside"),
        (("--sigmas", "x"), "--sigmas = 'x': write numbers in beta"),
        (("--sigmas", ","), "names no noise"),
        (("--repeats", "0"), "--repeats = 0 is outside"),
        (("--chip", "-1"), "--chip = -1 is outside"),
    ],
)
def test_bad_input_is_refused(call, inputs, arguments, reason):
    call("analyze", "noise", NETWORK, "--inputs", inputs, *arguments).refused(2, reason)


def test_a_folder_that_cannot_be_made_is_an_output_error(call, inputs, blocked):
    arguments = ("--inputs", inputs, "--sigmas", "0.5", "--out", blocked)
    call("analyze", "noise", NETWORK, *arguments).refused(5, "can't make the folder")
