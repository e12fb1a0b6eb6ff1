"""Probes of single devices, mirrors and the foundry's mismatch models: operating points and sweeps."""

from dataclasses import replace

import numpy as np

from analogrnn.calibrate.bench import CalibrationBench, Numbers, Probe
from analogrnn.design import Geometry
from analogrnn.errors import SpiceError
from analogrnn.spice.deck import number
from analogrnn.spice.pdk import model_lines
from analogrnn.spice.raw import Waveforms
from analogrnn.technology import Table

DRAIN = 0.6  # V
SWEEP = (0.02, 0.9, 0.005)  # V, gate
FIT = (3e-12, 12e-9)  # A: range of device currents in our circuits
# A, of a square device: 0.6 pA to 12 nA in the standard one. Denser where gm/I deviates from the fit: linear
# interpolation between these points differs from the sweep by less than 0.2 %
EFFICIENCY_CURRENTS = (5e-12, 4e-11, 1.5e-10, 5e-10, 1.5e-9, 3e-9, 6e-9, 1e-8, 1.8e-8, 3e-8, 4.5e-8, 7e-8, 1.1e-7)
NODE = 0.45  # V at the outputs of mirrors
MIRROR_CURRENTS = (0.03e-9, 0.1e-9, 0.25e-9, 1e-9, 4e-9, 12e-9)
MIRROR_RATIOS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
RAIL_CURRENTS = (0.1e-9, 0.25e-9, 0.5e-9, 1e-9, 2e-9, 3e-9, 4e-9, 6e-9, 8e-9, 12e-9)  # A, of a row's positive weights
CANDIDATE = 0.4  # V at the candidate node, held by the diode of the line
MIRROR_AT = 1e-9  # A, at which the ratios are swept
COPIES = 1000  # devices of each polarity in the mismatch deck
GATE = {"n": 0.5, "p": 0.65}  # V, weak inversion


def device_probe(bench: CalibrationBench, polarity: str) -> Probe:
    """Gate sweep of one saturated device: fit of gm/I = G0 / (1/2 + sqrt(1/4 + I/I_spec)), and gm/I over the fit."""
    setup = bench.setup
    if polarity == "n":
        body = ["Vg g 0 0", f"Vd d 0 {number(DRAIN)}", f"X1 d g 0 0 nfet {setup.size}"]
    else:
        body = ["Vg vdd g 0", f"Vd vdd d {number(DRAIN)}", f"X1 d g vdd vdd pfet {setup.size}"]
    start, stop, step = (number(v) for v in SWEEP)
    job = bench.job(bench.deck(body, (), f".dc Vg {start} {stop} {step}", static=True).with_saves("i(vd)"))

    def read(waves: Waveforms) -> Numbers:
        return efficiency_fit(waves.axis, np.abs(waves["i(vd)"]), setup.device, setup.thermal_voltage)

    return Probe(f"device_{polarity}", job, read)


def efficiency_fit(gate: np.ndarray, current: np.ndarray, device: Geometry, thermal_voltage: float) -> Numbers:
    """The two parameters of the fit for a square device, and the table of measured gm/I over the fit.

    `gate` (P,) in V and `current` (P,) in A are one sweep of `device`. `error` is the largest error of the fit within
    `FIT`, `table_error` that of fit x table over the currents of the table. Raises SpiceError if the sweep does not
    cover these.
    """
    from scipy.optimize import curve_fit  # noqa: PLC0415 (scipy.optimize costs 0.5 s)

    square = current * device.l / device.w
    low, high = EFFICIENCY_CURRENTS[0], EFFICIENCY_CURRENTS[-1]
    # the first and the last derivative are one-sided and therefore excluded
    if square[1] > low or square[-2] < high:
        raise SpiceError(
            f"calibration: a gate sweep covers {square[0]:.3g} to {square[-1]:.3g} A per square, but the "
            f"table of gm/I needs {low:g} to {high:g} A; widen the sweep."
        )
    efficiency = np.gradient(np.log(current), gate)

    def equation(current: np.ndarray, limit: float, spec: float) -> np.ndarray:
        return np.asarray(limit / (0.5 + np.sqrt(0.25 + current / spec)))

    inside = (current > FIT[0]) & (current < FIT[1])
    start, bounds = (27.0, 1e-8), ([1.0, 1e-12], [100.0, 1e-3])
    (limit, spec), _ = curve_fit(equation, current[inside], efficiency[inside], p0=start, bounds=bounds)
    over_fit = efficiency / equation(current, limit, spec)
    table = Table(EFFICIENCY_CURRENTS, tuple(np.interp(np.log(EFFICIENCY_CURRENTS), np.log(square), over_fit)))
    covered = (square > low) & (square < high)
    return {
        "slope": 1.0 / (limit * thermal_voltage),
        "i_spec": spec * device.l / device.w,
        "points": float(inside.sum()),
        "error": float(np.abs(1.0 / over_fit[inside] - 1.0).max()),
        "table": list(table.value),
        "table_points": float(covered.sum()),
        "table_error": float(np.abs(table.over(square[covered]) / over_fit[covered] - 1.0).max()),
    }


