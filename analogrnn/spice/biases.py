"""Which copies of the one reference current bias a ladder of transistors.

All bias currents are copies p/(q k) of the reference by whole unit devices; the choice of p and k is `unit_ratio`. Our
cells deviate from their bias currents in a known way (`CellMaps`): the biases are chosen so that thresholds, width and
shift come out as the Design wants them.
"""

from dataclasses import dataclass, field

from analogrnn.design import Design, Ladder
from analogrnn.errors import in_range

REFERENCE_UNITS = 16  # unit devices of the reference diode: a copy of p units carries p/16 of the reference
STEP = 0.03  # rounding of a bias current by whole units, in half windows of the ladder


@dataclass(frozen=True)
class CellMaps:
    """What the blocks make of their bias currents: ngspice, typical, 27 C, w 2 um, l 18 um, unit current 0.25 nA."""

    bias: float = field(default=1.0238, metadata={"doc": "current of a bias line over its unit ratio"})
    threshold: float = field(default=0.9681, metadata={"doc": "I_hi / I_th"})
    width: float = field(default=0.995, metadata={"doc": "dI_width / dI_hyst"})
    width_loss: float = field(default=0.0205, metadata={"doc": "I_width = width I_hyst - width_loss I_th"})
    copy: float = field(default=1.0251, metadata={"doc": "current into a cell over the current into the line"})
    base: float = field(default=1.0065, metadata={"doc": "standing current of the line over its bias line"})
    first_shift: float = field(default=1.0033, metadata={"doc": "shift of stage 1 over its bias line"})
    shift: float = field(default=0.9916, metadata={"doc": "DPI output over that of the Design's dpi_gain"})
    tau: float = field(default=1.072, metadata={"doc": "DPI time constant over (C + C_par) U_T / (kappa I_tau)"})
    parasitic: float = field(default=4.9e-3, metadata={"doc": "C_par of a DPI over the area of one device, F/m^2"})


def unit_ratio(ratio: float, tolerance: float = 0.01, most: int = 400) -> tuple[int, int]:
    """Whole numbers (p, k) with p/k within `tolerance` of `ratio` and the least p, hence the least current; k below 64.

    The nearest pair with p up to `most` if none is within.
    """
    in_range("unit_ratio.ratio", ratio, 1e-4, most)
    pairs = [(p, k) for k in range(1, 64) for p in (max(1, int(ratio * k)), int(ratio * k) + 1) if p <= most]
    error = {pair: abs(pair[0] / pair[1] / ratio - 1.0) for pair in pairs}
    fitting = [pair for pair in pairs if error[pair] <= tolerance]
    return min(fitting) if fitting else min(pairs, key=lambda pair: error[pair])


def bias_currents(design: Design, ladder: Ladder, cell: int, maps: CellMaps) -> dict[str, float]:
    """Bias line to the current that a unit device on it shall carry, A: the Design's, compensated by `maps`.

    A cell receives copy x (base + candidate) and its shift, and shall set at a candidate of beta, reset at -beta.
    """
    timing, half = design.timing, float(ladder.i_hyst[cell]) / 2.0
    threshold = (float(ladder.i_th[cell]) + (maps.copy - 1.0) * half) / maps.threshold
    currents = {
        "th": threshold,
        "hyst": (2.0 * half * maps.copy + maps.width_loss * threshold) / maps.width,
        "alpha": float(ladder.i_alpha[cell]),
        "base": float(ladder.i_base[cell]) / (maps.base * maps.copy),
    }
    if ladder.has_dpi:
        technology = design.technology
        charge = (timing.c_dpi + maps.parasitic * design.sizing.cell.area) * technology.thermal_voltage
        i_tau = maps.tau * charge / (technology.kappa * timing.tau)
        currents |= {"on": i_tau * timing.drive_ratio, "tau": i_tau, "gain": float(ladder.i_gain[cell]) / maps.shift,
                     "shift": float(ladder.i_shift[cell]) / maps.first_shift}  # fmt: skip
    return currents


def bias_units(design: Design, ladder: Ladder, cell: int, maps: CellMaps) -> dict[str, tuple[int, int]]:
    """Bias line to (p, k): the line's unit devices carry the reference's unit p/k times.

    Rounding moves a threshold by at most STEP half windows a line; the gain line makes up for the rounding of the
    DPI's other two currents.
    """
    currents = bias_currents(design, ladder, cell, maps)
    units: dict[str, tuple[int, int]] = {}
    scale = REFERENCE_UNITS / (maps.bias * design.unit_current)
    for line, wanted in currents.items():
        ratio, slack = wanted * scale, STEP
        if line in ("th", "hyst", "shift", "base"):
            slack = STEP * float(ladder.beta[cell]) / wanted
        elif line == "gain":
            (on, k_on), (tau, k_tau) = units["on"], units["tau"]
            ratio *= currents["on"] / currents["tau"] * (tau * k_on) / (k_tau * on)
            slack = STEP / 3.0
        units[line] = unit_ratio(ratio, slack)
    return units
