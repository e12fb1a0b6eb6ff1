"""Switching times: the shortest candidate pulse that moves a stage, for up and down moves of several amplitudes.

A stage stands behind the library's input line, loaded like one of four, at the middle of its window. Many copies with
pulses of graded widths share a deck; the shortest that moves is the answer, to half the grading.
"""

import numpy as np

from analogrnn.calibrate.bench import Bench, Numbers, Probe, saves
from analogrnn.errors import SpiceError
from analogrnn.spice.deck import number, piecewise_linear
from analogrnn.spice.raw import Waveforms

GRADE = 1.1  # between neighbouring pulse widths: the answer is known to +-5 %
LOADS = 3  # further stages on the line
AMPLITUDES = (1.5, 2.0, 3.0)  # candidate over half a window; the line can't go below -1.4
DOWN_AMPLITUDES = (1.2, 1.3, 1.4)
ABOUT = "ladder_line with bare_stage and three more input copies; candidate pulses of graded widths"
_BLOCKS = ("bmru_cell", "ladder_stage", "dpi", "ladder_line")


def pulse_probe(bench: Bench, amplitude: float, unit: float) -> Probe:
    """The shortest pulse of `amplitude` half windows (negative: a down move) that changes the state, s."""
    setup = bench.setup
    guess = 1e-3 * setup.device.area / (setup.threshold_ratio * unit)  # s, an input time constant
    widths = 0.4 * guess * GRADE ** np.arange(40)
    longest = float(widths[-1])
    start, test = 2.0 * longest, 12.0 * longest
    stop, edge = test + 3.0 * longest, float(widths[0]) / 50.0
    body = [
        *bench.diode("th", setup.threshold_ratio * unit), *bench.diode("hyst", 2.0 * unit),
        *bench.diode("alpha", unit), *bench.diode("base", setup.base_ratio * unit),
        f"Vrun run 0 {number(setup.supply)}", "Vpre pre 0 0",
    ]  # fmt: skip
    signals = []
    for k, width in enumerate(widths):
        # an up pulse first, if the move goes down: the stage has to be ON
        first = [(0.0, 0.0), (start, 0.0), (start + edge, 3.0 * unit), (start + 2 * longest, 3.0 * unit),
                 (start + 2 * longest + edge, 0.0)] if amplitude < 0 else [(0.0, 0.0)]  # fmt: skip
        candidate = [*first, (test - longest / 4, 0.0), (test - longest / 4 + edge, amplitude * unit)]
        gates = [(0.0, 0.0), (start + longest / 4, 0.0), (start + longest / 4 + edge, setup.supply),
                 (start + 1.5 * longest, setup.supply), (start + 1.5 * longest + edge, 0.0)] if amplitude < 0 else [
                     (0.0, 0.0)]  # fmt: skip
        clock = [*gates, (test, 0.0), (test + edge, setup.supply), (test + float(width), setup.supply),
                 (test + float(width) + edge, 0.0)]  # fmt: skip
        body += [
            f"Ic{k} vdd c{k} {piecewise_linear(candidate)}", f"Vk{k} k{k} 0 {piecewise_linear(clock)}",
            f"Xl{k} c{k} k{k} run pre bbase bhyst u{k} vdd 0 ladder_line {setup.size} drive=2",
            f"Is{k} vdd n{k} {number(setup.shift_ratio * unit)}",
            f"Xs{k} n{k} a{k} o{k} u{k} bth bhyst balpha vdd 0 bare_stage {setup.size}", f"Vo{k} o{k} 0 0.5",
            *(f"Xe{k}_{m} e{k}_{m} u{k} vdd vdd pfet {setup.size}" for m in range(LOADS)),
            *(f"Ve{k}_{m} e{k}_{m} 0 0.5" for m in range(LOADS)),
        ]  # fmt: skip
        signals.append(f"v(a{k})")
    key = f"pulse_{'down' if amplitude < 0 else 'up'}_{abs(amplitude):g}_{number(unit)}"

    def read(waves: Waveforms) -> Numbers:
        before = np.array([np.interp(test, waves.axis, waves[s]) for s in signals]) < setup.supply / 2
        after = np.array([waves[s][-1] for s in signals]) < setup.supply / 2
        if not np.all(before == (amplitude < 0)):
            raise SpiceError(f"calibration: {key}: the stage is not in its first state before the pulse.")
        moved = after != before
        if not moved.any() or moved[0] or np.any(np.diff(moved.astype(int)) < 0):
            raise SpiceError(
                f"calibration: {key}: no clear shortest pulse between {widths[0]:.3g} and {longest:.3g} s."
            )
        return {"width": float(widths[np.argmax(moved)] / np.sqrt(GRADE))}

    analysis = f".tran {number(longest / 20)} {number(stop)} 0 {number(longest / 20)}"
    return Probe(key, bench.job(body + saves(signals), _BLOCKS, analysis), read)
