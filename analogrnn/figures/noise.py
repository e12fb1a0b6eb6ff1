"""Figures of `analyze noise`: hold times, noise rejection, accuracy, and comparison with an analog state."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analogrnn.analysis.noise.crossover import (
    HoldTask,
    analog_error,
    crossover_steps,
    first_win,
    ladder_error,
    losing_band,
    saturating_error,
    simulate_hold,
)
from analogrnn.analysis.noise.hold_times import kramers_passage, log10_passage, mean_passage, simulate_passages
from analogrnn.analysis.noise.moves import noise_rejection
from analogrnn.analysis.noise.report import AccuracyCurve
from analogrnn.figures.style import BLUE, GREEN, GREY, INK, ORANGE, legend_above, open_frame, picture
from analogrnn.streams import stream


def draw_flips(own: float, title: str, path: Path, *, farthest: float = 3.5, seed: int = 1) -> None:
    """Mean time to a flip in hold, and noise rejection, over the noise; theory and simulation, `own` noise marked."""
    with picture(path, (9.5, 4.8), dpi=90) as figure:
        left, right = figure.subplots(1, 2)
        _hold_times(left, farthest, seed)
        _rejection(right, own, seed)
        figure.suptitle(
            f"{title}: own noise {own:.3g} $\\beta$, mean time to a flip {_power(own)} $t_{{in}}$", color=INK
        )


def draw_accuracy_under_noise(curves: Mapping[str, AccuracyCurve], title: str, path: Path) -> None:
    """Accuracy, or score, over noise, with standard errors; all curves have one metric."""
    metric = next(iter(curves.values())).metric
    factor = metric.factor
    with picture(path, (7.5, 4.8), dpi=90) as figure:
        axes = figure.subplots()
        for (label, curve), color in zip(curves.items(), (BLUE, ORANGE, GREEN, INK), strict=False):
            axes.errorbar(
                curve.sigma,
                factor * curve.accuracy,
                yerr=2 * factor * curve.error,
                fmt="o-",
                ms=4,
                color=color,
                capsize=2,
                label=f"{label}: {curve.clips} clips, {curve.repeats} draws, 2 standard errors",
            )
            axes.axhline(factor * curve.without, color=color, ls=":", lw=1.0)
        axes.set(xscale="log", xlabel="rms noise per step and cell over $\\beta$", ylabel=metric.axis)
        figure.suptitle(f"{title} (dotted: without noise)", color=INK)
        legend_above(axes, 1)


def draw_crossover(path: Path, *, levels: int = 9, trials: int = 2000, seed: int = 1) -> None:
    """Error over length for one noise, and the plane of noise and length: which memory holds a value better."""
    with picture(path, (10.5, 8.2), dpi=90) as figure:
        grid = figure.add_gridspec(2, 2)
        steps = np.unique(np.round(np.logspace(0, 3, 60))).astype(int)
        some = np.array([1, 3, 10, 30, 100, 300, 1000])
        for column, sigma in enumerate((0.1, 0.35)):
            axes, task = figure.add_subplot(grid[0, column]), HoldTask(levels, 0.5)
            ladder, integrator = simulate_hold(task, sigma, some, trials=trials, seed=seed)
            for error, seen, color, name in (
                (ladder_error(task, sigma, steps), ladder, BLUE, "ladder, margin 0.5 level"),
                (analog_error(task, sigma, steps), integrator, ORANGE, "integrator, LRU $\\lambda$ = 1, minGRU z = 0"),
            ):
                axes.loglog(steps, error, color=color, lw=1.8, label=name)
                axes.errorbar(some, seen.error, yerr=2.0 * seen.spread, fmt="o", ms=4, color=color)
            axes.loglog(
                steps, analog_error(task, sigma, steps, 0.99), color=GREEN, lw=1.2, label="LRU $\\lambda$ = 0.99"
            )
            axes.axhline(task.power, color=GREY, ls=":", lw=1.0)
            axes.set(
                title=f"noise {sigma:g} level per step", xlabel="steps held", ylabel="mean squared error (levels$^2$)"
            )
            axes.legend(fontsize=7, frameon=False, loc="upper left")
            open_frame(axes)
        for column, margin in enumerate((0.5, 1.0)):
            _plane(figure, figure.add_subplot(grid[1, column]), HoldTask(levels, margin))
        figure.suptitle(
            f"Hold a value with {levels} levels or with an analog state: marks are simulated ({trials} trials, "
            "2 standard errors); dotted: value lost",
            color=INK,
        )


def _hold_times(axes: Axes, farthest: float, seed: int) -> None:
    """Mean time to a flip over the noise; simulated up to `farthest` rms from the threshold."""
    distance = np.linspace(1.0, 8.0, 100)
    theory = [mean_passage(d) for d in distance]
    axes.semilogy(1.0 / distance, theory, color=BLUE, lw=2, label="first passage (Siegert)")
    axes.semilogy(
        1.0 / distance, [kramers_passage(d) for d in distance], color=GREY, lw=1.2, ls="--", label="Kramers' limit"
    )
    at = np.arange(1.5, farthest + 0.01, 0.5)
    seen = [simulate_passages((-np.inf, d), max(100.0, 400.0 * mean_passage(d) / 256), seed=seed) for d in at]
    axes.errorbar(
        1.0 / at,
        [s.mean for s in seen],
        yerr=[2.0 * s.mean * s.error for s in seen],
        fmt="o",
        ms=4,
        color=ORANGE,
        label="simulated, 2 standard errors",
    )
    axes.set(xlabel="rms noise over the margin to a threshold", ylabel="mean time to a flip / $t_{in}$", ylim=(1, 1e14))
    legend_above(axes, 2)


def _rejection(axes: Axes, own: float, seed: int) -> None:
    """Input noise over output noise in one step, over the input noise."""
    sigma = np.linspace(0.12, 1.0, 200)
    axes.semilogy(sigma, noise_rejection(sigma).ratio, color=BLUE, lw=2, label="inner level, theory")
    axes.semilogy(sigma, noise_rejection(sigma, sides=1).ratio, color=GREEN, lw=1.4, label="end of the ladder, theory")
    at = np.array([0.25, 0.3, 0.4, 0.6, 0.8, 1.0])
    some, error = _simulated_cut(at, seed)
    axes.errorbar(at, some, yerr=error, fmt="o", ms=4, color=ORANGE, label="simulated, 2 standard errors")
    axes.axhline(20.0, color=GREY, ls=":", lw=1.0)
    axes.annotate("20-fold", (0.85, 22), color=GREY, fontsize=8)
    if own >= 0.12:
        axes.axvline(own, color=INK, ls="--", lw=1.0)
    axes.set(
        xlabel="rms noise per step over $\\beta$",
        ylabel="input noise / output noise per step ($\\alpha = \\beta$)",
        ylim=(0.3, 1e6),
    )
    legend_above(axes, 2)


def _plane(figure: Figure, axes: Axes, task: HoldTask) -> None:
    sigma = np.linspace(0.06, 1.2, 30)
    doublings = 12
    length = 2.0 ** np.arange(doublings + 1)
    analog = np.array([saturating_error(task, float(s), doublings) for s in sigma])
    ladder = np.array([ladder_error(task, float(s), length) for s in sigma])
    ratio = np.log10(analog / ladder).T
    mesh = axes.pcolormesh(sigma, length, ratio, cmap="RdBu", vmin=-1.5, vmax=1.5, shading="nearest")
    figure.colorbar(mesh, ax=axes, label="log10 analog / ladder error (blue: ladder wins)")
    axes.contour(sigma, length, np.minimum(analog, ladder).T, levels=[task.power], colors=GREY, linestyles=":")
    approximate = np.array([crossover_steps(float(s), task.margin) for s in sigma])
    exact = np.array([first_win(task, some, lad) for some, lad in zip(analog, ladder, strict=True)])
    axes.plot(sigma, exact, color=INK, lw=2.0, label="crossover, exact, with saturation")
    axes.plot(sigma, approximate, color=GREEN, lw=1.4, ls="--", label="approximation 1 / 12($\\sigma^2 - p$)")
    band = losing_band(task.margin)
    result = (
        "the ladder is better in the long term at any noise"
        if band is None
        else f"analog is better in the long term at noise {band[0]:.2f} to {band[1]:.2f}"
    )
    axes.set(
        yscale="log",
        ylim=(1, length[-1]),
        xlim=(0.06, 1.2),
        xlabel="rms noise per step (levels)",
        ylabel="steps held",
        title=f"margin $\\beta$ = {task.margin:g} level: {result}",
    )
    axes.title.set_fontsize(9)
    axes.legend(fontsize=7, loc="upper right")


def _simulated_cut(sigma: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The noise rejection of an inner level by counted slips past both thresholds, and two standard errors."""
    rng, draws = stream(seed, "analysis", "cut"), 500_000
    slips = np.array([float((np.abs(s * rng.standard_normal(draws)) >= 1.0).sum()) for s in sigma])
    cut = sigma / np.sqrt(slips / draws)
    return cut, cut / np.sqrt(slips)


def _power(own: float) -> str:
    return f"$10^{{{log10_passage(1.0 / own):.1f}}}$"
