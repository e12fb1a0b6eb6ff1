"""A deck with its clock and its probes, and the values read from its run: states, candidates, outputs and logits."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from analogrnn.errors import SpiceError
from analogrnn.schedule import Schedule
from analogrnn.show import Rows, Shown
from analogrnn.spice.deck import Deck
from analogrnn.spice.engine import Job, deck_job
from analogrnn.spice.ideal_ladder import RUNIT
from analogrnn.spice.raw import Waveforms
from analogrnn.units import format_quantity

AVERAGED = 32  # samples per window of a candidate, which average the ripple of the integration method

Cell = tuple[str, int]  # layer, cell


@dataclass(frozen=True)
class LadderProbe:
    """The signals of one ladder: its instance, with state nodes a1..aN of its stages, its candidate and its output."""

    instance: str
    stages: int
    candidate: str
    output: str

    @property
    def states(self) -> tuple[str, ...]:
        """The signals of the state nodes, first stage first; low while ON."""
        return tuple(f"v({self.instance}.a{j + 1})" for j in range(self.stages))


@dataclass(frozen=True, eq=False, repr=False)
class ProbedDeck(Shown):
    """A deck with its clock and the signals that are read from its run.

    >>> deck = ar.export_deck(design, x[:, 0])

    supply   V
    unit     A, the current that represents 1
    probes   (layer, cell) -> its signals; times `gain` they are currents in A
    logits   (class,) signals of the output currents, empty in a slice
    windows  layer -> (from, to) s after the start of a step, over which candidates are averaged; a layer without
             entry is sampled together with the stages
    margin   least distance of a state node from half the supply that counts as ON or OFF, over the supply
    """

    deck: Deck
    schedule: Schedule
    supply: float
    unit: float
    probes: Mapping[Cell, LadderProbe]
    logits: tuple[str, ...] = ()
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    gain: float = 1.0 / RUNIT
    margin: float = 0.3
    allowed_paths: frozenset[Path] = frozenset()

    def shown(self) -> tuple[str, Rows]:
        """The number of ladders, the duration and the size."""
        rows = [
            ("ladders", f"{len(self.probes)}, readout {'included' if self.logits else 'not included'}"),
            ("transient", f"{format_quantity(self.schedule.duration, 's', 3)}, {len(self.text):,} characters"),
        ]
        return f"ProbedDeck: {self.deck.title}", rows

    @property
    def text(self) -> str:
        """The deck as ngspice reads it."""
        return self.deck.text

    @property
    def cell(self) -> Cell:
        """The layer and cell of a deck of one ladder."""
        (cell,) = self.probes
        return cell

    @property
    def probe(self) -> LadderProbe:
        """The probe of a deck of one ladder."""
        return self.probes[self.cell]

    def job(self, timeout: float = 3600.0) -> Job:
        """The job that runs the deck, for at most `timeout` s of real time."""
        return deck_job(self.deck, timeout, self.allowed_paths)

    def with_deck(self, deck: Deck) -> "ProbedDeck":
        """The same clock and probes on a changed deck."""
        return replace(self, deck=deck)


@dataclass(frozen=True, eq=False)
class DeckReading:
    """The values of a deck's run at the read times of its frames.

    stages[layer, cell] (T, N) bool; decided[layer, cell] (T, N) bool: the state node is clearly high or low;
    candidates[layer, cell] (T,) A, scaled as on the line; outputs[layer, cell] (T,) A, sum of the stages' outputs;
    series (T, classes) and logits (classes,) = its last row, in units
    """

    stages: dict[Cell, np.ndarray]
    decided: dict[Cell, np.ndarray]
    candidates: dict[Cell, np.ndarray]
    outputs: dict[Cell, np.ndarray]
    series: np.ndarray

    @property
    def logits(self) -> np.ndarray:
        """(classes,) units, at the last frame."""
        return np.asarray(self.series[-1])


def read_deck(deck: ProbedDeck, waves: Waveforms, *, strict: bool = False) -> DeckReading:
    """Sample a run at the read times.

    >>> deck = ar.export_deck(design, x[:8, 0], cell=("cell", 3))
    >>> stages = ar.read_deck(deck, ar.run_deck(deck)).stages["cell", 3]

    Raises ParameterError if a signal is missing, and with `strict` SpiceError for a state node between ON and OFF.
    """
    times, schedule = deck.schedule.read_times(), deck.schedule
    starts = schedule.starts()[schedule.first_frame :]

    def sample(signal: str, at: np.ndarray) -> np.ndarray:
        return np.interp(at, waves.axis, waves[signal])

    stages, decided, candidates, outputs = {}, {}, {}, {}
    for cell, probe in deck.probes.items():
        part = np.stack([sample(node, times) for node in probe.states], axis=1) / deck.supply
        stages[cell], decided[cell] = part < 0.5, np.abs(part - 0.5) > deck.margin
        if strict and not decided[cell].all():
            t, j = (int(n) for n in np.argwhere(~decided[cell])[0])
            volts = part[t, j] * deck.supply
            raise SpiceError(f"{probe.instance} stage {j + 1} is at {volts:.3g} V at step {t}, between ON and OFF.")
        moments = [times]
        if cell[0] in deck.windows:
            moments = [starts + moment for moment in np.linspace(*deck.windows[cell[0]], AVERAGED)]
        candidates[cell] = np.mean([sample(probe.candidate, at) for at in moments], axis=0) * deck.gain
        outputs[cell] = sample(probe.output, times) * deck.gain
    series = np.empty((len(times), 0))
    if deck.logits:
        series = np.stack([sample(signal, times) for signal in deck.logits], axis=1) * deck.gain / deck.unit
    return DeckReading(stages, decided, candidates, outputs, series)
