"""Rest states, pulses and upsets of a ladder in the waveform model, from any initial state.

The kernel integrates inputs, comparators and nonlinear DPIs. Nothing here assumes which codes should hold.
"""

from dataclasses import dataclass

import numpy as np

from analogrnn.chip import Chip, ChipLadder
from analogrnn.design import input_time_constants
from analogrnn.errors import in_range
from analogrnn.kernels.waveform import ladder_waveform

SETTLED = 1e-3  # largest distance of a DPI from its final value that counts as at rest


@dataclass(frozen=True, eq=False)
class WaveformLadder:
    """One ladder as the arrays of the waveform kernel. Amperes and seconds."""

    stage: np.ndarray  # (5, N) i_hi, i_lo, copy, left, right
    scalars: np.ndarray  # t_in, tau, R, floor, no DPI
    base: float
    beta: float
    shift: float
    pulse: float
    rise: float  # dead time, and rise to 1 - exp(-4), of a DPI that was OFF for a long time

    @property
    def stages(self) -> int:
        return int(self.stage.shape[1])

    @property
    def floor(self) -> float:
        return float(self.scalars[3])

    @property
    def basin(self) -> float:
        """Nominal basin: a code returns if all DPIs are off by less than this at once; beta / I_s for I_s > beta.

        A stage that depends on one neighbour moves at I_s d = beta; a stage with two equal neighbours moves later. A
        DPI lies between 0 and 1, so with I_s below beta no error of the DPIs upsets a code: the basin is 1.
        """
        return self.beta / self.shift if self.shift > self.beta else 1.0


@dataclass(frozen=True, eq=False)
class State:
    """Which stages are ON, (N,) bool, and the DPI outputs (N,) over their settled value."""

    on: np.ndarray
    d: np.ndarray


def waveform_ladder(chip: Chip, layer: ChipLadder, cell: int) -> WaveformLadder:
    """Ladder `cell` of a chip's layer. Raises ParameterError if the layer has no such cell."""
    in_range("cell", cell, 0, layer.ladder.width - 1, hint=f"{layer.name} has {layer.ladder.width} cells")
    c, timing = layer.currents, chip.design.timing
    t_in = input_time_constants(layer.ladder, chip.design.sizing.cell, chip.design.technology)[cell]
    own = cell, slice(int(layer.ladder.counts[cell]))
    stage = np.stack([c.i_hi[own], c.i_lo[own], c.copy[own], c.left[own], c.right[own]])
    scalars = np.array([t_in, timing.tau, timing.drive_ratio, timing.i_floor, 0.0])
    return WaveformLadder(
        stage,
        scalars,
        float(c.base[cell]),
        float(layer.ladder.beta[cell]),
        float(layer.ladder.i_shift[cell]),
        timing.pulse,
        timing.rise_time(4.0),
    )


def at_rest(model: WaveformLadder, code: np.ndarray) -> State:
    """A code with settled DPIs, whether it holds or not."""
    return State(np.asarray(code, dtype=bool), np.where(code, 1.0, model.floor))


def settle(model: WaveformLadder, start: State) -> State:
    """The state in which the ladder comes to rest at candidate zero; its inputs start settled to `start`.

    The time step is coarse (two input time constants): the rest state is exact, the transient is of first order.
    """
    state = _kernel_state(model, start)
    points = int(np.ceil((model.rise + 4.0 * model.scalars[1]) / (2.0 * model.scalars[0])))
    for _ in range(2 * model.stages + 2):  # each move takes at most one round, and a code makes at most 2 N moves
        before = state[0].copy()
        _advance(model.stage, model, state, np.full(points, 2.0 * model.scalars[0]), 0.0)
        final = np.where(state[0] > 0.5, 1.0, model.floor)
        if (before == state[0]).all() and np.abs(state[1] - final).max() < SETTLED:
            break
    return State(state[0] > 0.5, state[1])


def after_pulse(model: WaveformLadder, start: State, candidate: float) -> State:
    """The state in which the ladder comes to rest after one pulse of `candidate` amperes."""
    state = _kernel_state(model, start)
    dt = model.scalars[0] / 8.0
    _advance(model.stage, model, state, np.full(int(np.ceil(model.pulse / dt)), dt), candidate)
    _advance(model.stage, model, state, np.full(12 * 8, dt), 0.0)
    return settle(model, State(state[0] > 0.5, state[1]))


def after_upset(model: WaveformLadder, code: np.ndarray, forced: dict[int, bool], seconds: float) -> State:
    """The state in which the ladder comes to rest after the stages of `forced` are held ON or OFF for `seconds`.

    Stages are numbered from 0.
    """
    state = _kernel_state(model, at_rest(model, code))
    stage = model.stage.copy()
    for j, on in forced.items():
        stage[:2, j] = -np.inf if on else np.inf
    dt = min(model.scalars[0], seconds / 8.0)
    _advance(stage, model, state, np.full(int(np.ceil(seconds / dt)), dt), 0.0)
    return settle(model, State(state[0] > 0.5, state[1]))


def survivors(model: WaveformLadder, codes: np.ndarray, *, perturbation: float = 0.0) -> np.ndarray:
    """(M,) bool: which codes (M, N) hold in the waveform model with all DPIs up to `perturbation` off their values.

    Two runs per code decide for all such starts, because the ladder is monotone: more current or more stages ON never
    lead to fewer. One run raises the DPIs of all OFF stages, the other lowers those of all ON stages. Any start between
    these two ends between their ends.
    """
    kept = np.empty(len(codes), dtype=bool)
    for m, code in enumerate(codes):
        raised = State(code, np.where(code, 1.0, np.maximum(model.floor, perturbation)))
        lowered = State(code, np.where(code, np.minimum(1.0, 1.0 - perturbation), model.floor))
        kept[m] = all((settle(model, start).on == code).all() for start in (raised, lowered))
    return kept


def reachable(model: WaveformLadder, amplitudes: np.ndarray) -> np.ndarray:
    """(M, N) bool: every code that a sequence of pulses of these amplitudes (A) can reach from all-OFF."""
    first = np.zeros(model.stages, dtype=bool)
    seen, todo = {first.tobytes(): first}, [first]
    while todo:
        code = todo.pop()
        for candidate in amplitudes:
            end = after_pulse(model, at_rest(model, code), float(candidate)).on
            if end.tobytes() not in seen:
                seen[end.tobytes()] = end
                todo.append(end)
    return np.array(list(seen.values()))


def _kernel_state(model: WaveformLadder, start: State) -> np.ndarray:
    below, above = np.insert(start.d[:-1], 0, 1.0), np.append(start.d[1:], 0.0)
    i_in = model.stage[2] * model.base + model.stage[3] * below + model.stage[4] * above
    return np.stack([start.on.astype(float), start.d, i_in])


def _advance(stage: np.ndarray, model: WaveformLadder, state: np.ndarray, dt: np.ndarray, candidate: float) -> None:
    points, n = len(dt), model.stages
    on, d, i_in = np.empty((points, n), np.uint8), np.empty((points, n)), np.empty((points, n))
    u, base = np.full(points, candidate), np.full(points, model.base)
    ladder_waveform(u, base, dt, stage, model.scalars, state, on, d, i_in)
