"""The recurrence in whole numbers: int8/int16 weights, int32 or int64 accumulators, integer thresholds.

Model   acc = (sum of w x) << s + b;   acc >= up[n] adds a stage, acc <= down[n-1] removes one; where both, the larger
        overdrive wins. Between steps the candidate returns to zero, and a threshold of the wrong sign moves a level.
        The decisions of `ladder_steps`, on integers.
Valid   as long as |acc| fits the accumulator: the caller proves it by the worst case of its codes
Not     saturation or wrap-around: there is none to model if the bound holds
Source  arXiv 2605.11855 (recurrence); the fixed-point form is ours
"""

import numpy as np

from analogrnn.kernels.simd.compiled import compiled


@compiled()
def integer_affine(
    x: np.ndarray, weight: np.ndarray, shift: np.ndarray, bias: np.ndarray, rectify: bool, out: np.ndarray
) -> None:
    """Fill `out` with (W x) << shift + b; every partial sum passes through the type of `out`.

    x       (R, D)  int32 or int64 codes, one row a step and sample
    weight  (d, D)  int8 or int16 codes
    shift   (d,)    int64 left shift of the products onto the accumulator's least step
    bias    (d,)    type of `out`, on the accumulator's least step
    rectify         True: negative sums become 0
    out     (R, d)  int32 or int64
    """
    rows, inputs = x.shape
    for r in range(rows):
        for i in range(weight.shape[0]):
            out[r, i] = 0
            for j in range(inputs):
                out[r, i] += weight[i, j] * x[r, j]
            out[r, i] = (out[r, i] << shift[i]) + bias[i]
            if rectify and out[r, i] < 0:
                out[r, i] = 0


@compiled()
def integer_ladder(
    c: np.ndarray, up: np.ndarray, down: np.ndarray, stuck: np.ndarray, rest: bool, n: np.ndarray, out: np.ndarray
) -> None:
    """Fill `out` with the number of stages ON after each step, and leave the last one in `n`.

    c      (T, S, d)  int32 or int64 candidates, on the least step of the thresholds
    up     (d, N)     int64; up[i, n] lifts cell i from n to n + 1
    down   (d, N)     int64; down[i, n-1] lowers cell i from n to n - 1
    stuck  (d, N)     bool; a down threshold that the unipolar line can't reach
    rest              True if the candidate returns to zero between steps
    n      (S, d)     int64 stages ON before the first step; overwritten
    out    (T, S, d)  int16
    """
    steps, samples, cells = c.shape
    stages = up.shape[1]
    for t in range(steps):
        for s in range(samples):
            for i in range(cells):
                k, u = n[s, i], c[t, s, i]
                rises = k < stages and u >= up[i, k]
                falls = k > 0 and not stuck[i, k - 1] and u <= down[i, k - 1]
                if rises and falls:
                    ahead = (u - up[i, k]) - (down[i, k - 1] - u)
                    rises, falls = ahead > 0, ahead < 0
                if rises:
                    k += 1
                elif falls:
                    k -= 1
                if rest:
                    if k < stages and up[i, k] < 0:
                        k += 1
                    elif k > 0 and not stuck[i, k - 1] and down[i, k - 1] > 0:
                        k -= 1
                n[s, i] = k
                out[t, s, i] = k
