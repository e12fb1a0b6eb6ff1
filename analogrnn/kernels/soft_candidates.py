"""Soft thresholds: one candidate per step and cell from its row and that of its threshold.

Model   e = max(|b| - floor, 0), u = max(max(c, 0) - e, 0) - max(max(-c, 0) - e, 0), each mirror with a constant gain
Valid   as `analogrnn.soft_threshold`, whose numbers these are to the last bit
Not     delay, the pair's current at rest
Source  rectified subtraction, docs/circuits.md
"""

import numpy as np

from analogrnn.kernels.simd.compiled import compiled


@compiled()
def soft_threshold_steps(
    c: np.ndarray, b: np.ndarray, floor: np.ndarray, below: np.ndarray, gains: np.ndarray, out: np.ndarray
) -> None:
    """Fill `out` with the candidates behind soft thresholds.

    c, b   (M, d)  1  candidates and thresholds, one row per step and sample
    floor  (d,)    1  half window of each cell
    below  (d,)    1  the next number below `floor`
    gains  (6, d)  1  rail, floor, e_up, e_down, u_up, u_down: see `SoftGains`; a cell with ones only decides exactly
    out    (M, d)  1
    """
    count, cells = c.shape
    for m in range(count):
        for i in range(cells):
            size, bound = abs(c[m, i]), abs(b[m, i])
            e = max((bound * gains[0, i] if b[m, i] < 0.0 else bound) - floor[i] * gains[1, i], 0.0)
            side = 0 if c[m, i] > 0.0 else 1
            u = max(size - e * gains[2 + side, i], 0.0) * gains[4 + side, i]
            exact = True
            for k in range(6):
                exact = exact and gains[k, i] == 1.0
            if exact:
                u = max(u, floor[i]) if size >= max(bound, floor[i]) else min(u, below[i])
            out[m, i] = u if side == 0 else -u
