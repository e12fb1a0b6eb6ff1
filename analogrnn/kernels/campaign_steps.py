"""Step level for campaigns: one ladder layer on LANES chips at a time, in vector lanes.

Model   as `ladder_steps`, with the noise inside: u = c + sigma xi, and the level n moves by the tables up and down.
        c = b + w[0] x[0] + w[1] x[1] + ..  summed in this order in float64; xi = Phi^-1((word + 1/2) / 2^32), where
        word is the Philox number of (key; chip, sample, step, cell).
Exact   every level is bit for bit that of `plain_steps`, which computes just this, one cell-step after the other.
        Work is saved where the outcome is certain all the same:
        1. |xi| < REACH, so beyond REACH sigma of every threshold of the chip no draw can matter;
        2. candidates and draws are first made in float32 with a bound `tol` on their error; a lane that comes within
           `tol` of a threshold is decided again in float64.
Valid   a pulse of any amplitude moves at most one level
Not     the law of xi is that of a Gaussian rounded to 2^-32 in probability (total variation below 2.4e-10 a step)
Source  Philox4x32-10: Salmon et al., SC'11, doi 10.1145/2063384.2063405. Phi^-1: Wichura, AS 241, Appl. Stat. 37, 1988
        (float64, 1e-16); Giles, "Approximating the erfinv function", GPU Computing Gems 2, 2011 (float32).
Shapes  lanes last: L = LANES chips; chip = LANES * block + lane. S samples, T steps, D inputs, d cells, N stages.
"""

import numpy as np
from numba import njit, uint32, uint64

LANES = 64
REACH = 6.4  # Phi^-1(2^-33) = 6.338
NORMAL_ERROR = 2e-5  # |float32 draw - float64 draw|; measured over all 2^32 words
_QUARTER = LANES // 4
_BIG = 1e30  # a threshold that no candidate reaches
_APPROXIMATE = {"contract", "nsz", "arcp"}  # for what the float64 pass may correct; keeps infinities and comparisons


@njit(cache=True, nogil=True)
def philox_words(key0, key1, block, sample, step, cell, c, words):
    """Fill words (L,) uint32 with the numbers of (chip, sample, step, cell) for the chips of a block. c: scratch (4, L/4).

    Counter (block * L/4 + q, sample, step, cell) under (key0, key1); its word j belongs to lane j * L/4 + q.
    """
    mask = uint64(0xFFFFFFFF)
    for q in range(_QUARTER):
        c[0, q] = (uint64(block) * uint64(_QUARTER) + uint64(q)) & mask
        c[1, q] = uint64(sample)
        c[2, q] = uint64(step)
        c[3, q] = uint64(cell)
    k0, k1 = uint64(key0), uint64(key1)
    for _ in range(10):
        for q in range(_QUARTER):
            a = (c[0, q] & mask) * uint64(0xD2511F53)
            b = (c[2, q] & mask) * uint64(0xCD9E8D57)
            c[0, q] = (b >> uint64(32)) ^ c[1, q] ^ k0
            c[1, q] = b & mask
            c[2, q] = (a >> uint64(32)) ^ c[3, q] ^ k1
            c[3, q] = a & mask
        k0 = (k0 + uint64(0x9E3779B9)) & mask
        k1 = (k1 + uint64(0xBB67AE85)) & mask
    for j in range(4):
        for q in range(_QUARTER):
            words[j * _QUARTER + q] = uint32(c[j, q])


