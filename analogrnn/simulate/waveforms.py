"""Waveform level: pulses, the nonlinear DPI and the input node's delay; and the negative controls of `schedule`."""

from dataclasses import dataclass

import numpy as np

from analogrnn.chip import Chip, ChipLadder
from analogrnn.design import Timing, input_time_constants
from analogrnn.errors import finite_array
from analogrnn.kernels.waveform import ladder_waveform, ladders_waveform
from analogrnn.schedule import Schedule, build_schedule, period_grid
from analogrnn.simulate.steps import preset_candidates

LANES = 64  # ladders side by side


@dataclass(frozen=True, eq=False)
class Waveform:
    """One ladder over a whole run, reset and presets included. Time first; A, s."""

    time: np.ndarray  # (P,)
    line: np.ndarray  # (P,) candidate current on the line
    on: np.ndarray  # (P, N)
    d: np.ndarray  # (P, N) DPI outputs over their set value
    i_in: np.ndarray  # (P, N)
    read: np.ndarray  # (T,) indices at which levels are read
    schedule: Schedule

    @property
    def stages(self) -> np.ndarray:
        """(T, N) bool, the state of each stage at each frame."""
        return self.on[self.read].astype(bool)


def ladder_waveforms(chip: Chip, layer: ChipLadder, cell: int, candidates: np.ndarray, *, control: str = "none",
                     points_per_t_in: int = 8) -> Waveform:  # fmt: skip
    """Simulate ladder `cell` of `layer` for the candidates (T,), in the unit of the trained network.

    Raises ParameterError for a control that doesn't exist, or a candidate that is not finite.
    """
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
    if control == "no_reset":  # what an operating point without reset settles to
        state[:2] = 1.0
    on, d, i_in = (np.empty((len(line), ladder.stages), kind) for kind in (np.uint8, float, float))
    ladder_waveform(line, base, length, stage, scalars, state, on, d, i_in)
    read = (np.arange(schedule.first_frame, schedule.steps)) * len(grid.ends) + grid.read
    time = (schedule.starts()[:, None] + grid.ends).ravel()
    return Waveform(time, line, on, d, i_in, read, schedule)


def simulate_waveforms(chip: Chip, layer: ChipLadder, candidates: np.ndarray, *, control: str = "none") -> np.ndarray:
    """Stages (T, S, d, N), bool, of every ladder of a layer for the candidates (T, S, d).

    The ladders of all samples run side by side in vector lanes; each decides as in `ladder_waveforms`, but for the
    rounding of its rises.
    """
    given = finite_array("candidates", candidates, (None, None, layer.ladder.width))
    steps, samples, width = given.shape
    flat = given.reshape(steps, samples * width)
    out = np.empty((steps, samples * width, layer.ladder.stages), dtype=bool)
    for start in range(0, samples * width, LANES):
        lanes = np.arange(start, min(start + LANES, samples * width))
        out[:, lanes] = _side_by_side(chip, layer, lanes % width, flat[:, lanes], control).transpose(0, 2, 1)
    return out.reshape(steps, samples, width, layer.ladder.stages)


def _side_by_side(chip: Chip, layer: ChipLadder, cells: np.ndarray, given: np.ndarray, control: str) -> np.ndarray:
    """(T, N, C) the stages of ladders `cells` (C,), which may repeat, for candidates (T, C)."""
    schedule = build_schedule(chip.design, len(given), control)
    timing, ladder, currents = chip.design.timing, layer.ladder, layer.currents
    t_in = input_time_constants(ladder, chip.design.sizing.cell, chip.design.technology)
    grid = period_grid(timing, float(t_in.min()))
    presets = preset_candidates(layer)[:, cells]
    idle = np.zeros((schedule.reset_steps + schedule.preset_steps - len(presets), len(cells)))
    signal = np.concatenate([idle, presets, given]) * layer.unit[cells]
    base = np.outer(np.arange(schedule.steps) >= schedule.reset_steps, currents.base[cells])
    hold = control == "no_return_to_zero" or not ladder.return_to_zero
    gate = np.ones(len(grid.ends)) if hold else grid.pulsed.astype(float)
    line = np.maximum(base[:, None] + signal[:, None] * gate[:, None], 0.0).reshape(-1, len(cells))
    stage = np.stack([currents.i_hi, currents.i_lo, currents.copy, currents.left, currents.right])[:, cells]
    if control == "forward_only":
        stage[4] = 0.0
    count = np.maximum(np.ceil(grid.lengths * (timing.drive_ratio - 1.0) / timing.tau / 0.25), 1.0).astype(np.int64)
    state = np.zeros((3, ladder.stages, len(cells)))
    state[1] = timing.i_floor
    if control == "no_reset":
        state[:2] = 1.0
    rows = np.full((schedule.steps, len(grid.ends)), -1)
    rows[schedule.first_frame :, grid.read] = np.arange(len(given))
    on = np.empty((len(given), ladder.stages, len(cells)), dtype=np.uint8)
    ladders_waveform(
        line, np.tile(np.arange(len(grid.ends)), schedule.steps), -np.expm1(-grid.lengths[:, None] / t_in[cells]),
        np.exp(-grid.lengths / timing.tau), grid.lengths / timing.tau / count, count,
        np.ascontiguousarray(stage.transpose(0, 2, 1)),
        np.array([timing.drive_ratio, timing.i_floor, 1.0 if control == "no_dpi" else 0.0]), state, rows.ravel(), on,
        np.empty((0, ladder.stages, len(cells))),
    )  # fmt: skip
    return on.astype(bool)


def _parameters(layer: ChipLadder, cell: int, t_in: float, timing: Timing, control: str
                ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    currents = layer.currents
    right = np.zeros(layer.ladder.stages) if control == "forward_only" else currents.right[cell]
    stage = np.stack([currents.i_hi[cell], currents.i_lo[cell], currents.copy[cell], currents.left[cell], right])
    instant = 1.0 if control == "no_dpi" else 0.0
    return stage, np.array([t_in, timing.tau, timing.drive_ratio, timing.i_floor, instant])
