"""First passages of Ornstein-Uhlenbeck noise out of a window, by exact steps and a bridge between them.

Model   tau dx = -x dt + sigma sqrt(2 tau) dW,  stationary rms sigma; after each passage it starts again at zero
Valid   any step for the positions at its ends; the bridge takes the drift as constant within a step: use dt <= tau / 20
Not     the time within the last step (less than dt)
Source  the exact step: Gillespie, Phys. Rev. E 54 (1996) 2084; crossings between samples: the Brownian bridge,
        P = exp(-2 (b - x0)(b - x1) / v), v the variance of the step
"""

import numpy as np

from analogrnn.kernels.simd.compiled import compiled


@compiled()
def ou_passages(
    x: np.ndarray, xi: np.ndarray, uniform: np.ndarray, process: np.ndarray, window: np.ndarray, count: np.ndarray
) -> None:
    """Advance M walkers by P steps; count their passages, and leave them where they are.

    x        (M,)    positions; overwritten
    xi       (P, M)  1  standard normals
    uniform  (P, M)  1  in [0, 1): decide crossings between samples
    process      (2,)       rho = exp(-dt/tau) (1), standard deviation of the step
    window   (2,)       lower and upper end; infinite for none
    count    (2,)       passages through the lower and the upper end; added to
    """
    rho, kick = process[0], process[1]
    variance = kick * kick
    low, high = window[0], window[1]
    for p in range(xi.shape[0]):
        for m in range(x.shape[0]):
            was = x[m]
            now = rho * was + kick * xi[p, m]
            above, below = now >= high, now <= low
            if not above and not below:
                # 40: exp(-40) is below one in 1e17
                up = 2.0 * (high - was) * (high - now)
                down = 2.0 * (was - low) * (now - low)
                p_up = np.exp(-up / variance) if up < 40.0 * variance else 0.0
                p_down = np.exp(-down / variance) if down < 40.0 * variance else 0.0
                above = uniform[p, m] < p_up
                below = not above and uniform[p, m] < p_up + p_down
            if above:
                count[1] += 1
                now = 0.0
            elif below:
                count[0] += 1
                now = 0.0
            x[m] = now
