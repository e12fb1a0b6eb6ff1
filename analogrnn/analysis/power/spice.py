"""Comparison of the power model with the supply current in ngspice: single ladders, and the whole network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analogrnn.analysis.power.report import analyze_power
from analogrnn.chip import nominal_chip
from analogrnn.design import Design, Ladder, Synapses
from analogrnn.errors import ParameterError, SpiceError
from analogrnn.simulate import simulate
from analogrnn.spice.engine import run_decks
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.reading import read_deck
from analogrnn.spice.transistor_ladder import ladder_transistors
from analogrnn.spice.transistor_network import network_transistors


@dataclass(frozen=True)
class SlicePower:
    """One ladder with its front end, inputs and reference, on one clip: mean supply currents over the frames, A."""

    cell: int
    stages: float  # of the stages alone
    total: float
    stages_predicted: float
    total_predicted: float
    same_levels: bool  # whether every level was as predicted


def slice_power(
    design: Design,
    x: np.ndarray,
    cells: Sequence[int],
    workers: int | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[SlicePower]:
    """Measured and predicted supply currents of ladders of the first layer in transistors, on one clip x (T, D).

    Raises ParameterError if the inputs drive no ladder or a cell does not exist, SpiceError if a run fails,
    MissingDependencyError without ngspice or the models.
    """
    ladder = design.layers[0]
    if not isinstance(ladder, Ladder):
        raise ParameterError(f"{design.name}: the inputs drive no ladder, so none runs as a slice; run it flat.")
    wrong = [cell for cell in cells if not 0 <= cell < ladder.width]
    if wrong or not cells:
        raise ParameterError(f"cells {list(cells)} of {ladder.name}: name some from 0 to {ladder.width - 1}.")
    pdk = find_pdk()
    levels = simulate(nominal_chip(design), x[:, None]).levels[ladder.name][:, 0]
    decks = [ladder_transistors(design, ladder, cell, x, pdk) for cell in cells]
    found: dict[int, SlicePower] = {}
    for index, waves in run_decks([deck.job() for deck in decks], workers):
        if isinstance(waves, SpiceError):
            raise waves
        deck, cell = decks[index], cells[index]
        window = (deck.schedule.first_frame * design.timing.period, deck.schedule.duration)
        alone = analyze_power(_alone(design, ladder, cell), x[:, None])
        blocks, states = alone.blocks, read_deck(deck, waves, strict=True).stages[deck.cell].sum(axis=1)
        expected = ladder.stages_on(levels)[:, cell]
        found[index] = SlicePower(
            cell,
            mean_current(waves, f"i(v.{deck.probe.instance}.vstages)", window),
            -mean_current(waves, "i(vdd)", window),
            blocks["stages"],
            sum(blocks.values()),
            bool(np.array_equal(states, expected)),
        )
        if progress:
            progress(len(found), len(decks))
    return [found[index] for index in range(len(decks))]


def network_power(design: Design, x: np.ndarray) -> tuple[float, float]:
    """Mean supply current, A, of the whole network in one deck on one clip x (T, D): (in ngspice, predicted).

    The current that the load of the outputs sinks does not flow through the deck's supply, so both sides leave it out.
    Raises SpiceError if the run fails, MissingDependencyError without ngspice or the models.
    """
    deck = network_transistors(design, x, find_pdk())
    for _, waves in run_decks([deck.job()], 1):
        if isinstance(waves, SpiceError):
            raise waves
        window = (deck.schedule.first_frame * design.timing.period, deck.schedule.duration)
        blocks = analyze_power(design, x[:, None]).blocks
        return -mean_current(waves, "i(vdd)", window), sum(blocks.values()) - blocks["load"]
    raise SpiceError("ngspice ran no deck.")


def mean_current(waves: Waveforms, name: str, window: tuple[float, float]) -> float:
    """Time average of a signal over a window (start, end) in s; the values at its ends are interpolated."""
    inside = waves.axis[(waves.axis > window[0]) & (waves.axis < window[1])]
    t = np.concatenate([[window[0]], inside, [window[1]]])
    return float(np.trapezoid(np.interp(t, waves.axis, waves[name]), t) / (window[1] - window[0]))


def _alone(design: Design, ladder: Ladder, cell: int) -> Design:
    """A Design of one ladder with all inputs."""
    per_cell = (
        "counts",
        "k_min",
        "initial",
        "threshold",
        "alpha",
        "i_th",
        "i_hyst",
        "i_base",
        "i_shift",
        "i_gain",
        "i_alpha",
        "i_preset",
    )
    rows = {name: getattr(ladder, name)[cell : cell + 1] for name in per_cell}
    one = slice(cell, cell + 1)

    def row(s: Synapses) -> Synapses:
        return Synapses(s.name, s.ratio[one], s.bias[one], s.scale[one], s.offset, s.weight[one], s.trained_bias[one])

    gate = None if ladder.gate is None else row(ladder.gate)
    return replace(design, layers=(replace(ladder, synapses=row(ladder.synapses), gate=gate, **rows),))
