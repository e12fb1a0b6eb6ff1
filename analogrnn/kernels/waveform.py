"""Waveform level: one thermometer ladder in continuous time.

Model   stage j of N receives   I_j = copy_j max(base + u, 0) + left_j d_{j-1} + right_j d_{j+1},   d_0 = 1, d_{N+1} = 0
        input node              t_in dI'/dt = I - I'
        cell                    sets at I' >= i_hi, resets at I' <= i_lo, holds between
        DPI, stage ON           tau dd/dt (1 + (R-1) d) = (R-1) d (1 - d)      (nonlinear rise with dead time)
        DPI, stage OFF          tau dd/dt = floor - d
Valid   weak inversion; dt well below t_in while currents move; first order in dt, exact at rest
Not     slewing of the comparator node (lumped into t_in), supply and temperature, output resistance
Source  Bartolozzi & Indiveri 2007, Neural Computation 19(10):2581: tau dI/dt (1 + I_g/I) = (I_g/I_tau) I_on - I_g - I
        with d = I / I_set, I_set = I_g (R - 1), R = I_on / I_tau; while OFF, I_on = 0 leaves tau dI/dt = -I exactly
"""

import numpy as np

from analogrnn.kernels.simd.compiled import compiled


@compiled(nogil=True)
def dpi_step(d: float, on: bool, dt: float, tau: float, drive_ratio: float, floor: float) -> float:
    """Return the DPI's output, as a part of its set value, after dt seconds of constant drive.

    OFF is the exact exponential; ON takes classical Runge-Kutta steps no longer than 0.25 tau / (R-1), the time in
    which a small output grows by exp(0.25): the local error of one is 1e-5 of d.
    """
    if not on:
        return floor + (d - floor) * np.exp(-dt / tau)
    span = drive_ratio - 1.0
    if 1.0 - d < 1e-15:
        return 1.0
    # once d is large the equation is slow (rate 1/tau): the step only needs to resolve the rise
    count = max(1, int(np.ceil(dt * span / (tau * (1.0 + span * d)) / 0.25)))
    h = dt / (tau * count)
    for _ in range(count):
        k1 = span * d * (1.0 - d) / (1.0 + span * d)
        e = d + 0.5 * h * k1
        k2 = span * e * (1.0 - e) / (1.0 + span * e)
        e = d + 0.5 * h * k2
        k3 = span * e * (1.0 - e) / (1.0 + span * e)
        e = d + h * k3
        k4 = span * e * (1.0 - e) / (1.0 + span * e)
        d += h * (k1 + 2.0 * k2 + 2.0 * k3 + k4) / 6.0
    return d


@compiled(nogil=True)
def ladder_waveform(
    u: np.ndarray,
    base: np.ndarray,
    dt: np.ndarray,
    stage: np.ndarray,
    scalars: np.ndarray,
    state: np.ndarray,
    on: np.ndarray,
    d: np.ndarray,
    i_in: np.ndarray,
) -> None:
    """Fill `on`, `d` and `i_in` with the state at the end of each time interval.

    u        (P,)    A  candidate current on the line, held over each interval
    base     (P,)    A  standing current of the line
    dt       (P,)    s  lengths of the intervals
    stage    (5, N)  A  rows i_hi, i_lo, copy (1), left, right
    scalars  (5,)       t_in (s), tau (s), R (1), floor (1), 1.0 if a DPI follows its stage at once (no DPI)
    state    (3, N)     rows on (0 or 1), d (1), input current (A) at the start; overwritten
    on       (P, N)  1  uint8
    d        (P, N)  1
    i_in     (P, N)  A
    """
    points, stages = u.shape[0], stage.shape[1]
    t_in, tau, drive_ratio, floor, instant = scalars[0], scalars[1], scalars[2], scalars[3], scalars[4]
    for p in range(points):
        line = max(base[p] + u[p], 0.0)
        follow = 1.0 - np.exp(-dt[p] / t_in)
        for j in range(stages):
            below = 1.0 if j == 0 else state[1, j - 1]
            above = 0.0 if j == stages - 1 else state[1, j + 1]
            target = stage[2, j] * line + stage[3, j] * below + stage[4, j] * above
            i_in[p, j] = state[2, j] + (target - state[2, j]) * follow
        for j in range(stages):
            was_on = state[0, j] > 0.5
            if not was_on and i_in[p, j] >= stage[0, j]:
                state[0, j] = 1.0
            elif was_on and i_in[p, j] <= stage[1, j]:
                state[0, j] = 0.0
            if instant > 0.5:
                state[1, j] = state[0, j]
            else:
                state[1, j] = dpi_step(state[1, j], was_on, dt[p], tau, drive_ratio, floor)
            state[2, j] = i_in[p, j]
            on[p, j] = state[0, j] > 0.5
            d[p, j] = state[1, j]
