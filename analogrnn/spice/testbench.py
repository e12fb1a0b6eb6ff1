"""A network's deck, and what a run of it says: the whole analog core in one deck, or one deck a ladder.

Ladders share no feedback, so a slice of one ladder with its own front end behaves as it does in the flat deck.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analogrnn import library
from analogrnn.design import Design, FeedForward, Ladder, Synapses
from analogrnn.errors import SpiceError, identifier
from analogrnn.schedule import Schedule, build_schedule
from analogrnn.spice.deck import RUNIT, ladder_subcircuit, number, piecewise_linear, steps_waveform, synapse_lines
from analogrnn.spice.engine import Job, Ngspice, run_decks
from analogrnn.spice.raw import Waveforms

LIBRARY = ("bmru_cell", "dpi", "ladder_stage", "ladder_line", "synapse", "rectifier")
# an input node that is off by 1e-4 decides a candidate near its threshold: so reltol is tight; Gear overshoots there
OPTIONS = ".options reltol=1e-6 abstol=1e-15 vntol=1e-8 chgtol=1e-20 method=trap xmu=0.49"


@dataclass(frozen=True, eq=False)
class NetworkDeck:
    """A deck with all that is needed to run it and to read its result.

    ladders  (layer, cell) -> instance whose nodes a1..aN are the states of its stages
    logits   (class,) nodes of the output currents, empty in a slice
    """

    text: str
    schedule: Schedule
    ladders: Mapping[tuple[str, int], str]
    stages: Mapping[str, int]
    logits: tuple[str, ...]
    supply: float
    unit: float

    def job(self, timeout: float = 600.0) -> Job:
        return Job(self.text, self.schedule.duration, timeout)


@dataclass(frozen=True, eq=False)
class DeckReading:
    """What a deck's run says at the frames' read times.

    stages[layer, cell] (T, N) bool; candidates[layer, cell] (T,) A, scaled as on the line; logits (classes,) in units
    """

    stages: dict[tuple[str, int], np.ndarray]
    candidates: dict[tuple[str, int], np.ndarray]
    logits: np.ndarray


def network_deck(design: Design, x: np.ndarray, *, control: str = "none") -> NetworkDeck:
    """One deck of the entire analog core for one encoded clip x (T, D).

    Raises ParameterError for an input that the mirrors can't carry.
    """
    given = design.layers[0].synapses.checked(x)
    schedule = build_schedule(design, len(given), control)
    body, tops, ladders = _Sources(design, schedule, control).flat(given)
    outputs = tuple(f"out_{i}" for i in range(design.layers[-1].synapses.width)) if tops else ()
    return _finish(design, schedule, body, ladders, outputs)


def ladder_deck(design: Design, ladder: Ladder, cell: int, x: np.ndarray, *, control: str = "none") -> NetworkDeck:
    """A slice: one ladder with its own front end, for its layer's inputs x (T, D) in units."""
    given = ladder.synapses.checked(x)
    schedule = build_schedule(design, len(given), control)
    body, ladders = _Sources(design, schedule, control).slice(ladder, cell, given)
    return _finish(design, schedule, body, ladders, ())


def read_deck(deck: NetworkDeck, waves: Waveforms) -> DeckReading:
    """Sample a run at the read times. Raises SpiceError if a state node is neither high nor low there."""
    times = deck.schedule.read_times()

    def sample(signal: str) -> np.ndarray:
        return np.interp(times, waves.axis, waves[signal])

    stages, candidates = {}, {}
    for (layer, cell), instance in deck.ladders.items():
        states = np.stack([sample(f"v({instance}.a{j + 1})") for j in range(deck.stages[layer])], axis=1)
        undecided = np.argwhere((states > 0.2 * deck.supply) & (states < 0.8 * deck.supply))
        if len(undecided):
            t, j = (int(n) for n in undecided[0])
            raise SpiceError(f"{instance} stage {j + 1} is at {states[t, j]:.3g} V at step {t}, between ON and OFF.")
        stages[layer, cell] = states < 0.5 * deck.supply
        candidates[layer, cell] = sample(f"v({instance}.cand)") / RUNIT
    logits = np.array([waves[f"v({node})"][-1] for node in deck.logits]) / (RUNIT * deck.unit)
    return DeckReading(stages, candidates, logits)


def run_network_decks(decks: Sequence[NetworkDeck], *, workers: int | None = None, ngspice: Ngspice | None = None,
                      timeout: float = 600.0) -> Iterator[tuple[int, DeckReading | SpiceError]]:  # fmt: skip
    """Run decks in parallel; yield (index, reading or the error of that run) as each completes."""
    jobs = [deck.job(timeout) for deck in decks]
    for index, result in run_decks(jobs, workers, ngspice):
        if isinstance(result, SpiceError):
            yield index, result
            continue
        try:
            yield index, read_deck(decks[index], result)
        except SpiceError as error:
            yield index, error


