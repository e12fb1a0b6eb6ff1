"""The layers of a network, as frozen records with checked shapes.

Every array is float64, read-only and finite. `d` is the width of a layer, `D` the number of its inputs.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from analogrnn.errors import ParameterError, finite_array, identifier, in_range

MAX_LEVEL = 10_000  # far above any real ladder; limits the memory that a hostile file can request


@dataclass(frozen=True, eq=False)
class _Weighted:
    """Common part of all layers that compute W x + b."""

    name: str
    weight: np.ndarray = field(metadata={"doc": "(d, D) input weights"})
    bias: np.ndarray = field(metadata={"doc": "(d,) biases"})

    def __post_init__(self) -> None:
        owner = f"{type(self).__name__}.name"
        identifier(owner, self.name)
        weight = finite_array(f"{self.name}.weight", self.weight, (None, None))
        if 0 in weight.shape:
            raise ParameterError(f"{self.name}.weight has shape {weight.shape}; a layer has at least one in and out.")
        object.__setattr__(self, "weight", weight)
        self._vector("bias", self.bias)

    def _vector(self, name: str, value: object) -> None:
        array = finite_array(f"{self.name}.{name}", value, (self.width,))
        object.__setattr__(self, name, array)

    @property
    def width(self) -> int:
        return int(self.weight.shape[0])

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1])

    def affine(self, x: np.ndarray) -> np.ndarray:
        """W x + b for x (..., D)."""
        return x @ self.weight.T + self.bias


@dataclass(frozen=True, eq=False)
class Linear(_Weighted):
    """y = W x + b."""

    kind: ClassVar[str] = "linear"


@dataclass(frozen=True, eq=False)
class ReLU:
    """y = max(x, 0)."""

    name: str
    kind: ClassVar[str] = "relu"

    def __post_init__(self) -> None:
        identifier("ReLU.name", self.name)


@dataclass(frozen=True, eq=False)
class Pooling:
    """Reduce the time axis: `last` step, or `mean` over all steps."""

    name: str
    mode: str = "last"
    kind: ClassVar[str] = "pooling"

    def __post_init__(self) -> None:
        identifier("Pooling.name", self.name)
        if self.mode not in ("last", "mean"):
            raise ParameterError(f"{self.name}.mode = {self.mode!r} is unknown: use 'last' or 'mean'.")


@dataclass(frozen=True, eq=False)
class Cmru(_Weighted):
    """Cumulative memory recurrent unit on a finite ladder; with eps = 0 the (bipolar) BMRU.

    c = W x + b;  |c| >= threshold: s -> clip(sign(c) + eps s, k_min, k_max);  h = alpha s.
    Source: Brandoit et al., arXiv 2605.11855.
    """

    threshold: np.ndarray = field(metadata={"doc": "(d,) update thresholds; the bias of an input-dependent one"})
    alpha: np.ndarray = field(metadata={"doc": "(d,) output of one level"})
    eps: float = 1.0
    k_min: int | None = None
    k_max: int | None = None
    initial: np.ndarray | None = field(default=None, metadata={"doc": "(d,) s_0; default 0, at eps = 0 -1"})
    threshold_weight: np.ndarray | None = field(default=None, metadata={"doc": "(d, D) for thresholds W_b x + b_b"})
    kind: ClassVar[str] = "cmru"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._vector("threshold", self.threshold)
        self._vector("alpha", self.alpha)
        object.__setattr__(self, "eps", in_range(f"{self.name}.eps", self.eps, 0.0, 1.0))
        self._check_ladder()
        rest = 0.0 if self.eps > 0.0 else -1.0
        initial = np.full(self.width, rest) if self.initial is None else self.initial
        self._vector("initial", initial)
        low = -np.inf if self.k_min is None else self.k_min
        high = np.inf if self.k_max is None else self.k_max
        assert self.initial is not None
        if np.any((self.initial < low) | (self.initial > high)):
            raise ParameterError(f"{self.name}.initial leaves the ladder [{low:g}, {high:g}]; choose levels inside it.")
        if self.threshold_weight is not None:
            shape = (self.width, self.inputs)
            array = finite_array(f"{self.name}.threshold_weight", self.threshold_weight, shape)
            # weights of zero mean constant thresholds
            object.__setattr__(self, "threshold_weight", array if array.any() else None)

    def _check_ladder(self) -> None:
        for name in ("k_min", "k_max"):
            k = getattr(self, name)
            if k is None:
                continue
            k = k.item() if isinstance(k, np.ndarray) and k.ndim == 0 else k
            whole = k.is_integer() if isinstance(k, float) else isinstance(k, int | np.integer)
            if isinstance(k, bool) or not whole:
                raise ParameterError(f"{self.name}.{name} = {k!r} is not a whole number; levels are counted.")
            in_range(f"{self.name}.{name}", k, -MAX_LEVEL, MAX_LEVEL)
            object.__setattr__(self, name, int(k))
        if self.eps == 0.0 and (self.k_min not in (None, -1) or self.k_max not in (None, 1)):
            raise ParameterError(
                f"{self.name}: eps = 0 is the bistable unit with levels -1 and 1; leave k_min and k_max out, "
                "or train a first_quadrant_bmru for levels 0 and 1."
            )
        if self.k_min is not None and self.k_max is not None and self.k_min >= self.k_max:
            raise ParameterError(f"{self.name}.k_min = {self.k_min} is not below k_max = {self.k_max}.")

    def thresholds(self, x: np.ndarray) -> np.ndarray:
        """The thresholds for inputs x (T, ..., D): (d,) if constant, else (T, ..., d)."""
        if self.threshold_weight is None:
            return self.threshold
        return np.asarray(x @ self.threshold_weight.T + self.threshold)


@dataclass(frozen=True, eq=False)
class FirstQuadrantBmru(_Weighted):
    """BMRU with non-negative currents: h = alpha at or above b_hi, 0 at or below b_lo, held in between.

    Source: Fyon et al., arXiv 2605.15216.
    """

    b_lo: np.ndarray = field(metadata={"doc": "(d,) resets at or below"})
    b_hi: np.ndarray = field(metadata={"doc": "(d,) sets at or above"})
    alpha: np.ndarray = field(metadata={"doc": "(d,) output of the set state"})
    initial: np.ndarray | None = field(default=None, metadata={"doc": "(d,) s_0 in {0, 1}, default 0"})
    kind: ClassVar[str] = "first_quadrant_bmru"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("b_lo", "b_hi", "alpha"):
            self._vector(name, getattr(self, name))
        self._vector("initial", np.zeros(self.width) if self.initial is None else self.initial)
        bad = np.flatnonzero((self.b_lo < 0) | (self.b_hi <= self.b_lo))
        if len(bad):
            i = int(bad[0])
            raise ParameterError(
                f"{self.name}.b_lo[{i}] = {self.b_lo[i]:g}, b_hi[{i}] = {self.b_hi[i]:g} is not 0 <= b_lo < b_hi."
            )
        assert self.initial is not None
        if not np.isin(self.initial, (0.0, 1.0)).all():
            raise ParameterError(f"{self.name}.initial must be 0 or 1 in each unit.")


@dataclass(frozen=True, eq=False)
class AlphaCmru(_Weighted):
    """CMRU with an input-dependent step alpha_t = W_a x + b_a. Our hypothesis: we found no published equations."""

    threshold: np.ndarray
    alpha_weight: np.ndarray
    alpha_bias: np.ndarray
    eps: float = 1.0
    kind: ClassVar[str] = "alpha_cmru"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._vector("threshold", self.threshold)
        self._vector("alpha_bias", self.alpha_bias)
        shape = (self.width, self.inputs)
        object.__setattr__(self, "alpha_weight", finite_array(f"{self.name}.alpha_weight", self.alpha_weight, shape))
        object.__setattr__(self, "eps", in_range(f"{self.name}.eps", self.eps, 0.0, 1.0))


Layer = Linear | ReLU | Pooling | Cmru | FirstQuadrantBmru | AlphaCmru
LAYER_TYPES: dict[str, type] = {cls.kind: cls for cls in (Linear, ReLU, Pooling, Cmru, FirstQuadrantBmru, AlphaCmru)}
