"""One step of a ladder in vector lanes of single precision, decided from one random byte, or marked as undecided.

Model   A level has one threshold within reach, a sigmas above the candidate. z >= a is U >= Phi(a): the byte of U alone
        decides it unless 256 Phi(a) lies within [byte, byte + 1], widened by a margin for every error made here.
        A cell has a centre, far below every up threshold and far above every down threshold: x is how far the candidate
        lies from it, its sign selects which of the two tables counts, and the threshold lies table[level] - |x| away.
Valid   `_decided`: up to 15 stages where a register holds 16 lanes, else 8; each up threshold 17 sigma above each down
        threshold, no drift; `_decided_general`: up to 31 stages
Error   `judge` sums it up. Fused products round less than it allows for
"""

import numpy as np

from analogrnn.kernels.noise_draws import REACH
from analogrnn.kernels.philox import LOW, philox_lanes
from analogrnn.kernels.simd.compiled import compiled
from analogrnn.kernels.simd.functions import any_of, fused, least, magnitude, most, where
from analogrnn.kernels.simd.lanes import FULL, converted, load, look_up, ramp, reinterpreted, splat, spread, store, take

_U64 = np.uint64

# 256 (Phi(a) - 1/2) = SLOPE a + odd polynomial of a clipped to CLIP sigma, within PHI_ERROR while the true value is
# below 127. Beyond, the byte's last 256th is undecided in any case: there the line stays within PHI_ERROR of
# [127, 128] up to 8.22 sigma, further out than any normal that can be drawn, and leaves it at 8.7.
PHI_ERROR = 0.025
MOST_MARGIN = 1.0
SLOPE, CLIP = 0.170136739, 2.65
POLYNOMIAL = (101.853552, -16.6905960, 2.25623258, -0.188817238, 0.00708556117)
# the lanes count in a * SLOPE, so that the line is free, and take the polynomial away
NORMAL = np.array([CLIP * SLOPE, -CLIP * SLOPE, *(-p / SLOPE ** (2 * j + 1) for j, p in enumerate(POLYNOMIAL))])

_32 = _U64(32)
GROUP = 8  # cells that are stepped together, if each has its own candidates: a multiple of 4
ENTRIES = 16 if FULL else 8  # of a table in one register; a level beyond takes the entry of level - ENTRIES
FAST_STAGES = 15 if FULL else 8
GENERAL_LEVELS = 32
RATE, CENTRE, MOVES, STAYS = range(32, 36)  # places in the 48 of a slot of `tables`, after two tables
FAST, GENERAL, SCALAR, ABSENT = 3, 2, 1, 0  # ways of a cell; SCALAR: lane by lane; ABSENT: no cell at all


@compiled(_nrt=False)
def draw_words(chip, cell, block, first, width, keys, words):
    """Fill words (4, C) uint32 with the bytes of 16 steps, those of four in a row, for `width` samples of each cell.

    chip, cell, block, first  uint64  counter of the first column; its sample
    keys                (10, 2) uint64  of `round_keys`
    """
    for column in range(0, words.shape[1], width):
        for s in range(0, width, 16):
            even = ramp(np.uint64) * _U64(2) + (first + _U64(s))
            a, b, c, d = philox_lanes(even, block, cell, chip, keys)
            e, f, g, h = philox_lanes(even + _U64(1), block, cell, chip, keys)
            store(words, (0, column + s), reinterpreted((a & LOW) | (e << _32), np.uint32))
            store(words, (1, column + s), reinterpreted((b & LOW) | (f << _32), np.uint32))
            store(words, (2, column + s), reinterpreted((c & LOW) | (g << _32), np.uint32))
            store(words, (3, column + s), reinterpreted((d & LOW) | (h << _32), np.uint32))
        cell += _U64(1)


