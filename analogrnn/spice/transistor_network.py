"""A whole network in transistors of GF180MCU as one deck, or a slice: one ladder with its own front end.

The supply, one reference current, the clock lines, the input currents and the 0 V sources that measure are ideal. The
signed currents of the readout flow into a voltage source of VLOAD. A first-quadrant BMRU has no clock: its line is the
same block with the clock high at all times after the reset, and it must start OFF.

Not modelled: wiring, clock drivers, the reference; spread of capacitors and of the cascode devices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from analogrnn.biases import soft_bias_units
from analogrnn.design import Design, FeedForward, Ladder
from analogrnn.errors import MappingError, ParameterError, identifier
from analogrnn.mismatch import DeviceDraw, draw_ladder, draw_layers
from analogrnn.schedule import Schedule, build_schedule
from analogrnn.spice.deck import Deck, Subcircuit, Tran, number
from analogrnn.spice.nodesets import coarse_nodesets, rail_nodesets, soft_bias_nodesets
from analogrnn.spice.pdk import Pdk, model_lines, require_process
from analogrnn.spice.reading import Cell, LadderProbe, ProbedDeck
from analogrnn.spice.sources import piecewise_linear
from analogrnn.spice.transistor_ladder import (
    TransistorOptions,
    block_name,
    diode_line,
    input_sources,
    ladder_block,
    library_blocks,
    pulse_window,
    reference_lines,
    reference_ports,
    row_lines,
)
from analogrnn.wiring import INPUT, Reader

# with Gear a DPI overshoots; the trapezoidal rule rings in currents of 0 V sources, which xmu damps
SETTINGS = ("gmin=1e-16", "abstol=1e-15", "chgtol=1e-17", "reltol=1e-3", "trtol=5", "method=trap", "xmu=0.4")
VLOAD = 0.8  # V at the outputs of the readout: the mirrors of both signs stay saturated
HOW_TO_RUN = """\
* Run it with: ngspice -b -r out.raw THIS_FILE
* in a folder that holds GF180MCU's design.ngspice and sm141064.ngspice or links to them (PDK: libs.tech/ngspice)."""

Draws = Mapping[str, DeviceDraw]


@dataclass(frozen=True, eq=False)
class TransistorSetup:
    """How a network's deck is built, and its operating conditions.

    options   corner, temperature, supply, maps, control; its draws are ignored
    ladders   layer -> draws of `mismatch.draw_ladder`; no entry: nominal
    synapses  layer -> draws of `mismatch.draw_layers`
    """

    options: TransistorOptions = field(default_factory=TransistorOptions)
    ladders: Mapping[str, Draws] = field(default_factory=dict)
    synapses: Mapping[str, Draws] = field(default_factory=dict)

    def of(self, layer: FeedForward | Ladder) -> TransistorOptions:
        """The options of one layer, its draws included."""
        gate = layer.gate if isinstance(layer, Ladder) else None
        return replace(
            self.options,
            draws=self.ladders.get(layer.name, {}),
            synapse_draws=self.synapses.get(layer.name, {}),
            gate_draws={} if gate is None else self.synapses.get(gate.name, {}),
        )


def chip_setup(
    design: Design, seed: int, chip: int, options: TransistorOptions | None = None, *, scale: float = 1.0
) -> TransistorSetup:
    """The setup of chip number `chip`, with the draws behind the tables of `chip.draw_chip(design, seed, chip)`.

    >>> setup = ar.chip_setup(design, seed=1, chip=7, options=ar.TransistorOptions(corner="ss"))

    `scale` multiplies every deviation, as in `draw_chip`.
    """

    def scaled(draws: Draws) -> Draws:
        return {name: DeviceDraw(d.vth * scale, d.beta * scale, d.delta * scale) for name, d in draws.items()}

    return TransistorSetup(
        options or TransistorOptions(),
        {ladder.name: scaled(draw_ladder(design, ladder, seed, chip)) for ladder in design.ladders},
        {name: scaled(draws) for name, draws in draw_layers(design, seed, chip).items()},
    )


