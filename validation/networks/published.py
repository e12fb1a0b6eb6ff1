"""A CMRU as published: input-dependent thresholds, unbounded, real initial states; from checkpoint to transistors."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from analogrnn.agreement import Agreement, AgreementSetup, Observed, check_agreement, compare
from analogrnn.agreement.reference import nominal_reference
from analogrnn.chip import nominal_chip
from analogrnn.convert import Converted, convert_exact, floor_thresholds, ladder_from_data
from analogrnn.datasets import LabelledClips
from analogrnn.design import Design
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.montecarlo.score import Variability, score_chips
from analogrnn.network import Cmru, Layer, Linear, Network, forward
from analogrnn.simulate import simulate
from analogrnn.spice.run_network import Simulation, run_network
from analogrnn.spice.transistor_network import TransistorSetup
from analogrnn.statistics import proportion_interval
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Measured
from validation.networks.agreements import transistor_rows
from validation.networks.bench import TOPIC, WORKERS, clips, imported, memory_of, spread_clips

NAME = "published_cmru"
LEVELS = 2  # of the ladders, to each side of the initial state: chosen on validation clips, as was the floor
FLOOR = 0.5
CHIPS, CLIPS = 50, 20
WHOLE = 5  # of the clips on which all units run in transistors; on the others SAMPLED run
SAMPLED = (0, 12, 24)
QUICK_CELLS = (2, 5)


@dataclass(frozen=True, eq=False)
class Ready:
    """The network as imported, as converted for a circuit, and the test clips."""

    source: Network
    converted: Converted
    test: LabelledClips


def shortened(network: Network, levels: int) -> Network:
    """The network with ladders of so many levels to each side of the initial state."""
    layers = tuple(
        replace(layer, k_min=-levels, k_max=levels) if isinstance(layer, Cmru) else layer for layer in network.layers
    )
    return replace(network, layers=layers)


@lru_cache(maxsize=1)
def ready() -> Ready:
    """Exact conversions, short ladders, floors of thresholds, and the levels that the training clips reach."""
    source, train = imported(NAME), clips("spoken_digits", "train").x
    result = convert_exact(source)
    result = result.then(Converted(shortened(result.network, LEVELS)))
    result = result.then(floor_thresholds(result.network, train, value=FLOOR))
    result = result.then(ladder_from_data(result.network, train))
    return Ready(source, result, clips("spoken_digits", "test"))


@lru_cache(maxsize=4)
def mapped(stage: str) -> Design:
    """The converted network on 10 x 10 um devices, or with the standard stage."""
    options = MappingOptions.standard() if stage == "standard" else MappingOptions()
    return map_network(ready().converted.network, load_technology(), replace(options, input_bound=3.0))


def accuracy(network: Network, test: LabelledClips) -> float:
    """Share of the clips of the right class in the digital network."""
    return float(np.mean(forward(network, test.x).classes == test.labels))


@TOPIC.measure("published-digital", "Test accuracy of a published-style CMRU (d = 32) on spoken digits, as imported.")
def digital(quick: bool) -> Measured:
    r = ready()
    value = accuracy(r.source, r.test)
    low, high = proportion_interval(round(value * len(r.test)), len(r.test))
    return Measured(
        value,
        "accuracy",
        Bound.at_least(0.98),
        {"test clips": len(r.test), "interval": f"{low:.3f} to {high:.3f}", "trained by": "published_cmru.py"},
    )


@TOPIC.measure("published-converted", "Test accuracy of the published-style CMRU after its conversion for a circuit.")
def converted(quick: bool) -> Measured:
    r = ready()
    network = r.converted.network
    cell = next(layer for layer in network.layers if isinstance(layer, Cmru))
    low, high = cell.bounds
    value = accuracy(network, r.test)
    bounds = proportion_interval(round(value * len(r.test)), len(r.test))
    return Measured(
        value,
        "accuracy",
        Bound.at_least(0.96),
        {
            "test clips": len(r.test),
            "interval": f"{bounds[0]:.3f} to {bounds[1]:.3f}",
            "levels": f"{low.min():g} to {high.max():g}",
            "stages": int((high - low).sum()),
            "changes": "; ".join(f"{change.conversion}: {change.text}" for change in r.converted.changes),
        },
    )


@TOPIC.measure(
    "published-nominal",
    "Steps at which the nominal chip of the published-style CMRU equals the converted digital network.",
)
def nominal(quick: bool) -> Measured:
    r = ready()
    digital_run = forward(r.converted.network, r.test.x)
    equal = {
        stage: simulate(nominal_chip(mapped(stage)), r.test.x).levels["cell"] == digital_run.states["cell"]
        for stage in ("10 um", "standard")
    }
    return Measured(
        float(np.mean([np.mean(one) for one in equal.values()])),
        "of steps",
        Bound.equals(1.0),
        {
            "test clips": len(r.test),
            "unit-steps": sum(one.size for one in equal.values()),
            "mapped as": ", ".join(equal),
        },
    )


def _chips(stage: str, bound: Bound) -> None:
    @TOPIC.measure(
        f"published-chips-{stage.replace(' ', '')}",
        f"Mean test accuracy of mismatched chips of the published-style CMRU with noise, {stage} devices.",
    )
    def on_chips(quick: bool) -> Measured:
        r, chips = ready(), 5 if quick else CHIPS
        test = r.test.take(slice(None, None, 5)) if quick else r.test
        found = (score_chips(mapped(stage), test.x, range(chips), Variability(seed=1)) == test.labels).mean(axis=1)
        return Measured(
            float(found.mean()),
            "accuracy",
            Bound() if quick else bound,
            {
                "chips": chips,
                "test clips": len(test),
                "standard error": f"{found.std(ddof=1) / np.sqrt(chips):.4f}",
                "5th percentile": f"{np.percentile(found, 5):.3f}",
                "worst chip": f"{found.min():.3f}",
            },
        )


_chips("10 um", Bound.at_least(0.96))
_chips("standard", Bound())


@lru_cache(maxsize=2)
def agreement(quick: bool) -> Agreement:
    """The converted network in transistors at the standard stage: whole on some clips, three of its units on others.

    Quick: a few steps of two of its units.
    """
    r = ready()
    network, design, x = r.converted.network, mapped("standard"), r.test.x
    if quick:
        network = some_units(network, QUICK_CELLS)
        design = map_network(network, load_technology(), replace(MappingOptions.standard(), input_bound=3.0))
        return check_agreement(network, design, x[:4, :1], AgreementSetup("transistor", workers=WORKERS))
    chosen = spread_clips(x.shape[1], CLIPS)
    whole = _some(x[:, chosen[:: CLIPS // WHOLE][:WHOLE]], None)
    others = np.setdiff1d(chosen, chosen[:: CLIPS // WHOLE][:WHOLE])
    return merged(whole, _some(x[:, others], SAMPLED))


def _some(x: np.ndarray, cells: tuple[int, ...] | None) -> Agreement:
    """Some units (None: all) on clips x."""
    design = mapped("standard")
    simulation = Simulation(TransistorSetup(), cells=cells, workers=WORKERS, memory=memory_of(False))
    reference = nominal_reference(design, forward(ready().converted.network, x))
    return compare("transistor", design, reference, Observed.of(run_network(design, x, simulation)))


def merged(one: Agreement, other: Agreement) -> Agreement:
    """The counts of both; classes are those of `one`."""
    counts = ("clips", "steps_checked", "steps_equal", "thermometer_violations", "stage_steps_checked")
    sums = {name: getattr(one, name) + getattr(other, name) for name in (*counts, "stage_steps_equal", "undecided")}
    return replace(
        one, **sums, first_errors=one.first_errors + other.first_errors, failures=one.failures + other.failures
    )


def some_units(network: Network, cells: tuple[int, ...]) -> Network:
    """A few units of the cell with their part of the readout."""
    chosen = list(cells)
    layers: list[Layer] = []
    for layer in network.layers:
        match layer:
            case Cmru():
                fields = ("weight", "bias", "threshold", "threshold_weight", "threshold_floor", "alpha", "initial")
                changed: dict[str, Any] = {name: getattr(layer, name)[chosen] for name in fields}
                changed |= dict(zip(("k_min", "k_max"), (end[chosen] for end in layer.bounds), strict=True))
                layers.append(replace(layer, **changed))
            case Linear():
                layers.append(replace(layer, weight=layer.weight[:, chosen]))
            case _:
                layers.append(layer)
    return replace(network, layers=tuple(layers))


transistor_rows(
    "published",
    "a published-style CMRU",
    {"stage": "standard", "units": f"32 on {WHOLE} clips, {len(SAMPLED)} of them on the others"},
    agreement,
)