def _two_steps(x, vector, t, weight, bias, quad, floor, u, k, column):
    """Two steps of four cells: eight sums in eight registers of 16 lanes, and each load serves often."""
    a, b = splat(bias[4 * quad], np.float32), splat(bias[4 * quad + 1], np.float32)
    c, d = splat(bias[4 * quad + 2], np.float32), splat(bias[4 * quad + 3], np.float32)
    e, f, g, h = a, b, c, d
    for j in range(x.shape[2]):
        now, then = load(x, (vector, t, j, 0)), load(x, (vector, t + 1, j, 0))
        w = weight[quad, j, 0]
        a, e = fused(now, w, a), fused(then, w, e)
        w = weight[quad, j, 1]
        b, f = fused(now, w, b), fused(then, w, f)
        w = weight[quad, j, 2]
        c, g = fused(now, w, c), fused(then, w, g)
        w = weight[quad, j, 3]
        d, h = fused(now, w, d), fused(then, w, h)
    if floor:
        a, b, c, d = most(a, 0.0), most(b, 0.0), most(c, 0.0), most(d, 0.0)
        e, f, g, h = most(e, 0.0), most(f, 0.0), most(g, 0.0), most(h, 0.0)
    store(u, (k, column), a)
    store(u, (k, column + 16), b)
    store(u, (k, column + 32), c)
    store(u, (k, column + 48), d)
    store(u, (k + 1, column), e)
    store(u, (k + 1, column + 16), f)
    store(u, (k + 1, column + 32), g)
    store(u, (k + 1, column + 48), h)


def _one_step(x, vector, t, weight, bias, quad, floor, u, k, column):
    """One step of four cells: eight sums in eight registers of 8 lanes, as twice as many don't fit."""
    a, b = splat(bias[4 * quad], np.float32), splat(bias[4 * quad + 1], np.float32)
    c, d = splat(bias[4 * quad + 2], np.float32), splat(bias[4 * quad + 3], np.float32)
    for j in range(x.shape[2]):
        now = load(x, (vector, t, j, 0))
        a, b = fused(now, weight[quad, j, 0], a), fused(now, weight[quad, j, 1], b)
        c, d = fused(now, weight[quad, j, 2], c), fused(now, weight[quad, j, 3], d)
    if floor:
        a, b, c, d = most(a, 0.0), most(b, 0.0), most(c, 0.0), most(d, 0.0)
    store(u, (k, column), a)
    store(u, (k, column + 16), b)
    store(u, (k, column + 32), c)
    store(u, (k, column + 48), d)


_four_cells = compiled(_nrt=False)(_two_steps if FULL else _one_step)
_AT_ONCE = 2 if FULL else 1


@compiled(_nrt=False)
def candidates(x, vector, start, weight, bias, first, floor, u):
    """Fill u (16, C) float32 with the candidates of 16 steps from `start` on, 16 lanes a cell of the group.

    x (V, T, D, 16) float32 inputs; weight (slots / 4, D, 4); bias (slots,); first slot of the group
    """
    for quad in range(first >> 2, (first + GROUP) >> 2):
        for k in range(0, min(16, x.shape[1] - start), _AT_ONCE):
            _four_cells(x, vector, start + k, weight, bias, quad, floor, u, k, 16 * (4 * quad - first))


@compiled(inline="always")
def _beyond(byte, a, normal):
    """Return byte - 256 (Phi(a) - 1/2); lanes, `a` in sigmas times SLOPE. normal (112,): NORMAL, each in 16 lanes."""
    q = most(least(a, load(normal, 0)), load(normal, 16))
    z = q * q
    p = fused(fused(z, load(normal, 96), load(normal, 80)), z, load(normal, 64))
    return fused(q, fused(fused(p, z, load(normal, 48)), z, load(normal, 32)), byte - a)


def _register(tables, place, level):
    return take(load(tables, place), level)


def _eight(tables, place, level):
    return look_up(tables, place, level)


_entry = compiled(inline="always")(_register if FULL else _eight)


