"""Rest states of ladders on foundry models: operating points, and stages forced ON."""

from dataclasses import replace
from functools import partial

import numpy as np

from analogrnn.design import Design
from analogrnn.errors import SpiceError
from analogrnn.spice.deck import Deck
from analogrnn.spice.engine import Job, run_decks
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.reading import read_deck
from analogrnn.spice.transistor_ladder import TransistorOptions, block_name
from validation.bounds import Bound
from validation.claims import Measured
from validation.fixed_points.bench import TOPIC


@TOPIC.measure(
    "transistors",
    "On foundry models, two stages forced ON for a pulse heal, and forced for a period they rest on the "
    "predicted island.",
)
def transistors(quick: bool) -> Measured:
    """A ladder of 4 on foundry models: stages 3 and 4 forced ON by a current, briefly and for long, then left alone."""
    from validation.circuits.bench import Case, build, ladder_design  # noqa: PLC0415 (needs the foundry models)

    design = ladder_design(4)
    timing, beta = design.timing, float(design.ladders[0].beta[0])
    candidates = np.zeros(4)
    ends = []
    for length in (timing.pulse, timing.period):
        at, height = 0.3 * timing.period, 6.0 * beta
        edge = timing.pulse / 100.0
        first = (design.timing.reset_steps) * timing.period + at
        wave = f"PULSE(0 {height:g} {first:g} {edge:g} {edge:g} {length:g} 1e3)"
        forced = [f"In{j} vss n{j} {wave}" for j in (3, 4)]
        made = build(Case(design, candidates, change=partial(_forced, design, forced)))
        last = read_deck(made.deck, _one(made.job)).stages[made.deck.cell][-1]
        ends.append("".join("1" if on else "0" for on in last))
    return Measured(
        float(np.mean([end == code for end, code in zip(ends, ("0000", "0011"), strict=True)])),
        "of runs",
        Bound.equals(1),
        {"N": 4, "forced stages": "3 and 4", "after a pulse": f"{ends[0]}", "after a period": f"{ends[1]}"},
    )


def _forced(design: Design, sources: list[str], deck: Deck) -> Deck:
    """The deck with sources inside of its one ladder."""
    return deck.with_elements(*sources, inside=block_name(design.ladders[0], 0), before="Vstages")


def _operating_point(design: Design, level: int) -> tuple[int, float]:
    """Stages of a ladder in transistors that `.op` finds as they are at the end of a transient; V, largest difference.

    The operating point starts from the node voltages of a transient that pulses led to this level.
    """
    from validation.circuits.bench import Case, build  # noqa: PLC0415 (needs the foundry models)

    stages = design.ladders[0].stages
    made = build(Case(design, np.array([2.0] * level + [0.0])))
    deck = made.deck
    waves = _one(deck.with_deck(replace(deck.deck, saves=())).job())
    volts = {name[2:-1]: float(waves[name][-1]) for name in waves.signals if name.startswith("v(")}
    # a deck that is never reset: its sources at time zero are those at rest
    still = build(Case(design, np.zeros(1), TransistorOptions(control="no_reset"))).deck
    found = _one(still.with_deck(replace(still.deck, analysis=".op", nodesets=volts)).job())
    nodes = deck.probe.states
    error = np.array([abs(float(np.real(found[node][-1])) - float(waves[node][-1])) for node in nodes])
    on = [float(np.real(found[node][-1])) < deck.supply / 2 for node in nodes]
    return int(np.sum(np.array(on) == (np.arange(stages) < level))), float(error.max())


def _one(job: Job) -> Waveforms:
    result = next(iter(run_decks([job], workers=1)))[1]
    if isinstance(result, SpiceError):
        raise result
    return result


@TOPIC.measure(
    "transistors-op",
    "In transistor ladders, .op started from the node voltages of a transient stays at every thermometer code.",
)
def operating_points(quick: bool) -> Measured:
    from validation.circuits.bench import ladder_design  # noqa: PLC0415 (needs the foundry models)

    right = total = 0
    worst = 0.0
    for stages in (2,) if quick else range(1, 9):
        for level in range(stages + 1):
            same, error = _operating_point(ladder_design(stages), level)
            right, total, worst = right + same, total + stages, max(worst, error)
    return Measured(
        right / total,
        "of stages",
        Bound.equals(1),
        {"N": "2" if quick else "1 to 8", "stages": total, "largest change of a state node": f"{worst * 1e3:.2f} mV"},
        also={"no node moves by 0.05 V": worst < 0.05},
    )
