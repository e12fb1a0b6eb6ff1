"""The digital recurrences: BMRU, CMRU, first-quadrant BMRU and alphaCMRU, as a loop and as an associative scan.

    z_t = H(|c_t| - |b_t|),  H(0) = 1
    s_t = clip(z_t (sign(c_t) + eps s_{t-1}) + (1 - z_t) s_{t-1}, k_min, k_max),   h_t = alpha s_t

eps = 0 is the BMRU, eps = 1 the cumulative unit (CMRU); in between, the state leaks at each update.

Source  Brandoit et al., arXiv 2605.11855 (CMRU); De Geeter et al., arXiv 2601.09495 (BMRU, scan); Fyon et al.,
        arXiv 2605.15216 (first quadrant). The finite ladder k_min..k_max is the hardware's.
Shapes  Time first: c is (T, ..., d); parameters are (d,) or broadcast against c[t].
"""

import numpy as np
from numpy.typing import ArrayLike

from analogrnn.errors import ParameterError


def update_gate(c: np.ndarray, b: ArrayLike) -> np.ndarray:
    """z = H(|c| - |b|), H(0) = 1: True where the candidate reaches its threshold."""
    return np.abs(c) >= np.abs(b)


def cmru_loop(
    c: np.ndarray,
    b: ArrayLike,
    s0: ArrayLike,
    *,
    eps: float = 1.0,
    k_min: ArrayLike | None = None,
    k_max: ArrayLike | None = None,
) -> np.ndarray:
    """Return the states s of shape (T, ..., d), one step after the other.

    c (T, ..., d) candidates, b (d,) or (T, ..., d) thresholds, s0 (d,) or (..., d) initial states,
    k_min and k_max the ends of the ladder, of all units or (d,) (None = unbounded). eps = 0 gives the BMRU.
    """
    _check_eps(eps)
    low, high = _bounds(k_min, k_max)
    z, direction = update_gate(c, b), np.sign(c)
    s = np.empty_like(c, dtype=np.float64)
    state = np.broadcast_to(np.asarray(s0, dtype=np.float64), c.shape[1:])
    for t in range(c.shape[0]):
        state = np.clip(np.where(z[t], direction[t] + eps * state, state), low, high)
        s[t] = state
    return s


def cmru_scan(
    c: np.ndarray,
    b: ArrayLike,
    s0: ArrayLike,
    *,
    eps: float = 1.0,
    k_min: ArrayLike | None = None,
    k_max: ArrayLike | None = None,
) -> np.ndarray:
    """The same states as `cmru_loop`, by an associative scan in log2(T) passes.

    Each step is the map s -> clip(a s + m, low, high) with a = 1 - z (1 - eps) >= 0 and m = z sign(c). Such maps are
    closed under composition, so the finite ladder scans as well as the unbounded one:
    (clip o affine)_2 o (clip o affine)_1 = clip(a2 a1 s + a2 m1 + m2, f2(low1), f2(high1)).
    Exact for eps in {0, 1}, where every quantity is an integer; to rounding otherwise.
    """
    _check_eps(eps)
    low, high = _bounds(k_min, k_max)
    z = update_gate(c, b)
    a = np.where(z, eps, 1.0)
    m = np.where(z, np.sign(c), 0.0)
    lo, hi = np.empty_like(a), np.empty_like(a)
    lo[...], hi[...] = low, high
    shift = 1
    while shift < c.shape[0]:  # Hillis & Steele: after this pass, entry t composes the last 2*shift steps
        first = tuple(x[:-shift] for x in (a, m, lo, hi))
        a2, m2, lo2, hi2 = (x[shift:] for x in (a, m, lo, hi))
        composed = (
            a2 * first[0],
            a2 * first[1] + m2,
            np.clip(_affine(a2, first[2], m2), lo2, hi2),
            np.clip(_affine(a2, first[3], m2), lo2, hi2),
        )
        a, m, lo, hi = (np.concatenate([x[:shift], y]) for x, y in zip((a, m, lo, hi), composed, strict=True))
        shift *= 2
    return np.clip(a * np.asarray(s0, dtype=np.float64) + m, lo, hi)


def first_quadrant_bmru_loop(c: np.ndarray, b_lo: ArrayLike, b_hi: ArrayLike, s0: ArrayLike) -> np.ndarray:
    """Return the states in {0, 1}: 1 from b_hi up, 0 from b_lo down, held between. c = max(W x + b, 0).

    Source  Fyon et al., arXiv 2605.15216.
    """
    s = np.empty_like(c, dtype=np.float64)
    state = np.broadcast_to(np.asarray(s0, dtype=np.float64), c.shape[1:])
    for t in range(c.shape[0]):
        state = np.where(c[t] >= b_hi, 1.0, np.where(c[t] <= b_lo, 0.0, state))
        s[t] = state
    return s


def alpha_cmru_loop(c: np.ndarray, b: ArrayLike, alpha: np.ndarray, h0: ArrayLike, *, eps: float = 1.0) -> np.ndarray:
    """Return the outputs h of the alphaCMRU, whose step size alpha_t (T, ..., d) depends on the input.

    h_t = z_t (alpha_t sign(c_t) + eps h_{t-1}) + (1 - z_t) h_{t-1}. This is OUR HYPOTHESIS: we found no published
    equations. Its states are not quantised, so that no ladder can hold them.
    """
    _check_eps(eps)
    z, step = update_gate(c, b), alpha * np.sign(c)
    h = np.empty_like(c, dtype=np.float64)
    state = np.broadcast_to(np.asarray(h0, dtype=np.float64), c.shape[1:])
    for t in range(c.shape[0]):
        state = np.where(z[t], step[t] + eps * state, state)
        h[t] = state
    return h


def alpha_cmru_scan(c: np.ndarray, b: ArrayLike, alpha: np.ndarray, h0: ArrayLike, *, eps: float = 1.0) -> np.ndarray:
    """The same outputs as `alpha_cmru_loop` to rounding, by the scan (a1, m1) o (a2, m2) = (a1 a2, a2 m1 + m2)."""
    _check_eps(eps)
    z = update_gate(c, b)
    a, m = np.where(z, eps, 1.0), np.where(z, alpha * np.sign(c), 0.0)
    shift = 1
    while shift < c.shape[0]:
        a_next, m_next = a.copy(), m.copy()
        a_next[shift:] = a[:-shift] * a[shift:]
        m_next[shift:] = a[shift:] * m[:-shift] + m[shift:]
        a, m = a_next, m_next
        shift *= 2
    return a * np.asarray(h0, dtype=np.float64) + m


def _affine(a: np.ndarray, bound: np.ndarray, m: np.ndarray) -> np.ndarray:
    # an infinite bound stays infinite for a > 0; for a = 0 (an update at eps = 0) the result is m, not 0 * inf
    return np.where(a == 0.0, m, np.where(a == 0.0, 1.0, a) * bound + m)


def _bounds(k_min: ArrayLike | None, k_max: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    low = np.asarray(-np.inf if k_min is None else k_min, dtype=np.float64)
    high = np.asarray(np.inf if k_max is None else k_max, dtype=np.float64)
    crossed = np.argwhere(~(low < high))
    if len(crossed):
        at = tuple(crossed[0])
        low, high = np.broadcast_arrays(low, high)
        raise ParameterError(f"cells.k_min = {low[at]:g} is not below k_max = {high[at]:g}.")
    return low, high


def _check_eps(eps: float) -> None:
    if not 0.0 <= eps <= 1.0:
        raise ParameterError(f"cells.eps = {eps:g} is outside [0, 1]: 0 is the BMRU, 1 the CMRU.")
