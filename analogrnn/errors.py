"""Every error that a user can cause or meet, and the one place that words range checks.

A message names the owner, the value with its unit, the limits, and a way out. The command line prints it as one
line and exits with the class's `exit_code`.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


class AnalogrnnError(Exception):
    """Base of every error that this package raises on purpose.

    >>> try:
    ...     ar.load_network("no_such_network")
    ... except ar.AnalogrnnError as error:
    ...     print(error.exit_code)
    2
    """

    exit_code = 2


class ParameterError(AnalogrnnError, ValueError):
    """A value that a record or a function can't take."""


class NetworkFormatError(AnalogrnnError):
    """A network file or a set of tensors that can't be read as a network."""


class MappingError(AnalogrnnError):
    """A network that the circuits can't hold, or a design that breaks one of their inequalities."""


class CalibrationError(AnalogrnnError):
    """A calibration file that is missing, malformed or lacks provenance."""


class DeckError(AnalogrnnError):
    """Text that may not enter a SPICE deck."""


class SpiceError(AnalogrnnError):
    """A simulator run that gave no trustworthy result. `log` holds the end of what the simulator said."""

    exit_code = 4

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class MissingDependencyError(AnalogrnnError):
    """A simulator, a process model or a data set that is not on this machine."""

    exit_code = 3


class OutputError(AnalogrnnError):
    """A result that can't be written."""

    exit_code = 5


class CheckpointError(AnalogrnnError):
    """A checkpoint of a campaign that is damaged, belongs to another campaign, or is in use."""


class WorkerError(AnalogrnnError):
    """Workers of a campaign that died, or that can't do its work."""

    exit_code = 4


def is_identifier(name: str) -> bool:
    """Whether `name` is 1 to 64 letters, digits and underscores, starting with a letter."""
    return _IDENTIFIER.fullmatch(name) is not None


def identifier(owner: str, name: object) -> str:
    """Return `name` if it can safely name a circuit element, else raise ParameterError.

    Letters, digits and underscores only: such a name can neither start a SPICE command nor leave its line.
    """
    if not isinstance(name, str) or not is_identifier(name):
        raise ParameterError(
            f"{owner} = {name!r} is not a name: use 1 to 64 letters, digits and underscores, starting with a letter."
        )
    return name


def in_range(owner: str, value: float, low: float, high: float, unit: str = "", *, hint: str = "") -> float:
    """Return `value` as a float if low <= value <= high, else raise ParameterError with both limits and `hint`."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{owner} = {value!r} is not a number{_tail(hint)}") from None
    if not (low <= number <= high) or math.isnan(number):
        space = f" {unit}" if unit else ""
        raise ParameterError(f"{owner} = {number:g}{space} is outside [{low:g}, {high:g}]{space}{_tail(hint)}")
    return number


def finite_array(owner: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return `value` as a read-only float64 array of `shape` (None = any length), else raise ParameterError."""
    try:
        array = np.array(value, dtype=np.float64 if not np.iscomplexobj(value) else None).astype(
            np.float64, casting="safe"
        )
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{owner} is not an array of numbers; give shape {_shape(shape)}.") from None
    if array.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, array.shape, strict=True)):
        raise ParameterError(f"{owner} has shape {array.shape}; expected {_shape(shape)}.")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        raise ParameterError(
            f"{owner} has {len(bad)} value(s) that are not finite, the first {array[where]} at {list(where)}; "
            "train again with gradient clipping, or mend the file."
        )
    array.setflags(write=False)
    return array


def only_keys(owner: str, given: Mapping[str, Any], allowed: set[str]) -> None:
    """Raise ParameterError if `given` has a key that is not in `allowed`."""
    extra = sorted(set(given) - allowed)
    if extra:
        raise ParameterError(f"{owner} has unknown keys {extra}; known: {sorted(allowed)}.")


def _shape(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"


def _tail(hint: str) -> str:
    return f": {hint}" if hint else "."
