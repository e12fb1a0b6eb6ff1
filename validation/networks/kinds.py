"""The ten imported kinds as circuits: converted exactly where possible, else within a stated error, and mapped."""

from dataclasses import dataclass

import numpy as np

from analogrnn.convert import convert_exact, floor_thresholds, ladder_from_data, prune
from analogrnn.errors import AnalogrnnError
from analogrnn.hybrid import is_hybrid, map_hybrid, simulate_hybrid
from analogrnn.mapping import MappingOptions
from analogrnn.network import Cmru, Network, forward
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import Measured
from validation.networks.bench import TOPIC, clips, imported, keyword_clips
from validation.networks.imports import WHAT
from validation.networks.published import shortened

LEVELS = 16  # of the ladders, to each side of the initial state
FLOOR = 0.5  # of thresholds that depend on the inputs
SMALLEST = 1e-3  # weight that gets a mirror
UNIT = 0.24e-9  # A, as in the standard stage: leaves room for large thresholds in weak inversion


@dataclass(frozen=True)
class Fate:
    """What became of a checkpoint: accuracy as imported, of the converted network, of its nominal chip, equal steps."""

    before: float
    after: float
    nominal: float
    steps_equal: float
    analog: bool

    def text(self) -> str:
        kind = "circuit" if self.analog else "hybrid"
        return (
            f"{kind}; accuracy {self.before:.3f} imported, {self.after:.3f} converted, {self.nominal:.3f} nominal chip"
        )


def for_circuits(network: Network, train: np.ndarray) -> Network:
    """All exact conversions, floors, and the levels that the training clips reach, at most LEVELS to each side."""
    found = convert_exact(network).network
    cells = [layer for layer in found.layers if isinstance(layer, Cmru) and layer.eps == 1.0]
    if any(layer.threshold_weight is not None for layer in cells):
        found = floor_thresholds(found, train, value=FLOOR).network
    if any(np.isinf(layer.bounds[1]).any() for layer in cells):
        found = shortened(found, LEVELS)
    found = ladder_from_data(found, train).network if cells else found
    return prune(found, train, SMALLEST).network


def fate(name: str, quick: bool) -> Fate:
    """Import, convert, map on 10 x 10 um devices and run the nominal chip. Raises what these raise."""
    parts = [
        keyword_clips(part) if name == "published_hardware" else clips("spoken_digits", part)
        for part in ("train", "test")
    ]
    train, test = (
        part.take(slice(None, None, every)) for part, every in zip(parts, (80, 30) if quick else (8, 1), strict=True)
    )
    source = imported(name)
    network = for_circuits(source, train.x)
    hybrid = map_hybrid(network, load_technology(), train.x, MappingOptions(unit_current=UNIT, input_bound=3.0))
    run, digital = simulate_hybrid(hybrid, test.x), forward(network, test.x)
    equal = [
        np.mean(levels == np.rint(digital.states[layer]))
        for one in run.runs.values()
        for layer, levels in one.levels.items()
    ]
    before, after, nominal = (
        float(np.mean(found.classes == test.labels)) for found in (forward(source, test.x), digital, run)
    )
    return Fate(before, after, nominal, float(np.mean(equal)), not is_hybrid(network))


@TOPIC.measure(
    "kinds-mapped",
    "Of the ten imported kinds, those that map after their conversion, with a nominal chip equal to the converted "
    "digital network at every step.",
)
def mapped(quick: bool) -> Measured:
    fates: dict[str, Fate | str] = {}
    for name in WHAT:
        try:
            fates[name] = fate(name, quick)
        except AnalogrnnError as error:
            fates[name] = f"refused: {error}"
    good = [one for one in fates.values() if isinstance(one, Fate) and one.steps_equal == 1.0]
    figures = {name: one.text() if isinstance(one, Fate) else one for name, one in fates.items()}
    return Measured(
        len(good) / len(WHAT),
        "of kinds",
        Bound.equals(1.0),
        {"ladders": f"at most {LEVELS} levels to each side", "floor": FLOOR, "pruned below": SMALLEST, **figures},
    )
