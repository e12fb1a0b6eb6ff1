"""Waveform level in vector lanes: many ladders side by side; the model of kernels/waveform.py.

Rise    While a stage is ON, the equation of its DPI is solved by
            ln(d) / (R-1) - (1 + 1/(R-1)) ln(1-d) = t / tau + constant,
        so a step of h = dt/tau takes d to d + d (1-d) g, where g solves
            ln(1 + (1-d) g) / (R-1) - (1 + 1/(R-1)) ln(1 - d g) = h.
        For one h, g is a smooth function of 1 / (1 + (R-1) d), which runs from 1/R to 1. A polynomial of degree 14
        gives it within 1e-10 if h (R-1) <= LONGEST, within 1e-14 if h (R-1) <= 0.15, for one division.
Valid   as there; a rise is exact but for the polynomial, where the Runge-Kutta steps of `dpi_step` miss 1e-5 each
Source  the equation of kernels/waveform.py, separated and integrated; interpolation at Chebyshev's points
"""

from typing import Any

import numpy as np
from numba.core import types
from numba.core.extending import intrinsic

from analogrnn.kernels.simd.compiled import compiled
from analogrnn.kernels.simd.functions import any_of, bits_of, fused, where
from analogrnn.kernels.simd.lanes import aligned, converted, load, splat, store

LANES = 8  # ladders of double precision that are stepped as one: a set; of single precision twice as many
LONGEST = 0.42  # of a step h that the polynomial covers
_DEGREE = 14


def rise_polynomials(step: np.ndarray, ratio: float) -> np.ndarray:
    """Return (K, 15) the coefficients of g, lowest first, for steps dt/tau (K,) and R = `ratio`.

    In x = (2 R / (1 + (R-1) d) - R - 1) / (R-1), which is 1 at d = 0 and -1 at d = 1.
    """
    span, h = ratio - 1.0, step[:, None]
    x = np.cos((np.arange(_DEGREE + 1) + 0.5) * np.pi / (_DEGREE + 1))
    d = (2.0 * ratio / (span * x + ratio + 1.0) - 1.0) / span
    g = span * h / (1.0 + span * d)
    for _ in range(8):  # Newton; from Euler's step the error is squared each time
        miss = np.log1p((1.0 - d) * g) / span - (1.0 + 1.0 / span) * np.log1p(-d * g) - h
        g -= miss / ((1.0 - d) / (span * (1.0 + (1.0 - d) * g)) + (1.0 + 1.0 / span) * d / (1.0 - d * g))
    return np.ascontiguousarray(np.linalg.solve(np.vander(x, increasing=True), g.T).T)


