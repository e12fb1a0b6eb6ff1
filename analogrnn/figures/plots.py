"""Pictures from plain arrays. Each is readable by itself: axes, units, and what was run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analogrnn.errors import OutputError

INK, GREY, FAINT = "#22223b", "#8d8d99", "#e3e3ea"
BLUE, ORANGE, GREEN = "#2a6fbb", "#d1701c", "#2f8f5b"


@dataclass(frozen=True, eq=False)
class Trace:
    """A signal over time: `time` (P,) s and `value` (P,) or (P, n)."""

    time: np.ndarray
    value: np.ndarray


@dataclass(frozen=True, eq=False)
class LadderPicture:
    """One ladder during one clip, by several levels of description; currents in A, times in s.

    digital  levels, each held from its pulse to the next
    sources  label -> (level, input current of one stage), each over time
    window   (reset, set) thresholds of that stage's input
    """

    title: str
    pulses: Trace
    beta: float
    digital: Trace
    sources: dict[str, tuple[Trace, Trace]]
    window: tuple[float, float]
    stage: int
    levels: tuple[int, int]


def ladder_waveforms(picture: LadderPicture, path: Path) -> None:
    """Candidate pulses, the level by every description over each other, and one stage's input in its window."""
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[1.0, 1.6, 1.4])
    figure.suptitle(picture.title, color=INK)
    ms = 1e3
    top.axhspan(-picture.beta * 1e9, picture.beta * 1e9, color=FAINT, label="hold: $|c| < \\beta$")
    top.plot(picture.pulses.time * ms, picture.pulses.value * 1e9, color=INK, lw=1.0, label="candidate pulses")
    top.set_ylabel("line current (nA)")
    legend_above(top)
    low, high = picture.levels
    for level in range(low, high + 1):
        middle.axhline(level, color=FAINT, lw=0.8, zorder=0)
    middle.step(
        picture.digital.time * ms,
        picture.digital.value,
        where="post",
        color=GREY,
        lw=7,
        alpha=0.45,
        solid_capstyle="butt",
        label="digital",
    )
    styles = [{"color": BLUE, "lw": 2.4}, {"color": ORANGE, "lw": 1.4, "ls": (0, (4, 2))}]
    for (label, (levels, current)), style in zip(picture.sources.items(), styles, strict=False):
        middle.plot(levels.time * ms, levels.value, label=label, **style)
        bottom.plot(current.time * ms, current.value * 1e9, label=label, **style)
    middle.set(ylabel="level k", ylim=(low - 0.4, high + 0.4))
    legend_above(middle)
    bottom.axhspan(picture.window[0] * 1e9, picture.window[1] * 1e9, color=FAINT, label="window: holds")
    bottom.set(ylabel=f"input of stage {picture.stage} (nA)", xlabel="time since the first frame (ms)")
    bottom.set_xlim(float(picture.digital.time[0]) * ms, float(picture.digital.time[-1]) * ms)
    legend_above(bottom)
    save_figure(figure, path)


@dataclass(frozen=True, eq=False)
class Loop:
    """A swept cell: input and output currents (P,), A, up and down again."""

    current: np.ndarray
    output: np.ndarray


def hysteresis_loop(nominal: Loop, others: list[Loop], window: tuple[float, float], title: str, path: Path) -> None:
    """Output against input of one cell, its window, and the same cell on mismatched chips."""
    figure = Figure(figsize=(7, 4.8), layout="constrained")
    axes = figure.subplots()
    low, high = (1e9 * value for value in window)
    axes.axvspan(low, high, color=FAINT, label=f"window: resets at {low:.2f}, sets at {high:.2f} nA")
    for i, loop in enumerate(others):
        label = f"{len(others)} mismatched chips" if i == 0 else None
        axes.plot(loop.current * 1e9, loop.output * 1e9, color=ORANGE, lw=0.7, alpha=0.5, label=label)
    axes.plot(nominal.current * 1e9, nominal.output * 1e9, color=BLUE, lw=2.2, label="nominal")
    middle = len(nominal.current) // 4
    for at in (middle, 3 * middle):
        _arrow(axes, nominal, at)
    axes.set(xlabel="candidate current on the input line (nA)", ylabel="output current of the stage (nA)")
    figure.suptitle(title, color=INK)
    legend_above(axes)
    save_figure(figure, path)


def accuracy_over_chips(accuracy: dict[str, np.ndarray], digital: float, title: str, path: Path) -> None:
    """Accuracy of every chip, sorted, for each device size, against the digital network."""
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2.2, 1.0])
    least = min(float(a.min()) for a in accuracy.values())
    bins = np.linspace(100 * least - 0.5, 100 * max(digital, 1.0), 36)
    for (label, values), colour in zip(accuracy.items(), _colours(len(accuracy)), strict=True):
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
    legend_above(left, columns=2)
    save_figure(figure, path)


