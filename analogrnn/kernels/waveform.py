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
from numba import njit


@njit(cache=True)
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


@njit(cache=True)
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


@njit(cache=True, nogil=True, error_model="numpy")
def ladders_waveform(
    line: np.ndarray,
    kind: np.ndarray,
    follow: np.ndarray,
    decay: np.ndarray,
    step: np.ndarray,
    count: np.ndarray,
    stage: np.ndarray,
    scalars: np.ndarray,
    state: np.ndarray,
    rows: np.ndarray,
    on: np.ndarray,
    d: np.ndarray,
) -> None:
    """Many ladders in vector lanes on one grid of time; the model of `ladder_waveform`.

    An interval's kind k says how long it is: all that depends on its length alone is given once for each kind. A rise
    takes count[k] Runge-Kutta steps in every lane, where `dpi_step` takes fewer once d is large.

    line     (P, C)     A  current on each line, standing current included, held over each interval
    kind     (P,)       1  int64
    follow   (K, C)     1  1 - exp(-dt / t_in)
    decay    (K,)       1  exp(-dt / tau)
    step     (K,)       1  dt / (tau count)
    count    (K,)       1  int64, such that step (R - 1) <= 0.25
    stage    (5, N, C)  A  rows as in `ladder_waveform`
    scalars  (3,)       1  R, floor, 1.0 if a DPI follows its stage at once
    state    (3, N, C)     rows as in `ladder_waveform`; overwritten
    rows     (P,)       1  int64, the row of the results that takes the state after this interval, or -1
    on       (Q, N, C)  1  uint8
    d        (Q, N, C)  1  float64, or (0, N, C) if not wanted
    """
    points, stages, cells = line.shape[0], stage.shape[1], stage.shape[2]
    span, floor, instant = scalars[0] - 1.0, scalars[1], scalars[2] > 0.5
    risen = np.empty(cells)
    nothing = np.zeros(cells)
    everything = np.ones(cells)
    for p in range(points):
        k = kind[p]
        fade, h, row = decay[k], step[k], rows[p]
        for j in range(stages):
            below = everything if j == 0 else state[1, j - 1]
            above = nothing if j == stages - 1 else state[1, j + 1]
            for c in range(cells):
                target = stage[2, j, c] * line[p, c] + stage[3, j, c] * below[c] + stage[4, j, c] * above[c]
                state[2, j, c] += (target - state[2, j, c]) * follow[k, c]
        for j in range(stages):
            for c in range(cells):
                risen[c] = state[1, j, c]
            for _ in range(0 if instant else count[k]):
                for c in range(cells):
                    e = risen[c]
                    k1 = span * e * (1.0 - e) / (1.0 + span * e)
                    a = e + 0.5 * h * k1
                    k2 = span * a * (1.0 - a) / (1.0 + span * a)
                    a = e + 0.5 * h * k2
                    k3 = span * a * (1.0 - a) / (1.0 + span * a)
                    a = e + h * k3
                    k4 = span * a * (1.0 - a) / (1.0 + span * a)
                    risen[c] = e + h * (k1 + 2.0 * k2 + 2.0 * k3 + k4) / 6.0
            for c in range(cells):
                was = state[0, j, c]
                # hysteresis: below i_lo OFF, above i_hi ON, between as it was
                now = 1.0 if state[2, j, c] >= stage[0, j, c] else was
                now = 0.0 if state[2, j, c] <= stage[1, j, c] else now
                fallen = floor + (state[1, j, c] - floor) * fade
                after = risen[c] if was > 0.5 else fallen
                state[1, j, c] = now if instant else after
                state[0, j, c] = now
        if row >= 0:
            _keep(state, row, on, d)


@njit(cache=True)
def _keep(state, row, on, d):
    for j in range(state.shape[1]):
        for c in range(state.shape[2]):
            on[row, j, c] = np.uint8(state[0, j, c])
            if len(d):
                d[row, j, c] = state[1, j, c]
