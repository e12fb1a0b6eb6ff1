"""Conversions within an error that is measured on data: finite ladders, floors and means of thresholds, pruning.

Each is a pure function Network -> Converted, whose changes carry the effect of that conversion on the data: the same
inputs x (T, S, D) through the network before and after it.
"""

from collections.abc import Mapping

import numpy as np

from analogrnn.convert.graph import Graph
from analogrnn.convert.records import Change, Converted, Effect, units
from analogrnn.errors import MappingError, ParameterError, in_range
from analogrnn.network import (
    AlphaCmru,
    Cmru,
    DigitalRun,
    FirstQuadrantBmru,
    Linear,
    Network,
    Recurrent,
    evaluate,
    forward,
)


def measure(before: Network, after: Network, x: np.ndarray) -> Effect:
    """The effect of a conversion on inputs x (T, S, D).

    Steps are compared where both networks have a cell of the same name and width, by its output without that of its
    initial state and up to the sign of alpha: exact conversions hand both over to the readers of the cell.
    """
    old, new = forward(before, x), forward(after, x)
    pairs = [
        (_moved(before, name, old), _moved(after, name, new))
        for name in old.outputs
        if name in new.outputs and new.outputs[name].shape == old.outputs[name].shape
    ]
    # whole steps of a state differ by rounding where it starts at a real number
    equal = [np.isclose(one, other, rtol=1e-9, atol=1e-12).ravel() for one, other in pairs]
    steps = float(np.concatenate(equal).mean()) if equal else 1.0
    error = float(np.abs(new.logits - old.logits).max())
    return Effect(steps, float(np.mean(new.classes == old.classes)), error)


def _moved(network: Network, name: str, run: DigitalRun) -> np.ndarray:
    """What a cell's output has moved from that of its initial state (T, S, d), with alpha taken as positive."""
    layer = network.layer(name)
    if isinstance(layer, Cmru | FirstQuadrantBmru):
        assert layer.initial is not None
        return np.asarray(np.abs(layer.alpha) * (run.states[name] - layer.initial))
    return run.outputs[name]


def ladder_from_data(network: Network, x: np.ndarray, quantile: float = 1.0) -> Converted:
    """Give each unit of each CMRU the levels that it reaches on inputs x (T, S, D), and no more.

    >>> finite = ar.ladder_from_data(network, x).network

    quantile  share of the unit's steps at which its level is within the ladder; 1: all, so that nothing changes on x

    A unit of a ladder that is already finite keeps the narrower of both. Raises MappingError if a unit never moves,
    ParameterError for a quantile outside [0.5, 1].
    """
    in_range("quantile", quantile, 0.5, 1.0)
    run = forward(network, x)
    graph = Graph(network)
    texts: dict[str, str] = {}
    for layer in network.layers:
        if isinstance(layer, Cmru) and layer.eps == 1.0:
            low, high = _ends(layer, run.states[layer.name], quantile)
            graph.replace(layer.name, k_min=low, k_max=high)
            texts[layer.name] = f"levels {_span(low)} to {_span(high)} per unit"
    if not texts:
        return Converted(network)
    made = graph.network()
    again = forward(made, x)
    for name in texts:
        layer = made.layer(name)
        assert isinstance(layer, Cmru)
        share = _saturated(layer, again, network, x)
        texts[name] += f"; {share:.3%} of the unit-steps saturate"
    return _measured("ladder", network, made, texts, x)


