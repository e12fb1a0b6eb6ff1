"""`analogrnn simulate`: clips on the nominal chip and on others, and the dataset that it writes."""

import json

import numpy as np
import pytest
import xarray as xr
from helpers import cmru, network

from analogrnn import library
from analogrnn.chip import draw_chip
from analogrnn.mapping import map_network
from analogrnn.network.files import load_network, save_network
from analogrnn.simulate import simulate
from analogrnn.technology import load_technology

from .conftest import NETWORK

KEYS = {"network", "chip", "seed", "noise", "clips", "classes", "same_class_as_digital", "steps_equal_to_digital"}


def test_the_nominal_chip_does_what_the_digital_network_does(call):
    answer = call("simulate", NETWORK, "--clips", "50", "--json").json
    assert set(answer) == KEYS | {"accuracy", "accuracy_digital"}
    assert answer["chip"] is None
    assert answer["noise"] is False
    assert answer["same_class_as_digital"] == len(answer["clips"]) == len(answer["classes"]) == 50
    assert answer["steps_equal_to_digital"] == {"cell": 1.0}
    assert answer["accuracy"] == answer["accuracy_digital"]


def test_a_number_of_clips_spreads_them_and_a_list_names_them(call):
    clips = {text: call("simulate", NETWORK, "--clips", text, "--json").json["clips"] for text in ("3", "3,7", "7,")}
    assert clips["3"][0] == 0
    assert clips["3"][-1] == 299
    assert clips["3,7"] == [3, 7]
    assert clips["7,"] == [7]


def test_all_clips_and_more_than_there_are_is_the_same(call, inputs):
    everything = call("simulate", NETWORK, "--inputs", inputs, "--json").json
    assert everything["clips"] == [0, 1]
    assert call("simulate", NETWORK, "--inputs", inputs, "--clips", "1000", "--json").json == everything


def test_a_chip_is_the_same_chip_each_time_and_differs_from_another(call):
    def classes(*words):
        return call("simulate", NETWORK, "--clips", "100", "--cell-size", "2um", "--json", *words).json["classes"]

    third = classes("--chip", 3)
    assert third == classes("--chip", 3)
    assert third != classes("--chip", 4)
    assert third != classes("--chip", 3, "--seed", 2)
    assert third != classes()


def test_noise_comes_from_the_seed_and_off_means_off(call):
    def levels(*words):
        return call("simulate", NETWORK, "--clips", "100", "--json", *words).json["steps_equal_to_digital"]["cell"]

    noisy = levels("--noise", "on")
    assert noisy < 1.0
    assert noisy == levels("--noise", "on", "--seed", 1)
    assert noisy != levels("--noise", "on", "--seed", 2)
    assert levels("--noise", "off", "--seed", 2) == 1.0


def test_accuracies_are_shown_only_if_there_are_labels(call, inputs, tmp_path):
    assert "accuracy" in call("simulate", NETWORK, "--inputs", inputs, "--json").json
    np.savez(tmp_path / "unlabelled.npz", x=np.load(inputs)["x"])
    assert set(call("simulate", NETWORK, "--inputs", tmp_path / "unlabelled.npz", "--json").json) == KEYS


def test_the_terminal_shows_a_table(call, inputs):
    said = call("simulate", NETWORK, "--inputs", inputs)
    assert said.code == 0
    assert said.err == ""
    assert "same class as digital" in said.out
    with pytest.raises(json.JSONDecodeError):
        json.loads(said.out)


def test_the_dataset_holds_the_results_of_the_simulation(call, inputs, tmp_path):
    said = call("simulate", NETWORK, "--inputs", inputs, "--chip", 5, "--seed", 9, "--out", tmp_path / "run.nc")
    assert said.code == 0
    design = map_network(load_network(library.network_path(NETWORK)), load_technology())
    result = simulate(draw_chip(design, 9, 5), np.load(inputs)["x"])
    with xr.open_dataset(tmp_path / "run.nc", engine="scipy") as data:
        np.testing.assert_array_equal(data["level_cell"], result.levels["cell"])
        np.testing.assert_array_equal(data["candidate_cell"], result.candidates["cell"])
        np.testing.assert_array_equal(data["logits"], result.logits)
        assert data["level_cell"].dims == ("step", "sample", "cell_cell")
        assert data["time"].attrs["units"] == "s"
        assert data["time"].values[1] == design.timing.period
        assert (data.attrs["network"], int(data.attrs["chip"]), int(data.attrs["seed"])) == (NETWORK, 5, 9)


@pytest.mark.parametrize("path", ["/dev/full", "/proc/run.nc", "/"])
def test_a_place_that_can_not_be_written_is_exit_code_5(call, inputs, path):
    call("simulate", NETWORK, "--inputs", inputs, "--out", path).refused(5, path, "choose another place")


def test_a_path_under_a_file_is_exit_code_5(call, inputs, blocked):
    call("simulate", NETWORK, "--inputs", inputs, "--out", blocked).refused(5, "Not a directory")


@pytest.mark.parametrize("chip", [-1, 2**31, 10**30])
def test_an_invalid_chip_number_is_refused(call, inputs, chip):
    call("simulate", NETWORK, "--inputs", inputs, f"--chip={chip}").refused(
        2, "--chip = ", "is outside [0, 2.14748e+09]"
    )


def test_a_seed_that_the_file_format_can_not_hold_is_written_all_the_same(call, inputs, tmp_path):
    words = ("--inputs", inputs, "--noise", "on", "--seed", 2**40, "--out", tmp_path / "run.nc")
    assert call("simulate", NETWORK, *words).code == 0
    with xr.open_dataset(tmp_path / "run.nc", engine="scipy") as data:
        assert data.attrs["seed"] == str(2**40)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--chip", "x"], "argument --chip: 'x' is not a whole number"),
        (["--noise", "loud"], "argument --noise: invalid"),
        (["--seed", "1.5"], "argument --seed: '1.5' is not a whole number"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_bad_input(call, words, named):
    said = call("simulate", NETWORK, *words)
    assert said.code == 2
    assert named in said.err.splitlines()[-1]


def test_a_network_without_pooling_has_no_class_and_the_answer_says_so(call, tmp_path):
    net = network(cmru(), readout=False)
    save_network(net, tmp_path / "net.safetensors")
    np.savez(tmp_path / "clips.npz", x=np.zeros((4, 2, 3)), labels=[0, 1])
    words = (tmp_path / "net.safetensors", "--inputs", tmp_path / "clips.npz", "--input-bound", 3)
    answer = call("simulate", *words, "--json").json
    assert "has no pooling" in answer["note"]
    assert not {"classes", "accuracy", "same_class_as_digital"} & set(answer)
    assert answer["steps_equal_to_digital"] == {"cell": 1.0}
    call("mc", *words, "--chips", 2).refused(2, "has no pooling, so a clip has no class")


def test_fixed_points_need_no_bound_of_the_inputs(call, tmp_path):
    save_network(network(cmru(), readout=False), tmp_path / "net.safetensors")
    words = ("analyze", "fixed-points", tmp_path / "net.safetensors", "--json")
    free, bound = call(*words).json, call(*words, "--input-bound", 8).json
    assert free == bound
