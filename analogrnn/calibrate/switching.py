"""Switching times: the shortest candidate pulse that moves a stage, for up and down moves of several amplitudes.

The library's input line drives one stage in the middle of its window, with the load of four stages. One deck is a
sequence of trials. Each trial has a reset, a setting pulse if the move goes down, and a test pulse, which is longer
than that of the previous trial. The result is the shortest pulse that moves the stage, to half the spacing of the
lengths.
"""

import numpy as np

from analogrnn.calibrate.bench import CalibrationBench, Numbers, Probe
from analogrnn.errors import SpiceError
from analogrnn.spice.deck import Tran, number
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.sources import piecewise_linear

LOADS = 3  # further stages on the line
UP = (1.3, 2.0)  # candidate over half a window
DOWN = (1.2, 1.3, 1.4)  # a unipolar line goes down by the standing current at most
BASE = 1.4  # standing current over half a window
GRADE = 1.08  # ratio of successive pulse lengths: results are known to +-4 %
TRIALS = 20
FIRST = {"up": 2.5e-4, "down": 3.5e-3}  # C/m^2: first pulse length times I_th over the gate area, times (m - 1)^0.7
ABOUT = "ladder_line with bare_stage and three more input copies; candidate pulses of graded lengths"
_BLOCKS = ("bmru_cell", "ladder_stage", "dpi", "ladder_line")


def switching_probe(bench: CalibrationBench, unit: float, move: float) -> Probe:
    """The shortest pulse of `move` half windows (negative: down) that changes the state, s."""
    setup, down, amplitude = bench.setup, move < 0, abs(move)
    threshold = setup.shift_ratio + BASE + 1.0
    guess = FIRST["down" if down else "up"] * setup.device.area / (threshold * unit)
    lengths = guess / (amplitude - 1.0) ** 0.7 * GRADE ** np.arange(TRIALS)
    longest, edge = float(lengths[-1]), float(lengths[0]) / 50.0
    settle = 60e-4 * setup.device.area / (threshold * unit) + longest  # a few switching times
    trial = 6.0 * settle
    run, clock, candidate = ([(0.0, 0.0)] for _ in range(3))
    for k, length in enumerate(lengths):
        start = k * trial
        run += _pulse(start + settle, trial - settle - 2 * edge, setup.supply, edge)
        if down:
            clock += _pulse(start + 2 * settle, settle, setup.supply, edge)
            candidate += _pulse(start + 1.9 * settle, 1.2 * settle, 3.0 * unit, edge)
        clock += _pulse(start + 4 * settle, float(length), setup.supply, edge)
        candidate += _pulse(start + 3.9 * settle, longest + 0.2 * settle, move * unit, edge)
    body = [
        *bench.diode("th", threshold * unit),
        *bench.diode("hyst", 2.0 * unit),
        *bench.diode("alpha", unit),
        *bench.diode("base", BASE * unit),
        f"Vrun run 0 {piecewise_linear(run)}",
        "Vpre pre 0 0",
        f"Vk k 0 {piecewise_linear(clock)}",
        f"Ic vdd c {piecewise_linear(candidate)}",
        f"Xl c k run pre bbase bhyst u vdd 0 ladder_line {setup.size} drive=2",
        f"Is vdd n {number(setup.shift_ratio * unit)}",
        f"Xs n a o u bth bhyst balpha vdd 0 bare_stage {setup.size}",
        "Vo o 0 0.5",
        *(f"Xe{m} e{m} u vdd vdd pfet {setup.size}" for m in range(LOADS)),
        *(f"Ve{m} e{m} 0 0.5" for m in range(LOADS)),
    ]
    key = f"switching_{'down' if down else 'up'}_{amplitude:g}_{unit:.4g}"

    def read(waves: Waveforms) -> Numbers:
        starts = np.arange(TRIALS) * trial
        on = [np.interp(starts + at * settle, waves.axis, waves["v(a)"]) < setup.supply / 2 for at in (3.8, 5.8)]
        moved = on[0] != on[1]
        if not np.all(on[0] == down):
            raise SpiceError(
                f"calibration: {key}: the stage is not in its initial state before each pulse; let it settle longer."
            )
        if moved[0] or not moved[-1] or np.any(np.diff(moved.astype(int)) < 0):
            raise SpiceError(
                f"calibration: {key}: no unique shortest pulse from {lengths[0]:.3g} to {longest:.3g} s; change them."
            )
        return {"pulse": float(lengths[np.argmax(moved)] / np.sqrt(GRADE))}

    deck = bench.deck(body, _BLOCKS, Tran(settle / 50, TRIALS * trial, settle / 20)).with_saves("v(a)")
    return Probe(key, bench.job(deck), read)


def fit_switching(moves: tuple[float, ...], times: np.ndarray) -> tuple[float, float, float]:
    """(delay s, slew s, largest relative error) of t = delay + slew / (m - 1)."""
    slew, delay = np.polyfit(1.0 / (np.array(moves) - 1.0), times, 1)
    error = np.abs((delay + slew / (np.array(moves) - 1.0)) / times - 1.0).max()
    return float(delay), float(slew), float(error)


def _pulse(start: float, length: float, height: float, edge: float) -> list[tuple[float, float]]:
    return [(start, 0.0), (start + edge, height), (start + length, height), (start + length + edge, 0.0)]
