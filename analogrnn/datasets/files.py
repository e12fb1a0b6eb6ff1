"""Data files: an `.npz` with encoded clips, or with raw sequences of any length. Never pickle.

    x         (T, S, D) encoded clips; or, for raw sequences,
    features  (L_1 + ... + L_S, F) the frames of all sequences, one after the other
    lengths   (S,) number of frames of each sequence
    labels    (S,) classes; or per step: (T, S) with x, (L_1 + ... + L_S,) with features
    targets   (S, O) or (S,) values; or per step: (T, S, O) with x, (L_1 + ... + L_S, O) with features

A file has x, or features and lengths; and labels, or targets, or neither.
"""

import zipfile
from pathlib import Path

import numpy as np

from analogrnn.datasets.labels import class_labels, step_labels
from analogrnn.datasets.records import Clips, LabelledClips, Sequences, TargetClips
from analogrnn.errors import ParameterError, plain_array

NAMES = ("x", "features", "lengths", "labels", "targets")
MAX_BYTES = 1 << 32


def read_data(path: Path, owner: str, classes: int | None = None) -> Sequences | Clips:
    """Read a data file; labels are below `classes`, if given.

    Raises ParameterError, which begins with `owner`, for what is no such file.
    """
    given = _read_arrays(path, owner)
    if "labels" in given and "targets" in given:
        raise ParameterError(f"{owner}: the file has labels and targets; leave one of them out.")
    if "x" in given:
        extra = [name for name in ("features", "lengths") if name in given]
        if extra:
            raise ParameterError(f"{owner}: the file has x and {extra[0]}; give encoded x, or features and lengths.")
        return _encoded(given, owner, classes)
    if "features" not in given or "lengths" not in given:
        raise ParameterError(
            f"{owner}: x is not a file in the archive; give an .npz file with an array x (T, S, D), or with features "
            "(frames, F) and lengths (S,)."
        )
    try:
        return _sequences(given, classes)
    except ParameterError as error:
        raise ParameterError(f"{owner}: {error}") from error


def _read_arrays(path: Path, owner: str) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > MAX_BYTES:
            raise ValueError(f"it unpacks to {unpacked} bytes, above the limit of {MAX_BYTES}")
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as data:
            given: dict[str, object] = {name: data[name] for name in NAMES if name in data}
    except Exception as error:  # whatever is wrong with the file, numpy, zipfile and zlib each say it in their own way
        raise ParameterError(f"{owner}: {error}; give an .npz file with an array x (T, S, D).") from error
    arrays = {name: value for name, value in given.items() if isinstance(value, np.ndarray)}
    if len(arrays) < len(given):  # numpy hands over the bytes of what is no .npy
        name = next(name for name in given if name not in arrays)
        name = "x or labels" if name in ("x", "labels") else name
        raise ParameterError(f"{owner}: {name} is no array; write the file with numpy.savez.")
    return arrays


def _encoded(given: dict[str, np.ndarray], owner: str, classes: int | None) -> Clips:
    x = given["x"]
    if x.ndim != 3:
        raise ParameterError(f"{owner}: x has shape {x.shape}; expected (T, S, D).")
    if x.shape[1] == 0:
        raise ParameterError(f"{owner}: x holds no clip; give at least one.")
    try:
        if "targets" in given:
            return TargetClips(x, given["targets"])
        if "labels" in given:
            labels, shape = given["labels"], x.shape[:2]
            if labels.shape == shape:
                return LabelledClips(x, step_labels(labels, shape[0], shape[1], classes))
            return LabelledClips(x, class_labels(labels, shape[1], classes))
        return Clips(x)
    except ParameterError as error:
        raise ParameterError(f"{owner}: {error}") from error


def _sequences(given: dict[str, np.ndarray], classes: int | None) -> Sequences:
    features = plain_array("features", given["features"])
    if features.ndim != 2 or not features.size:
        raise ParameterError(f"features has shape {features.shape}; expected all frames of all sequences, (frames, F).")
    lengths = _lengths(given["lengths"], len(features))
    bad = np.argwhere(~np.isfinite(features))
    if len(bad):
        frame, column = bad[0].tolist()
        clip = int(np.searchsorted(np.cumsum(lengths), frame, side="right"))
        raise ParameterError(
            f"features[{frame}, {column}] = {features[frame, column]:g} is not finite (sequence {clip}); leave it out."
        )
    parts = np.split(features, np.cumsum(lengths)[:-1])
    if "labels" in given:
        labels = given["labels"]
        per_frame = labels.shape == (len(features),)
        return Sequences(parts, class_labels(labels, len(features) if per_frame else len(lengths), classes))
    if "targets" in given:
        return Sequences(parts, targets=_targets(given["targets"], len(lengths), len(features)))
    return Sequences(parts)


def _lengths(given: np.ndarray, frames: int) -> np.ndarray:
    lengths = plain_array("lengths", given)
    if lengths.ndim != 1 or not len(lengths):
        raise ParameterError(f"lengths has shape {lengths.shape}; give the number of frames of each sequence, (S,).")
    wrong = np.flatnonzero(~((lengths >= 1) & (lengths == np.floor(lengths)) & (lengths <= frames)))
    if len(wrong):
        at = int(wrong[0])
        raise ParameterError(
            f"lengths[{at}] = {lengths[at]:g} is not a number of frames from 1 to {frames}; leave it out."
        )
    total = int(lengths.sum())
    if total != frames:
        raise ParameterError(
            f"lengths adds up to {total} frames, but features has {frames}; give one length per sequence."
        )
    return lengths.astype(int)


def _targets(given: np.ndarray, clips: int, frames: int) -> np.ndarray:
    targets = plain_array("targets", given)
    targets = targets[:, None] if targets.ndim == 1 else targets
    if targets.ndim != 2 or len(targets) not in (clips, frames) or not targets.shape[1]:
        raise ParameterError(
            f"targets has shape {given.shape}, but there are {clips} sequences of {frames} frames in all; give targets "
            f"({clips}, O) per sequence or ({frames}, O) per frame."
        )
    bad = np.argwhere(~np.isfinite(targets))
    if len(bad):
        at = bad[0].tolist()
        raise ParameterError(f"targets{at} = {targets[tuple(at)]:g} is not finite; leave out what has no target.")
    return targets
