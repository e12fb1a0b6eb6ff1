"""One step of a ladder in vector lanes of single precision, decided from one random byte, or marked as undecided.

Model   A level has one threshold within reach, a sigmas above the candidate. z >= a is U >= Phi(a): the byte of U alone
        decides it unless 256 Phi(a) lies within [byte, byte + 1], widened by a margin for every error made here.
        Tables by level are held as centre and half width of the window between the two thresholds: x is how far the
        candidate lies from the centre, its sign tells which threshold is nearer, and that one lies half - |x| away.
Valid   `_decided`: up to 15 stages, thresholds 17 sigma apart, no drift; `_decided_wild`: up to 31 stages
Error   `judge` sums it up. Fused products round less than it allows for
"""

import numpy as np

from analogrnn.kernels.noise_draws import REACH
from analogrnn.kernels.philox import LOW, philox_lanes
from analogrnn.kernels.simd.compiled import compiled
from analogrnn.kernels.simd.lanes import (
    bits_of,
    converted,
    fused,
    least,
    load,
    most,
    ramp,
    reinterpreted,
    rotated,
    signed,
    splat,
    spread,
    store,
    take,
    where,
)

_F, _U16, _U32, _U64 = np.float32, np.uint16, np.uint32, np.uint64

# 256 (Phi(a) - 1/2) = SLOPE a + odd polynomial of a clipped to CLIP sigma, within PHI_ERROR while the true value is
# below 127. Beyond, the byte's last 256th is undecided in any case: there the line stays within PHI_ERROR of
# [127, 128] up to 8.22 sigma, further out than any normal that can be drawn, and leaves it at 8.7.
PHI_ERROR = 0.025
MOST_MARGIN = 1.0
SLOPE, CLIP = 0.170136739, 2.65
POLYNOMIAL = (101.853552, -16.6905960, 2.25623258, -0.188817238, 0.00708556117)
# the lanes count in a * SLOPE, so that the line is free, and take the polynomial away
_CLIP = _F(CLIP * SLOPE)
_MINUS_CLIP = _F(-CLIP * SLOPE)
_P1, _P3, _P5, _P7, _P9 = (_F(-p / SLOPE ** (2 * j + 1)) for j, p in enumerate(POLYNOMIAL))

_SIGN, _32 = _U32(0x80000000), _U64(32)
_BYTE, _256 = _U32(0xFF << 15), _U32(0x43800000)  # a byte in the highest bits of the mantissa of 256.0 is 256 + byte
_MIDDLE = _F(256.0 + 127.5)
GROUP = 8  # cells that are stepped together, if each has its own candidates: a multiple of 4
LEVELS, WILD_LEVELS = 16, 32
RATE, WIDE, MINUS = 0, 1, 2  # entries of the third row of a slot of `tables`
FAST, WILD, LONE, ABSENT = 3, 2, 1, 0  # ways of a cell; LONE: lane by lane; ABSENT: no cell at all


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


@compiled(_nrt=False)
def candidates(x, vector, start, weight, bias, first, floor, u):
    """Fill u (1, 1, 16, C) float32 with the candidates of 16 steps from `start` on, 16 lanes a cell of the group.

    x (V, T, D, 16) float32 inputs; weight (slots / 4, D, 4); bias (slots,); first slot of the group
    """
    for quad in range(first >> 2, (first + GROUP) >> 2):
        for k in range(0, min(16, x.shape[1] - start), 2):  # two steps of four cells at once, for a load to serve often
            a, b = splat(bias[4 * quad], np.float32), splat(bias[4 * quad + 1], np.float32)
            c, d = splat(bias[4 * quad + 2], np.float32), splat(bias[4 * quad + 3], np.float32)
            e, f, g, h = a, b, c, d
            for j in range(x.shape[2]):
                now, then = load(x, (vector, start + k, j, 0)), load(x, (vector, start + k + 1, j, 0))
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
            column = 16 * (4 * quad - first)
            store(u, (0, 0, k, column), a)
            store(u, (0, 0, k, column + 16), b)
            store(u, (0, 0, k, column + 32), c)
            store(u, (0, 0, k, column + 48), d)
            store(u, (0, 0, k + 1, column), e)
            store(u, (0, 0, k + 1, column + 16), f)
            store(u, (0, 0, k + 1, column + 32), g)
            store(u, (0, 0, k + 1, column + 48), h)


@compiled(inline="always")
def _beyond(byte, a):
    """Return 256 (U - Phi(a)) for the middle of the byte; lanes, `a` in sigmas times SLOPE."""
    q = most(least(a, _CLIP), _MINUS_CLIP)
    z = q * q
    return fused(q, fused(fused(fused(fused(z, _P9, _P7), z, _P5), z, _P3), z, _P1), byte - a)


@compiled(inline="always")
def _centred(word, turn):
    """Return byte - 127.5 as float lanes."""
    return reinterpreted((rotated(word, splat(turn, np.uint32)) & _BYTE) | _256, np.float32) - _MIDDLE


@compiled(inline="always")
def _decided(level, u, byte, tables, slot):
    """Return the level (int32 lanes) after one step, unmoved where undecided, and the marks of undecided lanes.

    tables (slots, 3, 16): minus the centre and half the width of each level's window, in sigmas times SLOPE
    """
    x = fused(u, spread(tables, (slot, 2, RATE)), take(load(tables, (slot, 0, 0)), level))
    half = take(load(tables, (slot, 1, 0)), level)
    # what z has to pass: upwards if the candidate is above the centre, downwards if below
    beyond = _beyond(byte, signed(half, x) - x)
    ahead = reinterpreted(reinterpreted(beyond, np.uint32) ^ (reinterpreted(x, np.uint32) & _SIGN), np.float32)
    moves = ahead > spread(tables, (slot, 2, WIDE))
    undecided = (ahead >= spread(tables, (slot, 2, MINUS))) & ~moves
    step = (reinterpreted(x, np.int32) >> 31) | 1
    return where(moves, level + step, level), bits_of(undecided)


