"""Which tensor a field of a layer is made from, as written in a spec: `cell.bias`, `abs(cell.b)`, `-exp(log_alpha)`.

    value    = "-" value | "|" value "|" | function "(" value ")" | tensor [ "[" first ":" last "]" ]
    function = abs, exp, softplus, sigmoid or transpose

A range takes rows, as of a layer that computes candidates and thresholds in one matrix. A tensor called `kernel` has
shape (D, d), as in Flax, and is transposed to (d, D). Nothing else is evaluated.
"""

import re
from collections.abc import Callable

import numpy as np

from analogrnn.errors import NetworkFormatError

_CALL = re.compile(r"(\w+)\s*\((.*)\)", re.DOTALL)
_ROWS = re.compile(r"(.+)\[\s*(\d*)\s*:\s*(\d*)\s*\]", re.DOTALL)
_LONGEST = 300  # characters of an expression


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, x)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "abs": np.abs,
    "exp": np.exp,
    "softplus": _softplus,
    "sigmoid": _sigmoid,
    "transpose": np.transpose,
}


def evaluate(text: str, tensor: Callable[[str], np.ndarray]) -> np.ndarray:
    """The value of an expression; `tensor` returns the tensor of a name.

    Raises NetworkFormatError for an unknown function, a range that is not within the tensor, or what `tensor` raises.
    """
    body = text.strip()
    if not body or len(text) > _LONGEST:
        raise NetworkFormatError(f"{text[:40]!r} names no tensor; write its name, as in 'cell.weight'.")
    if body.startswith("-"):
        return -evaluate(body[1:], tensor)
    if body.startswith("|") and body.endswith("|") and len(body) > 2:
        return np.abs(evaluate(body[1:-1], tensor))
    call = _CALL.fullmatch(body)
    if call is not None:
        if call[1] not in FUNCTIONS:
            raise NetworkFormatError(f"{body!r}: {call[1]!r} is unknown; known: {', '.join(FUNCTIONS)}, - and |x|.")
        with np.errstate(over="ignore"):  # an infinity is refused by the layer, which names its place
            return FUNCTIONS[call[1]](evaluate(call[2], tensor))
    rows = _ROWS.fullmatch(body)
    if rows is not None:
        return _rows(body, evaluate(rows[1], tensor), rows[2], rows[3])
    value = tensor(body)
    return value.T if re.search(r"(^|[._])kernel$", body) else value


def _rows(text: str, value: np.ndarray, first: str, last: str) -> np.ndarray:
    length = value.shape[0] if value.ndim else 0
    low, high = int(first or 0), int(last or length)
    if not 0 <= low < high <= length:
        raise NetworkFormatError(f"{text!r}: rows {low} to {high} are not within the {length} there are.")
    return value[low:high]
