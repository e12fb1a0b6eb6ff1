"""From a recording to the inputs of the first layer: resampled, standardised, clipped, with a ramp."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.errors import ParameterError
from analogrnn.network import InputEncoding
from analogrnn.streams import stream

EPS = np.finfo(float).eps


def encoding(**changed):
    given = {"mean": [0.0, 0.0], "scale": [1.0, 1.0], "clip": 100.0, "frames": 5, "ramp": False}
    return InputEncoding(**given | changed)


@given(st.integers(1, 60), st.integers(2, 60))
def test_a_straight_line_stays_one_at_any_length(length, frames):
    """Linear interpolation of a + b t is exact except for rounding: a few ulp of the largest value, 10."""
    line = np.linspace(-10.0, 10.0, length)[:, None] if length > 1 else np.array([[-10.0]])
    out = encoding(mean=[0.0], scale=[1.0], frames=frames)([line])
    expected = np.linspace(-10.0, 10.0 if length > 1 else -10.0, frames)
    # the position is rounded to eps L, times a slope of 20/L
    assert_allclose(out[:, 0, 0], expected, rtol=0, atol=80 * EPS)


@given(st.integers(2, 50))
def test_a_recording_of_the_right_length_passes_through(length):
    raw = stream(length, "test").normal(size=(length, 2))
    out = encoding(frames=length)([raw])
    # positions i/(L-1) (L-1) are whole numbers to eps L; a step between frames is below 10
    assert_allclose(out[:, 0], raw, rtol=0, atol=20 * length * EPS)
    assert_array_equal(out[[0, -1], 0], raw[[0, -1]])


def test_frames_between_two_samples_are_interpolated():
    out = encoding(frames=5)([np.array([[0.0, 8.0], [4.0, 0.0]])])
    assert_array_equal(out[:, 0], [[0, 8], [1, 6], [2, 4], [3, 2], [4, 0]])


def test_a_recording_of_one_frame_is_repeated():
    assert_array_equal(encoding(frames=3)([np.array([[2.0, -1.0]])])[:, 0], np.tile([2.0, -1.0], (3, 1)))


def test_features_are_standardised_one_by_one():
    out = encoding(mean=[1.0, -2.0], scale=[2.0, 0.5], frames=2)([np.array([[3.0, -1.0], [1.0, -2.0]])])
    assert_array_equal(out[:, 0], [[1.0, 2.0], [0.0, 0.0]])


def test_the_clip_bounds_every_encoded_value():
    raw = 1e6 * stream(1, "test").normal(size=(9, 2))
    out = encoding(clip=3.0)([raw])
    assert np.abs(out).max() == 3.0
    assert_array_equal(np.sign(out[0, 0]), np.sign(raw[0]))


def test_the_ramp_rises_from_minus_one_to_one_in_every_sample():
    e = encoding(ramp=True)
    assert (e.width, encoding().width) == (3, 2)
    out = e([np.ones((4, 2)), np.zeros((7, 2))])
    assert out.shape == (5, 2, 3)
    assert_array_equal(out[:, 0, -1], [-1.0, -0.5, 0.0, 0.5, 1.0])
    assert_array_equal(out[:, 1, -1], out[:, 0, -1])


def test_each_sample_is_encoded_as_if_alone():
    raws = [stream(j, "test").normal(size=(3 + j, 2)) for j in range(4)]
    together = encoding(ramp=True)(raws)
    for j, raw in enumerate(raws):
        assert_array_equal(together[:, j], encoding(ramp=True)([raw])[:, 0])


def test_no_recordings_give_no_samples():
    assert encoding()([]).shape == (5, 0, 2)


def test_the_defaults_are_those_of_the_shipped_networks():
    e = InputEncoding([0.0], [1.0])
    assert (e.clip, e.frames, e.ramp, e.width) == (3.0, 32, True, 2)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mean": 0.0}, r"encoding\.mean has shape \(\); expected \(any,\)\."),
        ({"mean": [0.0, np.nan]}, r"encoding\.mean has 1 value\(s\) that are not finite, the first nan at \[1\]"),
        ({"mean": "x"}, r"encoding\.mean is not an array of numbers; give shape \(any,\)\."),
        ({"scale": [1.0]}, r"encoding\.scale has shape \(1,\); expected \(2,\)\."),
        ({"scale": [1.0, np.inf]}, r"encoding\.scale has 1 value\(s\) that are not finite, the first inf at \[1\]"),
        ({"scale": [1.0, 0.0]}, r"encoding\.scale\[1\] = 0 is not positive\."),
        ({"scale": [-2.0, -1.0]}, r"encoding\.scale\[0\] = -2 is not positive\."),
        ({"clip": 0.5}, r"encoding\.clip = 0\.5 is outside \[1, 100\]\."),
        ({"clip": 101.0}, r"encoding\.clip = 101 is outside \[1, 100\]\."),
        ({"clip": np.nan}, r"encoding\.clip = nan is outside \[1, 100\]\."),
        ({"clip": "loud"}, r"encoding\.clip = 'loud' is not a number\."),
        ({"frames": 1}, r"encoding\.frames = 1 is outside \[2, 1e\+06\]\."),
        ({"frames": 10**7}, r"encoding\.frames = 1e\+07 is outside \[2, 1e\+06\]\."),
        ({"frames": None}, r"encoding\.frames = None is not a number\."),
        ({"frames": 2.7}, r"encoding\.frames = 2\.7 is not a whole number\."),
        ({"ramp": "no"}, r"encoding\.ramp = 'no' is neither true nor false\."),
        ({"ramp": 0}, r"encoding\.ramp = 0 is neither true nor false\."),
    ],
)
def test_an_encoding_that_makes_no_sense_is_refused(changed, message):
    with pytest.raises(ParameterError, match="^" + message):
        encoding(**changed)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (np.empty((0, 2)), r"sequence 1 is empty; leave it out\."),
        (np.ones((4, 3)), r"sequence 1 has shape \(4, 3\); expected \(any, 2\)\."),
        (np.ones(4), r"sequence 1 has shape \(4,\); expected \(any, 2\)\."),
        ([[1.0, np.nan]], r"sequence 1 has 1 value\(s\) that are not finite, the first nan at \[0, 1\]"),
        ("speech", r"sequence 1 is not an array of numbers"),
    ],
)
def test_a_recording_that_can_not_be_encoded_is_refused_by_its_number(raw, message):
    with pytest.raises(ParameterError, match="^" + message):
        encoding()([np.ones((4, 2)), raw])
