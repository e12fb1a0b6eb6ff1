"""Soft threshold: how a constant window follows an input-dependent threshold.

A ladder whose window is a constant `floor` moves where |c| >= max(|b|, floor) if its candidate is

    u = max(max(c, 0) - e, 0) - max(max(-c, 0) - e, 0),    e = max(|b| - floor, 0)

since |u| >= floor means |c| - e >= floor, and e + floor = max(|b|, floor).
Model   rectified subtraction of currents, each of its mirrors with a constant gain
Not     what a mirror's drain voltage and the pair's current at rest add, at most 0.02 floor: see the calibration
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analogrnn.kernels import plain


@dataclass(frozen=True, eq=False)
class SoftGains:
    """Gains of the mirrors of one layer's soft thresholds, 1 in a nominal chip. Arrays (d,), or (C, d) of many chips.

    rail    of |b| where b is negative
    floor   of the sink of the floor
    e_up    of e where the candidate is positive; e_down where it is negative
    u_up    of the positive output; u_down of the negative one
    """

    rail: np.ndarray
    floor: np.ndarray
    e_up: np.ndarray
    e_down: np.ndarray
    u_up: np.ndarray
    u_down: np.ndarray

    @classmethod
    def nominal(cls, width: int) -> "SoftGains":
        """The gains of `width` units without mismatch."""
        return cls(*np.ones((6, width)))

    def chip(self, row: int) -> "SoftGains":
        """The gains of one chip of many; arrays of one chip hold for all."""
        return SoftGains(*(a[row] if len(a) > 1 else a[0] for a in vars(self).values()))


def soft_candidates(c: np.ndarray, b: ArrayLike, floor: np.ndarray, gains: SoftGains | None = None) -> np.ndarray:
    """The candidates u (..., d) for candidates c and thresholds b, all in one unit; `gains` None: nominal.

    With gains of 1 a ladder of window `floor` (d,) decides exactly as |c| >= max(|b|, floor), also where the difference
    of two equal numbers is off by rounding.
    """
    g = gains or SoftGains.nominal(c.shape[-1])
    if np.size(c) > plain.SMALL // 4:  # numpy's dozen passes take longer than numba takes to load
        from analogrnn.kernels.soft_candidates import soft_threshold_steps  # noqa: PLC0415 (numba costs 0.5 s)

        flat = [np.ascontiguousarray(np.broadcast_to(a, c.shape)).reshape(-1, c.shape[-1]) for a in (c, b)]
        out = np.empty(flat[0].shape)
        below = np.nextafter(floor, 0.0)
        soft_threshold_steps(*flat, floor, below, np.stack(list(vars(g).values())), out)
        return out.reshape(c.shape)
    size, bound = np.abs(c), np.abs(b)
    e = np.maximum(np.where(np.asarray(b) < 0.0, bound * g.rail, bound) - floor * g.floor, 0.0)
    positive = c > 0.0
    u = np.maximum(size - e * np.where(positive, g.e_up, g.e_down), 0.0) * np.where(positive, g.u_up, g.u_down)
    exact = np.all(np.stack(list(vars(g).values())) == 1.0, axis=0)
    if exact.any():
        moves = size >= np.maximum(bound, floor)
        u = np.where(exact, np.where(moves, np.maximum(u, floor), np.minimum(u, np.nextafter(floor, 0.0))), u)
    return np.asarray(np.where(positive, u, -u))
