"""Noise: wrong moves and their chain, flips in hold, noise rejection, and where an analog memory does better."""

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from analogrnn import datasets, library
from analogrnn.analysis.noise.crossover import (
    HoldTask,
    analog_error,
    crossover_steps,
    ladder_error,
    least_margin,
    losing_band,
    saturating_crossover,
    simulate_hold,
    slip,
)
from analogrnn.analysis.noise.hold_times import kramers_passage, mean_passage, simulate_passages
from analogrnn.analysis.noise.moves import level_distribution, noise_rejection, start_levels, wrong_moves
from analogrnn.analysis.noise.report import accuracy_under_noise, analyze_noise
from analogrnn.analysis.noise.spice import (
    FlipBench,
    Flips,
    TransistorCell,
    ideal_flips,
    transistor_flips,
    transistor_window,
)
from analogrnn.chip import Chip, ChipLadder, draw_chip, nominal_chip
from analogrnn.design import Geometry
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, Network
from analogrnn.network.files import load
from analogrnn.simulate import run_ladder
from analogrnn.spice.pdk import find_pdk
from analogrnn.streams import stream
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Measured, Topic

TOPIC = Topic("noise")
SEED = 30
NETWORKS = ("digits_d32_k4", "digits_d16_k2", "digits_bmru_d16")


def chips(count: int) -> list[tuple[Chip, ChipLadder]]:
    """Mismatched ladders of 4 stages in small devices, so that thresholds differ and some drift."""
    layer = Cmru("rec", np.eye(4), np.zeros(4), threshold=np.ones(4), alpha=np.ones(4), k_min=-2, k_max=2)
    options = MappingOptions(input_bound=6.0, cell_w=3e-6, cell_l=3e-6)
    design = map_network(Network((layer,)), load_technology(), options)
    drawn = [draw_chip(design, SEED, index) for index in range(count)]
    return [(chip, chip.ladders[0]) for chip in drawn]


@lru_cache(maxsize=3)
def digits(name: str) -> tuple[Chip, np.ndarray, np.ndarray]:
    network = load(library.network_path(name))
    clips = datasets.spoken_digits("test")
    assert network.encoding is not None
    return nominal_chip(map_network(network, load_technology())), network.encoding(clips.features), clips.labels


@TOPIC.measure(
    "wrong-move-exact",
    "Distribution of the level after each step on mismatched chips, drift at rest included: largest deviation of "
    "simulated runs.",
)
def exact(quick: bool) -> Measured:
    """The computed distribution compared with counting: chips with mismatch, random candidates, noise of 0.3 beta."""
    steps, trials, worst = 12, 4_000 if quick else 20_000, 0.0
    for chip, layer in chips(2 if quick else 6):
        rng = stream(SEED, "candidates", chip.index or 0)
        u = 1.2 * rng.standard_normal((steps, 1, 4))
        sigma = np.full(4, 0.3)
        expected = level_distribution(layer, u, start_levels(layer), sigma)[:, 0]
        noisy = u + sigma * rng.standard_normal((steps, trials, 4))
        on = run_ladder(replace(layer, noise=sigma), noisy)
        seen = (on[..., None] == np.arange(5)).mean(axis=1)
        error = np.sqrt(np.maximum(expected * (1.0 - expected), 1.0 / trials) / trials)
        worst = max(worst, float((np.abs(seen - expected) / error).max()))
    return Measured(worst, "standard errors", Bound.below(5), {"steps": steps, "runs": trials, "device size": "3 um"})


@TOPIC.measure(
    "wrong-move-certain",
    "Without noise the computed distribution gives probability 1 to the simulated level on mismatched chips.",
)
def certain(quick: bool) -> Measured:
    right = total = 0
    for _, layer in chips(4 if quick else 20):
        u = 1.5 * stream(SEED, "certain").standard_normal((60, 8, 4))
        expected = level_distribution(layer, u, start_levels(layer), np.zeros(4))
        on = run_ladder(layer, u)
        right += int((np.take_along_axis(expected, on[..., None].astype(int), axis=-1) == 1.0).sum())
        total += on.size
    return Measured(right / total, "of steps", Bound.equals(1), {"steps": total})


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
        seen, bench = _ideal(d, 20.0, 250 if quick else 1500)
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


