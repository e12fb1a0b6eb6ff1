"""Step level of many chips, with noise: decided in vector lanes from one random byte, exactly where that doesn't do.

Model   tables and update of kernels/ladder_steps.py for the candidate c + sigma z. The normal z of (chip, sample, step,
        cell) is Phi^-1(U), U = (m + 1/2) 2^-52, m = byte * 2^44 + fine:
        byte  one of the 16 of Philox4x32-10 at the counter (sample, step // 16, cell, chip) under the first key
        fine  44 bits of Philox4x32-10 at the counter (sample, step, cell, chip) under the second key
        A level has one threshold within reach, a sigmas away. z < a is U < Phi(a): the byte alone decides it unless
        256 Phi(a) lies within [byte, byte + 1], widened by every error of the single-precision arithmetic. Then, about
        once in a thousand steps, the fine bits are drawn and the step is done in double precision.
        So the levels are those of double precision and of per-step Gaussians, to the last bit.
Valid   |z| reaches 8.21 and no more: a Gaussian passes it once in 4e15 draws
Not     fast for a ladder of more than 16 stages, or noise below some 1e-5 of the largest candidate: lane after lane
Source  Salmon, Moraes, Dror & Shaw, SC'11 (Philox); Wichura 1988, Applied Statistics 37(3):477 (AS 241, Phi^-1)
"""

import math

import numpy as np
from numba import njit

_U = np.uint64
_M0, _M1 = _U(0xD2511F53), _U(0xCD9E8D57)
_W0, _W1 = _U(0x9E3779B9), _U(0xBB67AE85)
_LOW, _32 = _U(0xFFFFFFFF), _U(32)
_F, _U8, _U32 = np.float32, np.uint8, np.uint32
_FAR = 1e30  # stands for a threshold that a level doesn't have
_LOOSE = {"contract", "nnan", "nsz"}  # for lanes whose error is bounded below: fused products, no care for NaN and -0

# 256 Phi(a) = 128 + _SLOPE a + odd polynomial of a clipped to 3 sigma, within PHI_ERROR up to there. Beyond, the line
# leaves [0, 256], widened by a margin above LEAST_MARGIN, at 8.29 sigma: further out than any normal that can be drawn.
PHI_ERROR = 0.00987
LEAST_MARGIN = 0.0118
MOST_MARGIN = 1.0
_SLOPE = _F(0.0655)
_P1, _P3, _P5 = _F(102.01906), _F(-16.869238), _F(2.4025784)
_P7, _P9, _P11 = _F(-0.23769176), _F(0.014220842), _F(-0.00037846062)
_0F, _1F, _3F, _8F, _HALF, _MIDDLE = _F(0.0), _F(1.0), _F(3.0), _F(8.0), _F(0.5), _F(127.5)
REACH = 8.21  # |z| is less
_BLOCKS = 8  # of 16 steps, whose words are drawn at once


@njit(cache=True)
def philox(a, b, c, d, k, l):  # noqa: E741 (the paper's word order)
    """Return four words of 32 bits, as uint64. The same as in kernels/draws.py: see rule 9 of the house style."""
    for _ in range(10):
        p, q = _M0 * a, _M1 * c
        a, b, c, d = (q >> _32) ^ b ^ k, q & _LOW, (p >> _32) ^ d ^ l, p & _LOW
        k, l = (k + _W0) & _LOW, (l + _W1) & _LOW  # noqa: E741
    return a, b, c, d


