"""The maps of the calibration, from bias currents to what the blocks do, computed from the probes of cells and ladders.

Each calibrated size of device has its own maps.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analogrnn.calibrate import cells, ladders, stairs
from analogrnn.calibrate.bench import CalibrationBench, Setup, list_of, number_of
from analogrnn.calibrate.entries import REPEAT, Entry, Results
from analogrnn.technology import DRIVE_AT, GAIN_AT, CellMaps, Table, Technology

KNOWN = "uncertainty: one step of the staircase, absolute"
METHODS = {
    "bias": "four bias lines over their unit ratio: straight-line fit over log current, value at one unit current",
    "bias_slope": "slope of the same fit; uncertainty absolute",
    "threshold": "crossing of half the supply at the state node",
    "width": "straight-line fit over three hysteresis currents",
    "width_loss": "offset of the same fit over I_th",
    "copy": "device currents at rest: copy into a stage over the line's current",
    "copy_slope": "the same at the end of a pulse of three half windows; uncertainty absolute",
    "base": "device currents at rest: standing branch of the line over its bias line",
    "clamp": "device currents at rest: current of the line less its standing branch; uncertainty absolute",
    "first_shift": "device currents at rest: shift of stage 1 over its bias line",
    "shift": "device currents at rest: DPI output I_tau / (I_on I_gain), over dpi_gain; referred by both slopes to "
    "drive and gain currents of 0.85 and 0.29 unit currents",
    "shift_slope": "comparison with a ladder of 1.9 times the half window; uncertainty absolute",
    "shift_drive": "slope of shift over the log of the unit current, less shift_slope; uncertainty absolute",
}
UNCERTAIN = {
    "bias": 0.002,
    "bias_slope": 2e-4,
    "threshold": REPEAT,
    "width": 0.005,
    "width_loss": 0.05,
    "copy": 0.005,
    "copy_slope": 1e-3,
    "base": 0.005,
    "clamp": 5e-4,
    "first_shift": 0.005,
    "shift": 0.01,
    "shift_slope": 5e-3,
    "shift_drive": 0.02,
}
SINGLE = ("bias_slope", "copy_slope")  # one number each, not a curve over the unit current
DPI = ("shift", "shift_slope", "shift_drive")  # all DPIs of a network have the same drive, at any half window


@dataclass(frozen=True)
class Columns:
    """The maps over the unit currents that were run."""

    units: tuple[float, ...]
    values: Mapping[str, list[float]]
    dpi_gain: float  # the gain to which `shift` is relative


def columns(setup: Setup, results: Results, dpi_gain: float) -> Columns:
    """The maps of one size of device; `shift` is relative to `dpi_gain`."""
    label = setup.label
    units = tuple(unit for unit in setup.units if f"{label}ladder_{unit:.4g}" in results)
    key = next(key for key in (f"{label}cell_maps", f"{label}cell_maps_quick") if key in results)
    shape = (len(units), len(cells.WIDTHS))
    hi, width = (list_of(results, key, name).reshape(shape) for name in ("hi", "width"))
    fits = [cells.fit_width(h, w, setup.threshold_ratio) for h, w in zip(hi, width, strict=True)]

    def curve(name: str) -> list[float]:
        return [number_of(results, f"{label}ladder_{unit:.4g}", name) for unit in units]

    found = {name: curve(name) for name in METHODS if name in ladders.READ}
    found |= {
        "threshold": [float(v) for v in hi[:, len(cells.WIDTHS) // 2]],
        "width": [fit[0] for fit in fits],
        "width_loss": [fit[1] for fit in fits],
    }
    return Columns(units, found | _dpi_columns(setup, results, units, dpi_gain), dpi_gain)


def _dpi_columns(setup: Setup, results: Results, units: tuple[float, ...], dpi_gain: float) -> dict[str, list[float]]:
    """Split the change of a DPI's gain over the unit current into the effects of its gain current and of its drive."""

    def curve(name: str, suffix: str = "") -> np.ndarray:
        return np.array([number_of(results, f"{setup.label}ladder_{unit:.4g}{suffix}", name) for unit in units])

    narrow, wide = curve("dpi_gain") / dpi_gain, curve("dpi_gain", "_wide") / dpi_gain
    at, drive = np.array(units), np.zeros(len(units))
    for _ in range(5):  # the drives of both ladders differ by the rounding of their units: a small correction
        apart = np.log(curve("on", "_wide") / curve("on"))
        slope = (wide - narrow - drive * apart) / np.log(curve("gain", "_wide") / curve("gain"))
        shift = narrow - slope * np.log(curve("gain") / (GAIN_AT * at))
        shift -= drive * np.log(curve("on") / (DRIVE_AT * at))
        drive = np.gradient(shift, np.log(at)) - slope
    return {name: [float(v) for v in values] for name, values in zip(DPI, (shift, slope, drive), strict=True)}


