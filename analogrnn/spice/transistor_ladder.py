"""A ladder in transistors of GF180MCU: its deck. Supply, reference current, clock and inputs are ideal sources.

The clock includes two slow lines: `run` (low resets) and `preset`.

Not modelled: wiring, the drivers of the clock lines, the reference. Weights use fractions of unit devices, as if
devices in series provided the fractions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from analogrnn import library
from analogrnn.biases import (
    REFERENCE_UNITS,
    bias_units,
    delta_units,
    line_drive,
    row_units,
    soft_bias_units,
    source_unit,
)
from analogrnn.design import Design, Geometry, Ladder, Synapses
from analogrnn.errors import ParameterError, identifier
from analogrnn.mismatch import LADDER_DEVICES, SOFT_DEVICES, STAGE_DEVICES, DeviceDraw
from analogrnn.schedule import Control, Schedule, checked_control
from analogrnn.spice.deck import Deck, Subcircuit, Tran, number
from analogrnn.spice.ideal_ladder import trained_line
from analogrnn.spice.pdk import Corner, Pdk, model_lines, require_process
from analogrnn.spice.reading import LadderProbe, ProbedDeck
from analogrnn.spice.sources import piecewise_linear, steps_waveform
from analogrnn.technology import CellMaps

LIBRARY = ("bmru_cell", "dpi", "ladder_stage", "ladder_line", "ladder_bias", "ladder_end", "synapse")
SOFT = "soft_threshold"  # included where a threshold depends on the input
# Gear overshoots: a DPI would settle 3 % too high for ten time constants
OPTIONS = ("gmin=1e-16", "abstol=1e-15", "chgtol=1e-17", "reltol=1e-3", "trtol=3", "method=trap")
WINDOW = (0.5, 0.95)  # part of the pulse in which the candidate is read, when it decides
MARGIN = 0.2  # distance of a state node from half the supply that counts as ON or OFF, over the supply


@dataclass(frozen=True, eq=False)
class TransistorOptions:
    """How to build a deck, and its operating conditions.

    >>> options = ar.TransistorOptions(corner="ff", temperature=85.0, supply=1.62)

    draws, synapse_draws, gate_draws: the chip's draws of `mismatch.draw_ladder` for the ladder's layer, and of
    `draw_synapses` for its candidates and for its input-dependent thresholds
    """

    corner: Corner = "typical"
    temperature: float = 27.0  # C
    supply: float | None = None  # V; None: the technology's
    maps: CellMaps | None = None  # None: those of the calibration
    draws: Mapping[str, DeviceDraw] = field(default_factory=dict)
    synapse_draws: Mapping[str, DeviceDraw] = field(default_factory=dict)
    gate_draws: Mapping[str, DeviceDraw] = field(default_factory=dict)
    drive: int | None = None  # strength of the candidate's line in unit devices; None: half the stages, rounded up
    control: Control = "none"  # negative control, which must fail: see `schedule.CONTROLS`
    damping: float = (
        0.49  # xmu of a single ladder's deck: 0.5 is the trapezoidal rule; lower values ring less in currents
    )


def ladder_transistors(
    design: Design, ladder: Ladder, cell: int, x: np.ndarray, pdk: Pdk, options: TransistorOptions | None = None
) -> ProbedDeck:
    """The deck of one ladder with its front end for its layer's inputs x (T, D) in units.

    Raises ParameterError for inputs that the mirrors can't carry, an unknown control, or a ladder without a clock.
    """
    require_process(design.technology)
    options = options or TransistorOptions()
    control = checked_control(options.control)
    given = ladder.synapses.checked(x, first=ladder.synapses is design.layers[0].synapses)
    if not ladder.return_to_zero:
        raise ParameterError(f"{ladder.name} takes its candidates without a clock; it has no transistor line yet.")
    supply, timing = options.supply or design.technology.supply, design.timing
    reset = 0 if control == "no_reset" else timing.reset_steps
    schedule = Schedule(timing, reset, int(ladder.preset_pulses[cell]), len(given))
    name = f"{identifier('Ladder.name', ladder.name)}_{cell}"
    instance = f"x{name}".lower()
    gates = " ".join(f"in_{j}" for j in range(ladder.synapses.inputs))
    probe = LadderProbe(instance, int(ladder.counts[cell]), f"i(v.{instance}.vcand)", "i(vh)")
    deck = Deck(
        f"{name}: {ladder.counts[cell]} stages in transistors, {schedule}",
        (
            ladder_block(design, ladder, cell, options),
            "* supply, one reference current, clock lines, inputs; the output is held by the next block's input diode",
            "Vss vss 0 DC 0",
            f"Vdd vdd vss DC {number(supply)}",
            f"Iref vdd nref DC {number(design.unit_current)}",
            *reference_lines(design),
            *_clock_lines(schedule, supply, control),
            *_inputs(ladder.synapses, given, schedule, design),
            f"X{name} {gates} clk run preset {reference_ports(ladder)} hout vdd vss {block_name(ladder, cell)}",
            "Vh hout hload DC 0",
            f"Xload hload vss input_diode {_size(design.sizing.synapse)}",
        ),
        Tran(timing.pulse / 10, schedule.duration, timing.period / 10),
        models=model_lines(pdk, options.corner),
        temperature=options.temperature,
        blocks=library_blocks(design),
        options=(*OPTIONS, f"xmu={number(options.damping)}"),
        saves=(
            *(f"v({instance}.{kind}{j + 1})" for kind in ("a", "n") for j in range(ladder.counts[cell])),
            *("i(vdd)", f"i(v.{instance}.vstages)", f"v({instance}.cand)", f"v({instance}.bu)"),
            *(probe.output, probe.candidate),
        ),
    )
    return ProbedDeck(
        deck,
        schedule,
        supply,
        design.unit_current,
        {(ladder.name, cell): probe},
        windows={ladder.name: pulse_window(schedule.lead, timing.pulse)},
        gain=1.0,
        margin=MARGIN,
        allowed_paths=pdk.paths,
    )


def library_blocks(design: Design) -> tuple[str, ...]:
    """The text of all transistor subcircuits that the decks of a Design use."""
    soft = (SOFT,) if soft_bias_units(design) else ()
    return tuple(library.circuit("gf180mcu", block).rstrip() for block in ("devices", *LIBRARY, *soft))


def reference_ports(ladder: Ladder) -> str:
    """The lines of the reference that a ladder takes: current, cascodes, and those of its soft threshold."""
    return "nref bcasn bcasp" if ladder.gate is None else "nref bcasn bcasp vbn vbp"


def pulse_window(lead: float, pulse: float) -> tuple[float, float]:
    """(from, to) s after the start of a step: the part of the pulse, `lead` later, in which the candidate decides."""
    return lead + WINDOW[0] * pulse, lead + WINDOW[1] * pulse


def block_name(ladder: Ladder, cell: int) -> str:
    """The name of one ladder's subcircuit."""
    return f"ladder_{ladder.name}_{cell}"