@compiled(inline="always")
def _decided(level, u, word, turn, tables, place, top, normal):
    """Return the level (int32 lanes) after one step, unmoved where undecided, and what is below zero where decided.

    word    (int32 lanes) whose highest byte counts once it is turned left by `turn`
    tables  (slots * 48,) float32 from `place` on: how far each level's up threshold lies above the centre, and its down
            threshold below, in sigmas times SLOPE; RATE and so on
    top     (int32 lanes) the highest level
    """
    x = fused(u, spread(tables, place + RATE), spread(tables, place + CENTRE))
    falls = reinterpreted(x, np.int32) >> 31  # -1 where a down threshold counts
    threshold = where(falls < 0, _entry(tables, place + 16, level), _entry(tables, place, level))
    # a fall is z <= -a, that is 1 - U >= Phi(a): it takes the byte upside down
    byte = converted(reinterpreted(reinterpreted((word ^ falls) << turn, np.uint32) >> 24, np.int32), np.float32)
    beyond = _beyond(byte, threshold - magnitude(x), normal)
    # signs, as masks of 16 lanes would have to be put together of two registers
    moves = reinterpreted(spread(tables, place + MOVES) - beyond, np.int32)
    stays = reinterpreted(beyond - spread(tables, place + STAYS), np.int32)
    moved = level - (((moves >> 31) ^ falls) - falls)  # one up or down, or none
    return most(least(moved, top), 0), moves | stays


@compiled(inline="always")
def _general_entry(general, slot, row, level):
    """Return an entry of 32 by level."""
    low = take(load(general, (slot, row, 0)), level & 15)
    return where(level > 15, take(load(general, (slot, row, 16)), level & 15), low)


@compiled(inline="always")
def _decided_general(level, u, word, turn, tables, place, general, slot, normal):
    """As `_decided`, for a cell with both thresholds within reach, or that drifts between pulses, or of many levels.

    general (slots, 3, 32): up and down threshold of each level, in sigmas times SLOPE; its drift between pulses
    """
    scaled, byte = (
        u * spread(tables, place + RATE),
        reinterpreted(reinterpreted(word << turn, np.uint32) >> 24, np.int32),
    )
    moves, stays = spread(tables, place + MOVES), spread(tables, place + STAYS)
    rising = _beyond(converted(byte, np.float32), _general_entry(general, slot, 0, level) - scaled, normal)
    falling = _beyond(converted(byte ^ 255, np.float32), scaled - _general_entry(general, slot, 1, level), normal)
    up, down = rising > moves, falling > moves
    undecided = ((rising >= stays) & ~up) | ((falling >= stays) & ~down)
    moved = where(up, level + 1, level)
    moved = where(down, moved - 1, moved)
    moved = moved + converted(_general_entry(general, slot, 2, moved), np.int32)
    return where(undecided, level, moved), where(undecided, splat(0, np.int32), -1)


@compiled(_nrt=False, forceinline=True)
def step_rows(u, base, k, last, first, width, words, level, sure, ways, tables, tops, general, normal):
    """Step a group from step k on up to `last`; return the first step that left a lane undecided, else `last`.

    u       (R, C)            float32  candidates: those of step k in row base + k
    first, width                       slot of the first cell, lanes of each
    words   (4, C)            uint32
    level   (slots * width,)  int32    undecided lanes stay where they are
    sure    (C,)              int32    below zero in the lanes of that step that are decided
    ways    (slots,)          int64
    tables  (slots * 48,)     float32  in one row, so that all that a slot needs lies a constant away
    tops    (slots,)          int32
    general    (slots, 3, 32)    float32
    normal  (112,)            float32  NORMAL, each in 16 lanes
    """
    vectors, scalar = words.shape[1] >> 4, 1 if width == 16 else 0
    while k < last:
        turn, all_sure = splat(24 - 8 * (k & 3), np.int32), splat(-1, np.int32)
        slot, row, at = first, k >> 2, first * width
        for v in range(vectors):
            way, lanes, place = ways[_U64(slot)], splat(-1, np.int32), 48 * slot
            if way >= GENERAL:
                before, candidate = load(level, at), load(u, (base + k, 16 * v))
                word = reinterpreted(load(words, (row, 16 * v)), np.int32)
                if way == FAST:
                    top = spread(tops, slot)
                    after, lanes = _decided(before, candidate, word, turn, tables, place, top, normal)
                else:
                    after, lanes = _decided_general(before, candidate, word, turn, tables, place, general, slot, normal)
                store(level, at, after)
            elif way == SCALAR:
                lanes = splat(0, np.int32)
            store(sure, 16 * v, lanes)
            all_sure &= lanes
            slot += scalar
            at += 16
        if any_of(all_sure >= 0):
            return k
        k += 1
    return last


