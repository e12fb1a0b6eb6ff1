"""Runs a network on clips in ngspice, deck by deck, with ideal subcircuits or transistors, and collects the results.

Ladders of the first layer share no feedback, so each can run as its own deck (a slice), and many in parallel. Their
measured output currents are then the inputs of one deck with the following layers.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np

from analogrnn.design import Design, FeedForward, Ladder
from analogrnn.errors import ParameterError, SpiceError
from analogrnn.schedule import Control
from analogrnn.spice.engine import Job, Ngspice, find_ngspice, run_deck, run_decks
from analogrnn.spice.ideal_network import ladder_deck, network_deck
from analogrnn.spice.pdk import Pdk, find_pdk
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.reading import DeckReading, ProbedDeck, read_deck
from analogrnn.spice.transistor_network import TransistorSetup, ladder_slice, network_transistors, readout_deck

Progress = Callable[[int, int], None]


class Memory(Protocol):
    """Stores readings by the digest of their run, so that a run resumes after an interruption."""

    def get(self, digest: str) -> DeckReading | None: ...

    def put(self, digest: str, reading: DeckReading) -> None: ...


@dataclass(frozen=True, eq=False)
class Simulation:
    """What to run and how.

    setup    None: ideal subcircuits; else transistors, with the chip and the conditions of the setup
    control  a negative control, for ideal subcircuits only (`setup.options.control` for transistors)
    flat     the whole network in one deck per clip; else slices if the first layer is the only recurrent one
    cells    cells of the recurrent layer that run, as slices; None: all
    workers  number of simulators in parallel; None: one per CPU
    timeout  s of real time per deck
    memory   stores the readings of finished decks
    """

    setup: TransistorSetup | None = None
    control: Control = "none"
    flat: bool = False
    cells: tuple[int, ...] | None = None
    workers: int | None = None
    timeout: float = 3600.0
    ngspice: Ngspice | None = None
    memory: Memory | None = None


@dataclass(frozen=True, eq=False)
class NetworkRun:
    """The results by layer; NaN, and False in `ran`, where a deck failed.

    stages, decided (T, S, d, N) bool; candidates (T, S, d) in trained units; outputs (T, S, d) A, sum of the stages;
    ran (S, d) bool; logits (S, classes) in units, or (T, S, classes) without pooling, NaN where unknown
    """

    stages: dict[str, np.ndarray]
    decided: dict[str, np.ndarray]
    candidates: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    ran: dict[str, np.ndarray]
    logits: np.ndarray
    failures: tuple[str, ...] = field(default=())
    logs: tuple[str, ...] = field(default=(), repr=False)  # ngspice's output of each failure

    @property
    def classes(self) -> np.ndarray:
        """(S,) the class of each clip, or (T, S) of each step without pooling; -1 where it is unknown."""
        if not self.logits.shape[-1]:
            return np.full(self.logits.shape[:-1], -1)
        known = np.isfinite(self.logits).all(axis=-1)
        return np.where(known, np.argmax(np.where(known[..., None], self.logits, 0.0), axis=-1), -1)


@dataclass(frozen=True)
class _Task:
    clip: int
    what: str
    make: Callable[[], ProbedDeck]


def sliced(design: Design, *, flat: bool) -> bool:
    """Whether a network runs as slices: a chain whose one recurrent layer is fed by the inputs themselves."""
    first = isinstance(design.layers[0], Ladder) and len(design.ladders) == 1
    return first and design.wiring.is_chain and not flat


def run_network(
    design: Design, x: np.ndarray, simulation: Simulation | None = None, *, progress: Progress | None = None
) -> NetworkRun:
    """Run encoded clips x (T, S, D).

    A deck that fails is reported in `failures` with ngspice's message, and the others continue. Raises SpiceError if
    all fail, ParameterError for inputs that the circuit can't carry, MissingDependencyError without ngspice or models.
    """
    simulation = simulation or Simulation()
    # inputs that the circuit can't carry are an error of the caller, not of a run
    given = design.layers[0].synapses.checked(x, samples=True)
    runner = _Runner(design, given, simulation)
    tasks = runner.tasks()
    for done, (task, result) in enumerate(runner.run(tasks), 1):
        runner.take(task, result)
        if progress:
            progress(done, len(tasks))
    if tasks and len(runner.failures) == len(tasks):
        raise SpiceError(f"all {len(tasks)} simulator runs failed; the first: {runner.failures[0]}")
    if simulation.setup is not None and sliced(design, flat=simulation.flat):
        runner.read_out()
    return NetworkRun(
        runner.stages,
        runner.decided,
        runner.candidates,
        runner.outputs,
        runner.ran,
        runner.logits,
        tuple(runner.failures),
        tuple(runner.logs),
    )


def run_cell(
    design: Design, x: np.ndarray, cell: tuple[Ladder, int], simulation: Simulation
) -> tuple[ProbedDeck, Waveforms]:
    """The deck of one cell for one encoded clip x (T, D), as a slice if it can be one, and its waveforms."""
    runner = _Runner(design, x[:, None], simulation)
    ladder, number = cell
    slice_ = ladder is design.layers[0] and sliced(design, flat=False)
    deck = runner.slice(number, x) if slice_ else runner.whole(x)
    waves = run_deck(
        deck.text,
        stop_time=deck.schedule.duration,
        ngspice=runner.ngspice,
        timeout=simulation.timeout,
        allowed_paths=deck.allowed_paths,
    )
    return deck, waves


class _Runner:
    def __init__(self, design: Design, x: np.ndarray, simulation: Simulation) -> None:
        self.design, self.x, self.simulation = design, x, simulation
        self.ngspice = simulation.ngspice or find_ngspice()
        self.pdk: Pdk | None = find_pdk() if simulation.setup is not None else None
        steps, clips = x.shape[:2]
        shapes = {ladder.name: (steps, clips, ladder.width, ladder.stages) for ladder in design.ladders}
        self.stages = {name: np.zeros(shape, dtype=bool) for name, shape in shapes.items()}
        self.decided = {name: np.zeros(shape, dtype=bool) for name, shape in shapes.items()}
        self.candidates = {name: np.full(shape[:3], np.nan) for name, shape in shapes.items()}
        self.outputs = {name: np.full(shape[:3], np.nan) for name, shape in shapes.items()}
        self.ran = {name: np.zeros(shape[1:3], dtype=bool) for name, shape in shapes.items()}
        last = design.layers[-1]
        width = last.synapses.width if isinstance(last, FeedForward) else 0
        self.logits = np.full((clips, width) if design.pooling else (steps, clips, width), np.nan)
        self.failures: list[str] = []
        self.logs: list[str] = []

    def tasks(self) -> list[_Task]:
        design, x = self.design, self.x
        if not sliced(design, flat=self.simulation.flat):
            return [_Task(clip, f"clip {clip}", partial(self.whole, x[:, clip])) for clip in range(x.shape[1])]
        ladder = design.ladders[0]
        return [
            _Task(clip, f"clip {clip}, {ladder.name}[{cell}]", partial(self.slice, cell, x[:, clip]))
            for clip in range(x.shape[1])
            for cell in (range(ladder.width) if self.simulation.cells is None else self.simulation.cells)
        ]

    def whole(self, x: np.ndarray) -> ProbedDeck:
        if self.simulation.setup is None or self.pdk is None:
            return network_deck(self.design, x, control=self.simulation.control)
        return network_transistors(self.design, x, self.pdk, self.simulation.setup)

    def slice(self, cell: int, x: np.ndarray) -> ProbedDeck:
        ladder = self.design.ladders[0]
        if self.simulation.setup is None or self.pdk is None:
            return ladder_deck(self.design, ladder, cell, x, control=self.simulation.control)
        return ladder_slice(self.design, ladder, [cell], x, self.pdk, self.simulation.setup)

    def run(self, tasks: list[_Task]) -> Iterator[tuple[_Task, DeckReading | SpiceError]]:
        """Run `tasks`. Each deck is written just before it runs: all decks of a long run would fill the memory."""
        decks: dict[int, ProbedDeck] = {}
        started: list[int] = []
        stored: list[tuple[_Task, DeckReading]] = []
        memory = self.simulation.memory

        def jobs() -> Iterator[Job]:
            for number, task in enumerate(tasks):
                deck = task.make()
                known = memory.get(self._digest(deck)) if memory else None
                if known is not None:
                    stored.append((task, known))
                    continue
                decks[number] = deck
                started.append(number)
                yield deck.job(self.simulation.timeout)

        for index, result in run_decks(jobs(), self.simulation.workers, self.ngspice):
            yield from _emptied(stored)
            number = started[index]
            deck = decks.pop(number)
            if isinstance(result, SpiceError):
                yield tasks[number], result
                continue
            try:
                reading = read_deck(deck, result)
            except ParameterError as error:  # a signal is missing from the raw file
                yield tasks[number], SpiceError(str(error))
                continue
            if memory:
                memory.put(self._digest(deck), reading)
            yield tasks[number], reading
        yield from _emptied(stored)

    def _digest(self, deck: ProbedDeck) -> str:
        models = self.pdk.sha256 if self.pdk else ""
        return hashlib.sha256(f"{self.ngspice.version}\n{models}\n{deck.text}".encode()).hexdigest()

    def take(self, task: _Task, result: DeckReading | SpiceError) -> None:
        """Copy one deck's reading into place."""
        if isinstance(result, SpiceError):
            self._failed(task, result)
            return
        for ladder in self.design.ladders:
            unit = self.design.candidate_units(ladder.synapses)
            for cell in range(ladder.width):
                key = ladder.name, cell
                if key not in result.stages:
                    continue
                at = (slice(None), task.clip, cell)
                own = (*at, slice(int(ladder.counts[cell])))
                self.stages[ladder.name][own] = result.stages[key]
                self.decided[ladder.name][at] = True  # stages that it doesn't have are OFF
                self.decided[ladder.name][own] = result.decided[key]
                found = result.candidates[key] / unit[cell]
                # the node is not rectified, but the candidate of the cell is
                self.candidates[ladder.name][at] = found if ladder.return_to_zero else np.maximum(found, 0.0)
                self.outputs[ladder.name][at] = result.outputs[key]
                self.ran[ladder.name][task.clip, cell] = True
        if result.series.shape[1]:
            self.logits[..., task.clip, :] = self.design.pooled(result.series)

    def _failed(self, task: _Task, error: SpiceError) -> None:
        self.failures.append(f"{task.what}: {error}")
        self.logs.append(error.log)

    def read_out(self) -> None:
        """Run the readout on the slices' output currents: of the last step of each clip, or of all if they count."""
        if not isinstance(self.design.layers[-1], FeedForward) or self.pdk is None:
            return
        assert self.simulation.setup is not None
        last_alone = self.design.pooling and self.design.pooling_mode == "last"
        currents = self.outputs[self.design.ladders[-1].name][-1 if last_alone else 0 :]
        complete = np.flatnonzero(np.isfinite(currents).all(axis=(0, 2)))
        if not len(complete):
            return
        # a negative current is leakage, which must not drive the diode
        given = np.maximum(currents[:, complete], 0.0)
        steps = given.reshape(-1, given.shape[-1])
        task = _Task(-1, "readout", partial(readout_deck, self.design, steps, *self._where()))
        for _, result in self.run([task]):
            if isinstance(result, SpiceError):
                self._failed(task, result)
            else:
                series = result.series.reshape(*given.shape[:2], -1)
                self.logits[..., complete, :] = self.design.pooled(series)

    def _where(self) -> tuple[Pdk, TransistorSetup]:
        assert self.pdk is not None
        assert self.simulation.setup is not None
        return self.pdk, self.simulation.setup


def _emptied(items: list[tuple[_Task, DeckReading]]) -> Iterator[tuple[_Task, DeckReading]]:
    while items:
        yield items.pop(0)
