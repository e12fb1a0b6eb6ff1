"""What the pictures show: gathers the arrays that `plots` draws, from chips, waveforms and ngspice runs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analogrnn.agreement import Agreement, AgreementSetup, Reference, reference_of, simulation_of, thermometer
from analogrnn.chip import Chip, ChipLadder
from analogrnn.design import Design, Ladder, input_time_constants
from analogrnn.figures import plots
from analogrnn.kernels.waveform import ladder_waveform
from analogrnn.network import DigitalRun, Network
from analogrnn.schedule import Schedule
from analogrnn.simulate import Waveform, ladder_waveforms
from analogrnn.spice.ideal_ladder import RUNIT
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.reading import ProbedDeck, read_deck
from analogrnn.spice.run_network import run_cell


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


def busiest_cell(reference: DigitalRun, layer: str, clip: int) -> int:
    """The cell whose level changes most often in a clip."""
    return int(np.argmax((np.diff(reference.states[layer][:, clip], axis=0) != 0).sum(axis=0)))


def draw_ladder(
    view: View, reference: DigitalRun, clip: int, path: Path, spice: tuple[ProbedDeck, Waveforms] | None = None
) -> None:
    """One cell during one clip: digital, behavioural and (if given) ngspice, over each other."""
    layer, cell, ladder = view.layer, view.cell, view.layer.ladder
    states = reference.states[layer.name][:, clip, cell]
    wave = ladder_waveforms(view.chip, layer, cell, reference.candidates[layer.name][:, clip, cell])
    start = wave.schedule.first_frame * wave.schedule.timing.period
    # the stage that changes most often is the one worth looking at
    stage = int(np.argmax((np.diff(wave.stages.astype(int), axis=0) != 0).sum(axis=0)))
    sources = {"behavioural": _traces(wave, ladder, stage, start)}
    if spice is not None:
        sources["ngspice, ideal cells"] = _spice_traces(*spice, view, stage, start)
    picture = plots.LadderPicture(
        title=f"{view.chip.design.name}: ladder {layer.name}[{cell}] on test clip {clip}",
        pulses=plots.Trace(wave.time - start, wave.line),
        beta=float(ladder.beta[cell]),
        digital=_digital_trace(states, float(ladder.initial[cell]), wave.schedule),
        sources=sources,
        window=(float(layer.currents.i_lo[cell, stage]), float(layer.currents.i_hi[cell, stage])),
        stage=stage + 1,
        levels=(ladder.k_min, ladder.k_max),
    )
    plots.ladder_waveforms(picture, path)


def _digital_trace(states: np.ndarray, initial: float, schedule: Schedule) -> plots.Trace:
    """Levels (T,) each held from its pulse to the next one, `lead` after its frame's start; `initial` before."""
    period = schedule.timing.period
    pulses = schedule.lead + np.arange(len(states)) * period
    time = np.concatenate([[0.0], pulses, [len(states) * period]])
    return plots.Trace(time, np.concatenate([[initial], states, states[-1:]]))


def draw_agreement(
    network: Network,
    design: Design,
    clips: tuple[np.ndarray, np.ndarray],
    setup: AgreementSetup,
    found: Agreement,
    path: Path,
) -> str:
    """The worst cell of a comparison: the first error farthest from its threshold; without one, the nearest candidate.

    `clips` are x (T, S, D) and their numbers in the set. SPICE levels run that cell once more for its waveforms.
    Returns what was drawn, in words.
    """
    x, numbers = clips
    reference = reference_of(network, design, x, setup)
    (name, cell, clip), step = _worst(design, reference, found)
    ladder, wanted = next(item for item in design.ladders if item.name == name), reference.layers[name]
    stages = found.readings[name][:, clip, cell]
    made = np.full(len(x), np.nan)
    pulses, end = design.timing.lead + np.arange(len(x)) * design.timing.period, len(x) * design.timing.period
    held = np.append(np.repeat(pulses, 2)[1:], end)  # a step is level from its pulse to the next
    states = plots.Trace(held, 1.0 - np.repeat(stages.astype(float), 2, axis=0))
    if setup.level in ("ideal", "transistor"):
        deck, waves = run_cell(design, x[:, clip], (ladder, cell), simulation_of(design, setup))
        unit = float(ladder.synapses.scale[cell]) * design.unit_current
        made = read_deck(deck, waves).candidates[name, cell] / unit
        nodes = [waves[node] for node in deck.probes[name, cell].states]
        start = deck.schedule.first_frame * design.timing.period
        states = plots.Trace(waves.axis - start, np.stack(nodes, axis=1) / deck.supply)
    level = ladder.k_min + ladder.level_step * (states.value < 0.5).sum(axis=1)
    edges = np.concatenate([wanted.up[cell], wanted.down[cell]])
    chip = "" if setup.chip is None else f", chip {setup.chip}"
    picture = plots.CellPicture(
        title=f"{design.name}: {name}[{cell}] on clip {numbers[clip]}, level {setup.level}{chip}",
        label={"ideal": "ngspice, ideal", "transistor": "ngspice, transistors"}.get(setup.level, setup.level),
        pulses=pulses,
        end=end,
        wanted=wanted.candidates[:, clip, cell],
        made=made,
        thresholds=np.unique(edges[np.isfinite(edges)]),
        levels=wanted.states[:, clip, cell],
        found=plots.Trace(states.time, level),
        states=states,
        on=thermometer(wanted.states[:, clip, cell], ladder),
        first_error=step,
    )
    plots.cell_agreement(picture, path)
    return f"{name}[{cell}], clip {numbers[clip]}"


