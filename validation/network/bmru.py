"""BMRU networks on the same path, with the published scale: 1 unit = 1 nA, 10 ms a frame."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from analogrnn import datasets, library
from analogrnn.agreement import Agreement, AgreementSetup, check_agreement
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import FirstQuadrantBmru, Linear, Network, Pooling
from analogrnn.network.files import load
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Measured
from validation.network.memory import memory_of
from validation.network.topic import CALIBRATION, TOPIC, WORKERS, spread_clips

# A. Fyon et al., arXiv 2605.15216: 1 unit is 1 nA, a frame lasts 10 ms
PUBLISHED = replace(MappingOptions.standard(), unit_current=1e-9)


@lru_cache(maxsize=2)
def signed(quick: bool) -> Agreement:
    """The shipped BMRU network, eps 0."""
    network = load(library.network_path("digits_bmru_d16"))
    assert network.encoding is not None
    x = network.encoding(datasets.spoken_digits("test").features)
    given = x[:4, :1] if quick else x[:, spread_clips(x.shape[1], 10)]
    design = map_network(network, load_technology(), PUBLISHED)
    return check_agreement(
        network, design, given, AgreementSetup("transistor", workers=WORKERS, memory=memory_of(quick))
    )


def first_quadrant_network() -> tuple[Network, np.ndarray]:
    """Random weights and thresholds, four cells, and inputs (T, S, D) that set and reset them."""
    rng = np.random.Generator(np.random.Philox(key=[5, 4]))
    weight = np.round(rng.choice([-1.0, 1.0], (4, 3)) * rng.uniform(0.3, 1.2, (4, 3)), 3)
    low = np.round(rng.uniform(0.4, 0.8, 4), 3)
    high, alpha = np.round(low + rng.uniform(0.6, 1.2, 4), 3), np.round(rng.uniform(0.4, 1.0, 4), 3)
    cell = FirstQuadrantBmru("cell", weight, np.round(rng.uniform(0.5, 1.5, 4), 3), b_lo=low, b_hi=high, alpha=alpha)
    out = Linear("readout", np.round(rng.normal(0.0, 1.0, (3, 4)), 3), np.array([0.1, 0.0, -0.1]))
    x = np.round(np.clip(rng.normal(0.0, 1.2, (32, 4, 3)), -3.0, 3.0), 3)
    return Network((cell, Pooling("pool"), out), metadata={"name": "first_quadrant"}), x


@lru_cache(maxsize=2)
def first_quadrant(quick: bool) -> Agreement:
    """No clock: the rectified candidate stays on for the whole frame."""
    network, x = first_quadrant_network()
    design = map_network(network, load_technology(), replace(PUBLISHED, input_bound=3.0))
    given = x[:6, :1] if quick else x
    return check_agreement(
        network, design, given, AgreementSetup("transistor", workers=WORKERS, memory=memory_of(quick))
    )


def _row(a: Agreement) -> Measured:
    share = a.stage_steps_equal / max(a.stage_steps_checked, 1)
    worst = max((error.distance for error in a.first_errors), default=0.0)
    return Measured(
        share,
        "of stage-steps",
        Bound.at_least(0.99),
        {
            "unit current": "1 nA",
            "frame": "10 ms",
            "device size": "2 x 18 um",
            "clips": a.clips,
            "equal stage-steps": f"{a.stage_steps_equal:,} of {a.stage_steps_checked:,}",
            "first errors": len(a.first_errors),
            "farthest from its threshold": f"{100 * worst:.2g} %",
            "same class": f"{a.classes_equal} of {a.classes_checked}",
        },
        also={
            f"first errors within {100 * CALIBRATION:g} % of a threshold": worst <= CALIBRATION,
            "same classes": a.classes_equal == a.classes_checked,
            "no failed runs": not a.failures,
        },
    )


@TOPIC.measure(
    "bmru-signed",
    "Stages of digits_bmru_d16 (eps 0, ladders of one stage) in transistors equal to those of the digital network.",
)
def bmru_signed(quick: bool) -> Measured:
    return _row(signed(quick))


@TOPIC.measure(
    "bmru-first-quadrant",
    "Stages of a random first-quadrant BMRU network in transistors equal to those of the digital network.",
)
def bmru_first_quadrant(quick: bool) -> Measured:
    return _row(first_quadrant(quick))
