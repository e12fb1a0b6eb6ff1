"""What the machine could do at best: how many vector operations a second, and how many the recurrence needs.

Counted from kernels/noisy_ladder.py with eight levels, single-precision lanes, in arithmetic operations a cell-step
(loads and stores go through other ports): look-up 8 comparisons and 16 selections; two distances 2; the nearer 2, its
sign 1, in sigmas 1; Phi 2 + 1 + 7; byte to number 3, against it 2; move 3; mark 3. Random numbers: ten rounds of
Philox4x32 cost 2 products and 12 shifts, masks and exclusive-ors in lanes of twice the width, and give 16 bytes.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

ARITHMETIC = 8 + 16 + 2 + 2 + 1 + 1 + 10 + 3 + 2 + 3 + 3
RANDOM = 10 * (2 + 12) * 2 / 16
OPERATIONS = ARITHMETIC + RANDOM


@njit(cache=True, nogil=True, fastmath={"contract", "nnan", "nsz"})
def _busy(x, out, repeat):
    """Four independent chains of 8 x 3 operations (fused product, maximum, comparison with selection) an element."""
    one, half = np.float32(0.9), np.float32(0.05)
    for _ in range(repeat):
        for i in range(len(x)):
            a, b, c, d = x[i], x[i] + one, x[i] - one, x[i] * one
            for _k in range(8):
                a, b, c, d = a * one + half, b * one + half, c * one + half, d * one + half
                a, b, c, d = max(a, half), max(b, half), max(c, half), max(d, half)
                a, b = (one if a > b else a), (one if b > c else b)
                c, d = (one if c > d else c), (one if d > a else d)
            out[i] = a + b + c + d


def operations_per_second(threads: int, seconds: float = 0.2) -> float:
    """Single-precision lane operations a second on `threads` cores; a selection counts with its comparison as two."""
    each = 8 * (4 + 4 + 8) + 6

    def piece(repeat: int) -> None:
        x = np.linspace(0.0, 1.0, 2048, dtype=np.float32)
        _busy(x, np.empty_like(x), repeat)

    piece(1)
    repeat, best = 50, 0.0
    with ThreadPoolExecutor(threads) as pool:
        stop = time.perf_counter() + seconds
        while time.perf_counter() < stop:
            start = time.perf_counter()
            list(pool.map(piece, [repeat] * threads))
            best = max(best, threads * repeat * 2048 * each / (time.perf_counter() - start))
    return best


def bytes_per_second(threads: int) -> float:
    """Read from memory by `threads` cores: a sum over 256 MB."""
    data = np.ones((threads, 32 * 2**20 // threads), dtype=np.float64)
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(3):
            start = time.perf_counter()
            list(pool.map(np.sum, data))
            best = max(best, data.nbytes / (time.perf_counter() - start))
    return best