def network_transistors(design: Design, x: np.ndarray, pdk: Pdk, setup: TransistorSetup | None = None) -> ProbedDeck:
    """One deck of the entire analog core for one encoded clip x (T, D).

    Raises ParameterError for inputs that the mirrors can't carry and for an unknown control, MappingError for a
    first-quadrant cell that does not start OFF.
    """
    writer = _Writer(design, x, setup or TransistorSetup())
    lines = {INPUT: writer.inputs(design.layers[0])}
    for layer in design.layers:
        gates = design.wiring.lines(layer.name, lines)
        if isinstance(layer, Ladder):
            lines[layer.name] = writer.ladders(layer, range(layer.width), gates)
        else:
            lines[layer.name] = writer.rows(layer, gates, last=layer is design.layers[-1])
    return writer.deck(pdk)


def ladder_slice(
    design: Design, ladder: Ladder, cells: Sequence[int], x: np.ndarray, pdk: Pdk, setup: TransistorSetup | None = None
) -> ProbedDeck:
    """Some ladders of the first layer with their own front ends, for encoded inputs x (T, D).

    Ladders share no feedback, so a slice behaves as in the deck of the whole network. Raises as `network_transistors`,
    and MappingError for a layer that is fed by another layer.
    """
    if ladder is not design.layers[0]:
        raise MappingError(
            f"{ladder.name} is fed by another layer, not by the inputs; run the whole network in one deck."
        )
    writer = _Writer(design, x, setup or TransistorSetup())
    writer.ladders(ladder, cells, writer.inputs(ladder))
    return writer.deck(pdk)


def readout_deck(design: Design, currents: np.ndarray, pdk: Pdk, setup: TransistorSetup | None = None) -> ProbedDeck:
    """The deck of the layers after the last ladder, with given output currents (S, d) in A, one row per step.

    `read_deck(...).series` of its run are the logits of S clips whose ladders ran as slices. Raises ParameterError if
    the network has no such layers.
    """
    at = max(i for i, layer in enumerate(design.layers) if isinstance(layer, Ladder))
    behind = design.layers[at + 1 :]
    if not behind:
        raise ParameterError(f"{design.name} has no layer after its last ladder, so there is no readout to run.")
    offset = behind[0].synapses.offset
    writer = _Writer(design, currents / design.unit_current - offset, setup or TransistorSetup(), behind)
    gates = writer.inputs(behind[0])
    for layer in behind:
        assert isinstance(layer, FeedForward)
        gates = writer.rows(layer, gates, last=layer is behind[-1])
    return writer.deck(pdk)