@dataclass(frozen=True, eq=False)
class YieldCurve:
    """Yield of one device size.

    accuracy (n,) asked for; share (n,) of the chips that reach it; band (n, 2) its confidence interval
    size     m, root of the device's area; at  (share, low, high) at the accuracy that counts
    """

    label: str
    accuracy: np.ndarray
    share: np.ndarray
    band: np.ndarray
    size: float
    at: tuple[float, float, float]


def yield_curves(curves: list[YieldCurve], threshold: float, title: str, path: Path) -> None:
    """Yield against the accuracy asked for, with 95 % bands; of several sizes, also against device size."""
    figure = Figure(figsize=(9 if len(curves) > 1 else 6.5, 4.8), layout="constrained")
    left, *right = figure.subplots(1, min(2, len(curves)), squeeze=False)[0]
    least = 1.0
    for curve, colour in zip(curves, _colours(len(curves)), strict=True):
        left.plot(100 * curve.accuracy, 100 * curve.share, color=colour, lw=1.8, label=curve.label)
        left.fill_between(
            100 * curve.accuracy, 100 * curve.band[:, 0], 100 * curve.band[:, 1], color=colour, alpha=0.2, lw=0
        )
        least = min(least, float(curve.accuracy[curve.share < 1.0].min(initial=1.0)))
        for axes in right:
            axes.errorbar(
                1e6 * curve.size,
                100 * curve.at[0],
                fmt="o",
                color=colour,
                capsize=4,
                yerr=[[100 * (curve.at[0] - curve.at[1])], [100 * (curve.at[2] - curve.at[0])]],
            )
    left.axvline(100 * threshold, color=GREY, lw=1.2, ls="--")
    left.set(
        xlabel="accuracy asked for (%)",
        ylabel="chips that reach it (%), 95 % band",
        ylim=(-2, 102),
        xlim=(max(0.0, 100 * least - 2.0), 101),
    )
    legend_above(left, columns=2)
    for axes in right:
        ordered = sorted(curves, key=lambda curve: curve.size)
        axes.plot([1e6 * c.size for c in ordered], [100 * c.at[0] for c in ordered], color=GREY, lw=1.0, zorder=0)
        axes.set(
            xlabel=r"device size $\sqrt{WL}$ (um)",
            ylim=(-2, 102),
            ylabel=f"yield at {100 * threshold:g} % accuracy (%), 95 % interval",
        )
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, color=INK)
    save_figure(figure, path)


@dataclass(frozen=True, eq=False)
class ScaleCurve:
    """Accuracy over a scale (n,): mean (n,), its error (n,), and the range (n, 2) of 90 % of the chips."""

    label: str
    scale: np.ndarray
    mean: np.ndarray
    error: np.ndarray
    chips: np.ndarray


def accuracy_over_scale(curves: list[ScaleCurve], digital: float, title: str, path: Path) -> None:
    """Mean accuracy with two standard errors, and the range of the chips, against the scale of mismatch."""
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.subplots()
    for i, (curve, colour) in enumerate(zip(curves, _colours(len(curves)), strict=True)):
        beside = curve.scale + 0.03 * i  # so that equal ones can be told apart
        axes.errorbar(
            beside,
            100 * curve.mean,
            100 * curve.error,
            color=colour,
            lw=1.8,
            marker="o",
            ms=4,
            capsize=3,
            label=f"{curve.label}: mean, 2 standard errors",
        )
        axes.fill_between(
            beside,
            100 * curve.chips[:, 0],
            100 * curve.chips[:, 1],
            color=colour,
            alpha=0.15,
            lw=0,
            label=f"{curve.label}: 5 to 95 % of the chips",
        )
    axes.axhline(100 * digital, color=GREY, lw=1.2, ls="--")
    axes.text(
        float(curves[0].scale.max()),
        100 * digital,
        f"digital {100 * digital:.1f} %",
        color=GREY,
        ha="right",
        va="bottom",
    )
    axes.set(xlabel="mismatch (1 = as the technology has it)", ylabel="test accuracy (%)")
    figure.suptitle(title, color=INK)
    legend_above(axes, columns=2)
    save_figure(figure, path)


@dataclass(frozen=True, eq=False)
class CellPicture:
    """One cell in one clip, digital against another description. Candidates and thresholds in trained units.

    pulses (T,)   s, when the candidate of each step arrives; end: of the last step
    wanted, made  candidates (T,) of the reference and of the other description
    thresholds    those of the candidate, (n,)
    levels        (T,) of the reference; found: level over time in s
    states        stage nodes over time, volts over the supply (P, N); on (T, N) where the reference has them ON
    first_error   step of the first error, None without one
    """

    title: str
    label: str
    pulses: np.ndarray
    end: float
    wanted: np.ndarray
    made: np.ndarray
    thresholds: np.ndarray
    levels: np.ndarray
    found: Trace
    states: Trace
    on: np.ndarray
    first_error: int | None


