"""Figures of trimming: thresholds of one chip, and accuracy over the bits of the DACs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from analogrnn.chip import Chip
from analogrnn.figures.style import BLUE, FAINT, GREY, INK, ORANGE, legend_above, open_frame, picture


def draw_thresholds(before: Chip, after: Chip, title: str, path: Path) -> None:
    """Up and down threshold of every stage over the trained half window, before and after. Raises OutputError."""
    with picture(path, (9, 4.8)) as figure:
        axes = figure.subplots()
        for edge in (-1.0, 1.0):
            axes.axhline(edge, color=FAINT, lw=6, zorder=0, label="trained: +1 sets, -1 resets" if edge > 0 else None)
        unreachable = 0
        for chip, colour, name in ((before, ORANGE, "before"), (after, BLUE, "after")):
            layer = chip.ladders[0]
            half = layer.ladder.threshold[:, 1:]
            stages = layer.ladder.stages
            at = np.arange(layer.ladder.width)[:, None] + (np.arange(stages) + 0.5) / stages
            down = np.where(np.isfinite(layer.down), layer.down, np.nan)
            unreachable = max(unreachable, int(np.isnan(down).sum()))
            axes.plot(at.ravel(), (layer.up / half).ravel(), "^", color=colour, ms=4, label=f"sets, {name}")
            axes.plot(at.ravel(), (down / half).ravel(), "v", color=colour, ms=4, mfc="none", label=f"resets, {name}")
        axes.axhline(0.0, color=GREY, lw=0.8, ls=":")
        note = f"; {unreachable} stages never reset before (not shown)" if unreachable else ""
        axes.set(
            xlabel=f"ladder, its stages side by side{note}",
            ylabel="threshold / trained half window",
            xticks=np.arange(0, before.ladders[0].ladder.width + 1, 2),
        )
        figure.suptitle(title, color=INK)
        legend_above(axes, columns=5)


def draw_accuracy_over_dac_bits(
    curves: Mapping[str, Sequence[tuple[int, np.ndarray]]], digital: float, title: str, path: Path
) -> None:
    """Mean accuracy, and 5th to 95th percentile of chips, over the bits of every DAC; the first point is untrimmed.

    Raises OutputError.
    """
    with picture(path, (8, 4.8)) as figure:
        axes = figure.subplots()
        axes.axhline(100 * digital, color=GREY, lw=1.2, ls="--", label=f"digital {100 * digital:.1f} %")
        for shift, ((name, points), colour) in enumerate(zip(curves.items(), (BLUE, ORANGE, INK, GREY), strict=False)):
            bits = np.array([b for b, _ in points]) + 0.06 * shift
            mean = np.array([100 * a.mean() for _, a in points])
            low, high = (np.array([100 * np.quantile(a, q) for _, a in points]) for q in (0.05, 0.95))
            bars = [mean - low, high - mean]
            axes.errorbar(bits, mean, yerr=bars, color=colour, fmt="o", ms=4, capsize=3, label=name)
            axes.plot(bits[1:], mean[1:], color=colour, lw=1.2)
        axes.set(xlabel="bits of each DAC (0: not trimmed)", ylabel="test accuracy (%)")
        figure.suptitle(title, color=INK, fontsize=11)
        axes.legend(loc="lower right", fontsize=8, frameon=False, title="mean; bars: 5th to 95th percentile of chips")
        open_frame(axes)
