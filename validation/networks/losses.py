"""What approximate conversions cost on the test clips of spoken digits, before and after tuning."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from analogrnn.network import Cmru, Layer, Linear, Network, Pooling, forward
from analogrnn.statistics import paired, proportion_interval
from validation.bounds import Bound
from validation.claims import Measured
from validation.networks.bench import TOPIC, clips, imported

Change = Callable[[Network], Network]
FLOORS = (0.25, 0.5, 1.0)
PRUNED = (0.02, 0.05, 0.1)  # of the largest weight of a layer


def with_cell(network: Network, change: Callable[[Cmru], Cmru]) -> Network:
    """The network with its cell changed."""
    layers = tuple(change(layer) if isinstance(layer, Cmru) else layer for layer in network.layers)
    return replace(network, layers=layers)


def limited(levels: int) -> Change:
    """A ladder of fewer levels."""
    return lambda network: with_cell(network, lambda cell: replace(cell, k_min=-levels, k_max=levels))


def floored(floor: float) -> Change:
    """Thresholds of at least `floor`."""

    def change(cell: Cmru) -> Cmru:
        return replace(cell, threshold_floor=np.full(cell.width, floor))

    return lambda network: with_cell(network, change)


def constant(network: Network) -> Network:
    """Constant thresholds: the mean of |b(x)| over the training clips."""
    x = clips("spoken_digits", "train").x

    def change(cell: Cmru) -> Cmru:
        mean = np.abs(cell.thresholds(x)).mean(axis=(0, 1))
        return replace(cell, threshold=mean, threshold_weight=None)

    return with_cell(network, change)


def last_step(network: Network) -> Network:
    """The last step instead of the mean over the steps."""
    layers = tuple(replace(layer, mode="last") if isinstance(layer, Pooling) else layer for layer in network.layers)
    return replace(network, layers=layers)


def pruned(share: float) -> Change:
    """Without the weights below a share of the largest of their layer."""

    def cut(weight: np.ndarray) -> np.ndarray:
        return np.where(np.abs(weight) < share * np.abs(weight).max(), 0.0, weight)

    def change(network: Network) -> Network:
        layers: list[Layer] = []
        for layer in network.layers:
            if isinstance(layer, Cmru) and layer.threshold_weight is not None:
                layers.append(replace(layer, weight=cut(layer.weight), threshold_weight=cut(layer.threshold_weight)))
            elif isinstance(layer, Cmru | Linear):
                layers.append(replace(layer, weight=cut(layer.weight)))
            else:
                layers.append(layer)
        return replace(network, layers=tuple(layers))

    return change


@lru_cache(maxsize=16)
def right(name: str) -> np.ndarray:
    """(S,) whether the imported network gives each test clip the right class."""
    test = clips("spoken_digits", "test")
    return np.asarray(forward(imported(name), test.x).classes == test.labels)


def measured(name: str, change: Change, tuned: str = "") -> Measured:
    """Accuracy on the test clips after a change, compared clip by clip with that before it."""
    test = clips("spoken_digits", "test")
    before = right(name)
    changed = change(imported(name))
    after = np.asarray(forward(changed, test.x).classes == test.labels)
    found = paired(before, after)
    low, high = proportion_interval(int(after.sum()), len(after))
    figures: dict[str, int | float | str] = {
        "network": name,
        "test clips": len(after),
        "before": f"{before.mean():.3f}",
        "interval": f"{low:.3f} to {high:.3f}",
        "difference": f"{found.difference:+.3f} with standard error {found.error:.3f}",
        "McNemar p": f"{found.p_value:.2g}",
    }
    if tuned:
        good = right(tuned)
        low, high = proportion_interval(int(good.sum()), len(good))
        again = paired(before, good)
        figures |= {
            "after tuning": f"{good.mean():.3f} ({low:.3f} to {high:.3f})",
            "its difference": f"{again.difference:+.3f} with standard error {again.error:.3f}",
        }
    return Measured(found.accuracy, "accuracy", Bound(), figures)


def _levels(count: int) -> None:
    @TOPIC.measure(
        f"loss-levels-{count}",
        f"Test accuracy of a network trained on the levels -8..8 with ladders of -{count}..{count}.",
    )
    def levels(quick: bool) -> Measured:
        return measured("levels8", limited(count), f"levels8_to{count}")


for _count in (4, 2, 1):
    _levels(_count)


@TOPIC.measure(
    "loss-mean-threshold",
    "Test accuracy of a network with thresholds |b(x)| that become constant: their mean over the training clips.",
)
def mean_threshold(quick: bool) -> Measured:
    return measured("published_cmru", constant, "published_cmru_constant")


@TOPIC.measure(
    "loss-last-step", "Test accuracy of a network that pools the mean of all steps and takes the last step instead."
)
def mean_to_last(quick: bool) -> Measured:
    return measured("mean_pooling", last_step, "mean_pooling_to_last")


def _floor(floor: float) -> None:
    @TOPIC.measure(
        f"loss-floor-{floor:g}".replace(".", ""),
        f"Test accuracy of a network whose thresholds |b(x)| are at least {floor:g} units.",
    )
    def at_least(quick: bool) -> Measured:
        return measured("published_cmru", floored(floor))


for _floor_value in FLOORS:
    _floor(_floor_value)


def _prune(share: float) -> None:
    @TOPIC.measure(
        f"loss-prune-{100 * share:g}",
        f"Test accuracy of a network without the weights below {100 * share:g} % of the largest of their layer.",
    )
    def without(quick: bool) -> Measured:
        before, after = (
            sum(int(np.count_nonzero(getattr(layer, "weight", 0.0))) for layer in network.layers)
            for network in (imported("published_cmru"), pruned(share)(imported("published_cmru")))
        )
        found = measured("published_cmru", pruned(share))
        return replace(found, figures={**found.figures, "weights left": f"{after} of {before}"})


for _share in PRUNED:
    _prune(_share)
