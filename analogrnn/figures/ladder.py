"""Figures of one ladder: its signals during a clip, the hysteresis of a stage, the window of each level."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from analogrnn.chip import Chip, ChipLadder
from analogrnn.design import input_time_constants
from analogrnn.figures.style import BLUE, FAINT, GREEN, GREY, INK, ORANGE, legend_above, picture
from analogrnn.kernels.waveform import ladder_waveform
from analogrnn.network import DigitalRun
from analogrnn.schedule import Schedule
from analogrnn.simulate import Waveform, ladder_waveforms
from analogrnn.spice.ideal_ladder import RUNIT
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.reading import ProbedDeck

_MS, _NA = 1e3, 1e9
_STYLES = ({"color": BLUE, "lw": 2.4}, {"color": ORANGE, "lw": 1.4, "ls": (0, (4, 2))})


@dataclass(frozen=True, eq=False)
class View:
    """One ladder of one chip."""

    chip: Chip
    layer: ChipLadder
    cell: int

    def on(self, chip: Chip) -> "View":
        """The same ladder on another chip."""
        return View(chip, next(item for item in chip.ladders if item.name == self.layer.name), self.cell)

    @property
    def size(self) -> str:
        return f"{self.chip.design.sizing.cell.w * 1e6:g} um devices"


@dataclass(frozen=True, eq=False)
class _Traces:
    """A ladder at one level of description, over time (P,) in s: its level, and the input current of one stage in A."""

    label: str
    time: np.ndarray
    level: np.ndarray
    current: np.ndarray


def busiest_cell(reference: DigitalRun, layer: str, clip: int) -> int:
    """The cell whose level changes most often in a clip."""
    return int(np.argmax((np.diff(reference.states[layer][:, clip], axis=0) != 0).sum(axis=0)))


def draw_ladder(
    view: View, reference: DigitalRun, clip: int, path: Path, spice: tuple[ProbedDeck, Waveforms] | None = None
) -> None:
    """One cell during one clip: digital, behavioural and (if given) ngspice, superimposed. Raises OutputError."""
    layer, cell, ladder = view.layer, view.cell, view.layer.ladder
    states = reference.states[layer.name][:, clip, cell]
    wave = ladder_waveforms(view.chip, layer, cell, reference.candidates[layer.name][:, clip, cell])
    start = wave.schedule.first_frame * wave.schedule.timing.period
    # show the stage that changes most often
    stage = int(np.argmax((np.diff(wave.stages.astype(int), axis=0) != 0).sum(axis=0)))
    sources = [_behavioural(wave, view, stage, start)]
    if spice is not None:
        sources.append(_ngspice(*spice, view, stage, start))
    with picture(path, (10, 7.5)) as figure:
        top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[1.0, 1.6, 1.4])
        figure.suptitle(f"{view.chip.design.name}: ladder {layer.name}[{cell}] on test clip {clip}", color=INK)
        _line(top, wave, start, float(ladder.beta[cell]))
        end = _digital(middle, states, float(ladder.initial[cell]), wave.schedule)
        window = (float(layer.currents.i_lo[cell, stage]), float(layer.currents.i_hi[cell, stage]))
        for one, style in zip(sources, _STYLES, strict=False):
            middle.plot(one.time * _MS, one.level, label=one.label, **style)
            bottom.plot(one.time * _MS, one.current * _NA, label=one.label, **style)
        middle.set(ylabel="level k", ylim=(ladder.k_min[cell] - 0.4, ladder.k_max[cell] + 0.4))
        for level in range(ladder.k_min[cell], ladder.k_max[cell] + 1):
            middle.axhline(level, color=FAINT, lw=0.8, zorder=0)
        legend_above(middle)
        bottom.axhspan(window[0] * _NA, window[1] * _NA, color=FAINT, label="window: holds")
        bottom.set(ylabel=f"input of stage {stage + 1} (nA)", xlabel="time since the first frame (ms)")
        bottom.set_xlim(0.0, end * _MS)
        legend_above(bottom)


def draw_hysteresis(view: View, others: list[Chip], path: Path) -> None:
    """The first stage of a cell, swept slowly up and down, nominal and on mismatched chips. Raises OutputError."""
    low, high = (
        _NA * (float(value) * float(view.layer.unit[view.cell])) for value in view.layer.ladder.threshold[view.cell]
    )
    nominal, loops = _swept_cell(view), [_swept_cell(view.on(chip)) for chip in others]
    with picture(path, (7, 4.8)) as figure:
        axes = figure.subplots()
        axes.axvspan(low, high, color=FAINT, label=f"window: resets at {low:.2f}, sets at {high:.2f} nA")
        for i, (current, output) in enumerate(loops):
            label = f"{len(loops)} mismatched chips" if i == 0 else None
            axes.plot(current, output, color=ORANGE, lw=0.7, alpha=0.5, label=label)
        axes.plot(*nominal, color=BLUE, lw=2.2, label="nominal")
        middle = len(nominal[0]) // 4
        for at in (middle, 3 * middle):
            _arrow(axes, nominal, at)
        axes.set(xlabel="candidate current on the input line (nA)", ylabel="output current of the stage (nA)")
        title = f"{view.chip.design.name}: hysteresis of {view.layer.name}[{view.cell}], stage 1, {view.size}"
        figure.suptitle(title, color=INK)
        legend_above(axes)


def draw_levels(view: View, others: list[Chip], path: Path) -> None:
    """Over which candidates each level of a ladder holds; thresholds of mismatched chips. Raises OutputError."""
    layer, cell = view.layer, view.cell
    stages = layer.ladder.counts[cell]
    levels = layer.ladder.levels[cell, : stages + 1]
    up, down = layer.up[cell, :stages], layer.down[cell, :stages]
    up_of_chips = np.stack([view.on(chip).layer.up[cell, :stages] for chip in others])
    down_of_chips = np.stack([view.on(chip).layer.down[cell, :stages] for chip in others])
    reach = 1.35 * max(float(np.abs(np.concatenate([up, down])).max()), float(np.quantile(np.abs(up_of_chips), 0.99)))
    with picture(path, (8, 5.2)) as figure:
        axes = figure.subplots()
        for n, level in enumerate(levels):
            window = [down[n - 1] if n else -reach, up[n] if n < len(up) else reach]
            label = "level holds" if n == 0 else None
            axes.plot(window, [level, level], color=BLUE, lw=5, solid_capstyle="butt", label=label)
        for n, (level, above) in enumerate(itertools.pairwise(levels)):
            axes.annotate("", (up[n], above), (up[n], level), arrowprops={"arrowstyle": "->", "color": INK})
            axes.annotate("", (down[n], level), (down[n], above), arrowprops={"arrowstyle": "->", "color": GREY})
            at = level + np.linspace(0.25, 0.75, len(others)) * (above - level)
            for thresholds, colour, name in (
                (up_of_chips, ORANGE, f"up thresholds of {len(others)} chips"),
                (down_of_chips, GREEN, "down thresholds of the same chips"),
            ):
                label = name if n == 0 else None
                axes.plot(thresholds[:, n], at, ".", color=colour, ms=3, alpha=0.7, label=label)
        axes.axvline(0.0, color=GREY, lw=0.8, ls=":")
        figure.suptitle(f"{view.chip.design.name}: fixed points of ladder {layer.name}[{cell}], {view.size}", color=INK)
        xlabel = "candidate c (units of the trained network)"
        axes.set(xlabel=xlabel, ylabel="level k  (output $h = \\alpha k$)", xlim=(-reach, reach))
        axes.set_yticks(levels)
        legend_above(axes)


def _line(axes: Axes, wave: Waveform, start: float, beta: float) -> None:
    """Candidate pulses on the input line, and the range in which the level holds."""
    axes.axhspan(-beta * _NA, beta * _NA, color=FAINT, label="hold: $|c| < \\beta$")
    axes.plot((wave.time - start) * _MS, wave.line * _NA, color=INK, lw=1.0, label="candidate pulses")
    axes.set_ylabel("line current (nA)")
    legend_above(axes)


def _digital(axes: Axes, states: np.ndarray, initial: float, schedule: Schedule) -> float:
    """Levels (T,), each held from its pulse to the next one, `initial` before; return the end of the last step, s."""
    period = schedule.timing.period
    end = len(states) * period
    time = np.concatenate([[0.0], schedule.lead + np.arange(len(states)) * period, [end]])
    level = np.concatenate([[initial], states, states[-1:]])
    axes.step(time * _MS, level, where="post", color=GREY, lw=7, alpha=0.45, solid_capstyle="butt", label="digital")
    return end


def _behavioural(wave: Waveform, view: View, stage: int, start: float) -> _Traces:
    ladder = view.layer.ladder
    level = ladder.k_min[view.cell] + ladder.level_step * wave.on.sum(axis=1, dtype=int)
    return _Traces("behavioural", wave.time - start, level, wave.i_in[:, stage])


def _ngspice(deck: ProbedDeck, waves: Waveforms, view: View, stage: int, start: float) -> _Traces:
    probe, ladder = deck.probes[view.layer.name, view.cell], view.layer.ladder
    states = np.stack([waves[node] for node in probe.states])
    level = ladder.k_min[view.cell] + ladder.level_step * (states < 0.5 * deck.supply).sum(axis=0)
    current = waves[f"v({probe.instance}.n{stage + 1})"] / RUNIT
    return _Traces("ngspice, ideal cells", waves.axis - start, level, current)


def _arrow(axes: Axes, loop: tuple[np.ndarray, np.ndarray], at: int) -> None:
    x, y = loop
    arrow = {"arrowstyle": "-|>", "color": BLUE, "mutation_scale": 18}
    axes.annotate("", (x[at + 3], y[at + 3]), (x[at], y[at]), arrowprops=arrow)


def _swept_cell(view: View, points: int = 1200) -> tuple[np.ndarray, np.ndarray]:
    """Input and output currents (P,) in nA of the first stage, its line swept over three half windows, up and down.

    The sweep is slow: each point takes a hundred input time constants.
    """
    layer, cell, design = view.layer, view.cell, view.chip.design
    ladder, currents = layer.ladder, layer.currents
    beta = float(ladder.beta[cell])
    centre = float(ladder.threshold[cell].mean() * layer.unit[cell])
    span = min(3.0 * beta, ladder.i_base[cell] + centre) if ladder.i_base[cell] > 0 else min(3.0 * beta, centre)
    rise = np.linspace(centre - span, centre + 3.0 * beta, points // 2)
    u = np.concatenate([rise, rise[::-1]])
    t_in = float(input_time_constants(ladder, design.sizing.cell, design.technology)[cell])
    left = currents.left[cell, 0] if ladder.has_dpi else 0.0
    stage = np.array([[currents.i_hi[cell, 0]], [currents.i_lo[cell, 0]], [currents.copy[cell, 0]], [left], [0.0]])
    timing = design.timing
    scalars = np.array([t_in, timing.tau, timing.drive_ratio, timing.i_floor, 0.0])
    on, d, i_in = (np.empty((len(u), 1), kind) for kind in (np.uint8, float, float))
    base = np.full(len(u), currents.base[cell])
    ladder_waveform(u, base, np.full(len(u), 100 * t_in), stage, scalars, np.zeros((3, 1)), on, d, i_in)
    step = (layer.output[cell, 1] - layer.output[cell, 0]) * design.unit_current
    return _NA * u, _NA * (on[:, 0] * step)
