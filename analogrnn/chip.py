"""One manufactured chip of a Design, as the arrays that the kernels read.

At the step level a ladder is three tables over its levels, in units of the trained candidate: up[n] and down[n]
(thresholds of stage n + 1; -inf where the unipolar line can't reach them) and output[n]. Without mismatch they equal
the trained numbers bit for bit, because a chip stores trained value + (deviation of the circuit from nominal).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from analogrnn import mismatch
from analogrnn.design import Design, FeedForward, Ladder
from analogrnn.deviations import RelativeLayer, ladder_deviations, relative_layer
from analogrnn.errors import ParameterError
from analogrnn.mismatch import DeviceDraw, DeviceTypes
from analogrnn.noise import candidate_noise
from analogrnn.show import Rows, Shown, counted
from analogrnn.soft_threshold import SoftGains
from analogrnn.streams import chip_number


@dataclass(frozen=True, eq=False)
class StageCurrents:
    """Inputs of the waveform kernel: currents (d, N) in A, except `copy` (d, N), a ratio, and `base` (d,) in A."""

    i_hi: np.ndarray
    i_lo: np.ndarray
    copy: np.ndarray
    left: np.ndarray
    right: np.ndarray
    base: np.ndarray


@dataclass(frozen=True, eq=False)
class ChipSynapses:
    """Effective weights (d, D) and biases (d,) in the unit of the trained network."""

    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, eq=False)
class ChipLadder:
    """Tables over levels in the unit of the trained candidate; a candidate of 1 is a line current of `unit` (d,) A."""

    ladder: Ladder
    synapses: ChipSynapses
    up: np.ndarray  # (d, N)
    down: np.ndarray  # (d, N)
    output: np.ndarray  # (d, N + 1)
    noise: np.ndarray  # (d,) rms of the candidate's noise
    unit: np.ndarray  # (d,) A
    currents: StageCurrents
    gate: ChipSynapses | None = None  # rows of an input-dependent threshold
    soft: SoftGains | None = None  # gains (d,) of the soft thresholds behind them

    @property
    def name(self) -> str:
        return self.ladder.name


@dataclass(frozen=True, eq=False)
class ChipFeedForward:
    name: str
    synapses: ChipSynapses
    rectified: bool


@dataclass(frozen=True, eq=False, repr=False)
class Chip(Shown):
    """A Design with one draw of mismatch, the chip number `index` under `seed`. `index` is None for the nominal chip.

    >>> chip = ar.draw_chip(design, seed=1, index=7)
    """

    design: Design
    index: int | None
    seed: int
    layers: tuple[ChipFeedForward | ChipLadder, ...]

    def shown(self) -> tuple[str, Rows]:
        """The chip's number, and the rms shift of its thresholds by mismatch."""
        which = "nominal" if self.index is None else f"number {self.index} under seed {self.seed}"
        shifts = [
            ((layer.up - layer.ladder.threshold[:, [1]]) / layer.ladder.threshold[:, [1]])[layer.ladder.exists]
            for layer in self.ladders
        ]
        rms = float(np.sqrt(np.mean(np.concatenate(shifts) ** 2)))
        rows = [
            ("ladders", ", ".join(f"{item.name} ({counted(item.ladder.width, 'ladder')})" for item in self.ladders)),
            ("deviation of the thresholds", f"{100 * rms:.3g} % rms" if rms else "none"),
        ]
        return f"Chip of {self.design.name}, {which}", rows

    @property
    def ladders(self) -> tuple[ChipLadder, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer, ChipLadder))


@dataclass(frozen=True, eq=False)
class ChipTables:
    """Step-level tables of one layer of many chips: a first axis of C chips (or 1), then the axes of ChipLadder.

    up, down and output are None in a feed-forward layer, and gate and soft where no threshold depends on the input.
    """

    weight: np.ndarray  # (C, d, D)
    bias: np.ndarray  # (C, d)
    up: np.ndarray | None = None
    down: np.ndarray | None = None
    output: np.ndarray | None = None
    gate: tuple[np.ndarray, np.ndarray] | None = None  # weight (C, d, D) and bias (C, d) of b(x)
    soft: SoftGains | None = None  # (C, d)


Adjust = Callable[[str, DeviceTypes], DeviceTypes]  # (name of a layer, its device types) -> changed device types


def _as_drawn(layer: str, types: DeviceTypes) -> DeviceTypes:
    return types


