"""Waveform level: pulses, the nonlinear DPI, the delay of the input node, and the negative controls of `schedule`."""

from dataclasses import dataclass

import numpy as np

from analogrnn.chip import Chip, ChipLadder
from analogrnn.compilation import require_compiler
from analogrnn.design import Timing, input_time_constants
from analogrnn.errors import finite_array
from analogrnn.schedule import Control, Schedule, build_schedule, period_grid
from analogrnn.simulate.steps import preset_candidates

TOGETHER = 64  # number of ladders whose currents and results are in memory at the same time


@dataclass(frozen=True, eq=False)
class Waveform:
    """One ladder over a complete run, with reset and presets. Time first; A, s."""

    time: np.ndarray  # (P,)
    line: np.ndarray  # (P,) candidate current on the line
    on: np.ndarray  # (P, N)
    d: np.ndarray  # (P, N) DPI outputs over their settled value
    i_in: np.ndarray  # (P, N)
    read: np.ndarray  # (T,) indices at which levels are read
    schedule: Schedule

    @property
    def stages(self) -> np.ndarray:
        """(T, N) bool, the state of each stage at each frame."""
        return self.on[self.read].astype(bool)


def ladder_waveforms(
    chip: Chip,
    layer: ChipLadder,
    cell: int,
    candidates: np.ndarray,
    *,
    control: Control = "none",
    points_per_t_in: int = 8,
) -> Waveform:
    """Simulate ladder `cell` of `layer` for candidates (T,), in the unit of the trained network.

    Raises ParameterError for a control that doesn't exist, or a candidate that is not finite.
    """
    from analogrnn.kernels.waveform import ladder_waveform  # noqa: PLC0415 (numba costs half a second)

    given = finite_array("candidates", candidates, (None,))
    schedule = build_schedule(chip.design, len(given), control)
    timing, ladder = chip.design.timing, layer.ladder
    t_in = input_time_constants(ladder, chip.design.sizing.cell, chip.design.technology)
    grid = period_grid(timing, float(t_in.min()), points_per_t_in=points_per_t_in)
    # presets of a shorter ladder come last before the first frame
    preset = np.zeros(schedule.preset_steps)
    own = preset_candidates(layer)[:, cell]
    preset[len(preset) - len(own) :] = own
    steps = np.concatenate([np.zeros(schedule.reset_steps), preset, given]) * layer.unit[cell]
    hold = control == "no_return_to_zero" or not ladder.return_to_zero
    gate = np.ones(len(grid.ends)) if hold else grid.pulsed.astype(float)
    base = np.repeat(np.arange(schedule.steps) >= schedule.reset_steps, len(grid.ends)) * layer.currents.base[cell]
    line, length = np.outer(steps, gate).ravel(), np.tile(grid.lengths, schedule.steps)
    stage, scalars = _parameters(layer, cell, float(t_in[cell]), timing, control)
    state = np.zeros((3, ladder.stages))
    state[1] = timing.i_floor
    if control == "no_reset":  # the state of an operating point without reset
        state[:2] = 1.0
    on, d, i_in = (np.empty((len(line), ladder.stages), kind) for kind in (np.uint8, float, float))
    ladder_waveform(line, base, length, stage, scalars, state, on, d, i_in)
    read = (np.arange(schedule.first_frame, schedule.steps)) * len(grid.ends) + grid.read
    time = (schedule.starts()[:, None] + grid.ends).ravel()
    return Waveform(time, line, on, d, i_in, read, schedule)


def simulate_waveforms(
    chip: Chip, layer: ChipLadder, candidates: np.ndarray, *, control: Control = "none", single: bool = False
) -> np.ndarray:
    """Stages (T, S, d, N), bool, of every ladder of a layer for the candidates (T, S, d).

    The ladders of all samples run side by side in vector lanes. Each decides as in `ladder_waveforms`, except for
    rounding in the rise of a DPI. `single` precision is faster. Its DPI outputs have errors of up to 1e-4, so that a
    stage may decide differently if its input passes the threshold by less than this fraction of I_s.

    Raises ParameterError for candidates of another shape or a control that doesn't exist, MissingDependencyError if
    numba's compiler is switched off.
    """
    require_compiler("the waveform level of many ladders")
    from analogrnn.kernels.waveform_lanes import LANES  # noqa: PLC0415 (numba costs half a second)

    given = finite_array("candidates", candidates, (None, None, layer.ladder.width))
    steps, samples, width = given.shape
    flat = given.reshape(steps, samples * width)
    out = np.empty((steps, samples * width, layer.ladder.stages), dtype=bool)
    kind, full = (np.float32, 2 * LANES) if single else (np.float64, LANES)
    for start in range(0, samples * width, TOGETHER):
        lanes = np.arange(start, min(start + TOGETHER, samples * width))
        # complete sets of lanes: the last set is filled with copies of the last ladder
        filled = np.append(lanes, np.full(-len(lanes) % full, lanes[-1]))
        on = _side_by_side(chip, layer, filled % width, flat[:, filled], control, kind)
        out[:, lanes] = on[:, :, : len(lanes)].transpose(0, 2, 1)
    return out.reshape(steps, samples, width, layer.ladder.stages)


