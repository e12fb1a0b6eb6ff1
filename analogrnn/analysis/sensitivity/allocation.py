"""Allocation of gate area over the groups of devices, at constant total area, for the least loss of accuracy.

By Pelgrom's law a group of s times the area has 1/s times the variance. Let L be the loss to minimise, A_g the area of
group g, and e_g = -dL/d ln s_g its elasticity. At the best s under sum A_g s_g = A (Lagrange),

    e_g / (sum of e) = A_g s_g / A          each group's share of the area equals its share of the elasticity.

If L = f(sum V_g / s_g) with any increasing f, then e_g is proportional to V_g / s_g, and the best share is proportional
to sqrt(V_g A_g), which equals sqrt(e_g x share_g) at any s. So one step from the measured elasticities suffices; a
second step corrects for groups that behave differently. L is the share of clips that get a class other than on the
nominal chip (of an error: the mean distance of the outputs from the nominal ones). An elasticity is a difference over a
factor of four in variance, on the same chips (common random numbers).

The gain is predicted with f as a power with exponent (sum of e) / L. It is then measured on other chips and other
clips: each chip is scored with both areas, so that the difference has a small error.

Devices keep their shape W/L, so currents keep their inversion level and gm/I. The foundry's corrections from drawn to
effective size are included. Not counted: wiring, switches, capacitors, and speed (the gates of m1, m2 and mu load the
input node of a cell).

Source  Pelgrom et al., JSSC 24(5), 1989; the rule for the shares is the Lagrange condition, ours in this form
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from analogrnn.analysis.sensitivity.changed_chips import Change, group_areas, groups_of
from analogrnn.analysis.sensitivity.indices import ChipScorer, Progress, SensitivityOptions, standard_error
from analogrnn.datasets import Clips
from analogrnn.design import Design, Geometry
from analogrnn.errors import ParameterError
from analogrnn.metrics import ACCURACY, Metric
from analogrnn.statistics import Paired, paired
from analogrnn.technology import Technology

SPAN = 2.0  # for its elasticity, the variance of a group is multiplied and divided by this
RANGE = (1.0 / 16.0, 16.0)  # limits of a group's area over its area before
FLOOR = 0.01  # least share of the elasticity assumed for a group, so that estimation noise can't remove its area


@dataclass(frozen=True, eq=False)
class Round:
    """One step of the search: elasticities (groups,) at `scale` (groups,), their standard errors, and the loss."""

    scale: np.ndarray
    elasticity: np.ndarray
    error: np.ndarray
    loss: float


@dataclass(frozen=True, eq=False)
class Confirmed:
    """The same chips with both areas, on the test clips. A gain is the improvement of allocated over uniform areas.

    With another metric, `accuracy` is its score.
    """

    accuracy: tuple[float, float]  # uniform, allocated
    accuracy_gain: float
    accuracy_error: float
    good: Paired  # share of good chips, McNemar over chips
    loss: tuple[float, float]
    loss_error: float
    chips: int
    margin: float
    scores: tuple[np.ndarray, np.ndarray]
    metric: Metric = field(default=ACCURACY)


@dataclass(frozen=True, eq=False)
class Allocation:
    """`scale`: area of a group over its area before; `sizes`: its W and L, m; `area`: total, m^2; shares sum to 1."""

    network: str
    groups: tuple[str, ...]
    share_before: np.ndarray
    share_after: np.ndarray
    scale: np.ndarray
    sizes: dict[str, Geometry]
    area: float
    rounds: tuple[Round, ...]
    predicted_loss: tuple[float, float]
    confirmed: Confirmed


def allocate_area(
    design: Design,
    validation: Clips,
    test: Clips,
    options: SensitivityOptions | None = None,
    *,
    rounds: int = 2,
    progress: Progress | None = None,
) -> Allocation:
    """The allocation of area with the least loss on the validation clips, measured on the test clips with fresh chips.

    Raises ParameterError if mismatch changes no class, because then no allocation is better than another.
    """
    options = options or SensitivityOptions()
    groups, areas = groups_of(design), group_areas(design)
    area = np.array([areas[group] for group in groups])
    scorer = ChipScorer(design, validation, options.seed, options.metric)
    scorer.report(progress, rounds * (2 * len(groups) + 1) * options.chips + 2 * options.chips)
    scale, done = np.ones(len(groups)), []
    for _ in range(rounds):
        done.append(_elasticities(scorer, groups, scale, options))
        scale = next_scale(area, scale, done[-1].elasticity)
    predicted = predicted_loss(done[-1], scale)
    report = ChipScorer(design, test, options.seed, options.metric)
    report.report(progress and (lambda n, _: progress(scorer.done + n, scorer.total)), 2 * options.chips)
    confirmed = confirm(report, dict(zip(groups, scale, strict=True)), options)
    sizes = {group: _geometry(_drawn(design, group), float(s)) for group, s in zip(groups, scale, strict=True)}
    return Allocation(
        design.name,
        groups,
        area / area.sum(),
        area * scale / area.sum(),
        scale,
        sizes,
        float(area.sum()),
        tuple(done),
        (done[0].loss, predicted),
        confirmed,
    )


def next_scale(area: np.ndarray, scale: np.ndarray, elasticity: np.ndarray) -> np.ndarray:
    """(groups,) the next area scales at the same total area, from the areas (groups,) and elasticities at `scale`."""
    share = area * scale / (area * scale).sum()
    weight = np.maximum(elasticity, FLOOR * elasticity[elasticity > 0.0].sum())
    best = np.sqrt(weight * share)
    free, new = np.ones(len(area), bool), np.zeros(len(area))
    total = area.sum()
    for _ in range(len(area)):  # groups at a limit of the range stay there; the others share the remaining area
        new[free] = best[free] / best[free].sum() * (total - (area * new)[~free].sum()) / area[free]
        limit = np.clip(new, *RANGE)
        if np.array_equal(limit, new):
            break
        free &= limit == new
        new = np.where(free, new, limit)
    return new


def predicted_loss(seen: Round, scale: np.ndarray) -> float:
    """Loss at `scale` by L = c (sum of V_g / s_g)^p, with c and p from the measured loss and elasticities."""
    e = np.maximum(seen.elasticity, 0.0)
    return float(seen.loss * ((e * seen.scale / scale).sum() / e.sum()) ** (e.sum() / seen.loss))


def confirm(scorer: ChipScorer, scale: Mapping[str, float], options: SensitivityOptions) -> Confirmed:
    """Score fresh chips with uniform and with allocated areas, with the same draws in each pair."""
    first = options.chips  # the chips before these were used for the choice
    changes = (Change(), Change(factor=spread_factors(scorer.design, scale)))
    accuracy = [scorer.scores(change, options.chips, first) for change in changes]
    loss = [1.0 - scorer.agreement(change, options.chips, first) for change in changes]
    least = scorer.metric.worse_by(scorer.nominal, options.margin + 1e-12)
    good = [scorer.metric.reaches(y, least) for y in accuracy]
    gain = scorer.metric.gain(accuracy[0], accuracy[1])
    return Confirmed(
        (float(accuracy[0].mean()), float(accuracy[1].mean())),
        float(gain.mean()),
        standard_error(gain),
        paired(good[0], good[1]),
        (float(loss[0].mean()), float(loss[1].mean())),
        standard_error(loss[1]),
        options.chips,
        options.margin,
        (accuracy[0], accuracy[1]),
        scorer.metric,
    )


def spread_factors(design: Design, scale: Mapping[str, float]) -> dict[str, float]:
    """Factor on the deviations of each group if its devices have `scale` times the area at the same shape."""
    return {
        group: _sigma(design.technology, _geometry(_drawn(design, group), s))
        / _sigma(design.technology, _drawn(design, group))
        for group, s in scale.items()
    }


def _elasticities(scorer: ChipScorer, groups: tuple[str, ...], scale: np.ndarray, options: SensitivityOptions) -> Round:
    at = dict(zip(groups, scale.tolist(), strict=True))
    loss = 1.0 - scorer.agreement(Change(factor=spread_factors(scorer.design, at)), options.chips)
    if not loss.any():
        what = "class" if scorer.metric.kind == "share" else "output"
        raise ParameterError(
            f"mismatch changes no {what} of {scorer.design.name} on these clips, so no area is better "
            "than another: use smaller devices, or more clips."
        )
    found = []
    for group in groups:
        scores = [
            scorer.agreement(Change(factor=spread_factors(scorer.design, at | {group: at[group] * f})), options.chips)
            for f in (SPAN, 1.0 / SPAN)
        ]
        found.append((scores[0] - scores[1]) / (2.0 * math.log(SPAN)))
    return Round(
        scale.copy(),
        np.array([e.mean() for e in found]),
        np.array([standard_error(e) for e in found]),
        float(loss.mean()),
    )


def _drawn(design: Design, group: str) -> Geometry:
    mirrors = group in ("weights", "rails", "bias", "readout")
    return design.sizing.synapse if mirrors else design.sizing.cell


def _geometry(drawn: Geometry, scale: float) -> Geometry:
    return Geometry(drawn.w * math.sqrt(scale), drawn.l * math.sqrt(scale))


def _sigma(technology: Technology, size: Geometry) -> float:
    # threshold voltage and gain factor scale alike with area, so one of them represents both
    return technology.sigma_vth("n", size.w, size.l)
