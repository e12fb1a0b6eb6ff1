"""From the probes of cells and ladders to the maps of the calibration: what the blocks make of their bias currents.

One record of them for each calibrated size of device.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analogrnn.calibrate import cells, ladders, stairs
from analogrnn.calibrate.bench import CalibrationBench, Setup, list_of, number_of
from analogrnn.calibrate.entries import REPEAT, Entry, Results
from analogrnn.technology import DRIVE_AT, GAIN_AT, CellMaps, Table, Technology

KNOWN = "uncertainty: a step of the staircase, absolute"
METHODS = {
    "bias": "four bias lines over their unit ratio: straight line in the log of the current, at one unit current",
    "bias_slope": "the same line; uncertainty absolute",
    "threshold": "crossing of half the supply at the state node",
    "width": "straight line over three hysteresis currents",
    "width_loss": "the same line; its offset over I_th",
    "copy": "device currents at rest: copy into a stage over the line's",
    "copy_slope": "the same at the end of a pulse of three half windows; uncertainty absolute",
    "base": "device currents at rest: standing branch of the line over its bias line",
    "clamp": "device currents at rest: what the line carries beyond its standing branch; uncertainty absolute",
    "first_shift": "device currents at rest: shift of stage 1 over its bias line",
    "shift": "device currents at rest: DPI output I_tau / (I_on I_gain), over dpi_gain; moved by both slopes to "
    "drive and gain currents of 0.85 and 0.29 unit currents",
    "shift_slope": "the same in a ladder with 1.9 times the half window; uncertainty absolute",
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
SINGLE = ("bias_slope", "copy_slope")  # no curve over the unit current
DPI = ("shift", "shift_slope", "shift_drive")  # the DPIs of a network have one drive, whatever the half window


@dataclass(frozen=True)
class Columns:
    """The maps over the unit currents that were run."""

    units: tuple[float, ...]
    values: Mapping[str, list[float]]
    dpi_gain: float  # that `shift` is stated over


def columns(setup: Setup, results: Results, dpi_gain: float) -> Columns:
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
    """Split what a DPI's gain does with the unit current into what its gain current does and what its drive does."""

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
    """The maps over the unit currents that were run, or at the size's own."""
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

    The error of the inner stages at two lengths of the pulse, over its input's time constant, is trim + pulse x
    lateness; the first stage's beyond that is trim_first.
    """
    setup = bench.setup
    entries: dict[str, Entry] = {}
    for stages, prefix, place in ((ladders.STAGES, "", "inner"), (1, "bare_", "first")):
        errors, late = [], []
        for cell in (0, 1):
            maps = _maps(technology, setup, found, setup.unit * (1.0, ladders.WIDE)[cell])
            predicted, lateness = stairs.predicted_stairs(bench, technology, cell, maps, stages)
            errors.append(
                {
                    name: number_of(results, stairs.probe_key(setup, cell, stages), name) - predicted[name]
                    for name in stairs.places(stages)
                }
            )
            late.append(lateness)
        about = stairs.ABOUT if stages > 1 else stairs.BARE_ABOUT
        for way, sign in (("up", 1.0), ("down", -1.0)):
            error = [sign * e[f"{way}_{place}"] for e in errors]
            entries |= {f"{prefix}{name}_{way}": entry for name, entry in _two_lengths(error, late, about).items()}
        if stages > 1:
            first = [e[f"{way}_first"] - e[f"{way}_inner"] for e in errors for way in ("up", "down")]
            entries["trim_first"] = Entry(
                float(np.mean(first)),
                about,
                f"first stage's error less an inner one's, mean over both ways and two half windows; {KNOWN}",
                4,
                stairs.STEP,
            )
    return {setup.entry(name): entry for name, entry in entries.items()}


def _two_lengths(error: list[float], late: list[float], about: str) -> dict[str, Entry]:
    """Split a threshold's error at two lengths of the pulse into what depends on the length and what does not."""
    pulse = max((error[0] - error[1]) / (late[0] - late[1]), 0.0)
    trim = float(np.mean(error)) - pulse * float(np.mean(late))
    slack = stairs.STEP / (late[0] - late[1])
    return {
        "pulse": Entry(pulse, about, f"a stage's error at two lengths of the pulse over t_in; {KNOWN}", 2, slack),
        "trim": Entry(
            trim, about, f"the same, what does not depend on the length; {KNOWN}", 2, slack * late[1] + stairs.STEP
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
    """What the stages draw over the sum of their branches."""
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
    """Output current of a cell over its bias."""
    key = next(key for key in ("cell_maps", "cell_maps_quick") if key in results)
    units = [unit for unit in setup.units if f"ladder_{unit:.4g}" in results]
    out = list_of(results, key, "out").reshape(len(units), len(cells.WIDTHS))
    value = float(out[units.index(setup.unit), len(cells.WIDTHS) // 2])
    return {"output_gain": Entry(value, cells.ABOUT, f"output at {cells.OUTPUT} V over its bias", 3)}
