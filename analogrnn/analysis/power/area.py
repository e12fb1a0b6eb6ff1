"""Area of a Design from its devices and capacitors.

Gates are counted as drawn (W x L x unit devices), from the same lists that the transistor decks are built from. A
layout also needs sources and drains, wells, spacing and wiring; the overhead factor for these is declared, not
measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analogrnn.design import Design, Geometry, Ladder, Synapses
from analogrnn.errors import in_range
from analogrnn.mismatch import STAGE_DEVICES
from analogrnn.spice.biases import REFERENCE_UNITS, bias_units

# GF180MCU offers MIM capacitors of 1, 1.5 and 2 fF/um2. The packaged models lack them, so the decks use ideal
# capacitors, and this density is declared
MIM_DENSITY = 2e-3  # F/m^2
OVERHEAD = 2.5  # layout area over area of gates and capacitors, declared
BARE_STAGE_DEVICES = 6  # m1 m2 m3 m4 m9 mu
STAGE_SWITCHES = 3  # m5, m8, m10
# ladder_line: mb md mp mk u1 du, the clamp's k1 k2 of four units each and k3 of half a unit; u2 u3 count `drive` each
LINE_DEVICES = 14.5
LINE_SWITCHES = 14
END_DEVICES = 2
CASCODE = Geometry(10e-6, 1e-6)  # the blocks' default wc x lc, a unit device


@dataclass(frozen=True)
class AreaReport:
    """Areas in m^2: gates of each block, all capacitors, and `total` with the overhead."""

    gates: Mapping[str, float]
    capacitors: float
    density: float  # F/m^2
    overhead: float

    @property
    def active(self) -> float:
        """Gates and capacitors as drawn."""
        return sum(self.gates.values()) + self.capacitors

    @property
    def total(self) -> float:
        return self.overhead * self.active


def area_report(design: Design, *, density: float = MIM_DENSITY, overhead: float = OVERHEAD) -> AreaReport:
    """The area of a Design.

    density   of the capacitors, F/m^2
    overhead  layout area over area of gates and capacitors

    Raises ParameterError for values out of range.
    """
    in_range("area_report.density", density, 1e-5, 1.0, "F/m^2")
    in_range("area_report.overhead", overhead, 1.0, 100.0)
    gates = dict.fromkeys(("stages", "bias lines", "input lines", "weights", "readout", "reference"), 0.0)
    capacitors = 0.0
    cell = design.sizing.cell
    for layer in design.layers:
        last = layer is design.layers[-1] and not isinstance(layer, Ladder)
        gates["readout" if last else "weights"] += _synapses(design, layer.synapses)
        if isinstance(layer, Ladder):
            gates["stages"] += layer.width * layer.stages * _stage(design, layer)
            gates["bias lines"] += sum(_bias(design, layer, i) for i in range(layer.width))
            gates["input lines"] += layer.width * _line(design, layer)
            capacitors += layer.width * layer.stages * design.timing.c_dpi / density if layer.has_dpi else 0.0
    # two copies of one reference unit, their diodes, and two long diodes
    gates["reference"] = 3 * REFERENCE_UNITS * cell.area / 4.0 + 2 * cell.area + 2 * 50e-12
    return AreaReport(gates, capacitors, density, overhead)


def _stage(design: Design, ladder: Ladder) -> float:
    devices = len(STAGE_DEVICES) if ladder.has_dpi else BARE_STAGE_DEVICES
    return devices * design.sizing.cell.area + STAGE_SWITCHES * design.sizing.switch.area


def _line(design: Design, ladder: Ladder) -> float:
    drive = -(-ladder.stages // 2)
    devices = LINE_DEVICES + 2 * drive + (END_DEVICES if ladder.has_dpi else 0)
    return devices * design.sizing.cell.area + LINE_SWITCHES * design.sizing.switch.area


def _bias(design: Design, ladder: Ladder, cell: int) -> float:
    """Per line: p unit devices of the reference, each a quarter of a cell's device, and k diodes."""
    units = bias_units(design, ladder, cell).values()
    return sum(p / 4.0 + k for p, k in units) * design.sizing.cell.area


def _synapses(design: Design, synapses: Synapses) -> float:
    """Weights by ratio, each with a cascode; input diodes; rails; biases in sixteenths of the reference's unit."""
    unit = design.sizing.synapse.area + CASCODE.area
    ratios = float(np.abs(synapses.ratio).sum())
    rails = 2 * sum(synapses.has_rail(row) for row in range(synapses.width))
    biases = float(np.abs(synapses.bias).sum()) * REFERENCE_UNITS * design.sizing.cell.area / 4.0
    return (ratios + rails + synapses.inputs) * unit + biases
