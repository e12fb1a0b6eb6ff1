"""Where an analog memory holds a value better than a ladder."""

import math

import numpy as np

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
from validation.bounds import Bound
from validation.claims import Measured
from validation.noise.bench import NETWORKS, SEED, TOPIC, digits


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
