"""Networks of which a circuit computes some parts, and the others run digitally: before, between or behind them.

A digital part runs in float64. Where a circuit reads a digital value, a digital-to-analog converter (DAC) of a stated
range stands between; where a digital part reads a circuit, its output currents are converted. Both converters are
ideal apart from the range: no word length, no offset.
"""

from dataclasses import dataclass, replace
from typing import Unpack

import numpy as np

from analogrnn.chip import Chip, draw_chip, nominal_chip
from analogrnn.design import Design, Sizing, Timing
from analogrnn.errors import MappingError, ParameterError, finite_array, in_range
from analogrnn.mapping import MappingChanges, MappingOptions, chosen_options, map_network
from analogrnn.network import INPUT, Linear, Network, Pooling, forward
from analogrnn.network.parts import Part, is_digital, run_parts, split
from analogrnn.show import Rows, Shown, counted
from analogrnn.simulate import StepRun, simulate
from analogrnn.technology import Technology

FULL_SCALE = 3.0  # unit currents that the range of a DAC spans, up and down
HEADROOM = 1.25  # range of a DAC over the largest value in the data that it was chosen from


@dataclass(frozen=True, eq=False)
class AnalogPart:
    """One circuit of a hybrid network.

    part     what it computes
    network  the same behind weights that undo the scale of the converters: what was mapped
    design   its circuit; an input of FULL_SCALE stands for `reach`
    reach    (D,) range of the converter at each of its inputs; infinite for inputs of the network, which have a bound
    """

    part: Part
    network: Network
    design: Design
    reach: np.ndarray

    def converted(self, value: np.ndarray) -> np.ndarray:
        """Inputs (T, S, D) of the circuit for the values (T, S, D) that it reads, which saturate at the range."""
        own = np.isfinite(self.reach)
        return np.where(own, np.clip(value / np.where(own, self.reach, 1.0), -1.0, 1.0) * FULL_SCALE, value)

    def saturated(self, value: np.ndarray) -> float:
        """Share of the values (T, S, D) beyond the range of their converter."""
        return float(np.mean(np.abs(value) > self.reach))


@dataclass(frozen=True, eq=False, repr=False)
class HybridDesign(Shown):
    """A network in digital parts (a `Part`) and circuits, in the order in which they run.

    >>> hybrid = ar.map_hybrid(network, ar.load_technology("gf180mcu"), x)
    """

    network: Network
    parts: tuple[Part | AnalogPart, ...]

    @property
    def name(self) -> str:
        return self.network.name

    @property
    def analog(self) -> tuple[AnalogPart, ...]:
        """The circuits."""
        return tuple(part for part in self.parts if isinstance(part, AnalogPart))

    @property
    def designs(self) -> tuple[Design, ...]:
        """The designs of the circuits, whose names are distinct."""
        return tuple(part.design for part in self.analog)

    @property
    def technology(self) -> Technology:
        """That of all circuits."""
        return self.designs[0].technology

    @property
    def sizing(self) -> Sizing:
        """Device sizes of all circuits."""
        return self.designs[0].sizing

    @property
    def unit_current(self) -> float:
        """Current that stands for 1 in all circuits, A."""
        return self.designs[0].unit_current

    @property
    def timing(self) -> Timing:
        """The clock of the circuit with the longest period."""
        return max((design.timing for design in self.designs), key=lambda timing: timing.period)

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self.network.outputs

    @property
    def pooled(self) -> bool:
        """Whether a clip has one row of outputs, and not one per step."""
        return any(isinstance(layer, Pooling) for layer in self.network.layers)

    def check_pooling(self) -> None:
        """Raise ParameterError for a network without pooling: its outputs are values per step, not classes of clips."""
        if not self.pooled:
            raise ParameterError(
                f"{self.name} has no pooling, so a clip has no class; add pooling 'last', or choose the metric vote or "
                "step_accuracy."
            )

    def output_shape(self, x: np.ndarray) -> tuple[int, ...]:
        """Shape of the outputs for clips x (T, S, D): (S, O), or (T, S, O) without pooling."""
        return (x.shape[1], self.outputs) if self.pooled else (x.shape[0], x.shape[1], self.outputs)

    def shown(self) -> tuple[str, Rows]:
        """The parts, and the converters between them."""
        rows = []
        for item in self.parts:
            part = item.part if isinstance(item, AnalogPart) else item
            layers = ", ".join(layer.name for layer in part.network.layers)
            if isinstance(item, AnalogPart):
                finite = item.reach[np.isfinite(item.reach)]
                dacs = f"; {counted(len(finite), 'DAC')} of range up to {finite.max():.3g}" if len(finite) else ""
                rows.append(("circuit", f"{layers} ({counted(item.design.stages, 'memory stage')}{dacs})"))
            else:
                rows.append(("digital", layers))
        return f"HybridDesign {self.name}: {counted(len(self.analog), 'circuit')}", rows


@dataclass(frozen=True, eq=False, repr=False)
class HybridRun(Shown):
    """Outputs (S, C), or (T, S, C) without pooling; inputs, run and share of saturated inputs of each circuit."""

    logits: np.ndarray
    runs: dict[str, StepRun]
    inputs: dict[str, np.ndarray]
    saturated: dict[str, float]

    def shown(self) -> tuple[str, Rows]:
        """The circuits that ran."""
        rows = [(name, f"{100 * share:.3g} % of the inputs saturate") for name, share in self.saturated.items()]
        return f"HybridRun: outputs {self.logits.shape}", rows

    @property
    def classes(self) -> np.ndarray:
        """The class of each sample, or of each step and sample."""
        return np.argmax(self.logits, axis=-1)


