"""What the machine could do at best: how many vector operations a second, and how many the recurrence needs.

Counted from kernels/noisy_lanes.py and kernels/philox.py, in lane operations per cell-step, for a ladder whose tables
fit one register each (loads and stores go through other ports). Distance from the centre 1, its sign 1; look-up: 2
permutations and a selection; to the threshold 2; byte to number 4; Phi: clip 2, square 1, polynomial 4; against the
byte 2; decided or not 4; move 6. Random numbers give 16 bytes per lane: eight rounds of Philox4x32 with 2 products,
2 shifts and 4 exclusive-ors (2 with the three-way logic of AVX-512), in lanes of twice the width; 9 (7) in the first
two rounds, whose counters are partly common to all lanes; two halves put together 8. What a step costs that its byte
leaves undecided is not counted.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from analogrnn.kernels.simd.compiled import compiled
from analogrnn.kernels.simd.functions import fused, most
from analogrnn.kernels.simd.lanes import FULL, aligned, load, store

ARITHMETIC = 1 + 1 + 3 + 2 + 4 + 2 + 1 + 4 + 2 + 4 + 6
RANDOM = ((8 * 6 + 7) * 2 + 8) / 16 if FULL else ((8 * 8 + 9) * 2 + 8) / 16
OPERATIONS = ARITHMETIC + RANDOM
_CHAINS = 12 if FULL else 5  # enough for two operations of four cycles each to be always under way, in registers


def _twelve(x: np.ndarray, repeat: int) -> None:
    """Twelve independent chains of a fused product and a maximum in full vectors; x (224,) float32."""
    a, b, c, d = load(x, 0), load(x, 16), load(x, 32), load(x, 48)
    e, f, g, h = load(x, 64), load(x, 80), load(x, 96), load(x, 112)
    i, j, k, m = load(x, 128), load(x, 144), load(x, 160), load(x, 176)
    s, t = load(x, 192), load(x, 208)
    for _ in range(repeat):
        a, b, c, d = fused(a, s, t), fused(b, s, t), fused(c, s, t), fused(d, s, t)
        e, f, g, h = fused(e, s, t), fused(f, s, t), fused(g, s, t), fused(h, s, t)
        i, j, k, m = fused(i, s, t), fused(j, s, t), fused(k, s, t), fused(m, s, t)
        a, b, c, d = most(a, t), most(b, t), most(c, t), most(d, t)
        e, f, g, h = most(e, t), most(f, t), most(g, t), most(h, t)
        i, j, k, m = most(i, t), most(j, t), most(k, t), most(m, t)
    store(x, 0, a + b + c + d + e + f + g + h + i + j + k + m)


def _five(x: np.ndarray, repeat: int) -> None:
    """Five of them, in ten registers where one holds half a vector; x as there."""
    a, b, c, d, e = load(x, 0), load(x, 16), load(x, 32), load(x, 48), load(x, 64)
    s, t = load(x, 192), load(x, 208)
    for _ in range(repeat):
        a, b, c, d, e = fused(a, s, t), fused(b, s, t), fused(c, s, t), fused(d, s, t), fused(e, s, t)
        a, b, c, d, e = most(a, t), most(b, t), most(c, t), most(d, t), most(e, t)
    store(x, 0, a + b + c + d + e)


_busy = compiled(nogil=True, _nrt=False)(_twelve if FULL else _five)


def operations_per_second(threads: int, seconds: float = 0.2) -> float:
    """Single-precision lane operations a second on `threads` cores, in the widest vectors."""
    repeat, each = 100_000, 16 * 2 * _CHAINS

    def piece(repeat: int) -> None:
        x = aligned((224,), np.float32)
        x[:192], x[192:208], x[208:] = np.linspace(0.0, 1.0, 192), 0.9, 0.05
        _busy(x, repeat)

    piece(1)
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        stop = time.perf_counter() + seconds
        while time.perf_counter() < stop:
            start = time.perf_counter()
            list(pool.map(piece, [repeat] * threads))
            best = max(best, threads * repeat * each / (time.perf_counter() - start))
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
