"""Figures of a Monte Carlo campaign: accuracy over chips, yield, accuracy over the scale of mismatch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes

from analogrnn.figures.style import GREY, INK, colours, legend_above, open_frame, picture
from analogrnn.metrics import ACCURACY, Metric
from analogrnn.montecarlo.statistics import MonteCarlo, Yield, yield_above
from analogrnn.montecarlo.study import Study
from analogrnn.statistics import proportion_interval


def draw_accuracy_over_chips(
    scores: Mapping[str, np.ndarray], digital: float, title: str, path: Path, metric: Metric = ACCURACY
) -> None:
    """Sorted accuracy, or score of another metric (chips,), for each label, with that of the digital network.

    Raises OutputError.
    """
    factor, sign = metric.factor, 1.0 if metric.higher_is_better else -1.0
    bins = _bins(scores, digital, metric)
    with picture(path, (8, 4.8)) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2.2, 1.0])
        for (label, values), colour in zip(scores.items(), colours(len(scores)), strict=True):
            ordered = sign * factor * np.sort(sign * values)
            rank = 100 * (np.arange(len(ordered)) + 0.5) / len(ordered)
            left.plot(rank, ordered, color=colour, lw=2, label=f"{label}: mean {metric.text(float(values.mean()))}")
            left.plot(rank, ordered, ".", color=colour, ms=4)
            right.hist(factor * values, bins=list(bins), orientation="horizontal", color=colour, alpha=0.55)
        for axes in (left, right):
            axes.axhline(factor * digital, color=GREY, lw=1.2, ls="--")
        left.set_xlim(0.0, 100.0)
        left.text(1, factor * digital, f"digital {metric.text(digital)}", color=GREY, va="bottom")
        left.set(xlabel="chips, worst to best (%)", ylabel=f"test {metric.axis}")
        figure.suptitle(title, color=INK)
        right.set(xlabel="chips")
        right.locator_params(axis="x", integer=True)
        legend_above(left, columns=2)


def _bins(scores: Mapping[str, np.ndarray], digital: float, metric: Metric) -> np.ndarray:
    """The edges of the bins of a histogram of scores times the metric's factor."""
    least = min(float(a.min()) for a in scores.values())
    if metric.kind == "share":
        return np.linspace(100 * least - 0.5, 100 * max(digital, 1.0), 36)
    largest = max(digital, *(float(a.max()) for a in scores.values()))
    return np.linspace(min(least, digital), largest + 1e-12 + 1e-6 * largest, 36)


def draw_yield(
    studies: Sequence[Study], results: Sequence[MonteCarlo], threshold: float, title: str, path: Path
) -> None:
    """Yield of each device size over the required accuracy, or other score, with 95 % bands.

    With several sizes also the yield at the score `threshold` over the size. Raises OutputError.
    """
    metric = results[0].metric
    factor, unit = metric.factor, " %" if metric.kind == "share" else ""
    sizes = [1e6 * study.design.sizing.cell.area**0.5 for study in studies]
    at = [yield_above(result, threshold) for result in results]
    with picture(path, (9 if len(studies) > 1 else 6.5, 4.8)) as figure:
        left, *right = figure.subplots(1, min(2, len(studies)), squeeze=False)[0]
        certain = []
        for study, result, colour in zip(studies, results, colours(len(studies)), strict=True):
            certain.append(_yield_curve(left, f"{study.name} devices", result, colour))
        left.axvline(factor * threshold, color=GREY, lw=1.2, ls="--")
        required = f"required {metric.axis}" if metric.higher_is_better else f"allowed {metric.axis}"
        left.set(xlabel=required, ylabel="chips that reach it (%), 95 % band", ylim=(-2, 102))
        if metric.kind == "share":
            left.set_xlim(max(0.0, 100 * min(1.0, *certain) - 1.0), 100.5)
        else:
            left.set_xlim(0.0, 1.05 * max(threshold, *certain))
        legend_above(left, columns=2)
        for axes in right:
            _yield_over_size(axes, sizes, at)
            axes.set(ylabel=f"yield at {factor * threshold:.4g}{unit} {metric.title} (%), 95 % interval")
        figure.suptitle(title, color=INK)


