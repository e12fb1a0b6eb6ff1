"""Rest states of ladders on foundry models: operating points, and stages forced ON."""

import re
from dataclasses import replace

import numpy as np

from analogrnn.design import Design
from analogrnn.errors import SpiceError
from analogrnn.spice.engine import Job, run_decks
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.transistor_ladder import TransistorOptions
from validation.claims import Measured
from validation.fixed_points.bench import TOPIC


@TOPIC.measure("transistors")
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
        case = Case(
            design, candidates, edits=((r"(?m)^Vstages ", f"In3 vss n3 {wave}\\nIn4 vss n4 {wave}\\nVstages "),)
        )
        made = build(case)
        deck, waves = made.deck, _one(made.job)
        nodes = [
            np.interp(deck.schedule.read_times(), waves.axis, waves[f"v({deck.instance}.a{j + 1})"]) for j in range(4)
        ]
        ends.append("".join("1" if node[-1] < deck.supply / 2 else "0" for node in nodes))
    return Measured(
        float(ends == ["0000", "0011"]),
        "1",
        "= 1",
        ends == ["0000", "0011"],
        f"N = 4 on foundry models at the lowest level, stages 3 and 4 forced ON: for a pulse's "
        f"length it heals "
        f"({ends[0]}), for a period it rests on the island ({ends[1]}) that the rule predicts",
    )


def _operating_point(design: Design, level: int) -> tuple[int, float]:
    """Stages of a ladder in transistors that `.op` finds as they are at the end of a transient; V, largest difference.

    The operating point starts from the node voltages of a transient that pulses led to this level.
    """
    from validation.circuits.bench import Case, build  # noqa: PLC0415 (needs the foundry models)

    stages = design.ladders[0].stages
    made = build(Case(design, np.array([2.0] * level + [0.0])))
    deck, job = made.deck, made.job
    waves = _one(replace(job, deck=re.sub(r"(?m)^\.save .*\n", "", job.deck)))
    volts = {name: float(waves[name][-1]) for name in waves.signals if name.startswith("v(")}
    # a deck that is never reset: its sources at time zero are those at rest
    job = build(Case(design, np.zeros(1), TransistorOptions(control="no_reset"))).job
    sets = [f"{name}={volt:.9g}" for name, volt in volts.items()]
    lines = "\n".join(".nodeset " + " ".join(sets[i : i + 6]) for i in range(0, len(sets), 6))
    found = _one(replace(job, deck=re.sub(r"(?m)^\.tran .*$", lines + "\n.op", job.deck), stop_time=None))
    nodes = [f"v({deck.instance}.a{j + 1})" for j in range(stages)]
    error = np.array([abs(float(np.real(found[node][-1])) - volts[node]) for node in nodes])
    on = [float(np.real(found[node][-1])) < deck.supply / 2 for node in nodes]
    return int(np.sum(np.array(on) == (np.arange(stages) < level))), float(error.max())


def _one(job: Job) -> Waveforms:
    result = next(iter(run_decks([job], workers=1)))[1]
    if isinstance(result, SpiceError):
        raise result
    return result


@TOPIC.measure("transistors-op")
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
        "= 1",
        right == total and worst < 0.05,
        "transistor ladders, N = 1..8 (quick: 2): .op from every thermometer code, started at a transient's "
        f"node voltages, stays there ({total} stages; largest change of a state node {worst * 1e3:.2f} mV)",
    )
