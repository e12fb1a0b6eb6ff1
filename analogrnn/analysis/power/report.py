"""Supply current of a network on clips, by block and by level; latency and energy.

Every branch current is known from the calibration: that of the bias lines from their whole unit devices and the
calibrated maps (`biases.achieved`), of the stages from their branches at each level (`supply.branch_sum`), of the
weights from the input currents, and of the line from its standing current and the candidate in its pulses. With V the
supply,

    P = V (I_stages + I_bias + I_line + I_weights + I_inputs + I_readout + I_reference)

    stages     mean over the clips of branch_sum(level). A move comes with the pulse, so the previous level lasts for
               (lead + T_p) / T of the step, twice that in a ladder behind another one, and so on
    bias       sum over lines of k I_line: each of k unit diodes carries the current of a unit device on the line
    line       3 I_base (line, dummy branch, clamp) + drive I_line, for the mirror that drives the copies. The pulse, of
               length T_p in each period T, adds (drive + stages) max(c, -I_base)
    weights    2 I_+: the currents of a row's positive weights flow through the rail's diode and again through its copy;
               negative weights sink current that flows already
    load       of an output: the current that its negative weights sink beyond that of the positive ones

Not counted: charging of gates and capacitors, leakage, clock drivers, the source of the reference and of the inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analogrnn.biases import achieved, bias_units, line_drive, maps_of
from analogrnn.chip import nominal_chip
from analogrnn.design import Design, FeedForward, Ladder, Synapses
from analogrnn.errors import ParameterError
from analogrnn.show import Rows, Shown, counted
from analogrnn.simulate import StepRun, simulate
from analogrnn.supply import branch_sum
from analogrnn.units import format_quantity
from analogrnn.wiring import INPUT

REFERENCE_BRANCHES = 4  # unit currents: the reference diode, and three branches that make the cascode lines
LINE_BRANCHES = 3  # branches of the standing current: into the line, into its dummy, into its clamp
SOFT = "soft thresholds"  # of the feed-forward part; only where a threshold depends on the input
RECURRENT = ("stages", "bias lines", "input lines")  # the others are feed-forward, except the reference


@dataclass(frozen=True, eq=False)
class LadderPower:
    """Supply currents of one recurrent layer, A; shape (d,) if not stated otherwise."""

    name: str
    by_level: np.ndarray  # (d, N + 1), of the stages
    occupancy: np.ndarray  # (d, N + 1), fraction of time that each ladder spends at each level
    stages: np.ndarray
    bias: np.ndarray
    line: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class PowerReport(Shown):
    """Mean over the clips, in SI units.

    blocks   supply current of each block, A
    ladders  the recurrent layers in detail
    frames   input frames per inference
    steps    steps per inference: reset, presets and frames
    period   of one step, s
    """

    network: str
    supply: float  # V
    blocks: Mapping[str, float]
    ladders: tuple[LadderPower, ...]
    clips: int
    frames: int
    steps: int
    period: float  # s

    def shown(self) -> tuple[str, Rows]:
        """Power of the parts, and the energy of an inference."""
        total, recurrent, feedforward = (
            format_quantity(power, "W", 3) for power in (self.total, self.recurrent, self.feedforward)
        )
        energy, period = format_quantity(self.energy, "J", 3), format_quantity(self.period, "s", 3)
        steps, clips = counted(self.steps, "step"), counted(self.clips, "clip")
        rows = [
            ("power", f"{recurrent} of the recurrent layers, {feedforward} of weights, inputs and readout"),
            ("inference", f"{energy} in {steps} of {period}, mean over {clips}"),
        ]
        return f"PowerReport of {self.network}: {total} at {self.supply:g} V", rows

    @property
    def total(self) -> float:
        """Power of all blocks, W."""
        return self.supply * sum(self.blocks.values())

    @property
    def recurrent(self) -> float:
        """Power of the blocks that hold the state, W."""
        return self.supply * sum(self.blocks[name] for name in RECURRENT)

    @property
    def feedforward(self) -> float:
        """Power of weights, inputs, readout and its load, W."""
        return self.supply * sum(value for name, value in self.blocks.items() if name not in (*RECURRENT, "reference"))

    @property
    def latency(self) -> float:
        """Time from the first frame to the answer, s."""
        return self.frames * self.period

    @property
    def energy_step(self) -> float:
        """Energy per step, J."""
        return self.total * self.period

    @property
    def energy(self) -> float:
        """Energy per inference, including reset and presets, J."""
        return self.total * self.period * self.steps


def analyze_power(design: Design, x: np.ndarray) -> PowerReport:
    """The supply currents of the nominal chip of a Design on encoded clips x (T, S, D).

    >>> found = ar.analyze_power(design, x)

    Raises ParameterError for inputs that the mirrors can't carry, and for a ladder without a clock, whose line always
    carries its candidate.
    """
    bare = [ladder.name for ladder in design.ladders if not ladder.return_to_zero]
    if bare:
        raise ParameterError(
            f"{bare[0]} takes its candidates without a clock: its line's power is not modelled yet; "
            "analyze a network of CMRU or clocked BMRU cells."
        )
    first = design.layers[0].synapses
    value = first.checked(x, samples=True)
    run = simulate(nominal_chip(design), value)
    blocks = dict.fromkeys((*RECURRENT, "weights", "readout", "load", "inputs", "reference"), 0.0)
    blocks["inputs"] = float((value + first.offset).sum(axis=-1).mean()) * design.unit_current
    blocks["reference"] = REFERENCE_BRANCHES * design.unit_current
    ladders = []
    values = {INPUT: value}
    for layer in design.layers:
        value = design.wiring.gather(layer.name, values)
        plus, minus = _rows(layer.synapses, value, design.unit_current)
        if isinstance(layer, Ladder):
            candidate = plus - minus
            if layer.gate is not None:
                gates = _rows(layer.gate, value, design.unit_current)
                blocks["weights"] += float(2.0 * gates[0].mean(axis=(0, 1)).sum())
                soft = float(_soft_thresholds(candidate, gates[0] - gates[1], layer.beta).sum())
                blocks[SOFT] = blocks.get(SOFT, 0.0) + soft
                candidate = run.candidates[layer.name] * design.candidate_units(layer.synapses)
            ladder = _ladder(design, layer, run, plus, candidate)
            ladders.append(ladder)
            parts = (ladder.stages, ladder.bias, ladder.line, ladder.weights)
            for name, part in zip((*RECURRENT, "weights"), parts, strict=True):
                blocks[name] += float(part.sum())
            values[layer.name] = layer.alpha * run.levels[layer.name]
            continue
        last = layer is design.layers[-1]
        blocks["readout" if last else "weights"] += float(2.0 * plus.mean(axis=(0, 1)).sum())
        if last and not layer.rectifier:
            blocks["load"] += float(np.maximum(minus - plus, 0.0).mean(axis=(0, 1)).sum())
        values[layer.name] = _forward(layer, value)
    steps = design.timing.reset_steps + design.preset_steps + len(x)
    return PowerReport(
        design.name, design.technology.supply, blocks, tuple(ladders), x.shape[1], len(x), steps, design.timing.period
    )


def stage_currents(design: Design, ladder: Ladder, cell: int) -> np.ndarray:
    """(n + 1,) supply current, A, of the n stages of one ladder at each level, with its bias lines as built."""
    line, maps = achieved(design, ladder, cell), maps_of(design, ladder, cell)
    current = line.currents
    branches = {
        "th": current["th"],
        "hyst": current["hyst"],
        "alpha": current["alpha"],
        "base": maps.copy * line.base,
        "on": current.get("on", 0.0),
        "shift": line.shift[1],
        "first": line.shift[0],
    }
    return np.asarray(design.technology.supply_stage * branch_sum(branches, int(ladder.counts[cell])))


def _soft_thresholds(x: np.ndarray, b: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """(d,) A, mean supply current of the soft thresholds of a layer for the currents x, b (T, S, d) of its two rows.

    Of negative currents, absolute sources |b| from z and its copy into egate, and soft_threshold |x| from z and its
    output; q carries e at all times. What a positive current needs flows through its own row.
    """
    e = np.maximum(np.abs(b) - delta, 0.0)
    sunk = np.maximum(-x, 0.0)
    total = 2.0 * np.maximum(-b, 0.0) + e + sunk + np.maximum(sunk - e, 0.0)
    return np.asarray(total.mean(axis=(0, 1)))


def _ladder(design: Design, ladder: Ladder, run: StepRun, plus: np.ndarray, candidate: np.ndarray) -> LadderPower:
    """Currents of one recurrent layer; plus, candidate (T, S, d): what its rows' rails and its lines carry, A."""
    on = ladder.stages_on(run.levels[ladder.name])
    before = np.concatenate([np.broadcast_to(ladder.preset_pulses, (1, *on.shape[1:])), on[:-1]])
    late = ((design.wiring.phase[ladder.name] + 1) * (design.timing.lead + design.timing.pulse)) / design.timing.period
    occupancy = np.stack(
        [((1.0 - late) * (on == n) + late * (before == n)).mean(axis=(0, 1)) for n in range(ladder.stages + 1)], axis=1
    )
    by_level = np.zeros((ladder.width, ladder.stages + 1))
    for cell, count in enumerate(ladder.counts):
        by_level[cell, : count + 1] = stage_currents(design, ladder, cell)
    bias, standing, base = (np.empty(ladder.width) for _ in range(3))
    duty = design.timing.pulse / design.timing.period
    drive = np.array([line_drive(ladder, cell) for cell in range(ladder.width)])
    for cell in range(ladder.width):
        lines = achieved(design, ladder, cell)
        bias[cell] = sum(lines.currents[name] * k for name, (_, k) in bias_units(design, ladder, cell).items())
        base[cell] = lines.base
        standing[cell] = (LINE_BRANCHES + drive[cell]) * lines.base
    pulses = np.maximum(candidate, -base).mean(axis=(0, 1)) * duty * (drive + ladder.counts)
    return LadderPower(
        ladder.name,
        by_level,
        occupancy,
        (by_level * occupancy).sum(axis=1),
        bias,
        standing + pulses,
        2.0 * plus.mean(axis=(0, 1)),
    )


def _rows(synapses: Synapses, value: np.ndarray, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Positive and negative currents of each row (..., d), A, for values (..., D) before the offset."""
    above = value + synapses.offset
    plus = above @ np.maximum(synapses.ratio, 0.0).T + np.maximum(synapses.bias, 0.0)
    minus = above @ np.maximum(-synapses.ratio, 0.0).T + np.maximum(-synapses.bias, 0.0)
    return plus * unit, minus * unit


def _forward(layer: FeedForward, value: np.ndarray) -> np.ndarray:
    synapses = layer.synapses
    signal = value @ synapses.weight.T + synapses.trained_bias
    return np.maximum(signal, 0.0) if layer.rectifier else signal
