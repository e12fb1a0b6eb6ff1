"""Area of a Design: the gates of its devices and its capacitors.

Gates are counted as drawn (W x L x unit devices), from the inventory of `bill_of_materials`, which is that of the
transistor decks. A layout also needs sources and drains, wells, spacing and wiring; the overhead factor for these is
declared, not measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from analogrnn.bill_of_materials import DeviceGroup, devices
from analogrnn.design import Design, Ladder
from analogrnn.errors import in_range

# GF180MCU offers MIM capacitors of 1, 1.5 and 2 fF/um2. The packaged models lack them, so the decks use ideal
# capacitors, and this density is declared
MIM_DENSITY = 2e-3  # F/m^2
OVERHEAD = 2.5  # layout area over area of gates and capacitors, declared
# subcircuit -> block of the report; the others are mirrors of weights
REPORTED = {
    "ladder_stage": "stages",
    "bare_stage": "stages",
    "ladder_bias": "bias lines",
    "bare_bias": "bias lines",
    "ladder_line": "input lines",
    "ladder_end": "input lines",
    "bias_reference_cascode": "reference",
    "cascode_bias": "reference",
    "soft_bias": "reference",
    "absolute": "soft thresholds",
    "soft_threshold": "soft thresholds",
}


@dataclass(frozen=True)
class AreaReport:
    """Areas in m^2.

    gates       of each block, as drawn
    capacitors  of all DPIs
    density     of the capacitors, F/m^2
    overhead    layout area over area of gates and capacitors
    """

    gates: Mapping[str, float]
    capacitors: float
    density: float
    overhead: float

    @property
    def active(self) -> float:
        """Gates and capacitors as drawn, m^2."""
        return sum(self.gates.values()) + self.capacitors

    @property
    def total(self) -> float:
        """Layout area, m^2: gates and capacitors times the overhead."""
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
    for group in devices(design):
        block = _reported(design, group)
        gates[block] = gates.get(block, 0.0) + group.area
    stages = sum(int(ladder.counts.sum()) for ladder in design.ladders if ladder.has_dpi)
    return AreaReport(gates, stages * design.timing.c_dpi / density, density, overhead)


def _reported(design: Design, group: DeviceGroup) -> str:
    """The block of the report to which a group of devices belongs."""
    if group.block in REPORTED:
        return REPORTED[group.block]
    last = design.layers[-1]
    return "readout" if group.layer == last.name and not isinstance(last, Ladder) else "weights"
