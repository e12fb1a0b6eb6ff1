"""Step level: tables over levels, one update a step.

Model   n in 0..N stages are ON. During the pulse the candidate u meets the tables of the present level:
        u >= up[n] adds a stage, u <= down[n-1] removes one; where mismatch makes both true, the larger overdrive wins.
        Between pulses the candidate is zero, and a level whose own threshold has the wrong sign drifts one further.
Valid   where the ladder's inequalities hold: a pulse of any amplitude moves at most one level
Not     waveforms, several levels in one pulse, the memory of a DPI that has not settled
Source  the recurrence s_t = clip(s_{t-1} + sign(c) H(|c| - b)) of arXiv 2605.11855, on a finite ladder
"""

import numpy as np

from analogrnn.kernels.simd.compiled import compiled


@compiled()
def ladder_steps(c: np.ndarray, up: np.ndarray, down: np.ndarray, rest: bool, n: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` with the number of stages ON after each step, and leave the last one in `n`.

    c     (T, S, d)  1  candidates, noise included; in the unit of the tables
    up    (d, N)     1  up[i, n] lifts cell i from n to n + 1
    down  (d, N)     1  down[i, n-1] lowers cell i from n to n - 1
    rest             -  True if the candidate returns to zero between steps
    n     (S, d)     1  int64 stages ON before the first step; overwritten
    out   (T, S, d)  1  int16
    """
    steps, samples, cells = c.shape
    stages = up.shape[1]
    for t in range(steps):
        for s in range(samples):
            for i in range(cells):
                k, u = n[s, i], c[t, s, i]
                rise = u - up[i, k] if k < stages else -np.inf
                fall = down[i, k - 1] - u if k > 0 else -np.inf
                if rise >= 0.0 or fall >= 0.0:
                    if rise > fall:
                        k += 1
                    elif fall > rise:
                        k -= 1
                if rest:
                    if k < stages and up[i, k] < 0.0:
                        k += 1
                    elif k > 0 and down[i, k - 1] > 0.0:
                        k -= 1
                n[s, i] = k
                out[t, s, i] = k
