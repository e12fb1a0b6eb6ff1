"""Step level of many chips, with noise: decided in vector lanes from one random byte, exactly where that doesn't do.

Model   tables and update of kernels/ladder_steps.py for the candidate c + sigma z, with z of kernels/noise_draws.py.
        kernels/noisy_lanes.py decides most steps from the first byte of z. For the others, about once in 600, z is
        drawn in full; if the candidate in single precision doesn't do either, it is summed in double precision.
        So the levels are those of double precision and of per-step Gaussians, to the last bit.
Valid   any tables, any noise
Not     fast for a ladder of more than 31 stages, or noise below some 1e-5 of the largest candidate: lane after lane
"""

from typing import NamedTuple

import numpy as np

from analogrnn.kernels.noise_draws import REACH, noise_at
from analogrnn.kernels.noisy_lanes import (
    ABSENT,
    GENERAL_LEVELS,
    GROUP,
    NORMAL,
    SCALAR,
    candidates,
    draw_words,
    judge,
    step_rows,
)
from analogrnn.kernels.philox import round_keys
from analogrnn.kernels.simd.compiled import compiled
from analogrnn.kernels.simd.functions import bits_of, first_of
from analogrnn.kernels.simd.lanes import aligned, load

_U32, _U64 = np.uint32, np.uint64


@compiled(_nrt=False)
def _step(u, n, up, down, r, i, rest, doubt):
    """Return the level after one step of kernels/ladder_steps.py, and whether an error `doubt` of u could decide it.

    up, down (C, d, N): those of chip r and cell i
    """
    stages = up.shape[2]
    rise = u - up[r, i, n] if n < stages else -np.inf
    fall = down[r, i, n - 1] - u if n > 0 else -np.inf
    doubtful = abs(rise) <= doubt or abs(fall) <= doubt
    if rise >= 0.0 or fall >= 0.0:
        doubtful = doubtful or abs(rise - fall) <= 2.0 * doubt
        if rise > fall:
            n += 1
        elif fall > rise:
            n -= 1
    if rest:
        if n < stages and up[r, i, n] < 0.0:
            n += 1
        elif n > 0 and down[r, i, n - 1] > 0.0:
            n -= 1
    return n, doubtful


@compiled(_nrt=False)
def _exact(source, shared, weight, bias, r, cell, floor, at):
    """Return the candidate of (step, sample, cell) = `at` on chip r in double precision."""
    t, s, i = at
    if shared:
        c = source[t, s, i]
    else:
        c = 0.0
        for j in range(weight.shape[2]):
            c += source[t, s, j] * weight[r, cell, j]
        c += bias[r, cell]
    return max(c, 0.0) if floor else c


@compiled(_nrt=False)
def _prepare(cell, slot, shared, synapses, tables, cells, rules, work):
    """Fill the slot of one cell of one chip: tables, weights, bounds, the level before the first step."""
    (r, i), (weight, bias), inputs = cell, synapses, synapses[0].shape[2]
    sigma = cells[0][i] if rules[2] else 0.0
    size = cells[2][i] if shared else abs(bias[r, i])
    for j in range(inputs):
        size += abs(weight[r, i, j]) * cells[2][j]
        work.weight[slot >> 2, j, slot & 3] = weight[r, i, j]
    work.bias[slot] = bias[r, i]
    # each product rounds its factors and itself, each of the sums once; in double precision likewise
    error = (1.0 if shared else 1.02 * (inputs + 5)) * 2.0**-24 * size
    doubt = (inputs + 16) * 2.0**-51 * (size + REACH * sigma)
    work.bounds[slot, 0], work.bounds[slot, 1] = error + 2.0 * doubt, doubt
    work.ways[slot] = judge(
        (r, i), tables[0], tables[1], size, error, sigma, rules[2], rules[0], slot, work.tables, work.tops, work.general
    )
    start = np.int64(0)
    for q in range(len(cells[1])):
        start, _ = _step(cells[1][q, i], start, tables[0], tables[1], r, i, rules[0], 0.0)
    work.start[slot] = start


