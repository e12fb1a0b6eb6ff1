"""Exact conversions of recurrent cells to those that circuits hold: levels -1 and 1, or whole levels from a whole s_0.

Each is a pure function Network -> Converted. Where a cell's output changes, h = scale h' + shift, a layer `<cell>_out`
behind it gives h to its readers; `folding` then moves it into their weights and biases.
"""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from analogrnn.convert.folding import Names, chosen
from analogrnn.convert.graph import Graph
from analogrnn.convert.records import Change, Converted, units
from analogrnn.network import Cmru, FirstQuadrantBmru, Linear, Network, Scale

# A cell whose inputs are all zero has a candidate of exactly zero, a tie with b_lo = 0 that resets it. Folded offsets
# reach zero to rounding only, some 1e-16: the window narrows by this fraction of b_hi, so that ties stay decided
TIE = 1e-12


def first_quadrant(network: Network, layers: Names = None) -> Converted:
    """Make each first-quadrant BMRU a BMRU with levels -1 and 1.

    The candidate is compared with its centre (b_lo + b_hi) / 2 by half the window (b_hi - b_lo) / 2, and the output
    alpha {0, 1} becomes alpha / 2 {-1, 1} + alpha / 2. The rectifier before the comparison changes nothing, since
    0 <= b_lo. This gives the cell a clock, and allows b_lo = 0 and stacks. `layers` names the cells.
    """
    graph = Graph(network)
    changes = []
    for layer in network.layers:
        if not isinstance(layer, FirstQuadrantBmru) or not chosen(layers, layer.name):
            continue
        assert layer.initial is not None
        half = layer.alpha / 2.0
        cell = Cmru(
            layer.name,
            layer.weight,
            layer.bias - (layer.b_lo + layer.b_hi) / 2.0,
            threshold=(layer.b_hi - layer.b_lo) / 2.0 - TIE * layer.b_hi,
            alpha=half,
            eps=0.0,
            initial=2.0 * layer.initial - 1.0,
            sources=graph[layer.name].sources,
        )
        graph.put(cell)
        _append(graph, layer.name, np.ones(layer.width), half)
        text = "a BMRU with its centre (b_lo + b_hi)/2 and half window (b_hi - b_lo)/2; alpha/2 goes to its readers"
        changes.append(Change("first-quadrant", layer.name, text))
    return _done(network, graph, changes)


def constant_threshold(network: Network, layers: Names = None) -> Converted:
    """Write each constant threshold of a CMRU as max(|threshold|, floor), as the cell compares it."""
    graph = Graph(network)
    changes = []
    for layer in _cmrus(network, layers):
        if layer.threshold_weight is not None or (layer.threshold_floor is None and np.all(layer.threshold >= 0.0)):
            continue
        floor = 0.0 if layer.threshold_floor is None else layer.threshold_floor
        graph.replace(layer.name, threshold=np.maximum(np.abs(layer.threshold), floor), threshold_floor=None)
        changes.append(Change("threshold", layer.name, "its magnitude, which the cell compares"))
    return _done(network, graph, changes)


def drop_silent(network: Network, layers: Names = None) -> Converted:
    """Drop the units of each CMRU whose alpha is 0: their output is 0 whatever their state."""
    graph = Graph(network)
    changes = []
    for layer in _cmrus(network, layers):
        silent = layer.alpha == 0.0
        if not silent.any():
            continue
        sources, none = graph[layer.name].sources, np.zeros(layer.width)
        if silent.all():
            graph.put(Linear(layer.name, np.zeros_like(layer.weight), none, sources=sources))
        else:
            kept = np.flatnonzero(~silent)
            graph.put(replace(_taken(layer, kept), sources=sources))
            name = graph.fresh(f"{layer.name}_kept")
            graph.insert_after(layer.name, Linear(name, np.eye(layer.width)[:, kept], none))
        changes.append(Change("silent", layer.name, f"{units(silent)} dropped, alpha = 0"))
    return _done(network, graph, changes)


def _taken(layer: Cmru, kept: np.ndarray) -> Cmru:
    """The units `kept` of a layer."""

    given: dict[str, Any] = {item.name: getattr(layer, item.name) for item in fields(layer)}
    return replace(layer, **{name: value[kept] for name, value in given.items() if isinstance(value, np.ndarray)})


def positive_alpha(network: Network, layers: Names = None) -> Converted:
    """Move the sign of each negative alpha of a CMRU into the weights of the cell's readers."""
    graph = Graph(network)
    changes = []
    for layer in _cmrus(network, layers):
        negative = layer.alpha < 0.0
        if not negative.any():
            continue
        graph.replace(layer.name, alpha=np.abs(layer.alpha))
        _append(graph, layer.name, np.where(negative, -1.0, 1.0), np.zeros(layer.width))
        changes.append(Change("alpha", layer.name, f"the sign of alpha goes to its readers ({units(negative)})"))
    return _done(network, graph, changes)


def whole_initial(network: Network, layers: Names = None) -> Converted:
    """Move each initial state that is no whole number into the biases of the cell's readers: s = s_0 + k.

    The steps of a CMRU with eps = 1 are whole, so that its state is s_0 plus a whole level. Only an unbounded ladder
    converts: the end of a finite one would cut the state at another distance from s_0.
    """
    graph = Graph(network)
    changes = []
    for layer in _cmrus(network, layers):
        assert layer.initial is not None
        low, high = layer.bounds
        real = (layer.initial != np.floor(layer.initial)) & np.isinf(low) & np.isinf(high)
        if layer.eps != 1.0 or not real.any():
            continue
        graph.replace(layer.name, initial=np.where(real, 0.0, layer.initial))
        _append(graph, layer.name, np.ones(layer.width), np.where(real, layer.alpha * layer.initial, 0.0))
        changes.append(Change("initial", layer.name, f"alpha s_0 goes to the biases of its readers ({units(real)})"))
    return _done(network, graph, changes)


def _cmrus(network: Network, layers: Names) -> list[Cmru]:
    return [layer for layer in network.layers if isinstance(layer, Cmru) and chosen(layers, layer.name)]


def _append(graph: Graph, name: str, scale: np.ndarray, shift: np.ndarray) -> None:
    """Put h = scale h' + shift between the cell `name` and its readers."""
    graph.insert_after(name, Scale(graph.fresh(f"{name}_out"), scale, shift))


def _done(network: Network, graph: Graph, changes: list[Change]) -> Converted:
    return Converted(graph.network(), tuple(changes)) if changes else Converted(network)
