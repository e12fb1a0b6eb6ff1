"""Probes of a single DPI: gain, time constant, dead time and leakage floor."""

from dataclasses import dataclass

import numpy as np

from analogrnn.calibrate.bench import NOMINAL, CalibrationBench, Numbers, OperatingPoint, Probe, crossings, only
from analogrnn.spice.deck import Tran, number
from analogrnn.spice.raw import Waveforms

KAPPA = 0.7  # of the textbook formula to which the time constant is relative
NODE = 0.45  # V at the outputs, the gate voltage of a diode
ON, OFF = 20.0, 8.0  # time constants ON and OFF between two rises
ABOUT = "dpi driven by current pulses"


@dataclass(frozen=True)
class Drive:
    """Bias currents (A) and capacitor (F) of one DPI."""

    i_on: float
    i_tau: float
    i_gain: float
    c: float


def standard(bench: CalibrationBench, *, shift: float | None = None, c: float | None = None) -> Drive:
    """The standard DPI, or one with another output current or capacitor; x = T_p/tau is 0.25 at T_p = 0.3 ms."""
    setup = bench.setup
    c = c or setup.c_dpi
    # nominal time constant: 1.2 ms at 0.25 nA, inversely proportional to the unit current; 1.3 includes parasitics
    tau = 1.2e-3 * 0.25e-9 / setup.unit
    i_tau = 1.3 * setup.c_dpi * setup.thermal_voltage / (KAPPA * tau)
    i_shift = shift or setup.shift_ratio * setup.unit
    return Drive(setup.drive_ratio * i_tau, i_tau, i_shift / (0.65 * setup.drive_ratio), c)


def dpi_probe(bench: CalibrationBench, key: str, drive: Drive, at: OperatingPoint = NOMINAL) -> Probe:
    """Two rises of a DPI: from rest, and after 8 time constants OFF; the decay between them gives tau."""
    setup = bench.setup
    textbook = drive.c * setup.thermal_voltage / (KAPPA * drive.i_tau)
    clock = 1.2 * textbook + 5e-3 * setup.device.area * setup.thermal_voltage / (KAPPA * drive.i_tau)
    start, edge = 2.0 * clock, clock / 100.0
    timing = " ".join(number(v) for v in (start, edge, edge, ON * clock, (ON + OFF) * clock))
    body = [
        *bench.diode("tau", drive.i_tau),
        *bench.diode("gain", drive.i_gain),
        f"Iw 0 w PULSE(0 {number(drive.i_on)} {timing})",
        f"Xd w o1 o2 vdd 0 btau bgain dpi {setup.size} c={number(drive.c)}",
        f"Vo1 o1 0 {number(NODE)}",
        f"Vo2 o2 0 {number(NODE)}",
    ]

    def read(waves: Waveforms) -> Numbers:
        time, out = waves.axis / clock - 2.0, waves["i(vo1)"]
        settled = float(np.interp(ON - 0.1, time, out))
        off = (time > ON + 0.05) & (time < ON + OFF)
        high, low = (
            only(crossings(time[off], out[off], part * settled, falling=True), f"{key}: decay") for part in (0.7, 0.1)
        )
        tau = (low - high) / np.log(7.0) * clock
        first = only(crossings(time[time < ON], out[time < ON], settled / 2, falling=False), f"{key}: rise")
        late = time > ON + OFF
        second = only(crossings(time[late], out[late], settled / 2, falling=False), f"{key}: second rise") - ON - OFF
        gain = settled * drive.i_tau / (drive.i_on * drive.i_gain)
        return {
            "c": drive.c,
            "gain": gain,
            "tau": tau,
            "settled": settled,
            "tau_textbook": tau / textbook,
            "rise_from_rest": first * clock / tau,
            "rise_after_off": second * clock / tau,
            "floor": float(np.interp(-0.1, time, out)),
        }

    analysis = Tran(clock / 50, 2.0 * (1.0 + ON + OFF) * clock, clock / 20)
    return Probe(key, bench.job(bench.deck(body, ("dpi",), analysis, at=at).with_saves("i(vo1)")), read)


def leak_probe(bench: CalibrationBench, at: OperatingPoint = NOMINAL) -> Probe:
    """Output current of a DPI at rest, with no input."""
    drive = standard(bench)
    body = [
        *bench.diode("tau", drive.i_tau),
        *bench.diode("gain", drive.i_gain),
        "Iw 0 w DC 0",
        f"Xd w o1 o2 vdd 0 btau bgain dpi {bench.setup.size} c={number(drive.c)}",
        f"Vo1 o1 0 {number(NODE)}",
        f"Vo2 o2 0 {number(NODE)}",
    ]
    key = f"dpi_leak_{at.label}"
    deck = bench.deck(body, ("dpi",), ".op", at=at, static=True).with_saves("i(vo1)", "v(xd.vs)")
    return Probe(key, bench.job(deck), lambda waves: {"floor": abs(float(waves["i(vo1)"][0]))})


def rise_time(floor: float, drive_ratio: float, part: float = 0.5) -> float:
    """Time, in time constants, in which the behavioural DPI rises from the relative output `floor` to `part`.

    (R - 1) t / tau = ln(part / floor) - R ln((1 - part) / (1 - floor)), the solution of the equation that
    `kernels.waveform` integrates.
    """
    return float((np.log(part / floor) - drive_ratio * np.log((1.0 - part) / (1.0 - floor))) / (drive_ratio - 1.0))
