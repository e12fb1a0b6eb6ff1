"""The published hardware shape, 13 -> 4 -> 2, and a vote over 101 frames, on a keyword task: ideal and transistors."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from analogrnn.agreement import Agreement, AgreementSetup, Level, check_agreement
from analogrnn.analysis.power.report import analyze_power
from analogrnn.analysis.power.spice import network_power
from analogrnn.chip import nominal_chip
from analogrnn.convert import convert_exact
from analogrnn.design import Design
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.montecarlo.score import Variability, score_chips
from analogrnn.network import Cmru, Layer, Linear, Network, forward
from analogrnn.simulate import simulate
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Figures, Measured
from validation.networks.agreements import transistor_rows
from validation.networks.bench import TOPIC, WORKERS, imported, keyword_clips, memory_of, spread_clips

NAME = "published_hardware"
CLIPS: dict[Level, int] = {"ideal": 5, "transistor": 2}
CHIPS = 50
PUBLISHED_POWER = 100e-9  # W, about, of the whole network at 1 unit = 1 nA; Fyon et al., arXiv 2605.15216
STAGES = {"standard": MappingOptions.standard(), "1 nA": replace(MappingOptions.standard(), unit_current=1e-9)}
# Rectified currents charge their lines; this many times the trained ones do so within the published 10 ms per frame.
GAINS = {"standard": 12.0, "1 nA": 4.0}


@lru_cache(maxsize=4)
def converted(stage: str) -> Network:
    """The network after all exact conversions, with larger currents between its layers."""
    return scaled(convert_exact(imported(NAME)).network, GAINS[stage])


def scaled(network: Network, gain: float) -> Network:
    """The same outputs with `gain` times the values behind every ReLU and cell: exact, since a ReLU is homogeneous."""
    layers: list[Layer] = []
    for layer in network.layers:
        match layer.name, layer:
            case "fc1", Linear():
                layers.append(replace(layer, weight=gain * layer.weight, bias=gain * layer.bias))
            case "fc2", Linear():
                layers.append(replace(layer, bias=gain * layer.bias))
            case "readout", Linear():
                layers.append(replace(layer, weight=layer.weight / gain))
            case _, Cmru():
                layers.append(replace(layer, weight=layer.weight / gain, alpha=gain * layer.alpha))
            case _:
                layers.append(layer)
    return replace(network, layers=tuple(layers))


@lru_cache(maxsize=4)
def mapped(stage: str) -> Design:
    """The network with the standard stage, at its own unit current or at the published one."""
    return map_network(converted(stage), load_technology(), replace(STAGES[stage], input_bound=3.0))


def judged(classes: np.ndarray) -> tuple[float, Figures]:
    """The mean accuracy of both classes on all test clips, and what belongs to it; classes (S,) or (chips, S)."""
    labels = keyword_clips("test").labels
    right = classes == labels
    found, others = float(right[..., labels == 1].mean()), float(right[..., labels == 0].mean())
    return (found + others) / 2.0, {
        "keyword clips": int((labels == 1).sum()),
        "other clips": int((labels == 0).sum()),
        "keywords found": f"{found:.3f}",
        "others left alone": f"{others:.3f}",
        "plain accuracy": f"{right.mean():.3f}",
    }


@TOPIC.measure(
    "hardware-digital",
    "Mean accuracy of both classes, one spoken digit against the others, of the published hardware shape as imported.",
)
def digital(quick: bool) -> Measured:
    value, figures = judged(forward(imported(NAME), keyword_clips("test").x).classes)
    return Measured(value, "accuracy", Bound.at_least(0.9), {**figures, "frames": 101, "trained by": "ten_kinds.py"})


@TOPIC.measure(
    "hardware-nominal", "Steps at which the nominal chip of the published hardware shape equals the digital network."
)
def nominal(quick: bool) -> Measured:
    x = keyword_clips("test").x
    equal = []
    for stage in STAGES:
        run = forward(converted(stage), x)
        found = simulate(nominal_chip(mapped(stage)), x).levels
        equal += [np.mean(found[name] == as_levels(run.states[name])) for name in found]
    return Measured(
        float(np.mean(equal)), "of steps", Bound.equals(1.0), {"test clips": x.shape[1], "mapped at": ", ".join(STAGES)}
    )


def as_levels(states: np.ndarray) -> np.ndarray:
    """States as levels."""
    return np.rint(states).astype(int)


@TOPIC.measure(
    "hardware-chips",
    "Mean accuracy of both classes over mismatched chips of the published hardware shape, standard stage.",
)
def on_chips(quick: bool) -> Measured:
    chips = 5 if quick else CHIPS
    classes = score_chips(mapped("standard"), keyword_clips("test").x, range(chips), Variability(seed=1))
    value, figures = judged(classes)
    return Measured(value, "accuracy", Bound(), {"chips": chips, "device size": "2 x 18 um", **figures})


@lru_cache(maxsize=4)
def agreement(level: Level, quick: bool) -> Agreement:
    """The network in ngspice at the standard stage; quick: the first steps of one clip."""
    x = keyword_clips("test").x
    x = x[:2, :1] if quick else x[:, spread_clips(x.shape[1], CLIPS[level])]
    return check_agreement(
        converted("standard"), mapped("standard"), x, AgreementSetup(level, workers=WORKERS, memory=memory_of(quick))
    )


@TOPIC.measure(
    "hardware-ideal", "Stages of the published hardware shape with ideal subcircuits equal to the digital network."
)
def ideal(quick: bool) -> Measured:
    a = agreement("ideal", quick)
    return Measured(
        a.stage_steps_equal / max(a.stage_steps_checked, 1),
        "of stage-steps",
        Bound.equals(1.0),
        {
            "clips": a.clips,
            "stage-steps": a.stage_steps_checked,
            "same class": f"{a.classes_equal} of {a.classes_checked}",
        },
    )


transistor_rows(
    "hardware",
    "the published hardware shape",
    {"stage": "standard", "frames": 101},
    lambda quick: agreement("transistor", quick),
)


@TOPIC.measure(
    "hardware-power",
    "Power of the published hardware shape at 1 unit = 1 nA and 10 ms per frame, compared with the published power of "
    "about 100 nW.",
)
def power(quick: bool) -> Measured:
    x = keyword_clips("test").x
    reports = {stage: analyze_power(mapped(stage), x) for stage in STAGES}
    own = reports["1 nA"]
    accuracy, _ = judged(forward(imported(NAME), x).classes)
    figures: dict[str, int | float | str] = {
        "frame": f"{1e3 * mapped('1 nA').timing.period:.1f} ms",
        "frame at 0.24 nA": f"{1e3 * mapped('standard').timing.period:.1f} ms",
        "published": f"about {PUBLISHED_POWER * 1e9:.0f} nW",
        "recurrent part": f"{own.recurrent * 1e9:.0f} nW",
        "at 1 unit = 0.24 nA": f"{reports['standard'].total * 1e9:.0f} nW",
        "energy per frame at 0.24 nA": f"{reports['standard'].energy_step * 1e9:.2f} nJ",
        "accuracy": f"{accuracy:.3f}",
    }
    if not quick:
        seen, predicted = network_power(mapped("standard"), x[:4, 0])
        figures["supply current in ngspice, 4 frames"] = f"{seen * 1e9:.1f} nA, predicted {predicted * 1e9:.1f} nA"
    return Measured(own.total, "W", Bound(), figures)