def reference_lines(design: Design) -> list[str]:
    """The diode of the reference current, the cascode lines and those of soft thresholds, shared by all blocks."""
    count = soft_bias_units(design)
    soft = f"Xsoft_bias nref vbn vbp vdd vss soft_bias {_reference(design)} {_size(design.sizing.cell)} units={count}"
    return [
        f"Xref nref bcasn vss bias_reference_cascode {_reference(design)} q={REFERENCE_UNITS}",
        f"Xcascode nref bcasn bcasp vdd vss cascode_bias {_reference(design)} {_size(design.sizing.cell)}",
        *([soft] if count else []),
    ]


def ladder_block(design: Design, ladder: Ladder, cell: int, options: TransistorOptions) -> Subcircuit:
    """`.subckt ladder_<layer>_<cell>`: weights, input line, bias and stages of one ladder.

    Ports: in_0 .. in_{D-1} clk run preset nref bcasn bcasp hout vdd vss, with vbn vbp before hout where the threshold
    depends on the input. Two sources of 0 V measure currents: Vcand the candidate, behind a soft threshold if there is
    one, Vstages the supply current of the stages.
    """
    size, draws = _size(design.sizing.cell), options.draws
    gates = " ".join(f"in_{j}" for j in range(ladder.synapses.inputs))
    drive = options.drive or line_drive(ladder, cell)
    units: dict[str, int] = {}
    for line, (p, k) in bias_units(design, ladder, cell, options.maps).items():
        # without its capacitor a DPI still has parasitic capacitance; twenty times the current makes it follow at once
        instant = options.control == "no_dpi" and line in ("on", "tau")
        units[f"p_{line}"], units[f"k_{line}"] = p * (20 if instant else 1), k
    own = {device: draws[device] for device in LADDER_DEVICES if device in draws}
    name, ports = block_name(ladder, cell), f"{gates} clk run preset {reference_ports(ladder)} hout vdd vss"
    rows = row_lines(design, ladder.synapses, cell, options.synapse_draws)
    if ladder.gate is not None:
        rows = _soft_threshold(design, ladder, ladder.gate, cell, options)
    lines = [trained_line(ladder, cell), *rows, "Vcand cand line_in DC 0"]
    # without a standing current its copy is OFF, with the gate at the supply
    standing = "bbase" if ladder.return_to_zero else "vdd"
    lines.append(
        _instance(
            f"Xline line_in clk run preset {standing} bhyst bu vdd vss ladder_line",
            f"{size} drive={drive}",
            _deviations(own, ("u1", "u2", "u3"), (cell,)),
        )
    )
    block, biases = "ladder_bias", "bth bhyst bon balpha btau bgain bshift bbase"
    if not ladder.has_dpi:
        block, biases = "bare_bias", "bth bhyst balpha bbase"
    groups = [d for d in own if d[0] in "rb" and (ladder.has_dpi or d[1:] in ("th", "hyst", "alpha", "base"))]
    lines.append(
        _instance(
            f"Xbias nref {biases} vdd vss {block}",
            f"{_reference(design)} {size} {' '.join(f'{key}={value}' for key, value in units.items())}",
            _deviations(own, groups, (cell,)),
        )
    )
    lines.append("Vstages vdd vdds DC 0")
    if not ladder.has_dpi:
        stage = _deviations(draws, ("m1", "m2", "m3", "m4", "m9", "mu"), (cell, 0))
        lines.append(_instance("Xs1 n1 a1 hout bu bth bhyst balpha vdds vss bare_stage", size, stage))
        return Subcircuit(name, ports, tuple(lines))
    lines.append(_instance("Xend n1 dump bshift vdds vss ladder_end", size, _deviations(own, ("d0",), (cell,))))
    for j in range(1, int(ladder.counts[cell]) + 1):
        below = "dump" if j == 1 or options.control == "forward_only" else f"n{j - 1}"
        above = f"n{j + 1}" if j < ladder.counts[cell] else "dump"
        nodes = f"n{j} a{j} {below} {above} hout bu bth bhyst bon balpha btau bgain vdds vss"
        lines.append(
            _instance(
                f"Xs{j} {nodes} ladder_stage",
                f"{size} c={number(design.timing.c_dpi)}",
                _deviations(draws, STAGE_DEVICES, (cell, j - 1)),
            )
        )
    return Subcircuit(name, ports, tuple(lines))


