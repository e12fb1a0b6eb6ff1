"""Pictures of a campaign. Each `place` is its title and its path. A module of its own: matplotlib takes 0.4 s."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analogrnn.figures import plots
from analogrnn.montecarlo.statistics import MonteCarlo, yield_above
from analogrnn.montecarlo.study import Study
from analogrnn.statistics import proportion_interval

Place = tuple[str, Path]


def draw_accuracy(studies: Sequence[Study], results: Sequence[MonteCarlo], digital: float, place: Place) -> None:
    """Accuracy of every chip, sorted, for each device size."""
    scores = {f"{s.name} devices": r.accuracy[r.done] for s, r in zip(studies, results, strict=True)}
    plots.accuracy_over_chips(scores, digital, *place)


def draw_yield(studies: Sequence[Study], results: Sequence[MonteCarlo], threshold: float, place: Place) -> None:
    """Yield against the accuracy asked for, and at `threshold` against device size."""
    curves = []
    for study, result in zip(studies, results, strict=True):
        wanted = np.arange(result.clips + 1) / result.clips
        right = np.sort(np.round(result.accuracy[result.done] * result.clips))
        good = len(right) - np.searchsorted(right, np.arange(result.clips + 1))
        bounds = {count: proportion_interval(int(count), len(right)) for count in np.unique(good)}
        band = np.array([bounds[count] for count in good])
        at, cell = yield_above(result, threshold), study.design.sizing.cell
        curves.append(
            plots.YieldCurve(
                f"{study.name} devices", wanted, good / len(right), band, cell.area**0.5, (at.share, at.low, at.high)
            )
        )
    plots.yield_curves(curves, threshold, *place)


def draw_sweep(results: Sequence[MonteCarlo], digital: float, place: Place) -> None:
    """Accuracy against the scale of mismatch, with and without noise."""
    curves = []
    for noise in (True, False):
        mine = sorted((r for r in results if r.variability.noise == noise), key=lambda r: r.variability.scale)
        a = [r.accuracy[r.done] for r in mine]
        curves.append(
            plots.ScaleCurve(
                "with noise" if noise else "without noise",
                np.array([r.variability.scale for r in mine]),
                np.array([v.mean() for v in a]),
                np.array([2.0 * v.std(ddof=1) / np.sqrt(len(v)) if len(v) > 1 else 0.0 for v in a]),
                np.array([np.quantile(v, (0.05, 0.95)) for v in a]),
            )
        )
    plots.accuracy_over_scale(curves, digital, *place)
