"""The noise of the step level: one standard normal for each (chip, sample, step, cell), in two pieces.

Model   z = Phi^-1(U), U = (m + 1/2) 2^-52, m = byte * 2^44 + fine:
        byte  one of the 16 of Philox4x32-10 at the counter (sample, step // 16, cell, chip) under the first key
        fine  44 bits of Philox4x32-10 at the counter (sample, step, cell, chip) under the second key
Valid   |z| reaches 8.21 and no more: a Gaussian passes it once in 4e15 draws
Source  Wichura 1988, Applied Statistics 37(3):477 (AS 241, Phi^-1)
"""

import math

import numpy as np

from analogrnn.kernels.coefficients import CENTRE, FAR, TAIL
from analogrnn.kernels.philox import philox
from analogrnn.kernels.simd.compiled import compiled

_U = np.uint64
REACH = 8.21  # |z| is less


@compiled()
def _horner(c, x):
    """Of eight coefficients; written out, as a tuple is not indexed by a variable for free."""
    return ((((((c[0] * x + c[1]) * x + c[2]) * x + c[3]) * x + c[4]) * x + c[5]) * x + c[6]) * x + c[7]


@compiled()
def quantile(m):
    """Return Phi^-1((m + 1/2) 2^-52) for a whole number 0 <= m < 2^52, within 1e-15 of itself."""
    upper = m >= (1 << 51)
    p = (float((1 << 52) - 1 - m if upper else m) + 0.5) * 2.0**-52
    q = 0.5 - p
    if q <= 0.425:
        x = 0.180625 - q * q
        z = q * _horner(CENTRE[0], x) / _horner(CENTRE[1], x)
        return z if upper else -z
    r = math.sqrt(-math.log(p))
    if r <= 5.0:
        z = _horner(TAIL[0], r - 1.6) / _horner(TAIL[1], r - 1.6)
    else:
        z = _horner(FAR[0], r - 5.0) / _horner(FAR[1], r - 5.0)
    return z if upper else -z


@compiled()
def noise_at(byte, k, l, at):  # noqa: E741
    """Return the normal at (sample, step, cell, chip) = `at` whose byte (int64) is known; k, l: the second key."""
    sample, step, cell, chip = at
    a, b, _, _ = philox(np.uint64(sample), np.uint64(step), np.uint64(cell), np.uint64(chip), k, l)
    return quantile((np.int64(byte) << 44) | np.int64((a << _U(12)) | (b >> _U(20))))


@compiled(nogil=True)
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
                    out[t, s, i] = noise_at(byte, keys[1, 0], keys[1, 1], (s, t, i, chip))
