"""Network files that would run code, inject lines into a deck or contain invalid weights are refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from analogrnn.errors import NetworkFormatError
from analogrnn.network.files import load

from .helpers import TENSORS, suffixes, text_of, write


class Payload:
    """An object whose unpickling creates a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("name", ["fc.weight", "__metadata__", "other"])
def test_a_pickle_in_an_npz_is_refused_and_not_run(tmp_path, name):
    path, mark = tmp_path / "n.npz", tmp_path / "was_here"
    text = np.array(json.dumps(text_of()))
    members = TENSORS | {"__metadata__": text} | {name: np.array([Payload(mark)], dtype=object)}
    np.savez(path, **members)
    with pytest.raises(NetworkFormatError, match=r"n\.npz is damaged or not a network file \(Object arrays cannot be"):
        load(path)
    assert not mark.exists()
    np.load(path, allow_pickle=True)[name]
    assert mark.exists(), "the payload was meant to work where pickles are allowed"


@suffixes
@pytest.mark.parametrize("name", ["two words", "a\nb", "*#", ".control", "../../etc", "a" * 65, "", None, 5])
def test_a_name_that_could_leave_its_line_in_a_deck_is_refused(tmp_path, suffix, name):
    body = {"layers": [{"kind": "relu", "name": name}]}
    path = write(tmp_path / f"n{suffix}", {}, text_of(body))
    with pytest.raises(NetworkFormatError, match=r"ReLU\.name = .* is not a name: use 1 to 64 letters"):
        load(path)


@suffixes
@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_a_weight_that_is_not_finite_is_named_with_its_place(tmp_path, suffix, value, shown):
    weight = np.ones((4, 2))
    weight[2, 1] = weight[3, 0] = value
    path = write(tmp_path / f"n{suffix}", {"fc.weight": weight, "fc.bias": np.zeros(4)})
    message = rf"n{suffix}: fc\.weight has 2 value\(s\) that are not finite, the first {shown} at \[2, 1\]; train again"
    with pytest.raises(NetworkFormatError, match=message):
        load(path)


@suffixes
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_weights_that_are_not_floats_are_refused(tmp_path, suffix, dtype):
    path = write(tmp_path / f"n{suffix}", TENSORS | {"fc.bias": np.ones(1, dtype)})
    message = rf"tensor 'fc\.bias' has type {np.dtype(dtype)}; weights are floating-point numbers\."
    with pytest.raises(NetworkFormatError, match=message):
        load(path)


def test_complex_and_text_weights_are_refused(tmp_path):
    for array in (np.ones(1, complex), np.array(["1"]), np.array([b"1"])):
        path = write(tmp_path / "n.npz", TENSORS | {"fc.bias": array})
        with pytest.raises(NetworkFormatError, match=r"tensor 'fc\.bias' has type .*; weights are floating-point"):
            load(path)


@suffixes
@pytest.mark.parametrize(
    ("scalar", "message"),
    [
        ('"k_max": 1e999', r"fc\.k_max = inf is not a whole number; levels are counted\."),
        ('"k_max": 1000000000', r"fc\.k_max = 1e\+09 is outside \[-10000, 10000\]\."),
        ('"k_max": 1' + "0" * 400, "fc"),
        ('"eps": 1' + "0" * 400, r"fc\.eps = 10+ is not a number\."),
        ('"initial": [1' + "0" * 400 + "]", r"fc\.initial is not an array of numbers; give shape \(1,\)\."),
    ],
)
def test_a_number_that_is_beyond_all_bounds_is_refused(tmp_path, suffix, scalar, message):
    layer = f'{{"kind": "cmru", "name": "fc", "threshold": [1], "alpha": [1], {scalar}}}'
    path = write(tmp_path / f"n{suffix}", text=text_of(f'{{"layers": [{layer}]}}'))
    with pytest.raises(NetworkFormatError, match=rf"n{suffix}: .*{message}"):
        load(path)


HOSTILE = "a\nb\r\x1b[31m\x07\x9bm"


@suffixes
@pytest.mark.parametrize(
    ("body", "tensors"),
    [
        ({"layers": [{"kind": "relu", "name": HOSTILE}]}, {}),
        ({"layers": [{"kind": "linear", "name": HOSTILE}]}, {}),
        ({"layers": [{"kind": HOSTILE, "name": "fc"}]}, {}),
        ({"layers": [{"kind": "relu", "name": "fc", HOSTILE: 1}]}, {}),
        ({"layers": [{"kind": "pooling", "name": "fc", "mode": HOSTILE}]}, {}),
        ({"layers": [{"kind": "relu", "name": "fc"}], "metadata": {HOSTILE: []}}, {}),
        ({"layers": [{"kind": "relu", "name": "fc"}]}, {"a\nb\x1b[31m": np.ones(1)}),
    ],
)
def test_a_message_about_a_hostile_file_is_one_line_without_control_characters(tmp_path, suffix, body, tensors):
    path = write(tmp_path / f"n{suffix}", tensors, text_of(body))
    with pytest.raises(NetworkFormatError, match=rf"n{suffix}: .*a\\nb") as caught:
        load(path)
    assert str(caught.value).isprintable()


def test_brackets_without_end_are_refused(tmp_path):
    path = write(tmp_path / "n.npz", text=text_of("[" * 100_000))
    with pytest.raises(NetworkFormatError, match=r"n\.npz: maximum recursion depth exceeded"):
        load(path)
