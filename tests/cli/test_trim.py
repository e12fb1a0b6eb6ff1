"""`analogrnn trim`: codes, accuracies and what they cost."""

import json

import matplotlib.image
import numpy as np
import pytest

from .conftest import NETWORK


def trim(call, *words):
    return call("trim", NETWORK, "--cell-size", "2um", "--clips", 30, "--calibration-clips", 10, "--json", *words).json


def test_small_devices_come_back(call):
    answer = trim(call, "--chips", 2)
    assert answer["chips"] == [0, 1]
    assert np.mean(answer["accuracy_after"]) > np.mean(answer["accuracy_before"]) + 0.2
    assert answer["good_after"][0] >= answer["good_before"][0]
    codes = answer["codes"][0]
    assert np.shape(codes["threshold"]) == np.shape(codes["width"]) == (16, 4)
    assert np.shape(codes["row"]) == (16,)
    assert np.max(codes["threshold"]) < 2 ** answer["bits"]


def test_one_chip_is_the_same_as_in_company(call):
    alone, both = trim(call, "--chip", 1), trim(call, "--chips", 2)
    assert alone["codes"] == both["codes"][1:]
    assert alone["accuracy_after"] == both["accuracy_after"][1:]


def test_a_person_reads_the_yield_and_the_cost(call):
    said = call("trim", NETWORK, "--cell-size", "2um", "--clips", 20, "--chips", 1, "--bits", 5)
    assert said.code == 0
    for part in ("5-bit DACs", "accuracy before", "good after", "time on the tester", "um2"):
        assert part in said.out


def test_the_folder_holds_the_answer_and_pictures(call, tmp_path):
    answer = trim(call, "--chips", 1, "--out", tmp_path / "new")
    assert json.loads((tmp_path / "new" / "trim.json").read_text()) == answer
    for name in ("accuracy_over_chips", "thresholds"):
        assert matplotlib.image.imread(tmp_path / "new" / f"{name}.png")[..., :3].std() > 0.01


def test_too_few_good_chips_are_exit_code_1(call, inputs):
    # labels at random: no chip can be as good as the digital network on the one clip that is scored, or all are
    words = ("trim", NETWORK, "--cell-size", "2um", "--inputs", inputs, "--calibration-clips", 1, "--chips", 1)
    answer = call(*words, "--json").json
    expected = 0 if answer["good_after"][0] == 1 else 1
    assert call(*words, "--least-yield", 1).code == expected
    poor = call("trim", NETWORK, "--cell-size", "2um", "--bits", 1, "--chips", 1, "--clips", 60, "--least-yield", 1)
    assert poor.code == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--chips", 0), "--chips = 0 is outside [1, "),
        (("--chip", -1), "--chip = -1 is outside [0, "),
        (("--bits", 13), "--bits = 13 is outside [1, 12]"),
        (("--repeats", 4), "is even; a majority needs an odd number"),
        (("--accept", 2), "--accept = 2 is outside [0, 1]"),
        (("--least-yield", 2), "--least-yield = 2 is outside"),
    ],
)
def test_words_that_make_no_sense_are_refused(call, words, reason):
    call("trim", NETWORK, *(f"{words[0]}={words[1]}",)).refused(2, reason)


def test_too_few_clips_are_refused(call, inputs):
    call("trim", NETWORK, "--inputs", inputs).refused(2, "--inputs holds 2 clips, and 40 of them calibrate")


def test_inputs_without_labels_are_refused(call, tmp_path):
    np.savez(tmp_path / "unlabelled.npz", x=np.zeros((3, 2, 14)))
    call("trim", NETWORK, "--inputs", tmp_path / "unlabelled.npz").refused(2, "no labels", "add an array labels (S,)")


def test_a_folder_that_can_not_be_made_is_exit_code_5(call, blocked):
    call("trim", NETWORK, "--cell-size", "2um", "--chips", 1, "--clips", 2, "--out", blocked).refused(5, "plain_file")
