"""Step level for campaigns: one ladder layer on LANES chips at a time, in vector lanes.

Model   as `ladder_steps` with the noise inside: u = c + sigma xi, then the level n moves by the tables up and down;
        c = b + w[0] x[0] + w[1] x[1] + .., summed in this order in float64; xi is the draw of `noise_normals`.
Exact   every level is, bit for bit, what `ladder_steps` makes of that u. Work is saved where it can't show:
        1. |xi| < REACH, so beyond REACH sigma of every threshold in question no number is drawn;
        2. candidates and draws come in float32 first, with a bound `tol` on their error; a lane within `tol` of a
           threshold is decided again in float64.
Valid   a pulse of any amplitude moves at most one level
Not     xi has the law of a Gaussian rounded to 2^-32 in probability: total variation below 2.4e-10 a draw
Source  numbers: Philox4x32-10, Salmon et al., SC'11, doi 10.1145/2063384.2063405, as counter (chip, sample, step, cell)
        under a key; float64 draws: Wichura, Algorithm AS 241, Appl. Stat. 37(3), 1988, to 1e-15
Shapes  lanes last: L = LANES chips, chip = LANES * block + lane. S samples, T steps, D inputs, d cells, N stages.
"""

import numpy as np
from numba import njit, types, uint32, uint64
from numba.extending import intrinsic

LANES = 64
REACH = 6.4  # the largest draw is Phi^-1(1 - 2^-33) = 6.338
NORMAL_ERROR = 1e-3  # bound on |float32 draw - float64 draw|; the largest over all 2^32 words is 6.1e-4
_ROUNDING = 2.0**-23  # twice that of one float32 operation
_NEVER = 1e30  # a threshold that no candidate reaches
_QUARTER = LANES // 4
_APPROXIMATE = {"contract", "nsz"}  # fused multiply-adds, in what the float64 pass watches over


@intrinsic
def _bits_of(context, x):  # float32 -> int32, the same bits
    def build(target, builder, signature, values):
        return builder.bitcast(values[0], target.get_value_type(types.int32))

    return types.int32(types.float32), build


@intrinsic
def _float_of(context, x):  # int32 -> float32, the same bits
    def build(target, builder, signature, values):
        return builder.bitcast(values[0], target.get_value_type(types.float32))

    return types.float32(types.int32), build


@njit(cache=True, nogil=True)
def philox_words(key, block, sample, step, cell, words):
    """Fill words (L,), uint32, with the numbers of (chip, sample, step, cell) for the chips of a block.

    Philox4x32-10 of counter (L/4 block + q, sample, step, cell) under key (2,); its word j is lane L/4 j + q.
    """
    mask = uint64(0xFFFFFFFF)
    for q in range(_QUARTER):
        c0 = (uint64(block) * uint64(_QUARTER) + uint64(q)) & mask
        c1, c2, c3 = uint64(sample), uint64(step), uint64(cell)
        k0, k1 = uint64(key[0]), uint64(key[1])
        for _ in range(10):
            a, b = c0 * uint64(0xD2511F53), c2 * uint64(0xCD9E8D57)
            c0, c2 = (b >> uint64(32)) ^ c1 ^ k0, (a >> uint64(32)) ^ c3 ^ k1
            c1, c3 = b & mask, a & mask
            k0, k1 = (k0 + uint64(0x9E3779B9)) & mask, (k1 + uint64(0xBB67AE85)) & mask
        words[q] = uint32(c0)
        words[_QUARTER + q] = uint32(c1)
        words[2 * _QUARTER + q] = uint32(c2)
        words[3 * _QUARTER + q] = uint32(c3)


