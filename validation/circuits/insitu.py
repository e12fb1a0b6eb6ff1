"""Where pulses really move a ladder behind its front end, and what a whole recurrent core takes."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from analogrnn import datasets, library
from analogrnn.bench_ladder import bench_ladders
from analogrnn.biases import REFERENCE_UNITS, bias_units
from analogrnn.calibrate.stairs import Staircases
from analogrnn.design import Design
from analogrnn.errors import SpiceError
from analogrnn.mapping import STAGES, map_network, stage_options
from analogrnn.network.files import load
from analogrnn.spice.engine import run_deck, run_decks
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.reading import read_deck
from analogrnn.spice.transistor_ladder import ladder_transistors
from analogrnn.spice.transistor_network import network_transistors
from analogrnn.sweep.bench import BOUND, mean
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.circuits.bench import WORKERS
from validation.circuits.topic import TOPIC
from validation.claims import Measured

WIDER = 1.6  # half window of a second ladder of the same design, unit currents: trained ones lie between 1 and 2
STAIRS = np.arange(0.96, 1.0401, 0.005)  # half windows
CORE, FRAMES = "digits_d16_k2", 10


def two_ladders(stage: str) -> Design:
    """Ladders of four with half windows of 1 and of WIDER unit currents under one clock."""
    options = replace(stage_options(stage), input_bound=BOUND)
    return bench_ladders((0, 4), load_technology(), options, (1.0, WIDER))


@TOPIC.measure(
    "predict-pulse",
    "Least pulses behind the real front end that move the ladder, compared with the required size of 1 half "
    "window: worst distance.",
)
def pulses(quick: bool) -> Measured:
    """Staircases of pulses in steps of 0.005; an answer is the middle of a step."""
    asked = [(STAGES[1], 1)] if quick else [(stage, cell) for stage in STAGES for cell in (0, 1)]
    stairs = Staircases.of(pulses=STAIRS)
    decks = []
    for stage, cell in asked:
        design = two_ladders(stage)
        half = float(design.ladders[0].beta[cell]) / design.unit_current
        decks.append(ladder_transistors(design, design.ladders[0], cell, half * stairs.candidates[:, None], find_pdk()))
    worst, words = 0.0, []
    for index, waves in run_decks([deck.job() for deck in decks], WORKERS):
        if isinstance(waves, SpiceError):
            raise waves
        found = stairs.read(read_deck(decks[index], waves, strict=True).stages[decks[index].cell])
        errors = [abs(value) - 1.0 for value in found.values()]
        worst = max(worst, *(abs(error) for error in errors))
        stage, cell = asked[index]
        words.append(f"{stage} {(1.0, WIDER)[cell]:g}: {', '.join(f'{value:.3f}' for value in found.values())}")
    return Measured(
        worst,
        "of beta",
        Bound.below(0.02),
        {"resolution": "+-0.0025", "up and down, first stage, then an inner one": f"{'; '.join(sorted(words))}"},
    )


@lru_cache(maxsize=4)
def core(period: float) -> tuple[float, float, float]:
    """W of a core of 16 ladders of 4 over the first frames of a clip: all of it, its stages; and what was predicted
    for the copies of the reference that bias the ladders."""
    network = load(library.network_path(CORE))
    design = map_network(network, load_technology(), stage_options("standard", period))
    x = network.encoding(datasets.spoken_digits("test").features)[:FRAMES, 0]  # type: ignore[misc]
    deck = network_transistors(design, x, find_pdk())
    names = [f"i(v.{probe.instance}.vstages)" for probe in deck.probes.values()]
    waves = run_deck(
        deck.deck.with_saves(*names).text,
        stop_time=deck.schedule.duration,
        timeout=1800.0,
        allowed_paths=deck.allowed_paths,
    )
    window = (deck.schedule.first_frame * design.timing.period, np.inf)
    supply = design.technology.supply
    total = -mean(waves, "i(vdd)", window) * supply
    stages = sum(mean(waves, name, window) for name in names) * supply
    ladder = design.ladders[0]
    units = sum(p for cell in range(ladder.width) for p, _ in bias_units(design, ladder, cell).values())
    return total, float(stages), units / REFERENCE_UNITS * design.unit_current * supply


def _core(milliseconds: int) -> None:
    @TOPIC.measure(
        f"power-core-{milliseconds}ms",
        f"Mean power of the stages of {CORE} at {milliseconds} ms per step, whole network in one deck.",
    )
    def measured(quick: bool) -> Measured:
        if quick:
            design = two_ladders("standard")
            return Measured(float(design.stages), "stages", Bound(), {"note": "the core runs in the full version only"})
        total, stages, bias = core(milliseconds * 1e-3)
        wanted = milliseconds == 30
        return Measured(
            stages * 1e9,
            "nW",
            Bound.at_most(120) if wanted else Bound(),
            {
                "stages": "64, 16 ladders of 4",
                "frames": FRAMES,
                "whole network with weights, inputs, readout, lines and bias": f"{total * 1e9:.0f} nW",
                "bias copies of the ladders in it": f"{bias * 1e9:.0f} nW",
            },
        )


for _milliseconds in (10, 30):
    _core(_milliseconds)