class _Writer:
    """Collects the elements of one deck: subcircuits, and separately the top level."""

    def __init__(
        self,
        design: Design,
        x: np.ndarray,
        setup: TransistorSetup,
        layers: Sequence[FeedForward | Ladder] | None = None,
    ) -> None:
        require_process(design.technology)
        self.design, self.setup = design, setup
        first = (layers or design.layers)[0]
        self.x = first.synapses.checked(x, first=layers is None)
        if layers is None:
            self.schedule = build_schedule(design, len(self.x), setup.options.control)
        else:
            self.schedule = Schedule(design.timing, 0, 0, len(self.x))
        self.supply = setup.options.supply or design.technology.supply
        self.blocks: list[Subcircuit] = []
        self.top: list[str] = []
        self.saved: list[str] = []
        self.nodes: dict[str, float] = {}
        self.probes: dict[Cell, LadderProbe] = {}
        self.leads: dict[str, float] = {}
        self.presets: set[int] = set()
        self.logits: tuple[str, ...] = ()

    def inputs(self, layer: FeedForward | Ladder) -> list[str]:
        """Add sources and diodes of the first layer's inputs; return their gate lines."""
        self.top += input_sources(layer.synapses, self.x, self.schedule, self.design)
        nodes = [f"in_{j}" for j in range(layer.synapses.inputs)]
        return self._diodes(nodes, Reader(layer.name, 0), range(len(nodes)))

    def _diodes(self, nodes: Sequence[str], reader: Reader | None, which: Sequence[int]) -> list[str]:
        """Add the diodes `which` of a source, with the draws of the layer that reads it first, if any does."""
        draws, start = (self.setup.synapses.get(reader.name, {}), reader.start) if reader else ({}, 0)
        self.top += [diode_line(self.design, node, draws, start + j) for node, j in zip(nodes, which, strict=True)]
        self.nodes |= dict.fromkeys(nodes, 0.5)
        return list(nodes)

    def ladders(self, ladder: Ladder, cells: Sequence[int], gates: Sequence[str]) -> list[str]:
        """Add ladders of a layer with their output diodes; return the lines of their outputs."""
        name = identifier("Layer.name", ladder.name)
        if not ladder.return_to_zero and np.any(ladder.preset_pulses):
            raise MappingError(
                f"{ladder.name} has no clock and therefore no preset pulse; train it to start from zero."
            )
        self.leads[name] = lead = self.schedule.lead_of(self.design.wiring.phase[name])
        self.top.append(f"Vclk_{name} clk_{name} vss {self._clock(ladder, lead)}")
        outputs: list[str] = []
        for cell in cells:
            pulses, out = int(ladder.preset_pulses[cell]), f"h_{name}_{cell}"
            self.presets |= {pulses} if pulses else set()
            instance, outputs = f"xladder_{name}_{cell}".lower(), [*outputs, out]
            preset = f"preset_{pulses}" if pulses else "vss"
            self.blocks.append(ladder_block(self.design, ladder, cell, self.setup.of(ladder)))
            ports = f"{' '.join(gates)} clk_{name} run {preset} {reference_ports(ladder)} o_{out} vdd vss"
            self.top.append(f"Xladder_{name}_{cell} {ports} {block_name(ladder, cell)}")
            self.top.append(f"V{out} o_{out} {out} DC 0")
            probe = LadderProbe(instance, int(ladder.counts[cell]), f"i(v.{instance}.vcand)", f"i(v{out})".lower())
            self.probes[ladder.name, cell] = probe
            self.saved += [f"v({instance}.{kind}{j + 1})" for kind in "an" for j in range(probe.stages)]
            self.saved += [probe.candidate, probe.output, f"v({instance}.bu)"]
            self.nodes |= coarse_nodesets(instance, ladder, cell, self.supply, positive=self._positive(ladder, cell))
        self._diodes(outputs, self.design.wiring.first_reader(name), cells)
        self.nodes |= dict.fromkeys(outputs, 0.0)  # all stages are OFF
        return outputs

    def _positive(self, ladder: Ladder, cell: int) -> bool:
        """Whether a ladder's first candidate is positive; layers before it deliver no current at the start."""
        synapses, total = ladder.synapses, float(ladder.synapses.bias[cell])
        for source in self.design.wiring.sources[ladder.name]:
            if source.name == INPUT:
                total += float(synapses.ratio[cell, source.columns] @ (self.x[0] + synapses.offset[source.columns]))
        return (total > 0.0) == (ladder.gate is None)  # a soft threshold inverts

    def rows(self, layer: FeedForward, gates: Sequence[str], *, last: bool) -> list[str]:
        """Add a layer of weights, one subcircuit per row; its outputs drive rectifying diodes, or VLOAD."""
        name, synapses = identifier("Layer.name", layer.name), layer.synapses
        draws = self.setup.of(layer).synapse_draws
        ends = [f"out_{i}" if last else f"s_{name}_{i}" for i in range(synapses.width)]
        ports = " ".join(f"in_{j}" for j in range(synapses.inputs))
        for i, end in enumerate(ends):
            lines = row_lines(self.design, synapses, i, draws)
            self.blocks.append(Subcircuit(f"row_{name}_{i}", f"{ports} nref bcasn bcasp cand vdd vss", tuple(lines)))
            node = f"r_{end}" if last else end
            self.top.append(f"Xrow_{name}_{i} {' '.join(gates)} nref bcasn bcasp {node} vdd vss row_{name}_{i}")
            if synapses.has_rail(i):
                self.nodes |= rail_nodesets(f"xrow_{name}_{i}".lower(), self.supply)
        if not last:
            return self._diodes(ends, self.design.wiring.first_reader(name), range(len(ends)))
        hold = ends if layer.rectifier else ["vload"] * len(ends)
        self.top += [f"V{end} r_{end} {node} DC 0" for end, node in zip(ends, hold, strict=True)]
        self.top += [f"Vload vload vss DC {number(VLOAD)}"] if not layer.rectifier else []
        self.logits = tuple(f"i(v{end})" for end in ends)
        self.saved += self.logits
        return self._diodes(ends, None, range(len(ends))) if layer.rectifier else ends

    def _clock(self, ladder: Ladder, lead: float) -> str:
        schedule, timing = self.schedule, self.schedule.timing
        start, edge = schedule.first_frame * timing.period, timing.pulse / 100.0
        if self.setup.options.control == "no_return_to_zero" or not ladder.return_to_zero:
            at = start + lead * ladder.return_to_zero
            return piecewise_linear([(0.0, 0.0), (at, 0.0), (at + edge, self.supply)])
        shape = (start + lead, edge, edge, timing.pulse - edge, timing.period)
        return f"PULSE(0 {number(self.supply)} {' '.join(number(value) for value in shape)})"

    def _run_lines(self) -> list[str]:
        """run: high after the reset. preset_n: n pulses in the last n steps before the first frame."""
        schedule, timing = self.schedule, self.schedule.timing
        start, edge = schedule.reset_steps * timing.period, timing.pulse / 100.0
        run = piecewise_linear([(0.0, 0.0), (start, 0.0), (start + edge, self.supply)])
        lines = [f"Vrun run vss {run if start else f'DC {number(self.supply)}'}"] if self.leads else []
        for count in sorted(self.presets):
            points = [(0.0, 0.0)]
            for m in range(schedule.first_frame - count, schedule.first_frame):
                at = m * timing.period + schedule.lead
                points += [
                    (at, 0.0),
                    (at + edge, self.supply),
                    (at + timing.pulse, self.supply),
                    (at + timing.pulse + edge, 0.0),
                ]
            lines.append(f"Vpreset_{count} preset_{count} vss {piecewise_linear(points)}")
        return lines

    def deck(self, pdk: Pdk) -> ProbedDeck:
        """The complete deck with its clock and probes."""
        design, schedule, options = self.design, self.schedule, self.setup.options
        nodes = {"nref": 0.4, "bcasn": 0.5, "bcasp": self.supply - 0.7, "xcascode.y": self.supply - 0.6} | self.nodes
        if soft_bias_units(design):
            nodes |= soft_bias_nodesets(self.supply)
        timing = schedule.timing
        deck = Deck(
            f"{identifier('Design.name', design.name)} in transistors: {len(self.probes)} ladders, {schedule}",
            (
                *self.blocks,
                "* supply, one reference current, clock lines, inputs; a V source of 0 V measures",
                "Vss vss 0 DC 0",
                f"Vdd vdd vss DC {number(self.supply)}",
                f"Iref vdd nref DC {number(design.unit_current)}",
                *reference_lines(design),
                *self._run_lines(),
                *self.top,
            ),
            Tran(timing.pulse / 10, schedule.duration, timing.period),
            notes=(HOW_TO_RUN,),
            models=model_lines(pdk, options.corner),
            temperature=options.temperature,
            blocks=library_blocks(design),
            options=SETTINGS,
            nodesets={node: round(volt, 3) for node, volt in nodes.items()},
            saves=("i(vdd)", *self.saved),
        )
        return ProbedDeck(
            deck,
            schedule,
            self.supply,
            design.unit_current,
            self.probes,
            self.logits,
            windows={name: pulse_window(lead, timing.pulse) for name, lead in self.leads.items()},
            gain=1.0,
            allowed_paths=pdk.paths,
        )
