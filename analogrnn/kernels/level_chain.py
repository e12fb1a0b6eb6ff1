"""Exact distribution of one ladder's level under noise, without sampling: a Markov chain over the levels.

Model   kernels/ladder_steps.py with the candidate u = c + sigma z, z standard normal and independent in each step.
        In level n the ladder rises if u >= up[n], falls if u <= down[n-1]; where both hold the larger overdrive wins,
        so the two meet at (up + down) / 2. The probability of a move is Phi of the distance over sigma. Then the drift.
Valid   candidates that don't depend on the level: one ladder, or the first layer of a network
Not     classes: cells of a layer share their inputs but not their noise, so given the inputs they are independent
Source  section 4 of the design; the chain is the recurrence in arXiv 2605.11855 with a noisy candidate
"""

import math

import numpy as np

from analogrnn.kernels.simd.compiled import compiled


@compiled(error_model="numpy")
def level_probabilities(
    c: np.ndarray, sigma: np.ndarray, up: np.ndarray, down: np.ndarray, rest: bool, p: np.ndarray, out: np.ndarray
) -> None:
    """Fill `out` with the probability of each level after each step, and leave the last one in `p`.

    c      (T, d)         1  candidates without noise
    sigma  (d,)           1  rms of their noise; 0 is none
    up     (d, N)         1  tables as in kernels/ladder_steps.py
    down   (d, N)         1
    rest                  -  True if the candidate returns to zero between steps
    p      (d, N + 1)     1  probabilities before the first step; overwritten
    out    (T, d, N + 1)  1
    """
    steps, cells = c.shape
    stages = up.shape[1]
    after = np.empty(stages + 1)
    for t in range(steps):
        for i in range(cells):
            after[:] = 0.0
            for n in range(stages + 1):
                high = up[i, n] if n < stages else np.inf
                low = down[i, n - 1] if n > 0 else -np.inf
                tied = high <= low
                if tied:
                    high = low = 0.5 * (high + low)
                if sigma[i] > 0.0:
                    rise = 0.5 * math.erfc((high - c[t, i]) / (sigma[i] * math.sqrt(2.0)))
                    fall = 0.5 * math.erfc((c[t, i] - low) / (sigma[i] * math.sqrt(2.0)))
                else:
                    at = tied and c[t, i] == high  # equal overdrives: neither wins
                    rise = 1.0 if c[t, i] >= high and not at else 0.0
                    fall = 1.0 if c[t, i] <= low and not at else 0.0
                for move in range(-1, 2):
                    weight = rise if move > 0 else fall if move < 0 else max(1.0 - rise - fall, 0.0)
                    k = n + move
                    if weight == 0.0 or k < 0 or k > stages:
                        continue
                    if rest and k < stages and up[i, k] < 0.0:
                        k += 1
                    elif rest and k > 0 and down[i, k - 1] > 0.0:
                        k -= 1
                    after[k] += p[i, n] * weight
            for n in range(stages + 1):
                p[i, n] = after[n]
                out[t, i, n] = after[n]
