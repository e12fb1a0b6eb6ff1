"""Figures of `bits`: accuracy over word length, one panel per group."""

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from analogrnn.analysis.bits.search import BitsReport, GroupBits
from analogrnn.figures.style import BLUE, FAINT, GREY, INK, ORANGE, open_frame, picture

COLUMNS = 4


def draw_accuracy_over_bits(report: BitsReport, title: str, path: Path) -> None:
    """Validation and test accuracy over the word length of each group alone, and of all groups together."""
    panels = (*report.groups, report.together)
    rows = math.ceil(len(panels) / COLUMNS)
    with picture(path, (11.0, 2.5 * rows + 0.9), dpi=90) as figure:
        grid = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
        for j, axes in enumerate(grid.ravel()):
            if j >= len(panels):
                axes.set_axis_off()
                continue
            _panel(axes, report, panels[j])
            if j % COLUMNS == 0:
                axes.set_ylabel(report.metric.axis)
            if j + COLUMNS >= len(panels):
                axes.set_xlabel("bits")
                axes.tick_params(labelbottom=True)
        longest = int(report.together.bits[-1])
        grid[0, 0].set(xlim=(0.5, longest + 0.5), ylim=(0.0, _top(report)), xticks=range(2, longest + 1, 2))
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
        figure.suptitle(title, color=INK)


def _top(report: BitsReport) -> float:
    """The upper end of the vertical axis."""
    if report.metric.kind == "share":
        return 103.0
    groups = (*report.groups, report.together)
    return 1.05 * float(np.nanmax(np.concatenate([part for g in groups for part in (g.test, g.validation)])))


def _panel(axes: Axes, report: BitsReport, group: GroupBits) -> None:
    metric, factor = report.metric, report.metric.factor
    bound = factor * metric.worse_by(report.trained_test, report.within)
    if metric.kind == "share":
        label = f"test: within {100 * report.within:g} % of trained, or above"
        axes.axhspan(bound, 103.0, color=FAINT, lw=0, label=label)
    else:
        axes.axhspan(0.0, bound, color=FAINT, lw=0, label=f"test: at most {report.within:g} above trained")
    axes.plot(group.bits, factor * group.validation, color=GREY, lw=1, marker=".", label="validation clips")
    axes.errorbar(
        group.bits,
        factor * group.test,
        factor * group.test_error,
        color=BLUE,
        lw=1.6,
        marker="o",
        ms=3,
        capsize=2,
        label="test clips, s.e. of the paired difference",
    )
    for bits in group.refused:
        axes.plot(bits, 0.03 * _top(report), "x", color=ORANGE, ms=6)
    axes.plot([], [], "x", color=ORANGE, ms=6, label="can't be built (breaks the ladder)")
    chosen = report.word_lengths.get(group.group)
    axes.axvline(group.minimal or np.nan, color=INK, lw=1, ls=":", label="shortest within the bound, alone")
    axes.axvline(chosen or np.nan, color=ORANGE, lw=1.4, label="chosen, all together")
    name = "all groups, equal word lengths" if group.group == "all" else group.group
    picked = f": {chosen} bits" if chosen else ""
    axes.set_title(f"{name}{picked}", fontsize=9, color=INK, loc="left")
    open_frame(axes)
