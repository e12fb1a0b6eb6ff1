"""Noise: wrong moves and their chain, flips in hold, the noise cut, and where an analog memory does better."""

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
    railed_crossover,
    simulate_hold,
    slip,
)
from analogrnn.analysis.noise.hold_times import kramers_passage, mean_passage, simulate_passages
from analogrnn.analysis.noise.moves import level_law, noise_cut, start_levels, wrong_moves
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


@TOPIC.measure("wrong-move-exact")
def exact(quick: bool) -> Measured:
    """The chain's law against counting: chips with mismatch, random candidates, noise of 0.3 beta."""
    steps, trials, worst = 12, 4_000 if quick else 20_000, 0.0
    for chip, layer in chips(2 if quick else 6):
        rng = stream(SEED, "candidates", chip.index or 0)
        u = 1.2 * rng.standard_normal((steps, 1, 4))
        sigma = np.full(4, 0.3)
        law = level_law(layer, u, start_levels(layer), sigma)[:, 0]
        noisy = u + sigma * rng.standard_normal((steps, trials, 4))
        on = run_ladder(replace(layer, noise=sigma), noisy)
        seen = (on[..., None] == np.arange(5)).mean(axis=1)
        error = np.sqrt(np.maximum(law * (1.0 - law), 1.0 / trials) / trials)
        worst = max(worst, float((np.abs(seen - law) / error).max()))
    return Measured(
        worst,
        "standard errors",
        "< 5",
        worst < 5.0,
        f"law of the level after each of {steps} steps against {trials} simulated runs, mismatched "
        f"chips in 3 um "
        "devices, drift at rest included: largest deviation",
    )


@TOPIC.measure("wrong-move-certain")
def certain(quick: bool) -> Measured:
    right = total = 0
    for _, layer in chips(4 if quick else 20):
        u = 1.5 * stream(SEED, "certain").standard_normal((60, 8, 4))
        law = level_law(layer, u, start_levels(layer), np.zeros(4))
        on = run_ladder(layer, u)
        right += int((np.take_along_axis(law, on[..., None].astype(int), axis=-1) == 1.0).sum())
        total += on.size
    return Measured(
        right / total,
        "of steps",
        "= 1",
        right == total,
        f"without noise the law gives the simulated level the chance 1 ({total:,} steps, mismatched chips)",
    )


@TOPIC.measure("flip-rate")
def flip_rate(quick: bool) -> Measured:
    distances = (2.0, 2.5, 3.0, 3.5) if quick else (2.0, 2.5, 3.0, 3.5, 4.0, 4.5)
    worst, told, times = 0.0, [], []
    for d in distances:
        theory = mean_passage(d)
        seen = simulate_passages((-math.inf, d), max(200.0, (500 if quick else 1000) * theory / 256), seed=SEED)
        worst = max(worst, abs(seen.mean / theory - 1.0))
        told.append(f"{seen.mean / theory:.3f}")
        times.append(theory)
    decades = math.log10(times[-1] / times[0])
    return Measured(
        worst,
        "relative",
        "< 0.2",
        worst < 0.2,
        f"mean first-passage time of Ornstein-Uhlenbeck noise, simulated over Siegert's integral, "
        f"thresholds at "
        f"{', '.join(f'{d:g}' for d in distances)} rms ({decades:.1f} decades of rate): "
        f"{' '.join(told)}",
    )


@TOPIC.measure("flip-rate-window")
def flip_window(quick: bool) -> Measured:
    worst = 0.0
    for d in (2.0, 3.0) if quick else (2.0, 3.0, 4.0):
        theory = mean_passage(d, two_sided=True)
        seen = simulate_passages((-d, d), max(200.0, 500 * theory / 256), seed=SEED)
        worst = max(worst, abs(seen.mean / theory - 1.0))
    return Measured(
        worst,
        "relative",
        "< 0.2",
        worst < 0.2,
        "the same out of a window with a threshold on each side, +-2 to +-4 rms: largest deviation",
    )


@TOPIC.measure("flip-kramers")
def kramers(quick: bool) -> Measured:
    ratio = [mean_passage(d) / kramers_passage(d) for d in (3.0, 5.0, 10.0, 20.0)]
    return Measured(
        ratio[-1] - 1.0,
        "relative",
        "< 0.01",
        abs(ratio[-1] - 1.0) < 0.01 and ratio == sorted(ratio)[::-1],
        f"Siegert's integral over Kramers' limit at 3, 5, 10, 20 rms: {' '.join(f'{r:.3f}' for r in ratio)}",
    )


