"""The noise of the step level: one standard normal for each (chip, sample, step, cell), in two pieces.

Model   z = Phi^-1(U), U = (m + 1/2) 2^-52, m = byte * 2^44 + fine:
        byte  one of the 16 of Philox4x32-10 at the counter (sample, step // 16, cell, chip) under the first key
        fine  44 bits of Philox4x32-10 at the counter (sample, step, cell, chip) under the second key
Valid   |z| reaches 8.21 and no more: a Gaussian passes it once in 4e15 draws
Source  Wichura 1988, Applied Statistics 37(3):477 (AS 241, Phi^-1)
"""

import math

import numpy as np

from analogrnn.kernels.philox import philox
from analogrnn.kernels.simd.compiled import compiled

_U = np.uint64
REACH = 8.21  # |z| is less


@compiled()
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
