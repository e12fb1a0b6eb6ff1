"""How many unit devices the mirrors of a circuit in transistors have: bias lines, input line, rows of weights.

All bias currents are copies p/(q k) of one reference current, made of whole unit devices. The measured deviations of
the blocks (`CellMaps`) are known. The biases are chosen so that, in the whole ladder with its input line and with
pulses of the Design's length, a stage sets at a candidate of beta and resets at -beta.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from analogrnn.design import Design, Geometry, Ladder, Synapses, input_time_constants
from analogrnn.errors import in_range
from analogrnn.technology import CellMaps

REFERENCE_UNITS = 16  # unit devices of the reference diode: p units carry p/16 of the reference current
MOST_DIODES = 4  # unit devices of a bias line's diode; more give finer steps and draw more current
EXACT = 0.002  # half windows: largest change of a threshold by rounding to whole units
ROOM = 0.08  # half windows by which one line may deviate, if the other lines compensate for it
BASE_ROOM = 0.015  # less for the standing current: what a down pulse leaves of it sets the speed of the line
DRIVE_ROOM = 0.08  # relative deviation allowed for the DPI's drive and leak
NO_BASE = (1, 16)  # (p, k) of a line without standing current: 1/256 unit current
PULSE = 8.0  # input time constants: the pulse length for which CellMaps.pulse_* hold
DRIVE_EXACT = 0.005  # relative deviation allowed for their ratio
# A, the reference current for which the error of a PMOS mirror is calibrated. With another reference the voltages of
# the cascodes follow all currents, and the error is that of the same ratio to the reference: from 0.08 to 1 nA within a
# factor of 1.6
RAIL_UNIT = 0.24e-9
UNITS_PER_SOURCE = 8  # soft thresholds that one source of their gate lines serves


def source_unit(design: Design) -> Geometry:
    """Channel of the NMOS unit device of the reference and its copies: a quarter of a cell's width."""
    return Geometry(design.sizing.cell.w / 4.0, design.sizing.cell.l)