@TOPIC.measure(
    "rejection",
    "Noise up to which a hold state rejects it at least 20-fold from input to output, in multiples of the cells' "
    "own noise.",
)
def cut(quick: bool) -> Measured:
    limit = noise_rejection(np.linspace(0.02, 1.0, 981)).noise_at(20.0)
    sigma, draws = 0.3, 2_000_000
    slips = int((np.abs(sigma * stream(SEED, "cut").standard_normal(draws)) >= 1.0).sum())
    computed = float(noise_rejection(np.array([sigma])).ratio[0])
    seen = sigma / math.sqrt(slips / draws)
    agrees = abs(seen / computed - 1.0) < 5.0 * 0.5 / math.sqrt(slips)
    chip, _, _ = digits("digits_d16_k2")
    own = float((chip.ladders[0].noise / chip.ladders[0].ladder.threshold[:, 1]).max())
    return Measured(
        limit / own,
        "times the own noise",
        Bound.above(1),
        {
            "limit": f"{limit:.3f} beta",
            "own noise": f"{own:.3f} beta",
            "rejection at 0.3 beta, counted": f"{seen:.2f}-fold",
            "computed": f"{computed:.2f}-fold",
        },
        also={"counted as computed": agrees},
    )


@TOPIC.measure(
    "crossover-simulated",
    "Error of holding a value over time, in a ladder and in an analog state: largest deviation of the simulation "
    "from the formulas.",
)
def simulated(quick: bool) -> Measured:
    steps = np.array([1, 3, 10, 30, 100, 300])
    worst = 0.0
    for margin in (0.5, 1.0):
        for sigma in (0.15, 0.25, 0.4):
            task = HoldTask(9, margin)
            both = simulate_hold(task, sigma, steps, trials=4_000 if quick else 20_000, seed=SEED)
            formulas = (ladder_error(task, sigma, steps), analog_error(task, sigma, steps))
            for seen, error in zip(both, formulas, strict=True):
                worst = max(worst, float((np.abs(seen.error - error) / seen.spread).max()))
    return Measured(
        worst,
        "standard errors",
        Bound.below(5),
        {"steps": "1 to 300", "analog state": "integrator, LRU or minGRU that holds", "deviations": 72},
    )


@TOPIC.measure(
    "crossover-formula",
    "Length from which the ladder holds a value better: exact with a limited range, compared with 1 / 12(sigma^2 "
    "- p), worst noise.",
)
def formula(quick: bool) -> Measured:
    task, sigmas = HoldTask(9, 0.5), (0.08, 0.12, 0.16, 0.2, 0.24)
    ratio = [saturating_crossover(task, s) / crossover_steps(s, 0.5) for s in sigmas]
    worst = max(abs(r - 1.0) for r in ratio)
    return Measured(
        worst,
        "relative",
        Bound.below(0.15),
        {"noise": "0.08 to 0.24 level", "margin": 0.5, "exact over formula": f"{' '.join(f'{r:.3f}' for r in ratio)}"},
    )


@TOPIC.measure(
    "crossover-band",
    "Noise per step above which an analog state holds a value better for long; a simulation confirms both sides.",
)
def band(quick: bool) -> Measured:
    low, high = losing_band(0.5) or (math.nan, math.nan)
    steps = np.array([10, 20, 40])
    inside = simulate_hold(HoldTask(41, 0.5), (low + high) / 2.0, steps, trials=40_000, seed=SEED)
    outside = simulate_hold(HoldTask(41, 0.5), 0.8 * low, steps, trials=40_000, seed=SEED)
    # the same noise drives both memories; the errors of their difference are below the sum of their own
    loses = (inside[0].error - inside[1].error) / (inside[0].spread + inside[1].spread)
    wins = (outside[1].error - outside[0].error) / (outside[0].spread + outside[1].spread)
    holds = bool(loses.min() > 3.0 and wins.min() > 3.0)
    return Measured(
        low,
        "levels",
        Bound.between(0.25, 0.35),
        {
            "margin": "0.5 level",
            "upper end": f"{high:.2f} levels",
            "slips at 0.1 level": f"{slip(0.1, 0.5):.1e} per step",
            "ladder worse inside by": f"{loses.min():.0f} standard errors",
            "ladder better at 0.8 of it by": f"{wins.min():.0f} standard errors",
        },
        also={"simulated beyond 3 standard errors": holds},
    )


