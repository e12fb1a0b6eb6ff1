"""Standard normals of a chip's devices, from counters.

Model   device element e of chip k has two draws, Phi^-1(u) with u = (52 random bits + 1/2) / 2^52, whose bits are the
        Philox4x32-10 number of counter (e, 0, k, 0) under the key of the device's name: no draw depends on which chips
        or devices are drawn beside it, and none needs a generator of its own
Source  Salmon et al., SC'11, doi 10.1145/2063384.2063405; Wichura, Algorithm AS 241, Appl. Stat. 37(3), 1988, to 1e-15
"""

import numpy as np
from numba import njit, uint64


@njit(cache=True, nogil=True)
def normal_quantile(below, above):
    """Return Phi^-1(below / 2^52), with above = 2^52 - below; PPND16."""
    q = (below - 2251799813685248.0) / 4503599627370496.0
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        top = (2.5090809287301226727e3 * r + 3.3430575583588128105e4) * r + 6.7265770927008700853e4
        top = ((top * r + 4.5921953931549871457e4) * r + 1.3731693765509461125e4) * r + 1.9715909503065514427e3
        top = (top * r + 1.3314166789178437745e2) * r + 3.3871328727963666080e0
        low = (5.2264952788528545610e3 * r + 2.8729085735721942674e4) * r + 3.9307895800092710610e4
        low = ((low * r + 2.1213794301586595867e4) * r + 5.3941960214247511077e3) * r + 6.8718700749205790830e2
        low = (low * r + 4.2313330701600911252e1) * r + 1.0
        return q * top / low
    r = np.sqrt(-np.log(min(below, above) / 4503599627370496.0))
    if r <= 5.0:
        r -= 1.6
        top = (7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r + 2.41780725177450611770e-1
        top = ((top * r + 1.27045825245236838258e0) * r + 3.64784832476320460504e0) * r + 5.76949722146069140550e0
        top = (top * r + 4.63033784615654529590e0) * r + 1.42343711074968357734e0
        low = (1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r + 1.51986665636164571966e-2
        low = ((low * r + 1.48103976427480074590e-1) * r + 6.89767334985100004550e-1) * r + 1.67638483018380384940e0
        low = (low * r + 2.05319162663775882187e0) * r + 1.0
    else:
        r -= 5.0
        top = (2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 1.24266094738807843860e-3
        top = ((top * r + 2.65321895265761230930e-2) * r + 2.96560571828504891230e-1) * r + 1.78482653991729133580e0
        top = (top * r + 5.46378491116411436990e0) * r + 6.65790464350110377720e0
        low = (2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r + 1.84631831751005468180e-5
        low = ((low * r + 7.86869131145613259100e-4) * r + 1.48753612908506148525e-2) * r + 1.36929880922735805310e-1
        low = (low * r + 5.99832206555887937690e-1) * r + 1.0
    return -(top / low) if q < 0.0 else top / low


@njit(cache=True, nogil=True)
def device_normals(key, chips, out):
    """Fill out (2, chips, E) with the two draws of each device element; key (2,) uint32, chips (chips,) int64."""
    mask = uint64(0xFFFFFFFF)
    for m in range(chips.shape[0]):
        for e in range(out.shape[2]):
            c0, c1, c2, c3 = uint64(e), uint64(0), uint64(chips[m]), uint64(0)
            k0, k1 = uint64(key[0]), uint64(key[1])
            for _ in range(10):
                a, b = c0 * uint64(0xD2511F53), c2 * uint64(0xCD9E8D57)
                c0, c2 = (b >> uint64(32)) ^ c1 ^ k0, (a >> uint64(32)) ^ c3 ^ k1
                c1, c3 = b & mask, a & mask
                k0, k1 = (k0 + uint64(0x9E3779B9)) & mask, (k1 + uint64(0xBB67AE85)) & mask
            first, second = (c0 << uint64(20)) ^ (c1 >> uint64(12)), (c2 << uint64(20)) ^ (c3 >> uint64(12))
            for j, bits in enumerate((first, second)):
                below = np.float64(bits) + 0.5
                out[j, m, e] = normal_quantile(below, 4503599627370496.0 - below)