def mirror_probe(bench: CalibrationBench) -> Probe:
    """Errors of mirrors, plain and cascoded, positive and negative, over current and ratio; and of a row's rail."""
    setup, body, signals = bench.setup, [f"Vn node 0 {number(NODE)}"], []
    size = setup.size
    points = [(current, 1.0) for current in MIRROR_CURRENTS] + [(MIRROR_AT, ratio) for ratio in MIRROR_RATIOS]
    body += [
        f"Iref vdd nref {number(setup.unit)}",
        f"Xref nref 0 bias_reference wr={number(setup.device.w / 4)} lr={number(setup.device.l)} q=16",
        f"Xcas nref bcn bcp vdd 0 cascode_bias wr={number(setup.device.w / 4)} lr={number(setup.device.l)} " + size,
    ]
    for k, (current, ratio) in enumerate(points):
        # eight unit devices in the diode make every ratio a whole number of devices; the diode carries all eight
        # currents
        weight = f"ratio={number(ratio)} units=8 {size}"
        body += [
            f"Ia{k} vdd ga{k} {number(8 * current)}",
            f"Xa{k} ga{k} 0 input_diode units=8 {size}",
            f"Xpa{k} ga{k} ra{k} 0 synapse_positive {weight}",
            f"Xra{k} ra{k} oa{k} vdd row_rail units=8 {size}",
            f"Voa{k} oa{k} node 0",
            f"Xna{k} ga{k} qa{k} 0 synapse_negative {weight}",
            f"Vqa{k} node qa{k} 0",
            f"Ic{k} vdd gc{k} {number(8 * current)}",
            f"Xc{k} gc{k} bcn 0 input_diode_cascode units=8 {size}",
            f"Xpc{k} gc{k} rc{k} bcn 0 synapse_positive_cascode {weight}",
            f"Xrc{k} rc{k} oc{k} bcp vdd row_rail_cascode units=8 {size}",
            f"Voc{k} oc{k} node 0",
            f"Xnc{k} gc{k} qc{k} bcn 0 synapse_negative_cascode {weight}",
            f"Vqc{k} node qc{k} 0",
        ]
        signals += [f"i(v{kind}{k})" for kind in ("oa", "qa", "oc", "qc")]

    body.append(f"Vcand cand 0 {number(CANDIDATE)}")
    for k, current in enumerate(RAIL_CURRENTS):
        body += [
            f"Ir{k} rail{k} 0 {number(current)}",
            f"Xrow{k} rail{k} or{k} bcp vdd row_rail_cascode {size}",
            f"Vor{k} or{k} cand 0",
        ]
        signals.append(f"i(vor{k})")

    def read(waves: Waveforms) -> Numbers:
        numbers: Numbers = {
            "rail": [float(waves[f"i(vor{k})"][0]) / current - 1.0 for k, current in enumerate(RAIL_CURRENTS)]
        }
        for kind, name in (
            ("oa", "plain_positive"),
            ("qa", "plain_negative"),
            ("oc", "cascode_positive"),
            ("qc", "cascode_negative"),
        ):
            error = [
                float(waves[f"i(v{kind}{k})"][0]) / (8 * current * ratio) - 1.0
                for k, (current, ratio) in enumerate(points)
            ]
            numbers[name] = error[: len(MIRROR_CURRENTS)]
            numbers[f"{name}_ratio"] = error[len(MIRROR_CURRENTS) :]
        return numbers

    deck = bench.deck(body, ("synapse", "ladder_bias"), ".op", static=True).with_saves(*signals)
    return Probe("mirrors", bench.job(deck), read)


def mismatch_probe(bench: CalibrationBench, polarity: str) -> Probe:
    """Standard deviation of log I at one gate voltage over copies of a device drawn by the foundry's models."""
    setup, body = bench.setup, []
    for k in range(COPIES):
        if polarity == "n":
            body += [f"V{k} d{k} 0 {number(DRAIN)}", f"X{k} d{k} g 0 0 nfet_03v3 {setup.size}"]
        else:
            body += [f"V{k} vdd d{k} {number(DRAIN)}", f"X{k} d{k} g vdd vdd pfet_03v3 {setup.size}"]
    gate = f"Vg g 0 {GATE['n']}" if polarity == "n" else f"Vg vdd g {GATE['p']}"
    deck = bench.deck([gate, *body], (), ".op", static=True).with_saves(*(f"i(v{k})" for k in range(COPIES)))
    # the simulator's seed determines the draws
    drawn = replace(deck, models=model_lines(setup.pdk, mismatch=True)).with_options("seed=20011")

    def read(waves: Waveforms) -> Numbers:
        current = np.array([abs(float(waves[f"i(v{k})"][0])) for k in range(COPIES)])
        return {"sigma": float(np.log(current).std(ddof=1)), "current": float(np.exp(np.log(current).mean()))}

    return Probe(f"mismatch_{polarity}", bench.job(drawn), read)
