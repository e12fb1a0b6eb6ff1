"""A ladder of ideal subcircuits: its front end, input line, bias lines and stages as one `.subckt`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analogrnn.design import Design, Ladder, Synapses, input_time_constants
from analogrnn.errors import identifier
from analogrnn.schedule import Control, Schedule
from analogrnn.spice.deck import Subcircuit, number
from analogrnn.spice.sources import pulses_waveform, steps_waveform

RUNIT = 1e9  # ohm; in the ideal library a diode converts 1 nA to 1 V


def synapse_lines(
    synapses: Synapses, row: int, gates: Sequence[str], node: str, unit_current: float, mark: str = ""
) -> list[str]:
    """The mirrors and the bias current of one row, each with its trained value as a comment.

    `mark` tells the names of elements from those of another row in the same subcircuit.
    """
    lines, rail = [], f"rail_{node}"
    for j, gate in enumerate(gates):
        ratio, trained = synapses.ratio[row, j], synapses.weight[row, j]
        if ratio == 0.0:
            continue
        ports = f"{gate} {rail} vss synapse_positive" if ratio > 0 else f"{gate} {node} vss synapse_negative"
        lines.append(f"Xw{mark}_{row}_{j} {ports} ratio={number(abs(ratio))} ; trained {number(trained)}")
    if np.any(synapses.ratio[row] > 0):
        lines.append(f"Xrail{mark}_{row} {rail} {node} vdd row_rail")
    bias = synapses.bias[row] * unit_current
    lines.append(f"Ib{mark}_{row} vss {node} DC {number(bias)} ; trained {number(synapses.trained_bias[row])}")
    return lines


def ladder_subcircuit(
    design: Design, ladder: Ladder, cell: int, schedule: Schedule, lead: float, control: Control
) -> Subcircuit:
    """`.subckt ladder_<layer>_<cell>`: front end, input line, bias lines and stages of one ladder.

    Ports: in_0 .. in_{D-1} (gate lines of the inputs), clk, hout, vdd, vss. Nodes a1 .. aN are low while stages are ON.
    """
    name = f"ladder_{identifier('Ladder.name', ladder.name)}_{cell}"
    gates = [f"in_{j}" for j in range(ladder.synapses.inputs)]
    lines = [trained_line(ladder, cell)]
    if ladder.gate is None:
        lines += synapse_lines(ladder.synapses, cell, gates, "cand", design.unit_current)
    else:
        lines += _soft_threshold(design, ladder, ladder.gate, cell, gates)
    lines += _line(ladder, cell, schedule, lead, control)
    lines += _bias_lines(design, ladder, cell)
    lines += _stages(design, ladder, cell, control)
    return Subcircuit(name, f"{' '.join(gates)} clk hout vdd vss", tuple(lines))


def _soft_threshold(design: Design, ladder: Ladder, gate: Synapses, cell: int, gates: Sequence[str]) -> list[str]:
    """The rows of the candidate and of b, and the soft threshold from them to node cand."""
    return [
        *synapse_lines(ladder.synapses, cell, gates, "x", design.unit_current),
        *synapse_lines(gate, cell, gates, "b", design.unit_current, "b"),
        "Xabsolute b egate vss vdd vss vdd vdd vss absolute",
        f"Idelta egate vss DC {number(ladder.beta[cell])} ; trained floor {number(ladder.threshold[cell, 1])}",
        "Xsoft x egate cand vss vdd vss vdd vdd vss soft_threshold",
    ]


def trained_line(ladder: Ladder, cell: int) -> str:
    """The trained values of a ladder, as a comment."""
    low, high = ladder.threshold[cell]
    return (
        f"* trained: thresholds {number(low)} {number(high)}, alpha {number(ladder.alpha[cell])}; "
        f"candidate scale {number(abs(ladder.synapses.scale[cell]))}; "
        f"levels {ladder.k_min[cell]} to {ladder.k_max[cell]}"
    )


def _line(ladder: Ladder, cell: int, schedule: Schedule, lead: float, control: Control) -> list[str]:
    """The input line and its control lines: run is low during the reset, preset is high in each preset pulse."""
    run, preset = np.ones(schedule.steps), np.zeros(schedule.steps)
    run[: schedule.reset_steps] = 0.0
    last, count = schedule.first_frame, int(ladder.preset_pulses[cell])
    preset[last - count : last] = 1.0
    # without a clock the line never returns to zero, so a preset lasts until the first candidate
    pulsed = ladder.return_to_zero
    wave = pulses_waveform(schedule, preset, lead) if pulsed else steps_waveform(schedule, preset)
    return [
        f"Vrun run vss {steps_waveform(schedule, run)}",
        f"Vpreset preset vss {wave}",
        "Xline cand clk run preset bbase bpreset bu vdd vss ladder_line",
    ]


def _bias_lines(design: Design, ladder: Ladder, cell: int) -> list[str]:
    currents = {
        "th": ladder.i_th,
        "hyst": ladder.i_hyst,
        "alpha": ladder.i_alpha,
        "base": ladder.i_base,
        "preset": ladder.i_preset,
    }
    if ladder.has_dpi:
        timing = design.timing
        currents |= {
            "on": np.full(ladder.width, timing.i_on),
            "tau": np.full(ladder.width, timing.i_tau),
            "gain": ladder.i_gain,
        }
    lines = []
    for name, current in currents.items():
        lines += [f"Rb{name} vdd b{name} {number(RUNIT)}", f"Ib{name} b{name} vss DC {number(current[cell])}"]
    return lines


@dataclass(frozen=True)
class StageStart:
    """Initial state of a stage: ON or OFF, and its DPI's output over the settled value, above zero."""

    on: bool
    d: float


