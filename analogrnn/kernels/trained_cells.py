"""Cells in training: states of many samples, and the gradients of a loss through them, on arrays of one device.

Model   forward: exact steps. Backward: dH/dx of the comparison with a threshold becomes the surrogate
        1 / (w (1 + (pi x / 2 w)^2)) of width w at both thresholds; everything else has its true derivative, which is
        zero where the end of the ladder cuts a move off
Valid   candidates that are constant within a step; one thread
Not     gradients of the initial states
Source  Brandoit et al., arXiv 2605.11855 (recurrence; H'(x) = 1/(1 + (pi x)^2), the case w = 1/2 up to a factor)

Every array of reals has the type of the candidates, float32 or float64.
"""

import math

import numpy as np

from analogrnn.kernels.simd.compiled import compiled


@compiled()
def cmru_forward(c, b, eps, bounds, start, states):
    """Fill `states` (T, B, d) with s_t = clip(sign(c) + eps s, low, high) where |c| >= |b|, else s.

    c       (T, B, d)    candidates
    b       (T or 1, B or 1, d)  thresholds; an axis of length 1 holds for all
    bounds  (2, d)       low and high
    start   (d,)         states before the first step
    """
    steps, samples, cells = c.shape
    each_step, each_sample = b.shape[0] > 1, b.shape[1] > 1
    for n in range(samples):
        for i in range(cells):
            s = start[i]
            for t in range(steps):
                u = c[t, n, i]
                if abs(u) >= abs(b[t if each_step else 0, n if each_sample else 0, i]):
                    s = np.sign(u) + eps * s
                    s = min(max(s, bounds[0, i]), bounds[1, i])
                states[t, n, i] = s


@compiled()
def cmru_backward(g, c, b, eps, bounds, start, states, width, gc, gb):
    """Fill `gc` (T, B, d) and add to `gb` (shape of b) the gradients for `g` (T, B, d), d loss / d states."""
    steps, samples, cells = c.shape
    each_step, each_sample = b.shape[0] > 1, b.shape[1] > 1
    a, h = math.pi / (2.0 * width), 1.0 / width
    for n in range(samples):
        for i in range(cells):
            total = 0.0
            for t in range(steps - 1, -1, -1):
                total += g[t, n, i]
                before = states[t - 1, n, i] if t > 0 else start[i]
                row, column = t if each_step else 0, n if each_sample else 0
                u, edge = c[t, n, i], b[row, column, i]
                sign = -1.0 if edge < 0.0 else 1.0
                edge = abs(edge)
                above, below = u - edge, -edge - u
                up, down = above >= 0.0, below >= 0.0
                keep = eps if up or down else 1.0
                moved = keep * before + (1.0 if up else 0.0) - (1.0 if down else 0.0)
                if moved < bounds[0, i] or moved > bounds[1, i]:
                    total = 0.0  # cut off: whatever came before, the state is the end
                    continue
                leak = (1.0 - eps) * before
                by_up = total * (1.0 - leak) * h / (1.0 + (above * a) ** 2)
                by_down = total * (1.0 + leak) * h / (1.0 + (below * a) ** 2)
                gc[t, n, i] = by_up + by_down
                gb[row, column, i] += sign * (by_down - by_up)
                total *= keep


@compiled()
def table_forward(c, up, down, chip, rest, start, states):
    """Fill `states` (T, B, d) with the stages ON, as `ladder_steps` defines them, each sample on the chip it names.

    c      (T, B, d)  candidates
    up     (C, d, N)  thresholds of the next stage; inf where a ladder has no more
    down   (C, d, N)  thresholds of the present stage; -inf where it is never reached
    chip   (B,)       int64, the chip of each sample
    rest   bool       whether the candidate returns to zero between steps
    start  (B, d)     int64 stages ON before the first step
    """
    steps, samples, cells = c.shape
    stages = up.shape[2]
    for n in range(samples):
        j = chip[n]
        for i in range(cells):
            k = start[n, i]
            for t in range(steps):
                u = c[t, n, i]
                rise = u - up[j, i, k] if k < stages else -np.inf
                fall = down[j, i, k - 1] - u if k > 0 else -np.inf
                if rise >= 0.0 or fall >= 0.0:
                    if rise > fall:
                        k += 1
                    elif fall > rise:
                        k -= 1
                if rest:
                    if k < stages and up[j, i, k] < 0.0:
                        k += 1
                    elif k > 0 and down[j, i, k - 1] > 0.0:
                        k -= 1
                states[t, n, i] = k


@compiled()
def table_backward(g, c, up, down, chip, start, states, single, width, gc, gup, gdown):
    """Fill `gc` and add to `gup`, `gdown` (C, d, N) the gradients for `g` (T, B, d), d loss / d stages ON.

    single  bool  a bistable cell: a set or a reset forgets the state before it, so that nothing before it counts
    """
    steps, samples, cells = c.shape
    stages = up.shape[2]
    a, h = math.pi / (2.0 * width), 1.0 / width
    for n in range(samples):
        j = chip[n]
        for i in range(cells):
            total = 0.0
            for t in range(steps - 1, -1, -1):
                total += g[t, n, i]
                k = int(states[t - 1, n, i]) if t > 0 else start[n, i]
                u = c[t, n, i]
                top = k == stages or up[j, i, k] == np.inf
                if (top and k > 0 and u > up[j, i, k - 1]) or (k == 0 and u < down[j, i, 0]):
                    total = 0.0
                    continue
                slope_up = slope_down = rise = fall = 0.0
                if not top:
                    rise = u - up[j, i, k]
                    slope_up = h / (1.0 + (rise * a) ** 2)
                if k > 0 and down[j, i, k - 1] > -np.inf:
                    fall = down[j, i, k - 1] - u
                    slope_down = h / (1.0 + (fall * a) ** 2)
                gc[t, n, i] = total * (slope_up + slope_down)
                if not top:
                    gup[j, i, k] -= total * slope_up
                if k > 0:
                    gdown[j, i, k - 1] -= total * slope_down
                if single and ((not top and rise >= 0.0) or (k > 0 and slope_down > 0.0 and fall >= 0.0)):
                    total = 0.0  # a set or a reset forgets the state before it
