"""Corners, temperature and supply: change of thresholds and shifts at constant bias currents."""

from collections.abc import Callable

import numpy as np

from analogrnn.calibrate import cells, dpis
from analogrnn.calibrate.bench import CalibrationBench, OperatingPoint, Probe, list_of, number_of
from analogrnn.calibrate.entries import Entry, Results
from analogrnn.spice.pdk import PROCESS_CORNERS

AT_CORNERS = tuple(OperatingPoint(corner) for corner in PROCESS_CORNERS)
COLD, HOT = OperatingPoint(temperature=-20.0), OperatingPoint(temperature=85.0)
LOW, HIGH = OperatingPoint(supply=1.62), OperatingPoint(supply=1.98)


def corner_probes(bench: CalibrationBench) -> list[Probe]:
    """The cell and the DPI at five corners, two temperatures and two supplies, and the DPI's leakage at 85 C."""
    points = [*AT_CORNERS, COLD, HOT, LOW, HIGH]
    drive = dpis.standard(bench)
    found = [cells.corner_probe(bench, point) for point in points]
    found += [dpis.dpi_probe(bench, f"dpi_{point.label}", drive, point) for point in points]
    return [*found, dpis.leak_probe(bench, HOT)]


def corner_entries(results: Results) -> dict[str, Entry]:
    """Relative changes of thresholds and DPI gain with temperature, supply and corner, and the leakage at 85 C."""

    def threshold(at: OperatingPoint) -> float:
        return float(list_of(results, f"cell_{at.label}", "hi")[0])

    def shift(at: OperatingPoint) -> float:
        return number_of(results, f"dpi_{at.label}", "gain")

    found = {}
    kinds: tuple[tuple[str, str, Callable[[OperatingPoint], float]], ...] = (
        ("threshold", cells.ABOUT, threshold),
        ("shift", dpis.ABOUT, shift),
    )
    for name, about, read in kinds:
        middle = read(AT_CORNERS[0])
        corners = np.array([read(corner) for corner in AT_CORNERS]) / middle
        kelvin, volt = 105.0, 0.36
        found[f"{name}_temperature"] = Entry(
            float(np.log(read(HOT) / read(COLD))) / kelvin,
            about,
            "log ratio from -20 C to 85 C, typical, 1.8 V",
            2,
            0.1,
        )
        found[f"{name}_supply"] = Entry(
            float(np.log(read(HIGH) / read(LOW))) / volt,
            about,
            "log ratio from 1.62 V to 1.98 V, typical, 27 C",
            2,
            0.1,
        )
        found[f"{name}_corner"] = Entry(
            float(np.ptp(corners) / 2.0), about, "typical, ff, ss, fs, sf at 27 C, 1.8 V", 5, 0.1
        )
    found["i_leak_hot"] = Entry(
        number_of(results, f"dpi_leak_{HOT.label}", "floor"),
        "dpi, .op, input 0",
        "output current at rest at 85 C, typical",
        1,
        0.5,
    )
    return found
