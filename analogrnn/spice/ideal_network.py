"""A network in ideal subcircuits: the whole analog core in one deck, or one ladder with its own front end.

Ladders share no feedback, so one ladder by itself (a slice) behaves as in the deck of the whole network.
"""

import numpy as np

from analogrnn import library
from analogrnn.design import Design, FeedForward, Ladder, Synapses
from analogrnn.errors import identifier
from analogrnn.schedule import Control, Schedule, build_schedule
from analogrnn.spice.deck import Deck, Element, Subcircuit, Tran, number
from analogrnn.spice.ideal_ladder import RUNIT, ladder_subcircuit, synapse_lines
from analogrnn.spice.reading import Cell, LadderProbe, ProbedDeck
from analogrnn.spice.sources import piecewise_linear, steps_waveform
from analogrnn.wiring import INPUT

LIBRARY = ("bmru_cell", "dpi", "ladder_stage", "ladder_line", "synapse", "rectifier")
SOFT = "soft_threshold"  # included where a threshold depends on the input
# an error of 1e-4 at an input node can decide a candidate near its threshold: hence the tight reltol; Gear overshoots
OPTIONS = ("reltol=1e-6", "abstol=1e-15", "vntol=1e-8", "chgtol=1e-20", "method=trap", "xmu=0.49")


def network_deck(design: Design, x: np.ndarray, *, control: Control = "none") -> ProbedDeck:
    """One deck of the entire analog core for one encoded clip x (T, D).

    Raises ParameterError for an input that the mirrors can't carry.
    """
    given = design.layers[0].synapses.checked(x)
    schedule = build_schedule(design, len(given), control)
    body, tops, probes = _Sources(design, schedule, control).flat(given)
    outputs = tuple(f"v(out_{i})" for i in range(design.layers[-1].synapses.width)) if tops else ()
    return _finish(design, schedule, body, probes, outputs)


def ladder_deck(design: Design, ladder: Ladder, cell: int, x: np.ndarray, *, control: Control = "none") -> ProbedDeck:
    """The deck of one ladder with its own front end (a slice), for the inputs x (T, D) of its layer, in units.

    Raises ParameterError for an input that the mirrors can't carry.
    """
    given = ladder.synapses.checked(x, first=ladder.synapses is design.layers[0].synapses)
    schedule = build_schedule(design, len(given), control)
    body, probes = _Sources(design, schedule, control).slice(ladder, cell, given)
    return _finish(design, schedule, body, probes, ())


class _Sources:
    """Writes the elements of a deck: inputs, clock, layers."""

    def __init__(self, design: Design, schedule: Schedule, control: Control) -> None:
        self.design, self.schedule, self.control = design, schedule, control

    def flat(self, x: np.ndarray) -> tuple[list[Element], bool, dict[Cell, LadderProbe]]:
        """All layers: the elements, whether the last layer gives logits, and the probes of the ladders."""
        design = self.design
        subcircuits: list[Element] = []
        top: list[Element] = [*self._inputs(design.layers[0].synapses, x)]
        lines = {INPUT: [f"in_{j}" for j in range(x.shape[1])]}
        ladders: dict[Cell, LadderProbe] = {}
        for layer in design.layers:
            name = identifier("Layer.name", layer.name)
            gates, phase = design.wiring.lines(layer.name, lines), design.wiring.phase[layer.name]
            if isinstance(layer, Ladder):
                top += self._clock(layer, phase)
                outputs = [f"h_{name}_{i}" for i in range(layer.width)]
                for i, out in enumerate(outputs):
                    subcircuits.append(self._subcircuit(layer, i, phase))
                    ladders[layer.name, i] = _probe(layer, i, f"xladder_{name}_{i}", out)
                    top.append(f"Xladder_{name}_{i} {' '.join(gates)} clk_{name} {out} vdd vss ladder_{name}_{i}")
                    top.append(f"Xd_{out} {out} vss input_diode")
                lines[layer.name] = outputs
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
            lines[layer.name] = [f"g_{name}_{i}" for i in range(layer.synapses.width)]
        return subcircuits + top, isinstance(design.layers[-1], FeedForward), ladders

    def slice(self, ladder: Ladder, cell: int, x: np.ndarray) -> tuple[list[Element], dict[Cell, LadderProbe]]:
        """One ladder with its front end."""
        name = f"{identifier('Ladder.name', ladder.name)}_{cell}"
        gates = " ".join(f"in_{j}" for j in range(x.shape[1]))
        lines: list[Element] = [
            self._subcircuit(ladder, cell, 0),
            *self._inputs(ladder.synapses, x),
            *self._clock(ladder, 0),
            f"Xladder_{name} {gates} clk_{ladder.name} h_{name} vdd vss ladder_{name}",
            f"Xd_{name} h_{name} vss input_diode",
        ]
        return lines, {(ladder.name, cell): _probe(ladder, cell, f"xladder_{name}", f"h_{name}")}

    def _subcircuit(self, ladder: Ladder, cell: int, phase: int) -> Subcircuit:
        return ladder_subcircuit(self.design, ladder, cell, self.schedule, self.schedule.lead_of(phase), self.control)

    def _inputs(self, synapses: Synapses, x: np.ndarray) -> list[str]:
        """Input currents, offset into the first quadrant; the first frame also holds during reset and presets."""
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
            at = start + self.schedule.lead_of(phase) * (ladder.return_to_zero)
            wave = piecewise_linear([(0.0, 0.0), (at, 0.0), (at + edge, 1.0)]) if at > 0 else "DC 1"
        else:
            shape = (start + self.schedule.lead_of(phase), edge, edge, timing.pulse - edge, timing.period)
            wave = f"PULSE(0 1 {' '.join(number(value) for value in shape)})"
        return [f"Vclk_{ladder.name} clk_{ladder.name} vss {wave}"]


def _blocks(design: Design) -> tuple[str, ...]:
    """The files of circuits/ideal that the decks of a Design include."""
    return (*LIBRARY, SOFT) if any(ladder.gate is not None for ladder in design.ladders) else LIBRARY


def _probe(ladder: Ladder, cell: int, instance: str, output: str) -> LadderProbe:
    stages = int(ladder.counts[cell])
    return LadderProbe(instance.lower(), stages, f"v({instance}.cand)".lower(), f"v({output})".lower())


def _finish(
    design: Design, schedule: Schedule, body: list[Element], probes: dict[Cell, LadderProbe], logits: tuple[str, ...]
) -> ProbedDeck:
    saved = list(logits)
    for probe in probes.values():
        saved += [f"v({probe.instance}.{kind}{j + 1})" for kind in "an" for j in range(probe.stages)]
        saved += [probe.candidate, probe.output]
    timing = schedule.timing
    deck = Deck(
        f"{identifier('Design.name', design.name)}: {design.stages} memory stages, {schedule}",
        ("* ground reference, supply", "Vss vss 0 DC 0", f"Vdd vdd vss DC {number(design.technology.supply)}", *body),
        Tran(timing.pulse / 10, schedule.duration, timing.period / 10, uic=True),
        blocks=tuple(library.circuit("ideal", name).rstrip() for name in _blocks(design)),
        options=OPTIONS,
        saves=tuple(saved),
    )
    return ProbedDeck(deck, schedule, design.technology.supply, design.unit_current, probes, logits)
