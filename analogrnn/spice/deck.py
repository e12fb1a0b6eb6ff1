"""Text of SPICE decks: numbers, waveforms and the ladder as a subcircuit. Writes nothing, runs nothing.

Numbers carry plain exponents (in ngspice `1M` is 1e-3 and `1F` a femtofarad), names are checked identifiers, and a deck
holds no path, no date and no command, so that the same Design always gives the same bytes.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analogrnn.design import Design, Ladder, Synapses, input_time_constants
from analogrnn.errors import DeckError, identifier
from analogrnn.schedule import Schedule

RUNIT = 1e9  # ohm; in the ideal flavour 1 nA in a diode shows as 1 V


@dataclass(frozen=True)
class LadderNodes:
    """Where a ladder subcircuit connects: its inputs' gate lines and its clock."""

    inputs: tuple[str, ...]
    clock: str


def number(value: float) -> str:
    """A finite number with ten significant digits and a plain exponent. Raises DeckError for NaN or infinity."""
    if not math.isfinite(value):
        raise DeckError(f"deck value = {value!r} is not finite; check the design.")
    return f"{float(value):.10g}"


def piecewise_linear(points: Iterable[tuple[float, float]]) -> str:
    """`PWL(...)` through (time, value) points, folded into continuation lines."""
    pairs = [f"{number(t)} {number(v)}" for t, v in points]
    rows = [" ".join(pairs[i : i + 5]) for i in range(0, len(pairs), 5)]
    return "PWL(" + "\n+ ".join(rows) + ")"


def steps_waveform(schedule: Schedule, values: np.ndarray) -> str:
    """A source that holds values[m] (steps,) during step m, with edges of a hundredth of a pulse."""
    edge = schedule.timing.pulse / 100.0
    points = [(0.0, float(values[0]))]
    for start, before, after in zip(schedule.starts()[1:], values[:-1], values[1:], strict=True):
        if after != before:
            points += [(float(start), float(before)), (float(start) + edge, float(after))]
    return piecewise_linear(points) if len(points) > 1 else f"DC {number(points[0][1])}"


def pulses_waveform(schedule: Schedule, values: np.ndarray, lead: float) -> str:
    """A source with a pulse of height values[m] (steps,) in step m, `lead` s after its start."""
    edge, pulse = schedule.timing.pulse / 100.0, schedule.timing.pulse
    points = [(0.0, 0.0)]
    for start, value in zip(schedule.starts(), values, strict=True):
        if value:
            at = float(start) + lead
            height = float(value)
            points += [(at, 0.0), (at + edge, height), (at + pulse, height), (at + pulse + edge, 0.0)]
    return piecewise_linear(points) if len(points) > 1 else "DC 0"


def synapse_lines(synapses: Synapses, row: int, gates: Sequence[str], node: str, unit_current: float) -> list[str]:
    """The mirrors and the bias current of one row, each with its trained value."""
    lines, rail = [], f"rail_{node}"
    for j, gate in enumerate(gates):
        ratio, trained = synapses.ratio[row, j], synapses.weight[row, j]
        if ratio == 0.0:
            continue
        ports = f"{gate} {rail} vss synapse_positive" if ratio > 0 else f"{gate} {node} vss synapse_negative"
        lines.append(f"Xw_{row}_{j} {ports} ratio={number(abs(ratio))} ; trained {number(trained)}")
    if np.any(synapses.ratio[row] > 0):
        lines.append(f"Xrail_{row} {rail} {node} vdd row_rail")
    bias = synapses.bias[row] * unit_current
    lines.append(f"Ib_{row} vss {node} DC {number(bias)} ; trained {number(synapses.trained_bias[row])}")
    return lines


def ladder_subcircuit(
    design: Design, ladder: Ladder, cell: int, schedule: Schedule, lead: float, control: str
) -> list[str]:
    """`.subckt ladder_<layer>_<cell>`: front end, input line, bias lines and stages of one ladder.

    Ports: in_0 .. in_{D-1} (gate lines of the inputs), clk, hout, vdd, vss. Nodes a1 .. aN are low while stages are ON.
    """
    name = f"ladder_{identifier('Ladder.name', ladder.name)}_{cell}"
    gates = [f"in_{j}" for j in range(ladder.synapses.inputs)]
    lines = [f".subckt {name} {' '.join(gates)} clk hout vdd vss"]
    lines.append(trained_line(ladder, cell))
    lines += synapse_lines(ladder.synapses, cell, gates, "cand", design.unit_current)
    lines += _line(ladder, cell, schedule, lead, control)
    lines += _bias_lines(design, ladder, cell)
    lines += _stages(design, ladder, cell, control)
    return [*lines, f".ends {name}"]


def trained_line(ladder: Ladder, cell: int) -> str:
    """What was trained into a ladder, as a comment."""
    low, high = ladder.threshold[cell]
    return (
        f"* trained: thresholds {number(low)} {number(high)}, alpha {number(ladder.alpha[cell])}; "
        f"candidate scale {number(ladder.synapses.scale[cell])}; levels {ladder.k_min} to {ladder.k_max}"
    )


def _line(ladder: Ladder, cell: int, schedule: Schedule, lead: float, control: str) -> list[str]:
    """The line and its control: run is low during the reset, preset high in each preset pulse."""
    run, preset = np.ones(schedule.steps), np.zeros(schedule.steps)
    run[: schedule.reset_steps] = 0.0
    last, count = schedule.first_frame, int(ladder.preset_pulses[cell])
    preset[last - count : last] = 1.0
    # without a clock the line never returns to zero, so a preset stays until the first candidate takes over
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


def _stages(design: Design, ladder: Ladder, cell: int, control: str) -> list[str]:
    technology, timing, stages = design.technology, design.timing, ladder.stages
    t_in = input_time_constants(ladder, design.sizing.cell, technology)[cell]
    on_at_start = control == "no_reset"
    # a preset input current of twice the threshold closes the comparator before anything else happens
    start = 2.0 * ladder.i_th[cell] * RUNIT if on_at_start else 0.0
    shared = f"c_in={number(t_in / RUNIT)} seti={number(start)}"
    if not ladder.has_dpi:
        return [f"Xs1 n1 a1 hout bu bth bhyst balpha vdd vss bare_stage {shared}"]
    vslope = technology.dpi_tau * technology.thermal_voltage / technology.kappa
    ratio = timing.drive_ratio
    rfloor = timing.i_floor * (ratio - 1.0)
    setv = vslope * math.log(ratio - 1.0 if on_at_start else rfloor)
    c_dpi = (timing.c_dpi + timing.c_parasitic) * (1e-4 if control == "no_dpi" else 1.0)
    shared += (
        f" c={number(c_dpi)} vslope={number(vslope)} gain={number(technology.dpi_gain * ratio / (ratio - 1.0))}"
        f" rfloor={number(rfloor)} setv={number(setv)}"
    )
    lines = [f"Ishift vdd n1 DC {number(ladder.i_shift[cell])}"]
    for j in range(1, stages + 1):
        below = "dump" if j == 1 or control == "forward_only" else f"n{j - 1}"
        above = f"n{j + 1}" if j < stages else "dump"
        nodes = f"n{j} a{j} {below} {above} hout bu bth bhyst bon balpha btau bgain vdd vss"
        lines += [f"Xs{j} {nodes} ladder_stage", f"+ {shared}"]
    return [*lines, f"Rdump dump vss {number(RUNIT)}"]