def draw_accuracy_over_mismatch(results: Sequence[MonteCarlo], digital: float, title: str, path: Path) -> None:
    """Mean accuracy with two standard errors, and the range of chips, over the scale of mismatch.

    One curve with noise and one without. Raises OutputError.
    """
    curves = [
        (name, sorted((r for r in results if r.variability.noise == noise), key=lambda r: r.variability.scale))
        for name, noise in (("with noise", True), ("without noise", False))
    ]
    metric = results[0].metric
    with picture(path, (7.5, 4.8)) as figure:
        axes = figure.subplots()
        for i, ((name, curve), colour) in enumerate(zip(curves, colours(2), strict=True)):
            # side by side, so that equal points can be distinguished
            _score_curve(axes, name, curve, 0.03 * i, colour)
        axes.axhline(metric.factor * digital, color=GREY, lw=1.2, ls="--")
        largest = max(result.variability.scale for result in curves[0][1])
        label = f"digital {metric.text(digital)}"
        axes.text(largest, metric.factor * digital, label, color=GREY, ha="right", va="bottom")
        axes.set(xlabel="mismatch (1 = that of the technology)", ylabel=f"test {metric.axis}")
        figure.suptitle(title, color=INK)
        legend_above(axes, columns=2)


def _yield_curve(axes: Axes, label: str, result: MonteCarlo, colour: str) -> float:
    """Draw the share of chips over the score that they reach; return the best score that all reach."""
    metric, scores = result.metric, result.score[result.done]
    if metric.kind == "share":
        count = result.decisions
        required = np.arange(count + 1) / count
        right = np.sort(np.round(scores * count))
        good = len(right) - np.searchsorted(right, np.arange(count + 1))
        step: Literal["pre", "post"] = "pre"  # a required accuracy between two numbers of clips asks for the upper one
    else:
        required = np.sort(scores)
        good = np.arange(1, len(scores) + 1)
        step = "post"  # a chip is good from its own error on
    bounds = {number: proportion_interval(int(number), len(scores)) for number in np.unique(good)}
    low, high = np.array([bounds[number] for number in good]).T
    share = good / len(scores)
    at = metric.factor * required
    axes.plot(at, 100 * share, color=colour, lw=1.8, label=label, drawstyle=f"steps-{step}")
    axes.fill_between(at, 100 * low, 100 * high, color=colour, alpha=0.2, lw=0, step=step)
    certain = required[share == 1.0]
    return float(certain.max(initial=0.0) if metric.kind == "share" else certain.min())


def _yield_over_size(axes: Axes, sizes: Sequence[float], at: Sequence[Yield]) -> None:
    """Yield with its interval over device sizes in um."""
    for size, one, colour in zip(sizes, at, colours(len(sizes)), strict=True):
        error = [[100 * (one.share - one.low)], [100 * (one.high - one.share)]]
        axes.errorbar(size, 100 * one.share, fmt="o", color=colour, capsize=4, yerr=error)
    order = np.argsort(sizes, kind="stable")
    line = [sizes[i] for i in order], [100 * at[i].share for i in order]
    axes.plot(*line, color=GREY, lw=1.0, zorder=0)
    axes.set(xlabel=r"device size $\sqrt{WL}$ (um)", ylim=(-2, 102))
    open_frame(axes)


def _score_curve(axes: Axes, name: str, curve: Sequence[MonteCarlo], beside: float, colour: str) -> None:
    at = np.array([result.variability.scale for result in curve]) + beside
    scores, factor = [result.score[result.done] for result in curve], curve[0].metric.factor
    mean = np.array([a.mean() for a in scores])
    error = np.array([2.0 * a.std(ddof=1) / np.sqrt(len(a)) if len(a) > 1 else 0.0 for a in scores])
    low, high = np.array([np.quantile(a, (0.05, 0.95)) for a in scores]).T
    label = f"{name}: mean, 2 standard errors"
    axes.errorbar(at, factor * mean, factor * error, color=colour, lw=1.8, marker="o", ms=4, capsize=3, label=label)
    label = f"{name}: 5 to 95 % of the chips"
    axes.fill_between(at, factor * low, factor * high, color=colour, alpha=0.15, lw=0, label=label)