@compiled(_nrt=False, forceinline=True)
def _again(row, where, u, at, source, shared, synapses, tables, sigmas, rules, keys, work):
    """Step the undecided lanes of a step, candidates in u[at]; return whether rounding could have decided one."""
    (r, chip), (t, cell, slot, first, width) = row, where
    doubtful = False
    for v in range(len(work.sure) >> 4):
        bits = bits_of(load(work.sure, 16 * v) >= 0)
        while bits != _U32(0):
            c = 16 * v + first_of(bits)
            bits &= bits - _U32(1)
            g, sample = c // width, first + c % width
            if sample >= source.shape[1]:
                continue
            n, i, candidate = np.int64(work.level[slot * width + c]), cell + g, float(u[at, c])
            sigma, error, doubt = sigmas[i] if rules[2] else 0.0, work.bounds[slot + g, 0], work.bounds[slot + g, 1]
            level, in_doubt = n, True
            if work.ways[slot + g] == SCALAR:
                level, in_doubt = _step(candidate, n, tables[0], tables[1], r, i, rules[0], error + REACH * sigma)
            if in_doubt:
                byte = np.int64((work.words[(t >> 2) & 3, c] >> _U32(8 * (t & 3))) & _U32(255))
                noise = sigma * noise_at(byte, keys[1, 0], keys[1, 1], (sample, t, i, chip)) if rules[2] else 0.0
                level, in_doubt = _step(candidate + noise, n, tables[0], tables[1], r, i, rules[0], error)
                if in_doubt:
                    candidate = _exact(source, shared, synapses[0], synapses[1], r, i, rules[1], (t, sample, i))
                    level, in_doubt = _step(candidate + noise, n, tables[0], tables[1], r, i, rules[0], doubt)
                    doubtful = doubtful or in_doubt
            work.level[slot * width + c] = level
    return doubtful


