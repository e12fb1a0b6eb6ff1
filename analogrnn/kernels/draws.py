"""Counter-based draws of device mismatch: chip 4711 costs no more than chip 0, and needs no other chip.

Model   the normals (z0, z1) of element `i` of a device type in chip `c` are a function of (key, i, c) alone:
        Philox4x32-10 of the counter (i, 0, 0, c), then Box-Muller on two uniforms of 52 bits,
        z0 = sqrt(-2 ln U) cos(2 pi V),   z1 = sqrt(-2 ln U) sin(2 pi V),   U = (m + 1/2) 2^-52
Valid   |z| reaches 8.57 and no more: a Gaussian passes it once in 1e17 draws. ln, sin and cos are power series in
        plain products and sums, within 1e-15 of the true value: the same bits on every IEEE machine and in every lane
Source  Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11 (Philox);
        Box & Muller 1958, Annals of Mathematical Statistics 29(2):610
"""

import math

import numpy as np
from numba import njit

_U = np.uint64
_M0, _M1 = _U(0xD2511F53), _U(0xCD9E8D57)
_W0, _W1 = _U(0x9E3779B9), _U(0xBB67AE85)
_LOW, _32 = _U(0xFFFFFFFF), _U(32)
_0 = _U(0)
_12, _20, _52 = _U(12), _U(20), _U(52)
_ONE = _U(1023 << 52)  # the bits of 1.0
_FRACTION = _U((1 << 52) - 1)
_BELOW_ONE = 1.0 - 2.0**-53
_LN2_HIGH = 0.6931471803691238  # ln 2 cut to 32 bits, so that its product with an exponent is exact
_LN2_LOW = math.log(2.0) - _LN2_HIGH + 2.3190468138462996e-17  # and the rest, to 1e-26
_SQRT2 = math.sqrt(2.0)
_QUARTER = math.pi / 2.0


@njit(cache=True)
def philox(a, b, c, d, k, l):  # noqa: E741 (the paper's word order)
    """Return four words of 32 bits, as uint64, of Philox4x32-10 for the counter (a, b, c, d) and the key (k, l)."""
    for _ in range(10):
        p, q = _M0 * a, _M1 * c
        a, b, c, d = (q >> _32) ^ b ^ k, q & _LOW, (p >> _32) ^ d ^ l, p & _LOW
        k, l = (k + _W0) & _LOW, (l + _W1) & _LOW  # noqa: E741
    return a, b, c, d


@njit(cache=True)
def normal_pair(a, b, c, d):
    """Return two independent standard normals of four random words of 32 bits (uint64)."""
    u = np.uint64((a << _20) | (b >> _12) | _ONE).view(np.float64) - _BELOW_ONE
    bits = np.float64(u).view(np.uint64)
    # ln u = e ln 2 + 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172: the twelfth term of the series is below 1e-18
    e = np.float64(np.int64(bits >> _52) - 1023)
    m = np.uint64((bits & _FRACTION) | _ONE).view(np.float64)
    large = m > _SQRT2
    m = 0.5 * m if large else m
    e = e + 1.0 if large else e
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    r = z * (1 / 3 + z * (1 / 5 + z * (1 / 7 + z * (1 / 9 + z * (1 / 11 + z * (1 / 13 + z * (
        1 / 15 + z * (1 / 17 + z * (1 / 19 + z * (1 / 21))))))))))  # fmt: skip
    radius = math.sqrt(-2.0 * (e * _LN2_HIGH + (2.0 * (s + s * r) + e * _LN2_LOW)))
    # an angle within an eighth of a turn, then one of four quarter turns
    v = np.uint64((((c << _20) | (d >> _12)) & _FRACTION) | _ONE).view(np.float64) - 1.5
    v = v * _QUARTER
    w = v * v
    sine = v * (1 - w / 6 * (1 - w / 20 * (1 - w / 42 * (1 - w / 72 * (1 - w / 110 * (1 - w / 156 * (1 - w / 210)))))))
    cosine = 1 - w / 2 * (1 - w / 12 * (1 - w / 30 * (1 - w / 56 * (1 - w / 90 * (1 - w / 132 * (1 - w / 182 * (
        1 - w / 240)))))))  # fmt: skip
    turn = np.int64(d & _U(3))
    x = sine if turn & 1 else cosine
    y = cosine if turn & 1 else sine
    x = -x if turn in (1, 2) else x
    y = -y if turn >= 2 else y
    return radius * x, radius * y


@njit(cache=True, nogil=True)
def device_normals(keys, sizes, chips, z0, z1):
    """Fill z0 and z1 with the two normals of every element of every device type.

    keys    (n, 2)  uint64  two words of 32 bits a device type
    sizes   (n,)    int64   elements of each type
    chips   (C,)    uint64  chip numbers, below 2^32
    z0, z1  (C, sum(sizes)) float64
    """
    for row in range(len(chips)):
        start = 0
        for device in range(len(sizes)):
            k, l = keys[device, 0], keys[device, 1]  # noqa: E741
            chip = chips[row]
            for i in range(sizes[device]):
                a, b, c, d = philox(np.uint64(i), _0, _0, chip, k, l)
                z0[row, start + i], z1[row, start + i] = normal_pair(a, b, c, d)
            start += sizes[device]