def _worst(design: Design, reference: Reference, found: Agreement) -> tuple[tuple[str, int, int], int | None]:
    """(layer, cell, clip) and the step of its first error."""
    if found.first_errors:
        error = max(found.first_errors, key=lambda item: item.distance)
        return (error.layer, error.cell, error.clip), error.step
    nearest = []
    for ladder in design.ladders:
        wanted = reference.layers[ladder.name]
        edges = np.concatenate([wanted.up, wanted.down], axis=1)
        gap = np.abs(wanted.candidates[..., None] - edges).min(axis=(0, 3)) / np.abs(edges).min(axis=1)
        clip, cell = (int(i) for i in np.unravel_index(int(np.nanargmin(gap)), gap.shape))
        nearest.append((float(gap[clip, cell]), (ladder.name, cell, clip)))
    return min(nearest)[1], None


def draw_hysteresis(view: View, others: list[Chip], path: Path) -> None:
    """The first stage of a cell, swept slowly up and down, on the nominal and on mismatched chips."""
    low, high = (float(value) * float(view.layer.unit[view.cell]) for value in view.layer.ladder.threshold[view.cell])
    title = f"{view.chip.design.name}: hysteresis of {view.layer.name}[{view.cell}], stage 1, {view.size}"
    loops = [_swept_cell(view.on(chip)) for chip in others]
    plots.hysteresis_loop(_swept_cell(view), loops, (low, high), title, path)


def draw_fixed_points(view: View, others: list[Chip], path: Path) -> None:
    """Where each level of a ladder holds, with the thresholds of mismatched chips."""
    layer, cell = view.layer, view.cell
    chips = (
        np.stack([view.on(chip).layer.up[cell] for chip in others]),
        np.stack([view.on(chip).layer.down[cell] for chip in others]),
    )
    labels = (
        f"{view.chip.design.name}: fixed points of ladder {layer.name}[{cell}], {view.size}",
        "candidate c (units of the trained network)",
    )
    plots.fixed_points(layer.ladder.levels, layer.up[cell], layer.down[cell], chips, labels, path)


def _traces(wave: Waveform, ladder: Ladder, stage: int, start: float) -> tuple[plots.Trace, plots.Trace]:
    level = ladder.k_min + ladder.level_step * wave.on.sum(axis=1, dtype=int)
    return plots.Trace(wave.time - start, level), plots.Trace(wave.time - start, wave.i_in[:, stage])


def _spice_traces(
    deck: ProbedDeck, waves: Waveforms, view: View, stage: int, start: float
) -> tuple[plots.Trace, plots.Trace]:
    probe, ladder = deck.probes[view.layer.name, view.cell], view.layer.ladder
    states = np.stack([waves[node] for node in probe.states])
    level = ladder.k_min + ladder.level_step * (states < 0.5 * deck.supply).sum(axis=0)
    current = waves[f"v({probe.instance}.n{stage + 1})"] / RUNIT
    return plots.Trace(waves.axis - start, level), plots.Trace(waves.axis - start, current)


def _swept_cell(view: View, points: int = 1200) -> plots.Loop:
    """Sweep the line slowly (each point a hundred input time constants) over three half windows, up and down."""
    layer, cell, design = view.layer, view.cell, view.chip.design
    ladder, currents = layer.ladder, layer.currents
    beta = float(ladder.beta[cell])
    centre = float(ladder.threshold[cell].mean() * layer.unit[cell])
    span = min(3.0 * beta, ladder.i_base[cell] + centre) if ladder.i_base[cell] > 0 else min(3.0 * beta, centre)
    rise = np.linspace(centre - span, centre + 3.0 * beta, points // 2)
    u = np.concatenate([rise, rise[::-1]])
    t_in = float(input_time_constants(ladder, design.sizing.cell, design.technology)[cell])
    stage = np.array(
        [
            [currents.i_hi[cell, 0]],
            [currents.i_lo[cell, 0]],
            [currents.copy[cell, 0]],
            [currents.left[cell, 0] if ladder.has_dpi else 0.0],
            [0.0],
        ]
    )
    timing = design.timing
    scalars = np.array([t_in, timing.tau, timing.drive_ratio, timing.i_floor, 0.0])
    on, d, i_in = (np.empty((len(u), 1), kind) for kind in (np.uint8, float, float))
    state = np.zeros((3, 1))
    base = np.full(len(u), currents.base[cell])
    ladder_waveform(u, base, np.full(len(u), 100 * t_in), stage, scalars, state, on, d, i_in)
    step = (layer.output[cell, 1] - layer.output[cell, 0]) * design.unit_current
    return plots.Loop(u, on[:, 0] * step)
