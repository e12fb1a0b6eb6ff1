"""Little work without compiled code: the numbers of noise_draws, draws and ladder_steps, to the last bit, from numpy.

Loading numba's kernels takes tenths of a second, and compiling them seconds; up to some million numbers numpy is done
before. Sums and products are those of the compiled functions in the same order, and numpy rounds each of them once.

Valid   as the kernels; the logarithm of a normal's tail is that of Python's `math`, which compiled code calls too
"""

import math

import numpy as np

from analogrnn.kernels import coefficients

SMALL = 1 << 20  # numbers that numpy draws sooner than numba loads

_U = np.uint64
_LOW, _32 = _U(0xFFFFFFFF), _U(32)
_M0, _M1 = _U(0xD2511F53), _U(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85


def philox(
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    d: np.ndarray,
    k: np.ndarray,
    l: np.ndarray,  # noqa: E741
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the four words of Philox4x32-10, uint64, for counters and keys below 2^32 that broadcast."""
    for j in range(10):
        p, q = a * _M0, c * _M1
        own, other = (k + _U(j * _W0 & 0xFFFFFFFF)) & _LOW, (l + _U(j * _W1 & 0xFFFFFFFF)) & _LOW
        a, b, c, d = (q >> _32) ^ b ^ own, q & _LOW, (p >> _32) ^ d ^ other, p & _LOW
    return a, b, c, d


# ---------------------------------------------------------------- mismatch


def device_normals(keys: np.ndarray, sizes: np.ndarray, chips: np.ndarray, z0: np.ndarray, z1: np.ndarray) -> None:
    """As `draws.device_normals`."""
    own = np.repeat(keys, sizes, axis=0)
    element = np.concatenate([np.arange(size, dtype=np.uint64) for size in sizes])
    none = np.zeros(1, dtype=np.uint64)
    for row, chip in enumerate(chips.astype(np.uint64)):
        z0[row], z1[row] = _pair(*philox(element, none, none, np.full(1, chip), own[:, 0], own[:, 1]))


def device_deviations(
    sigma_vth: np.ndarray,
    sigma_beta: np.ndarray,
    efficiency: np.ndarray,
    vth: np.ndarray,
    beta: np.ndarray,
    delta: np.ndarray,
) -> None:
    """As `draws.device_deviations`."""
    vth *= sigma_vth
    beta *= sigma_beta
    np.subtract(beta, efficiency * vth, out=delta)


def _pair(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `draws.normal_pairs`."""
    radius = _radius(_uniform(a, b) - coefficients.BELOW_ONE)
    v = (_uniform(c, d) - 1.5) * coefficients.QUARTER
    w = v * v
    s = np.ones_like(w)
    for divisor in (210.0, 156.0, 110.0, 72.0, 42.0, 20.0, 6.0):
        s = 1 - w / divisor * s
    sine, r = v * s, np.ones_like(w)
    for divisor in (240.0, 182.0, 132.0, 90.0, 56.0, 30.0, 12.0):
        r = 1 - w / divisor * r
    cosine = 1 - w * 0.5 * r
    odd = (d & _U(1)) != 0
    x, y = np.where(odd, sine, cosine), np.where(odd, cosine, sine)
    x = (x.view(np.uint64) ^ (((d + _U(1)) & _U(2)) << _U(62))).view(np.float64)
    y = (y.view(np.uint64) ^ ((d & _U(2)) << _U(62))).view(np.float64)
    return radius * x, radius * y


def _uniform(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    return (((high << _U(20)) | (low >> _U(12))) | _U(1023 << 52)).view(np.float64)


def _radius(u: np.ndarray) -> np.ndarray:
    bits = u.view(np.uint64)
    e = ((bits >> _U(52)).astype(np.int64) - 1023).astype(np.float64)
    m = ((bits & _U((1 << 52) - 1)) | _U(1023 << 52)).view(np.float64)
    large = m > coefficients.SQRT2
    m, e = np.where(large, 0.5 * m, m), np.where(large, e + 1.0, e)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    r = np.full_like(z, 1 / 21)
    for odd in (19, 17, 15, 13, 11, 9, 7, 5, 3):
        r = 1 / odd + z * r
    return np.sqrt(-2.0 * (e * coefficients.LN2_HIGH + (2.0 * (s + s * (z * r)) + e * coefficients.LN2_LOW)))


# ---------------------------------------------------------------- noise


def noise_normals(keys: np.ndarray, chip: np.uint64, out: np.ndarray) -> None:
    """As `noise_draws.noise_normals`."""
    steps, samples, cells = out.shape
    sample, cell = np.arange(samples, dtype=np.uint64)[:, None], np.arange(cells, dtype=np.uint64)
    number, (first, second) = np.full((1, 1), chip, dtype=np.uint64), keys[:, :, None, None]
    words: tuple[np.ndarray, ...] = ()
    for t in range(steps):
        if t % 16 == 0:
            words = philox(sample, np.full((1, 1), t >> 4, dtype=np.uint64), cell, number, *first)
        byte = (words[(t >> 2) & 3] >> _U(8 * (t & 3))) & _U(255)
        a, b, _, _ = philox(sample, np.full((1, 1), t, dtype=np.uint64), cell, number, *second)
        out[t] = quantile((byte << _U(44)) | (a << _U(12)) | (b >> _U(20)))


def quantile(m: np.ndarray) -> np.ndarray:
    """As `noise_draws.quantile`, of an array (uint64)."""
    upper = m >= _U(1 << 51)
    p = (np.where(upper, _U((1 << 52) - 1) - m, m).astype(np.float64) + 0.5) * 2.0**-52
    q = 0.5 - p
    x = 0.180625 - q * q
    z = q * _polynomial(coefficients.CENTRE[0], x) / _polynomial(coefficients.CENTRE[1], x)
    tail = np.flatnonzero(q.ravel() > 0.425)
    if len(tail):
        r = np.sqrt(-np.array([math.log(v) for v in p.ravel()[tail].tolist()]))
        near = r <= 5.0
        r = np.where(near, r - 1.6, r - 5.0)
        (above, below), (far_above, far_below) = coefficients.TAIL, coefficients.FAR
        z.ravel()[tail] = np.where(
            near, _polynomial(above, r) / _polynomial(below, r), _polynomial(far_above, r) / _polynomial(far_below, r)
        )
    return np.where(upper, z, -z)


def _polynomial(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    """By Horner, the highest power first."""
    y = coefficients[0] * x + coefficients[1]
    for c in coefficients[2:]:
        y = y * x + c
    return y


# ---------------------------------------------------------------- ladders


def ladder_steps(c: np.ndarray, up: np.ndarray, down: np.ndarray, rest: bool, n: np.ndarray, out: np.ndarray) -> None:
    """As `ladder_steps.ladder_steps`; c (T, S, d), up and down (d, N), n (S, d) and out (T, S, d)."""
    cells, stages = up.shape
    edge = np.full((cells, 1), np.inf)
    high, low = np.hstack([up, edge]).ravel(), np.hstack([-edge, down]).ravel()
    origin = np.arange(cells) * (stages + 1)
    at = n + origin
    for t in range(len(c)):
        rise, fall = c[t] - high[at], low[at] - c[t]
        move = (rise >= 0.0) | (fall >= 0.0)
        at += (move & (rise > fall)).astype(np.int64) - (move & (fall > rise))
        if rest:
            drifts_up = high[at] < 0.0
            at += drifts_up.astype(np.int64) - (~drifts_up & (low[at] > 0.0))
        out[t] = at - origin
    n[:] = at - origin