def stage_statement(
    design: Design, ladder: Ladder, cell: int, stage: int, start: StageStart, control: Control = "none"
) -> str:
    """The instance `Xs<stage>` (from 1) of one ladder, with its initial conditions."""
    technology, timing = design.technology, design.timing
    t_in = input_time_constants(ladder, design.sizing.cell, technology)[cell]
    # an initial input current of twice the threshold sets the comparator at once
    seti = 2.0 * ladder.i_th[cell] * RUNIT if start.on else 0.0
    own = f"c_in={number(t_in / RUNIT)} seti={number(seti)}"
    if not ladder.has_dpi:
        return f"Xs1 n1 a1 hout bu bth bhyst balpha vdd vss bare_stage {own}"
    vslope = technology.dpi_tau * technology.thermal_voltage / technology.kappa
    ratio = timing.drive_ratio
    c_dpi = (timing.c_dpi + timing.c_parasitic) * (1e-4 if control == "no_dpi" else 1.0)
    own += (
        f" c={number(c_dpi)} vslope={number(vslope)} gain={number(technology.dpi_gain * ratio / (ratio - 1.0))}"
        f" rfloor={number(timing.i_floor * (ratio - 1.0))} setv={number(vslope * math.log(start.d * (ratio - 1.0)))}"
    )
    below = "dump" if stage == 1 or control == "forward_only" else f"n{stage - 1}"
    above = f"n{stage + 1}" if stage < ladder.counts[cell] else "dump"
    nodes = f"n{stage} a{stage} {below} {above} hout bu bth bhyst bon balpha btau bgain vdd vss"
    return f"Xs{stage} {nodes} ladder_stage\n+ {own}"


def _stages(design: Design, ladder: Ladder, cell: int, control: Control) -> list[str]:
    start = StageStart(True, 1.0) if control == "no_reset" else StageStart(False, design.timing.i_floor)
    stages = [stage_statement(design, ladder, cell, j, start, control) for j in range(1, int(ladder.counts[cell]) + 1)]
    if not ladder.has_dpi:
        return stages
    return [f"Ishift vdd n1 DC {number(ladder.i_shift[cell])}", *stages, f"Rdump dump vss {number(RUNIT)}"]