@compiled(_nrt=False)
def judge(cell, up, down, size, error, sigma, noisy, rest, slot, tables, tops, general):
    """Return the way of a cell, and fill its tables: thresholds by level, factor and margin.

    cell                     its row and column in
    up, down    (C, d, N)    float64  thresholds
    size, error              float64  bounds on the candidate and on its error in single precision

    Without noise the lanes run at the byte 128 with a sigma of 4,000 errors: what lies further than some 50 errors from
    a threshold is decided.
    """
    r, i = cell
    stages = up.shape[2]
    spread = sigma if noisy else 4000.0 * error + 1e-30
    reach = size + 10.0 * spread  # no candidate with its noise comes so far
    # u, the table's entries, their sum and the rest up to the threshold round once each, by 2^-24 of `reach` or of
    # twice that; so does the factor 1 / sigma
    error += 10.0 * 2.0**-24 * reach
    # 103 is above 256 times the largest density; the polynomial rounds some ten times at values up to 256
    margin = PHI_ERROR + 0.002 + 103.0 * (error / spread if spread > 0.0 else 1.0)
    rate, window = SLOPE / max(spread, 1e-30), (2.02 * REACH * spread if noisy else 0.0) + 4.0 * error
    # `_beyond` takes 256 (Phi - 1/2) from a byte that stands for its middle: U >= Phi from 128 on
    tables[48 * slot + RATE], tops[slot] = rate, stages
    tables[48 * slot + MOVES], tables[48 * slot + STAYS] = 128.0 + margin, 127.0 - margin
    if stages >= GENERAL_LEVELS or margin > MOST_MARGIN:
        return SCALAR
    least_up, most_down = reach, -reach
    for n in range(stages):
        least_up, most_down = min(least_up, up[r, i, n]), max(most_down, down[r, i, n])
    drifts = rest and (least_up < 0.0 or most_down > 0.0)
    if stages <= FAST_STAGES and least_up - most_down > window and not drifts:
        _fill(up, down, cell, reach, rate, 0.5 * (least_up + most_down), slot, tables)
        return FAST
    for n in range(stages + 1):
        high = up[r, i, n] if n < stages else np.inf
        low = down[r, i, n - 1] if n > 0 else -np.inf
        general[slot, 2, n] = (1.0 if high < 0.0 else -1.0) if rest and (high < 0.0 or low > 0.0) else 0.0
        if high <= low:  # both ask for a move: the larger overdrive wins
            high = low = 0.5 * (high + low)
        general[slot, 0, n], general[slot, 1, n] = (
            min(max(high, -reach), reach) * rate,
            min(max(low, -reach), reach) * rate,
        )
    return GENERAL


@compiled(_nrt=False)
def _fill(up, down, cell, reach, rate, centre, slot, tables):
    """Fill the tables of `_decided`. The outermost levels lack a threshold: out of reach, if there is an entry left.

    If there is none, they share it with another level, and a move beyond them is taken back.
    """
    r, i = cell
    tables[48 * slot + CENTRE] = -centre * rate
    for n in range(ENTRIES):
        tables[48 * slot + n] = tables[48 * slot + 16 + n] = 2.0 * reach * rate
    for n in range(up.shape[2]):
        tables[48 * slot + n % ENTRIES] = (min(up[r, i, n], reach) - centre) * rate
        tables[48 * slot + 16 + (n + 1) % ENTRIES] = (centre - max(down[r, i, n], -reach)) * rate
