"""Figures of a Monte Carlo campaign: accuracy over chips, yield, accuracy over the scale of mismatch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from analogrnn.figures.style import GREY, INK, colours, legend_above, open_frame, picture
from analogrnn.montecarlo.statistics import MonteCarlo, Yield, yield_above
from analogrnn.montecarlo.study import Study
from analogrnn.statistics import proportion_interval


def draw_accuracy_over_chips(accuracy: Mapping[str, np.ndarray], digital: float, title: str, path: Path) -> None:
    """Sorted accuracy (chips,) for each label, with that of the digital network. Raises OutputError."""
    least = min(float(a.min()) for a in accuracy.values())
    bins = np.linspace(100 * least - 0.5, 100 * max(digital, 1.0), 36)
    with picture(path, (8, 4.8)) as figure:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2.2, 1.0])
        for (label, values), colour in zip(accuracy.items(), colours(len(accuracy)), strict=True):
            ordered = 100 * np.sort(values)
            rank = 100 * (np.arange(len(ordered)) + 0.5) / len(ordered)
            left.plot(rank, ordered, color=colour, lw=2, label=f"{label}: mean {ordered.mean():.1f} %")
            left.plot(rank, ordered, ".", color=colour, ms=4)
            right.hist(100 * values, bins=list(bins), orientation="horizontal", color=colour, alpha=0.55)
        for axes in (left, right):
            axes.axhline(100 * digital, color=GREY, lw=1.2, ls="--")
        left.set_xlim(0.0, 100.0)
        left.text(1, 100 * digital, f"digital {100 * digital:.1f} %", color=GREY, va="bottom")
        left.set(xlabel="chips, worst to best (%)", ylabel="test accuracy (%)")
        figure.suptitle(title, color=INK)
        right.set(xlabel="chips")
        right.locator_params(axis="x", integer=True)
        legend_above(left, columns=2)


def draw_yield(
    studies: Sequence[Study], results: Sequence[MonteCarlo], threshold: float, title: str, path: Path
) -> None:
    """Yield of each device size over the required accuracy, with 95 % bands.

    With several sizes also the yield at accuracy `threshold` over the size. Raises OutputError.
    """
    sizes = [1e6 * study.design.sizing.cell.area**0.5 for study in studies]
    at = [yield_above(result, threshold) for result in results]
    with picture(path, (9 if len(studies) > 1 else 6.5, 4.8)) as figure:
        left, *right = figure.subplots(1, min(2, len(studies)), squeeze=False)[0]
        least = 1.0
        for study, result, colour in zip(studies, results, colours(len(studies)), strict=True):
            least = min(least, _yield_curve(left, f"{study.name} devices", result, colour))
        left.axvline(100 * threshold, color=GREY, lw=1.2, ls="--")
        left.set(xlabel="required accuracy (%)", ylabel="chips that reach it (%), 95 % band", ylim=(-2, 102))
        left.set_xlim(max(0.0, 100 * least - 1.0), 100.5)
        legend_above(left, columns=2)
        for axes in right:
            _yield_over_size(axes, sizes, at)
            axes.set(ylabel=f"yield at {100 * threshold:g} % accuracy (%), 95 % interval")
        figure.suptitle(title, color=INK)


def draw_accuracy_over_mismatch(results: Sequence[MonteCarlo], digital: float, title: str, path: Path) -> None:
    """Mean accuracy with two standard errors, and the range of chips, over the scale of mismatch.

    One curve with noise and one without. Raises OutputError.
    """
    curves = [
        (name, sorted((r for r in results if r.variability.noise == noise), key=lambda r: r.variability.scale))
        for name, noise in (("with noise", True), ("without noise", False))
    ]
    with picture(path, (7.5, 4.8)) as figure:
        axes = figure.subplots()
        for i, ((name, curve), colour) in enumerate(zip(curves, colours(2), strict=True)):
            # side by side, so that equal points can be distinguished
            _accuracy_curve(axes, name, curve, 0.03 * i, colour)
        axes.axhline(100 * digital, color=GREY, lw=1.2, ls="--")
        largest = max(result.variability.scale for result in curves[0][1])
        label = f"digital {100 * digital:.1f} %"
        axes.text(largest, 100 * digital, label, color=GREY, ha="right", va="bottom")
        axes.set(xlabel="mismatch (1 = that of the technology)", ylabel="test accuracy (%)")
        figure.suptitle(title, color=INK)
        legend_above(axes, columns=2)


def _yield_curve(axes: Axes, label: str, result: MonteCarlo, colour: str) -> float:
    """Draw the share of chips over the accuracy that they reach; return the largest accuracy that all reach."""
    accuracy = np.arange(result.clips + 1) / result.clips
    right = np.sort(np.round(result.accuracy[result.done] * result.clips))
    good = len(right) - np.searchsorted(right, np.arange(result.clips + 1))
    bounds = {count: proportion_interval(int(count), len(right)) for count in np.unique(good)}
    low, high = np.array([bounds[count] for count in good]).T
    share = good / len(right)
    # a required accuracy between two numbers of clips asks for the upper one
    axes.plot(100 * accuracy, 100 * share, color=colour, lw=1.8, label=label, drawstyle="steps-pre")
    axes.fill_between(100 * accuracy, 100 * low, 100 * high, color=colour, alpha=0.2, lw=0, step="pre")
    return float(accuracy[share == 1.0].max(initial=0.0))


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


def _accuracy_curve(axes: Axes, name: str, curve: Sequence[MonteCarlo], beside: float, colour: str) -> None:
    at = np.array([result.variability.scale for result in curve]) + beside
    scores = [result.accuracy[result.done] for result in curve]
    mean = np.array([a.mean() for a in scores])
    error = np.array([2.0 * a.std(ddof=1) / np.sqrt(len(a)) if len(a) > 1 else 0.0 for a in scores])
    low, high = np.array([np.quantile(a, (0.05, 0.95)) for a in scores]).T
    label = f"{name}: mean, 2 standard errors"
    axes.errorbar(at, 100 * mean, 100 * error, color=colour, lw=1.8, marker="o", ms=4, capsize=3, label=label)
    label = f"{name}: 5 to 95 % of the chips"
    axes.fill_between(at, 100 * low, 100 * high, color=colour, alpha=0.15, lw=0, label=label)
