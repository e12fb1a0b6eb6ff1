"""Flips in hold: the time between them, simulated, in ngspice, and predicted."""

import math
from dataclasses import replace
from functools import lru_cache

from analogrnn.analysis.noise.hold_times import kramers_passage, mean_passage, simulate_passages
from analogrnn.analysis.noise.spice import (
    FlipBench,
    Flips,
    TransistorCell,
    ideal_flips,
    transistor_flips,
    transistor_window,
)
from analogrnn.design import Geometry
from analogrnn.spice.pdk import find_pdk
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Measured
from validation.noise.bench import SEED, TOPIC


@TOPIC.measure(
    "flip-rate",
    "Mean first-passage time of Ornstein-Uhlenbeck noise: simulation compared with Siegert's integral, worst "
    "threshold.",
)
def flip_rate(quick: bool) -> Measured:
    distances = (2.0, 2.5, 3.0, 3.5) if quick else (2.0, 2.5, 3.0, 3.5, 4.0, 4.5)
    worst, listed, times = 0.0, [], []
    for d in distances:
        theory = mean_passage(d)
        seen = simulate_passages((-math.inf, d), max(200.0, (500 if quick else 1000) * theory / 256), seed=SEED)
        worst = max(worst, abs(seen.mean / theory - 1.0))
        listed.append(f"{seen.mean / theory:.3f}")
        times.append(theory)
    decades = math.log10(times[-1] / times[0])
    return Measured(
        worst,
        "relative",
        Bound.below(0.2),
        {
            "thresholds": f"{', '.join(f'{d:g}' for d in distances)} rms",
            "range of rates": f"{decades:.1f} decades",
            "simulated over integral": f"{' '.join(listed)}",
        },
    )


@TOPIC.measure(
    "flip-rate-window",
    "Mean first-passage time out of a window with two thresholds: simulation compared with Siegert's integral, "
    "worst window.",
)
def flip_window(quick: bool) -> Measured:
    worst = 0.0
    for d in (2.0, 3.0) if quick else (2.0, 3.0, 4.0):
        theory = mean_passage(d, two_sided=True)
        seen = simulate_passages((-d, d), max(200.0, 500 * theory / 256), seed=SEED)
        worst = max(worst, abs(seen.mean / theory - 1.0))
    return Measured(worst, "relative", Bound.below(0.2), {"thresholds": "+-2 to +-4 rms"})


@TOPIC.measure(
    "flip-kramers",
    "Siegert's integral approaches Kramers' limit as the threshold moves away: residual at the farthest threshold.",
)
def kramers(quick: bool) -> Measured:
    ratio = [mean_passage(d) / kramers_passage(d) for d in (3.0, 5.0, 10.0, 20.0)]
    return Measured(
        ratio[-1] - 1.0,
        "relative",
        Bound.near(0.0, 0.01),
        {"thresholds": "3, 5, 10, 20 rms", "integral over limit": f"{' '.join(f'{r:.3f}' for r in ratio)}"},
        also={"monotone": ratio == sorted(ratio)[::-1]},
    )


def _ideal(distance: float, sample: float, passages: int) -> tuple[Flips, FlipBench]:
    t_in, cells = 1e-5, 16
    one = FlipBench(1e-9, 0.3e-9, t_in, 0.3e-9 / distance, sample * t_in, cells, 1.0)
    bench = replace(one, seconds=passages * one.predicted() / cells)
    return ideal_flips(bench), bench


@TOPIC.measure(
    "ngspice-fast",
    "Time between flips of ideal cells under fast transient noise in ngspice, compared with the prediction: "
    "worst threshold.",
)
def ngspice_fast(quick: bool) -> Measured:
    ratio, listed = [], []
    for d in (1.5, 2.0) if quick else (1.5, 2.0, 2.5, 3.0):
        seen, bench = _ideal(d, 0.05, 200 if quick else 400)
        ratio.append(seen.mean / bench.predicted())
        listed.append(f"{ratio[-1]:.3f} ({seen.count})")
    worst = max(abs(r - 1.0) for r in ratio)
    return Measured(
        worst,
        "relative",
        Bound.below(0.2),
        {
            "cells": 16,
            "thresholds": f"1.5 to {1.5 + 0.5 * (len(ratio) - 1):g} rms away",
            "noise sample": "a twentieth of t_in",
            "measured over predicted (flips)": f"{' '.join(listed)}",
        },
    )


@TOPIC.measure(
    "ngspice-slow",
    "Time between flips of ideal cells under noise slow enough for the input node, compared with the prediction: "
    "worst threshold.",
)
def ngspice_slow(quick: bool) -> Measured:
    ratio = []
    for d in (1.5, 2.0):
        seen, bench = _ideal(d, 20.0, 1000 if quick else 1500)
        ratio.append(seen.mean / bench.predicted())
    worst = max(abs(r - 1.0) for r in ratio)
    return Measured(
        worst,
        "relative",
        Bound.below(0.2),
        {
            "cells": 16,
            "thresholds": "1.5 to 2 rms away",
            "noise sample": "20 t_in",
            "measured over predicted": f"{' '.join(f'{r:.3f}' for r in ratio)}",
        },
    )


@lru_cache(maxsize=1)
def _transistor() -> tuple[TransistorCell, FlipBench]:
    """The standard stage's cell, its own window by a ramp, and t_in by the calibration."""
    size, technology = Geometry(2e-6, 18e-6), load_technology()
    cell = TransistorCell(size, 1.25e-9, 0.48e-9, find_pdk())
    low, high = transistor_window(cell, 2.0)
    centre, beta = (low + high) / 2.0, (high - low) / 2.0
    t_in = technology.input_charge_density * size.area / centre
    return cell, FlipBench(centre, beta, t_in, beta / 2.0, 20.0 * t_in, 12, 1.0)


def _transistors(distance: float, sample: float, passages: int) -> tuple[float, int]:
    """Time between flips over predicted, and flips."""
    cell, base = _transistor()
    one = replace(base, rms=base.beta / distance, sample=sample * base.t_in)
    bench = replace(one, seconds=passages * one.predicted() / one.cells)
    seen = transistor_flips(bench, cell)
    return seen.mean / bench.predicted(), seen.count


@TOPIC.measure(
    "transistors-slow",
    "Time between flips of a transistor cell under noise that it can follow, compared with the prediction: worst "
    "threshold.",
)
def transistors_slow(quick: bool) -> Measured:
    found = [_transistors(d, 20.0, 60 if quick else 300) for d in ((1.5,) if quick else (1.0, 1.5, 2.0))]
    worst = max(abs(r - 1.0) for r, _ in found)
    return Measured(
        worst,
        "relative",
        Bound.below(0.3),
        {
            "thresholds": "from 1 to 2 rms away",
            "noise sample": "20 t_in",
            "measured over predicted (flips)": f"{' '.join(f'{r:.3f} ({n})' for r, n in found)}",
        },
    )


@TOPIC.measure(
    "transistors-fast",
    "Time between flips of a transistor cell under fast noise over the prediction, which is optimistic: the "
    "input node alone is faster than t_in.",
)
def transistors_fast(quick: bool) -> Measured:
    ratio, flips = _transistors(1.5, 0.05, 60 if quick else 400)
    return Measured(ratio, "of predicted", Bound(), {"noise sample": "a twentieth of t_in", "flips": flips})
