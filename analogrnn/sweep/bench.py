"""Measures one transistor ladder: random steps, compared with the digital CMRU, then ramps that find every threshold.

The ladder has one input of weight 1 and threshold 1, so its candidate is its input, in half windows beta. The deck of
`spice.transistor_ladder` runs with another clock and input, so that the ramps follow the steps in the same run. From
each level there is one slow ramp up, which ends at the top level, and one down, which ends at the bottom level.
"""

from dataclasses import dataclass, replace

import numpy as np

from analogrnn.bench_ladder import bench_ladders, digital_stages
from analogrnn.design import Design
from analogrnn.errors import ParameterError
from analogrnn.mapping import stage_options
from analogrnn.spice.deck import Deck, Tran
from analogrnn.spice.engine import Job
from analogrnn.spice.pdk import Pdk
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.reading import ProbedDeck, read_deck
from analogrnn.spice.sources import piecewise_linear
from analogrnn.spice.transistor_ladder import TransistorOptions, ladder_transistors
from analogrnn.stimulus import Demand, drifting_moves
from analogrnn.sweep.specs import Condition, SweepBench
from analogrnn.technology import Technology

BOUND = 6.0  # largest candidate, beta
RAMP = (0.05, 1.95)  # beta, start and end of the slow part of a ramp
CLIMB = 2.0  # beta, moves between the ramps
RAMP_POINTS = 20  # least time points per step: with 5, down thresholds were wrong by up to 0.02 beta


@dataclass(frozen=True)
class Slope:
    """Duration of a ramp in steps: of its slow part, and of the hold at its end."""

    length: float = 6.0
    hold: float = 0.0


@dataclass(frozen=True)
class Ramp:
    """One ramp of a measurement."""

    start: float  # s, start of the slow part
    length: float  # s
    sign: int  # 1 up, -1 down
    level: int  # stages ON at its start


@dataclass(frozen=True, eq=False)
class Build:
    """The deck of one condition, and what is needed to read its run; candidates (T,) in beta."""

    design: Design
    candidates: np.ndarray
    deck: ProbedDeck
    ramps: tuple[Ramp, ...]

    @property
    def job(self) -> Job:
        """The job that runs the deck."""
        return self.deck.job()


@dataclass(frozen=True, eq=False)
class Found:
    """Measured values. Thresholds (N,) in beta; NaN where a ramp did not start at its level or no stage switched."""

    right: np.ndarray  # (T,) bool, all stages as in the digital CMRU
    total: float  # W, supply power over the random steps
    by_level: np.ndarray  # (N + 1,) W, power of the stages at rest at each level, NaN if it did not occur
    output: np.ndarray  # (N + 1,) A, output current at each level, NaN if it did not occur
    up: np.ndarray
    down: np.ndarray


def bench_design(bench: SweepBench, technology: Technology, cells: int = 1) -> Design:
    """The design of a bench, with `cells` equal ladders. Raises MappingError if the circuit can't be built."""
    options = replace(stage_options(bench.stage, bench.period), input_bound=BOUND)
    return bench_ladders(levels_about_zero(bench.stages), technology, options, (1.0,) * cells)


