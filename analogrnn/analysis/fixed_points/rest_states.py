"""Rest states of a ladder: which codes of its stages hold for ever at candidate zero, and with which margin.

At rest, with settled inputs, stage j of N receives

    I_j = copy_j base + left_j d_{j-1} + right_j d_{j+1},     d_0 = 1,  d_{N+1} = 0.

A stage's DPI has one attracting value for each state of its stage: 1 while ON, the floor while OFF. So a rest state of
the ladder is a code of N bits. Each of the 2^N codes either holds or does not:

    ON holds if I_j > i_lo,      OFF holds if I_j < i_hi.

Nominal ladder: I_j - I_c = I_s (ON neighbours - 1). With I_s > beta, an ON stage needs an ON neighbour and an OFF stage
tolerates one, for any base current. With I_s < beta every code holds.
"""

from dataclasses import dataclass

import numpy as np

from analogrnn.chip import Chip, ChipLadder
from analogrnn.errors import ParameterError, in_range

MAX_STAGES = 16  # exhaustive enumeration of 65,536 codes


@dataclass(frozen=True, eq=False)
class RestStates:
    """All codes of one ladder that hold at candidate zero.

    codes        (M, N) bool  True = ON; the column is the stage
    thermometer  (M,) bool    stages 1..n ON, the others OFF
    margin       (M,) beta    least distance of any stage's input from the threshold that would switch it
    """

    codes: np.ndarray
    thermometer: np.ndarray
    margin: np.ndarray

    @property
    def stages(self) -> int:
        return int(self.codes.shape[1])

    @property
    def islands(self) -> np.ndarray:
        """(M', N) the codes that hold but represent no level."""
        return np.asarray(self.codes[~self.thermometer])


@dataclass(frozen=True, eq=False)
class LevelWindows:
    """The window of each level of one ladder: the candidates at which it holds, in the unit of the trained candidate.

    level      (N + 1,)  k
    output     (N + 1,)  h
    down, up   (N + 1,)  a candidate at or below `down` moves the level down, at or above `up` moves it up; infinite at
                         the ends of the ladder
    beta       half the nominal window
    """

    level: np.ndarray
    output: np.ndarray
    down: np.ndarray
    up: np.ndarray
    beta: float

    @property
    def hold(self) -> np.ndarray:
        """(N + 1, 2) distance of candidate zero from both thresholds; negative if the level drifts at rest."""
        return np.stack([-self.down, self.up], axis=1)


def all_codes(stages: int) -> np.ndarray:
    """(2^N, N) bool, every code. Raises ParameterError above 16 stages."""
    in_range("stages", stages, 1, MAX_STAGES, hint="it enumerates 2^N codes; count_rest_states gives the number alone")
    return np.asarray((np.arange(2**stages)[:, None] >> np.arange(stages)) & 1, dtype=bool)


def is_thermometer(codes: np.ndarray) -> np.ndarray:
    """(...,) bool: whether codes (..., N) have stages 1..n ON and all others OFF."""
    return np.asarray((codes[..., :-1] >= codes[..., 1:]).all(axis=-1))


def count_rest_states(stages: int) -> int:
    """The number of rest states of a nominal ladder with I_s > beta: a(N) = 2 a(N-1) - a(N-2) + a(N-4).

    With d_0 = 1 before it and 0 behind it, a code holds if every inner block of ON and every inner gap of OFF is two
    or longer: 1/((1-x)^2 - x^4) generates their number, so it grows as the golden ratio to the N.
    """
    in_range("stages", stages, 0, 10_000)
    a = [1, 2, 3, 4]
    while len(a) <= stages:
        a.append(2 * a[-1] - a[-2] + a[-4])
    return a[stages]


def rests_by_rule(codes: np.ndarray, ratio: float) -> np.ndarray:
    """(...,) whether codes (..., N) hold in a nominal ladder with I_s / beta = `ratio`, by counting ON neighbours."""
    padded = np.concatenate([np.ones_like(codes[..., :1]), codes, np.zeros_like(codes[..., :1])], axis=-1).astype(int)
    neighbours = padded[..., :-2] + padded[..., 2:]
    if ratio < 1.0:
        return np.ones(codes.shape[:-1], dtype=bool)
    return np.asarray(np.where(codes, neighbours >= 1, neighbours <= 1).all(axis=-1))


def rest_states(chip: Chip, layer: ChipLadder, cell: int) -> RestStates:
    """All rest states of ladder `cell`, by complete enumeration with the currents of this chip.

    Raises ParameterError for more than 16 stages, or a ladder that never rests (a first-quadrant cell).
    """
    _check(layer, cell)
    codes = all_codes(int(layer.ladder.counts[cell]))
    margin = _margins(layer, cell, codes, chip.design.timing.i_floor) / float(layer.ladder.beta[cell])
    held = margin > 0.0
    return RestStates(codes[held], is_thermometer(codes[held]), margin[held])


def level_windows(layer: ChipLadder, cell: int) -> LevelWindows:
    """The windows of all levels of ladder `cell`: the threshold tables of the step level."""
    _check(layer, cell)
    stages = int(layer.ladder.counts[cell])
    up = np.append(layer.up[cell, :stages], np.inf)
    down = np.insert(layer.down[cell, :stages], 0, -np.inf)
    threshold = layer.ladder.threshold[cell]
    half = float(threshold[1] - threshold[0]) / 2.0
    levels, output = layer.ladder.levels[cell, : stages + 1], layer.output[cell, : stages + 1]
    return LevelWindows(levels, output, down, up, half)


def _margins(layer: ChipLadder, cell: int, codes: np.ndarray, floor: float) -> np.ndarray:
    """(M,) A, least distance of any stage's settled input from the threshold that would switch it."""
    currents, own = layer.currents, (cell, slice(codes.shape[1]))
    d = np.where(codes, 1.0, floor)
    ends = np.ones((len(codes), 1))
    below, above = np.hstack([ends, d[:, :-1]]), np.hstack([d[:, 1:], 0.0 * ends])
    i = currents.copy[own] * currents.base[cell] + currents.left[own] * below + currents.right[own] * above
    return np.asarray(np.where(codes, i - currents.i_lo[own], currents.i_hi[own] - i).min(axis=1))


def _check(layer: ChipLadder, cell: int) -> None:
    in_range("cell", cell, 0, layer.ladder.width - 1, hint=f"{layer.name} has {layer.ladder.width} cells")
    if not layer.ladder.return_to_zero:
        raise ParameterError(
            f"{layer.name} takes its candidates without a clock, so it has no rest at candidate zero; "
            "its window is b_lo to b_hi."
        )
