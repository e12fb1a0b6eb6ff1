"""Checks of labels and targets where they come in, before anything is computed."""

import numpy as np
from numpy.typing import ArrayLike

from analogrnn.errors import ParameterError, plain_array

_MOST_CLASSES = 2**31 - 1


def class_labels(labels: ArrayLike, clips: int, classes: int | None = None, *, owner: str = "labels") -> np.ndarray:
    """Return `labels` of `clips` clips as int64 (clips,) if each is a whole number from 0 to classes - 1.

    Whole numbers that are stored as floats pass. `classes` None: any number from 0.
    Raises ParameterError that names the first wrong label and says how to number them anew.
    """
    given = _array(labels, owner)
    if given.shape != (clips,):
        hint = "give one label per clip"
        if given.ndim == 2 and given.shape[0] == clips and given.shape[1] > 1:
            hint = "a row per clip looks like one-hot labels: number them with labels.argmax(axis=1)"
        raise ParameterError(f"{owner} has shape {given.shape}, but x holds {clips} clips; {hint}.")
    return _numbered(given, classes, owner)


def step_labels(
    labels: ArrayLike, steps: int, clips: int, classes: int | None = None, *, owner: str = "labels"
) -> np.ndarray:
    """Return `labels` of each step of `clips` clips as int64 (steps, clips); each is checked as in `class_labels`."""
    given = _array(labels, owner)
    if given.shape != (steps, clips):
        raise ParameterError(
            f"{owner} has shape {given.shape}, but x holds {steps} steps of {clips} clips; give one label per step and "
            f"clip, ({steps}, {clips})."
        )
    return _numbered(given, classes, owner)


def real_targets(
    targets: ArrayLike, steps: int, clips: int, outputs: int | None = None, *, owner: str = "targets"
) -> np.ndarray:
    """Return `targets` as float64, (clips, O) per clip or (steps, clips, O) per step, each a finite number.

    Targets (clips,) are those of one output. `outputs` None: any number O.
    Raises ParameterError for another shape, or a value that is not finite.
    """
    array = plain_array(owner, targets, "; give targets (S, O) per clip or (T, S, O) per step")
    array = array[:, None] if array.ndim == 1 else array
    wrong_width = array.ndim == 0 or not array.shape[-1] or outputs not in (None, array.shape[-1])
    if wrong_width or array.shape[:-1] not in ((clips,), (steps, clips)):
        width = "O" if outputs is None else str(outputs)
        raise ParameterError(
            f"{owner} has shape {np.shape(targets)}, but x holds {clips} clips of {steps} steps; give targets "
            f"({clips}, {width}) per clip or ({steps}, {clips}, {width}) per step."
        )
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        at = tuple(bad[0].tolist())
        raise ParameterError(
            f"{owner}{list(at)} = {array[at]:g} is not finite; leave out the clips that have no target."
        )
    return array


def _array(labels: ArrayLike, owner: str) -> np.ndarray:
    if np.ma.isMaskedArray(labels):
        raise ParameterError(f"{owner} is a masked array; leave out the clips that have no label.")
    try:
        return np.asarray(labels)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{owner} is not an array; give one whole number per clip.") from error


def _numbered(given: np.ndarray, classes: int | None, owner: str) -> np.ndarray:
    """The labels as int64, if each is a whole number from 0 to classes - 1."""
    if given.dtype.kind not in "iuf":
        first, at = given.ravel()[:1].tolist(), [0] * given.ndim
        raise ParameterError(f"{owner}{at} = {first[0]!r} is {_kind(given)}, not a whole number; {_renumber(given)}.")
    top = _MOST_CLASSES if classes is None else classes
    wrong = np.argwhere(~((given >= 0) & (given < top) & (given == np.floor(given))))
    if len(wrong):
        at = wrong[0].tolist()
        limits = "0, 1, 2, ..." if classes is None else f"0 to {classes - 1}"
        count = f", the first of {len(wrong)} such labels" if len(wrong) > 1 else ""
        value = given[tuple(at)]
        raise ParameterError(f"{owner}{at} = {value:g} is not a class ({limits}){count}; {_way_out(given, top)}.")
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