def levels_about_zero(stages: int) -> tuple[int, int]:
    """k_min and k_max of a ladder whose levels are centred on zero."""
    low = -(stages // 2)
    return low, low + stages


def build(bench: SweepBench, condition: Condition, technology: Technology, pdk: Pdk) -> Build:
    """The deck of one condition. Raises MappingError, and ParameterError for a step shorter than the pulse."""
    design = bench_design(bench, technology)
    if bench.step is not None:
        design = _with_period(design, bench.step)
    options = TransistorOptions(corner=condition.corner, temperature=condition.temperature, supply=condition.supply)
    demand = Demand(bench.hold, bench.move, bench.most)
    candidates = drifting_moves(demand, bench.stages, bench.steps, bench.seed)
    deck = ladder_transistors(design, design.ladders[0], 0, candidates[:, None], pdk, options)
    return with_ramps(design, candidates, deck, Slope())


def with_ramps(design: Design, candidates: np.ndarray, deck: ProbedDeck, slope: Slope) -> Build:
    """The deck of the candidates (T,) in beta, followed by ramps from each level."""
    stimulus = _Stimulus(design, deck, slope)
    stimulus.steps(candidates)
    stimulus.all_ramps()
    return Build(design, candidates, deck.with_deck(stimulus.on(deck.deck)), tuple(stimulus.ramps))


def _with_period(design: Design, step: float) -> Design:
    """The same circuit and pulses with another step time (s); the lead is the same part of the step."""
    timing = design.timing
    lead = timing.lead * step / timing.period
    if lead + 3.0 * timing.pulse > step:
        raise ParameterError(
            f"[bench] step = {step:g} s is too short for the pulse of {timing.pulse:.3g} s; give at "
            f"least {3.0 * timing.pulse / (1.0 - timing.lead / timing.period):.3g} s."
        )
    return replace(design, timing=replace(timing, period=step, lead=lead))


class _Stimulus:
    """Collects the breakpoints of the clock line (s, V) and of the input (s, beta)."""

    def __init__(self, design: Design, deck: ProbedDeck, slope: Slope) -> None:
        self.design, self.deck, self.timing, self.slope = design, deck, design.timing, slope
        self.gate, self.line = [(0.0, 0.0)], [(0.0, 0.0)]
        self.ramps: list[Ramp] = []
        self.at = deck.schedule.first_frame * design.timing.period

    def steps(self, candidates: np.ndarray) -> None:
        for value in candidates:
            self._pulse(float(value))

    def all_ramps(self) -> None:
        stages = self.deck.probe.stages
        self.steps(np.full(stages, -CLIMB))
        for level in range(stages):
            for sign in (1, -1):
                self.steps(np.full(level, sign * CLIMB))
                self._ramp(sign, level if sign > 0 else stages - level)

    def on(self, deck: Deck) -> Deck:
        """The ladder's deck with this clock and input."""
        unit, offset = self.design.unit_current, float(self.design.ladders[0].synapses.offset[0])
        current = piecewise_linear((t, (value + offset) * unit) for t, value in self.line)
        analysis = Tran(self.timing.pulse / 10, self.at, self.timing.period / RAMP_POINTS)
        return replace(deck, analysis=analysis).with_elements(
            f"Vclk clk vss {piecewise_linear(self.gate)}", f"Iin_0 vdd in_0 {current}"
        )

    def _pulse(self, value: float) -> None:
        edge, length = self.timing.pulse / 100.0, self.timing.pulse
        start = self.at + self.timing.lead
        self.line += [
            (self.at, 0.0),
            (self.at + edge, value),
            (start + 2 * length, value),
            (start + 2 * length + edge, 0.0),
        ]
        self._open(start, start + length)
        self.at += self.timing.period

    def _ramp(self, sign: int, level: int) -> None:
        edge, start = self.timing.pulse / 100.0, self.at + self.timing.pulse
        length = self.slope.length * self.timing.period
        end = start + length + self.slope.hold * self.timing.period
        self.ramps.append(Ramp(start, length, sign, level))
        self.line += [
            (self.at, 0.0),
            (self.at + self.timing.pulse / 2, sign * RAMP[0]),
            (start, sign * RAMP[0]),
            (start + length, sign * RAMP[1]),
        ]
        self.line += [(end, sign * RAMP[1])] if self.slope.hold else []
        self.line += [(end + edge, 0.0)]
        self._open(self.at, end)
        self.at = end + self.timing.period

    def _open(self, start: float, stop: float) -> None:
        edge, high = self.timing.pulse / 100.0, self.deck.supply
        self.gate += [(start, 0.0), (start + edge, high), (stop, high), (stop + edge, 0.0)]


def read(built: Build, waves: Waveforms) -> Found:
    """Read a run. The total power is the mean over the random steps."""
    deck, timing = built.deck, built.design.timing
    probe, times, reading = deck.probe, deck.schedule.read_times(), read_deck(deck, waves)
    nodes = np.stack([waves[node] for node in probe.states])
    # a stage that is neither ON nor OFF is wrong
    on, decided = reading.stages[deck.cell], reading.decided[deck.cell]
    right = ((on == digital_stages(built.design, built.candidates)) & decided).all(axis=1)
    up, down = np.full(probe.stages, np.nan), np.full(probe.stages, np.nan)
    for ramp in built.ramps:
        stage = ramp.level if ramp.sign > 0 else ramp.level - 1
        (up if ramp.sign > 0 else down)[stage] = crossing(waves.axis, nodes, ramp, stage, deck.supply / 2)
    window = (deck.schedule.first_frame * timing.period, deck.schedule.duration)
    total = -mean(waves, "i(vdd)", window) * deck.supply
    drawn, output = (
        _by_level(np.interp(times, waves.axis, waves[name]), on)
        for name in (f"i(v.{probe.instance}.vstages)", probe.output)
    )
    return Found(right, total, drawn * deck.supply, output, up, down)


def _by_level(values: np.ndarray, on: np.ndarray) -> np.ndarray:
    """(N + 1,) mean of values (T,) over the steps with 0 to N stages ON (T, N); NaN where there are none."""
    level = on.sum(axis=1)
    return np.array([values[level == n].mean() if (level == n).any() else np.nan for n in range(on.shape[1] + 1)])


def mean(waves: Waveforms, name: str, window: tuple[float, float]) -> float:
    """Time average of a signal over a window (from, to) in s."""
    inside = (waves.axis >= window[0]) & (waves.axis <= window[1])
    t = waves.axis[inside]
    return float(np.trapezoid(waves[name][inside], t) / (t[-1] - t[0]))


def crossing(time: np.ndarray, nodes: np.ndarray, ramp: Ramp, stage: int, middle: float) -> float:
    """The candidate (beta) at which `stage` switches, or NaN; `nodes` in V, `middle` is half the supply."""
    before = [np.interp(ramp.start - 1e-9, time, node) < middle for node in nodes]
    if sum(before) != ramp.level or not all(before[: ramp.level]):
        return float("nan")
    inside = (time >= ramp.start) & (time <= ramp.start + ramp.length)
    t, v = time[inside], nodes[stage][inside]
    passed = np.flatnonzero(v < middle if ramp.sign > 0 else v > middle)
    if not len(passed) or passed[0] == 0:
        return float("nan")
    i = int(passed[0])
    moment = t[i - 1] + (middle - v[i - 1]) / (v[i] - v[i - 1]) * (t[i] - t[i - 1])
    return float(ramp.sign * (RAMP[0] + (RAMP[1] - RAMP[0]) * (moment - ramp.start) / ramp.length))
