"""Do two levels of description agree? At every step, on every stage, or not at all.

The digital recurrence gives each cell's level; a ladder agrees at a step if its stages show exactly that level as a
thermometer code (stages 1..n ON, the others OFF). A missed step shifts a ladder for the rest of a clip, so the first
miss of each cell and clip is told apart from what follows it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analogrnn.chip import Chip, nominal_chip
from analogrnn.design import Design, Ladder
from analogrnn.errors import ParameterError, SpiceError
from analogrnn.network import DigitalRun, Network, forward
from analogrnn.simulate import simulate_steps, simulate_waveforms
from analogrnn.spice.engine import Ngspice
from analogrnn.spice.testbench import DeckReading, NetworkDeck, ladder_deck, network_deck, run_network_decks

LEVELS = ("step", "waveform", "ideal")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Miss:
    """The first step at which a cell left its digital level in a clip."""

    layer: str
    cell: int
    clip: int
    step: int
    digital: int
    stages: tuple[bool, ...]
    candidate: float
    threshold: float


@dataclass(frozen=True, eq=False)
class Agreement:
    """The outcome of a comparison. A step is one (clip, step, cell); it is equal if every stage is."""

    level: str
    clips: int
    stages: int
    steps_checked: int
    steps_equal: int
    thermometer_violations: int
    first_misses: tuple[Miss, ...]
    candidate_error: float | None = None
    logit_error: float | None = None
    classes_equal: int | None = None
    failures: tuple[str, ...] = ()
    readings: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def holds(self) -> bool:
        return self.steps_equal == self.steps_checked > 0 and not self.failures

    def as_dict(self) -> dict[str, Any]:
        """Everything but the readings, ready for JSON."""
        return {
            "level": self.level,
            "clips": self.clips,
            "stages": self.stages,
            "steps_checked": self.steps_checked,
            "steps_equal": self.steps_equal,
            "thermometer_violations": self.thermometer_violations,
            "first_misses": [vars(miss) for miss in self.first_misses],
            "candidate_error": self.candidate_error,
            "logit_error": self.logit_error,
            "classes_equal": self.classes_equal,
            "failures": list(self.failures),
            "holds": self.holds,
        }


def thermometer(levels: np.ndarray, ladder: Ladder) -> np.ndarray:
    """The stages (..., N), bool, of a ladder at the given levels (...)."""
    stages_on = (np.asarray(levels) - ladder.k_min) / ladder.level_step
    return np.asarray(stages_on[..., None] > np.arange(ladder.stages))


def compare(level: str, design: Design, reference: DigitalRun, stages: dict[str, np.ndarray],
            ran: dict[str, np.ndarray] | None = None, **extra: Any) -> Agreement:  # fmt: skip
    """Compare stages[layer] (T, S, d, N), bool, with the digital states of `reference`.

    ran[layer] (S, d) tells which cells were run in which clips; the others are left out.
    """
    checked = equal = violations = 0
    misses: list[Miss] = []
    for ladder in design.ladders:
        found = stages[ladder.name]
        states = reference.states[ladder.name]
        known = np.ones(states.shape[1:], dtype=bool) if ran is None else ran[ladder.name]
        same = (found == thermometer(states, ladder)).all(axis=-1) | ~known
        checked, equal = checked + len(same) * int(known.sum()), equal + int((same & known).sum())
        violations += int(((np.diff(found.astype(int), axis=-1) > 0).any(axis=-1) & known).sum())
        for clip, cell in np.argwhere(~same.all(axis=0)):
            step = int(np.argmin(same[:, clip, cell]))
            candidate = float(reference.candidates[ladder.name][step, clip, cell])
            low, high = ladder.threshold[cell]
            nearest = high if abs(candidate - high) < abs(candidate - low) else low
            misses.append(Miss(ladder.name, int(cell), int(clip), step, int(states[step, clip, cell]),
                               tuple(bool(b) for b in found[step, clip, cell]), candidate, float(nearest)))  # fmt: skip
    clips = next(iter(reference.states.values())).shape[1]
    return Agreement(level, clips, design.stages, checked, equal, violations, tuple(misses), readings=stages, **extra)


@dataclass(frozen=True)
class Bench:
    """What to run against the digital network.

    level    `step`, `waveform` or `ideal` (ngspice, ideal subcircuits)
    control  breaks the ladder on purpose: see `analogrnn.simulate.CONTROLS`
    flat     the whole network in one deck a clip, with its readout; else one deck a ladder
    workers  simulators at a time; None = one a CPU
    """

    level: str = "ideal"
    control: str = "none"
    flat: bool = False
    workers: int | None = None
    ngspice: Ngspice | None = None

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ParameterError(f"Bench.level = {self.level!r} is unknown; known: {list(LEVELS)}.")
        if self.level == "step" and self.control != "none":
            raise ParameterError("Bench: the step level has no waveforms to break; use level 'waveform' or 'ideal'.")


def check_agreement(network: Network, design: Design, x: np.ndarray, bench: Bench | None = None, *,
                    progress: Progress | None = None) -> Agreement:  # fmt: skip
    """Run encoded clips x (T, S, D) on `bench` and compare with the digital network, step by step.

    A simulator run that fails is reported in `failures`, and the others go on. Raises ParameterError for a control
    that doesn't exist or inputs that the circuit can't carry, MissingDependencyError without ngspice.
    """
    bench = bench or Bench()
    reference, chip = forward(network, x), nominal_chip(design)
    if bench.level == "step":
        run = simulate_steps(chip, x)
        stages = {ladder.name: thermometer(run.levels[ladder.name], ladder) for ladder in design.ladders}
        return compare(bench.level, design, reference, stages,
                       classes_equal=int((run.classes == reference.classes).sum()),
                       logit_error=float(np.abs(run.logits - reference.logits).max()))  # fmt: skip
    if bench.level == "waveform":
        return compare(bench.level, design, reference, _waveform_stages(chip, reference, bench.control))
    return _ideal(design, x, reference, bench, progress)


def _waveform_stages(chip: Chip, reference: DigitalRun, control: str) -> dict[str, np.ndarray]:
    return {
        layer.name: simulate_waveforms(chip, layer, reference.candidates[layer.name], control=control)
        for layer in chip.ladders
    }


def _decks(design: Design, x: np.ndarray, bench: Bench) -> list[tuple[int, NetworkDeck]]:
    """(clip, deck) of every run: slices where the one ladder layer is fed by the inputs themselves, else flat."""
    sliced = isinstance(design.layers[0], Ladder) and len(design.ladders) == 1 and not bench.flat
    decks = []
    for clip in range(x.shape[1]):
        if sliced:
            ladder = design.ladders[0]
            decks += [
                (clip, ladder_deck(design, ladder, cell, x[:, clip], control=bench.control))
                for cell in range(ladder.width)
            ]
        else:
            decks.append((clip, network_deck(design, x[:, clip], control=bench.control)))
    return decks


def _ideal(design: Design, x: np.ndarray, reference: DigitalRun, bench: Bench, progress: Progress | None) -> Agreement:
    decks = _decks(design, x, bench)
    shape = x.shape[:2]
    stages = {lad.name: np.zeros((*shape, lad.width, lad.stages), dtype=bool) for lad in design.ladders}
    logits = np.full((shape[1], design.layers[-1].synapses.width), np.nan)
    ran = {lad.name: np.zeros((shape[1], lad.width), dtype=bool) for lad in design.ladders}
    failures: list[str] = []
    worst = 0.0
    results = run_network_decks([deck for _, deck in decks], workers=bench.workers, ngspice=bench.ngspice)
    for done, (index, reading) in enumerate(results, 1):
        clip, deck = decks[index]
        if isinstance(reading, SpiceError):
            failures.append(f"clip {clip}, {next(iter(deck.ladders.values()))}: {reading}")
        else:
            worst = max(worst, _store(design, reading, reference, clip, stages))
            for name, cell in reading.stages:
                ran[name][clip, cell] = True
            if len(reading.logits):
                logits[clip] = reading.logits
        if progress:
            progress(done, len(decks))
    if len(failures) == len(decks):
        raise SpiceError(f"all {len(decks)} simulator runs failed; the first: {failures[0]}")
    extra: dict[str, Any] = {"candidate_error": worst}
    if np.isfinite(logits).all():
        # a deck is read at its last step
        wanted = reference.logits if reference.logits.ndim == 2 else reference.logits[-1]
        extra["logit_error"] = float(np.abs(logits - wanted).max())
        extra["classes_equal"] = int((np.argmax(logits, axis=-1) == np.argmax(wanted, axis=-1)).sum())
    return compare("ideal", design, reference, stages, ran, failures=tuple(failures), **extra)


def _store(design: Design, reading: DeckReading, reference: DigitalRun, clip: int,
           stages: dict[str, np.ndarray]) -> float:  # fmt: skip
    """Copy one deck's stages into place; return the largest error of its candidates, in units."""
    worst = 0.0
    for ladder in design.ladders:
        unit = ladder.synapses.scale * design.unit_current
        for cell in range(ladder.width):
            if (ladder.name, cell) in reading.stages:
                stages[ladder.name][:, clip, cell] = reading.stages[ladder.name, cell]
                wanted = reference.candidates[ladder.name][:, clip, cell]
                found = reading.candidates[ladder.name, cell] / unit[cell]
                # an unrectified node against a rectified candidate: compare what the cell sees
                found = found if ladder.return_to_zero else np.maximum(found, 0.0)
                worst = max(worst, float(np.abs(found - wanted).max()))
    return worst
