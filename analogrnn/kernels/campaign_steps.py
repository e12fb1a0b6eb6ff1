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
# What the float64 pass watches over may fuse multiply-adds; no input is a NaN.
_APPROXIMATE = {"contract", "nsz", "nnan", "reassoc"}
_TILE = 4  # steps whose candidates are made at a time
_CHAIN = 8  # levels that one pass selects among
# The float32 scratch of a cell is one flat array of rows of LANES: at fixed offsets, LLVM need not ask whether they
# overlap. Levels, moves, margins, biases, four bounds, candidates.
_N, _MOVE, _RISE, _FALL, _BIAS, _SURE, _C, _END = (row * LANES for row in (0, 1, 2, 3, 4, 5, 9, 9 + _TILE))


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
def _load_cell(bias, up, down, cell, rest, reach, f, tables):
    """Fill the biases and bounds of one cell, and its tables by level; True if any lane drifts.

    Above bound 0 a candidate surely rises, below bound 1 it falls, between bounds 2 and 3 it holds.
    tables (3, N' L)  up[n], down[n] and drift[n], for n up to a multiple of _CHAIN above N
    """
    stages, drifts = up.shape[1], False
    for lane in range(LANES):
        f[_BIAS + lane] = bias[cell, lane]
        up_low, up_high, down_low, down_high = _NEVER, -_NEVER, _NEVER, -_NEVER
        for n in range(tables.shape[1] // LANES):
            at = n * LANES + lane
            tables[2, at] = drift(n, up, down, cell, lane) if rest and n <= stages else 0
            drifts |= tables[2, at] != 0.0
            if n >= stages:
                tables[0, at], tables[1, at] = _NEVER, -_NEVER
                continue
            rise_at, fall_at = min(up[cell, n, lane], _NEVER), max(down[cell, n, lane], -_NEVER)
            tables[0, at], tables[1, at] = rise_at, fall_at
            up_low, up_high = min(up_low, rise_at), max(up_high, rise_at)
            down_low, down_high = min(down_low, fall_at), max(down_high, fall_at)
        f[_SURE + lane] = max(up_high, down_high) + reach
        f[_SURE + LANES + lane] = min(up_low, down_low) - reach
        f[_SURE + 2 * LANES + lane] = down_high + reach
        f[_SURE + 3 * LANES + lane] = up_low - reach
    return drifts


@njit(cache=True, nogil=True)
def _rounded(x_largest, weight, bias, up, down, cell):
    """(Number of roundings) x (size of what is rounded) on the way to a margin, at most. x_largest (D,) or (d,)."""
    inputs, largest, threshold = weight.shape[1], 0.0, 0.0
    for lane in range(LANES):
        terms = abs(bias[cell, lane]) if inputs else x_largest[cell]
        for j in range(inputs):
            terms += abs(weight[cell, j, lane]) * x_largest[j]
        largest = max(largest, terms)
        for n in range(up.shape[1]):
            for value in (up[cell, n, lane], down[cell, n, lane]):
                if abs(value) < _NEVER:
                    threshold = max(threshold, abs(value))
    return (inputs + 4.0) * largest + 4.0 * threshold


@njit(cache=True, nogil=True, fastmath=_APPROXIMATE)
def _candidate_tile(x, t, w, rest, f):
    """Candidates of _TILE steps from t, for float32 x (T, D) and w (D L,), both padded."""
    for lane in range(LANES):
        bias = f[_BIAS + lane]
        f[_C + lane], f[_C + LANES + lane], f[_C + 2 * LANES + lane], f[_C + 3 * LANES + lane] = bias, bias, bias, bias
    for j in range(0, x.shape[1], 4):
        rows = w[j * LANES :]
        p0, p1, p2, p3 = x[t, j], x[t, j + 1], x[t, j + 2], x[t, j + 3]
        q0, q1, q2, q3 = x[t + 1, j], x[t + 1, j + 1], x[t + 1, j + 2], x[t + 1, j + 3]
        r0, r1, r2, r3 = x[t + 2, j], x[t + 2, j + 1], x[t + 2, j + 2], x[t + 2, j + 3]
        s0, s1, s2, s3 = x[t + 3, j], x[t + 3, j + 1], x[t + 3, j + 2], x[t + 3, j + 3]
        for lane in range(LANES):
            w0, w1, w2, w3 = rows[lane], rows[LANES + lane], rows[2 * LANES + lane], rows[3 * LANES + lane]
            f[_C + lane] += w0 * p0 + w1 * p1 + w2 * p2 + w3 * p3
            f[_C + LANES + lane] += w0 * q0 + w1 * q1 + w2 * q2 + w3 * q3
            f[_C + 2 * LANES + lane] += w0 * r0 + w1 * r1 + w2 * r2 + w3 * r3
            f[_C + 3 * LANES + lane] += w0 * s0 + w1 * s1 + w2 * s2 + w3 * s3
    if not rest:
        for at in range(_C, _C + _TILE * LANES):
            f[at] = max(f[at], np.float32(0.0))


@njit(cache=True, nogil=True, fastmath=_APPROXIMATE)
def _own_candidates(x, w, rest, f):
    """Candidates of one step in the first row, for float32 x (D, L) and w (D L,)."""
    for lane in range(LANES):
        f[_C + lane] = f[_BIAS + lane]
    for j in range(x.shape[0]):
        rows = w[j * LANES :]
        for lane in range(LANES):
            f[_C + lane] += rows[lane] * x[j, lane]
    if not rest:
        for lane in range(LANES):
            f[_C + lane] = max(f[_C + lane], np.float32(0.0))


@njit(cache=True, nogil=True, fastmath=_APPROXIMATE)
def _sure_moves(c, row, f):
    """Moves for the candidates in c[row], as far as no level and no draw can change them; True if some lane isn't."""
    one, zero, doubt = np.float32(1.0), np.float32(0.0), np.float32(0.0)
    for lane in range(LANES):
        value = c[row, lane]
        up, down = value > f[_SURE + lane], value < f[_SURE + LANES + lane]
        f[_MOVE + lane] = one if up else (-one if down else zero)
        held = (value > f[_SURE + 2 * LANES + lane]) & (value < f[_SURE + 3 * LANES + lane])
        unsure = zero if (up | down | held) else one
        doubt += unsure
    return doubt > zero


@njit(cache=True, nogil=True, fastmath=_APPROXIMATE)
def _move(top, f):
    """Add the moves to the levels, within 0..top."""
    for lane in range(LANES):
        n = f[_N + lane] + f[_MOVE + lane]
        n = n if n > np.float32(0.0) else np.float32(0.0)
        f[_N + lane] = n if n < top else top


@njit(cache=True, nogil=True, fastmath=_APPROXIMATE, inline="always")
def _entry(table, lane, n, other):
    """Row n of a flat table if 0 <= n < _CHAIN, else `other`. Every load comes first: none may wait for a branch."""
    a, b = table[lane], table[LANES + lane]
    c, d = table[2 * LANES + lane], table[3 * LANES + lane]
    other = a if n == np.float32(0.0) else other
    other = b if n == np.float32(1.0) else other
    other = c if n == np.float32(2.0) else other
    other = d if n == np.float32(3.0) else other
    a, b = table[4 * LANES + lane], table[5 * LANES + lane]
    c, d = table[6 * LANES + lane], table[7 * LANES + lane]
    other = a if n == np.float32(4.0) else other
    other = b if n == np.float32(5.0) else other
    other = c if n == np.float32(6.0) else other
    return d if n == np.float32(7.0) else other


@njit(cache=True, nogil=True, fastmath=_APPROXIMATE)
def _look_up(table, shift, other, out, f):
    """Fill row `out` with the entries of the levels less `shift`, or `other` where there is none."""
    for lane in range(LANES):
        f[out + lane] = _entry(table, lane, f[_N + lane] - shift, other)
    for first in range(_CHAIN, len(table) // LANES, _CHAIN):
        rows = table[first * LANES :]
        for lane in range(LANES):
            f[out + lane] = _entry(rows, lane, f[_N + lane] - shift - np.float32(first), f[out + lane])


@njit(cache=True, nogil=True, fastmath=_APPROXIMATE)
def _drift(drifts, f):
    """Let the levels move between pulses."""
    _look_up(drifts, np.float32(0.0), np.float32(0.0), _MOVE, f)
    for lane in range(LANES):
        f[_N + lane] += f[_MOVE + lane]


@njit(cache=True, nogil=True, fastmath=_APPROXIMATE)
def _doubtful_step(c, row, ups, downs, scales, key, at, words, f):
    """Margins and moves for the candidates in c[row] at the present levels, with noise if any lane needs it.

    scales (3,)  reach, tol, sigma;  at (4,)  block, sample, step, cell. Returns True if a lane is too close to call.
    """
    reach, tol, sigma = scales[0], scales[1], scales[2]
    one, zero, doubt = np.float32(1.0), np.float32(0.0), np.float32(0.0)
    _look_up(ups, zero, np.float32(_NEVER), _RISE, f)
    _look_up(downs, one, -np.float32(_NEVER), _FALL, f)
    for lane in range(LANES):
        value = c[row, lane]
        rise, fall = value - f[_RISE + lane], f[_FALL + lane] - value
        f[_RISE + lane], f[_FALL + lane] = rise, fall
        high, low = (rise, fall) if rise > fall else (fall, rise)
        doubt += one if (high > -reach) & ((high < reach) | (low > -reach)) else zero
    if doubt > zero:
        if sigma > zero:
            philox_words(key, at[0], at[1], at[2], at[3], words)
            for lane in range(LANES):
                kick = sigma * approximate_normal(words[lane])
                f[_RISE + lane] += kick
                f[_FALL + lane] -= kick
        doubt = zero
        for lane in range(LANES):
            rise, fall = f[_RISE + lane], f[_FALL + lane]
            high, low = (rise, fall) if rise > fall else (fall, rise)
            doubt += one if (abs(high) < tol) | ((low > -tol) & (high - low < tol + tol)) else zero
    for lane in range(LANES):
        rise, fall = f[_RISE + lane], f[_FALL + lane]
        up = one if (rise >= zero) & (rise > fall) else zero
        f[_MOVE + lane] = -one if (fall >= zero) & (fall > rise) else up
    return doubt > zero


@njit(cache=True, nogil=True)
def _settle(x, s, weight, bias, up, down, sigma, rest, key, at, words, tol, f):
    """Decide again, in float64, every lane that is within `tol` of a threshold; words holds the draws if sigma > 0."""
    cell, t = at[3], at[2]
    for lane in range(LANES):
        rise, fall = f[_RISE + lane], f[_FALL + lane]
        high, low = max(rise, fall), min(rise, fall)
        if abs(high) > tol and (low < -tol or high - low > tol + tol):
            continue
        own = lane if x.shape[3] > 1 else 0
        u = bias[cell, lane] if weight.shape[1] else x[s, t, cell, own]
        for j in range(weight.shape[1]):
            u += weight[cell, j, lane] * x[s, t, j, own]
        if not rest:
            u = max(u, 0.0)
        if sigma > 0.0:
            u += sigma * normal_of(words[lane])
        f[_MOVE + lane] = exact_move(u, int(f[_N + lane]), up, down, cell, lane)


@njit(cache=True, nogil=True)
def _padded_inputs(x):
    """x (S, T, D, 1 or L) in float32; with one column, T and D are filled up to whole tiles with zeros."""
    count, steps, inputs, columns = x.shape
    if columns > 1:
        return x.astype(np.float32)
    out = np.zeros((count, (steps + _TILE - 1) // _TILE * _TILE, (inputs + 3) // 4 * 4, 1), np.float32)
    out[:, :steps, :inputs] = x
    return out


@njit(cache=True, nogil=True)
def campaign_steps(x, weight, bias, up, down, sigma, rest, start, key, block, samples, out):
    """Fill `out` with the stages ON of the chips of one block.

    x        (S, T, D, 1 or L)  1  inputs, shared by the chips or not; without weights: shared candidates (S, T, d, 1)
    weight   (d, D, L)          1  in the unit of the trained network; D = 0: none
    bias     (d, L)             1  read if there are weights
    up       (d, N, L)          1  up[i, n] lifts cell i from n to n + 1; inf: never
    down     (d, N, L)          1  down[i, n-1] lowers cell i from n to n - 1; -inf: never
    sigma    (d,)               1  rms of the candidates' noise; 0 = none
    rest                        -  True if candidates return to zero between steps; else they can't be negative
    start    (d, L)             1  int8 stages ON before the first step
    key      (2,)               -  uint32 Philox key of the layer's noise
    block                       -  chip = LANES * block + lane
    samples  (S,)               -  int64 numbers of the samples
    out      (S, T or 1, d, L)  1  int8: after every step, or after the last one
    """
    count, steps, cells, stages = x.shape[0], x.shape[1], up.shape[0], up.shape[1]
    inputs, keep, own = weight.shape[1], out.shape[1] > 1, x.shape[3] > 1
    x_single, x_largest = _padded_inputs(x), np.zeros(x.shape[2])
    for j in range(x.shape[2]):
        x_largest[j] = np.abs(x[:, :, j]).max()
    f, tables = np.zeros(_END, np.float32), np.zeros((3, (stages // _CHAIN + 1) * _CHAIN * LANES), np.float32)
    w, c = np.zeros((inputs + 3) // 4 * 4 * LANES, np.float32), f[_C:].reshape(_TILE, LANES)
    used = (stages + _CHAIN - 1) // _CHAIN * _CHAIN * LANES
    ups, downs, drifts = tables[0, :used], tables[1, :used], tables[2]
    words, at, scales, top = (
        np.zeros(LANES, np.uint32),
        np.zeros(4, np.int64),
        np.zeros(3, np.float32),
        np.float32(stages),
    )
    one = np.float32(1.0)
    at[0] = block
    for i in range(cells):
        at[3] = i
        for j in range(inputs):
            for lane in range(LANES):
                w[j * LANES + lane] = weight[i, j, lane]
        size = _rounded(x_largest, weight, bias, up, down, i) + 8.0 * REACH * sigma[i]
        tol = size * _ROUNDING + sigma[i] * NORMAL_ERROR
        scales[0], scales[1], scales[2] = tol + REACH * sigma[i], tol, sigma[i]
        drifting = _load_cell(bias, up, down, i, rest, scales[0], f, tables)
        rises, falls = f[_SURE : _SURE + LANES].max(), f[_SURE + LANES : _SURE + 2 * LANES].min()
        holds_from = f[_SURE + 2 * LANES : _SURE + 3 * LANES].max()
        holds_to = f[_SURE + 3 * LANES : _SURE + 4 * LANES].min()
        for s in range(count):
            at[1] = samples[s]
            for lane in range(LANES):
                f[_N + lane] = start[i, lane]
            for t in range(steps):
                row, moved, doubtful = 0, True, drifting
                if inputs == 0:
                    value = x_single[s, t, i, 0]
                    if not rest:
                        value = max(value, np.float32(0.0))
                    moved = drifting or not (value > holds_from and value < holds_to)
                    doubtful = drifting or (moved and not (value > rises or value < falls))
                    if moved:
                        move = one if value > rises else -one
                        for lane in range(LANES):
                            f[_C + lane], f[_MOVE + lane] = value, move
                elif own:
                    _own_candidates(x_single[s, t], w, rest, f)
                    doubtful |= _sure_moves(c, row, f)
                else:
                    if t % _TILE == 0:
                        _candidate_tile(x_single[s, :, :, 0], t, w, rest, f)
                    row = t % _TILE
                    doubtful |= _sure_moves(c, row, f)
                if doubtful:
                    at[2] = t
                    if _doubtful_step(c, row, ups, downs, scales, key, at, words, f):
                        _settle(x, s, weight, bias, up, down, sigma[i], rest, key, at, words, tol, f)
                if moved:
                    _move(top, f)
                if drifting:
                    _drift(drifts, f)
                if keep:
                    for lane in range(LANES):
                        out[s, t, i, lane] = np.int8(f[_N + lane])
            if not keep:
                for lane in range(LANES):
                    out[s, 0, i, lane] = np.int8(f[_N + lane])
