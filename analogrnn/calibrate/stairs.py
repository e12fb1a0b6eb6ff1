"""Candidates at which pulses move a ladder, measured by staircases of pulses through the transistor front end.

The bench is that of `ladders`: it uses fixed nominal values, and biases of a fixed guess, so that a calibration does
not depend on the previous one. `maps` compares predicted and measured thresholds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from analogrnn import biases
from analogrnn.calibrate.bench import CalibrationBench, Numbers, Probe, Setup
from analogrnn.calibrate.ladders import PLAIN, STAGES, bench_design
from analogrnn.design import Design
from analogrnn.errors import SpiceError
from analogrnn.spice import transistor_ladder
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.reading import read_deck
from analogrnn.technology import CellMaps, Technology

# near the measured maps, so that the staircases reach the thresholds
GUESS = replace(
    PLAIN,
    bias=1.034,
    bias_slope=-0.0014,
    threshold=0.9685,
    width=0.995,
    width_loss=0.02,
    copy=1.025,
    copy_slope=-0.004,
    base=1.0015,
    clamp=0.0048,
    first_shift=1.0035,
    shift_slope=-0.088,
    shift_drive=0.048,
    pulse_up=0.015,
    pulse_down=0.06,
    trim_up=0.005,
    trim_down=0.01,
)
STEP = 0.0025  # half windows
PULSES = np.arange(0.91, 1.0901, STEP)  # half windows
ABOUT = "ladder_transistors, 4 stages, staircases of pulses through the transistor front end"
BARE_ABOUT = "ladder_transistors, one bare stage, staircases of pulses through the transistor front end"


@dataclass(frozen=True, eq=False)
class Staircases:
    """Pulses that find the thresholds of the first and of an inner stage, up and down; all in half windows.

    Before each staircase, pulses bring the ladder to its level and one step holds it there.
    """

    candidates: np.ndarray  # (T,)
    starts: Mapping[str, int]  # threshold -> index of its staircase's first pulse
    pulses: np.ndarray  # magnitudes of one staircase

    @classmethod
    def of(cls, stages: int = STAGES, pulses: np.ndarray = PULSES) -> "Staircases":
        candidates: list[float] = []
        starts = {}
        for name, (sign, level) in thresholds(stages).items():
            # from the opposite end to the level: an up staircase is reached from below, a down staircase from above
            away = level if sign > 0 else stages - level
            candidates += [-2.0 * sign] * stages + [2.0 * sign] * away + [0.0]
            starts[name] = len(candidates)
            candidates += [sign * float(pulse) for pulse in pulses]
        return cls(np.array(candidates), starts, pulses)

    def read(self, stages: np.ndarray, measured: np.ndarray | None = None) -> dict[str, float]:
        """Each threshold in half windows: the mean of the last pulse that left `stages` (T, N) and the next one.

        `measured` (T,) are the pulses that the front end delivered, half windows; None: the nominal ones. Raises
        SpiceError if a staircase does not begin at its level, or if its threshold lies outside it.
        """
        on, found = stages.sum(axis=1), {}
        candidates = self.candidates if measured is None else measured
        for name, (_, level) in thresholds(stages.shape[1]).items():
            start = self.starts[name]
            moved = np.flatnonzero(on[start : start + len(self.pulses)] != level)
            if on[start - 1] != level or len(moved) == 0 or moved[0] == 0:
                raise SpiceError(
                    f"calibration: no threshold '{name}' between {self.pulses[0]:g} and "
                    f"{self.pulses[-1]:g} half windows; correct the bias maps of the bench."
                )
            found[name] = float(candidates[start + moved[0] - 1 : start + moved[0] + 1].mean())
        return found


def thresholds(stages: int) -> dict[str, tuple[int, int]]:
    """The thresholds that staircases measure: name -> direction, and the level at which the staircase begins."""
    first = {"up_first": (1, 0), "down_first": (-1, 1)}
    return first | ({"up_inner": (1, 1), "down_inner": (-1, stages - 1)} if stages > 1 else {})


def probe_key(setup: Setup, cell: int, stages: int) -> str:
    """The name of the probe that runs the staircases of ladder `cell`."""
    return f"{setup.label}stairs_{cell}" if stages > 1 else f"{setup.label}bare_stairs_{cell}"


def stairs_probe(bench: CalibrationBench, technology: Technology, cell: int, stages: int = STAGES) -> Probe:
    """The candidates at which pulses move ladder `cell`, to half a STEP; see `Staircases`."""
    design = bench_design(bench, technology, bench.setup.unit, stages)
    ladder, timing, stairs = design.ladders[0], design.timing, Staircases.of(stages)
    half = float(ladder.beta[cell]) / bench.setup.unit
    # with less damping, the trapezoidal rule rings in the measured current
    options = transistor_ladder.TransistorOptions(temperature=bench.setup.temperature, maps=guess(design), damping=0.4)
    deck = transistor_ladder.ladder_transistors(
        design, ladder, cell, half * stairs.candidates[:, None], bench.setup.pdk, options
    )
    ends = deck.schedule.starts()[-len(stairs.candidates) :] + timing.lead + 0.9 * timing.pulse

    def read(waves: Waveforms) -> Numbers:
        # measured pulses exclude the error of the front end, about 0.002
        measured = np.interp(ends, waves.axis, waves[deck.probe.candidate]) / (half * bench.setup.unit)
        return dict(stairs.read(read_deck(deck, waves, strict=True).stages[deck.cell], measured))

    return Probe(probe_key(bench.setup, cell, stages), deck.job(600.0), read)


def guess(design: Design) -> CellMaps:
    """GUESS, with a DPI that has no error at the currents of the first ladder."""
    if not design.ladders[0].has_dpi:
        return GUESS
    error = GUESS.dpi(design.timing.i_on, float(design.ladders[0].i_gain[0]), design.unit_current) - GUESS.shift
    return replace(GUESS, shift=GUESS.shift - float(error))


def predicted_stairs(
    bench: CalibrationBench, technology: Technology, cell: int, maps: CellMaps, stages: int = STAGES
) -> tuple[dict[str, float], float]:
    """Thresholds (half windows) that `maps` without trims and pulses predict for `stairs_probe`, and its lateness."""
    design = bench_design(bench, technology, bench.setup.unit, stages)
    ladder = design.ladders[0]
    units = biases.bias_units(design, ladder, cell, guess(design))
    by_maps = biases.achieved(design, ladder, cell, maps, pulsed=False, units=units)
    (up_first, up_inner), (down_first, down_inner) = by_maps.up, by_maps.down
    predicted = {"up_first": up_first, "up_inner": up_inner, "down_first": down_first, "down_inner": down_inner}
    return predicted, biases.lateness(design, ladder, cell)