def cell_agreement(picture: CellPicture, path: Path) -> None:
    """Candidates with their thresholds, levels over each other, and the state of every stage."""
    at, end = picture.pulses * 1e3, picture.end * 1e3
    figure = Figure(figsize=(10, 8), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[1.3, 1.0, 1.4])
    figure.suptitle(picture.title, color=INK)
    for i, threshold in enumerate(picture.thresholds):
        top.axhline(threshold, color=GREEN, lw=1.0, ls="--", label="thresholds" if i == 0 else None)
    top.plot(at, picture.wanted, "o", color=GREY, ms=7, alpha=0.6, label="digital")
    top.plot(at, picture.made, "x", color=ORANGE, ms=5, label=picture.label)
    top.set_ylabel("candidate (trained units)")
    edges = np.append(at, end)
    middle.step(
        edges,
        np.append(picture.levels, picture.levels[-1]),
        where="post",
        color=GREY,
        lw=7,
        alpha=0.45,
        label="digital",
    )
    middle.plot(picture.found.time * 1e3, picture.found.value, color=ORANGE, lw=1.4, label=picture.label)
    middle.set_ylabel("level k")
    middle.yaxis.get_major_locator().set_params(integer=True)
    count = picture.on.shape[1]
    for n in range(count):
        bottom.fill_between(
            edges,
            n,
            n + 0.8 * np.append(picture.on[:, n], picture.on[-1, n]),
            step="post",
            color=GREY,
            alpha=0.35,
            lw=0,
            label="digital: ON" if n == 0 else None,
        )
        height = n + 0.8 * (1.0 - picture.states.value[:, n])
        bottom.plot(
            picture.states.time * 1e3,
            height,
            color=BLUE,
            lw=1.0,
            label=f"{picture.label}: (supply - v(a)) / supply" if n == 0 else None,
        )
    bottom.set_yticks([n + 0.4 for n in range(count)], [f"stage {n + 1}" for n in range(count)])
    bottom.set(xlabel="time since the first frame (ms)", xlim=(0.0, end))
    for axes in (top, middle, bottom):
        if picture.first_error is not None:
            axes.axvline(at[picture.first_error], color="#b3261e", lw=1.2, ls=":", label="first error")
        legend_above(axes, columns=5)
    save_figure(figure, path)


def _colours(count: int) -> list[str]:
    return [(BLUE, ORANGE, GREEN, INK, GREY)[i % 5] for i in range(count)]


def fixed_points(
    levels: np.ndarray,
    up: np.ndarray,
    down: np.ndarray,
    chips: tuple[np.ndarray, np.ndarray],
    labels: tuple[str, str],
    path: Path,
) -> None:
    """The ladder of fixed points: over which candidates each level holds, and where the steps up and down are.

    levels (N + 1,); up and down (N,) nominal thresholds of stage n in units; chips: the same, (chips, N) each.
    `labels` are the title and the label of the candidate axis.
    """
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    axes = figure.subplots()
    reach = 1.35 * max(float(np.abs(np.concatenate([up, down])).max()), float(np.quantile(np.abs(chips[0]), 0.99)))
    for n, level in enumerate(levels):
        left = down[n - 1] if n else -reach
        right = up[n] if n < len(up) else reach
        axes.plot(
            [left, right],
            [level, level],
            color=BLUE,
            lw=5,
            solid_capstyle="butt",
            label="level holds" if n == 0 else None,
        )
        if n < len(up):
            axes.annotate("", (up[n], levels[n + 1]), (up[n], level), arrowprops={"arrowstyle": "->", "color": INK})
            axes.annotate(
                "", (down[n], level), (down[n], levels[n + 1]), arrowprops={"arrowstyle": "->", "color": GREY}
            )
            offset = np.linspace(0.25, 0.75, len(chips[0])) * (levels[n + 1] - level)
            axes.plot(
                chips[0][:, n],
                level + offset,
                ".",
                color=ORANGE,
                ms=3,
                alpha=0.7,
                label=f"thresholds of {len(chips[0])} chips" if n == 0 else None,
            )
            axes.plot(
                chips[1][:, n],
                level + offset,
                ".",
                color=GREEN,
                ms=3,
                alpha=0.7,
                label="the same, downwards" if n == 0 else None,
            )
    axes.axvline(0.0, color=GREY, lw=0.8, ls=":")
    figure.suptitle(labels[0], color=INK)
    axes.set(xlabel=labels[1], ylabel="level k  (output $h = \\alpha k$)", xlim=(-reach, reach))
    axes.set_yticks(levels)
    legend_above(axes)
    save_figure(figure, path)


def _arrow(axes: Axes, loop: Loop, at: int) -> None:
    x, y = loop.current * 1e9, loop.output * 1e9
    axes.annotate(
        "",
        (x[at + 3], y[at + 3]),
        (x[at], y[at]),
        arrowprops={"arrowstyle": "-|>", "color": BLUE, "mutation_scale": 18},
    )


def legend_above(axes: Axes, columns: int = 4) -> None:
    """Above the axes, where it hides nothing."""
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Figure, path: Path, dpi: int = 130) -> None:
    """Write a PNG. Raises OutputError."""
    try:
        figure.savefig(path, dpi=dpi)
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}; choose another folder.") from error