def _ideal(distance: float, sample: float, passages: int) -> tuple[Flips, FlipBench]:
    t_in, cells = 1e-5, 16
    one = FlipBench(1e-9, 0.3e-9, t_in, 0.3e-9 / distance, sample * t_in, cells, 1.0)
    bench = replace(one, seconds=passages * one.predicted() / cells)
    return ideal_flips(bench), bench


@TOPIC.measure("ngspice-fast")
def ngspice_fast(quick: bool) -> Measured:
    ratio, told = [], []
    for d in (1.5, 2.0) if quick else (1.5, 2.0, 2.5, 3.0):
        seen, bench = _ideal(d, 0.05, 200 if quick else 400)
        ratio.append(seen.mean / bench.predicted())
        told.append(f"{ratio[-1]:.3f} ({seen.count})")
    worst = max(abs(r - 1.0) for r in ratio)
    return Measured(
        worst,
        "relative",
        "< 0.2",
        worst < 0.2,
        f"ngspice transient noise, 16 ideal cells, thresholds 1.5 to "
        f"{1.5 + 0.5 * (len(ratio) - 1):g} rms away, "
        f"noise of a twentieth of t_in: time between flips over predicted (flips): "
        f"{' '.join(told)}",
    )


@TOPIC.measure("ngspice-slow")
def ngspice_slow(quick: bool) -> Measured:
    ratio = []
    for d in (1.5, 2.0):
        seen, bench = _ideal(d, 20.0, 250 if quick else 1500)
        ratio.append(seen.mean / bench.predicted())
    worst = max(abs(r - 1.0) for r in ratio)
    return Measured(
        worst,
        "relative",
        "< 0.2",
        worst < 0.2,
        f"the same with noise of 20 t_in, which the input node follows: {' '.join(f'{r:.3f}' for r in ratio)}",
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


@TOPIC.measure("transistors-slow")
def transistors_slow(quick: bool) -> Measured:
    found = [_transistors(d, 20.0, 60 if quick else 300) for d in ((1.5,) if quick else (1.0, 1.5, 2.0))]
    worst = max(abs(r - 1.0) for r, _ in found)
    return Measured(
        worst,
        "relative",
        "< 0.3",
        worst < 0.3,
        "a cell on foundry models with noise that it can follow (20 t_in), thresholds from 1 to 2 "
        "rms away: time "
        "between flips over predicted (flips): "
        f"{' '.join(f'{r:.3f} ({n})' for r, n in found)}",
    )


@TOPIC.measure("transistors-fast")
def transistors_fast(quick: bool) -> Measured:
    ratio, flips = _transistors(1.5, 0.05, 60 if quick else 400)
    return Measured(
        ratio,
        "of predicted",
        "reported",
        True,
        f"the same with noise of a twentieth of t_in ({flips} flips): t_in is the delay of the "
        f"whole cell, its input "
        "node alone is faster and passes more noise than one pole at t_in; the prediction is "
        "optimistic",
    )


@TOPIC.measure("cut")
def cut(quick: bool) -> Measured:
    limit = noise_cut(np.linspace(0.02, 1.0, 981)).noise_at(20.0)
    sigma, draws = 0.3, 2_000_000
    slips = int((np.abs(sigma * stream(SEED, "cut").standard_normal(draws)) >= 1.0).sum())
    law = float(noise_cut(np.array([sigma])).cut[0])
    seen = sigma / math.sqrt(slips / draws)
    agrees = abs(seen / law - 1.0) < 5.0 * 0.5 / math.sqrt(slips)
    chip, _, _ = digits("digits_d16_k2")
    own = float((chip.ladders[0].noise / chip.ladders[0].ladder.threshold[:, 1]).max())
    return Measured(
        limit / own,
        "of own noise",
        "> 1",
        limit > own and agrees,
        f"noise up to which a hold state cuts it at least 20-fold from input to output (a level's "
        f"output = beta): "
        f"{limit:.3f} beta, over the cells' own {own:.3f}; at 0.3 beta {seen:.2f}-fold counted, "
        f"{law:.2f} by law",
    )


@TOPIC.measure("crossover-simulated")
def simulated(quick: bool) -> Measured:
    steps = np.array([1, 3, 10, 30, 100, 300])
    worst = 0.0
    for margin in (0.5, 1.0):
        for sigma in (0.15, 0.25, 0.4):
            task = HoldTask(9, margin)
            both = simulate_hold(task, sigma, steps, trials=4_000 if quick else 20_000, seed=SEED)
            law = (ladder_error(task, sigma, steps), analog_error(task, sigma, steps))
            for seen, error in zip(both, law, strict=True):
                worst = max(worst, float((np.abs(seen.error - error) / seen.spread).max()))
    return Measured(
        worst,
        "standard errors",
        "< 5",
        worst < 5.0,
        "error of holding a value for 1 to 300 steps, ladder (digital recurrence) and integrator / "
        "LRU / minGRU that "
        "holds, simulated against the laws: largest of 72 deviations",
    )


@TOPIC.measure("crossover-law")
def law(quick: bool) -> Measured:
    task, sigmas = HoldTask(9, 0.5), (0.08, 0.12, 0.16, 0.2, 0.24)
    ratio = [railed_crossover(task, s) / crossover_steps(s, 0.5) for s in sigmas]
    worst = max(abs(r - 1.0) for r in ratio)
    return Measured(
        worst,
        "relative",
        "< 0.15",
        worst < 0.15,
        "length from which the ladder wins, exact with rails over 1 / 12(sigma^2 - p), noise of "
        "0.08 to 0.24 level, "
        f"margin 0.5: {' '.join(f'{r:.3f}' for r in ratio)}",
    )


@TOPIC.measure("crossover-band")
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
        "0.25..0.35",
        holds and 0.25 < low < 0.35,
        f"noise a step above which an analog state holds better for long, margin 0.5 level (up to "
        f"{high:.2f}); "
        f"slips at 0.1 level: {slip(0.1, 0.5):.1e} a step; simulated: ladder worse inside by "
        f"{loses.min():.0f}, "
        f"better at 0.8 of it by {wins.min():.0f} standard errors",
    )