def _soft_threshold(design: Design, ladder: Ladder, gate: Synapses, cell: int, options: TransistorOptions) -> list[str]:
    """The rows of the candidate and of b, and the soft threshold from them to node cand."""
    size, draws = _size(design.sizing.cell), options.draws

    def own(block: str) -> list[str]:
        mine = {name.removeprefix(f"{block}."): draw for name, draw in draws.items() if name in SOFT_DEVICES}
        return _deviations(mine, (n.removeprefix(f"{block}.") for n in SOFT_DEVICES if n.startswith(block)), (cell,))

    floor = number(float(delta_units(design, ladder, cell)))
    lines = "vbn vbp bcasn bcasp vdd vss"
    return [
        *row_lines(design, ladder.synapses, cell, options.synapse_draws, node="x"),
        *row_lines(design, gate, cell, options.gate_draws, node="b"),
        _instance(f"Xabsolute b egate {lines} absolute", size, own("absolute")),
        f"Xdelta nref egate bcasn vss bias_sink_cascode {_reference(design)} p={floor}"
        f"{_own(draws, 'delta', (cell,))} ; trained floor {number(ladder.threshold[cell, 1])}",
        _instance(f"Xsoft x egate cand {lines} soft_threshold", size, own("soft_threshold")),
    ]


def row_lines(
    design: Design, synapses: Synapses, row: int, draws: Mapping[str, DeviceDraw], node: str = "cand"
) -> list[str]:
    """Mirrors of one row into a node: positive weights and a PMOS rail, negative weights, bias from the reference.

    Each is one instance, with its trained value as a comment. On node b the names of elements end in b, apart from
    those of the candidate's row in the same subcircuit.
    """
    size, lines = _size(design.sizing.synapse), []
    mark = "b" if node == "b" else ""
    rail = f"rail{mark}"
    units = row_units(design, synapses, row)
    for j, ratio in enumerate(units.weights):
        if ratio:
            port, kind = (rail, "positive") if ratio > 0 else (node, "negative")
            lines.append(
                f"Xw{mark}_{j} in_{j} {port} bcasn vss synapse_{kind}_cascode {size} ratio={number(abs(ratio))}"
                f"{_own(draws, 'weight', (row, j))} ; trained {number(synapses.weight[row, j])}"
            )
    if synapses.has_rail(row):
        own = _own(draws, "rail_in", (row,), "_in") + _own(draws, "rail_out", (row,), "_out")
        lines.append(f"X{rail} {rail} {node} bcasp vdd row_rail_cascode {size}{own}")
    if units.bias:
        target = rail if units.bias > 0 else node
        lines.append(
            f"Xbrow{mark} nref {target} bcasn vss bias_sink_cascode {_reference(design)} p={number(abs(units.bias))}"
            f"{_own(draws, 'bias', (row,))} ; trained {number(synapses.trained_bias[row])}"
        )
    return lines


