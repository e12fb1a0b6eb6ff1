"""Probes of a whole ladder of four stages with its bias lines: gain of each copy, and supply current at each level.

The bench uses fixed nominal values for what it measures (`BENCH`), so that a calibration does not depend on the
previous one. Its biases are not compensated, so that the factor of each block is measured by itself.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analogrnn import biases
from analogrnn.bench_ladder import bench_ladders
from analogrnn.calibrate.bench import ZERO_CELSIUS, CalibrationBench, Numbers, Probe, Setup
from analogrnn.design import Design
from analogrnn.mapping import MappingOptions
from analogrnn.spice import transistor_ladder
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.reading import read_deck
from analogrnn.supply import branch_sum
from analogrnn.technology import CellMaps, Table, Technology, quantities, technology_of

STAGES = 4
WIDE = 1.9  # half window of the second ladder, unit currents: ladders of a network have 1 to 2
BENCH = {"dpi_gain": 0.63, "dpi_tau": 1.1, "map_parasitic": 5e-3, "input_charge_density": 1.1e-3, "i_leak": 1e-15}
PLAIN = CellMaps(
    bias=1.0,
    bias_slope=0.0,
    threshold=1.0,
    width=1.0,
    width_loss=0.0,
    copy=1.0,
    copy_slope=0.0,
    base=1.0,
    clamp=0.0,
    first_shift=1.0,
    shift=1.0,
    tau=1.07,
    parasitic=5e-3,
    pulse_up=0.0,
    pulse_down=0.0,
    trim_up=0.0,
    trim_down=0.0,
    trim_first=0.0,
    shift_slope=0.0,
    shift_drive=0.0,
)
BIAS_DEVICES = {
    "th": "rth",
    "hyst": "rhyst",
    "on": "ron",
    "alpha": "ralpha",
    "tau": "rtau",
    "gain": "rgain",
    "shift": "rs",
    "base": "rbase",
}
READ = (
    "bias",
    "bias_slope",
    "copy",
    "copy_slope",
    "base",
    "clamp",
    "first_shift",
)  # maps that a ladder measures directly
ABOUT = "ladder_transistors, 4 stages, uncompensated biases"


def bench_technology(setup: Setup, known: Mapping[str, float | Table]) -> Technology:
    """A Technology of declared and foundry values; measured values are those of `BENCH` or the middle of their range.

    No mid-range value affects a deck.
    """
    values: dict[str, Any] = {}
    for name, m in quantities().items():
        middle = (m["low"] + m["high"]) / 2.0
        # curves: errors of mirrors are zero, ratios are at their upper limit
        curve = Table((1e-12, 1e-6), (0.0 if m["low"] < 0.0 else m["high"],) * 2)
        values[name] = known.get(name, curve) if "axis" in m else BENCH.get(name, known.get(name, middle))
    values |= {"supply": setup.supply, "temperature": setup.temperature + ZERO_CELSIUS}
    return technology_of("bench", values)


def bench_design(bench: CalibrationBench, technology: Technology, unit: float, stages: int = STAGES) -> Design:
    """Two ladders with one input of weight 1, levels 0 to `stages`, and half windows of 1 and of WIDE unit currents."""
    setup = bench.setup
    options = MappingOptions(
        unit_current=unit,
        cell_w=setup.device.w,
        cell_l=setup.device.l,
        c_dpi=setup.c_dpi,
        drive_ratio=setup.drive_ratio,
        base_ratio=setup.base_ratio,
        shift_ratio=setup.shift_ratio,
        pulse_ratio=setup.pulse_ratio,
        pulse_settle=setup.pulse_settle,
        input_bound=6.0,
    )
    return bench_ladders((0, stages), technology, options, (1.0, WIDE))


def ladder_probe(bench: CalibrationBench, technology: Technology, unit: float, cell: int = 0) -> Probe:
    """Raise ladder `cell` by one level every two steps; read supply currents per level, device currents half way."""
    design = bench_design(bench, technology, unit)
    ladder = design.ladders[0]
    climb = np.array([0.0, 0.0] + [3.0 * float(ladder.beta[cell]) / unit, 0.0] * STAGES)
    options = transistor_ladder.TransistorOptions(temperature=bench.setup.temperature, maps=PLAIN)
    deck = transistor_ladder.ladder_transistors(design, ladder, cell, climb[:, None], bench.setup.pdk, options)
    instance = deck.probe.instance
    top = f"m.{instance}."
    devices = [f"xbias.x{name}" for name in BIAS_DEVICES.values()]
    devices += ["xline.xmb", "xline.xu1", "xend.xd0", "xs1.xmu", "xs1.xdpi.xmor", "xs2.xdpi.xmol"]
    names = {device: f"@{top}{device}.m0[id]" for device in devices}
    job = deck.with_deck(deck.deck.with_saves(*names.values())).job(600.0)
    units = biases.bias_units(design, ladder, cell, PLAIN)

    def read(waves: Waveforms) -> Numbers:
        times, timing = deck.schedule.read_times(), design.timing
        # at rest half way up the ladder, and at the end of a pulse
        moments = (times[1 + STAGES], deck.schedule.starts()[-2] + timing.lead + 0.95 * timing.pulse)
        found, pulsed = (
            {
                device: abs(float(np.interp(at, waves.axis, waves[_named(waves, name)])))
                for device, name in names.items()
            }
            for at in moments
        )
        copies = {line: found[f"xbias.x{device}"] for line, device in BIAS_DEVICES.items()}
        line = {name: copies[name] / units[name][1] for name in copies}
        ideal = unit / biases.REFERENCE_UNITS
        lines = ("th", "hyst", "base", "shift")
        bias = np.array([copies[name] / (ideal * units[name][0]) for name in lines])
        swing = np.log([line[name] / unit for name in lines])
        slope, offset = np.polyfit(swing, bias, 1)
        standing, copy = (
            found["xline.xmb"],
            {name: d["xs1.xmu"] / d["xline.xu1"] for name, d in (("rest", found), ("pulse", pulsed))},
        )
        states = read_deck(deck, waves, strict=True).stages[deck.cell].sum(axis=1)
        stages = np.interp(times, waves.axis, waves[f"i(v.{instance}.vstages)"])
        total = np.interp(times, waves.axis, -waves["i(vdd)"])
        rest = 1 + 2 * np.arange(STAGES + 1)  # the steps that hold levels 0, 1, .., STAGES
        assert np.array_equal(states[rest], np.arange(STAGES + 1))
        return {
            "bias": float(offset),
            "bias_slope": float(slope),
            "bias_error": float(np.abs(slope * swing + offset - bias).max()),
            "copy": copy["rest"],
            "copy_slope": (copy["pulse"] - copy["rest"]) / float(np.log(pulsed["xline.xu1"] / found["xline.xu1"])),
            "base": standing / line["base"],
            "clamp": (found["xline.xu1"] - standing) * found["xline.xu1"] / standing**2,
            "first_shift": found["xend.xd0"] / line["shift"],
            "dpi_gain": found["xs1.xdpi.xmor"] * line["tau"] / (line["on"] * line["gain"]),
            "stages_by_level": stages[rest].tolist(),
            "total_by_level": total[rest].tolist(),
            "supply": (stages[rest] / branch_sum(_branches(line, found), STAGES)).tolist(),
            "copies": float(sum(copies.values())),
            "on": line["on"],
            "gain": line["gain"],
        }

    return Probe(f"{bench.setup.label}ladder_{unit:.4g}{'_wide' * cell}", job, read)


def _branches(line: Mapping[str, float], found: Mapping[str, float]) -> dict[str, float]:
    """The measured currents of a stage's branches, for `supply.branch_sum`."""
    return {
        "th": line["th"],
        "hyst": line["hyst"],
        "on": line["on"],
        "alpha": line["alpha"],
        "base": found["xs1.xmu"],
        "shift": (found["xs1.xdpi.xmor"] + found["xs2.xdpi.xmol"]) / 2.0,
        "first": found["xend.xd0"],
    }


def _named(waves: Waveforms, name: str) -> str:
    """The signal of a saved device current: raw files name it i(@device[id]) or @device[id]."""
    return next(signal for signal in waves.signals if name in signal)
