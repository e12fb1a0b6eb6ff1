"""How the ladders of many chips deviate from a Design: in units of the candidate, and relative to its parameters.

A chip is then a function of the present parameters: thresholds are lower and upper threshold + beta times a relative
deviation, outputs alpha times (level + a relative deviation). Training reads the relative ones, so that gradients pass
through them; a chip's tables come from the same numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analogrnn import mismatch
from analogrnn.design import Design, Ladder
from analogrnn.kernels import plain
from analogrnn.mismatch import DeviceDraw, RowFactors
from analogrnn.noise import candidate_noise
from analogrnn.soft_threshold import SoftGains


@dataclass(frozen=True, eq=False)
class LadderDeviations:
    """How one layer's ladders deviate, of C chips (or 1), in units of the trained candidate and output.

    rise, fall  (C, d, N)  deviations of the up and down thresholds; rise inf where a ladder has no such stage, fall
                           -inf where the line, which can't sink, never reaches the threshold
    output      (C, d, N)  deviations of the outputs with 1 to N stages ON
    """

    rise: np.ndarray
    fall: np.ndarray
    output: np.ndarray

    def tables(self, ladder: Ladder) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tables up, down (C, d, N) and output (C, d, N + 1): the trained numbers and their deviations.

        The output is the sum of the stages' currents less the fixed offset of the nominal level zero.
        """
        output = np.repeat((ladder.alpha[:, None] * ladder.levels)[None], len(self.output), axis=0)
        output[:, :, 1:] += self.output
        return ladder.threshold[:, [1]] + self.rise, ladder.threshold[:, [0]] + self.fall, output


@dataclass(frozen=True, eq=False)
class RelativeLayer:
    """Relative deviations of one layer of C chips. What a feed-forward layer doesn't have is None.

    rows        of the weights and biases
    rise, fall  (C, d, N) of the thresholds, over beta, half the trained window; inf as in LadderDeviations
    output      (C, d, N) of the outputs with 1 to N stages ON, over alpha
    start       (C, d) int64 stages ON after the preset pulses
    noise       (d,) rms noise of the candidate, over beta
    gate, soft  of the rows and the soft thresholds of input-dependent thresholds, if it has them
    """

    name: str
    rows: RowFactors
    rise: np.ndarray | None = None
    fall: np.ndarray | None = None
    output: np.ndarray | None = None
    start: np.ndarray | None = None
    noise: np.ndarray | None = None
    gate: RowFactors | None = None
    soft: SoftGains | None = None


def ladder_deviations(design: Design, ladder: Ladder, draws: Mapping[str, DeviceDraw]) -> LadderDeviations:
    """The deviations of the ladders of one layer, for `draws` of `mismatch.ladder_types`; without draws, zero."""
    unit, shape = design.candidate_units(ladder.synapses)[:, None], (1, ladder.width, ladder.stages)
    base = ladder.i_base[:, None]
    rise = fall = steps = np.zeros(shape)
    if draws:
        rise, fall = (part / unit for part in mismatch.threshold_deviations(ladder, draws))
        term = mismatch.stage_terms(ladder)["i_alpha"]
        steps = term.current[:, None] * np.expm1(mismatch.log_ratio(term.devices, draws)) / design.unit_current
        base = base * np.exp(mismatch.log_ratio({"rbase": 1}, draws))
    # the line can't sink current: a threshold below zero line current is never reached, and its stage never resets
    fall = np.where(ladder.threshold[:, [0]] + fall <= -base / unit, -np.inf, fall)
    # a stage that a ladder doesn't have never sets
    return LadderDeviations(np.where(ladder.exists, rise, np.inf), fall, np.cumsum(steps, axis=2))


def relative_layer(
    design: Design, ladder: Ladder, rows: RowFactors, found: LadderDeviations, draws: Mapping[str, DeviceDraw]
) -> RelativeLayer:
    """The deviations of a ladder layer relative to its parameters."""
    half = (ladder.threshold[:, [1]] - ladder.threshold[:, [0]]) / 2.0
    return RelativeLayer(
        ladder.name,
        rows,
        found.rise / half,
        found.fall / half,
        found.output / ladder.alpha[:, None],
        start_levels(design, ladder, found),
        candidate_noise(design, ladder) / design.candidate_units(ladder.synapses) / half[:, 0],
        soft=None if ladder.gate is None else mismatch.soft_gains(draws),
    )


def start_levels(design: Design, ladder: Ladder, found: LadderDeviations) -> np.ndarray:
    """(C, d) int64 stages ON after the preset pulses of each chip: on a mismatched chip a pulse may miss."""
    up, down, _ = found.tables(ladder)
    start = np.zeros((len(up), ladder.width), dtype=np.int64)
    pulses = preset_pulses(ladder, design.candidate_units(ladder.synapses))[:, None, :]
    if len(pulses):
        steps, out = plain.ladder_steps, np.empty((len(pulses), 1, ladder.width), dtype=np.int16)
        if out.size * len(up) > plain.SMALL:
            from analogrnn.kernels.ladder_steps import ladder_steps as steps  # noqa: PLC0415 (numba costs 0.5 s)
        for chip in range(len(up)):
            steps(pulses, up[chip], down[chip], ladder.return_to_zero, start[chip : chip + 1], out)
    return start


def preset_pulses(ladder: Ladder, unit: np.ndarray) -> np.ndarray:
    """(pulses, d) candidates that raise the ladders from all-OFF to their initial levels, all at the last pulse.

    A candidate of 1 is a current of `unit` (d,) A.
    """
    pulses = ladder.preset_pulses
    count = int(pulses.max())
    active = np.arange(count)[:, None] >= count - pulses
    return np.where(active, ladder.i_preset / unit, 0.0)
