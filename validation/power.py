"""Power, energy and area: compared with ngspice's own integral, by block, and how they grow."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from analogrnn import datasets, library
from analogrnn.analysis.power.area import area_report
from analogrnn.analysis.power.report import PowerReport, analyze_power
from analogrnn.analysis.power.scaling import BOUND, Scaling, random_network, scale_levels, scale_states
from analogrnn.analysis.power.spice import SlicePower, network_power, slice_power
from analogrnn.design import Design
from analogrnn.figures.power import draw_power_blocks, draw_power_scaling
from analogrnn.mapping import MappingOptions, map_network, stage_options
from analogrnn.network import Cmru, Linear, Network, Pooling
from analogrnn.network.files import load
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Measured, Topic

TOPIC = Topic("power")
NETWORK = "digits_d16_k2"
STATES, QUICK_STATES = (4, 8, 16, 32, 64, 128), (16, 32, 64)
LEVELS = (2, 4, 8, 16)
TOLERANCE = 0.05
WORDS = {"standard": "standard stage (2 x 18 um, 0.24 nA, 10 ms per step)", "default": "default mapping (10 x 10 um)"}
DOCS = Path(__file__).resolve().parents[1] / "docs"


@lru_cache(maxsize=4)
def _mapped(stage: str) -> tuple[Design, np.ndarray]:
    network = load(library.network_path(NETWORK))
    assert network.encoding is not None
    x = network.encoding(datasets.spoken_digits("test").features)
    return map_network(network, load_technology(), stage_options(stage)), x


@lru_cache(maxsize=4)
def _report(stage: str) -> PowerReport:
    return analyze_power(*_mapped(stage))


@lru_cache(maxsize=4)
def _slices(stage: str, quick: bool) -> list[SlicePower]:
    design, x = _mapped(stage)
    if quick:
        return slice_power(design, x[:6, 0], [0])
    return slice_power(design, x[:, 0], range(16) if stage == "standard" else (0, 5, 10, 15))


def _against_ngspice(stage: str) -> None:
    @TOPIC.measure(
        f"ngspice-{stage}",
        "Predicted supply current of ladders with front end and inputs, compared with ngspice's integral, "
        f"{stage} mapping: worst ladder.",
    )
    def ngspice(quick: bool) -> Measured:
        found = _slices(stage, quick)
        errors = [one.total_predicted / one.total - 1.0 for one in found]
        stages = [one.stages_predicted / one.stages - 1.0 for one in found]
        levels = sum(one.same_levels for one in found)
        seen, predicted = sum(one.total for one in found), sum(one.total_predicted for one in found)
        worst = float(np.abs(errors).max())
        return Measured(
            worst,
            "relative",
            Bound.below(TOLERANCE),
            {
                "network": NETWORK,
                "mapping": WORDS[stage],
                "ladders": len(found),
                "clips": 1,
                "error of their sum": f"{100 * (predicted / seen - 1.0):+.2f} %",
                "stages alone, worst": f"{100 * np.abs(stages).max():.2f} %",
                "ladders with the predicted levels": f"{levels} of {len(found)}",
            },
            also={"all levels as predicted": levels == len(found)},
        )


_against_ngspice("standard")
_against_ngspice("default")


@TOPIC.measure(
    "ngspice-network",
    "Predicted supply current of a whole network in one deck, readout included, compared with ngspice.",
)
def whole(quick: bool) -> Measured:
    """All ladders, weights and the readout in one deck."""
    design, x = _mapped("standard")
    frames = 4
    if quick:
        small = random_network(2, 2, 1)
        design = map_network(small, load_technology(), replace(stage_options("standard"), input_bound=BOUND))
        x, frames = np.random.default_rng(1).uniform(-2.0, 2.0, (2, 1, 2)), 2
    seen, predicted = network_power(design, x[:frames, 0])
    error = abs(predicted / seen - 1.0)
    name = "a random network of d = 2" if quick else f"{NETWORK}, all of it, readout included"
    return Measured(
        error,
        "relative",
        Bound.below(TOLERANCE),
        {
            "network": name,
            "mapping": "standard stage",
            "frames": frames,
            "predicted": f"{predicted * 1e9:.1f} nA",
            "ngspice": f"{seen * 1e9:.1f} nA",
        },
    )


def _total(stage: str) -> None:
    @TOPIC.measure(f"total-{stage}", f"Mean power of {NETWORK} over all test clips, {stage} mapping.")
    def total(quick: bool) -> Measured:
        report, area = _report(stage), area_report(_mapped(stage)[0])
        if not quick and stage == "standard":
            draw_power_blocks(report, f"{NETWORK}, standard stage", DOCS / "power_blocks.png")
        parts = {name: f"{report.supply * value * 1e9:.1f} nW" for name, value in report.blocks.items()}
        return Measured(
            report.total * 1e9,
            "nW",
            Bound(),
            {
                "mapping": WORDS[stage],
                "clips": report.clips,
                **parts,
                "gates": f"{sum(area.gates.values()) * 1e12:,.0f} um2",
                "capacitors": f"{area.capacitors * 1e12:,.0f} um2",
                "layout": f"{area.total * 1e6:.2f} mm2",
                "declared overhead of the layout": f"{area.overhead:g}",
            },
        )


_total("standard")
_total("default")


@TOPIC.measure("energy", "Energy of one inference with the standard stage, reset and presets included.")
def energy(quick: bool) -> Measured:
    standard, default = _report("standard"), _report("default")
    return Measured(
        standard.energy * 1e9,
        "nJ",
        Bound(),
        {
            "network": NETWORK,
            "steps": standard.steps,
            "step": f"{standard.period * 1e3:g} ms",
            "energy per step": f"{standard.energy_step * 1e9:.2f} nJ",
            "answer after the first frame": f"{standard.latency * 1e3:.0f} ms",
            "default mapping": f"{default.energy * 1e9:.0f} nJ, {default.latency * 1e3:.0f} ms",
        },
    )


@TOPIC.measure("published", "Power of a random BMRU network of the published size in our circuits, standard stage.")
def published(quick: bool) -> Measured:
    """Published: a first-quadrant BMRU of d = 4 on 13 MFCC. Ours of the same size: clocked ladders of one level."""
    rng = np.random.default_rng(4)
    d, inputs = 4, 13
    cell = Cmru(
        "cell",
        rng.normal(0.0, 1.0 / np.sqrt(inputs), (d, inputs)),
        np.zeros(d),
        threshold=np.ones(d),
        alpha=np.full(d, 0.5),
        eps=0.0,
        k_min=-1,
        k_max=1,
        initial=np.full(d, -1.0),
    )
    network = Network((cell, Pooling("pool"), Linear("readout", rng.normal(0.0, 0.5, (2, d)), np.zeros(2))))
    x = np.clip(rng.normal(0.0, 1.0, (32, 50, inputs)), -BOUND, BOUND)
    powers = {}
    for name, options in (
        ("standard stage, 10 ms", stage_options("standard")),
        ("1 unit = 1 nA, 10 x 10 um", MappingOptions()),
    ):
        powers[name] = analyze_power(map_network(network, load_technology(), replace(options, input_bound=BOUND)), x)
    value = powers["standard stage, 10 ms"].total * 1e9
    listing = {name: f"{report.total * 1e9:.0f} nW" for name, report in powers.items()}
    return Measured(
        value,
        "nW",
        Bound(),
        {
            "size": "d = 4, 13 inputs, 2 outputs",
            **listing,
            "published": "about 100 nW for keyword spotting, d = 4, 10 ms per frame (arXiv 2605.15216)",
        },
    )


@lru_cache(maxsize=4)
def _states(quick: bool, normalised: bool) -> Scaling:
    options = replace(stage_options("standard"), input_bound=BOUND)
    return scale_states(load_technology(), options, QUICK_STATES if quick else STATES, normalised=normalised)


@TOPIC.measure(
    "scaling-linear", "Power of the recurrence grows linearly with the state dimension d, as published: exponent."
)
def linear(quick: bool) -> Measured:
    found = _states(quick, False)
    return Measured(
        found.recurrent_slope,
        "exponent",
        Bound.near(1, 0.1),
        {"networks": "random", "d": f"{found.size[0]:g} to {found.size[-1]:g}"},
    )


@TOPIC.measure(
    "scaling-quadratic",
    "Power of the feedforward weights (d x d) grows quadratically with d, as published, for weights of a given "
    "size: exponent.",
)
def quadratic(quick: bool) -> Measured:
    found, other = _states(quick, False), _states(quick, True)
    return Measured(
        found.feedforward_slope,
        "exponent",
        Bound.near(2, 0.1),
        {"exponent with weights of 1/sqrt(d)": f"{other.feedforward_slope:.2f}"},
    )


@TOPIC.measure("scaling-levels", "Power of a ladder per stage, fitted over the number of stages.")
def levels(quick: bool) -> Measured:
    options = replace(stage_options("standard"), input_bound=BOUND)
    found = scale_levels(load_technology(), options, LEVELS[:3] if quick else LEVELS)
    if not quick:
        named = {"weights of a given size": _states(False, False), "weights of 1/sqrt(d)": _states(False, True)}
        draw_power_scaling(
            named, found, "Random networks, one a size, standard stage at 10 ms per step", DOCS / "power_scaling.png"
        )
    each, fixed = np.polyfit(found.size, found.recurrent * 1e9 / 8, 1)
    return Measured(
        float(each),
        "nW per stage",
        Bound(),
        {
            "network": "random, d = 8",
            "stages": f"2 to {found.size[-1]:g}",
            "independent of the stages": f"{fixed:.2f} nW",
        },
    )
