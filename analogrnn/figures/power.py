"""Figures of the power analysis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analogrnn.analysis.power.report import RECURRENT, PowerReport
from analogrnn.analysis.power.scaling import Scaling
from analogrnn.figures.style import BLUE, FAINT, GREEN, GREY, INK, ORANGE, open_frame, picture


@dataclass(frozen=True)
class StepTime:
    """Power and errors of a stage at one step time.

    mapped  s, the step time for which its currents were mapped
    step    s, the step time at which it ran
    power   W, mean power of a stage
    wrong   fraction of its steps that differ from the digital ladder
    """

    mapped: float
    step: float
    power: float
    wrong: float


def draw_power_blocks(report: PowerReport, title: str, path: Path) -> None:
    """Power by block; share of time and power of a ladder's stages by level. Raises OutputError."""
    with picture(path, (10, 4.4), dpi=90) as figure:
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
        right.bar(levels, 100 * ladder.occupancy.mean(axis=0), color=FAINT, label="share of time (left axis)")
        right.set(xlabel="stages ON", ylabel="share of time (%)", xticks=levels)
        second = right.twinx()
        second.errorbar(
            levels,
            mid,
            yerr=[mid - low, high - mid],
            color=BLUE,
            fmt="o-",
            ms=4,
            capsize=3,
            label="power of a ladder's stages: median, least to largest ladder",
        )
        second.set(ylabel="power (nW)", ylim=(0, None))
        second.spines["top"].set_visible(False)
        handles = [*right.get_legend_handles_labels()[0], *second.get_legend_handles_labels()[0]]
        right.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.1, 1.0), fontsize=8, frameon=False)
        open_frame(left)
        right.spines["top"].set_visible(False)
        figure.suptitle(
            f"{title}: {total:.4g} nW on {report.clips} clips (blue: recurrence, orange: feed-forward)",
            color=INK,
            fontsize=11,
        )


def draw_power_scaling(states: Mapping[str, Scaling], levels: Scaling, title: str, path: Path) -> None:
    """Power over the state dimension, both axes logarithmic, and over the stages of a ladder. Raises OutputError."""
    with picture(path, (10, 4.4), dpi=90) as figure:
        left, right = figure.subplots(1, 2)
        for (name, one), style in zip(states.items(), ("-", "--"), strict=False):
            left.plot(
                one.size,
                1e9 * one.feedforward,
                "s" + style,
                color=ORANGE,
                ms=4,
                label=f"feed-forward, {name}: d^{one.feedforward_slope:.2f}",
            )
            if style == "-":
                left.plot(
                    one.size,
                    1e9 * one.recurrent,
                    "o-",
                    color=BLUE,
                    ms=4,
                    label=f"recurrence: d^{one.recurrent_slope:.2f}",
                )
        left.set(
            xscale="log",
            yscale="log",
            xlabel="state dimension d = inputs = outputs",
            ylabel="power (nW)",
            ylim=(1.0, 1e5),
        )
        fit = np.polyfit(levels.size, 1e9 * levels.recurrent, 1)
        right.plot(levels.size, 1e9 * levels.recurrent, "o", color=BLUE, ms=5, label="recurrence")
        right.plot(
            levels.size,
            np.polyval(fit, levels.size),
            color=BLUE,
            lw=1.0,
            label=f"{fit[0]:.3g} nW per stage + {fit[1]:.3g} nW",
        )
        right.plot(levels.size, 1e9 * levels.feedforward, "s-", color=GREEN, ms=4, label="feed-forward")
        right.set(xlabel="stages of a ladder (d = 8)", ylabel="power (nW)", ylim=(0, None), xticks=levels.size)
        for axes in (left, right):
            axes.legend(loc="upper left", fontsize=8, frameon=False)
            open_frame(axes)
        figure.suptitle(title, color=INK, fontsize=11)


def draw_step_times(points: Sequence[StepTime], path: Path) -> None:
    """Power and wrong steps of a stage over the step time; a line joins one setting of the currents.

    Raises OutputError.
    """
    with picture(path, (8, 6.2)) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[1.4, 1.0])
        figure.suptitle("Standard stage: power and wrong steps versus the step time", color=INK)
        for mapped in sorted({point.mapped for point in points}):
            line = [point for point in points if point.mapped == mapped]
            step = [1e3 * point.step for point in line]
            top.plot(step, [1e9 * point.power for point in line], color=GREY, lw=1.0, zorder=1)
            bottom.plot(step, [100.0 * point.wrong for point in line], "o-", color=ORANGE, lw=1.0, ms=4)
        for fails, colour, label in ((False, BLUE, "follows the digital ladder"), (True, ORANGE, "fails")):
            chosen = [point for point in points if (point.wrong > 0) == fails]
            at, power = [1e3 * point.step for point in chosen], [1e9 * point.power for point in chosen]
            top.plot(at, power, "o", color=colour, label=label)
        top.set(xscale="log", yscale="log", ylabel="power of a stage (nW)")
        top.legend(frameon=False, fontsize=8)
        bottom.set(xlabel="step time (ms)", ylabel="wrong steps (%)")
        for axes in (top, bottom):
            open_frame(axes)