def is_hybrid(network: Network) -> bool:
    """Whether some layer of `network` runs digitally."""
    return any(is_digital(layer) for layer in network.layers)


def map_hybrid(
    network: Network,
    technology: Technology,
    x: np.ndarray,
    options: MappingOptions | None = None,
    *,
    stage: str | None = None,
    **changes: Unpack[MappingChanges],
) -> HybridDesign:
    """Map the circuits of `network` as `map_network` does; `x` (T, S, D) are inputs that set the range of the DACs.

    >>> hybrid = ar.map_hybrid(network, ar.load_technology("gf180mcu"), x)

    Raises what `map_network` raises, and MappingError if no part of the network is analog.
    """
    chosen = chosen_options(options, stage, changes)
    parts = split(network)
    if not any(part.analog for part in parts):
        raise MappingError(
            f"{network.name} has no recurrent layer that a circuit computes; it needs a CMRU or a BMRU with eps 0 or 1."
        )
    largest: dict[str, np.ndarray] = {}

    def measure(part: Part, value: np.ndarray) -> np.ndarray:
        largest[part.network.name] = np.abs(value).reshape(-1, value.shape[-1]).max(axis=0)
        return forward(part.network, value).logits

    run_parts(network, parts, finite_array("x", x, (None, None, network.inputs)), measure)
    found = [
        _map_part(network, part, technology, chosen, largest[part.network.name]) if part.analog else part
        for part in parts
    ]
    return HybridDesign(network, tuple(found))


def _map_part(
    network: Network, part: Part, technology: Technology, options: MappingOptions, largest: np.ndarray
) -> AnalogPart:
    """The circuit of one part, behind weights that undo the scale of its converters."""
    at, reach = 0, np.empty(0)
    for name in part.reads:
        width = network.width(name)
        # one range for all inputs from one layer: a converter of each is the same circuit
        top = float(largest[at : at + width].max()) or 1.0
        reach = np.append(
            reach, np.full(width, np.inf if name == INPUT else in_range("DAC.range", HEADROOM * top, 1e-9, 1e9))
        )
        at += width
    own = np.isfinite(reach)
    if options.input_bound is None:
        clip = network.encoding.clip if network.encoding is not None and INPUT in part.reads else 0.0
        options = replace(options, input_bound=max(clip, FULL_SCALE if own.any() else 0.0) or None)
    inner = part.network
    if own.any():
        gain = np.where(own, np.where(own, reach, 1.0) / FULL_SCALE, 1.0)
        dac = Linear("dac", np.diag(gain), np.zeros(len(gain)), sources=(INPUT,))
        behind = [
            replace(layer, sources=tuple("dac" if s == INPUT else s for s in inner.sources(layer.name)))
            for layer in inner.layers
        ]
        inner = Network((dac, *behind), None, inner.metadata)
    return AnalogPart(part, inner, map_network(inner, technology, options), reach)


def draw_hybrid(hybrid: HybridDesign, seed: int, index: int | None, *, scale: float = 1.0) -> tuple[Chip, ...]:
    """The circuits of chip number `index` under `seed`, or of the nominal chip for None."""
    if index is None:
        return tuple(nominal_chip(design) for design in hybrid.designs)
    return tuple(draw_chip(design, seed, index, scale=scale) for design in hybrid.designs)


def circuit_inputs(hybrid: HybridDesign, x: np.ndarray, name: str) -> np.ndarray:
    """The inputs (T, S, D) of the circuit `name` for encoded inputs x of the network, the circuits before it nominal.

    Raises ParameterError if there is no such circuit.
    """
    if name not in {design.name for design in hybrid.designs}:
        raise ParameterError(f"{hybrid.name} has no circuit {name!r}; it has {[d.name for d in hybrid.designs]}.")
    return simulate_hybrid(hybrid, x).inputs[name]


def simulate_hybrid(
    hybrid: HybridDesign, x: np.ndarray, chips: tuple[Chip, ...] | None = None, *, noise_seed: int | None = None
) -> HybridRun:
    """Run a hybrid network on encoded inputs x (T, S, D): its circuits on `chips` (default: nominal), the rest exactly.

    >>> run = ar.simulate_hybrid(hybrid, x)

    Raises ParameterError for inputs of another shape or beyond the mapped bound.
    """
    made = {
        part.design.name: chip for part, chip in zip(hybrid.analog, chips or draw_hybrid(hybrid, 0, None), strict=True)
    }
    by_part = {item.part: item for item in hybrid.analog}
    runs: dict[str, StepRun] = {}
    inputs: dict[str, np.ndarray] = {}
    saturated: dict[str, float] = {}

    def run(part: Part, value: np.ndarray) -> np.ndarray:
        if not part.analog:
            return forward(part.network, value).logits
        item = by_part[part]
        name = item.design.name
        saturated[name], inputs[name] = item.saturated(value), item.converted(value)
        runs[name] = simulate(made[name], inputs[name], noise_seed=noise_seed)
        return runs[name].logits

    parts = [item.part if isinstance(item, AnalogPart) else item for item in hybrid.parts]
    given = finite_array("x", x, (None, None, hybrid.network.inputs))
    return HybridRun(run_parts(hybrid.network, parts, given, run), runs, inputs, saturated)