class ChipFactory:
    """Makes the chips of a Design under one seed; values that all chips share are computed once.

    `scale` multiplies every device deviation; 0 is bit-identical to the nominal chip.
    """

    def __init__(self, design: Design, seed: int, scale: float = 1.0, adjust: Adjust | None = None) -> None:
        """`adjust` changes the spreads or streams of some devices, for analyses of their effect."""
        _check_kinds(design)
        adjust = adjust or _as_drawn
        self._design, self._seed, self._scale = design, seed, scale
        self._rows = [mismatch.rows_of(design, layer.synapses) for layer in design.layers]
        self._synapses = [
            adjust(layer.name, mismatch.synapse_types(design, layer.synapses, seed)) for layer in design.layers
        ]
        self._ladders = [
            adjust(layer.name, mismatch.ladder_types(design, layer, seed)) if isinstance(layer, Ladder) else None
            for layer in design.layers
        ]
        self._gates = {
            j: (
                mismatch.rows_of(design, layer.gate),
                adjust(layer.gate.name, mismatch.synapse_types(design, layer.gate, seed)),
            )
            for j, layer in enumerate(design.layers)
            if isinstance(layer, Ladder) and layer.gate is not None
        }

    def chip(self, index: int) -> Chip:
        """Chip number `index`. Raises ParameterError if it is not a whole number >= 0."""
        return _assemble(self._design, self._seed, index, self.layers(chip_number("draw_chip.index", index)))

    def tables(self, numbers: np.ndarray) -> list[ChipTables]:
        """The tables of chips `numbers` (C,) uint64, layer by layer. Those of a chip do not depend on the others."""
        return [tables for tables, _ in self._layers(numbers)]

    def layers(self, number: int) -> list[tuple[ChipTables, StageCurrents | None]]:
        """The tables of one chip, and the stage currents of its ladders for the waveform level."""
        found = self._layers(np.array([number], dtype=np.uint64))
        return [
            (tables, _stage_currents(layer, draws) if isinstance(layer, Ladder) else None)
            for layer, (tables, draws) in zip(self._design.layers, found, strict=True)
        ]

    def relative(self, numbers: np.ndarray) -> list[RelativeLayer]:
        """How chips `numbers` (C,) uint64 deviate, relative to the design's parameters, layer by layer.

        The same draws as those of `tables`, as numbers that no weight, threshold or alpha enters.
        """
        found = []
        for j, mirrors in enumerate(self._mirrors(numbers)):
            layer, types = self._design.layers[j], self._ladders[j]
            rows = self._rows[j].factors(mirrors)
            if not isinstance(layer, Ladder) or types is None:
                found.append(RelativeLayer(layer.name, rows))
                continue
            draws = types.draw(numbers, self._scale)
            deviations = ladder_deviations(self._design, layer, draws)
            own = relative_layer(self._design, layer, rows, deviations, draws)
            if j in self._gates:
                gate_rows, gate_types = self._gates[j]
                drawn = {**gate_types.draw(numbers, self._scale), "input": mirrors["input"]}
                own = replace(own, gate=gate_rows.factors(drawn))
            found.append(own)
        return found

    def _layers(self, numbers: np.ndarray) -> list[tuple[ChipTables, dict[str, DeviceDraw]]]:
        return [self._layer(j, drawn, numbers) for j, drawn in enumerate(self._mirrors(numbers))]

    def _mirrors(self, numbers: np.ndarray) -> Iterator[dict[str, DeviceDraw]]:
        """The draws of the weight mirrors, layer by layer; layers that read one source share its diodes."""
        diodes: dict[str, DeviceDraw] = {}  # layer -> draw of the diodes that it reads
        for layer, types in zip(self._design.layers, self._synapses, strict=True):
            drawn = types.draw(numbers, self._scale)
            drawn["input"] = diodes[layer.name] = mismatch.shared_diodes(
                self._design, layer.name, drawn["input"], diodes
            )
            yield drawn

    def _layer(
        self, j: int, mirrors: dict[str, DeviceDraw], numbers: np.ndarray
    ) -> tuple[ChipTables, dict[str, DeviceDraw]]:
        layer, types = self._design.layers[j], self._ladders[j]
        weight, bias = self._rows[j].deviate(mirrors)
        if not isinstance(layer, Ladder) or types is None:
            return ChipTables(weight, bias), {}
        draws = types.draw(numbers, self._scale)
        found = ChipTables(weight, bias, *_tables(self._design, layer, draws))
        if j in self._gates:
            rows, gate_types = self._gates[j]
            # both sets of rows hang on the same input diodes
            own = {**gate_types.draw(numbers, self._scale), "input": mirrors["input"]}
            found = replace(found, gate=rows.deviate(own), soft=mismatch.soft_gains(draws))
        return found, draws