def side_by_side(stage: np.ndarray, state: np.ndarray, kind: Any = np.float64) -> np.ndarray:
    """Return the ladders of `stage` (5, N, C) in `state` (3, N, C) as `ladders_waveform` takes them.

    C is a multiple of W, 8 for double precision and 16 for single. All that one stage of W ladders needs lies together,
    so that its addresses differ by constants.
    """
    rows, width = np.concatenate([state, stage]), 64 // np.dtype(kind).itemsize
    out = aligned((rows.shape[2] // width, rows.shape[1], 8, width), kind)
    out[:] = rows.reshape(8, rows.shape[1], -1, width).transpose(2, 1, 0, 3)
    return out


def in_order(sets: np.ndarray) -> np.ndarray:
    """Return (Q, N, C) what lies in sets of ladders (C/W, Q, N, W)."""
    return sets.transpose(1, 2, 0, 3).reshape(*sets.shape[1:3], -1)


@intrinsic
def _width(_, array):
    """Return how many numbers of an array fill a vector: a constant, so that offsets are."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.get_constant(types.int64, 512 // sig.args[0].dtype.bitwidth)

    return types.int64(array), codegen


@compiled()
def _coefficients(rise, k, like):
    """Fifteen lanes, for all stages of a point: loaded anew for each stage they would cost a tenth of the speed."""
    f = like.dtype
    return (
        splat(rise[k, 0], f),
        splat(rise[k, 1], f),
        splat(rise[k, 2], f),
        splat(rise[k, 3], f),
        splat(rise[k, 4], f),
        splat(rise[k, 5], f),
        splat(rise[k, 6], f),
        splat(rise[k, 7], f),
        splat(rise[k, 8], f),
        splat(rise[k, 9], f),
        splat(rise[k, 10], f),
        splat(rise[k, 11], f),
        splat(rise[k, 12], f),
        splat(rise[k, 13], f),
        splat(rise[k, 14], f),
    )


@compiled()
def _polynomial(x, c):
    """c[0] + c[1] x + .. + c[14] x^14, by Horner; written out, as a tuple is not indexed by a variable for free."""
    y = fused(fused(fused(c[14], x, c[13]), x, c[12]), x, c[11])
    y = fused(fused(fused(fused(y, x, c[10]), x, c[9]), x, c[8]), x, c[7])
    y = fused(fused(fused(fused(y, x, c[6]), x, c[5]), x, c[4]), x, c[3])
    return fused(fused(fused(y, x, c[2]), x, c[1]), x, c[0])


@compiled(nogil=True)
def ladders_waveform(
    line: np.ndarray,
    at: np.ndarray,
    kinds: np.ndarray,
    follow: np.ndarray,
    fade: np.ndarray,
    count: np.ndarray,
    rise: np.ndarray,
    scalars: np.ndarray,
    part: np.ndarray,
    ladders: np.ndarray,
    rows: np.ndarray,
    on: np.ndarray,
    d: np.ndarray,
) -> None:
    """Run the sets part[0] to part[1] of W ladders each on one grid of time.

    F is float64 and W = 8, or F is float32 and W = 16. An interval's length says which of K kinds it is of: all that
    depends on its length alone is given once for each kind.

    line     (L, C)     A  F, current on each line, standing current included
    at       (P,)       1  int64, the row of `line` held over each interval
    kinds    (P,)       1  int64
    follow   (K, C)     1  F, 1 - exp(-dt / t_in)
    fade     (K,)       1  exp(-dt / tau)
    count    (K,)       1  int64, the steps that a rise is cut into, such that dt (R-1) / (tau count) <= LONGEST
    rise     (K, 15)    1  `rise_polynomials` of dt / (tau count)
    scalars  (3,)       1  R, floor, 1.0 if a DPI follows its stage at once
    part     (2,)       1  int64; a CPU's first cache holds some 8 sets of 8 stages
    ladders  (C/W, N, 8, W)  F, `side_by_side`; its state is overwritten
    rows     (P,)       1  int64, the row of the results that takes the state after this interval, or -1
    on       (Q, N, C/8) 1  uint8, the lowest bit for the first of 8 ladders, or (0, N, C/8) if not wanted
    d        (C/W, Q, N, W)  1  float32 or float64, or (C/W, 0, N, W) if not wanted
    """
    points, stages, results = len(at), ladders.shape[1], d.shape[1]
    kind, width = ladders.dtype, _width(ladders)
    bytes_of_set = width // 8
    span, floor, instant = scalars[0] - 1.0, scalars[1], scalars[2] > 0.5
    slope, shift = 2.0 * scalars[0] / span, (scalars[0] + 1.0) / span
    one, zero, rest = splat(1.0, kind), splat(0.0, kind), splat(floor, kind)
    keep_on, keep_d = len(on) > 0, results > 0
    own, out = ladders.reshape(ladders.size), d.reshape(d.size)
    # A stage's numbers lie `width` apart: ON, d, input current, i_hi, i_lo, copy, left, right.
    # Point by point: what one set waits for is hidden behind the others. Each set writes its results in the order of
    # memory: across the sets, as (Q, N, C), would cost a fifth of the speed.
    for p in range(points):
        k, row, fall = kinds[p], rows[p], fade[kinds[p]]
        growth = _coefficients(rise, k, ladders)
        for s in range(part[0], part[1]):
            now_line, rate = load(line, (at[p], s * width)), load(follow, (k, s * width))
            o, place = s * stages * 8 * width, (s * results + row) * stages * width
            below, here = one, load(own, o + width)
            for j in range(stages):
                above = load(own, o + 9 * width) if j + 1 < stages else zero
                current = load(own, o + 2 * width)
                target = fused(load(own, o + 6 * width), below, load(own, o + 7 * width) * above)
                target = fused(load(own, o + 5 * width), now_line, target)
                current = fused(target - current, rate, current)
                was = load(own, o) > 0.5
                # hysteresis: below i_lo OFF, above i_hi ON, between as it was
                now = ((current >= load(own, o + 3 * width)) | was) & (current > load(own, o + 4 * width))
                after = fused(here - floor, fall, rest)
                if any_of(was) and not instant:
                    risen = here
                    for _ in range(count[k]):
                        x = slope / fused(risen, span, one) - shift
                        risen = fused(risen * (1.0 - risen), _polynomial(x, growth), risen)
                    after = where(was, risen, after)
                is_on = where(now, one, zero)
                if instant:
                    after = is_on
                store(own, o, is_on)
                store(own, o + width, after)
                store(own, o + 2 * width, current)
                if row >= 0:
                    if keep_on:
                        bits = bits_of(now)
                        for b in range(bytes_of_set):
                            on[row, j, s * bytes_of_set + b] = bits >> np.uint32(8 * b)
                    if keep_d:
                        store(out, place, converted(after, d.dtype))
                below, here = here, above
                o += 8 * width
                place += width