@compiled(_nrt=False, forceinline=True)
def _block(row, where, u, base, source, shared, synapses, tables, sigmas, rules, keys, work, every):
    """Sixteen steps of one group of cells, or the rest of them; return whether rounding could have decided one.

    u (R, C) the candidates, those of the first step in row `base`
    """
    (r, chip), (t, cell, slot, first, width) = row, where
    if rules[2]:
        draw_words(chip, _U64(cell), _U64(t >> 4), _U64(first), width, work.keys, work.words)
    k, doubtful, count = 0, False, min(16, len(source) - t)
    while k < count:
        end = k + 1 if len(every) else count
        k = step_rows(
            u,
            base,
            k,
            end,
            slot,
            width,
            work.words,
            work.level,
            work.sure,
            work.ways,
            work.tables,
            work.tops,
            work.general,
            work.normal,
        )
        if k < end:
            own = (t + k, cell, slot, first, width)
            doubtful |= _again(row, own, u, base + k, source, shared, synapses, tables, sigmas, rules, keys, work)
            k += 1
        for c in range(work.words.shape[1] if len(every) else 0):
            if cell + c // width < every.shape[3] and first + c % width < every.shape[2]:
                every[r, t + k - 1, first + c % width, cell + c // width] = work.level[slot * width + c]
    return doubtful


@compiled(nogil=True, _nrt=False)
def ladder_campaign(lanes, source, shared, synapses, tables, cells, rules, keys, chips, work, last, every, doubtful):
    """Run one layer of ladders on many chips; fill the stages ON after the last step, and optionally after each.

    lanes     (V, T', D, 16) float32  inputs, samples in V vectors of 16, T' >= T even; if `shared` (P, d, T, L):
                                      candidates that all chips have in common, in P tiles of L lanes, a multiple of 16
    source    (T, S, D)      float64  the same inputs; if `shared` (T, S, d): the same candidates
    synapses                 float64  weight (C, d, D), bias (C, d)
    tables                   float64  up (C, d, N), down (C, d, N) as in kernels/ladder_steps.py
    cells                    float64  sigma (d,), the rms noise of the candidate; preset (Q, d), candidates before the
                                      first step, without noise; reach (D,), the largest magnitude of each input
    rules       (3,)           bool     the line returns to zero; candidates below zero are zero; there is noise
    keys      (2, 2)         uint64   of the noise
    chips     (C,)           uint64   chip numbers, below 2^32
    work                              scratch of `campaign_work`
    last      (C, S, d)      int16
    every     (C, T, S, d)   int16    or (0, 0, 0, 0)
    doubtful  (C,)           bool     set where rounding in double precision could have decided: do that chip plainly
    """
    width, count = lanes.shape[3], tables[0].shape[1]
    u = lanes.reshape(lanes.size // width, width) if shared else work.u
    size, groups = (1, 1) if shared else (count, GROUP)
    round_keys(keys[0], work.keys)
    work.ways[:] = ABSENT
    for e in range(0, count, size):  # all cells; or one after the other, for its candidates to stay in the cache
        for r in range(len(chips)):
            for i in range(size):
                _prepare((r, e + i), i, shared, synapses, tables, cells, rules, work)
            for tile in range(len(lanes)):
                first = tile * width
                for i in range(size):
                    work.level[i * width : (i + 1) * width] = work.start[i]
                for t in range(0, len(source), 16):
                    for slot in range(0, size, groups):
                        where, base = (t, e + slot, slot, first, width), 0
                        if shared:
                            base = (tile * count + e) * lanes.shape[2] + t
                        else:
                            candidates(lanes, tile, t, work.weight, work.bias, slot, rules[1], work.u)
                        doubtful[r] |= _block(
                            (r, chips[r]),
                            where,
                            u,
                            base,
                            source,
                            shared,
                            synapses,
                            tables,
                            cells[0],
                            rules,
                            keys,
                            work,
                            every,
                        )
                for s in range(min(width, source.shape[1] - first)):
                    for i in range(size):
                        last[r, first + s, e + i] = work.level[i * width + s]


class Work(NamedTuple):
    """Scratch of one thread: columns C of a group, slots for the cells of a layer in whole groups."""

    u: np.ndarray  # (16, C) float32 candidates
    words: np.ndarray  # (4, C) uint32 bytes of 16 steps
    keys: np.ndarray  # (10, 2) uint64 of the rounds that give the bytes
    level: np.ndarray  # (slots * width,) int32
    sure: np.ndarray  # (C,) int32
    ways: np.ndarray  # (slots,) int64
    normal: np.ndarray  # (112,) float32 NORMAL, each in 16 lanes
    tables: np.ndarray  # (slots * 48,) float32
    tops: np.ndarray  # (slots,) int32 highest level
    general: np.ndarray  # (slots, 3, 32) float32
    bounds: np.ndarray  # (slots, 2) float64 errors of candidates in single and in double precision
    weight: np.ndarray  # (slots / 4, D, 4) float32
    bias: np.ndarray  # (slots,) float32
    start: np.ndarray  # (slots,) int32


def campaign_work(lanes: np.ndarray, cells: int, noisy: bool, *, shared: bool = False) -> Work:
    """Return the scratch of one thread for `lanes` as given to `ladder_campaign`, with so many cells."""
    slots, width = -(-cells // GROUP) * GROUP, lanes.shape[3]
    columns = width if shared else GROUP * width
    inputs = 0 if shared else lanes.shape[2]
    words = aligned((4, columns), np.uint32)
    words[:] = 0x80808080
    normal = aligned((16 * len(NORMAL),), np.float32)
    normal[:] = np.repeat(NORMAL, 16)
    return Work(
        aligned((16, columns), np.float32),
        words,
        np.zeros((10, 2), dtype=np.uint64),
        aligned((slots * width,), np.int32),
        aligned((columns,), np.int32),
        np.zeros(slots, dtype=np.int64),
        normal,
        aligned((slots * 48,), np.float32),
        np.zeros(slots, dtype=np.int32),
        aligned((slots, 3, GENERAL_LEVELS), np.float32),
        np.zeros((slots, 2)),
        aligned((slots // 4, inputs, 4), np.float32),
        np.zeros(slots, dtype=np.float32),
        np.zeros(slots, dtype=np.int32),
    )