def nominal_chip(design: Design) -> Chip:
    """The chip without mismatch.

    >>> chip = ar.nominal_chip(design)

    Raises ParameterError for an unknown kind of layer.
    """
    _check_kinds(design)
    parts: list[tuple[ChipTables, StageCurrents | None]] = []
    for layer in design.layers:
        weight, bias = layer.synapses.weight[None], layer.synapses.trained_bias[None]
        if isinstance(layer, Ladder):
            tables = ChipTables(weight, bias, *_tables(design, layer, {}))
            if layer.gate is not None:
                gate = layer.gate.weight[None], layer.gate.trained_bias[None]
                tables = replace(tables, gate=gate, soft=SoftGains(*np.ones((6, 1, layer.width))))
            parts.append((tables, _stage_currents(layer, {})))
        else:
            parts.append((ChipTables(weight, bias), None))
    return _assemble(design, 0, None, parts)


def draw_chip(design: Design, seed: int, index: int, *, scale: float = 1.0) -> Chip:
    """Chip number `index` under `seed`; it does not depend on other chips.

    >>> chip = ar.draw_chip(design, seed=1, index=7)

    `scale` multiplies every device deviation; 0 is bit-identical to the nominal chip.

    Raises ParameterError for a seed or a chip number that is not a whole number >= 0, or for an unknown kind of layer.
    """
    return ChipFactory(design, seed, scale).chip(index)


def _check_kinds(design: Design) -> None:
    for layer in design.layers:
        match layer:
            case FeedForward() | Ladder():
                pass
            case _:
                raise ParameterError(
                    f"Design.layers holds a {type(layer).__name__}; a chip is made of FeedForward and Ladder layers "
                    "only, as map_network returns them."
                )


def _assemble(
    design: Design, seed: int, index: int | None, parts: list[tuple[ChipTables, StageCurrents | None]]
) -> Chip:
    layers: list[ChipFeedForward | ChipLadder] = []
    for layer, (tables, currents) in zip(design.layers, parts, strict=True):
        synapses = ChipSynapses(tables.weight[0], tables.bias[0])
        if isinstance(layer, FeedForward):
            layers.append(ChipFeedForward(layer.name, synapses, layer.rectifier is not None))
            continue
        unit = design.candidate_units(layer.synapses)
        assert tables.up is not None
        assert tables.down is not None
        assert tables.output is not None
        assert currents is not None
        layers.append(
            ChipLadder(
                layer,
                synapses,
                tables.up[0],
                tables.down[0],
                tables.output[0],
                candidate_noise(design, layer) / unit,
                unit,
                currents,
                None if tables.gate is None else ChipSynapses(tables.gate[0][0], tables.gate[1][0]),
                None if tables.soft is None else tables.soft.chip(0),
            )
        )
    return Chip(design, index, seed, tuple(layers))


def _tables(design: Design, ladder: Ladder, draws: dict[str, DeviceDraw]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tables up, down (C, d, N) and output (C, d, N + 1); C = 1 without draws."""
    return ladder_deviations(design, ladder, draws).tables(ladder)


def _stage_currents(ladder: Ladder, draws: dict[str, DeviceDraw]) -> StageCurrents:
    """Stage currents of one chip; nominal without draws."""
    terms = mismatch.stage_terms(ladder)

    def value(name: str) -> np.ndarray:
        term = terms[name]
        exponent = mismatch.log_ratio(term.devices, draws)[0] if draws else 0.0
        return np.asarray(term.current[:, None] * np.exp(exponent + np.zeros((1, ladder.stages))))

    i_hi, left, right, above = value("i_th"), value("first_shift"), value("right_out"), value("left_out")
    left[:, 1:], above[:, :-1] = right[:, :-1], above[:, 1:]
    last = np.arange(ladder.width), ladder.counts - 1
    above[last] = 0.0
    i_hi = np.where(ladder.exists, i_hi, np.inf)
    return StageCurrents(i_hi, i_hi - value("i_hyst"), value("copy"), left, above, value("base")[:, 0])
