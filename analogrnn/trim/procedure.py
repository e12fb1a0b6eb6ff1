"""What the tester does: it applies inputs, stops the clock, writes codes and reads the output currents.

Each search sets the bits of one DAC from the largest down and keeps a bit if the ladder still answers as it did with
the bit clear: `bits` comparisons, each decided by the majority of `repeats` sequences. All other ladders are parked in
reset, so the change of the output currents belongs to one ladder. Per ladder:

    rest    clock stopped: the threshold code of stage 1 at which it sets by itself, i.e. its threshold is at rest
    row     there, a candidate of zero must change nothing: the row code that makes the inputs' offset vanish
    up      a candidate of +b must just set stage j: its threshold code
    down    a candidate of -b must just reset it: its width code
    and the next stage, with the lower ones ON; DACs that stages share take the mean

The candidates come through the chip's own weights, so their error in the test's direction is trimmed away with the
thresholds'. Then calibration clips: the readout codes that bring the mean output currents to the digital network's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from analogrnn.errors import ParameterError
from analogrnn.trim.knobs import Codes, TrimPlan

CLIMB = 2.0  # half windows: a candidate that certainly moves a level
LEAST_STEP = 1e-3  # unit currents: a ladder whose levels change the outputs by less can't be measured through them


class ChipUnderTest(Protocol):
    """All that a tester can do to a chip."""

    steps: int

    def program(self, codes: Codes) -> None:
        """Write the latches of the DACs and of the park bits."""

    def run(self, x: np.ndarray, clocked: np.ndarray, *, preset: bool = False) -> np.ndarray:
        """Reset, presets if asked, then the inputs x (T, S, D); output currents (T, S, outputs), A, after each step.

        `clocked` (T,): whether the step has a clock pulse.
        """


@dataclass(frozen=True, eq=False)
class Trimmed:
    """Codes, and what they cost. `saturated`: DACs whose code is at an end of its range."""

    codes: Codes
    steps: int
    sequences: int
    saturated: int


def trim_chip(chip: ChipUnderTest, plan: TrimPlan, x: np.ndarray, digital: np.ndarray) -> Trimmed:
    """Find the codes of one chip; x (T, S, D) are calibration clips and digital (S, outputs) the digital outputs.

    Raises ParameterError if a ladder changes no output, or its inputs can't reach its threshold.
    """
    started = chip.steps
    bench = _Bench(chip, plan)
    codes = plan.middle
    for cell in range(plan.ladder.width):
        codes = _trim_ladder(bench, codes, cell)
    codes = _trim_readout(chip, plan, codes, x, digital)
    ends = [
        (codes.threshold, plan.threshold),
        (codes.width, plan.width),
        (codes.row, plan.row),
        (codes.readout, plan.output),
    ]
    saturated = sum(int(((code == 0) | (code == dac.top)).sum()) for code, dac in ends)
    return Trimmed(codes, chip.steps - started, bench.sequences, saturated)


def candidate_input(plan: TrimPlan, cell: int, candidate: float) -> np.ndarray:
    """(D,) the smallest input that makes this candidate in ladder `cell`, by the trained weights.

    Raises ParameterError if the input range doesn't reach it.
    """
    synapses = plan.ladder.synapses
    weight, bias = synapses.weight[cell], float(synapses.trained_bias[cell])
    most = float(np.abs(weight) @ synapses.offset)
    if most == 0.0 or abs(candidate - bias) > most:
        raise ParameterError(
            f"{plan.ladder.name}[{cell}]: inputs within the range give candidates of {bias - most:.3g} to "
            f"{bias + most:.3g}, not {candidate:.3g}; the ladder can't be trimmed: prune it, or widen input_bound."
        )
    x = weight * (candidate - bias) / (weight @ weight)
    if np.all(np.abs(x) <= synapses.offset):
        return np.asarray(x)
    return np.asarray(np.sign(weight) * synapses.offset * (candidate - bias) / most)


class _Bench:
    """One chip with its plan, and how a ladder's state is read from the output currents."""

    def __init__(self, chip: ChipUnderTest, plan: TrimPlan) -> None:
        self.chip, self.plan, self.sequences = chip, plan, 0

    def levels(self, cell: int, candidates: list[float | None], repeats: int) -> np.ndarray:
        """(repeats, T) output currents as levels of ladder `cell`, up to a constant; None: a step without a pulse."""
        plan = self.plan
        still = np.zeros(plan.ladder.synapses.inputs)
        rows = [still if c is None else candidate_input(plan, cell, c) for c in candidates]
        x = np.repeat(np.array(rows)[:, None, :], repeats, axis=1)
        self.sequences += repeats
        return self._projected(cell, self.chip.run(x, np.array([c is not None for c in candidates])))

    def _projected(self, cell: int, currents: np.ndarray) -> np.ndarray:
        """(S, T) output currents along the change that one level of this ladder should make, in levels."""
        ladder = self.plan.ladder
        one = self.plan.readout.weight[:, cell] * ladder.alpha[cell] * ladder.level_step * self.plan.design.unit_current
        size = float(one @ one)
        if size < (LEAST_STEP * self.plan.design.unit_current) ** 2:
            raise ParameterError(
                f"{ladder.name}[{cell}] changes no output of the readout, so it can't be measured; prune it."
            )
        return np.asarray((currents @ one / size).T)