class _Sources:
    """Writes the elements of a deck: inputs, clock, layers."""

    def __init__(self, design: Design, schedule: Schedule, control: str) -> None:
        self.design, self.schedule, self.control = design, schedule, control

    def flat(self, x: np.ndarray) -> tuple[list[str], bool, dict[tuple[str, int], str]]:
        """All layers; returns the lines, whether the last layer gives logits, and the ladders' instances."""
        design = self.design
        subcircuits: list[str] = []
        top = self._inputs(design.layers[0].synapses, x)
        gates = [f"in_{j}" for j in range(x.shape[1])]
        ladders: dict[tuple[str, int], str] = {}
        phase = 0
        for layer in design.layers:
            name = identifier("Layer.name", layer.name)
            if isinstance(layer, Ladder):
                top += self._clock(layer, phase)
                outputs = [f"h_{name}_{i}" for i in range(layer.width)]
                for i, out in enumerate(outputs):
                    subcircuits += self._subcircuit(layer, i, phase)
                    ladders[layer.name, i] = f"xladder_{name}_{i}".lower()
                    top.append(f"Xladder_{name}_{i} {' '.join(gates)} clk_{name} {out} vdd vss ladder_{name}_{i}")
                    top.append(f"Xd_{out} {out} vss input_diode")
                gates, phase = outputs, phase + 1
                continue
            last = layer is design.layers[-1]
            nodes = [f"out_{i}" if last else f"s_{name}_{i}" for i in range(layer.synapses.width)]
            for i, node in enumerate(nodes):
                rows = synapse_lines(layer.synapses, i, gates, node, design.unit_current)
                # element names must be unique at the top level
                top += [row.replace(" ", f"_{name} ", 1) for row in rows]
                top.append(
                    f"X{node} {node} g_{name}_{i} vss rectifier"
                    if layer.rectifier
                    else f"R{node} {node} vss {number(RUNIT)}"
                )
            gates = [f"g_{name}_{i}" for i in range(layer.synapses.width)]
        return subcircuits + top, isinstance(design.layers[-1], FeedForward), ladders

    def slice(self, ladder: Ladder, cell: int, x: np.ndarray) -> tuple[list[str], dict[tuple[str, int], str]]:
        """One ladder with its front end."""
        name = f"{identifier('Ladder.name', ladder.name)}_{cell}"
        gates = " ".join(f"in_{j}" for j in range(x.shape[1]))
        lines = self._subcircuit(ladder, cell, 0) + self._inputs(ladder.synapses, x) + self._clock(ladder, 0)
        lines += [
            f"Xladder_{name} {gates} clk_{ladder.name} h_{name} vdd vss ladder_{name}",
            f"Xd_{name} h_{name} vss input_diode",
        ]
        return lines, {(ladder.name, cell): f"xladder_{name}".lower()}

    def _subcircuit(self, ladder: Ladder, cell: int, phase: int) -> list[str]:
        return ladder_subcircuit(self.design, ladder, cell, self.schedule, self._lead(phase), self.control)

    def _lead(self, phase: int) -> float:
        # a later layer's pulse follows once the outputs of the one before have moved
        return self.schedule.lead + 2.0 * phase * self.schedule.timing.pulse

    def _inputs(self, synapses: Synapses, x: np.ndarray) -> list[str]:
        """Input currents, offset into the first quadrant; the first frame's values stand during reset and presets."""
        before = np.repeat(x[:1], self.schedule.first_frame, axis=0)
        currents = (np.concatenate([before, x]) + synapses.offset) * self.design.unit_current
        lines = []
        for j in range(x.shape[1]):
            lines.append(f"Iin_{j} vss in_{j} {steps_waveform(self.schedule, currents[:, j])}")
            lines.append(f"Xd_in_{j} in_{j} vss input_diode")
        return lines

    def _clock(self, ladder: Ladder, phase: int) -> list[str]:
        schedule, timing = self.schedule, self.design.timing
        start, edge = schedule.first_frame * timing.period, timing.pulse / 100.0
        if self.control == "no_return_to_zero" or not ladder.return_to_zero:
            at = start + self._lead(phase) * (ladder.return_to_zero)
            wave = piecewise_linear([(0.0, 0.0), (at, 0.0), (at + edge, 1.0)]) if at > 0 else "DC 1"
        else:
            shape = (start + self._lead(phase), edge, edge, timing.pulse - edge, timing.period)
            wave = f"PULSE(0 1 {' '.join(number(value) for value in shape)})"
        return [f"Vclk_{ladder.name} clk_{ladder.name} vss {wave}"]


def _finish(design: Design, schedule: Schedule, body: list[str], ladders: dict[tuple[str, int], str],
            logits: tuple[str, ...]) -> NetworkDeck:  # fmt: skip
    stages = {ladder.name: ladder.stages for ladder in design.ladders}
    saved = [f"v({node})" for node in logits]
    for (layer, _), instance in ladders.items():
        saved += [f"v({instance}.a{j + 1})" for j in range(stages[layer])]
        saved += [f"v({instance}.n{j + 1})" for j in range(stages[layer])]
        saved.append(f"v({instance}.cand)")
    rows = [" ".join(saved[i : i + 8]) for i in range(0, len(saved), 8)]
    timing = schedule.timing
    text = "\n".join(
        [
            f"* {identifier('Design.name', design.name)}: {design.stages} memory stages, "
            f"{schedule.reset_steps} reset + {schedule.preset_steps} preset + {schedule.frames} steps",
            *(library.circuit("ideal", name).rstrip() for name in LIBRARY),
            "* ground reference, supply",
            "Vss vss 0 DC 0",
            f"Vdd vdd vss DC {number(design.technology.supply)}",
            *body,
            OPTIONS,
            *(f".save {row}" for row in rows),
            f".tran {number(timing.pulse / 10)} {number(schedule.duration)} 0 {number(timing.period / 10)} uic",
            ".end",
            "",
        ]
    )
    return NetworkDeck(text, schedule, ladders, stages, logits, design.technology.supply, design.unit_current)
