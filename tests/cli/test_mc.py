"""`analogrnn mc`: accuracy over chips, one size or several."""

import json

import matplotlib.image
import numpy as np
import pytest

from .conftest import NETWORK

STATISTICS = {"mean", "std", "min", "p05", "median", "chips", "worst_chip", "accuracy"}


def campaign(call, *words):
    return call("mc", NETWORK, "--clips", "30", "--json", *words).json


def test_the_statistics_are_those_of_the_listed_accuracies(call):
    answer = campaign(call, "--chips", 5)
    assert set(answer) == {"network", "clips", "accuracy_digital", "sizes"}
    assert (answer["network"], answer["clips"]) == (NETWORK, 30)
    found = answer["sizes"]["10um"]
    assert set(found) == STATISTICS
    accuracy = np.array(found["accuracy"])
    assert len(accuracy) == found["chips"] == 5
    assert found["mean"] == accuracy.mean()
    assert found["std"] == accuracy.std(ddof=1)
    assert found["min"] == accuracy[found["worst_chip"]] == accuracy.min()


def test_a_chip_does_not_depend_on_how_many_follow_it(call):
    few, many = (campaign(call, "--chips", n)["sizes"]["10um"]["accuracy"] for n in (2, 4))
    assert many[:2] == few


def test_the_seed_makes_the_chips(call):
    first = campaign(call, "--chips", 4, "--cell-size", "2um")
    assert first == campaign(call, "--chips", 4, "--cell-size", "2um", "--seed", 1)
    assert first != campaign(call, "--chips", 4, "--cell-size", "2um", "--seed", 2)


def test_without_mismatch_and_noise_every_chip_is_the_digital_network(call):
    answer = campaign(call, "--chips", 3, "--mismatch", "off", "--noise", "off")
    assert answer["sizes"]["10um"]["accuracy"] == [answer["accuracy_digital"]] * 3


def test_several_sizes_are_compared_on_the_same_chips(call):
    answer = campaign(call, "--chips", 2, "--sizes", "4um,2umx10um")
    assert list(answer["sizes"]) == ["4um", "2umx10um"]
    assert answer["sizes"]["4um"] == campaign(call, "--chips", 2, "--cell-size", "4um")["sizes"]["4um"]


def test_a_person_reads_a_row_for_each_size(call):
    said = call("mc", NETWORK, "--clips", "30", "--chips", 2, "--sizes", "4um,10um")
    assert said.code == 0
    assert said.err == ""
    assert "2 chips, digital" in said.out
    assert [line.split()[0] for line in said.out.splitlines()[2:]] == ["4um", "10um"]


def test_the_folder_holds_the_answer_and_a_picture(call, tmp_path):
    answer = campaign(call, "--chips", 5, "--sizes", "4um,10um", "--out", tmp_path / "new" / "folder")
    assert json.loads((tmp_path / "new" / "folder" / "monte_carlo.json").read_text()) == answer
    picture = matplotlib.image.imread(tmp_path / "new" / "folder" / "accuracy_over_chips.png")
    assert min(picture.shape[:2]) > 300
    assert picture[..., :3].std() > 0.01


@pytest.mark.parametrize("chips", ["0", "-3"])
def test_no_chip_at_all_is_refused(call, inputs, chips):
    call("mc", NETWORK, "--inputs", inputs, f"--chips={chips}").refused(2, f"chips = {chips} is outside [1, ")


def test_inputs_without_labels_have_no_accuracy(call, tmp_path):
    np.savez(tmp_path / "unlabelled.npz", x=np.zeros((3, 2, 14)))
    call("mc", NETWORK, "--inputs", tmp_path / "unlabelled.npz").refused(2, "no labels", "add an array labels (S,)")


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ("4V", "'4V' is in V, not in m"),
        ("4um,ten", "'ten' is not a quantity in m"),
        ("10um,2umx3umx4um", "write W or WxL, as in 4um or 2umx10um"),
        ("1nm", "cell_w = 1e-09 m is outside"),
        (",", "--sizes = ',' names no device size; write them as in 4um,10um"),
        (" , ", "names no device size"),
    ],
)
def test_a_size_that_is_none_is_refused(call, inputs, sizes, reason):
    call("mc", NETWORK, "--inputs", inputs, "--chips", 1, "--sizes", sizes).refused(2, reason)


def test_a_size_that_is_typed_twice_is_run_once(call, inputs):
    answer = call("mc", NETWORK, "--inputs", inputs, "--chips", 1, "--sizes", "4um,, 4um,", "--json").json
    assert list(answer["sizes"]) == ["4um"]


def test_one_chip_has_no_spread_and_raises_no_warning(call, inputs):
    said = call("mc", NETWORK, "--inputs", inputs, "--chips", 1, "--json")
    assert said.code == 0
    assert said.json["sizes"]["10um"]["std"] == 0.0


@pytest.mark.parametrize("path", ["/dev/full", "/proc/folder"])
def test_a_folder_that_can_not_be_made_is_exit_code_5(call, inputs, path):
    call("mc", NETWORK, "--inputs", inputs, "--chips", 1, "--out", path).refused(5, path, "choose another one")


def test_a_path_under_a_file_is_exit_code_5(call, inputs, blocked):
    call("mc", NETWORK, "--inputs", inputs, "--chips", 1, "--out", blocked).refused(5, "Not a directory")