def _search(bits: int, holds: Callable[[int], bool]) -> int:
    """The largest code for which `holds`, if it holds up to some code and not beyond; 0 if it never does."""
    code = 0
    for bit in reversed(range(bits)):
        if holds(code | 1 << bit):
            code |= 1 << bit
    return code


class _LadderTrim:
    """The search for the codes of one ladder, the others parked: `work` holds the codes found so far.

    `reference` has the reading with no stage ON, then with one more stage ON for each stage that is done.
    """

    def __init__(self, bench: _Bench, codes: Codes, cell: int) -> None:
        self.bench, self.cell = bench, cell
        self.bits, self.repeats = bench.plan.options.bits, bench.plan.options.repeats
        parked = np.ones(bench.plan.ladder.width, dtype=bool)
        parked[cell] = False
        self.work = replace(
            codes, parked=parked, threshold=codes.threshold.copy(), width=codes.width.copy(), row=codes.row.copy()
        )
        self.work.threshold[cell] = bench.plan.threshold.top  # stages above the present one must not set
        bench.chip.program(replace(self.work, parked=np.ones_like(parked)))
        self.reference = [self._reading([None])]

    def search(self, codes: np.ndarray, candidates: list[float | None], level: int, *, below: bool = False) -> None:
        """Leave in `codes`, a view of one DAC's code in `work`, the largest with which the ladder ends at `level`.

        candidates  one per step; None: a step without a pulse
        below       the largest with which it ends below `level`

        The code is 0 if there is none.
        """

        def holds(code: int) -> bool:
            codes[...] = code
            self.bench.chip.program(self.work)
            seen = self.bench.levels(self.cell, candidates, self.repeats)[:, -1]
            reached = bool(np.sum(seen > self.reference[level - 1] + 0.5) * 2 > self.repeats)
            return reached != below

        codes[...] = _search(self.bits, holds)

    def finish_stage(self, climbs: list[float | None]) -> None:
        """Take the reading after `climbs` as that of the level above."""
        self.bench.chip.program(self.work)
        self.reference.append(self._reading(climbs))

    def _reading(self, candidates: list[float | None]) -> float:
        return float(np.median(self.bench.levels(self.cell, candidates, self.repeats)[:, -1]))


def _trim_ladder(bench: _Bench, codes: Codes, cell: int) -> Codes:
    plan = bench.plan
    trim = _LadderTrim(bench, codes, cell)
    threshold, width = trim.work.threshold[cell], trim.work.width[cell]  # (N,) views
    b = float(plan.ladder.threshold[cell, 1])
    climb = CLIMB * b
    # half a step of each DAC as a candidate: a search ends below the code that it looks for, by half a step on average
    unit = plan.design.candidate_units(plan.ladder.synapses)[cell]
    half = {
        name: float(dac.lsb[cell] / 2 / unit)
        for name, dac in (("threshold", plan.threshold), ("width", plan.width), ("row", plan.row))
    }
    first: list[float | None] = []
    trim.search(threshold[:1], [None], 1)
    at_rest = int(threshold[0])
    threshold[0] = min(at_rest + 1, plan.threshold.top)
    probe = half["row"] + half["threshold"]
    if at_rest == 0:  # the threshold to set is out of the range at rest, so the one to reset is within
        first = [climb]
        trim.search(threshold[:1], [climb, None], 1)
        probe = half["row"] - half["threshold"]
    trim.search(trim.work.row[cell : cell + 1], [*first, probe], 1)
    for stage in range(plan.ladder.stages):
        level = stage + 1
        climbs: list[float | None] = [climb] * level
        trim.search(threshold[stage:level], [*climbs[1:], b + half["threshold"]], level)
        trim.search(width[stage:level], [*climbs, -b - half["width"]], level, below=True)
        trim.finish_stage(climbs)
    _share(plan, trim.work, cell)
    return replace(trim.work, parked=codes.parked)


def _share(plan: TrimPlan, work: Codes, cell: int) -> None:
    """Where stages share a DAC, the codes that centre their windows best."""
    if plan.options.sharing == "stage":
        return
    width = int(plan.width.clipped(work.width[cell].mean()))
    # a window wider than the trained one by 2 x moves its centre down by x
    moved = (width - work.width[cell]) * plan.width.lsb[cell] / 2.0 / plan.threshold.lsb[cell]
    threshold = plan.threshold.clipped(work.threshold[cell] + moved)
    work.width[cell] = width
    work.threshold[cell] = threshold if plan.options.sharing == "width" else plan.threshold.clipped(threshold.mean())


def _trim_readout(chip: ChipUnderTest, plan: TrimPlan, codes: Codes, x: np.ndarray, digital: np.ndarray) -> Codes:
    """Two rounds: the second takes up what the first DAC step was wrong by."""
    clocked = np.ones(len(x), dtype=bool)
    for _ in range(2):
        chip.program(codes)
        excess = (chip.run(x, clocked, preset=True)[-1] - digital * plan.design.unit_current).mean(axis=0)
        codes = replace(codes, readout=plan.output.clipped(codes.readout + excess / plan.output.lsb))
    return codes
