"""Static maps of the BMRU cell: a slow ramp of the input current gives I_hi, I_lo and the output current."""

from dataclasses import dataclass

import numpy as np

from analogrnn.calibrate.bench import NOMINAL, CalibrationBench, Numbers, OperatingPoint, Probe, crossings, only
from analogrnn.spice.deck import Tran, number
from analogrnn.spice.raw import Waveforms

RAMP = 2.0  # s, in each direction. The input node lags by 0.1 ms at the smallest current: 1e-4 of the ramp
POINTS = 1000  # per ramp; crossings are interpolated
OVER = 1.3  # end of the ramp over I_th
WIDTHS = (0.7, 1.0, 1.4)  # hysteresis currents of the width map, over the standard one
OUTPUT = 0.5  # V, where the output current is read
ABOUT = "bmru_cell, 2 s ramp of the input current up and down"


@dataclass(frozen=True)
class Bias:
    """Bias currents of one cell, A: threshold and hysteresis."""

    i_th: float
    i_hyst: float


def maps_probe(bench: CalibrationBench, units: tuple[float, ...]) -> Probe:
    """One deck with a cell for each unit current (A) and each of three hysteresis currents."""
    ratio = bench.setup.threshold_ratio
    key = bench.setup.label + ("cell_maps" if len(units) == len(bench.setup.units) else "cell_maps_quick")
    return ramp_probe(bench, key, [Bias(ratio * u, 2.0 * width * u) for u in units for width in WIDTHS])


def corner_probe(bench: CalibrationBench, at: OperatingPoint) -> Probe:
    """The standard cell at another corner, temperature or supply."""
    unit = bench.setup.unit
    return ramp_probe(bench, f"cell_{at.label}", [Bias(bench.setup.threshold_ratio * unit, 2.0 * unit)], at)


def ramp_probe(bench: CalibrationBench, key: str, biases: list[Bias], at: OperatingPoint = NOMINAL) -> Probe:
    """Slow ramps of cells; reads I_hi / I_th, (I_hi - I_lo) / I_hyst and the output over its bias, each (cells,)."""
    setup, body, signals = bench.setup, [], []
    supply = setup.supply if at.supply is None else at.supply
    for k, bias in enumerate(biases):
        peak = number(OVER * bias.i_th)
        body += [
            *bench.diode(f"t{k}", bias.i_th),
            *bench.diode(f"h{k}", bias.i_hyst),
            *bench.diode(f"o{k}", bias.i_th / 2),
            f"Ii{k} 0 n{k} PWL(0 0 {number(RAMP)} {peak} {number(2 * RAMP)} 0)",
            f"Xc{k} n{k} a{k} o{k} vdd 0 bt{k} bh{k} bo{k} bmru_cell {setup.size}",
            f"Vo{k} o{k} 0 {number(OUTPUT)}",
        ]
        signals += [f"v(a{k})", f"i(vo{k})"]

    def read(waves: Waveforms) -> Numbers:
        hi, width, out = [], [], []
        for k, bias in enumerate(biases):
            a, time, slope = waves[f"v(a{k})"], waves.axis, OVER * bias.i_th / RAMP
            up = slope * only(crossings(time, a, supply / 2, falling=True), f"{key}: set of cell {k}")
            down = slope * (2 * RAMP - only(crossings(time, a, supply / 2, falling=False), f"{key}: reset", -1))
            hi.append(up / bias.i_th)
            width.append((up - down) / bias.i_hyst)
            out.append(float(np.interp(RAMP, time, waves[f"i(vo{k})"])) / (bias.i_th / 2))
        return {"hi": hi, "width": width, "out": out}

    analysis = Tran(RAMP / POINTS, 2 * RAMP, RAMP / POINTS)
    deck = bench.deck(body, ("bmru_cell",), analysis, at=at).with_saves(*signals)
    return Probe(key, bench.job(deck), read)


def fit_width(hi_over_th: np.ndarray, width: np.ndarray, threshold_ratio: float) -> tuple[float, float, float]:
    """(gain, loss, largest relative error) of the fit I_hi - I_lo = gain I_hyst - loss I_th over `WIDTHS`."""
    hyst = 2.0 * np.array(WIDTHS)
    measured = width * hyst
    gain, offset = np.polyfit(hyst, measured, 1)
    error = float(np.abs((gain * hyst + offset) / measured - 1.0).max())
    return float(gain), float(-offset / threshold_ratio), error
