"""Data files with raw sequences or encoded clips, labels or targets, per clip or per step."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn import datasets
from analogrnn.datasets import Clips, LabelledClips, Sequences, TargetClips, read_data, real_targets, step_labels
from analogrnn.errors import ParameterError
from analogrnn.network import InputEncoding

RNG = np.random.default_rng(3)
LENGTHS = np.array([4, 7, 5])
FRAMES = RNG.normal(size=(16, 2))
RAW = {"features": FRAMES, "lengths": LENGTHS}
X = RNG.normal(size=(6, 3, 2))


def saved(path, **arrays):
    np.savez(path / "data.npz", **arrays)
    return path / "data.npz"


def encoding(frames=6):
    return InputEncoding(np.zeros(2), np.ones(2), frames=frames, ramp=False)


def test_raw_sequences_are_those_that_the_lengths_cut(tmp_path):
    found = read_data(saved(tmp_path, **RAW, labels=np.array([2.0, 0.0, 1.0])), "data")
    assert isinstance(found, Sequences)
    assert_array_equal(found.lengths, LENGTHS)
    assert_array_equal(found.features[1], FRAMES[4:11])
    assert_array_equal(found.labels, [2, 0, 1])
    clips = found.clips(encoding())
    assert isinstance(clips, LabelledClips)
    assert_array_equal(clips.x, encoding()(found.features))
    assert_array_equal(clips.labels, [2, 0, 1])


def test_labels_per_frame_follow_the_nearest_frame_and_targets_are_interpolated(tmp_path):
    ramp = np.concatenate([np.arange(n, dtype=float) for n in LENGTHS])
    labels = read_data(saved(tmp_path, **RAW, labels=ramp), "data").clips(encoding(3))
    assert_array_equal(labels.labels, [[0, 0, 0], [2, 3, 2], [3, 6, 4]])  # rint rounds the half of 1.5 to 2
    targets = read_data(saved(tmp_path, **RAW, targets=ramp[:, None]), "data").clips(encoding(3))
    assert isinstance(targets, TargetClips)
    assert_allclose(targets.targets[:, :, 0], [[0, 0, 0], [1.5, 3, 2], [3, 6, 4]], rtol=1e-15)


def test_a_sequence_that_has_the_length_of_the_encoding_keeps_its_labels_as_they_are():
    labels = RNG.integers(0, 4, 12)
    clips = Sequences([FRAMES[:6], FRAMES[6:12]], labels).clips(encoding(6))
    assert_array_equal(clips.labels, labels.reshape(2, 6).T)


def test_some_sequences_keep_their_own_labels_targets_and_places():
    labels = np.arange(16)
    some = Sequences(np.split(FRAMES, [4, 11]), labels).take(np.array([2, 0]))
    assert_array_equal(some.labels, [11, 12, 13, 14, 15, 0, 1, 2, 3])
    assert_array_equal(some.indices, [2, 0])
    values = Sequences(np.split(FRAMES, [4, 11]), targets=np.array([[1.0], [2.0], [3.0]])).take(slice(1, 3))
    assert_array_equal(values.targets, [[2.0], [3.0]])


def test_equal_lengths_need_no_encoding():
    clips = Sequences([FRAMES[:4], FRAMES[4:8]]).clips()
    assert type(clips) is Clips
    assert_array_equal(clips.x[:, 1], FRAMES[4:8])
    with pytest.raises(ParameterError, match="sequences of 4 to 7 frames, and the network has no encoding"):
        Sequences([FRAMES[:4], FRAMES[4:11]]).clips()
    with pytest.raises(ParameterError, match="these sequences have no labels"):
        Sequences([FRAMES[:4], FRAMES[4:8]]).encoded(None)


@pytest.mark.parametrize(
    ("arrays", "kind", "shape"),
    [
        ({}, Clips, None),
        ({"labels": np.array([0, 1, 2])}, LabelledClips, (3,)),
        ({"labels": np.zeros((6, 3))}, LabelledClips, (6, 3)),
        ({"targets": np.zeros(3)}, TargetClips, (3, 1)),
        ({"targets": np.zeros((3, 4))}, TargetClips, (3, 4)),
        ({"targets": np.zeros((6, 3, 4))}, TargetClips, (6, 3, 4)),
    ],
)
def test_encoded_clips_have_labels_or_targets_per_clip_or_per_step(tmp_path, arrays, kind, shape):
    found = read_data(saved(tmp_path, x=X, **arrays), "data")
    assert type(found) is kind
    assert shape is None or found.truth.shape == shape
    assert len(found.take(slice(0, 2))) == 2
    assert shape is None or found.take(slice(0, 2)).truth.shape == (
        *shape[: len(shape) == 3 or shape == (6, 3)],
        2,
        *(shape[-1:] if kind is TargetClips else ()),
    )


WRONG = {
    "both": ({"x": X, "labels": np.zeros(3), "targets": np.zeros(3)}, "data: the file has labels and targets"),
    "x_and_raw": ({"x": X, **RAW}, "data: the file has x and features; give encoded x, or features and lengths"),
    "no_lengths": ({"features": FRAMES}, r"x is not a file in the archive; .* or with features .* and lengths \(S,\)"),
    "nothing": ({"y": X}, "x is not a file in the archive"),
    "flat": ({"features": FRAMES[:, 0], "lengths": LENGTHS}, r"features has shape \(16,\); expected all frames"),
    "short": ({"features": FRAMES, "lengths": [4, 7]}, "lengths adds up to 11 frames, but features has 16"),
    "none": ({"features": FRAMES, "lengths": []}, r"lengths has shape \(0,\); give the number of frames"),
    "zero": ({"features": FRAMES, "lengths": [0, 16]}, r"lengths\[0\] = 0 is not a number of frames from 1 to 16"),
    "half": ({"features": FRAMES, "lengths": [7.5, 8.5]}, r"lengths\[0\] = 7\.5 is not a number of frames"),
    "negative": ({"features": FRAMES, "lengths": [-4, 20]}, r"lengths\[0\] = -4 is not a number of frames"),
    "nan": (
        {"features": np.where(np.arange(32).reshape(16, 2) == 23, np.nan, FRAMES), "lengths": LENGTHS},
        r"features\[11, 1\] = nan is not finite \(sequence 2\)",
    ),
    "text": ({"features": FRAMES.astype(str), "lengths": LENGTHS}, "features is not an array of numbers"),
    "labels": ({**RAW, "labels": np.zeros(5)}, r"labels has shape \(5,\), but x holds 3 clips"),
    "minus": ({**RAW, "labels": [0, -1, 1]}, r"labels\[1\] = -1 is not a class"),
    "targets": ({**RAW, "targets": np.zeros((5, 2))}, r"targets has shape \(5, 2\), but there are 3 sequences of 16"),
    "target_nan": ({**RAW, "targets": [0.0, np.nan, 1.0]}, r"targets\[1, 0\] = nan is not finite"),
    "step_labels": ({"x": X, "labels": np.full((6, 3), 0.5)}, r"labels\[0, 0\] = 0\.5 is not a class"),
    "step_targets": ({"x": X, "targets": np.zeros((5, 3, 1))}, r"targets has shape \(5, 3, 1\), but x holds 3 clips"),
    "target_inf": ({"x": X, "targets": np.full((3, 2), np.inf)}, r"targets\[0, 0\] = inf is not finite"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_file_that_does_not_fit_is_refused_in_one_line(tmp_path, kind):
    arrays, message = WRONG[kind]
    with pytest.raises(ParameterError, match=message) as caught:
        read_data(saved(tmp_path, **arrays), "data")
    assert str(caught.value).startswith("data: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequences([]), "features holds no sequence"),
        (lambda: Sequences([FRAMES[:, 0]]), r"features\[0\] has shape \(16,\); give at least one frame"),
        (lambda: Sequences([FRAMES, FRAMES[:, :1]]), r"features\[1\] has 1 numbers per frame, but features\[0\] has 2"),
        (
            lambda: Sequences([FRAMES, FRAMES * np.nan]),
            r"features\[1\] has a value that is not finite, first in frame 0",
        ),
        (lambda: Sequences([FRAMES], np.zeros(2)), "labels has 2 entries; give one for each of the 1 sequences"),
        (lambda: Sequences([FRAMES], np.zeros(1), targets=np.zeros((1, 1))), "has labels and targets"),
        (lambda: step_labels(np.zeros(3), 6, 3), r"labels has shape \(3,\), but x holds 6 steps of 3 clips"),
        (lambda: step_labels(np.full((6, 3), 4), 6, 3, 4), r"labels\[0, 0\] = 4 is not a class \(0 to 3\)"),
        (lambda: real_targets(np.zeros((3, 2)), 6, 3, 1), r"give targets \(3, 1\) per clip or \(6, 3, 1\) per step"),
        (lambda: real_targets(np.zeros((6, 3)), 6, 3), r"targets has shape \(6, 3\), but x holds 3 clips of 6 steps"),
    ],
)
def test_records_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.files, "MAX_BYTES", 1000)
    with pytest.raises(ParameterError, match=r"data: it unpacks to \d+ bytes, above the limit of 1000"):
        read_data(saved(tmp_path, x=np.zeros((10, 10, 10))), "data")
