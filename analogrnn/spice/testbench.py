"""A network's deck, and what a run of it says: the whole analog core in one deck, or one deck a ladder.

Ladders share no feedback, so a slice of one ladder with its own front end behaves as it does in the flat deck.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from analogrnn import library
from analogrnn.design import Design, FeedForward, Ladder, Synapses
from analogrnn.errors import identifier
from analogrnn.schedule import Schedule, build_schedule
from analogrnn.spice.deck import RUNIT, ladder_subcircuit, number, piecewise_linear, steps_waveform, synapse_lines
from analogrnn.spice.engine import Job
from analogrnn.spice.raw import Waveforms

AVERAGED = 32  # samples of a candidate's window: the integration method leaves a ripple on currents
LIBRARY = ("bmru_cell", "dpi", "ladder_stage", "ladder_line", "synapse", "rectifier")
# an input node that is off by 1e-4 decides a candidate near its threshold: so reltol is tight; Gear overshoots there
OPTIONS = ".options reltol=1e-6 abstol=1e-15 vntol=1e-8 chgtol=1e-20 method=trap xmu=0.49"


@dataclass(frozen=True)
class Probe:
    """What shows one ladder: the instance whose nodes a1..aN are the states of its stages, and two signals."""

    instance: str
    candidate: str
    output: str


@dataclass(frozen=True, eq=False)
class NetworkDeck:
    """A deck with all that is needed to run it and to read its result.

    ladders  (layer, cell) -> instance
    logits   (class,) signals of the output currents, empty in a slice
    probes   (layer, cell) -> its signals; times `gain` they are currents in A
    windows  layer -> (from, to) s after a step's start, over which candidates are averaged; no entry: with the stages
    """

    text: str
    schedule: Schedule
    ladders: Mapping[tuple[str, int], str]
    stages: Mapping[str, int]
    logits: tuple[str, ...]
    supply: float
    unit: float
    probes: Mapping[tuple[str, int], Probe] = field(default_factory=dict)
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    gain: float = 1.0 / RUNIT
    allowed_paths: frozenset[Path] = frozenset()

    def job(self, timeout: float = 3600.0) -> Job:
        return Job(self.text, self.schedule.duration, timeout, allowed_paths=self.allowed_paths)


@dataclass(frozen=True, eq=False)
class DeckReading:
    """What a deck's run says at the frames' read times.

    stages[layer, cell] (T, N) bool; decided[layer, cell] (T, N) bool: the state node is clearly high or low;
    candidates[layer, cell] (T,) A, scaled as on the line; outputs[layer, cell] (T,) A, all stages' output currents;
    series (T, classes) and logits (classes,) = its last row, in units
    """

    stages: dict[tuple[str, int], np.ndarray]
    decided: dict[tuple[str, int], np.ndarray]
    candidates: dict[tuple[str, int], np.ndarray]
    outputs: dict[tuple[str, int], np.ndarray]
    series: np.ndarray

    @property
    def logits(self) -> np.ndarray:
        return np.asarray(self.series[-1])


def network_deck(design: Design, x: np.ndarray, *, control: str = "none") -> NetworkDeck:
    """One deck of the entire analog core for one encoded clip x (T, D).

    Raises ParameterError for an input that the mirrors can't carry.
    """
    given = design.layers[0].synapses.checked(x)
    schedule = build_schedule(design, len(given), control)
    body, tops, probes = _Sources(design, schedule, control).flat(given)
    outputs = tuple(f"v(out_{i})" for i in range(design.layers[-1].synapses.width)) if tops else ()
    return _finish(design, schedule, body, probes, outputs)


def ladder_deck(design: Design, ladder: Ladder, cell: int, x: np.ndarray, *, control: str = "none") -> NetworkDeck:
    """A slice: one ladder with its own front end, for its layer's inputs x (T, D) in units."""
    given = ladder.synapses.checked(x)
    schedule = build_schedule(design, len(given), control)
    body, probes = _Sources(design, schedule, control).slice(ladder, cell, given)
    return _finish(design, schedule, body, probes, ())