def map_entries(setup: Setup, found: Columns) -> dict[str, Entry]:
    """Each map as a curve over the unit currents that were run, or as one value at the size's own unit current."""
    middle, entries = found.units.index(setup.unit), {}
    for name, curve in found.values.items():
        about = cells.ABOUT if name in ("threshold", "width", "width_loss") else ladders.ABOUT
        count = len(cells.WIDTHS) if about == cells.ABOUT else 1
        if name in SINGLE:
            entry = Entry(curve[middle], about, METHODS[name], count, UNCERTAIN[name])
        else:
            entry = Entry(curve, about, METHODS[name], count * len(curve), UNCERTAIN[name], found.units)
        entries[setup.entry(name)] = entry
    return entries


def trim_entries(bench: CalibrationBench, technology: Technology, results: Results, found: Columns) -> dict[str, Entry]:
    """The residual errors of the thresholds under the maps, and the overdrive of a pulse.

    The error of an inner stage is trim + pulse x lateness, fitted at two lengths of the pulse over the time constant of
    the input. What the first stage adds to that error is trim_first.
    """
    setup = bench.setup
    entries: dict[str, Entry] = {}
    for stages, prefix, stage in ((ladders.STAGES, "", "inner"), (1, "bare_", "first")):
        errors, late = [], []
        for cell in (0, 1):
            maps = _maps(technology, setup, found, setup.unit * (1.0, ladders.WIDE)[cell])
            predicted, lateness = stairs.predicted_stairs(bench, technology, cell, maps, stages)
            errors.append(
                {
                    name: number_of(results, stairs.probe_key(setup, cell, stages), name) - predicted[name]
                    for name in stairs.thresholds(stages)
                }
            )
            late.append(lateness)
        about = stairs.ABOUT if stages > 1 else stairs.BARE_ABOUT
        for direction, sign in (("up", 1.0), ("down", -1.0)):
            error = [sign * e[f"{direction}_{stage}"] for e in errors]
            entries |= {
                f"{prefix}{name}_{direction}": entry for name, entry in _two_lengths(error, late, about).items()
            }
        if stages > 1:
            first = [e[f"{d}_first"] - e[f"{d}_inner"] for e in errors for d in ("up", "down")]
            entries["trim_first"] = Entry(
                float(np.mean(first)),
                about,
                f"first stage's error less an inner stage's, mean over both directions and two half windows; {KNOWN}",
                4,
                stairs.STEP,
            )
    return {setup.entry(name): entry for name, entry in entries.items()}


def _two_lengths(error: list[float], late: list[float], about: str) -> dict[str, Entry]:
    """Split a threshold's error at two pulse lengths into a part that depends on the length and one that does not."""
    pulse = max((error[0] - error[1]) / (late[0] - late[1]), 0.0)
    trim = float(np.mean(error)) - pulse * float(np.mean(late))
    slack = stairs.STEP / (late[0] - late[1])
    return {
        "pulse": Entry(
            pulse,
            about,
            f"part of a stage's error that depends on the pulse length, from two lengths over t_in; {KNOWN}",
            2,
            slack,
        ),
        "trim": Entry(
            trim,
            about,
            f"part of the same error that does not depend on the pulse length; {KNOWN}",
            2,
            slack * late[1] + stairs.STEP,
        ),
    }


def _maps(technology: Technology, setup: Setup, found: Columns, half: float) -> CellMaps:
    """The measured maps at a half window, for the bench's own dpi_gain, without trims and pulses."""
    values = {
        name: Table(found.units, tuple(curve))(setup.unit if name in DPI else half) if len(curve) > 1 else curve[0]
        for name, curve in found.values.items()
    }
    values |= {name: values[name] * found.dpi_gain / ladders.BENCH["dpi_gain"] for name in DPI}
    return CellMaps(
        **values,
        tau=technology.map_tau,
        parasitic=technology.map_parasitic,
        pulse_up=0.0,
        pulse_down=0.0,
        trim_up=0.0,
        trim_down=0.0,
        trim_first=0.0,
    )


def supply_entries(setup: Setup, results: Results) -> dict[str, Entry]:
    """Supply current of the stages over the sum of their branches."""
    units = [unit for unit in setup.units if f"ladder_{unit:.4g}" in results]
    supply = np.concatenate([list_of(results, f"ladder_{unit:.4g}", "supply") for unit in units])
    standard = list_of(results, f"ladder_{setup.unit:.4g}", "supply")
    return {
        "supply_stage": Entry(
            float(standard.mean()),
            ladders.ABOUT,
            "stages' supply current at rest at levels 0..4 over supply.branch_sum; mean; "
            "uncertainty: largest deviation over levels (and unit currents)",
            len(supply),
            max(float(np.abs(supply / standard.mean() - 1).max()), 0.005),
        )
    }


def output_entry(setup: Setup, results: Results) -> dict[str, Entry]:
    """Output current of a cell over its bias current."""
    key = next(key for key in ("cell_maps", "cell_maps_quick") if key in results)
    units = [unit for unit in setup.units if f"ladder_{unit:.4g}" in results]
    out = list_of(results, key, "out").reshape(len(units), len(cells.WIDTHS))
    value = float(out[units.index(setup.unit), len(cells.WIDTHS) // 2])
    return {"output_gain": Entry(value, cells.ABOUT, f"output current at {cells.OUTPUT} V over its bias current", 3)}