@njit(cache=True, nogil=True)
def normal_of(word):
    """Return Phi^-1((word + 1/2) / 2^32) in float64. AS 241, PPND16."""
    below = np.float64(word) + 0.5
    above = 4294967296.0 - below
    q = (below - 2147483648.0) / 4294967296.0
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        top = 2.5090809287301226727e3 * r + 3.3430575583588128105e4
        top = ((top * r + 6.7265770927008700853e4) * r + 4.5921953931549871457e4) * r + 1.3731693765509461125e4
        top = ((top * r + 1.9715909503065514427e3) * r + 1.3314166789178437745e2) * r + 3.3871328727963666080e0
        low = 5.2264952788528545610e3 * r + 2.8729085735721942674e4
        low = ((low * r + 3.9307895800092710610e4) * r + 2.1213794301586595867e4) * r + 5.3941960214247511077e3
        low = ((low * r + 6.8718700749205790830e2) * r + 4.2313330701600911252e1) * r + 1.0
        return q * top / low
    r = np.sqrt(-np.log(min(below, above) / 4294967296.0))  # 1.18 .. 4.79: AS 241's far tail (r > 5) is out of reach
    r -= 1.6
    top = 7.74545014278341407640e-4 * r + 2.27238449892691845833e-2
    top = ((top * r + 2.41780725177450611770e-1) * r + 1.27045825245236838258e0) * r + 3.64784832476320460504e0
    top = ((top * r + 5.76949722146069140550e0) * r + 4.63033784615654529590e0) * r + 1.42343711074968357734e0
    low = 1.05075007164441684324e-9 * r + 5.47593808499534494600e-4
    low = ((low * r + 1.51986665636164571966e-2) * r + 1.48103976427480074590e-1) * r + 6.89767334985100004550e-1
    low = ((low * r + 1.67638483018380384940e0) * r + 2.05319162663775882187e0) * r + 1.0
    return -(top / low) if q < 0.0 else top / low


@njit(cache=True, nogil=True, fastmath=_APPROXIMATE)
def approximate_normals(words, bits, log_part, xi):
    """Fill xi (L,) float32 with Phi^-1((word + 1/2) / 2^32) to within NORMAL_ERROR. bits, log_part: scratch, one memory.

    bits (L,) int32 and log_part (L,) float32 must be views of the same memory.
    """
    f = np.float32
    for lane in range(LANES):
        word = words[lane]
        p = (f(min(word, ~word)) + f(0.5)) * f(2.3283064365386963e-10)
        log_part[lane] = p * (f(4.0) - f(4.0) * p)  # 1 - x^2 with x = 2 p - 1
    for lane in range(LANES):
        raw = bits[lane]
        exponent = (raw - np.int32(0x3F3504F3)) >> np.int32(23)
        bits[lane] = raw - (exponent << np.int32(23))
        xi[lane] = f(exponent)
    for lane in range(LANES):
        m = log_part[lane] - f(1.0)  # natural logarithm after Cephes logf
        y = f(7.0376836292e-2) * m - f(1.1514610310e-1)
        y = (y * m + f(1.1676998740e-1)) * m - f(1.2420140846e-1)
        y = (y * m + f(1.4249322787e-1)) * m - f(1.6668057665e-1)
        y = (y * m + f(2.0000714765e-1)) * m - f(2.4999993993e-1)
        y = (y * m + f(3.3333331174e-1)) * m * m * m - f(0.5) * m * m + m
        w = -(y + f(0.6931471805599453) * xi[lane])
        v = w - f(2.5)
        centre = f(2.81022636e-08) * v + f(3.43273939e-07)
        centre = (centre * v - f(3.5233877e-06)) * v - f(4.39150654e-06)
        centre = (centre * v + f(0.00021858087)) * v - f(0.00125372503)
        centre = (centre * v - f(0.00417768164)) * v + f(0.246640727)
        centre = centre * v + f(1.50140941)
        v = np.sqrt(max(w, f(5.0))) - f(3.0)
        tail = f(-0.000200214257) * v + f(0.000100950558)
        tail = (tail * v + f(0.00134934322)) * v - f(0.00367342844)
        tail = (tail * v + f(0.00573950773)) * v - f(0.0076224613)
        tail = (tail * v + f(0.00943887047)) * v + f(1.00167406)
        tail = tail * v + f(2.83297682)
        x = (f(words[lane] >> uint32(8)) - f(8388607.5)) * f(1.1920928955078125e-7)
        xi[lane] = f(1.4142135623730951) * x * (centre if w < f(5.0) else tail)
