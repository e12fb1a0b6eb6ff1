"""The circuit of one network in one technology: every bias current, mirror ratio, device size, capacitor and time.

Records only; `mapping` fills them. SI units. A symbol has one name here, in `circuits/` and in the calibration.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from analogrnn.errors import ParameterError, finite_array
from analogrnn.network import InputEncoding
from analogrnn.show import Rows, Shown, counted
from analogrnn.technology import Technology
from analogrnn.units import format_quantity
from analogrnn.wiring import Wiring


@dataclass(frozen=True)
class Geometry:
    """Drawn channel of a device, m."""

    w: float
    l: float  # noqa: E741

    @property
    def area(self) -> float:
        """Gate area as drawn, m^2."""
        return self.w * self.l


@dataclass(frozen=True)
class Sizing:
    """Device sizes shared by all blocks of a Design."""

    cell: Geometry = field(metadata={"doc": "mirrors of the memory cells, the DPIs and their bias diodes"})
    synapse: Geometry = field(metadata={"doc": "unit device of the weight mirrors: ratio 1"})
    switch: Geometry = field(default=Geometry(0.5e-6, 0.5e-6), metadata={"doc": "switches; carry no precision"})


@dataclass(frozen=True)
class Timing:
    """The clock and the DPI that it is matched to. Common to all ladders of a Design. Seconds, farads, amperes."""

    period: float = field(metadata={"doc": "length of one step"})
    pulse: float = field(metadata={"doc": "T_p: how long the candidate acts on the ladder in each step"})
    tau: float = field(metadata={"doc": "DPI time constant"})
    c_dpi: float = field(metadata={"doc": "DPI capacitor"})
    i_tau: float = field(metadata={"doc": "DPI leak bias"})
    i_on: float = field(metadata={"doc": "current of a set stage into its DPI"})
    i_floor: float = field(metadata={"doc": "DPI output current after a long time OFF, over its set value"})
    c_parasitic: float = field(metadata={"doc": "capacitance of the DPI's own devices, in parallel with c_dpi"})
    lead: float = field(
        metadata={"doc": "delay from a change of the inputs to the pulse, in which the front end settles"}
    )
    reset_steps: int = field(metadata={"doc": "steps at the start with the input lines at zero"})

    @property
    def drive_ratio(self) -> float:
        """R = I_on / I_tau; the DPI is linear for large R."""
        return self.i_on / self.i_tau

    @property
    def x(self) -> float:
        """T_p / tau."""
        return self.pulse / self.tau

    @property
    def y(self) -> float:
        """T / tau."""
        return self.period / self.tau

    def rise_time(self, y: float) -> float:
        """Time, s, for a DPI to rise from its floor to 1 - exp(-y) of its set value, dead time included.

        The integral of tau dI/dt (1 + I_g/I) = I_g (R - 1) - I over the rise.
        Source  Bartolozzi & Indiveri 2007, Neural Computation 19(10), eq. (3.8) and its neighbours.
        """
        span = self.drive_ratio - 1.0
        return self.tau * (-math.log(self.i_floor) + self.drive_ratio * y) / span


@dataclass(frozen=True, eq=False)
class Synapses:
    """The weights of one layer as current mirrors on a positive and a negative rail.

    Row i carries `scale[i]` times the trained candidate; its sign is negative in front of a block that inverts. Each
    input has an `offset` added, so that no current is
    negative; the bias subtracts what the offsets contribute.
    """

    name: str
    ratio: np.ndarray = field(metadata={"doc": "(d, D) signed mirror ratios; zero places no device"})
    bias: np.ndarray = field(metadata={"doc": "(d,) signed bias currents over the unit current"})
    scale: np.ndarray = field(metadata={"doc": "(d,) powers of two; negative in a row that feeds a soft threshold"})
    offset: np.ndarray = field(metadata={"doc": "(D,) input offset over the unit current"})
    weight: np.ndarray = field(metadata={"doc": "(d, D) trained weights: ratio / scale"})
    trained_bias: np.ndarray = field(metadata={"doc": "(d,) trained biases"})

    @property
    def width(self) -> int:
        """Number of rows d."""
        return int(self.ratio.shape[0])

    @property
    def inputs(self) -> int:
        """Number of inputs D."""
        return int(self.ratio.shape[1])

    def has_rail(self, row: int) -> bool:
        """Whether a row has positive currents, which a PMOS mirror sources: its rail."""
        return bool(np.any(self.ratio[row] > 0) or self.bias[row] > 0)

    def rails(self, inputs: np.ndarray) -> np.ndarray:
        """(d,) current of each row's PMOS mirror at currents `inputs` (D,) of the diodes, all over the unit current."""
        return np.asarray((np.maximum(self.ratio, 0.0) * inputs).sum(axis=1) + np.maximum(self.bias, 0.0))

    def checked(self, x: np.ndarray, *, samples: bool = False, first: bool = True) -> np.ndarray:
        """Return inputs x (T, D), or (T, S, D) with `samples`, as float64 if the mirrors can carry them.

        The offset of a `first` layer is also the bound of its inputs: they lie within plus and minus the offset. In a
        later layer it is the offset that the outputs of the layer before it carry.

        Raises ParameterError for another shape, no step, a value that is not finite, or a current below zero or, in the
        first layer, above twice the offset.
        """
        value = finite_array("x", x, (None, None, self.inputs) if samples else (None, self.inputs))
        if len(value) == 0:
            raise ParameterError("x has no steps; give at least one.")
        if value.size == 0:
            raise ParameterError("x has no clips; give at least one.")
        # the last bits of a clipped input must not decide
        beyond = np.argwhere((value < -self.offset - 1e-9) | (first & (value > self.offset + 1e-9)))
        if len(beyond):
            at = tuple(int(n) for n in beyond[0])
            bound = self.offset[at[-1]]
            where = (
                f"below -{bound:g}: its current would be negative"
                if value[at] < 0.0
                else f"above {bound:g}: its current would be above the {2 * bound:g} unit currents of the mapped range"
            )
            raise ParameterError(
                f"x{list(at)} = {value[at]:g} is {where}; clip the inputs, or map with a larger input_bound."
            )
        return value


