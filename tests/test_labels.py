"""Labels of clips: whole numbers from 0, checked where they come in, before anything is computed."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analogrnn.analysis.bits.search import analyze_bits
from analogrnn.analysis.noise.report import accuracy_under_noise
from analogrnn.analysis.sensitivity.indices import analyze_sensitivity
from analogrnn.chip import nominal_chip
from analogrnn.datasets import Clips, LabelledClips, class_labels
from analogrnn.errors import ParameterError
from analogrnn.montecarlo import Study, Variability, run_monte_carlo
from analogrnn.trim import TrimOptions, plan_trim, trim_chips
from analogrnn.trim.campaign import TrimClips
from tests.helpers import cmru, mapped, network

Y = np.arange(10)
WRONG = {
    "text": (Y.astype(str), r"labels\[0\] = '0' is text.*names\.index\(label\)"),
    "objects": (Y.astype(object), r"labels\[0\] = 0 is an object"),
    "booleans": (Y > 4, r"labels\[0\] = False is a boolean.*labels\.astype\(int\)"),
    "complex": (Y + 0j, r"labels\[0\] = 0j is complex"),
    "dates": (Y.astype("datetime64[D]"), r"labels\[0\] = .* is a date"),
    "one_hot": (np.eye(10), r"labels has shape \(10, 10\), but x holds 10 clips; .*labels\.argmax\(axis=1\)"),
    "from_one": (Y + 1, r"labels\[9\] = 10 is not a class \(0 to 9\); they seem to count from 1: subtract 1"),
    "unknown": (
        np.where(Y == 3, -1, Y),
        r"labels\[3\] = -1 is not a class .*leave out the clips whose class is unknown",
    ),
    "too_high": (np.where(Y > 7, 12, Y), r"labels\[8\] = 12 is not a class \(0 to 9\), the first of 2 such labels"),
    "nan": (np.where(Y == 2, np.nan, Y), r"labels\[2\] = nan is not a class .*leave out the clips that have no label"),
    "infinite": (np.where(Y == 2, np.inf, Y), r"labels\[2\] = inf is not a class"),
    "halves": (Y + 0.5, r"labels\[0\] = 0\.5 is not a class .*not a probability"),
    "huge": (Y * 1e300, r"labels\[1\] = 1e\+300 is not a class"),
    "too_few": (Y[:4], r"labels has shape \(4,\), but x holds 10 clips; give one label per clip"),
    "a_column": (Y[:, None], r"labels has shape \(10, 1\), but x holds 10 clips"),
    "a_number": (3, r"labels has shape \(\)"),
    "ragged": ([[1], [2, 3]], "labels is not an array"),
    "masked": (np.ma.array(Y, mask=Y > 8), "labels is a masked array; leave out the clips that have no label"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_class_is_refused_with_its_place_and_a_way_out(kind):
    labels, message = WRONG[kind]
    with pytest.raises(ParameterError, match=message):
        class_labels(labels, 10, 10)


@pytest.mark.parametrize("labels", [Y, Y.tolist(), Y.astype(float), Y.astype(np.float32), Y.astype(np.uint8), -0.0 + Y])
def test_whole_numbers_pass_however_they_are_stored(labels):
    found = class_labels(labels, 10, 10)
    assert found.dtype == np.int64
    assert_array_equal(found, Y)


def test_clips_keep_their_labels_and_their_place_in_the_set_when_some_are_taken():
    x = np.arange(40.0).reshape(2, 10, 2)
    some = LabelledClips(x, Y.astype(float)).take(slice(1, None, 4)).take(np.array([2, 0]))
    assert_array_equal(some.labels, [9, 1])
    assert_array_equal(some.indices, [9, 1])
    assert_array_equal(some.x, x[:, [9, 1]])
    assert len(some) == 2
    assert_array_equal(Clips(x).take(slice(3, 5)).indices, [3, 4])
    with pytest.raises(ParameterError, match=r"x has shape \(2, 0, 2\); give x \(T, S, D\) of at least one clip"):
        Clips(x[:, :0])


@pytest.fixture(scope="module")
def design():
    return mapped(network(cmru()), input_bound=3.0)  # three classes


X = np.zeros((6, 3, 3))
TAKERS = {
    "study": lambda design, labels: Study("a", design, X, labels, np.arange(2), Variability()),
    "monte_carlo": lambda design, labels: run_monte_carlo(design, X, labels, 2),
    "noise": lambda design, labels: accuracy_under_noise(nominal_chip(design), X, labels, np.array([0.1])),
    "sensitivity": lambda design, labels: analyze_sensitivity(design, LabelledClips(X, labels)),
    "bits": lambda design, labels: analyze_bits(design, LabelledClips(X, labels), LabelledClips(X, np.zeros(3))),
    "trim": lambda design, labels: trim_chips(
        plan_trim(design, TrimOptions()), network(cmru()), TrimClips(X, LabelledClips(X, labels)), [0]
    ),
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2, 3], r"labels\[2\] = 3 is not a class \(0 to 2\); they seem to count from 1: subtract 1"),
        ([0, -1, 2], r"labels\[1\] = -1 is not a class"),
        (["a", "b", "c"], r"labels\[0\] = 'a' is text"),
    ],
)
def test_every_function_that_takes_labels_refuses_wrong_ones_before_it_computes(
    design, taker, labels, message, monkeypatch
):
    def computed(*_, **__):
        raise AssertionError("computed")

    for module in ("montecarlo.score", "trim.campaign"):
        monkeypatch.setattr(f"analogrnn.{module}.simulate", computed)
    with pytest.raises(ParameterError, match=message):
        TAKERS[taker](design, labels)


def test_a_campaign_of_whole_floats_is_that_of_integers(design):
    whole, floats = (run_monte_carlo(design, X, y, 2) for y in (np.array([0, 1, 2]), np.array([0.0, 1.0, 2.0])))
    assert_array_equal(whole.accuracy, floats.accuracy)
    assert floats.truth.dtype == np.int64