def line_drive(ladder: Ladder, cell: int) -> int:
    """Unit devices of the mirror that drives the copies of one input line: half its stages, rounded up."""
    return -(-int(ladder.counts[cell]) // 2)


def rail_gain(design: Design, synapses: Synapses, row: int) -> float:
    """Current gain of a row's PMOS mirror at inputs of zero, 1 without one; positive weights are divided by it."""
    if not synapses.has_rail(row):
        return 1.0
    current = float(synapses.rails(synapses.offset)[row]) * RAIL_UNIT
    return 1.0 + design.technology.table_rail(max(current, design.technology.i_leak))


@dataclass(frozen=True, eq=False)
class RowUnits:
    """Unit devices of one row of weights, signed: a positive current passes through the rail of the row.

    weights  (D,) over the unit device of the input's diode; a fraction is an idealisation, zero means no device
    bias     over the unit device of the reference, of which the reference diode has REFERENCE_UNITS
    """

    weights: np.ndarray
    bias: float


def row_units(design: Design, synapses: Synapses, row: int) -> RowUnits:
    """The unit devices of row number `row` of a layer; positive ones compensate for the gain of the rail."""
    rail, ratio, bias = rail_gain(design, synapses, row), synapses.ratio[row], float(synapses.bias[row])
    return RowUnits(np.where(ratio > 0, ratio / rail, ratio), (bias / rail if bias > 0 else bias) * REFERENCE_UNITS)


def delta_units(design: Design, ladder: Ladder, cell: int) -> float:
    """Unit devices of the sink of delta, half a window, of a soft threshold; a fraction is an idealisation."""
    return float(ladder.beta[cell]) / design.unit_current * REFERENCE_UNITS


def soft_bias_units(design: Design) -> int:
    """Parallel sources of the gate lines of all soft thresholds of a Design, 0 if it has none; see soft_bias."""
    return -(-sum(ladder.width for ladder in design.ladders if ladder.gate is not None) // UNITS_PER_SOURCE)


def maps_of(design: Design, ladder: Ladder, cell: int) -> CellMaps:
    """The maps of one ladder, taken from the calibration at its currents and device size."""
    size, beta = design.sizing.cell, float(ladder.beta[cell])
    return design.technology.block_maps(size.w, size.l, design.unit_current, beta, bare=not ladder.has_dpi)


@dataclass(frozen=True)
class LadderTarget:
    """Candidates (A) at which a stage must set and reset with a slow line, and the currents (A) then."""

    up: float
    down: float
    base: float  # current of the line's standing branch
    shift: float
    high: float  # current into the cell when it sets
    low: float  # and when it resets


def target_of(design: Design, ladder: Ladder, cell: int, maps: CellMaps) -> LadderTarget:
    """The target of one ladder, after the residual errors and overdrives in `maps`."""
    beta, shift = float(ladder.beta[cell]), float(ladder.i_shift[cell])
    late = lateness(design, ladder, cell)
    # zero except for a first-quadrant cell, whose window is not centred on a candidate of zero
    centre = float(ladder.i_th[cell]) - shift - float(ladder.i_base[cell]) - beta
    up = centre + beta * (1.0 - maps.trim_up - maps.pulse_up * late)
    down = centre - beta * (1.0 - maps.trim_down - maps.pulse_down * late)
    base = float(ladder.i_base[cell]) / maps.copy
    high, low = (maps.into_cell(base, u) + shift for u in (up, down))
    return LadderTarget(up, down, base, shift, high, low)


def lateness(design: Design, ladder: Ladder, cell: int) -> float:
    """Overdrive of the Design's pulse over that of a pulse of 8 input time constants.

    It is at most 1: the mapping refuses shorter pulses.
    """
    t_in = float(input_time_constants(ladder, design.sizing.cell, design.technology)[cell])
    return min(PULSE * t_in / design.timing.pulse, 1.0) ** 2 if ladder.return_to_zero else 0.0


def bias_currents(design: Design, ladder: Ladder, cell: int, maps: CellMaps | None = None) -> dict[str, float]:
    """Bias line -> target current (A) of a unit device on it: the Design's current, compensated by `maps`."""
    maps = maps or maps_of(design, ladder, cell)
    timing, goal = design.timing, target_of(design, ladder, cell, maps)
    threshold = goal.high / maps.threshold
    currents = {
        "th": threshold,
        "hyst": (goal.high - goal.low + maps.width_loss * threshold) / maps.width,
        "alpha": float(ladder.i_alpha[cell]),
        "base": goal.base / maps.base,
    }
    if ladder.has_dpi:
        technology = design.technology
        charge = (timing.c_dpi + maps.parasitic * design.sizing.cell.area) * technology.thermal_voltage
        i_tau = maps.tau * charge / (technology.kappa * timing.tau)
        on, gain = i_tau * timing.drive_ratio, float(ladder.i_gain[cell])
        for _ in range(4):  # the DPI's gain changes by a tenth per factor e, so each iteration gains a digit
            gain = float(ladder.i_gain[cell] / maps.dpi(on, gain, design.unit_current))
        first = goal.shift + maps.trim_first * float(ladder.beta[cell])
        currents |= {"on": on, "tau": i_tau, "gain": gain, "shift": first / maps.first_shift}
    return currents


def bias_units(design: Design, ladder: Ladder, cell: int, maps: CellMaps | None = None) -> dict[str, tuple[int, int]]:
    """Bias line -> (p, k): a unit device of the line carries p/k times the current of a unit device of the reference.

    A line by itself would need many devices to be within EXACT. Lines that act on the same threshold are therefore
    chosen jointly: the threshold, the standing current and the first stage's shift; and the three lines of the DPI.
    Among the choices whose sum is within EXACT, the one with the least current is taken.
    """
    maps = maps or maps_of(design, ladder, cell)
    currents = bias_currents(design, ladder, cell, maps)
    beta, unit = float(ladder.beta[cell]), design.unit_current

    def options(line: str, room: float, diodes: int = MOST_DIODES) -> "_Options":
        current = currents[line]
        return _options(current * REFERENCE_UNITS / (maps.over_units(current, unit) * unit), room, diodes)

    units = {"alpha": options("alpha", 0.05, 16).nearest(EXACT)}
    scale = {"th": maps.threshold / maps.copy, "base": -maps.base, "shift": -maps.first_shift / maps.copy}
    if currents["base"] == 0.0:  # without a standing current the line still has its devices
        units["base"] = NO_BASE
    joint = [line for line in scale if currents.get(line, 0.0) > 0.0]
    weights = [scale[line] * currents[line] / beta for line in joint]
    rooms = {"base": BASE_ROOM}
    together = {line: options(line, rooms.get(line, ROOM) * beta / currents[line]) for line in joint}
    units |= _together(together, lambda *part: sum(w * (p - 1.0) for w, p in zip(weights, part, strict=True)), EXACT)
    # the width of the window acts on the lower threshold alone
    units["hyst"] = options("hyst", 2.0 * ROOM, 8).nearest(2.0 * EXACT * beta / currents["hyst"])
    if ladder.has_dpi:
        p, k = units["shift"]
        # the other stages must have the first stage's shift
        first = p / k * maps.over_units(currents["shift"], unit) * unit / REFERENCE_UNITS / currents["shift"]
        asked = maps.dpi(currents["on"], currents["gain"], unit)
        dpi = {"on": options("on", DRIVE_ROOM), "tau": options("tau", DRIVE_ROOM, 8), "gain": options("gain", 0.1, 16)}

        def shift_error(on: np.ndarray, tau: np.ndarray, gain: np.ndarray) -> np.ndarray:
            # the DPI's gain changes with its drive ratio, which is therefore kept
            got = maps.dpi(on * currents["on"], gain * currents["gain"], unit) / asked
            return np.where(np.abs(on / tau - 1.0) > DRIVE_EXACT, np.inf, got * gain * on / tau / first - 1.0)

        units |= _together(dpi, shift_error, EXACT * beta / float(ladder.i_shift[cell]))
    return {line: units[line] for line in currents}


@dataclass(frozen=True)
class _Options:
    """Choices (p, k) of one line, and the relative deviation of the current that each gives."""

    pairs: tuple[tuple[int, int], ...]
    relative: np.ndarray

    def nearest(self, tolerance: float) -> tuple[int, int]:
        """The pair of least current within `tolerance` (relative), or the nearest pair if there is none."""
        fitting = [pair for pair, error in zip(self.pairs, self.relative, strict=True) if abs(error) <= tolerance]
        return min(fitting) if fitting else self.pairs[int(np.argmin(np.abs(self.relative)))]


def _options(ratio: float, room: float, diodes: int) -> _Options:
    """Pairs whose p/k is within `room` (relative) of `ratio`, and for each k at least the nearest one."""
    in_range("bias_units.ratio", ratio, 1e-4, 1e4)
    pairs: set[tuple[int, int]] = set()
    for k in range(1, diodes + 1):
        nearest = max(1, round(ratio * k))
        low, high = math.ceil(ratio * k * (1.0 - room)), math.floor(ratio * k * (1.0 + room))
        pairs |= {(nearest, k), *((p, k) for p in range(max(low, 1), high + 1))}
    # reducible pairs are dropped: fewer devices give the same ratio
    reduced = tuple(sorted(pair for pair in pairs if math.gcd(*pair) == 1))
    relative = np.array([p / k / ratio - 1.0 for p, k in reduced])
    return _Options(reduced, relative)


def _together(
    options: Mapping[str, _Options], deviation: Callable[..., np.ndarray], tolerance: float
) -> dict[str, tuple[int, int]]:
    """One pair per line, of least total current, with `deviation` of the relative currents within tolerance.

    The most exact choice if there is none within tolerance.
    """
    lines = list(options)
    error = np.abs(deviation(*np.meshgrid(*(1.0 + options[line].relative for line in lines), indexing="ij")))
    devices = sum(np.meshgrid(*([p for p, _ in options[line].pairs] for line in lines), indexing="ij"))
    # among equal currents, the more exact choice
    best = int(np.lexsort((error.ravel(), np.where(error <= tolerance, devices, np.inf).ravel()))[0])
    if error.ravel()[best] > tolerance:
        best = int(np.argmin(error))
    chosen = np.unravel_index(best, error.shape)
    return {line: options[line].pairs[int(i)] for line, i in zip(lines, chosen, strict=True)}


@dataclass(frozen=True)
class LadderAchieved:
    """Currents and thresholds that the chosen units achieve. Thresholds in half windows: (first stage, others)."""

    currents: Mapping[str, float]  # of a unit device on each line, A
    up: tuple[float, float]
    down: tuple[float, float]
    high: float  # A, into a cell that sets
    shift: tuple[float, float]  # A
    base: float  # A, of the line's standing branch


def achieved(
    design: Design,
    ladder: Ladder,
    cell: int,
    maps: CellMaps | None = None,
    *,
    pulsed: bool = True,
    units: Mapping[str, tuple[int, int]] | None = None,
) -> LadderAchieved:
    """What `units` achieve by the maps, with pulses of the Design or with a slow line; None: those of `bias_units`."""
    maps = maps or maps_of(design, ladder, cell)
    units = units or bias_units(design, ladder, cell, maps)
    unit, beta = design.unit_current, float(ladder.beta[cell])
    goal, asked = target_of(design, ladder, cell, maps), bias_currents(design, ladder, cell, maps)
    current = {
        line: p / k * maps.over_units(asked[line], unit) * unit / REFERENCE_UNITS for line, (p, k) in units.items()
    }
    high = maps.threshold * current["th"]
    width = maps.width * current["hyst"] - maps.width_loss * current["th"]
    base, shift = maps.base * current["base"], (0.0, 0.0)
    if ladder.has_dpi:
        shares = [
            line["on"] / line["tau"] * line["gain"] * maps.dpi(line["on"], line["gain"], unit)
            for line in (current, asked)
        ]
        drive = float(shares[0] / shares[1])
        shift = (maps.first_shift * current["shift"] - maps.trim_first * beta, goal.shift * drive)
    # difference between the cell's threshold and that of a pulse, or the part of it that applies to a slow line
    later = (beta - goal.up, -beta - goal.down) if pulsed else (maps.trim_up * beta, -maps.trim_down * beta)
    up, down = (
        tuple((_candidate(maps, base, level - s) + extra) / beta for s in shift)
        for level, extra in zip((high, high - width), later, strict=True)
    )
    return LadderAchieved(current, (up[0], up[1]), (down[0], down[1]), high, shift, base)


def _candidate(maps: CellMaps, base: float, current: float) -> float:
    """The candidate at which a cell receives `current` from the line."""
    line = current / maps.copy
    if base == 0.0:
        return line
    for _ in range(20):  # the copy's gain changes by one per cent over the range, so each iteration gains two digits
        line = current / (maps.copy + maps.copy_slope * math.log(line / base))
    return line - maps.clamp * base**2 / line - base