def _side_by_side(
    chip: Chip, layer: ChipLadder, cells: np.ndarray, given: np.ndarray, control: Control, kind: type
) -> np.ndarray:
    """(T, N, C) stages of ladders `cells` (C,), which may repeat, for candidates (T, C); C is whole sets of lanes."""
    from analogrnn.kernels.waveform_lanes import LONGEST, ladders_waveform, rise_polynomials, side_by_side  # noqa: PLC0415 (numba costs half a second)

    schedule = build_schedule(chip.design, len(given), control)
    timing, ladder, currents = chip.design.timing, layer.ladder, layer.currents
    t_in = input_time_constants(ladder, chip.design.sizing.cell, chip.design.technology)
    grid = period_grid(timing, float(t_in.min()))
    presets = preset_candidates(layer)[:, cells]
    idle = np.zeros((schedule.reset_steps + schedule.preset_steps - len(presets), len(cells)))
    signal = np.concatenate([idle, presets, given]) * layer.unit[cells]
    base = np.outer(np.arange(schedule.steps) >= schedule.reset_steps, currents.base[cells])
    hold = control == "no_return_to_zero" or not ladder.return_to_zero
    # the current of a line between pulses, then during a pulse
    line = np.maximum(np.stack([base + signal if hold else base, base + signal], axis=1), 0.0)
    pulsed = np.add.outer(2 * np.arange(schedule.steps), grid.pulsed.astype(np.int64))
    stage = np.stack([currents.i_hi, currents.i_lo, currents.copy, currents.left, currents.right])[:, cells]
    if control == "forward_only":
        stage[4] = 0.0
    lengths, kinds = np.unique(grid.lengths, return_inverse=True)
    count = np.maximum(np.ceil(lengths * (timing.drive_ratio - 1.0) / (timing.tau * LONGEST)), 1.0).astype(np.int64)
    state = np.zeros((3, ladder.stages, len(cells)))
    state[1] = timing.i_floor
    if control == "no_reset":
        state[:2] = 1.0
    ladders = side_by_side(stage.transpose(0, 2, 1), state, kind)
    rows = np.full((schedule.steps, len(grid.ends)), -1)
    rows[schedule.first_frame :, grid.read] = np.arange(len(given))
    on = np.empty((len(given), ladder.stages, len(cells) // 8), dtype=np.uint8)
    ladders_waveform(
        line.reshape(-1, len(cells)).astype(kind),
        pulsed.ravel(),
        np.tile(kinds, schedule.steps),
        -np.expm1(-lengths[:, None] / t_in[cells]).astype(kind),
        np.exp(-lengths / timing.tau),
        count,
        rise_polynomials(lengths / timing.tau / count, timing.drive_ratio),
        np.array([timing.drive_ratio, timing.i_floor, 1.0 if control == "no_dpi" else 0.0]),
        np.array([0, len(ladders)]),
        ladders,
        rows.ravel(),
        on,
        np.empty((len(ladders), 0, ladder.stages, len(cells) // len(ladders)), dtype=np.float32),
    )
    return np.unpackbits(on, axis=2, bitorder="little").astype(bool)


def _parameters(
    layer: ChipLadder, cell: int, t_in: float, timing: Timing, control: Control
) -> tuple[np.ndarray, np.ndarray]:
    currents = layer.currents
    right = np.zeros(layer.ladder.stages) if control == "forward_only" else currents.right[cell]
    stage = np.stack([currents.i_hi[cell], currents.i_lo[cell], currents.copy[cell], currents.left[cell], right])
    instant = 1.0 if control == "no_dpi" else 0.0
    return stage, np.array([t_in, timing.tau, timing.drive_ratio, timing.i_floor, instant])
