"""Figure of a comparison of two levels of description: one cell during one clip, with the digital network."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analogrnn.agreement import Agreement, AgreementSetup, Reference, reference_of, simulation_of, thermometer
from analogrnn.design import Design, Ladder
from analogrnn.figures.style import BLUE, GREEN, GREY, INK, ORANGE, RED, legend_above, picture
from analogrnn.network import Network
from analogrnn.spice.reading import read_deck
from analogrnn.spice.run_network import run_cell

_MS = 1e3


@dataclass(frozen=True, eq=False)
class _Seen:
    """One cell at one level of description.

    label   of the level
    made    (T,) candidates in trained units; nan if the level does not compute candidates
    time    (P,) s since the first frame
    states  (P, N) state nodes over the supply: 0 where a stage is ON
    """

    label: str
    made: np.ndarray
    time: np.ndarray
    states: np.ndarray


def draw_agreement(
    network: Network,
    design: Design,
    clips: tuple[np.ndarray, np.ndarray],
    setup: AgreementSetup,
    found: Agreement,
    path: Path,
) -> str:
    """Draw the worst cell of a comparison: that of the first error farthest from its threshold.

    Without an error it is the cell with the candidate nearest to a threshold. `clips` are x (T, S, D) and their numbers
    in the set. SPICE levels simulate this cell again for its waveforms. Returns the name of the cell and clip that were
    drawn. Raises OutputError.
    """
    x, numbers = clips
    reference = reference_of(network, design, x, setup)
    (name, cell, clip), step = _worst(design, reference, found)
    ladder, expected = next(item for item in design.ladders if item.name == name), reference.layers[name]
    period, steps = design.timing.period, len(x)
    pulses, end = design.timing.lead + np.arange(steps) * period, steps * period
    if setup.level in ("ideal", "transistor"):
        seen = _ngspice(design, x[:, clip], (ladder, cell), setup)
    else:
        held = np.append(np.repeat(pulses, 2)[1:], end)  # a level lasts from its pulse to the next one
        on = np.repeat(found.readings[name][:, clip, cell].astype(float), 2, axis=0)
        seen = _Seen(setup.level, np.full(steps, np.nan), held, 1.0 - on)
    levels = expected.states[:, clip, cell]
    with picture(path, (10, 8)) as figure:
        top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[1.3, 1.0, 1.4])
        chip = "" if setup.chip is None else f", chip {setup.chip}"
        title = f"{design.name}: {name}[{cell}] on clip {numbers[clip]}, level {setup.level}{chip}"
        figure.suptitle(title, color=INK)
        thresholds = _thresholds(expected.up[cell], expected.down[cell])
        _candidates(top, pulses, expected.candidates[:, clip, cell], thresholds, seen)
        edges = np.append(pulses, end) * _MS
        _levels(middle, edges, levels, (ladder, cell), seen)
        _stages(bottom, edges, thermometer(levels, ladder, cell)[:, : ladder.counts[cell]], seen)
        bottom.set(xlabel="time since the first frame (ms)", xlim=(0.0, end * _MS))
        for axes in (top, middle, bottom):
            if step is not None:
                axes.axvline(pulses[step] * _MS, color=RED, lw=1.2, ls=":", label="first error")
            legend_above(axes, columns=5)
    return f"{name}[{cell}], clip {numbers[clip]}"


def _worst(design: Design, reference: Reference, found: Agreement) -> tuple[tuple[str, int, int], int | None]:
    """(layer, cell, clip) of the worst cell, and the step of its first error (None without an error)."""
    if found.first_errors:
        error = max(found.first_errors, key=lambda item: item.distance)
        return (error.layer, error.cell, error.clip), error.step
    nearest = []
    for ladder in design.ladders:
        expected = reference.layers[ladder.name]
        edges = np.concatenate([expected.up, expected.down], axis=1)
        gap = np.abs(expected.candidates[..., None] - edges).min(axis=(0, 3)) / np.abs(edges).min(axis=1)
        clip, cell = (int(i) for i in np.unravel_index(int(np.nanargmin(gap)), gap.shape))
        nearest.append((float(gap[clip, cell]), (ladder.name, cell, clip)))
    return min(nearest)[1], None


def _ngspice(design: Design, x: np.ndarray, place: tuple[Ladder, int], setup: AgreementSetup) -> _Seen:
    ladder, cell = place
    deck, waves = run_cell(design, x, place, simulation_of(design, setup))
    unit = float(design.candidate_units(ladder.synapses)[cell])
    made = read_deck(deck, waves).candidates[ladder.name, cell] / unit
    nodes = [waves[node] for node in deck.probes[ladder.name, cell].states]
    start = deck.schedule.first_frame * design.timing.period
    label = {"ideal": "ngspice, ideal", "transistor": "ngspice, transistors"}[setup.level]
    return _Seen(label, made, waves.axis - start, np.stack(nodes, axis=1) / deck.supply)


def _thresholds(up: np.ndarray, down: np.ndarray) -> np.ndarray:
    edges = np.concatenate([up, down])
    return np.unique(edges[np.isfinite(edges)])


def _candidates(axes: Axes, pulses: np.ndarray, expected: np.ndarray, thresholds: np.ndarray, seen: _Seen) -> None:
    for i, threshold in enumerate(thresholds):
        axes.axhline(threshold, color=GREEN, lw=1.0, ls="--", label="thresholds" if i == 0 else None)
    axes.plot(pulses * _MS, expected, "o", color=GREY, ms=7, alpha=0.6, label="digital")
    axes.plot(pulses * _MS, seen.made, "x", color=ORANGE, ms=5, label=seen.label)
    axes.set_ylabel("candidate (trained units)")


def _levels(axes: Axes, edges: np.ndarray, levels: np.ndarray, place: tuple[Ladder, int], seen: _Seen) -> None:
    ladder, cell = place
    axes.step(edges, np.append(levels, levels[-1]), where="post", color=GREY, lw=7, alpha=0.45, label="digital")
    level = ladder.k_min[cell] + ladder.level_step * (seen.states < 0.5).sum(axis=1)
    axes.plot(seen.time * _MS, level, color=ORANGE, lw=1.4, label=seen.label)
    axes.set_ylabel("level k")
    axes.yaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))


def _stages(axes: Axes, edges: np.ndarray, on: np.ndarray, seen: _Seen) -> None:
    """The state of each stage, one above the other; the background is grey where the reference is ON."""
    stages = on.shape[1]
    for n in range(stages):
        height = n + 0.8 * np.append(on[:, n], on[-1, n])
        label = "digital: ON" if n == 0 else None
        axes.fill_between(edges, n, height, step="post", color=GREY, alpha=0.35, lw=0, label=label)
        state = n + 0.8 * (1.0 - seen.states[:, n])
        label = f"{seen.label}: (supply - v(a)) / supply" if n == 0 else None
        axes.plot(seen.time * _MS, state, color=BLUE, lw=1.0, label=label)
    axes.set_yticks([n + 0.4 for n in range(stages)], [f"stage {n + 1}" for n in range(stages)])
