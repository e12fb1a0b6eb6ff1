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
        if not _is_real(value):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ParameterError(f"{owner} = {value!r} is not a number{_tail(hint)}") from None
    if not (low <= number <= high) or math.isnan(number):
        space = f" {unit}" if unit else ""
        raise ParameterError(f"{owner} = {number:g}{space} is outside [{low:g}, {high:g}]{space}{_tail(hint)}")
    return number


def _is_real(value: Any) -> bool:
    """Whether `value` is a real number: float() also takes text, truth values and the real part of a complex one."""
    if type(value) in (int, float):
        return True
    return not isinstance(value, np.ma.MaskedArray) and np.asarray(value).dtype.kind in "iuf"


def finite_array(owner: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return `value` as a read-only float64 array of `shape` (None = any length), else raise ParameterError.

    Whole and floating-point numbers are widened, bfloat16 as well. See `plain_array` for what is refused.
    """
    array = plain_array(owner, value, f"; give shape {_shape(shape)}")
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


def plain_array(owner: str, value: Any, hint: str = "") -> np.ndarray:
    """Return `value` (an array, a tensor of torch or JAX, or nested lists) as a new float64 array of its values.

    Raises ParameterError for what would lose something on the way: masked, complex, sparse, quantised or object
    arrays, tensors without values, dates, text, quantities with a unit, and numbers that float64 can't hold.
    """
    try:
        array = np.asarray(_host(owner, value))
    except AnalogrnnError:
        raise
    except Exception as error:  # foreign arrays convert by their own code, which may raise anything
        reason = f" ({type(error).__name__})" if not isinstance(error, TypeError | ValueError) else ""
        raise ParameterError(f"{owner} is not an array of numbers{reason}{hint}.") from None
    if array.dtype.name == "bfloat16":  # of ml_dtypes, which comes with JAX
        array = array.astype(np.float32)
    kind = array.dtype.kind
    if kind not in "biuf":
        why = _KINDS.get(kind, "It has type {}; convert it to float32").format(array.dtype)
        raise ParameterError(f"{owner} is not an array of numbers{hint}. {why}.")
    with np.errstate(over="ignore", invalid="ignore"):
        wide = array.astype(np.float64)
        exact = array.dtype.itemsize < 8 or kind == "b" or array.dtype == wide.dtype
        if not exact and not np.array_equal(wide.astype(array.dtype), array, kind == "f"):
            raise ParameterError(f"{owner} has values of type {array.dtype} that float64 can't hold; round them first.")
    return wide


_KINDS = {
    "c": "It is complex ({}); take the part that is meant",
    "M": "It holds dates ({})",
    "m": "It holds durations ({}); divide by np.timedelta64(1, 's')",
    "O": "It holds Python objects",
    "U": "It holds text",
    "S": "It holds text",
    "T": "It holds text",
}


def _host(owner: str, value: Any) -> Any:
    """`value` as something of this machine that numpy reads without loss. torch is not imported for it."""
    if isinstance(value, list | tuple):
        return [item if isinstance(item, int | float) else _host(owner, item) for item in value]
    if isinstance(value, np.ma.MaskedArray) or value is np.ma.masked:
        raise ParameterError(
            f"{owner} is a masked array; replace what is masked, as with .filled(0), and drop the mask."
        )
    if (isinstance(value, np.ndarray) and hasattr(value, "unit")) or type(value).__module__.startswith("pint"):
        raise ParameterError(f"{owner} carries a unit; give plain numbers.")
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        raise ParameterError(f"{owner} is sparse; call its .toarray().")
    if hasattr(value, "layout") and hasattr(value, "is_quantized"):
        return _torch(owner, value)
    # other tensors are detached and moved by their own methods
    for method in ("detach", "cpu"):
        value = getattr(value, method, lambda v=value: v)()
    return value


def _torch(owner: str, tensor: Any) -> Any:
    dtype = str(tensor.dtype).removeprefix("torch.")
    if tensor.is_quantized:
        raise ParameterError(f"{owner} is quantised ({dtype}); call its .dequantize().")
    if tensor.is_meta:
        raise ParameterError(f"{owner} is on the device 'meta', which holds no values; load them first.")
    if str(tensor.layout) != "torch.strided":
        raise ParameterError(f"{owner} is sparse ({tensor.layout}); call its .to_dense().")
    if dtype.startswith("float8"):
        raise ParameterError(f"{owner} has type {dtype}, whose scale is kept elsewhere; convert it to float32 with it.")
    plain = tensor.detach().cpu()
    return (plain.float() if dtype == "bfloat16" else plain.resolve_conj().resolve_neg()).numpy()


def only_keys(owner: str, given: Mapping[str, Any], allowed: set[str]) -> None:
    """Raise ParameterError if `given` has a key that is not in `allowed`."""
    extra = sorted(set(given) - allowed)
    if extra:
        raise ParameterError(f"{owner} has unknown keys {extra}; known: {sorted(allowed)}.")


def _shape(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"


def _tail(hint: str) -> str:
    return f": {hint}" if hint else "."
