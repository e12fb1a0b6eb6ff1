"""Where a given area buys the most: gate area of each group of devices at constant total area.

By Pelgrom's law a group of s times the area has 1/s times the variance. Let L be the loss that shall be least, A_g the
area of group g, and e_g = -dL/d ln s_g its elasticity. At the best s under sum A_g s_g = A (Lagrange),

    e_g / (sum of e) = A_g s_g / A          each group's share of the area equals its share of the elasticity.

If L = f(sum V_g / s_g) with any rising f, then e_g is in proportion to V_g / s_g and the best share to sqrt(V_g A_g),
which is sqrt(e_g x share_g) at any s: one step from the elasticities that chips show. Another step from there checks,
and corrects for groups that act in another way. The elasticities are differences over a factor of four in variance, on
the same chips (common random numbers); L is the share of clips that get another class than on the nominal chip.

The gain is predicted with f a power, its exponent (sum of e) / L, and confirmed on other chips and other clips: the
same chip with both areas, so that the difference has a small error.

Devices scale at their shape W/L, so currents stay at their inversion and gm/I with them; the foundry's corrections of
drawn to effective size are taken into account. Not counted: wiring, switches and capacitors; and speed: a cell's input
node has the gates of m1, m2 and mu on it.

Source  Pelgrom et al., JSSC 24(5), 1989; the share rule is the Lagrange condition, ours in this form.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analogrnn.analysis.sensitivity.changed_chips import Change, group_areas, groups_of
from analogrnn.analysis.sensitivity.indices import Bench, Progress, Study, standard_error
from analogrnn.datasets import LabelledClips
from analogrnn.design import Design, Geometry
from analogrnn.errors import ParameterError
from analogrnn.statistics import Paired, paired
from analogrnn.technology import Technology

SPAN = 2.0  # variance of a group is multiplied and divided by this for its elasticity
RANGE = (1.0 / 16.0, 16.0)  # of a group's area over its area before
FLOOR = 0.01  # least share of the elasticity that a group is taken to have: noise must not starve it


@dataclass(frozen=True, eq=False)
class Round:
    """One step: elasticities at `scale` (groups,), with errors, and the loss there."""

    scale: np.ndarray
    elasticity: np.ndarray
    error: np.ndarray
    loss: float


@dataclass(frozen=True, eq=False)
class Confirmed:
    """The same chips with both areas, on clips that chose nothing. Gains are allocated less uniform."""

    accuracy: tuple[float, float]  # uniform, allocated
    accuracy_gain: float
    accuracy_error: float
    good: Paired  # share of good chips, McNemar over chips
    loss: tuple[float, float]
    loss_error: float
    chips: int
    margin: float
    scores: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Allocation:
    """`scale`: area of each group over its area before; `sizes`: W and L for it, m; shares sum to 1."""

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
    choosing: LabelledClips,
    reporting: LabelledClips,
    study: Study | None = None,
    *,
    rounds: int = 2,
    progress: Progress | None = None,
) -> Allocation:
    """The allocation of area that loses least on the clips that choose, confirmed on the others with fresh chips.

    Raises ParameterError if mismatch changes no class at all: then there is nothing to allocate for.
    """
    study = study or Study()
    groups, areas = groups_of(design), group_areas(design)
    area = np.array([areas[group] for group in groups])
    bench = Bench(design, choosing, study.seed)
    bench.report(progress, rounds * (2 * len(groups) + 1) * study.chips + 2 * study.chips)
    scale, done = np.ones(len(groups)), []
    for _ in range(rounds):
        done.append(_elasticities(bench, groups, scale, study))
        scale = next_scale(area, scale, done[-1].elasticity)
    predicted = predicted_loss(done[-1], scale)
    report = Bench(design, reporting, study.seed)
    report.report(progress and (lambda n, _: progress(bench.done + n, bench.total)), 2 * study.chips)
    confirmed = confirm(report, dict(zip(groups, scale, strict=True)), study)
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
    """(groups,) the next area scales at the same total area, from the elasticities at `scale`."""
    share = area * scale / (area * scale).sum()
    weight = np.maximum(elasticity, FLOOR * elasticity[elasticity > 0.0].sum())
    wanted = np.sqrt(weight * share)
    free, new = np.ones(len(area), bool), np.zeros(len(area))
    total = area.sum()
    for _ in range(len(area)):  # groups at a limit of the range stay there, the others share the rest
        new[free] = wanted[free] / wanted[free].sum() * (total - (area * new)[~free].sum()) / area[free]
        limit = np.clip(new, *RANGE)
        if np.array_equal(limit, new):
            break
        free &= limit == new
        new = np.where(free, new, limit)
    return new


def predicted_loss(seen: Round, scale: np.ndarray) -> float:
    """Loss at `scale`, by L = c (sum of V_g / s_g)^p through the loss and the elasticities seen."""
    e = np.maximum(seen.elasticity, 0.0)
    return float(seen.loss * ((e * seen.scale / scale).sum() / e.sum()) ** (e.sum() / seen.loss))


def confirm(bench: Bench, scale: Mapping[str, float], study: Study) -> Confirmed:
    """Score fresh chips with uniform and with allocated areas, pairwise the same draws."""
    first = study.chips  # the chips before these chose
    changes = (Change(), Change(factor=spread_factors(bench.design, scale)))
    accuracy = [bench.accuracy(change, study.chips, first) for change in changes]
    loss = [1.0 - bench.agreement(change, study.chips, first) for change in changes]
    good = [y >= bench.nominal - study.margin - 1e-12 for y in accuracy]
    gain = accuracy[1] - accuracy[0]
    return Confirmed(
        (float(accuracy[0].mean()), float(accuracy[1].mean())),
        float(gain.mean()),
        standard_error(gain),
        paired(good[0], good[1]),
        (float(loss[0].mean()), float(loss[1].mean())),
        standard_error(loss[1]),
        study.chips,
        study.margin,
        (accuracy[0], accuracy[1]),
    )


def spread_factors(design: Design, scale: Mapping[str, float]) -> dict[str, float]:
    """Factor on each group's deviations if its devices have `scale` times the area, shape kept."""
    return {
        group: _sigma(design.technology, _geometry(_drawn(design, group), s))
        / _sigma(design.technology, _drawn(design, group))
        for group, s in scale.items()
    }


def _elasticities(bench: Bench, groups: tuple[str, ...], scale: np.ndarray, study: Study) -> Round:
    at = dict(zip(groups, scale.tolist(), strict=True))
    loss = 1.0 - bench.agreement(Change(factor=spread_factors(bench.design, at)), study.chips)
    if not loss.any():
        raise ParameterError(
            f"mismatch changes no class of {bench.design.name} on these clips, so no area is better "
            "than another: use smaller devices, or more clips."
        )
    found = []
    for group in groups:
        scores = [
            bench.agreement(Change(factor=spread_factors(bench.design, at | {group: at[group] * f})), study.chips)
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
    # threshold and gain factor follow the same law, so one of them stands for both
    return technology.sigma_vth("n", size.w, size.l)