@TOPIC.measure("crossover-margin", "Margin beta / alpha above which no noise favours an analog state for long.")
def margin(quick: bool) -> Measured:
    least = least_margin()
    margins = []
    for name in NETWORKS:
        chip, _, _ = digits(name)
        ladder = chip.ladders[0].ladder
        margins.append(float((ladder.threshold[:, 1] / (ladder.alpha * ladder.level_step)).min()))
    right = losing_band(least * 1.001) is None and losing_band(least * 0.999) is not None
    return Measured(
        least,
        "levels",
        Bound.near(0.5757, 1e-3),
        {"least margins of the shipped networks": f"{' '.join(f'{m:.2f}' for m in margins)}"},
        also={"a band exists just below, none just above": right},
    )


@TOPIC.measure(
    "wrong-moves-clips",
    "Expected wrong moves per spoken digit at the cells' own noise, computed exactly: worst network.",
)
def clips(quick: bool) -> Measured:
    moves, worst = {}, 0.0
    for name in NETWORKS[1:] if quick else NETWORKS:
        chip, x, _ = digits(name)
        found = analyze_noise(chip, x)[0]
        worst = max(worst, found.wrong_per_clip)
        moves[name] = f"{found.wrong_per_clip:.2f} of {x.shape[0] * len(found.wrong)}"
    return Measured(worst, "moves", Bound(), moves)


def _accuracy(name: str) -> None:
    @TOPIC.measure(f"accuracy-{name.replace('_', '-')}", f"Accuracy that {name} loses to the cells' own noise.")
    def accuracy(quick: bool) -> Measured:
        chip, x, labels = digits(name)
        own = float((chip.ladders[0].noise / chip.ladders[0].ladder.threshold[:, 1]).max())
        sigmas = np.array([own, 0.1, 0.2, 0.3, 0.4])
        curve = accuracy_under_noise(chip, x, labels, sigmas, repeats=2 if quick else 10, seed=SEED)
        lost = curve.without - curve.accuracy
        by_noise = {f"at {s:.2g} beta": f"{a:.3f}" for s, a in zip(curve.sigma, curve.accuracy, strict=True)}
        return Measured(
            float(lost[0]),
            "accuracy",
            Bound.below(0.02),
            {"without noise": f"{curve.without:.3f}", **by_noise, "standard error": f"{curve.error.max():.3f}"},
        )


for _name in NETWORKS:
    _accuracy(_name)


@TOPIC.measure(
    "wrong-move-at-rest",
    "Ladders with a level whose hold at zero fails more than once in a million steps at the cells' own noise, "
    "larger devices.",
)
def at_rest(quick: bool) -> Measured:
    """Chance of a wrong move of a candidate of zero, worst chip of many, by device size."""
    shares, share = {}, 0.0
    for size in (4e-6, 10e-6):
        layer = Cmru("rec", np.eye(16), np.zeros(16), threshold=np.ones(16), alpha=np.ones(16), k_min=-2, k_max=2)
        options = MappingOptions(input_bound=6.0, cell_w=size, cell_l=size)
        design = map_network(Network((layer,)), load_technology(), options)
        chance = [wrong_moves(draw_chip(design, SEED, k).ladders[0], np.zeros(16)) for k in range(20 if quick else 200)]
        share = float(np.mean(np.array(chance).max(axis=-1) > 1e-6))
        shares[f"devices of {size * 1e6:g} um"] = f"{share:.4f}"
    return Measured(share, "of ladders", Bound(), {"stages": 4, **shares})