def diode_line(design: Design, node: str, draws: Mapping[str, DeviceDraw], which: int) -> str:
    """The cascoded diode on `node`, for input number `which` of a layer; it also rectifies."""
    own = _own(draws, "input", (which,))
    return f"Xd_{node} {node} bcasn vss input_diode_cascode {_size(design.sizing.synapse)}{own}"


def _own(draws: Mapping[str, DeviceDraw], device: str, index: tuple[int, ...], suffix: str = "") -> str:
    """` vth<suffix>=.. beta<suffix>=..` of one device, empty if it has no draw."""
    if device not in draws:
        return ""
    return f" vth{suffix}={number(draws[device].vth[index])} beta{suffix}={number(draws[device].beta[index])}"


def _inputs(synapses: Synapses, x: np.ndarray, schedule: Schedule, design: Design) -> list[str]:
    diodes = [diode_line(design, f"in_{j}", {}, j) for j in range(synapses.inputs)]
    return input_sources(synapses, x, schedule, design) + diodes


def input_sources(synapses: Synapses, x: np.ndarray, schedule: Schedule, design: Design) -> list[str]:
    """One current source per input, offset into the first quadrant; the first frame holds during reset and presets."""
    before = np.repeat(x[:1], schedule.first_frame, axis=0)
    currents = (np.concatenate([before, x]) + synapses.offset) * design.unit_current
    return [f"Iin_{j} vdd in_{j} {steps_waveform(schedule, currents[:, j])}" for j in range(synapses.inputs)]


def _clock_lines(schedule: Schedule, supply: float, control: Control) -> list[str]:
    """clk: one pulse per frame. run: high after the reset. preset: pulses before the first frame."""
    timing, edge = schedule.timing, schedule.timing.pulse / 100.0
    first, start = schedule.first_frame * timing.period + schedule.lead, schedule.reset_steps * timing.period
    shape = " ".join(number(value) for value in (first, edge, edge, timing.pulse - edge, timing.period))
    clock = f"PULSE(0 {number(supply)} {shape})"
    if control == "no_return_to_zero":
        clock = piecewise_linear([(0.0, 0.0), (first, 0.0), (first + edge, supply)])
    run = piecewise_linear([(0.0, 0.0), (start, 0.0), (start + edge, supply)])
    points = [(0.0, 0.0)]
    for m in range(schedule.preset_steps):
        at = start + m * timing.period + schedule.lead
        points += [(at, 0.0), (at + edge, supply), (at + timing.pulse, supply), (at + timing.pulse + edge, 0.0)]
    return [
        f"Vclk clk vss {clock}",
        f"Vrun run vss {f'DC {number(supply)}' if control == 'no_reset' else run}",
        f"Vpreset preset vss {piecewise_linear(points) if schedule.preset_steps else 'DC 0'}",
    ]


def _reference(design: Design) -> str:
    unit = source_unit(design)
    return f"wr={number(unit.w)} lr={number(unit.l)}"


def _size(geometry: Geometry) -> str:
    return f"w={number(geometry.w)} l={number(geometry.l)}"


def _deviations(draws: Mapping[str, DeviceDraw], devices: Iterable[str], index: tuple[int, ...]) -> list[str]:
    """vth_<device>= and beta_<device>= of each device that has a draw."""
    return [
        f"vth_{d}={number(draws[d].vth[index])} beta_{d}={number(draws[d].beta[index])}" for d in devices if d in draws
    ]


def _instance(nodes: str, parameters: str, deviations: list[str]) -> str:
    """An instance with its parameters and its deviations, three devices per line."""
    rows = [" ".join(deviations[i : i + 3]) for i in range(0, len(deviations), 3)]
    return "\n+ ".join([nodes, parameters, *rows])
