"""The one inventory of transistors: what a Design places of each subcircuit, and how large each device is.

Derived from the Design and from the table of the subcircuits (`blocks`). Tests compare it with the flattened deck of
the whole network in transistors. Counts by block, and the areas of `analysis.power`, are sums over it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from analogrnn.biases import REFERENCE_UNITS, bias_units, delta_units, line_drive, row_units, soft_bias_units
from analogrnn.bill_of_materials.blocks import BLOCKS, PULSE_SHAPER, Kind, channel
from analogrnn.design import Design, Ladder, Synapses

LINES = ("ladder_bias", "bare_bias", "ladder_line", "ladder_end")
REFERENCE = ("bias_reference_cascode", "cascode_bias", "soft_bias")
SOFT = ("absolute", "soft_threshold")
STAGES = ("ladder_stage", "bare_stage")


@dataclass(frozen=True)
class DeviceGroup:
    """Equal transistors of a Design.

    layer  name of the layer that they belong to; empty for the reference, which all layers share
    block  subcircuit of circuits/gf180mcu that they stand in
    name   of the element in the subcircuit, without its X: `m9`, or `cell.m2` for one of a subcircuit in it
    kind   "n" for nfet, "p" for pfet
    w, l   drawn channel of one unit device, m
    units  unit devices in parallel; a fraction for a weight, see `biases.RowUnits`
    count  number of such transistors
    """

    layer: str
    block: str
    name: str
    kind: Kind
    w: float
    l: float  # noqa: E741
    units: float
    count: int

    @property
    def area(self) -> float:
        """Gate area of all of them as drawn, m^2."""
        return self.count * self.units * self.w * self.l


def devices(design: Design) -> tuple[DeviceGroup, ...]:
    """Every transistor of a Design, equal ones together.

    Raises ParameterError for a Design whose bias currents no whole unit devices can make.
    """
    found: dict[tuple[str, str, str, Kind, float, float, float], int] = {}
    for placed in _placements(design):
        parameters = placed.parameters()
        for one in BLOCKS[placed.block]:
            size = channel(design, one.size)
            units = float(parameters[one.units] if isinstance(one.units, str) else one.units)
            key = (placed.layer, placed.block, one.name, one.kind, size.w, size.l, units)
            found[key] = found.get(key, 0) + placed.count
    return tuple(DeviceGroup(*key, count) for key, count in found.items())


def transistors(design: Design) -> dict[str, int]:
    """Number of transistors by block, as in the deck of the whole network; unit devices in parallel count as one."""
    count = dict.fromkeys(
        ("memory stages", "ladder bias and input lines", "pulse shapers", "weights and biases", "reference"), 0
    )
    for placed in _placements(design):
        size, shaper = len(BLOCKS[placed.block]), 0
        if placed.block == "ladder_line":
            shaper = len(PULSE_SHAPER)
            count["pulse shapers"] += placed.count * shaper
        name = _reported(placed.block)
        count[name] = count.get(name, 0) + placed.count * (size - shaper)
    return count


def _reported(block: str) -> str:
    if block in STAGES:
        return "memory stages"
    if block in LINES:
        return "ladder bias and input lines"
    if block in SOFT:
        return "soft thresholds"
    return "reference" if block in REFERENCE else "weights and biases"


@dataclass(frozen=True)
class _Placement:
    """Equal instances of one subcircuit; `parameters` gives those of its parameters that state unit devices."""

    layer: str
    block: str
    count: int
    parameters: Callable[[], Mapping[str, float]] = dict


def _placements(design: Design) -> Iterator[_Placement]:
    yield _Placement("", "bias_reference_cascode", 1, partial(dict, q=REFERENCE_UNITS))
    yield _Placement("", "cascode_bias", 1, partial(dict, p=REFERENCE_UNITS))
    if soft := soft_bias_units(design):
        yield _Placement("", "soft_bias", 1, partial(dict, units=soft))
    for layer in design.layers:
        for row in range(layer.synapses.width):
            yield from _row(design, layer.name, layer.synapses, row)
        # diodes count with the layer that reads them first; outputs of the last layer have their own, signed ones none
        ends = layer is design.layers[-1] and (isinstance(layer, Ladder) or layer.rectifier)
        read_before = sum(source.stop - source.start for source, _ in design.wiring.borrowed(layer.name))
        diodes = layer.synapses.inputs - read_before + (layer.synapses.width if ends else 0)
        yield _Placement(layer.name, "input_diode_cascode", diodes)
        if isinstance(layer, Ladder):
            yield from _ladder(design, layer)


def _row(design: Design, layer: str, synapses: Synapses, row: int) -> Iterator[_Placement]:
    units = row_units(design, synapses, row)
    for ratio in units.weights[np.nonzero(units.weights)]:
        block = "synapse_positive_cascode" if ratio > 0 else "synapse_negative_cascode"
        yield _Placement(layer, block, 1, partial(dict, ratio=abs(float(ratio))))
    if synapses.has_rail(row):
        yield _Placement(layer, "row_rail_cascode", 1)
    if units.bias:
        yield _Placement(layer, "bias_sink_cascode", 1, partial(dict, p=abs(units.bias)))


def _ladder(design: Design, ladder: Ladder) -> Iterator[_Placement]:
    if ladder.gate is not None:
        yield _Placement(ladder.name, "absolute", ladder.width)
        yield _Placement(ladder.name, "soft_threshold", ladder.width)
        for cell in range(ladder.width):
            yield from _row(design, ladder.name, ladder.gate, cell)
            yield _Placement(ladder.name, "bias_sink_cascode", 1, partial(dict, p=delta_units(design, ladder, cell)))
    dpi = ladder.has_dpi
    yield _Placement(ladder.name, "ladder_stage" if dpi else "bare_stage", int(ladder.counts.sum()))
    drives, ladders = np.unique([line_drive(ladder, cell) for cell in range(ladder.width)], return_counts=True)
    for drive, count in zip(drives, ladders, strict=True):
        yield _Placement(ladder.name, "ladder_line", int(count), partial(dict, drive=int(drive)))
    if dpi:
        yield _Placement(ladder.name, "ladder_end", ladder.width)
    for cell in range(ladder.width):
        # only sizes need the whole unit devices, which take some milliseconds for each ladder
        yield _Placement(ladder.name, "ladder_bias" if dpi else "bare_bias", 1, partial(_lines, design, ladder, cell))


def _lines(design: Design, ladder: Ladder, cell: int) -> dict[str, float]:
    units = bias_units(design, ladder, cell)
    return {f"{name}_{line}": n for line, pair in units.items() for name, n in zip("pk", pair, strict=True)}
