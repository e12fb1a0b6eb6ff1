"""Rest states in ngspice: ladders of ideal subcircuits, each started in one code, and the codes in which they settle.

Many ladders share a deck; they share only the supply. The clock stays low, so the candidate is zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analogrnn import library
from analogrnn.design import Design, Ladder
from analogrnn.errors import SpiceError, in_range
from analogrnn.schedule import Schedule
from analogrnn.spice.deck import Deck, Element, Subcircuit, Tran, number
from analogrnn.spice.engine import Job, Ngspice, deck_job, run_decks
from analogrnn.spice.ideal_ladder import StageStart, ladder_subcircuit, stage_statement
from analogrnn.spice.ideal_network import LIBRARY, OPTIONS
from analogrnn.spice.raw import Waveforms

PER_DECK = 64  # ladders


@dataclass(frozen=True, eq=False)
class Starts:
    """Initial states of M ladders: stages ON (M, N) bool, and DPI outputs (M, N) over the settled value (above 0)."""

    on: np.ndarray
    d: np.ndarray


def settled_starts(design: Design, codes: np.ndarray) -> Starts:
    """Codes (M, N) with settled DPIs."""
    on = np.asarray(codes, dtype=bool)
    return Starts(on, np.where(on, 1.0, design.timing.i_floor))


def rest_by_ngspice(
    design: Design,
    ladder: Ladder,
    cell: int,
    starts: Starts,
    *,
    workers: int | None = 1,
    ngspice: Ngspice | None = None,
) -> np.ndarray:
    """(M, N) bool: the code in which each ladder comes to rest.

    Raises ParameterError for a cell that is not there, SpiceError if a run fails or a stage ends between ON and OFF,
    and MissingDependencyError without ngspice.
    """
    in_range("cell", cell, 0, ladder.width - 1, hint=f"{ladder.name} has {ladder.width} cells")
    parts = [slice(at, at + PER_DECK) for at in range(0, len(starts.on), PER_DECK)]
    jobs = [rest_deck(design, ladder, cell, Starts(starts.on[part], starts.d[part])) for part in parts]
    out = np.empty_like(starts.on)
    for index, waves in run_decks(jobs, workers, ngspice):
        if isinstance(waves, SpiceError):
            raise waves
        out[parts[index]] = _read(
            waves, len(starts.on[parts[index]]), int(ladder.counts[cell]), design.technology.supply
        )
    return out


def rest_deck(design: Design, ladder: Ladder, cell: int, starts: Starts) -> Job:
    """One deck with all `starts`: ladder m is instance `xl<m>`, and its state nodes a1 .. aN are low while ON."""
    timing = design.timing
    stages = int(ladder.counts[cell])
    stop = stages * timing.rise_time(4.0) + 4.0 * timing.tau
    gates = " ".join(["vss"] * ladder.synapses.inputs)
    body: list[Element] = []
    for m, (on, d) in enumerate(zip(starts.on, starts.d, strict=True)):
        body += [
            _ladder(design, ladder, cell, f"rest_{m}", (on, d)),
            f"Xl{m} {gates} vss h{m} vdd vss rest_{m}",
            f"Xh{m} h{m} vss input_diode",
        ]
    deck = Deck(
        f"rest states of a ladder of {stages} stages: {len(starts.on)} starts",
        ("Vss vss 0 DC 0", f"Vdd vdd vss DC {number(design.technology.supply)}", *body),
        Tran(timing.tau / 5, stop, timing.tau / 2, uic=True),
        blocks=tuple(library.circuit("ideal", name).rstrip() for name in LIBRARY),
        options=OPTIONS,
        saves=tuple(f"v(xl{m}.a{j + 1})" for m in range(len(starts.on)) for j in range(stages)),
    )
    return deck_job(deck)


def _ladder(design: Design, ladder: Ladder, cell: int, name: str, start: tuple[np.ndarray, np.ndarray]) -> Subcircuit:
    """The subcircuit that `export` writes, with separate initial conditions for each stage."""
    exported = ladder_subcircuit(design, ladder, cell, Schedule(design.timing, 0, 0, 1), 0.0, "none")
    stages = [
        stage_statement(design, ladder, cell, j, StageStart(bool(on), float(d)))
        for j, (on, d) in enumerate(zip(*start, strict=True), 1)
    ]
    return replace(exported, name=name).with_elements(*stages)


def _read(waves: Waveforms, ladders: int, stages: int, supply: float) -> np.ndarray:
    volts = np.array([[waves[f"v(xl{m}.a{j + 1})"][-1] for j in range(stages)] for m in range(ladders)]) / supply
    undecided = np.argwhere((volts > 0.2) & (volts < 0.8))
    if len(undecided):
        m, j = (int(n) for n in undecided[0])
        raise SpiceError(f"ladder {m} stage {j + 1} ends at {volts[m, j] * supply:.3g} V, between ON and OFF.")
    return np.asarray(volts < 0.5)


def codes_equal(a: Sequence[np.ndarray] | np.ndarray, b: Sequence[np.ndarray] | np.ndarray) -> bool:
    """Whether two lists of codes contain the same codes, in any order."""
    return {np.asarray(code, dtype=bool).tobytes() for code in a} == {
        np.asarray(code, dtype=bool).tobytes() for code in b
    }
