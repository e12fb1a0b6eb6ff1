"""Ladders in transistors on a bench: designs, candidates, a deck run and checked, thresholds of every level by ramps.

A ladder here is one CMRU of one input with weight 1 and threshold 1: its candidate is its input, in units of beta.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from analogrnn.bench_ladder import bench_ladders
from analogrnn.design import Design
from analogrnn.errors import SpiceError
from analogrnn.mapping import MappingOptions
from analogrnn.spice.deck import Deck
from analogrnn.spice.engine import run_decks
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.transistor_ladder import TransistorOptions, ladder_transistors
from analogrnn.stimulus import Demand
from analogrnn.sweep import bench
from analogrnn.technology import load_technology

WORKERS = 2
# the standard stage: unipolar, narrow and long devices, see docs/circuits.md
STANDARD = replace(MappingOptions.standard(), input_bound=bench.BOUND)
DEFAULT = MappingOptions(input_bound=bench.BOUND)
SLOPE = bench.Slope(3.0, 3.0)  # the end of a ramp is held, so that the ladder reaches its last level


def ladder_design(stages: int, options: MappingOptions = STANDARD) -> Design:
    """One ladder of `stages`, its levels about zero, that starts at its bottom."""
    return bench_ladders(bench.levels_about_zero(stages), load_technology(), options)


def random_moves(steps: int, stages: int, seed: int, demand: Demand | None = None) -> np.ndarray:
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


@dataclass(frozen=True, eq=False)
class Case:
    """One ladder to simulate: `candidates` (T,), then ramps of every level if `ramps`."""

    design: Design
    candidates: np.ndarray
    options: TransistorOptions = field(default_factory=TransistorOptions)
    ramps: bool = False
    change: Callable[[Deck], Deck] = lambda deck: deck  # what the ladder's deck is turned into


@dataclass(frozen=True, eq=False)
class Found(bench.Found):
    """What came out, and the stages' mean power over the frames, W."""

    power: float

    @property
    def equal(self) -> int:
        """Steps at which every stage is as in the digital CMRU."""
        return int(self.right.sum())

    @property
    def checked(self) -> int:
        return len(self.right)

    @property
    def first_wrong(self) -> int | None:
        wrong = np.flatnonzero(~self.right)
        return int(wrong[0]) if len(wrong) else None

    @property
    def follows(self) -> bool:
        return self.equal == self.checked > 0


def measure(cases: Sequence[Case]) -> list[Found | SpiceError]:
    """Simulate all cases, WORKERS at a time; a run that ngspice gives up counts with its error."""
    made = [build(case) for case in cases]
    out: list[Found | SpiceError] = [SpiceError("not run")] * len(cases)
    for index, waves in run_decks([item.job for item in made], workers=WORKERS):
        out[index] = waves if isinstance(waves, SpiceError) else _read(made[index], waves)
    return out


def good(found: Sequence[Found | SpiceError]) -> list[Found]:
    """All of `found`; raises the first SpiceError."""
    for item in found:
        if isinstance(item, SpiceError):
            raise item
    return [item for item in found if isinstance(item, Found)]


def build(case: Case) -> bench.Build:
    """The deck as `case` wants it, and what its ramps measure."""
    design, candidates = case.design, case.candidates
    deck = ladder_transistors(design, design.ladders[0], 0, candidates[:, None], find_pdk(), case.options)
    made = (
        bench.with_ramps(design, candidates, deck, SLOPE) if case.ramps else bench.Build(design, candidates, deck, ())
    )
    return replace(made, deck=made.deck.with_deck(case.change(made.deck.deck)))


def _read(made: bench.Build, waves: Waveforms) -> Found:
    deck = made.deck
    window = (deck.schedule.first_frame * made.design.timing.period, deck.schedule.duration)
    power = bench.mean(waves, f"i(v.{deck.probe.instance}.vstages)", window) * deck.supply
    return Found(**vars(bench.read(made, waves)), power=power)


def mean_known(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is not NaN; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
