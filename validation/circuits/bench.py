"""Ladders in transistors on a bench: designs, candidates, a deck run and checked, thresholds of every level by ramps.

A ladder here is one CMRU of one input with weight 1 and threshold 1: its candidate is its input, in units of beta.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from analogrnn.cells import cmru_loop
from analogrnn.design import Design
from analogrnn.errors import SpiceError
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, Network
from analogrnn.spice.deck import number, piecewise_linear
from analogrnn.spice.engine import Job, run_decks
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.transistor import TransistorDeck, TransistorOptions, ladder_transistors
from analogrnn.sweep.bench import RAMP, Ramp, crossing
from analogrnn.technology import load_technology

WORKERS = 2
BOUND = 6.0  # largest candidate, in beta
# the standard stage: unipolar, narrow and long devices, see docs/circuits.md
STANDARD = replace(MappingOptions.standard(), input_bound=BOUND)
DEFAULT = MappingOptions(input_bound=BOUND)


def ladder_design(stages: int, options: MappingOptions = STANDARD) -> Design:
    """One ladder of `stages`, its levels about zero, that starts at its bottom."""
    low = -(stages // 2)
    layer = Cmru("rec", np.ones((1, 1)), np.zeros(1), threshold=np.ones(1), alpha=np.full(1, 0.5), k_min=low,
                 k_max=low + stages, initial=np.full(1, float(low)))  # fmt: skip
    return map_network(Network((layer,)), load_technology(), options)


@dataclass(frozen=True)
class Demand:
    """Candidates within `hold` must hold, those from `move` to `most` must move one level; in beta."""

    hold: float = 0.5
    move: float = 1.6
    most: float = 4.0


def exercise(steps: int, stages: int, seed: int, demand: Demand | None = None) -> np.ndarray:
    """(T,) candidates: holds at zero and below, moves of the least and of random size, drifts into both ends."""
    demand = demand or Demand()
    rng = np.random.Generator(np.random.Philox(key=[seed, stages]))
    c, drift = np.zeros(steps), 0
    for t in range(steps):
        if rng.random() < 0.08:
            drift = int(rng.choice([-1, 0, 0, 1]))
        kind, sign = rng.random(), float(rng.choice([-1.0, 1.0]))
        if 0.15 <= kind < 0.4:
            c[t] = sign * demand.hold * rng.random()
        elif kind >= 0.4:
            sign = sign if drift == 0 or rng.random() < 0.25 else float(drift)
            c[t] = sign * (rng.uniform(demand.move, demand.most) if rng.random() < 0.5 else demand.move)
    return np.round(c, 3)


def digital_stages(design: Design, candidates: np.ndarray) -> np.ndarray:
    """(T, N) which stages are ON in the digital CMRU."""
    ladder = design.ladders[0]
    states = cmru_loop(candidates[:, None], np.ones(1), ladder.initial, k_min=ladder.k_min, k_max=ladder.k_max)
    return np.asarray(states[:, :1] - ladder.k_min > np.arange(ladder.stages))


@dataclass(frozen=True, eq=False)
class Case:
    """One ladder to simulate: `candidates` (T,), then ramps of every level if `ramps`."""

    design: Design
    candidates: np.ndarray
    options: TransistorOptions = field(default_factory=TransistorOptions)
    ramps: bool = False
    edits: tuple[tuple[str, str], ...] = ()  # regular expression, replacement; each must match


@dataclass(frozen=True, eq=False)
class Found:
    """What came out. Thresholds (N,) in beta; NaN where a ramp did not start at its level or crossed nothing."""

    equal: int  # steps at which every stage is as in the digital CMRU
    checked: int
    power: float  # W, the stages' mean over the frames
    total: float  # W, with bias, line and weights
    by_level: np.ndarray  # (N + 1,) W, the stages' at rest
    output: np.ndarray  # (N + 1,) A, of the ladder at rest
    up: np.ndarray
    down: np.ndarray
    first_wrong: int | None

    @property
    def follows(self) -> bool:
        return self.equal == self.checked > 0


RAMP_STEPS, RAMP_HOLD = 3.0, 3.0  # its length, and how long its end stands: the ladder runs to its end; in periods


def measure(cases: Sequence[Case]) -> list[Found | SpiceError]:
    """Simulate all cases, WORKERS at a time; a run that ngspice gives up counts with its error."""
    made = [build(case) for case in cases]
    out: list[Found | SpiceError] = [SpiceError("not run")] * len(cases)
    for index, waves in run_decks([job for _, _, job in made], workers=WORKERS):
        deck, ramps, _ = made[index]
        out[index] = waves if isinstance(waves, SpiceError) else _read(cases[index], deck, ramps, waves)
    return out


def good(found: Sequence[Found | SpiceError]) -> list[Found]:
    """All of `found`; raises the first SpiceError."""
    for item in found:
        if isinstance(item, SpiceError):
            raise item
    return [item for item in found if isinstance(item, Found)]


def build(case: Case) -> tuple[TransistorDeck, list[Ramp], Job]:
    """The deck, what its ramps measure, and the job that runs it as `case` wants it."""
    deck = ladder_transistors(
        case.design, case.design.ladders[0], 0, case.candidates[:, None], find_pdk(), case.options
    )
    ramps: list[Ramp] = []
    text, stop = deck.text, deck.schedule.duration
    if case.ramps:
        text, ramps, stop = _with_ramps(case, deck)
    for pattern, replacement in case.edits:
        text = _edit(text, pattern, replacement)
    return deck, ramps, replace(deck.job(), deck=text, stop_time=stop)


def _with_ramps(case: Case, deck: TransistorDeck) -> tuple[str, list[Ramp], float]:
    """Extend the run: from each level a slow ramp up, which ends at the top, and one down, which ends at the bottom."""
    timing, unit = case.design.timing, case.design.unit_current
    offset, edge = float(case.design.ladders[0].synapses.offset[0]), case.design.timing.pulse / 100.0
    schedule, supply = deck.schedule, deck.supply
    gate, line, ramps = [(0.0, 0.0)], [(0.0, 0.0)], []
    at = schedule.first_frame * timing.period

    def pulse(value: float) -> None:
        nonlocal at
        start = at + timing.lead
        line.extend([(at, 0.0), (at + edge, value), (start + 2 * timing.pulse, value),
                     (start + 2 * timing.pulse + edge, 0.0)])  # fmt: skip
        gate.extend([(start, 0.0), (start + edge, supply), (start + timing.pulse, supply),
                     (start + timing.pulse + edge, 0.0)])  # fmt: skip
        at += timing.period

    def ramp(sign: int, level: int) -> None:
        nonlocal at
        start, length = at + timing.pulse, RAMP_STEPS * timing.period
        end = start + length + RAMP_HOLD * timing.period
        ramps.append(Ramp(start, length, sign, level))
        line.extend([(at, 0.0), (at + timing.pulse / 2, sign * RAMP[0]), (start, sign * RAMP[0]),
                     (start + length, sign * RAMP[1]), (end, sign * RAMP[1]), (end + edge, 0.0)])  # fmt: skip
        gate.extend([(at, 0.0), (at + edge, supply), (end, supply), (end + edge, 0.0)])
        at = end + timing.period

    for value in case.candidates:
        pulse(float(value))
    for _ in range(deck.stages):
        pulse(-2.0)
    for level in range(deck.stages):
        for sign in (1, -1):
            for _ in range(level):
                pulse(sign * 2.0)
            ramp(sign, level if sign > 0 else deck.stages - level)
    text = _edit(deck.text, r"(?m)^Vclk .*$", f"Vclk clk vss {piecewise_linear(gate)}")
    current = piecewise_linear((t, (value + offset) * unit) for t, value in line)
    text = _edit(text, r"(?m)^Iin_0 .*(\n\+.*)*$", f"Iin_0 vdd in_0 {current}")
    steps = (number(timing.pulse / 10), number(at), "0", number(timing.period / 5))
    text = _edit(text, r"(?m)^\.tran .*$", f".tran {' '.join(steps)}")
    return text, ramps, at


def _edit(text: str, pattern: str, replacement: str) -> str:
    text, count = re.subn(pattern, lambda match: match.expand(replacement), text)
    if not count:
        raise ValueError(f"the deck has nothing like {pattern!r}")
    return text


def _read(case: Case, deck: TransistorDeck, ramps: list[Ramp], waves: Waveforms) -> Found:
    times, timing = deck.schedule.read_times(), case.design.timing
    nodes = np.stack([waves[f"v({deck.instance}.a{j + 1})"] for j in range(deck.stages)])
    volts = np.stack([np.interp(times, waves.axis, node) for node in nodes], axis=1)
    # between 0.3 and 0.7 of the supply a stage is neither ON nor OFF: wrong
    on, decided = volts < 0.5 * deck.supply, np.abs(volts / deck.supply - 0.5) > 0.2
    right = ((on == digital_stages(case.design, case.candidates)) & decided).all(axis=1)
    up, down = np.full(deck.stages, np.nan), np.full(deck.stages, np.nan)
    for ramp in ramps:
        stage = ramp.level if ramp.sign > 0 else ramp.level - 1
        (up if ramp.sign > 0 else down)[stage] = crossing(waves.axis, nodes, ramp, stage, deck.supply / 2)
    first, stop = deck.schedule.first_frame * timing.period, deck.schedule.duration
    window = (waves.axis >= first) & (waves.axis <= stop)
    stages, whole = waves[f"i(v.{deck.instance}.vstages)"] * deck.supply, -waves["i(vdd)"] * deck.supply
    by_level, output = (_by_level(np.interp(times, waves.axis, signal), on) for signal in (stages, waves["i(vh)"]))
    wrong = np.flatnonzero(~right)
    return Found(int(right.sum()), len(right), mean(waves.axis, stages, window), mean(waves.axis, whole, window),
                 by_level, output, up, down, int(wrong[0]) if len(wrong) else None)  # fmt: skip


def _by_level(values: np.ndarray, on: np.ndarray) -> np.ndarray:
    """(N + 1,) mean of values (T,) at each number of stages ON; NaN where a level did not occur."""
    level = on.sum(axis=1)
    return np.array([values[level == n].mean() if (level == n).any() else np.nan for n in range(on.shape[1] + 1)])


def mean_known(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is not NaN; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)


def mean(time: np.ndarray, value: np.ndarray, window: np.ndarray) -> float:
    """Time average over a window of samples."""
    t = time[window]
    return float(np.trapezoid(value[window], t) / (t[-1] - t[0]))
