"""The recurrent layers of a network, as frozen records with checked shapes; see `layers` for the conventions."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from analogrnn.errors import ParameterError, finite_array, in_range
from analogrnn.network.layers import Weighted

MAX_LEVEL = 10_000  # far above any real ladder; limits the memory that a hostile file can request


@dataclass(frozen=True, eq=False)
class Cmru(Weighted):
    """Cumulative memory recurrent unit on a finite ladder; with eps = 0 the (bipolar) BMRU.

    c = W x + b;  |c| >= threshold: s -> clip(sign(c) + eps s, k_min, k_max);  h = alpha s.
    The threshold is |threshold|, or max(|W_b x + threshold|, floor) if it depends on the inputs.
    Source: Brandoit et al., arXiv 2605.11855.
    """

    threshold: np.ndarray = field(metadata={"doc": "(d,) update thresholds; the bias of an input-dependent one"})
    alpha: np.ndarray = field(metadata={"doc": "(d,) output of one level"})
    eps: float = 1.0
    k_min: int | np.ndarray | None = field(default=None, metadata={"doc": "lowest level, of all units or (d,)"})
    k_max: int | np.ndarray | None = field(default=None, metadata={"doc": "highest level, of all units or (d,)"})
    initial: np.ndarray | None = field(default=None, metadata={"doc": "(d,) s_0; default 0, at eps = 0 -1"})
    threshold_weight: np.ndarray | None = field(default=None, metadata={"doc": "(d, D) for thresholds W_b x + b_b"})
    threshold_floor: np.ndarray | None = field(default=None, metadata={"doc": "(d,) least threshold, or none"})
    kind: ClassVar[str] = "cmru"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._array("threshold", (self.width,))
        self._array("alpha", (self.width,))
        object.__setattr__(self, "eps", in_range(f"{self.name}.eps", self.eps, 0.0, 1.0))
        for name in ("k_min", "k_max"):
            object.__setattr__(self, name, self._level(name, getattr(self, name)))
        self._check_ladder()
        rest = 0.0 if self.eps > 0.0 else -1.0
        object.__setattr__(self, "initial", np.full(self.width, rest) if self.initial is None else self.initial)
        self._array("initial", (self.width,))
        low, high = self.bounds
        assert self.initial is not None
        outside = np.flatnonzero((self.initial < low) | (self.initial > high))
        if len(outside):
            i = int(outside[0])
            raise ParameterError(
                f"{self.name}.initial[{i}] = {self.initial[i]:g} leaves the ladder [{low[i]:g}, {high[i]:g}]; choose "
                "levels inside it."
            )
        if self.threshold_weight is not None:
            self._array("threshold_weight", (self.width, self.inputs))
            if not self.threshold_weight.any():  # weights of zero mean constant thresholds
                object.__setattr__(self, "threshold_weight", None)
        if self.threshold_floor is not None:
            self._array("threshold_floor", (self.width,))
            if np.any(self.threshold_floor < 0.0):
                i = int(np.argmin(self.threshold_floor))
                raise ParameterError(
                    f"{self.name}.threshold_floor[{i}] = {self.threshold_floor[i]:g} is below zero; give the least "
                    "threshold of each unit."
                )

    def _level(self, name: str, given: object) -> int | np.ndarray | None:
        """One end of the ladders: a whole number for all units, or (d,) whole numbers if they differ."""
        if given is None:
            return None
        if isinstance(given, np.ndarray | list | tuple) and np.ndim(given):
            levels = finite_array(f"{self.name}.{name}", given, (self.width,))
        else:
            k = given.item() if isinstance(given, np.ndarray | np.generic) else given
            if isinstance(k, bool) or not isinstance(k, int | float):
                raise ParameterError(f"{self.name}.{name} = {given!r} is not a whole number; levels are counted.")
            if isinstance(k, int):  # no array holds a number of any size
                in_range(f"{self.name}.{name}", k, -MAX_LEVEL, MAX_LEVEL)
            levels = np.array([k])
        for k in levels:
            if not np.isfinite(k) or k != np.floor(k):
                raise ParameterError(f"{self.name}.{name} = {float(k)!r} is not a whole number; levels are counted.")
            in_range(f"{self.name}.{name}", float(k), -MAX_LEVEL, MAX_LEVEL)
        return int(levels[0]) if np.all(levels == levels[0]) else levels

    def _check_ladder(self) -> None:
        low, high = self.bounds
        if self.eps == 0.0 and (self.k_min not in (None, -1) or self.k_max not in (None, 1)):
            raise ParameterError(
                f"{self.name}: eps = 0 is the bistable unit with levels -1 and 1; leave k_min and k_max out, "
                "or train a first_quadrant_bmru for levels 0 and 1."
            )
        crossed = np.flatnonzero(low >= high)
        if len(crossed):
            i = int(crossed[0])
            raise ParameterError(f"{self.name}.k_min = {low[i]:g} is not below k_max = {high[i]:g}.")

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The ends (d,), (d,) of the ladders as floats; infinite where the ladder is unbounded."""
        low = -np.inf if self.k_min is None else self.k_min
        high = np.inf if self.k_max is None else self.k_max
        return np.broadcast_to(np.asarray(low, dtype=float), self.width), np.broadcast_to(
            np.asarray(high, dtype=float), self.width
        )

    def thresholds(self, x: np.ndarray) -> np.ndarray:
        """The thresholds for inputs x (T, ..., D): (d,) if constant, else (T, ..., d); a cell compares |.|."""
        own = self.threshold if self.threshold_weight is None else x @ self.threshold_weight.T + self.threshold
        return np.asarray(own if self.threshold_floor is None else np.maximum(np.abs(own), self.threshold_floor))


@dataclass(frozen=True, eq=False)
class FirstQuadrantBmru(Weighted):
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
            self._array(name, (self.width,))
        object.__setattr__(self, "initial", np.zeros(self.width) if self.initial is None else self.initial)
        self._array("initial", (self.width,))
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
class AlphaCmru(Weighted):
    """CMRU with an input-dependent step alpha_t = W_a x + b_a. Our hypothesis: we found no published equations."""

    threshold: np.ndarray
    alpha_weight: np.ndarray
    alpha_bias: np.ndarray
    eps: float = 1.0
    kind: ClassVar[str] = "alpha_cmru"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._array("threshold", (self.width,))
        self._array("alpha_bias", (self.width,))
        shape = (self.width, self.inputs)
        object.__setattr__(self, "alpha_weight", finite_array(f"{self.name}.alpha_weight", self.alpha_weight, shape))
        object.__setattr__(self, "eps", in_range(f"{self.name}.eps", self.eps, 0.0, 1.0))