def read_deck(deck: NetworkDeck, waves: Waveforms) -> DeckReading:
    """Sample a run at the read times."""
    times, schedule = deck.schedule.read_times(), deck.schedule
    starts = schedule.starts()[schedule.first_frame :]

    def sample(signal: str, at: np.ndarray) -> np.ndarray:
        return np.interp(at, waves.axis, waves[signal])

    stages, decided, candidates, outputs = {}, {}, {}, {}
    for (layer, cell), probe in deck.probes.items():
        nodes = [f"v({probe.instance}.a{j + 1})" for j in range(deck.stages[layer])]
        part = np.stack([sample(node, times) for node in nodes], axis=1) / deck.supply
        stages[layer, cell], decided[layer, cell] = part < 0.5, np.abs(part - 0.5) > 0.3
        moments = [times]
        if layer in deck.windows:
            moments = [starts + moment for moment in np.linspace(*deck.windows[layer], AVERAGED)]
        candidates[layer, cell] = np.mean([sample(probe.candidate, at) for at in moments], axis=0) * deck.gain
        outputs[layer, cell] = sample(probe.output, times) * deck.gain
    series = np.empty((len(times), 0))
    if deck.logits:
        series = np.stack([sample(signal, times) for signal in deck.logits], axis=1) * deck.gain / deck.unit
    return DeckReading(stages, decided, candidates, outputs, series)


class _Sources:
    """Writes the elements of a deck: inputs, clock, layers."""

    def __init__(self, design: Design, schedule: Schedule, control: str) -> None:
        self.design, self.schedule, self.control = design, schedule, control

    def flat(self, x: np.ndarray) -> tuple[list[str], bool, dict[tuple[str, int], Probe]]:
        """All layers; returns the lines, whether the last layer gives logits, and the ladders' signals."""
        design = self.design
        subcircuits: list[str] = []
        top = self._inputs(design.layers[0].synapses, x)
        gates = [f"in_{j}" for j in range(x.shape[1])]
        ladders: dict[tuple[str, int], Probe] = {}
        phase = 0
        for layer in design.layers:
            name = identifier("Layer.name", layer.name)
            if isinstance(layer, Ladder):
                top += self._clock(layer, phase)
                outputs = [f"h_{name}_{i}" for i in range(layer.width)]
                for i, out in enumerate(outputs):
                    subcircuits += self._subcircuit(layer, i, phase)
                    ladders[layer.name, i] = _probe(f"xladder_{name}_{i}", out)
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

    def slice(self, ladder: Ladder, cell: int, x: np.ndarray) -> tuple[list[str], dict[tuple[str, int], Probe]]:
        """One ladder with its front end."""
        name = f"{identifier('Ladder.name', ladder.name)}_{cell}"
        gates = " ".join(f"in_{j}" for j in range(x.shape[1]))
        lines = self._subcircuit(ladder, cell, 0) + self._inputs(ladder.synapses, x) + self._clock(ladder, 0)
        lines += [
            f"Xladder_{name} {gates} clk_{ladder.name} h_{name} vdd vss ladder_{name}",
            f"Xd_{name} h_{name} vss input_diode",
        ]
        return lines, {(ladder.name, cell): _probe(f"xladder_{name}", f"h_{name}")}

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


def _probe(instance: str, output: str) -> Probe:
    return Probe(instance.lower(), f"v({instance}.cand)".lower(), f"v({output})".lower())


def _finish(
    design: Design, schedule: Schedule, body: list[str], probes: dict[tuple[str, int], Probe], logits: tuple[str, ...]
) -> NetworkDeck:
    stages = {ladder.name: ladder.stages for ladder in design.ladders}
    saved = list(logits)
    for (layer, _), probe in probes.items():
        saved += [f"v({probe.instance}.{kind}{j + 1})" for kind in "an" for j in range(stages[layer])]
        saved += [probe.candidate, probe.output]
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
    ladders = {key: probe.instance for key, probe in probes.items()}
    return NetworkDeck(
        text, schedule, ladders, stages, logits, design.technology.supply, design.unit_current, probes=probes
    )
