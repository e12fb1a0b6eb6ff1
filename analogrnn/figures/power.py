"""Pictures of the power analysis."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from analogrnn.analysis.power.report import RECURRENT, PowerReport
from analogrnn.analysis.power.scaling import Scaling
from analogrnn.figures.plots import BLUE, FAINT, GREEN, GREY, INK, ORANGE, save_figure


def blocks(report: PowerReport, title: str, path: Path) -> None:
    """Power by block; and what a ladder's stages draw at each level over how often it is there. Raises OutputError."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1.0])
    names = list(report.blocks)
    powers = 1e9 * report.supply * np.array([report.blocks[name] for name in names])
    colours = [BLUE if name in RECURRENT else GREY if name == "reference" else ORANGE for name in names]
    bars = left.barh(names, powers, color=colours)
    total = powers.sum()
    left.bar_label(bars, [f" {value:.3g} nW, {100 * value / total:.1f} %" for value in powers], fontsize=8)
    left.invert_yaxis()
    left.set(xlabel="mean power (nW)", xlim=(0, 1.35 * powers.max()))
    ladder = report.ladders[0]
    levels = np.arange(ladder.by_level.shape[1])
    low, mid, high = (np.quantile(1e9 * report.supply * ladder.by_level, q, axis=0) for q in (0.0, 0.5, 1.0))
    right.bar(levels, 100 * ladder.occupancy.mean(axis=0), color=FAINT, label="time spent (left axis)")
    right.set(xlabel="stages ON", ylabel="part of the time (%)", xticks=levels)
    twin = right.twinx()
    twin.errorbar(
        levels,
        mid,
        yerr=[mid - low, high - mid],
        color=BLUE,
        fmt="o-",
        ms=4,
        capsize=3,
        label="power of a ladder's stages: median, least to most ladder",
    )
    twin.set(ylabel="power (nW)", ylim=(0, None))
    twin.spines["top"].set_visible(False)
    handles = [*right.get_legend_handles_labels()[0], *twin.get_legend_handles_labels()[0]]
    right.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.1, 1.0), fontsize=8, frameon=False)
    left.spines[["top", "right"]].set_visible(False)
    right.spines["top"].set_visible(False)
    figure.suptitle(
        f"{title}: {total:.4g} nW on {report.clips} clips (blue: recurrence, orange: feedforward)",
        color=INK,
        fontsize=11,
    )
    save_figure(figure, path, dpi=90)


def scaling(states: dict[str, Scaling], levels: Scaling, title: str, path: Path) -> None:
    """Power over the state dimension, both axes logarithmic, and over the stages of a ladder. Raises OutputError."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, one), style in zip(states.items(), ("-", "--"), strict=False):
        left.plot(
            one.size,
            1e9 * one.feedforward,
            "s" + style,
            color=ORANGE,
            ms=4,
            label=f"feedforward, {name}: d^{one.feedforward_slope:.2f}",
        )
        if style == "-":
            left.plot(
                one.size, 1e9 * one.recurrent, "o-", color=BLUE, ms=4, label=f"recurrence: d^{one.recurrent_slope:.2f}"
            )
    left.set(
        xscale="log", yscale="log", xlabel="state dimension d = inputs = outputs", ylabel="power (nW)", ylim=(1.0, 1e5)
    )
    fit = np.polyfit(levels.size, 1e9 * levels.recurrent, 1)
    right.plot(levels.size, 1e9 * levels.recurrent, "o", color=BLUE, ms=5, label="recurrence")
    right.plot(
        levels.size,
        np.polyval(fit, levels.size),
        color=BLUE,
        lw=1.0,
        label=f"{fit[0]:.3g} nW a level + {fit[1]:.3g} nW",
    )
    right.plot(levels.size, 1e9 * levels.feedforward, "s-", color=GREEN, ms=4, label="feedforward")
    right.set(xlabel="stages of a ladder (d = 8)", ylabel="power (nW)", ylim=(0, None), xticks=levels.size)
    for axes in (left, right):
        axes.legend(loc="upper left", fontsize=8, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, color=INK, fontsize=11)
    save_figure(figure, path, dpi=90)
