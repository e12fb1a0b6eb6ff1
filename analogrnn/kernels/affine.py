"""Weighted sums in a fixed order: the same bits on every machine and for any number of rows or chips.

Model   out = ((bias + w[0] x[0]) + w[1] x[1]) + .. in float64, never fused or reordered, as a product of matrices may be
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def affine(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, out: np.ndarray) -> None:
    """Fill out (R, d) for rows x (R, D), weight (d, D) and bias (d,)."""
    for r in range(x.shape[0]):
        for i in range(weight.shape[0]):
            total = bias[i]
            for j in range(weight.shape[1]):
                total += weight[i, j] * x[r, j]
            out[r, i] = total


@njit(cache=True, nogil=True)
def affine_lanes(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, out: np.ndarray) -> None:
    """Fill out (R, d, L), chips last, for rows x (R, D, 1 or L), weight (d, D, L) and bias (d, L)."""
    lanes = out.shape[2]
    for r in range(x.shape[0]):
        for i in range(weight.shape[0]):
            for lane in range(lanes):
                out[r, i, lane] = bias[i, lane]
            for j in range(weight.shape[1]):
                if x.shape[2] > 1:
                    for lane in range(lanes):
                        out[r, i, lane] += weight[i, j, lane] * x[r, j, lane]
                else:
                    shared = x[r, j, 0]
                    for lane in range(lanes):
                        out[r, i, lane] += weight[i, j, lane] * shared


@njit(cache=True, nogil=True)
def level_outputs(levels: np.ndarray, output: np.ndarray, out: np.ndarray) -> None:
    """Fill out (R, d, L) with output[i, levels[r, i, lane], lane]; levels (R, d, L), output (d, N + 1, L)."""
    for r in range(levels.shape[0]):
        for i in range(levels.shape[1]):
            for lane in range(levels.shape[2]):
                out[r, i, lane] = output[i, levels[r, i, lane], lane]


@njit(cache=True, nogil=True)
def count_correct(logits: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> None:
    """Add to counts (L, K) how many samples of each class are right; logits (S, outputs, L), labels (S,) in 0..K-1.

    The class is the first of the largest outputs, as in numpy's argmax.
    """
    for s in range(logits.shape[0]):
        for lane in range(logits.shape[2]):
            best = 0
            for k in range(1, logits.shape[1]):
                if logits[s, k, lane] > logits[s, best, lane]:
                    best = k
            if best == labels[s]:
                counts[lane, best] += 1
