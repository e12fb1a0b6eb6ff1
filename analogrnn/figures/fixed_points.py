"""Figures of `analyze fixed-points`: hysteresis of each level, codes that hold, reachable states over eps."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from analogrnn.analysis.fixed_points.dynamics import after_pulse, at_rest, waveform_ladder
from analogrnn.analysis.fixed_points.recurrence import recurrence_states, return_map
from analogrnn.analysis.fixed_points.report import LadderFixedPoints
from analogrnn.analysis.fixed_points.rest_states import is_thermometer
from analogrnn.chip import Chip, ChipLadder
from analogrnn.figures.style import BLUE, FAINT, GREEN, GREY, INK, ORANGE, legend_above, open_frame, picture

PULSES = np.array([s * a for s in (-1.0, 1.0) for a in (3.0, 2.6, 2.2, 1.8, 1.4, 1.02, 0.98, 0.7, 0.4, 0.1)])  # beta


def draw_level_loops(chip: Chip, layer: ChipLadder, cell: int, title: str, path: Path) -> None:
    """The level after one pulse over its amplitude, from each level: windows (bars), waveform model (dots)."""
    ladder, model = layer.ladder, waveform_ladder(chip, layer, cell)
    unit, levels = float(layer.unit[cell]), ladder.levels[cell, : ladder.counts[cell] + 1]
    with picture(path, (8.5, 5.2), dpi=90) as figure:
        axes = figure.subplots()
        for n, level in enumerate(levels):
            start = at_rest(model, np.arange(ladder.counts[cell]) < n)
            amplitudes = PULSES * model.beta
            ends = [after_pulse(model, start, float(a)).on for a in amplitudes]
            known = [
                ladder.k_min[cell] + ladder.level_step * int(on.sum()) if is_thermometer(on) else np.nan for on in ends
            ]
            shade = (n / max(len(levels) - 1, 1)) * 0.16 - 0.08  # neighbouring loops share a level: keep them apart
            low = layer.down[cell, n - 1] if n else -3.0 * model.beta / unit
            high = layer.up[cell, n] if n < ladder.counts[cell] else 3.0 * model.beta / unit
            axes.plot(
                [low, high],
                [level + shade] * 2,
                color=BLUE,
                lw=4,
                alpha=0.55,
                solid_capstyle="butt",
                label="window of the step level: the level holds" if n == 0 else None,
            )
            for edge, to, color in ((low, n - 1, GREY), (high, n + 1, INK)):
                if 0 <= to < len(levels):
                    axes.annotate(
                        "",
                        (edge, levels[to] + shade),
                        (edge, level + shade),
                        arrowprops={"arrowstyle": "->", "color": color},
                    )
            axes.plot(
                amplitudes / unit,
                np.array(known) + shade,
                "o",
                ms=3,
                color=ORANGE,
                label="waveform model, after one pulse" if n == 0 else None,
            )
        axes.axvline(0.0, color=GREY, lw=0.8, ls=":")
        figure.suptitle(f"{title}: hysteresis of each level", color=INK)
        axes.set(xlabel="amplitude of one candidate pulse (trained units)", ylabel="level k after the pulse")
        axes.set_yticks(levels)
        legend_above(axes)


def draw_rest_codes(found: LadderFixedPoints, title: str, path: Path) -> None:
    """Every code that holds, levels first, and its distance from the nearest threshold."""
    order = np.lexsort((found.states.codes.sum(axis=1), ~found.states.thermometer))
    codes, margin = found.states.codes[order], found.states.margin[order]
    thermometer = found.states.thermometer[order]
    with picture(path, (9, 1.6 + 0.22 * found.states.stages + 1.6), dpi=90) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[0.22 * found.states.stages + 0.6, 1.4])
        shown = np.where(codes.T, np.where(thermometer, 1.0, 2.0), 0.0)
        for value, color, label in ((1.0, BLUE, "ON, a level"), (2.0, ORANGE, "ON, an island")):
            j, m = np.nonzero(shown == value)
            top.scatter(m, j + 1, marker="s", s=26, color=color, label=label)
        j, m = np.nonzero(shown == 0.0)
        top.scatter(m, j + 1, marker="s", s=26, color=FAINT, label="OFF")
        top.set_ylabel("stage")
        top.set_yticks(range(1, found.states.stages + 1, 1 if found.states.stages < 9 else 4))
        legend_above(top)
        bottom.bar(np.arange(len(margin)), margin, color=np.where(thermometer, BLUE, ORANGE), width=0.7)
        bottom.set(
            xlabel="codes that hold at candidate zero (levels, then islands, by stages ON)", ylabel="margin (beta)"
        )
        open_frame(bottom)
        spice = ", ngspice" if found.ngspice_agrees else ""
        figure.suptitle(
            f"{title}: {len(codes)} of {2**found.states.stages} codes hold; rule, waveform model{spice} "
            f"{'agree' if found.agrees else 'DISAGREE'}\n{found.islands_reached} of the islands can be reached "
            "by pulses from the reset",
            color=INK,
            fontsize=10,
        )


def draw_bifurcation(path: Path, ladder: int = 4) -> None:
    """Return maps at eps 0, 0.5 and 1, and the states that updates reach over eps, on a ladder of |k| <= `ladder`."""
    with picture(path, (10, 8), dpi=90) as figure:
        grid = figure.add_gridspec(2, 3, height_ratios=[1.0, 1.5])
        for column, eps in enumerate((0.0, 0.5, 1.0)):
            axes = figure.add_subplot(grid[0, column])
            _return_map(axes, eps)
            if column == 0:
                axes.set_ylabel("s after (levels)")
            if column == 1:
                axes.legend(fontsize=7, frameon=False, loc="upper left")
            open_frame(axes)
        _reached(figure.add_subplot(grid[1, :]), ladder)


def _return_map(axes: Axes, eps: float) -> None:
    """The state after an update over the state before."""
    s = np.linspace(-3.0, 3.0, 301)
    axes.plot(s, s, color=GREY, lw=1.2, label="hold: every s is fixed")
    for sign, color, name in ((1.0, BLUE, "up"), (-1.0, ORANGE, "down")):
        after = return_map(s, eps, sign, (None, None))
        axes.plot(s, after, color=color, lw=1.6, label=f"update {name}")
        fixed = np.abs(after - s) < 1e-9
        axes.plot(s[fixed], after[fixed], "o", color=color, ms=7)
    reached = recurrence_states(eps, updates=6 if eps == 0.5 else 3).reached
    axes.plot(reached, np.full(len(reached), -2.9), "|", color=INK, ms=9, label="reached by updates")
    axes.set(title=f"eps = {eps:g}", xlabel="s before (levels)", xlim=(-3, 3), ylim=(-3.2, 3))


def _reached(axes: Axes, ladder: int) -> None:
    """States that a few updates reach, over eps, and the fixed points of repeated updates."""
    for n, eps in enumerate(np.linspace(0.0, 1.0, 101)):
        reached = recurrence_states(float(eps), updates=8, bounds=(-ladder, ladder)).reached
        axes.plot(
            np.full(len(reached), eps),
            reached,
            ".",
            color=GREEN,
            ms=1.6,
            label="reached within 8 updates" if n == 0 else None,
        )
    fine = np.linspace(0.0, 0.999, 400)
    for sign, color, name in ((1.0, BLUE, "up"), (-1.0, ORANGE, "down")):
        axes.plot(
            fine,
            sign * np.minimum(1.0 / (1.0 - fine), ladder),
            color=color,
            lw=1.6,
            label=f"fixed point of repeated {name} updates",
        )
    axes.set(
        xlabel="eps (0: BMRU, 1: CMRU)",
        ylabel="state s (levels)",
        title=f"recurrence on a ladder of |k| <= {ladder}: only eps 0 and 1 keep all states apart",
    )
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    open_frame(axes)