@compiled(inline="always")
def _entry(wild, slot, row, level):
    """Return an entry of 32 by level."""
    low = take(load(wild, (slot, row, 0)), level & 15)
    return where(level > 15, take(load(wild, (slot, row, 16)), level & 15), low)


@compiled(inline="always")
def _decided_wild(level, u, byte, tables, wild, slot):
    """As `_decided`, for a cell with both thresholds within reach, or that drifts between pulses, or of many levels.

    wild (slots, 3, 32): up and down threshold of each level, in sigmas times SLOPE; its drift between pulses
    """
    scaled, wide = u * spread(tables, (slot, 2, RATE)), spread(tables, (slot, 2, WIDE))
    rising = _beyond(byte, _entry(wild, slot, 0, level) - scaled)
    falling = _beyond(-byte, scaled - _entry(wild, slot, 1, level))
    up, down = rising > wide, falling > wide
    undecided = ((rising >= -wide) & ~up) | ((falling >= -wide) & ~down)
    moved = where(up, level + 1, level)
    moved = where(down, moved - 1, moved)
    moved = moved + converted(_entry(wild, slot, 2, moved), np.int32)
    return where(undecided, level, moved), bits_of(undecided)


@compiled(_nrt=False)
def step_rows(u, at, last, first, width, words, level, marks, ways, tables, wild):
    """Step a group from step `at[3]` on up to `last`; return the first step that left a lane undecided, else `last`.

    u       (.., .., .., C)   float32  candidates: those of step k in u[at[0], at[1], at[2] + k]
    first, width                       slot of the first cell, lanes of each
    words   (4, C)            uint32
    level   (slots * width,)  int32    undecided lanes stay where they are
    marks   (C / 16,)         uint16   of the undecided lanes of that step, a bit each
    ways    (slots,)          int64
    tables  (slots, 3, 16)    float32
    wild    (slots, 3, 32)    float32
    """
    vectors, shift, lone = words.shape[1] >> 4, first * width, 1 if width == 16 else 0
    fast = True
    for v in range(vectors):
        fast = fast and ways[first + v * lone] == FAST
    for k in range(at[3], last):
        turn, row, place, seen = _U32(17 + 8 * k) & _U32(31), k >> 2, at[2] + k, _U32(0)
        for v in range(vectors if fast else 0):
            candidate, byte = load(u, (at[0], at[1], place, 16 * v)), _centred(load(words, (row, 16 * v)), turn)
            new, bits = _decided(load(level, shift + 16 * v), candidate, byte, tables, first + v * lone)
            store(level, shift + 16 * v, new)
            marks[_U64(v)] = _U16(bits)
            seen |= bits
        for v in range(0 if fast else vectors):
            slot = first + v * lone
            way, bits = ways[slot], _U32(0)
            if way >= WILD:
                candidate, byte = load(u, (at[0], at[1], place, 16 * v)), _centred(load(words, (row, 16 * v)), turn)
                if way == FAST:
                    new, bits = _decided(load(level, shift + 16 * v), candidate, byte, tables, slot)
                else:
                    new, bits = _decided_wild(load(level, shift + 16 * v), candidate, byte, tables, wild, slot)
                store(level, shift + 16 * v, new)
            elif way == LONE:
                bits = _U32(0xFFFF)
            marks[_U64(v)] = _U16(bits)
            seen |= bits
        if seen != _U32(0):
            return k
    return last


@compiled(_nrt=False)
def judge(cell, up, down, size, error, sigma, noisy, rest, slot, tables, wild):
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
    # u, the table's entries, their sum and what is left to the nearer threshold round once each, by 2^-24 of `reach` or
    # of twice that; so does the factor 1 / sigma
    error += 10.0 * 2.0**-24 * reach
    # 103 is above 256 times the largest density; the polynomial rounds some ten times at values up to 256
    margin = PHI_ERROR + 0.002 + 103.0 * (error / spread if spread > 0.0 else 1.0)
    rate, window = SLOPE / max(spread, 1e-30), (2.02 * REACH * spread if noisy else 0.0) + 4.0 * error
    tables[slot, 2, RATE], tables[slot, 2, WIDE], tables[slot, 2, MINUS] = rate, 0.5 + margin, -0.5 - margin
    if stages >= WILD_LEVELS or margin > MOST_MARGIN:
        return LONE
    way = FAST if stages < LEVELS else WILD
    for n in range(stages + 1):
        high = up[r, i, n] if n < stages else np.inf
        low = down[r, i, n - 1] if n > 0 else -np.inf
        if high - low <= window or (rest and (high < 0.0 or low > 0.0)):
            way = WILD
            break
        high, low = min(max(high, -reach), reach), min(max(low, -reach), reach)
        if n < LEVELS:
            tables[slot, 0, n], tables[slot, 1, n] = -0.5 * (high + low) * rate, 0.5 * (high - low) * rate
    for n in range(stages + 1 if way == WILD else 0):
        high = up[r, i, n] if n < stages else np.inf
        low = down[r, i, n - 1] if n > 0 else -np.inf
        wild[slot, 2, n] = (1.0 if high < 0.0 else -1.0) if rest and (high < 0.0 or low > 0.0) else 0.0
        if high <= low:  # both ask for a move: the larger overdrive wins
            high = low = 0.5 * (high + low)
        wild[slot, 0, n], wild[slot, 1, n] = min(max(high, -reach), reach) * rate, min(max(low, -reach), reach) * rate
    return way