def _ends(layer: Cmru, states: np.ndarray, quantile: float) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest level (d,) of each unit; s_0 is one of its levels."""
    assert layer.initial is not None
    if np.any(layer.initial != np.floor(layer.initial)):
        raise MappingError(
            f"{layer.name}.initial has states that are no whole levels; apply the exact conversion 'initial' first, "
            "which an unbounded ladder allows."
        )
    flat = states.reshape(-1, layer.width)
    tail = (1.0 - quantile) / 2.0
    low = np.quantile(flat, tail, axis=0, method="lower")
    high = np.quantile(flat, 1.0 - tail, axis=0, method="higher")
    low, high = np.minimum(low, layer.initial), np.maximum(high, layer.initial)
    still = low == high
    if still.any():
        i = int(np.flatnonzero(still)[0])
        raise MappingError(
            f"{layer.name}: {units(still)} never {'leave' if still.sum() > 1 else 'leaves'} level {low[i]:g} on these "
            "data, so that there is no ladder to take from them; give data that move it, or set its alpha to 0, which "
            "drops it (its constant output goes into the biases of its readers)."
        )
    bounds = layer.bounds
    return np.maximum(low, bounds[0]), np.minimum(high, bounds[1])


def _span(levels: np.ndarray) -> str:
    low, high = int(levels.min()), int(levels.max())
    return str(low) if low == high else f"{low}..{high}"


def _saturated(layer: Cmru, run: DigitalRun, network: Network, x: np.ndarray) -> float:
    """Share of the unit-steps at which an update finds no further level."""
    assert layer.initial is not None
    states, candidates = run.states[layer.name], run.candidates[layer.name]
    initial = np.broadcast_to(layer.initial, states.shape[1:])[None]
    before = np.concatenate([initial, states[:-1]])
    low, high = layer.bounds
    gate = np.abs(candidates) >= np.abs(_thresholds(layer, run, network, x))
    stuck = gate & (((candidates > 0.0) & (before >= high)) | ((candidates < 0.0) & (before <= low)))
    return float(stuck.mean())


def _thresholds(layer: Cmru, run: DigitalRun, network: Network, x: np.ndarray) -> np.ndarray:
    """The thresholds of a cell at each step, from what it reads."""
    return layer.thresholds(inputs_of(network, layer.name, run, x))


def inputs_of(network: Network, name: str, run: DigitalRun, x: np.ndarray) -> np.ndarray:
    """What the layer `name` reads at each step (T, S, D) in a forward pass of x."""
    values: dict[str, np.ndarray] = {"input": np.asarray(x, dtype=np.float64)}
    for layer in network.layers:
        value = sum(values[source] for source in network.sources(layer.name))
        assert isinstance(value, np.ndarray)
        if layer.name == name:
            return value
        values[layer.name] = run.outputs[layer.name] if isinstance(layer, Recurrent) else evaluate(layer, value)
    raise ParameterError(f"the network has no layer {name!r}.")


def floor_thresholds(
    network: Network, x: np.ndarray, *, value: float | None = None, quantile: float | None = None
) -> Converted:
    """Give input-dependent thresholds a floor: max(|b(x)|, floor).

    >>> floored = ar.floor_thresholds(network, x, quantile=0.05).network

    value     the floor of all units; or
    quantile  the floor of each unit is this quantile of its |b(x)| on inputs x (T, S, D)

    The circuit needs one, since its front end compares by the window of its ladder. Raises ParameterError unless one of
    the two is given and in range.
    """
    if (value is None) == (quantile is None):
        raise ParameterError("floor_thresholds takes a value or a quantile; give one of the two.")
    if value is not None:
        in_range("value", value, 1e-6, 1e6)
    if quantile is not None:
        in_range("quantile", quantile, 0.0, 1.0)
    run = forward(network, x)
    graph = Graph(network)
    texts = {}
    for layer, b in _following(network, run, x):
        floor = np.full(layer.width, value) if quantile is None else np.quantile(b, quantile, axis=0)
        if np.any(floor <= 0.0):
            raise ParameterError(
                f"{layer.name}: the quantile {quantile:g} of |b(x)| is 0 in {units(floor <= 0.0)}; take a larger one."
            )
        graph.replace(layer.name, threshold_floor=floor)
        low, high = floor.min(), floor.max()
        shown = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
        texts[layer.name] = f"floor {shown}; |b(x)| is below it on {float(np.mean(b < floor)):.2%} of the unit-steps"
    return _measured("floor", network, graph.network(), texts, x)


def mean_thresholds(network: Network, x: np.ndarray) -> Converted:
    """Replace each input-dependent threshold by the mean of its magnitude |b(x)| on inputs x (T, S, D), per unit."""
    run = forward(network, x)
    graph = Graph(network)
    texts = {}
    for layer, b in _following(network, run, x):
        mean = b.mean(axis=0)
        graph.replace(layer.name, threshold=mean, threshold_weight=None, threshold_floor=None)
        texts[layer.name] = f"constant thresholds {mean.min():.4g} to {mean.max():.4g}, the means of |b(x)|"
    return _measured("mean-threshold", network, graph.network(), texts, x)


def _following(network: Network, run: DigitalRun, x: np.ndarray) -> list[tuple[Cmru, np.ndarray]]:
    """Cells whose thresholds depend on the inputs, each with |b(x)| (T S, d)."""
    found = []
    for layer in network.layers:
        if isinstance(layer, Cmru) and layer.threshold_weight is not None:
            found.append((layer, np.abs(_thresholds(layer, run, network, x)).reshape(-1, layer.width)))
    return found


def prune(network: Network, x: np.ndarray, below: float) -> Converted:
    """Set each weight of a magnitude below `below` to 0, so that it needs no mirror.

    Biases, thresholds and alphas are kept. Raises ParameterError for `below` outside [0, 1e6].
    """
    in_range("below", below, 0.0, 1e6)
    graph = Graph(network)
    texts: dict[str, str] = {}
    for layer in network.layers:
        if not isinstance(layer, Linear | Recurrent):
            continue
        arrays: Mapping[str, np.ndarray | None] = {
            "weight": layer.weight,
            "threshold_weight": layer.threshold_weight if isinstance(layer, Cmru) else None,
            "alpha_weight": layer.alpha_weight if isinstance(layer, AlphaCmru) else None,
        }
        given = {name: array for name, array in arrays.items() if array is not None}
        small = {name: (np.abs(array) < below) & (array != 0.0) for name, array in given.items()}
        count, total = sum(int(mask.sum()) for mask in small.values()), sum(array.size for array in given.values())
        if count:
            graph.replace(layer.name, **{name: np.where(small[name], 0.0, array) for name, array in given.items()})
            texts[layer.name] = f"{count} of {total} weights set to 0, each below {below:g}"
    return _measured("prune", network, graph.network(), texts, x)


def _measured(name: str, before: Network, after: Network, texts: Mapping[str, str], x: np.ndarray) -> Converted:
    """The changes `texts` of a conversion, each with the effect of all of them."""
    if not texts:
        return Converted(before)
    effect = measure(before, after, x)
    return Converted(after, tuple(Change(name, layer, text, False, effect) for layer, text in texts.items()))