@njit(cache=True, nogil=True)
def normal_of(word):
    """Return Phi^-1((word + 1/2) / 2^32), float64, for a uint32 word. AS 241; its far tail is out of reach."""
    below = np.float64(word) + 0.5
    q = (below - 2147483648.0) / 4294967296.0
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        top = (2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r + 6.7265770927008700853e4
        top = ((top * r + 4.5921953931549871457e4) * r + 1.3731693765509461125e4) * r + 1.9715909503065514427e3
        top = (top * r + 1.3314166789178437745e2) * r + 3.3871328727963666080e0
        low = (5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r + 3.9307895800092710610e4
        low = ((low * r + 2.1213794301586595867e4) * r + 5.3941960214247511077e3) * r + 6.8718700749205790830e2
        low = (low * r + 4.2313330701600911252e1) * r + 1.0
        return q * top / low
    r = np.sqrt(-np.log(min(below, 4294967296.0 - below) / 4294967296.0)) - 1.6
    top = (7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r + 2.41780725177450611770e-1
    top = ((top * r + 1.27045825245236838258e0) * r + 3.64784832476320460504e0) * r + 5.76949722146069140550e0
    top = (top * r + 4.63033784615654529590e0) * r + 1.42343711074968357734e0
    low = (1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r + 1.51986665636164571966e-2
    low = ((low * r + 1.48103976427480074590e-1) * r + 6.89767334985100004550e-1) * r + 1.67638483018380384940e0
    low = (low * r + 2.05319162663775882187e0) * r + 1.0
    return -(top / low) if q < 0.0 else top / low


@njit(cache=True, nogil=True, fastmath=_APPROXIMATE)
def approximate_normal(word):
    """Return normal_of(word) as float32, to within NORMAL_ERROR; for a uint32 word.

    Phi^-1(p) = x P(w), x = 2 p - 1, w = -log(1 - x^2); P and the logarithm are our minimax fits (6e-4, 7e-5).
    """
    f = np.float32
    p = (f(min(word, ~word)) + f(0.5)) * f(2.0**-32)
    bits = _bits_of(p * (f(4.0) - f(4.0) * p))
    exponent = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    m = _float_of(bits - (exponent << np.int32(23))) - f(1.0)
    log_m = (((f(-0.228482) * m + f(0.35871029)) * m - f(0.50246528)) * m + f(0.99935232)) * m
    w = -(log_m + f(0.69314718) * f(exponent))
    y = (f(-9.36302843e-09) * w + f(8.2845248e-07)) * w - f(2.99119027e-05)
    y = ((y * w + f(0.000559761154)) * w - f(0.00550728688)) * w + f(0.0186582973)
    y = (y * w + f(0.328359969)) * w + f(1.25272421)
    return (f(np.int32(word ^ uint32(0x80000000))) + f(0.5)) * f(2.0**-31) * y


@njit(cache=True, nogil=True)
def noise_normals(key, chip, samples, out):
    """Fill out (T, S, d), float64, with the draws of one chip; samples (S,) are the samples' numbers."""
    steps, count, cells = out.shape
    words = np.empty(LANES, np.uint32)
    for t in range(steps):
        for s in range(count):
            for i in range(cells):
                philox_words(key, chip // LANES, samples[s], t, i, words)
                out[t, s, i] = normal_of(words[chip % LANES])


@njit(cache=True, nogil=True)
def exact_move(u, n, up, down, cell, lane):
    """Return -1, 0 or 1: where u takes a ladder that has n stages ON, as in `ladder_steps`."""
    rise = u - up[cell, n, lane] if n < up.shape[1] else -np.inf
    fall = down[cell, n - 1, lane] - u if n > 0 else -np.inf
    if rise >= 0.0 and rise > fall:
        return 1
    return -1 if fall >= 0.0 and fall > rise else 0


@njit(cache=True, nogil=True)
def drift(n, up, down, cell, lane):
    """Return -1, 0 or 1: the move between pulses, where a level's own threshold has the wrong sign."""
    if n < up.shape[1] and up[cell, n, lane] < 0.0:
        return 1
    return -1 if n > 0 and down[cell, n - 1, lane] > 0.0 else 0


@njit(cache=True, nogil=True)
def _tables(up, down, cell, rest, rise_at, fall_at, move_at_rest):
    """float32 thresholds by level, with no way beyond the ends: rise_at, fall_at (N + 1, L). True if any lane drifts."""
    stages, drifts = up.shape[1], False
    for n in range(stages + 1):
        for lane in range(LANES):
            rise_at[n, lane] = up[cell, n, lane] if n < stages else _NEVER
            fall_at[n, lane] = down[cell, n - 1, lane] if n > 0 else -_NEVER
            move_at_rest[n, lane] = drift(n, up, down, cell, lane) if rest else 0
            drifts |= move_at_rest[n, lane] != 0
    return drifts


@njit(cache=True, nogil=True)
def _bounds(up, down, cell, reach, bounds):
    """bounds (4, L) float32: above [0] a candidate surely rises, below [1] surely falls, between [2] and [3] holds."""
    for lane in range(LANES):
        up_low, up_high, down_low, down_high = _NEVER, -_NEVER, _NEVER, -_NEVER
        for n in range(up.shape[1]):
            up_low, up_high = min(up_low, up[cell, n, lane]), max(up_high, up[cell, n, lane])
            down_low, down_high = min(down_low, down[cell, n, lane]), max(down_high, down[cell, n, lane])
        bounds[0, lane] = max(up_high, down_high) + reach
        bounds[1, lane] = min(up_low, down_low) - reach
        bounds[2, lane] = down_high + reach
        bounds[3, lane] = up_low - reach


@njit(cache=True, nogil=True, fastmath=_APPROXIMATE)
def _doubtful_step(c, n, rise_at, fall_at, scales, at, key, words, rise, fall):
    """Margins rise and fall (L,) of candidates c (L,) at levels n (L,), noise drawn if any lane needs it; float32.

    scales (3,)  reach, tol, sigma;  at (4,)  block, sample, step, cell. Returns True if a lane is too close to call.
    """
    reach, tol, sigma = scales[0], scales[1], scales[2]
    for lane in range(LANES):
        rise[lane] = c[lane] - rise_at[n[lane], lane]
        fall[lane] = fall_at[n[lane], lane] - c[lane]
    unsure = 0
    for lane in range(LANES):
        high, low = max(rise[lane], fall[lane]), min(rise[lane], fall[lane])
        unsure |= np.int32(high > -reach) & np.int32((high < reach) | (low > -reach))
    if unsure == 0:
        return False
    if sigma > 0.0:
        philox_words(key, at[0], at[1], at[2], at[3], words)
        for lane in range(LANES):
            kick = sigma * approximate_normal(words[lane])
            rise[lane] += kick
            fall[lane] -= kick
    close = 0
    for lane in range(LANES):
        high, low = max(rise[lane], fall[lane]), min(rise[lane], fall[lane])
        close |= np.int32(abs(high) < tol) | (np.int32(low > -tol) & np.int32(high - low < tol + tol))
    return close != 0


@njit(cache=True, nogil=True)
def _settle(x, s, t, weight, bias, up, down, sigma, at, words, key, lane, n, rise, fall, tol):
    """Decide one lane in float64, if it is within `tol` of a threshold; x (S, T, D, 1 or L), D = 0: see `shared`."""
    high, low = max(rise, fall), min(rise, fall)
    if not (abs(high) < tol or (low > -tol and high - low < tol + tol)):
        return np.int32(rise >= 0.0 and rise > fall) - np.int32(fall >= 0.0 and fall > rise)
    cell, own = at[3], lane if x.shape[3] > 1 else 0
    if weight.shape[1] > 0:
        u = bias[cell, lane]
        for j in range(weight.shape[1]):
            u += weight[cell, j, lane] * x[s, t, j, own]
    else:
        u = x[s, t, cell, own]
    if sigma > 0.0:
        u += sigma * normal_of(words[lane])
    return np.int32(exact_move(u, n, up, down, cell, lane))


@njit(cache=True, nogil=True, fastmath=_APPROXIMATE)
def _candidates(x, weight, bias, c):
    """c (L,) float32: bias (L,) plus weight (D, L) times x (D, 1 or L)."""
    inputs = weight.shape[0]
    for lane in range(LANES):
        c[lane] = bias[lane]
    if x.shape[1] > 1:
        for j in range(inputs):
            for lane in range(LANES):
                c[lane] += weight[j, lane] * x[j, lane]
        return
    whole = inputs - inputs % 4
    for j in range(0, whole, 4):
        x0, x1, x2, x3 = x[j, 0], x[j + 1, 0], x[j + 2, 0], x[j + 3, 0]
        for lane in range(LANES):
            c[lane] += (weight[j, lane] * x0 + weight[j + 1, lane] * x1) + (
                weight[j + 2, lane] * x2 + weight[j + 3, lane] * x3
            )
    for j in range(whole, inputs):
        for lane in range(LANES):
            c[lane] += weight[j, lane] * x[j, 0]


@njit(cache=True, nogil=True)
def _rounded(x_largest, weight, bias, up, down, cell):
    """Bound on (number of float32 roundings) x (size of what is rounded) on the way to a margin; x_largest (D,) or (d,)."""
    inputs, largest, threshold = weight.shape[1], 0.0, 0.0
    for lane in range(LANES):
        terms = abs(bias[cell, lane]) if inputs else x_largest[cell]
        for j in range(inputs):
            terms += abs(weight[cell, j, lane]) * x_largest[j]
        largest = max(largest, terms)
        for n in range(up.shape[1]):
            threshold = max(threshold, abs(up[cell, n, lane]), abs(down[cell, n, lane]))
    return (inputs + 4.0) * largest + 4.0 * threshold


@njit(cache=True, nogil=True)
def campaign_steps(x, weight, bias, up, down, sigma, rest, start, key, block, samples, out):
    """Fill `out` with the stages ON of the chips of one block.

    x        (S, T, D, 1 or L)  1  inputs, shared by the chips or not; with D = 0 weights: (S, T, d, 1) candidates
    weight   (d, D, L)          1  in the unit of the trained network
    bias     (d, L)             1
    up       (d, N, L)          1  up[i, n] lifts cell i from n to n + 1
    down     (d, N, L)          1  down[i, n-1] lowers cell i from n to n - 1
    sigma    (d,)               1  rms of the candidates' noise; 0 = none
    rest                        -  True if the candidate returns to zero between steps
    start    (d, L)             1  int32 stages ON before the first step
    key      (2,)               -  uint32 Philox key of the layer's noise
    block                       -  chip = LANES * block + lane
    samples  (S,)               -  int64 numbers of the samples
    out      (S, T or 1, d, L)  1  int8: every step, or the last one
    """
    count, steps, cells, stages = x.shape[0], x.shape[1], up.shape[0], up.shape[1]
    inputs, shared, keep = weight.shape[1], weight.shape[1] == 0, out.shape[1] > 1
    x_single, x_largest = x.astype(np.float32), np.zeros(x.shape[2])
    for j in range(x.shape[2]):
        x_largest[j] = np.abs(x[:, :, j]).max()
    w, b = np.empty((inputs, LANES), np.float32), np.empty(LANES, np.float32)
    rise_at, fall_at = np.empty((stages + 1, LANES), np.float32), np.empty((stages + 1, LANES), np.float32)
    move_at_rest = np.empty((stages + 1, LANES), np.int32)
    bounds, scales = np.empty((4, LANES), np.float32), np.empty(3, np.float32)
    n, move = np.empty(LANES, np.int32), np.empty(LANES, np.int32)
    c, rise, fall = np.empty(LANES, np.float32), np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    words, at, top = np.empty(LANES, np.uint32), np.empty(4, np.int64), np.int32(stages)
    at[0] = block
    for i in range(cells):
        for lane in range(LANES):
            b[lane] = bias[i, lane] if inputs else 0.0
            for j in range(inputs):
                w[j, lane] = weight[i, j, lane]
        drifts = _tables(up, down, i, rest, rise_at, fall_at, move_at_rest)
        size = _rounded(x_largest, weight, bias, up, down, i) + 8.0 * REACH * sigma[i]
        scales[1] = size * _ROUNDING + sigma[i] * NORMAL_ERROR
        scales[0], scales[2] = scales[1] + REACH * sigma[i], sigma[i]
        _bounds(up, down, i, scales[0], bounds)
        rises, falls = bounds[0].max(), bounds[1].min()
        holds_from, holds_to = bounds[2].max(), bounds[3].min()
        at[3] = i
        for s in range(count):
            at[1] = samples[s]
            for lane in range(LANES):
                n[lane] = start[i, lane]
            for t in range(steps):
                if shared:
                    value = x_single[s, t, i, 0]
                    if not drifts:
                        if value > holds_from and value < holds_to:
                            if keep:
                                out[s, t, i] = n
                            continue
                        if value > rises or value < falls:
                            step = np.int32(1) if value > rises else np.int32(-1)
                            for lane in range(LANES):
                                n[lane] = min(max(n[lane] + step, np.int32(0)), top)
                            if keep:
                                out[s, t, i] = n
                            continue
                    for lane in range(LANES):
                        c[lane] = value
                    doubtful = 1
                else:
                    _candidates(x_single[s, t], w, b, c)
                    doubtful = np.int32(drifts)
                    for lane in range(LANES):
                        up_sure, down_sure = np.int32(c[lane] > bounds[0, lane]), np.int32(c[lane] < bounds[1, lane])
                        held = np.int32(c[lane] > bounds[2, lane]) & np.int32(c[lane] < bounds[3, lane])
                        move[lane] = up_sure - down_sure
                        doubtful |= 1 - (up_sure | down_sure | held)
                if doubtful:
                    at[2] = t
                    close = _doubtful_step(c, n, rise_at, fall_at, scales, at, key, words, rise, fall)
                    for lane in range(LANES):
                        above = np.int32(rise[lane] >= 0.0) & np.int32(rise[lane] > fall[lane])
                        below = np.int32(fall[lane] >= 0.0) & np.int32(fall[lane] > rise[lane])
                        move[lane] = above - below
                    if close:
                        for lane in range(LANES):
                            move[lane] = _settle(x, s, t, weight, bias, up, down, sigma[i], at, words, key, lane,
                                                 n[lane], rise[lane], fall[lane], scales[1])  # fmt: skip
                    for lane in range(LANES):
                        n[lane] += move[lane]
                    if drifts:
                        for lane in range(LANES):
                            n[lane] += move_at_rest[n[lane], lane]
                else:
                    for lane in range(LANES):
                        n[lane] = min(max(n[lane] + move[lane], np.int32(0)), top)
                if keep:
                    out[s, t, i] = n
            if not keep:
                out[s, 0, i] = n
