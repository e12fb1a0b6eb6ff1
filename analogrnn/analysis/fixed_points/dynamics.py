"""What the waveform model does with a ladder that starts anywhere: which codes survive, what pulses and upsets lead to.

The kernel integrates inputs, comparators and nonlinear DPIs; nothing here knows which codes ought to hold.
"""

from dataclasses import dataclass

import numpy as np

from analogrnn.chip import Chip, ChipLadder
from analogrnn.design import input_time_constants
from analogrnn.errors import in_range
from analogrnn.kernels.waveform import ladder_waveform

SETTLED = 1e-3  # largest distance of a DPI from its final value that counts as at rest


@dataclass(frozen=True, eq=False)
class LadderBench:
    """One ladder as the waveform kernel takes it. Amperes and seconds."""

    stage: np.ndarray  # (5, N) i_hi, i_lo, copy, left, right
    scalars: np.ndarray  # t_in, tau, R, floor, no DPI
    base: float
    beta: float
    shift: float
    pulse: float
    rise: float  # dead time and rise to 1 - exp(-4) of a DPI that was OFF for long

    @property
    def stages(self) -> int:
        return int(self.stage.shape[1])

    @property
    def floor(self) -> float:
        return float(self.scalars[3])

    @property
    def basin(self) -> float:
        """All DPIs may be off by less than this at once, and the code stays: beta / I_s, for I_s > beta.

        A stage that depends on one neighbour moves at I_s d = beta; one with two of a kind moves later. The nominal
        value; a DPI lies between 0 and 1, so a shift below beta can't be upset that way at all.
        """
        return self.beta / self.shift if self.shift > self.beta else 1.0


@dataclass(frozen=True, eq=False)
class State:
    """Stages ON (N,) bool and DPI outputs (N,) over their set value."""

    on: np.ndarray
    d: np.ndarray


def ladder_bench(chip: Chip, layer: ChipLadder, cell: int) -> LadderBench:
    """Ladder `cell` of a chip."""
    in_range("cell", cell, 0, layer.ladder.width - 1, hint=f"{layer.name} has {layer.ladder.width} cells")
    c, timing = layer.currents, chip.design.timing
    t_in = input_time_constants(layer.ladder, chip.design.sizing.cell, chip.design.technology)[cell]
    stage = np.stack([c.i_hi[cell], c.i_lo[cell], c.copy[cell], c.left[cell], c.right[cell]])
    scalars = np.array([t_in, timing.tau, timing.drive_ratio, timing.i_floor, 0.0])
    return LadderBench(
        stage,
        scalars,
        float(c.base[cell]),
        float(layer.ladder.beta[cell]),
        float(layer.ladder.i_shift[cell]),
        timing.pulse,
        timing.rise_time(4.0),
    )


def at_rest(bench: LadderBench, code: np.ndarray) -> State:
    """A code with settled DPIs, whether it holds or not."""
    return State(np.asarray(code, dtype=bool), np.where(code, 1.0, bench.floor))


def settle(bench: LadderBench, start: State) -> State:
    """Where the ladder comes to rest at candidate zero; its inputs start settled to `start`.

    The time grid is coarse (two input time constants): exact at rest, first order on the way.
    """
    state = _kernel_state(bench, start)
    points = int(np.ceil((bench.rise + 4.0 * bench.scalars[1]) / (2.0 * bench.scalars[0])))
    for _ in range(2 * bench.stages + 2):  # a move takes one round at most, and a code has no more than 2 N to make
        before = state[0].copy()
        _advance(bench.stage, bench, state, np.full(points, 2.0 * bench.scalars[0]), 0.0)
        final = np.where(state[0] > 0.5, 1.0, bench.floor)
        if (before == state[0]).all() and np.abs(state[1] - final).max() < SETTLED:
            break
    return State(state[0] > 0.5, state[1])


def after_pulse(bench: LadderBench, start: State, candidate: float) -> State:
    """Where the ladder comes to rest after one pulse of `candidate` amperes."""
    state = _kernel_state(bench, start)
    dt = bench.scalars[0] / 8.0
    _advance(bench.stage, bench, state, np.full(int(np.ceil(bench.pulse / dt)), dt), candidate)
    _advance(bench.stage, bench, state, np.full(12 * 8, dt), 0.0)
    return settle(bench, State(state[0] > 0.5, state[1]))


def after_upset(bench: LadderBench, code: np.ndarray, forced: dict[int, bool], seconds: float) -> State:
    """Where the ladder comes to rest after some stages (numbered from 0) were forced ON or OFF for `seconds`."""
    state = _kernel_state(bench, at_rest(bench, code))
    stage = bench.stage.copy()
    for j, on in forced.items():
        stage[:2, j] = -np.inf if on else np.inf
    dt = min(bench.scalars[0], seconds / 8.0)
    _advance(stage, bench, state, np.full(int(np.ceil(seconds / dt)), dt), 0.0)
    return settle(bench, State(state[0] > 0.5, state[1]))


def survivors(bench: LadderBench, codes: np.ndarray, *, perturbation: float = 0.0) -> np.ndarray:
    """(M,) bool: which codes (M, N) the waveform model keeps, all DPIs up to `perturbation` off their settled values.

    Two runs decide for all of them: the ladder is cooperative (more current or more stages ON never lead to fewer),
    so any start between the one with all OFF DPIs raised and the one with all ON DPIs lowered ends between their ends.
    """
    kept = np.empty(len(codes), dtype=bool)
    for m, code in enumerate(codes):
        raised = State(code, np.where(code, 1.0, np.maximum(bench.floor, perturbation)))
        lowered = State(code, np.where(code, np.minimum(1.0, 1.0 - perturbation), bench.floor))
        kept[m] = all((settle(bench, start).on == code).all() for start in (raised, lowered))
    return kept


def reachable(bench: LadderBench, amplitudes: np.ndarray) -> np.ndarray:
    """(M, N) bool: every code that any sequence of pulses of these amplitudes (A) leads to, from all-OFF."""
    first = np.zeros(bench.stages, dtype=bool)
    seen, todo = {first.tobytes(): first}, [first]
    while todo:
        code = todo.pop()
        for candidate in amplitudes:
            end = after_pulse(bench, at_rest(bench, code), float(candidate)).on
            if end.tobytes() not in seen:
                seen[end.tobytes()] = end
                todo.append(end)
    return np.array(list(seen.values()))


def _kernel_state(bench: LadderBench, start: State) -> np.ndarray:
    below, above = np.insert(start.d[:-1], 0, 1.0), np.append(start.d[1:], 0.0)
    i_in = bench.stage[2] * bench.base + bench.stage[3] * below + bench.stage[4] * above
    return np.stack([start.on.astype(float), start.d, i_in])


def _advance(stage: np.ndarray, bench: LadderBench, state: np.ndarray, dt: np.ndarray, candidate: float) -> None:
    points, n = len(dt), bench.stages
    on, d, i_in = np.empty((points, n), np.uint8), np.empty((points, n)), np.empty((points, n))
    u, base = np.full(points, candidate), np.full(points, bench.base)
    ladder_waveform(u, base, dt, stage, bench.scalars, state, on, d, i_in)
