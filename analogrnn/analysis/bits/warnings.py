"""Which cells a choice of word lengths silences, saturates or breaks: from the codes, and from runs on clips."""

from dataclasses import dataclass

import numpy as np

from analogrnn.analysis.bits.quantise import Quantised
from analogrnn.chip import nominal_chip
from analogrnn.design import Ladder
from analogrnn.errors import ParameterError
from analogrnn.mapping.inequalities import ladder_margins
from analogrnn.simulate import StepRun, simulate


def check_margins(quantised: Quantised) -> None:
    """Raise ParameterError if the word lengths break an inequality of the ladder.

    A ladder that breaks one no longer moves exactly one level per pulse.
    """
    for name, margin in _broken(quantised).items():
        raise ParameterError(
            f"these word lengths break the ladder's '{name}' inequality (margin {margin:.3g}): give "
            "'threshold', 'width', 'base' or 'shift' more bits."
        )


def warnings_of(quantised: Quantised, x: np.ndarray) -> tuple[str, ...]:
    """Which cells the word lengths silence, saturate or break on encoded inputs x, compared with the trained Design."""
    found = [
        f"the ladder's '{name}' margin is {margin:.3g}, not above 0: a pulse no longer moves exactly one level"
        for name, margin in _broken(quantised).items()
    ]
    found += _code_warnings(quantised)
    before = simulate(nominal_chip(quantised.original), x)
    after = simulate(quantised.chip(), quantised.inputs(x))
    for layer in quantised.design.ladders:
        was, now = (_activity(run, layer) for run in (before, after))
        for i in range(layer.width):
            label = f"{layer.name}[{i}]"
            if was.moves[i] and not now.moves[i]:
                found.append(f"{label} is silenced: it never moves, but moved {was.moves[i]} times as trained")
                continue
            for end, level in (("bottom", layer.k_min), ("top", layer.k_max)):
                if was.leaves[end][i] and now.visits[end][i] and not now.leaves[end][i]:
                    found.append(
                        f"{label} is saturated at the {end}, level {level[i]}: it never leaves this level, but "
                        f"left {was.leaves[end][i]} times as trained"
                    )
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Activity:
    """(d,) counts over all clips and steps: moves, and visits to and departures from each end."""

    moves: np.ndarray
    visits: dict[str, np.ndarray]
    leaves: dict[str, np.ndarray]


def _activity(run: StepRun, ladder: Ladder) -> _Activity:
    levels = run.levels[ladder.name]
    before = np.concatenate([np.broadcast_to(ladder.initial, levels[:1].shape), levels[:-1]])
    moved, ends = levels != before, {"bottom": ladder.k_min, "top": ladder.k_max}
    return _Activity(
        moved.sum(axis=(0, 1)),
        {end: (levels == level).sum(axis=(0, 1)) for end, level in ends.items()},
        {end: (moved & (before == level)).sum(axis=(0, 1)) for end, level in ends.items()},
    )


def _code_warnings(quantised: Quantised) -> list[str]:
    found = []
    for (layer, group), codes in quantised.codes.items():
        if group == "output":
            found += [
                f"{layer}[{i}] has output code 0 at {codes.bits} bits: its output is unused"
                for i in np.flatnonzero(codes.code == 0)
            ]
        if group in ("weights", "readout_weights"):
            rows = np.flatnonzero(~codes.code.any(axis=1))
            found += [f"{layer} row {i} has only zero weights at {codes.bits} bits" for i in rows]
    for ladder in quantised.design.ladders:
        if not ladder.return_to_zero:
            continue
        for end, drifts in (("top", ladder.threshold[:, 1] <= 0.0), ("bottom", ladder.threshold[:, 0] >= 0.0)):
            found += [
                f"{ladder.name}[{i}] drifts to the {end} at zero input: a threshold has the wrong sign"
                for i in np.flatnonzero(drifts)
            ]
    return found


def _broken(quantised: Quantised) -> dict[str, float]:
    if any((ladder.i_th <= ladder.i_hyst / 2.0).any() for ladder in quantised.design.ladders):
        return {"reset": -np.inf}  # a window below zero current; the other margins have no meaning then
    return {name: margin for name, margin in ladder_margins(quantised.design).items() if not margin > 0.0}