@dataclass(frozen=True, eq=False)
class FeedForward:
    """A layer of synapses. Its outputs are rectified by diodes, which can't sink, or are signed currents."""

    synapses: Synapses
    rectifier: str | None = field(default=None, metadata={"doc": "name of the ReLU layer"})
    sources: tuple[str, ...] = field(
        default=(), metadata={"doc": "layers whose outputs it reads; empty: the one before"}
    )

    @property
    def name(self) -> str:
        return self.synapses.name

    @property
    def width(self) -> int:
        return self.synapses.width

    @property
    def inputs(self) -> int:
        return self.synapses.inputs

    @property
    def clocked(self) -> bool:
        """Whether it moves in pulses of its own: never."""
        return False


@dataclass(frozen=True, eq=False)
class Ladder:
    """One recurrent layer: d ladders of at most N stages each, level k = k_min + level_step * (stages ON).

    All currents (d,), A. Ladder i has stages 1 to counts[i]; arrays over stages have N columns, of which those beyond
    are not used. Stage j receives i_base + u + i_shift (d_{j-1} + d_{j+1}) with d_0 = 1, sets above i_th and
    resets below i_th - i_hyst.
    """

    synapses: Synapses
    counts: np.ndarray = field(metadata={"doc": "(d,) number of stages of each ladder"})
    k_min: np.ndarray = field(metadata={"doc": "(d,) level with all stages OFF"})
    level_step: int
    initial: np.ndarray = field(metadata={"doc": "(d,) level before the first step"})
    threshold: np.ndarray = field(metadata={"doc": "(d, 2) trained down and up threshold of the candidate"})
    alpha: np.ndarray = field(metadata={"doc": "(d,) trained output of one level"})
    i_th: np.ndarray = field(metadata={"doc": "threshold bias: the upper end of the window"})
    i_hyst: np.ndarray = field(metadata={"doc": "hysteresis bias: the width of the window"})
    i_base: np.ndarray = field(metadata={"doc": "standing current of the input line, I_c - I_s"})
    i_shift: np.ndarray = field(metadata={"doc": "I_s, what a settled DPI adds to its neighbours"})
    i_gain: np.ndarray = field(metadata={"doc": "DPI gain bias that gives i_shift"})
    i_alpha: np.ndarray = field(metadata={"doc": "output current of one stage"})
    i_preset: np.ndarray = field(metadata={"doc": "pulse that steps up to the initial level"})
    return_to_zero: bool = True
    gate: Synapses | None = field(
        default=None, metadata={"doc": "rows of b(x), whose magnitude is the threshold where it is above the window's"}
    )
    sources: tuple[str, ...] = field(
        default=(), metadata={"doc": "layers whose outputs it reads; empty: the one before"}
    )

    @property
    def name(self) -> str:
        return self.synapses.name

    @property
    def width(self) -> int:
        return self.synapses.width

    @property
    def rows(self) -> tuple[Synapses, ...]:
        """All weights of the layer: the rows of the candidates, then those of input-dependent thresholds."""
        return (self.synapses,) if self.gate is None else (self.synapses, self.gate)

    @property
    def inputs(self) -> int:
        return self.synapses.inputs

    @property
    def clocked(self) -> bool:
        """Whether its levels move in pulses."""
        return self.return_to_zero

    @property
    def stages(self) -> int:
        """N, the number of stages of the longest ladder."""
        return int(self.counts.max())

    @property
    def k_max(self) -> np.ndarray:
        """(d,) level with all stages ON."""
        return self.k_min + self.level_step * self.counts

    @property
    def has_dpi(self) -> bool:
        return self.stages > 1

    @property
    def levels(self) -> np.ndarray:
        """(d, N + 1) the level k for each number of stages ON; a ladder never reaches those above its k_max."""
        return self.k_min[:, None] + self.level_step * np.arange(self.stages + 1)

    def level_of(self, stages_on: np.ndarray) -> np.ndarray:
        """(..., d) the levels k for numbers of stages ON (..., d)."""
        return np.asarray(self.k_min + self.level_step * stages_on.astype(np.int64))

    def stages_on(self, levels: np.ndarray) -> np.ndarray:
        """(..., d) int, the stages ON for levels k (..., d)."""
        return np.asarray((levels - self.k_min) // self.level_step).astype(np.int64)

    @property
    def exists(self) -> np.ndarray:
        """(d, N) bool, which stages a ladder has."""
        return np.asarray(np.arange(self.stages) < self.counts[:, None])

    @property
    def preset_pulses(self) -> np.ndarray:
        """(d,) how many up pulses lead from all-OFF to the initial level."""
        return ((self.initial - self.k_min) / self.level_step).astype(int)

    @property
    def beta(self) -> np.ndarray:
        """(d,) half the window, A."""
        return self.i_hyst / 2.0


@dataclass(frozen=True, eq=False, repr=False)
class Design(Shown):
    """A network as a circuit. `layers` are in the order in which the signal meets them.

    >>> design = ar.map_network(network, ar.load_technology("gf180mcu"))
    """

    name: str
    technology: Technology
    unit_current: float = field(metadata={"doc": "current that stands for 1 in the trained network, A"})
    sizing: Sizing
    timing: Timing
    layers: tuple[FeedForward | Ladder, ...]
    pooling: str = field(default="pool", metadata={"doc": "name of the pooling layer; empty: an output per step"})
    pooling_mode: str = field(default="last", metadata={"doc": "last, or mean or vote of readings outside the core"})
    encoding: InputEncoding | None = None
    metadata: dict[str, str | float | int] = field(default_factory=dict)

    def shown(self) -> tuple[str, Rows]:
        """Layers, and the currents, devices and times that all of them share."""
        parts = [
            f"{layer.name} ({counted(layer.width, 'ladder')} of {counted(layer.stages, 'stage')})"
            if isinstance(layer, Ladder)
            else f"{layer.name} ({counted(layer.synapses.width, 'row')}{', rectified' if layer.rectifier else ''})"
            for layer in self.layers
        ]
        cell, timing = self.sizing.cell, self.timing
        rows = [
            ("layers", f"{counted(self.layers[0].synapses.inputs, 'input')} -> {' -> '.join(parts)}"),
            (
                "circuit",
                f"unit current {format_quantity(self.unit_current, 'A', 3)}, period "
                f"{format_quantity(timing.period, 's', 3)}, pulse {format_quantity(timing.pulse, 's', 3)}, "
                f"cells {cell.w * 1e6:g} x {cell.l * 1e6:g} um",
            ),
        ]
        return f"Design {self.name} in {self.technology.name}: {counted(self.stages, 'memory stage')}", rows

    @cached_property
    def ladders(self) -> tuple[Ladder, ...]:
        """The recurrent layers, in the order of the signal."""
        return tuple(layer for layer in self.layers if isinstance(layer, Ladder))

    @cached_property
    def wiring(self) -> Wiring:
        """Which layers read which."""
        return Wiring.of(self.layers)

    def candidate_units(self, synapses: Synapses) -> np.ndarray:
        """(d,) A, the current that stands for a candidate of 1 in each row: its scale times the unit current."""
        return np.asarray(np.abs(synapses.scale) * self.unit_current)

    def pooled(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs (T, ..., classes) per step as outputs per clip, by `pooling_mode`; unchanged without pooling.

        The mean and the vote (the share of steps at which an output is the largest) need no circuit: they are made of
        the readings of every step.
        """
        if not self.pooling:
            return outputs
        match self.pooling_mode:
            case "mean":
                return np.asarray(outputs.mean(axis=0))
            case "vote":
                winners = outputs.argmax(axis=-1)[..., None] == np.arange(outputs.shape[-1])
                return np.asarray(winners.mean(axis=0))
        return np.asarray(outputs[-1])

    @property
    def classes(self) -> int:
        """Number of classes that a clip may have. Raises ParameterError for a network without pooling."""
        self.check_pooling()
        return self.layers[-1].synapses.width

    def check_pooling(self) -> None:
        """Raise ParameterError for a network without pooling: its outputs are values per step, not classes of clips."""
        if not self.pooling:
            raise ParameterError(
                f"{self.name} has no pooling, so a clip has no class; add pooling 'last', or choose the metric vote or "
                "step_accuracy."
            )

    def check_constant_thresholds(self, what: str) -> None:
        """Raise ParameterError for an input-dependent threshold, in the name of an analysis that has no model of it."""
        for ladder in self.ladders:
            if ladder.gate is not None:
                raise ParameterError(
                    f"{ladder.name} has input-dependent thresholds, which {what} does not treat yet; use a network of "
                    "constant thresholds."
                )

    def output_shape(self, x: np.ndarray) -> tuple[int, ...]:
        """Shape of the outputs for clips x (T, S, D): (S, O), or (T, S, O) without pooling."""
        return (x.shape[1], self.outputs) if self.pooling else (x.shape[0], x.shape[1], self.outputs)

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self.layers[-1].synapses.width

    @property
    def stages(self) -> int:
        """Memory stages in all ladders."""
        return sum(int(ladder.counts.sum()) for ladder in self.ladders)

    @property
    def preset_steps(self) -> int:
        """Steps between the reset and the first input, in which ladders climb to their initial levels."""
        return max((int(ladder.preset_pulses.max()) for ladder in self.ladders), default=0)


def input_time_constants(ladder: Ladder, cell: Geometry, technology: Technology) -> np.ndarray:
    """(d,) time constant t_in of each cell's input node, s, at its window's centre."""
    return technology.input_charge_density * cell.area / (ladder.i_th - ladder.i_hyst / 2.0)
