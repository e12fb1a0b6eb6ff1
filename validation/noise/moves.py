"""Wrong moves: the distribution of levels, noise rejection, and what noise costs on spoken digits."""

import math
from dataclasses import replace

import numpy as np

from analogrnn.analysis.noise.moves import level_distribution, noise_rejection, start_levels, wrong_moves
from analogrnn.analysis.noise.report import accuracy_under_noise, analyze_noise
from analogrnn.chip import draw_chip
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, Network
from analogrnn.simulate import run_ladder
from analogrnn.streams import stream
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Measured
from validation.noise.bench import NETWORKS, SEED, TOPIC, chips, digits


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