@TOPIC.measure("crossover-margin")
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
        "= 0.576",
        abs(least - 0.5757) < 1e-3 and right,
        "margin beta / alpha above which no noise favours an analog state for long holds; least "
        "margin of the "
        f"shipped networks: {' '.join(f'{m:.2f}' for m in margins)}",
    )


@TOPIC.measure("wrong-moves-clips")
def clips(quick: bool) -> Measured:
    told, worst = [], 0.0
    for name in NETWORKS[1:] if quick else NETWORKS:
        chip, x, _ = digits(name)
        found = analyze_noise(chip, x)[0]
        worst = max(worst, found.wrong_a_clip)
        told.append(f"{name} {found.wrong_a_clip:.2f} of {x.shape[0] * len(found.wrong)}")
    return Measured(
        worst,
        "moves",
        "reported",
        True,
        f"expected wrong moves in a spoken digit at the cells' own noise (exact): {'; '.join(told)}",
    )


def _accuracy(name: str) -> None:
    @TOPIC.measure(f"accuracy-{name.replace('_', '-')}")
    def accuracy(quick: bool) -> Measured:
        chip, x, labels = digits(name)
        own = float((chip.ladders[0].noise / chip.ladders[0].ladder.threshold[:, 1]).max())
        sigmas = np.array([own, 0.1, 0.2, 0.3, 0.4])
        curve = accuracy_under_noise(chip, x, labels, sigmas, repeats=2 if quick else 10, seed=SEED)
        lost = curve.without - curve.accuracy
        told = ", ".join(f"{a:.3f} at {s:.2g}" for s, a in zip(curve.sigma, curve.accuracy, strict=True))
        return Measured(
            float(lost[0]),
            "accuracy",
            "< 0.02",
            bool(lost[0] < 0.02),
            f"{name}: accuracy lost to the cells' own noise; {curve.without:.3f} without, {told} "
            f"beta (standard "
            f"error {curve.error.max():.3f})",
        )


for _name in NETWORKS:
    _accuracy(_name)


@TOPIC.measure("wrong-move-at-rest")
def at_rest(quick: bool) -> Measured:
    """Chance of a wrong move of a candidate of zero, worst chip of many, by device size."""
    told, worst = [], 0.0
    for size in (4e-6, 10e-6):
        layer = Cmru("rec", np.eye(16), np.zeros(16), threshold=np.ones(16), alpha=np.ones(16), k_min=-2, k_max=2)
        options = MappingOptions(input_bound=6.0, cell_w=size, cell_l=size)
        design = map_network(Network((layer,)), load_technology(), options)
        chance = [wrong_moves(draw_chip(design, SEED, k).ladders[0], np.zeros(16)) for k in range(20 if quick else 200)]
        share = float(np.mean(np.array(chance).max(axis=-1) > 1e-6))
        worst = share
        told.append(f"{size * 1e6:g} um: {share:.4f}")
    return Measured(
        worst,
        "of ladders",
        "reported",
        True,
        f"ladders of 4 with a level whose hold at zero fails more than once in a million steps at "
        f"the cells' own "
        f"noise, mismatched chips: {'; '.join(told)}",
    )