@njit(cache=True)
def quantile(m):
    """Return Phi^-1((m + 1/2) 2^-52) for a whole number 0 <= m < 2^52, within 1e-15 of itself."""
    upper = m >= (1 << 51)
    p = (float((1 << 52) - 1 - m if upper else m) + 0.5) * 2.0**-52
    q = 0.5 - p
    if q <= 0.425:
        x = 0.180625 - q * q
        z = q * (((((((2.5090809287301226727e3 * x + 3.3430575583588128105e4) * x + 6.7265770927008700853e4) * x
                     + 4.5921953931549871457e4) * x + 1.3731693765509461125e4) * x + 1.9715909503065514427e3) * x
                  + 1.3314166789178437745e2) * x + 3.3871328727963666080e0) / \
            (((((((5.2264952788528545610e3 * x + 2.8729085735721942674e4) * x + 3.9307895800092710610e4) * x
                 + 2.1213794301586595867e4) * x + 5.3941960214247511077e3) * x + 6.8718700749205790830e2) * x
              + 4.2313330701600911252e1) * x + 1.0)  # fmt: skip
        return z if upper else -z
    r = math.sqrt(-math.log(p))
    if r <= 5.0:
        r -= 1.6
        z = (((((((7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r + 2.41780725177450611770e-1) * r
                + 1.27045825245236838258e0) * r + 3.64784832476320460504e0) * r + 5.76949722146069140550e0) * r
              + 4.63033784615654529590e0) * r + 1.42343711074968357734e0) / \
            (((((((1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r + 1.51986665636164571966e-2) * r
                 + 1.48103976427480074590e-1) * r + 6.89767334985100004550e-1) * r + 1.67638483018380384940e0) * r
              + 2.05319162663775882187e0) * r + 1.0)  # fmt: skip
    else:
        r -= 5.0
        z = (((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 1.24266094738807843860e-3) * r
                + 2.65321895265761230930e-2) * r + 2.96560571828504891230e-1) * r + 1.78482653991729133580e0) * r
              + 5.46378491116411436990e0) * r + 6.65790464350110377720e0) / \
            (((((((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r + 1.84631831751005468180e-5) * r
                 + 7.86869131145613259100e-4) * r + 1.48753612908506148525e-2) * r + 1.36929880922735805310e-1) * r
              + 5.99832206555887937690e-1) * r + 1.0)  # fmt: skip
    return z if upper else -z


@njit(cache=True)
def noise_at(byte, keys, sample, step, cell, chip):
    """Return the normal whose first byte (int64) is known."""
    a, b, _, _ = philox(np.uint64(sample), np.uint64(step), np.uint64(cell), np.uint64(chip), keys[1, 0], keys[1, 1])
    return quantile((np.int64(byte) << 44) | np.int64((a << _U(12)) | (b >> _U(20))))


@njit(cache=True, nogil=True)
def noise_normals(keys, chip, out):
    """Fill `out` (T, S, d) with the standard normals of one chip.

    keys  (2, 2)  uint64  two words of 32 bits each for the bytes and for the fine bits
    chip          uint64  below 2^32
    """
    steps, samples, cells = out.shape
    for block in range(0, steps, 16):
        for s in range(samples):
            for i in range(cells):
                words = philox(np.uint64(s), np.uint64(block >> 4), np.uint64(i), chip, keys[0, 0], keys[0, 1])
                for t in range(block, min(block + 16, steps)):
                    byte = (words[(t >> 2) & 3] >> _U(8 * (t & 3))) & _U(255)
                    out[t, s, i] = noise_at(byte, keys, s, t, i, chip)


@njit(cache=True)
def _words(keys, samples, blocks, cell, chip, out):
    """Fill out (4, J) uint32 with the words of the lanes' counters; the loop runs in vector lanes."""
    k0, l0, cell, chip = keys[0, 0] & _LOW, keys[0, 1] & _LOW, cell & _LOW, chip & _LOW
    for j in range(len(samples)):
        a, b, c, d = _U(samples[j]), _U(blocks[j]), cell, chip
        k, l = k0, l0  # noqa: E741
        for _ in range(10):
            p, q = _M0 * (a & _LOW), _M1 * (c & _LOW)
            a, b, c, d = (q >> _32) ^ b ^ k, q & _LOW, (p >> _32) ^ d ^ l, p & _LOW
            k, l = (k + _W0) & _LOW, (l + _W1) & _LOW  # noqa: E741
        out[0, j], out[1, j], out[2, j], out[3, j] = _U32(a), _U32(b), _U32(c), _U32(d)


@njit(cache=True, fastmath=_LOOSE)
def _candidates(x, weight, bias, floor, out):
    """Fill out (B, L) float32 with bias + sum_j weight[j] x[:, j], at least 0 if `floor`; x (B, D, L), 8 divides D."""
    for t in range(len(out)):
        for s in range(out.shape[1]):
            out[t, s] = bias
        for j in range(0, len(weight), 8):
            w0, w1, w2, w3 = weight[j], weight[j + 1], weight[j + 2], weight[j + 3]
            w4, w5, w6, w7 = weight[j + 4], weight[j + 5], weight[j + 6], weight[j + 7]
            if not (w0 or w1 or w2 or w3 or w4 or w5 or w6 or w7):
                continue
            for s in range(out.shape[1]):
                low = w0 * x[t, j, s] + w1 * x[t, j + 1, s] + w2 * x[t, j + 2, s] + w3 * x[t, j + 3, s]
                high = w4 * x[t, j + 4, s] + w5 * x[t, j + 5, s] + w6 * x[t, j + 6, s] + w7 * x[t, j + 7, s]
                out[t, s] += low + high
        if floor:
            for s in range(out.shape[1]):
                out[t, s] = max(out[t, s], _0F)


@njit(cache=True, fastmath=_LOOSE)
def _decide(level, rise, fall, u, byte, rate, margin):
    """Return the level after one step (float32), and whether the byte (uint8) decided it."""
    rise, fall = rise - u, fall - u
    upper = rise <= -fall  # which of the two thresholds is nearer
    a = (rise if upper else fall) * rate
    q = min(max(a, -_3F), _3F)
    z = q * q
    phi = _HALF + _SLOPE * a + q * (_P1 + z * (_P3 + z * (_P5 + z * (_P7 + z * (_P9 + z * _P11)))))
    ahead = phi - _F(byte)
    above, below = ahead <= -margin, ahead >= _1F + margin
    plus = _1F if upper and above else _0F
    minus = _1F if below and not upper else _0F
    return level + plus - minus, above or below


@njit(cache=True)
def _nearest(level, up, down):
    """Return the two thresholds of a level by a chain of selections, which the compiler unrolls."""
    rise, fall = up[0], down[0]
    for j in range(1, len(up)):
        here = level >= _F(j)
        rise = up[j] if here else rise
        fall = down[j] if here else fall
    return rise, fall


@njit(cache=True, inline="always")
def _pick(level, rise, fall, up, down, base):
    """Return the thresholds of `level` if it is base + j with 1 <= j < len(up), else `rise` and `fall`."""
    for j in range(1, len(up)):  # a chain of selections, which the compiler unrolls
        here = level >= base + _F(j)
        rise = up[j] if here else rise
        fall = down[j] if here else fall
    return rise, fall


@njit(cache=True, inline="always", fastmath=_LOOSE)
def _phi(a):
    """Return 256 (Phi(a) - 1/2), or further out than +-128 by more than any margin where no normal gets to."""
    q = min(max(a, -_3F), _3F)
    z = q * q
    return _SLOPE * a + q * (_P1 + z * (_P3 + z * (_P5 + z * (_P7 + z * (_P9 + z * _P11)))))


@njit(cache=True, fastmath=_LOOSE)
def _lanes(u, words, up, down, high_up, high_down, rate, margin, n, undecided):
    """Up to four steps of one cell for all lanes: move the levels `n`, and mark lanes that their bytes can't decide.

    u          (K, L)  float32  candidates
    words      (L,)    uint32   a byte for each of the K <= 4 steps, the lowest first
    up, down   tuples  float32  thresholds of levels 0, 1, .., +-1e30 where a level has none; high_* of levels 9, 10
                                and so on, after a first one that doesn't count
    rate, margin       float32  1 / sigma; the sum of errors, in 256ths of probability
    n          (L,)    float32  void where undecided
    undecided  (4, L)  uint8    by step
    """
    wide = _HALF + margin
    for step in range(len(u)):
        shift = _U32(8 * step) & _U32(31)
        for s in range(len(words)):
            level = n[s]
            rise, fall = _pick(level, up[0], down[0], up, down, _0F)
            rise, fall = _pick(level, rise, fall, high_up, high_down, _8F)
            rise, fall = rise - u[step, s], u[step, s] - fall
            # the nearer of the two counts; a move down is one up with z for -z, and the byte read from the other end
            sign = _1F if rise <= fall else -_1F
            ahead = _phi(min(rise, fall) * rate) - sign * (_F(_U8(words[s] >> shift)) - _MIDDLE)
            n[s] = level + (sign if ahead < -wide else _0F)
            undecided[step, s] = _U8(1) if abs(ahead) <= wide else _U8(0)


@njit(cache=True, fastmath=_LOOSE)
def _wild_lanes(u, words, up, down, drift, high_up, high_down, high_drift, rate, margin, n, undecided):
    """As `_lanes`, for a cell with both thresholds within reach, or that drifts between pulses: at twice the price.

    drift, high_drift  tuples  float32  what is added to a level between pulses
    """
    wide = _HALF + margin
    for step in range(len(u)):
        shift = _U32(8 * step) & _U32(31)
        for s in range(len(words)):
            level = n[s]
            rise, fall = _pick(level, up[0], down[0], up, down, _0F)
            rise, fall = _pick(level, rise, fall, high_up, high_down, _8F)
            byte = _F(_U8(words[s] >> shift)) - _MIDDLE
            rising = _phi((rise - u[step, s]) * rate) - byte
            falling = _phi((u[step, s] - fall) * rate) + byte
            level = level + (_1F if rising < -wide else _0F) - (_1F if falling < -wide else _0F)
            move, _ = _pick(level, drift[0], drift[0], drift, drift, _0F)
            move, _ = _pick(level, move, move, high_drift, high_drift, _8F)
            n[s] = level + move
            undecided[step, s] = _U8(1) if min(abs(rising), abs(falling)) <= wide else _U8(0)


@njit(cache=True)
def _step(u, n, up, down, rest, doubt):
    """Return the level after one step of kernels/ladder_steps.py, and whether rounding could have decided it."""
    rise = u - up[n] if n < len(up) else -np.inf
    fall = down[n - 1] - u if n > 0 else -np.inf
    doubtful = abs(rise) <= doubt or abs(fall) <= doubt
    if rise >= 0.0 or fall >= 0.0:
        doubtful = doubtful or abs(rise - fall) <= doubt
        if rise > fall:
            n += 1
        elif fall > rise:
            n -= 1
    if rest:
        if n < len(up) and up[n] < 0.0:
            n += 1
        elif n > 0 and down[n - 1] > 0.0:
            n -= 1
    return n, doubtful


@njit(cache=True)
def _exact(source, shared, weight, bias, floor, at):
    """Return the candidate of (step, sample, cell) = `at` in double precision."""
    t, s, i = at
    if shared:
        c = source[t, s, i]
    else:
        c = 0.0
        for j in range(len(weight)):
            c += source[t, s, j] * weight[j]
        c += bias
    return max(c, 0.0) if floor else c


@njit(cache=True)
def _judge(up, down, error, sigma, noisy, rest, rise, fall, drift):
    """Return (1 / sigma, margin, way) for one cell, and fill its thresholds and its drift by level.

    way 2: `_lanes`; 1: `_wild_lanes`; 0: too many levels or too little noise for either. Without noise the lanes run at
    the byte 128 with a sigma of 4,000 errors: what lies further than some 50 errors from a threshold is decided.
    """
    stages, way, largest = len(up), 2, 0.0
    spread = sigma if noisy else 4000.0 * error + 1e-30
    for n in range(len(rise)):
        rise[n], fall[n], drift[n] = _F(_FAR), _F(-_FAR), _0F
    for n in range(min(stages + 1, len(rise))):
        high = up[n] if n < stages else np.inf
        low = down[n - 1] if n > 0 else -np.inf
        if high - low <= (2.02 * REACH * spread if noisy else 0.0) + 4.0 * error:
            way = 1
        if rest and (high < 0.0 or low > 0.0):
            way, drift[n] = 1, _1F if high < 0.0 else -_1F
        if high <= low:  # both ask for a move: the larger overdrive wins
            high = low = 0.5 * (high + low)
        if high < _FAR:
            rise[n], largest = _F(high), max(largest, abs(high))
        if low > -_FAR:
            fall[n], largest = _F(low), max(largest, abs(low))
    error += 2.0**-23 * largest
    margin = PHI_ERROR + 0.002 + 103.0 * (error / spread if spread > 0.0 else 1.0)
    return 1.0 / max(spread, 1e-30), margin, way if stages < len(rise) and margin <= MOST_MARGIN else 0


@njit(cache=True, inline="always")
def _lane_steps(u, words, rise, fall, drift, rate, margin, way, n, undecided, stages):
    """`_lanes` with as many levels unrolled as the ladder needs, up to 16 stages, or `_wild_lanes`."""
    a, b, none = (rise[0], rise[1], rise[2], rise[3], rise[4]), (fall[0], fall[1], fall[2], fall[3], fall[4]), (_0F,)
    if stages <= 4 and way == 2:
        _lanes(u, words, a, b, none, none, rate, margin, n, undecided)
        return
    c, d = (*a, rise[5], rise[6], rise[7], rise[8]), (*b, fall[5], fall[6], fall[7], fall[8])
    if stages <= 8 and way == 2:
        _lanes(u, words, c, d, none, none, rate, margin, n, undecided)
        return
    e = (_0F, rise[9], rise[10], rise[11], rise[12], rise[13], rise[14], rise[15], rise[16])
    f = (_0F, fall[9], fall[10], fall[11], fall[12], fall[13], fall[14], fall[15], fall[16])
    if way == 2:
        _lanes(u, words, c, d, e, f, rate, margin, n, undecided)
        return
    g = (drift[0], drift[1], drift[2], drift[3], drift[4], drift[5], drift[6], drift[7], drift[8])
    h = (_0F, drift[9], drift[10], drift[11], drift[12], drift[13], drift[14], drift[15], drift[16])
    _wild_lanes(u, words, c, d, g, e, f, h, rate, margin, n, undecided)


@njit(cache=True)
def byte_ends(ends):
    """Fill `ends` (2, 256) with the least and the largest normal of each byte, widened by 1e-12."""
    for byte in range(256):
        ends[0, byte] = quantile(byte << 44) - 1e-12
        ends[1, byte] = quantile(((byte + 1) << 44) - 1) + 1e-12


@njit(cache=True)
def _lane(n, u, word, where, source, shared, weight, bias, up, down, sigma, law, keys, chip, ends, error, doubt):
    """Return one lane's level after up to four steps, in double precision, and whether rounding could have decided.

    A step is decided by its byte if both ends of the byte's interval move alike; else its fine bits are drawn.
    """
    start, sample, i = where
    doubtful = False
    for step in range(len(u)):
        byte = (word >> _U32(8 * step)) & _U32(255)
        low, _ = _step(u[step] - error + sigma * ends[0, byte], n, up, down, law[0], 0.0)
        high, _ = _step(u[step] + error + sigma * ends[1, byte], n, up, down, law[0], 0.0)
        if low != high:
            exact = _exact(source, shared, weight, bias, law[1], (start + step, sample, i))
            if law[2]:
                exact += sigma * noise_at(byte, keys, sample, start + step, i, chip)
            low, in_doubt = _step(exact, n, up, down, law[0], doubt)
            doubtful = doubtful or in_doubt
        n = low
    return n, doubtful


@njit(cache=True, inline="always")
def _again(
    way,
    n,
    before,
    undecided,
    flags,
    u,
    word,
    where,
    source,
    shared,
    synapse,
    table,
    sigma,
    law,
    keys,
    chip,
    ends,
    errors,
):
    """Do the marked lanes again by `_lane`, all of them if way is 0; return whether rounding could have decided."""
    t, first, i = where
    doubtful = False
    for j in range(flags.shape[1]):  # the marks of eight lanes at once
        if way == 0 or (flags[0, j] | flags[1, j] | flags[2, j] | flags[3, j]) != _U(0):
            for s in range(8 * j, min(8 * j + 8, source.shape[1] - first)):
                if way == 0 or (undecided[0, s] | undecided[1, s] | undecided[2, s] | undecided[3, s]):
                    level, in_doubt = _lane(np.int64(before[s]), u[:, s], word[s], (t, first + s, i), source, shared,
                                            synapse[0], synapse[1], table[0], table[1], sigma, law, keys, chip, ends,
                                            errors[0], errors[1])  # fmt: skip
                    n[s], doubtful = _F(level), doubtful or in_doubt
    return doubtful


@njit(cache=True, inline="always")
def _errors(weight, bias, reach, largest, sigma, shared, narrow):
    """Return the bounds on the candidate's error in single and on its doubt in double precision; fill `narrow`."""
    size = largest if shared else abs(bias)
    for j in range(len(weight)):
        size += abs(weight[j]) * reach[j]
        narrow[j] = _F(weight[j])
    # each product rounds its factors and itself, each of the sums once; in double precision likewise
    error = (1.0 if shared else 1.02 * (len(weight) + 5)) * 2.0**-24 * size
    return error, (len(weight) + 16) * 2.0**-51 * (size + REACH * sigma)


@njit(cache=True, inline="always")
def _draw(keys, i, chip, t, first, width, counter, words):
    """Draw the words of all lanes for as many blocks of 16 steps, from step t, as `words` has room for."""
    for j in range(counter.shape[1]):
        counter[0, j], counter[1, j] = _U32(first + j % width), _U32(t // 16 + j // width)
    _words(keys, counter[0], counter[1], _U(i), chip, words)


@njit(cache=True, inline="always")
def _cell(
    lanes, source, shared, weight, bias, up, down, cells, law, keys, chip, ends, work, i, r, last, every, doubtful
):
    """Cell i of one chip, row r of the results: all samples, all steps, four at a time, or one if `every` is wanted."""
    counter, words, rows, n, before, undecided, flags, rise, fall, drift, narrow = work
    steps, width, group, span = len(source), len(n), counter.shape[1] // len(n), 1 if len(every) else 4
    sd = cells[0][i] if law[2] else 0.0
    error, doubt = _errors(weight, bias, cells[2], cells[2][i] if shared else 0.0, sd, shared, narrow)
    rate, margin, way = _judge(up, down, error, sd, law[2], law[0], rise, fall, drift)
    start = 0
    for q in range(len(cells[1])):
        start, _ = _step(cells[1][q, i], start, up, down, law[0], 0.0)
    for tile in range(len(lanes)):
        first = tile * width
        valid = min(width, source.shape[1] - first)
        for s in range(width):
            n[s] = _F(start)
        for t in range(0, steps, span):
            if law[2] and t % (16 * group) == 0:
                _draw(keys, i, chip, t, first, width, counter, words)
            if t % 16 == 0 and not shared:
                ahead = min(16, steps - t)
                _candidates(lanes[tile, t : t + ahead], narrow, _F(bias), law[1], rows[:ahead])
            count, at = min(span, steps - t), (t // 16) % group * width
            u = lanes[tile, i, t : t + count] if shared else rows[t % 16 : t % 16 + count]
            word = words[(t >> 2) & 3, at : at + width]
            for s in range(width):
                before[s] = n[s]
                counter[0, s] = word[s] >> _U32(8 * (t & 3))  # the first byte is that of step t
            word = counter[0, :width]
            if way:
                _lane_steps(u, word, rise, fall, drift, _F(rate), _F(margin), way, n, undecided, len(up))
            doubtful[r] |= _again(way, n, before, undecided, flags, u, word, (t, first, i), source, shared,
                                  (weight, bias), (up, down), sd, law, keys, chip, ends,
                                  (error + 2.0 * doubt, doubt))  # fmt: skip
            for s in range(valid if len(every) else 0):
                every[r, t, first + s, i] = np.int16(n[s])
        for s in range(valid):
            last[r, first + s, i] = np.int16(n[s])


@njit(cache=True, nogil=True)
def ladder_campaign(
    lanes, source, shared, synapses, tables, cells, law, keys, chips, ends, work, last, every, doubtful
):
    """Run one layer of ladders on many chips; fill the stages ON after the last step, and optionally after each.

    lanes     (P, T, D', L) float32  inputs, samples in tiles of L lanes (a multiple of 8), D' a multiple of 8 >= D;
                                     if `shared` (P, d, T', L): candidates that all chips have in common,
                                     T' a multiple of 4 >= T
    source    (T, S, D)     float64  the same inputs; if `shared` (T, S, d): the same candidates
    synapses                float64  weight (C, d, D), bias (C, d)
    tables                  float64  up (C, d, N), down (C, d, N) as in kernels/ladder_steps.py
    cells                   float64  sigma (d,), the rms noise of the candidate; preset (Q, d), candidates before the
                                     first step, without noise; reach (D,), the largest magnitude of each input
    law       (3,)          bool     the line returns to zero; candidates below zero are zero; there is noise
    keys      (2, 2)        uint64   of the noise
    chips     (C,)          uint64   chip numbers, below 2^32
    ends      (2, 256)      float64  of `byte_ends`; zeros without noise
    work                             scratch of `campaign_work`
    last      (C, S, d)     int16
    every     (C, T, S, d)  int16    or (0, 0, 0, 0)
    doubtful  (C,)          bool     set where rounding in double precision could have decided: do that chip plainly
    """
    for i in range(tables[0].shape[1]):
        for r in range(len(chips)):
            _cell(lanes, source, shared, synapses[0][r, i], synapses[1][r, i], tables[0][r, i], tables[1][r, i], cells,
                  law, keys, chips[r], ends, work, i, r, last, every, doubtful)  # fmt: skip


def campaign_work(steps: int, lanes: int, inputs: int, noisy: bool) -> tuple[np.ndarray, ...]:
    """Return the scratch arrays of one thread: counters, words, candidates, levels, marks, tables, weights."""
    columns = -(-min(_BLOCKS, -(-steps // 16)) * lanes // 32) * 32  # whole vectors: a remainder runs lane by lane
    words = np.zeros((4, columns), dtype=np.uint32) if noisy else np.full((4, columns), 0x80808080, dtype=np.uint32)
    undecided = np.zeros((4, lanes), dtype=np.uint8)
    return (np.zeros((2, columns), dtype=np.uint32), words, np.zeros((16, lanes), dtype=np.float32),
            np.zeros(lanes, dtype=np.float32), np.zeros(lanes, dtype=np.float32), undecided, undecided.view(np.uint64),
            *np.zeros((3, 17), dtype=np.float32), np.zeros(inputs, dtype=np.float32))  # fmt: skip
