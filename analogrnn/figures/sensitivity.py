"""Figures of `sensitivity` and `allocation`."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from analogrnn.analysis.sensitivity.allocation import Allocation
from analogrnn.analysis.sensitivity.indices import Indices, Losses, Sensitivity
from analogrnn.figures.style import BLUE, GREY, INK, ORANGE, legend_above, open_frame, picture

SHOWN = 18  # cells and device types


def draw_sensitivity(found: Sensitivity, title: str, path: Path) -> None:
    """Sobol' indices and losses by group; losses of single cells and of single device types."""
    with picture(path, (12.5, 6.6), dpi=90) as figure:
        left, middle, right = figure.subplots(1, 3, width_ratios=[1.5, 1.0, 1.0])
        _indices(left, found, found.indices[0])
        error = f"mean loss of {found.options.single} chips, +- s.e."
        _losses(middle, found.by_cell, "only this ladder deviates", error)
        _losses(right, found.by_device, "only this device type deviates", error)
        figure.suptitle(title, color=INK)


def draw_allocation(found: Allocation, title: str, path: Path) -> None:
    """Shares of area and elasticity by group, before and after; accuracy of the same chips with both areas."""
    with picture(path, (12.0, 5.4), dpi=90) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1.0])
        at = np.arange(len(found.groups))
        first = found.rounds[0]
        total = first.elasticity.sum()
        left.barh(at - 0.27, 100 * found.share_before, 0.25, color=GREY, label="area, one size for all")
        left.barh(at, 100 * found.share_after, 0.25, color=BLUE, label="area, allocated")
        left.barh(
            at + 0.27,
            100 * first.elasticity / total,
            0.25,
            xerr=100 * first.error / total,
            color=ORANGE,
            error_kw={"lw": 1},
            label="share of the elasticity of the loss, one size, +- s.e.",
        )
        left.set_yticks(at, [f"{g} (x {s:.2g})" for g, s in zip(found.groups, found.scale, strict=True)])
        left.invert_yaxis()
        left.set(xlabel=f"share (%) of {found.area * 1e6:.3g} mm$^2$ of gate area")
        legend_above(left, 2)
        c = found.confirmed
        rank = 100 * (np.arange(c.chips) + 0.5) / c.chips
        metric, share = c.metric, c.metric.kind == "share"
        for label, scores, colour in (("one size", c.scores[0], GREY), ("allocated", c.scores[1], BLUE)):
            ordered = metric.factor * np.sort(scores)[:: 1 if metric.higher_is_better else -1]
            right.plot(rank, ordered, color=colour, lw=2, label=f"{label}: mean {metric.text(float(scores.mean()))}")
        right.set(xlabel=f"{c.chips} fresh chips, worst to best (%)", ylabel=f"test {metric.axis}", xlim=(0, 100))
        gain = f"{100 * c.accuracy_gain:+.2f} +- {100 * c.accuracy_error:.2f} points"
        right.set_title(
            f"gain {gain if share else f'{c.accuracy_gain:+.3g} +- {c.accuracy_error:.2g}'}, same chips",
            fontsize=9,
            color=INK,
            loc="right",
        )
        right.legend(fontsize=8, frameon=False, loc="lower right")
        open_frame(right)
        figure.suptitle(title, color=INK)


def _indices(axes: Axes, found: Sensitivity, indices: Indices) -> None:
    at = np.arange(len(found.groups))
    for offset, values, errors, colour, label in (
        (-0.2, indices.total, indices.total_error, BLUE, "total T"),
        (0.05, indices.first, indices.first_error, ORANGE, "first order S"),
    ):
        axes.barh(
            at + offset,
            values,
            0.24,
            xerr=errors,
            color=colour,
            error_kw={"lw": 1},
            label=f"{label}, {100 * found.options.confidence:g} %",
        )
    axes.plot(found.area, at + 0.3, "D", color=GREY, ms=4, label="share of the gate area")
    axes.axvline(0.0, color=INK, lw=0.8)
    axes.set_yticks(at, list(found.groups))
    axes.invert_yaxis()
    score, chips = found.options.metric.title, found.options.chips
    axes.set(xlabel=f"Sobol' index of the {score} over {chips} + {chips} chips")
    legend_above(axes, 2)


def _losses(axes: Axes, found: Losses, what: str, label: str) -> None:
    rows = found.ranked()[:SHOWN]
    at = np.arange(len(rows))
    axes.barh(
        at,
        [100 * loss for _, loss, _ in rows],
        0.7,
        xerr=[100 * error for *_, error in rows],
        color=BLUE,
        error_kw={"lw": 1},
    )
    axes.axvline(0.0, color=INK, lw=0.8)
    axes.set_yticks(at, [name for name, *_ in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel=f"{label} (points)")
    axes.set_title(
        what + (f", worst {SHOWN} of {len(found.names)}" if len(found.names) > SHOWN else ""),
        fontsize=9,
        color=INK,
        loc="left",
    )
    open_frame(axes)
