"""Counter-based draws of device mismatch: chip 4711 costs no more than chip 0, and needs no other chip.

Model   the normals (z0, z1) of element `i` of a device type in chip `c` are a function of (key, i, c) alone:
        Philox4x32-10 of the counter (i, 0, 0, c), then Box-Muller on two uniforms of 52 bits,
        z0 = sqrt(-2 ln U) cos(2 pi V),   z1 = sqrt(-2 ln U) sin(2 pi V),   U = (m + 1/2) 2^-52
Valid   |z| reaches 8.57 and no more: a Gaussian passes it once in 1e17 draws. ln, sin and cos are power series in
        plain products and sums, within 1e-15 of the true value: the same bits on every IEEE machine and in every lane
Source  Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11 (Philox);
        Box & Muller 1958, Annals of Mathematical Statistics 29(2):610
"""

import numpy as np

from analogrnn.kernels.coefficients import BELOW_ONE, LN2_HIGH, LN2_LOW, QUARTER, SQRT2
from analogrnn.kernels.philox import LOW, philox_lanes, round_keys
from analogrnn.kernels.simd.compiled import compiled
from analogrnn.kernels.simd.functions import divided, square_root, where
from analogrnn.kernels.simd.lanes import converted, ramp, reinterpreted, store

_U = np.uint64
_0, _2 = _U(0), _U(2)
_12, _20, _52 = _U(12), _U(20), _U(52)
_ONE = _U(1023 << 52)  # the bits of 1.0
_FRACTION = _U((1 << 52) - 1)


@compiled(inline="always")
def _uniform(high, low):
    """Return 1 + (m + 1/2) 2^-52 but for the last half, for 52 bits m of two lanes of words."""
    return reinterpreted(((((high & LOW) << _20) | ((low & LOW) >> _12)) & _FRACTION) | _ONE, np.float64)


@compiled(inline="always")
def _radius(u):
    """Return sqrt(-2 ln u): ln u = e ln 2 + 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172."""
    bits = reinterpreted(u, np.uint64)
    e = converted(reinterpreted(bits >> _52, np.int64) - 1023, np.float64)
    m = reinterpreted((bits & _FRACTION) | _ONE, np.float64)
    large = m > SQRT2
    m, e = where(large, 0.5 * m, m), where(large, e + 1.0, e)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    # the twelfth term of the series is below 1e-18
    r = z * (
        1 / 3
        + z
        * (
            1 / 5
            + z
            * (
                1 / 7
                + z * (1 / 9 + z * (1 / 11 + z * (1 / 13 + z * (1 / 15 + z * (1 / 17 + z * (1 / 19 + z * (1 / 21)))))))
            )
        )
    )
    return square_root(-2.0 * (e * LN2_HIGH + (2.0 * (s + s * r) + e * LN2_LOW)))


@compiled(inline="always")
def normal_pairs(a, b, c, d):
    """Return two independent standard normals (lanes of float64) of four lanes of random words of 32 bits (uint64)."""
    radius = _radius(_uniform(a, b) - BELOW_ONE)
    # an angle within an eighth of a turn, then one of four quarter turns
    v = (_uniform(c, d) - 1.5) * QUARTER
    w = v * v
    sine = v * (
        1
        - divided(w, 6.0)
        * (
            1
            - divided(w, 20.0)
            * (
                1
                - divided(w, 42.0)
                * (1 - divided(w, 72.0) * (1 - divided(w, 110.0) * (1 - divided(w, 156.0) * (1 - divided(w, 210.0)))))
            )
        )
    )
    r = 1 - divided(w, 132.0) * (1 - divided(w, 182.0) * (1 - divided(w, 240.0)))
    cosine = 1 - w * 0.5 * (
        1 - divided(w, 12.0) * (1 - divided(w, 30.0) * (1 - divided(w, 56.0) * (1 - divided(w, 90.0) * r)))
    )
    odd = (d & _U(1)) != 0
    x, y = where(odd, sine, cosine), where(odd, cosine, sine)
    # x is turned round in the second and the third quarter, y in the third and the fourth
    x = reinterpreted(reinterpreted(x, np.uint64) ^ (((d + _U(1)) & _2) << _U(62)), np.float64)
    y = reinterpreted(reinterpreted(y, np.uint64) ^ ((d & _2) << _U(62)), np.float64)
    return radius * x, radius * y


@compiled(nogil=True, _nrt=False)
def _draw(keys, sizes, chips, rounds, rest, z0, z1):
    for row in range(len(chips)):
        start = 0
        for device in range(len(sizes)):
            round_keys(keys[device], rounds)
            for i in range(0, sizes[device], 16):
                a, b, c, d = philox_lanes(converted(ramp(np.uint32), np.uint64) + _U(i), _0, _0, chips[row], rounds)
                x, y = normal_pairs(a, b, c, d)
                if i + 16 <= sizes[device]:
                    store(z0, (row, start + i), x)
                    store(z1, (row, start + i), y)
                else:
                    store(rest, (0, 0), x)
                    store(rest, (1, 0), y)
                    for j in range(sizes[device] - i):
                        z0[row, start + i + j], z1[row, start + i + j] = rest[0, j], rest[1, j]
            start += sizes[device]


def device_normals(keys: np.ndarray, sizes: np.ndarray, chips: np.ndarray, z0: np.ndarray, z1: np.ndarray) -> None:
    """Fill z0 and z1 with the two normals of every element of every device type.

    keys    (n, 2)  uint64  two words of 32 bits a device type
    sizes   (n,)    int64   elements of each type
    chips   (C,)    uint64  chip numbers, below 2^32
    z0, z1  (C, sum(sizes)) float64
    """
    _draw(keys, sizes, chips, np.empty((10, 2), dtype=np.uint64), np.empty((2, 16)), z0, z1)


@compiled(nogil=True, _nrt=False)
def device_deviations(sigma_vth, sigma_beta, efficiency, vth, beta, delta):
    """Turn normals into deviations, in place: vth = sigma z0, beta = sigma z1, delta = beta - efficiency vth.

    sigma_vth, sigma_beta, efficiency (n,); vth, beta, delta (C, n): z0, z1 before, and delta's place
    """
    for row in range(len(vth)):
        for i in range(len(efficiency)):
            v, b = sigma_vth[i] * vth[row, i], sigma_beta[i] * beta[row, i]
            vth[row, i], beta[row, i], delta[row, i] = v, b, b - efficiency[i] * v
