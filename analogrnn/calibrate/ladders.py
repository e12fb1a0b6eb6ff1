"""A whole ladder of four stages on its real bias: what its copies make of their currents, and what each level draws.

The bench uses fixed nominal values for what it measures (`BENCH`), so that a calibration does not depend on the one
before it, and no compensation, so that each block's own factor is seen.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from analogrnn.calibrate.bench import ZERO_CELSIUS, Bench, Numbers, Probe, Setup, saves
from analogrnn.design import Design
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, Network
from analogrnn.spice import biases, transistor
from analogrnn.spice.raw import Waveforms
from analogrnn.supply import branch_sum
from analogrnn.technology import Table, Technology, scalar_fields, table_fields

STAGES = 4
BENCH = {"dpi_gain": 0.65, "dpi_tau": 1.3, "input_charge_density": 8.7e-4, "i_leak": 1e-15}
PLAIN = biases.CellMaps(bias=1.0, threshold=1.0, width=1.0, width_loss=0.0, copy=1.0, base=1.0, first_shift=1.0,
                            shift=1.0)  # fmt: skip
BIAS_DEVICES = {"th": "rth", "hyst": "rhyst", "on": "ron", "alpha": "ralpha", "tau": "rtau", "gain": "rgain",
                "shift": "rs", "base": "rbase"}  # fmt: skip
ABOUT = "ladder_transistors, 4 stages, uncompensated biases"


def bench_technology(setup: Setup, known: Mapping[str, float]) -> Technology:
    """A Technology from its declared and foundry values; what is measured stands at `BENCH` or in mid range.

    None of the mid-range values reaches a deck.
    """
    values: dict[str, Any] = {}
    for item in scalar_fields():
        m = item.metadata
        values[item.name] = BENCH.get(item.name, known.get(item.name, (m["low"] + m["high"]) / 2.0))
    values |= {"supply": setup.supply, "temperature": setup.temperature + ZERO_CELSIUS}
    flat: dict[str, Any] = {item.name: Table((1e-12, 1e-6), (item.metadata["high"],) * 2) for item in table_fields()}
    return Technology(name="bench", **values, **flat)


def bench_design(bench: Bench, technology: Technology, unit: float, stages: int = STAGES) -> Design:
    """The standard ladder with one input of weight 1: threshold 1, levels 0..stages."""
    setup = bench.setup
    cell = Cmru(name="rec", weight=np.array([[1.0]]), bias=np.array([0.0]), threshold=np.array([1.0]),
                alpha=np.array([0.5]), eps=1.0, k_min=0, k_max=stages, initial=np.array([0.0]))  # fmt: skip
    options = MappingOptions(unit_current=unit, cell_w=setup.device.w, cell_l=setup.device.l, c_dpi=setup.c_dpi,
                             drive_ratio=setup.drive_ratio, base_ratio=setup.base_ratio,
                             shift_ratio=setup.shift_ratio, pulse_ratio=0.25, input_bound=6.0)  # fmt: skip
    return map_network(Network((cell,)), technology, options)


def ladder_probe(bench: Bench, technology: Technology, unit: float) -> Probe:
    """Climb the ladder one level every two steps; read the currents at each level and the devices' at half way."""
    design = bench_design(bench, technology, unit)
    ladder = design.ladders[0]
    climb = np.array([0.0, 0.0] + [3.0, 0.0] * STAGES)
    options = transistor.TransistorOptions(temperature=bench.setup.temperature, maps=PLAIN)
    deck = transistor.ladder_transistors(design, ladder, 0, climb[:, None], bench.setup.pdk, options)
    top = f"m.{deck.instance}."
    devices = [f"xbias.x{name}" for name in BIAS_DEVICES.values()]
    devices += ["xline.xu1", "xend.xd0", "xs1.xmu", "xs1.xdpi.xmor", "xs2.xdpi.xmol"]
    names = {device: f"@{top}{device}.m0[id]" for device in devices}
    text = deck.text.replace("\n.tran ", "\n" + "\n".join(saves(list(names.values()))) + "\n.tran ", 1)
    job = replace(deck.job(600.0), deck=text)
    units = biases.bias_units(design, ladder, 0, PLAIN)

    def read(waves: Waveforms) -> Numbers:
        times = deck.schedule.read_times()
        found = {device: abs(float(np.interp(times[1 + STAGES], waves.axis, waves[_named(waves, name)])))
                 for device, name in names.items()}  # fmt: skip
        copies = {line: found[f"xbias.x{device}"] for line, device in BIAS_DEVICES.items()}
        line = {name: copies[name] / units[name][1] for name in copies}
        ideal = unit / biases.REFERENCE_UNITS
        bias = [copies[name] / (ideal * units[name][0]) for name in ("th", "hyst", "base", "shift")]
        states = transistor.read_stages(deck, waves).sum(axis=1)
        stages = np.interp(times, waves.axis, waves[f"i(v.{deck.instance}.vstages)"])
        total = np.interp(times, waves.axis, -waves["i(vdd)"])
        rest = 1 + 2 * np.arange(STAGES + 1)  # steps that hold: at level 0, 1, .., STAGES
        assert np.array_equal(states[rest], np.arange(STAGES + 1))
        return {
            "bias": float(np.mean(bias)), "bias_range": float(np.ptp(bias)),
            "copy": found["xs1.xmu"] / found["xline.xu1"], "base": found["xline.xu1"] / line["base"],
            "first_shift": found["xend.xd0"] / line["shift"],
            "dpi_gain": found["xs1.xdpi.xmor"] * line["tau"] / (line["on"] * line["gain"]),
            "stages_by_level": stages[rest].tolist(), "total_by_level": total[rest].tolist(),
            "supply": (stages[rest] / branch_sum(_branches(line, found), STAGES)).tolist(),
            "copies": float(sum(copies.values())),
        }  # fmt: skip

    return Probe(f"ladder_{unit:.4g}", job, read)


def _branches(line: Mapping[str, float], found: Mapping[str, float]) -> dict[str, float]:
    """The currents of a stage's branches as they are here, for `supply.branch_sum`."""
    return {"th": line["th"], "hyst": line["hyst"], "on": line["on"], "alpha": line["alpha"], "base": found["xs1.xmu"],
            "shift": (found["xs1.xdpi.xmor"] + found["xs2.xdpi.xmol"]) / 2.0, "first": found["xend.xd0"]}  # fmt: skip


def _named(waves: Waveforms, name: str) -> str:
    """The raw file writes a saved device current as i(@device[id]) or plainly."""
    return next(signal for signal in waves.signals if name in signal)
