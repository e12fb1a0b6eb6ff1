"""Philox4x32-10: four random words of 32 bits as a function of a counter of four words and a key of two.

Valid   the published test vectors; in scalars and in lanes of 64 bits, where what stands above 32 bits is no matter
Source  Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11
"""

import numpy as np

from analogrnn.kernels.simd.compiled import compiled

_U = np.uint64
LOW = _U(0xFFFFFFFF)
_32 = _U(32)
_M0, _M1 = _U(0xD2511F53), _U(0xCD9E8D57)
_W0, _W1 = _U(0x9E3779B9), _U(0xBB67AE85)


@compiled(inline="always")
def _mixed(a, b, c, d, k, l):  # noqa: E741 (the paper's word order)
    """One round, of scalars, lanes or both; what stands above 32 bits is noise."""
    p, q = (a & LOW) * _M0, (c & LOW) * _M1
    return (q >> _32) ^ (b ^ k), q, (p >> _32) ^ (d ^ l), p


@compiled()
def philox(a, b, c, d, k, l):  # noqa: E741
    """Return four words, as uint64, for the counter (a, b, c, d) and the key (k, l), all uint64 below 2^32."""
    for _ in range(10):
        a, b, c, d = _mixed(a, b, c, d, k, l)
        k, l = k + _W0, l + _W1  # noqa: E741
    return a & LOW, b & LOW, c & LOW, d & LOW


@compiled()
def round_keys(key, keys):
    """Fill the keys (10, 2) of the ten rounds, uint64, of a key (2,)."""
    for j in range(10):
        keys[j, 0], keys[j, 1] = (key[0] + _U(j) * _W0) & LOW, (key[1] + _U(j) * _W1) & LOW


@compiled(inline="always")
def philox_lanes(a, b, c, d, keys):
    """Return four lanes of words with noise above 32 bits, for lanes `a` (uint64), scalars b, c, d and `round_keys`."""
    a1, b1, c1, d1 = _mixed(a, b, c, d, keys[0, 0], keys[0, 1])  # lanes in c1, d1; the rest are scalars still
    a2, b2, c2, d2 = _mixed(a1, b1, c1, d1, keys[1, 0], keys[1, 1])  # d2 is
    w, x, y, z = _mixed(a2, b2, c2, d2, keys[2, 0], keys[2, 1])
    for j in range(3, 10):
        w, x, y, z = _mixed(w, x, y, z, keys[j, 0], keys[j, 1])
    return w, x, y, z
