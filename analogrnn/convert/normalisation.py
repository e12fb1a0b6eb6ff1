"""LayerNorm before a cell, exactly: both sides of the comparison are multiplied by the standard deviation sigma.

y = weight (x - mean) / sigma + bias, so that |W y + b| >= |W_b y + b_b| is the same as

    |W (weight (x - mean)) + (b + W bias) sigma| >= |W_b (weight (x - mean)) + (b_b + W_b bias) sigma|

with sigma > 0 as one more input. Both sides are linear in x and sigma.
"""

from dataclasses import replace

import numpy as np

from analogrnn.convert.folding import Names, chosen
from analogrnn.convert.graph import Graph
from analogrnn.convert.records import Change, Converted
from analogrnn.network import INPUT, Cmru, Deviation, LayerNorm, Network, Recurrent


def fold_layer_norm(network: Network, layers: Names = None) -> Converted:
    """Let each CMRU that reads a LayerNorm read what the norm reads, and its standard deviation as one more input.

    Only a norm at the front converts, before any recurrent layer: sigma is then computed with the inputs. A constant
    threshold becomes one that depends on sigma. Other readers keep the norm. `layers` names the norms.
    """
    graph = Graph(network)
    changes = []
    for layer in network.layers:
        if not isinstance(layer, LayerNorm) or not chosen(layers, layer.name) or not _at_front(network, layer.name):
            continue
        cells = [reader for reader in graph.readers(layer.name) if _convertible(reader, layer)]
        if not cells:
            continue
        name = graph.fresh(f"{layer.name}_sigma")
        at = graph.layers.index(graph[layer.name])
        graph.layers.insert(at, Deviation(name, layer.width, layer.epsilon, sources=graph[layer.name].sources))
        for cell in cells:
            assert isinstance(cell, Cmru)
            graph.put(replace(_times_sigma(cell, layer), sources=(name,)))
        graph.prune()
        text = f"sigma is one more input of {', '.join(cell.name for cell in cells)}, which compare c sigma"
        changes.append(Change("layer-norm", layer.name, text))
    return Converted(graph.network(), tuple(changes)) if changes else Converted(network)


def _at_front(network: Network, name: str) -> bool:
    """Whether no recurrent layer stands before the layer `name`."""
    before, open_ = {INPUT}, [name]
    while open_:
        layer = open_.pop()
        if layer not in before:
            before.add(layer)
            open_ += network.sources(layer)
    return not any(isinstance(network.layer(layer), Recurrent) for layer in before - {INPUT})


def _convertible(reader: object, norm: LayerNorm) -> bool:
    return isinstance(reader, Cmru) and reader.sources == (norm.name,) and reader.threshold_floor is None


def _times_sigma(cell: Cmru, norm: LayerNorm) -> Cmru:
    """The cell for inputs (x, sigma) in place of the normalised x."""
    d = norm.width
    centred = norm.weight[:, None] * (np.eye(d) - 1.0 / d)

    def rows(weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        return np.concatenate([weight @ centred, (bias + weight @ norm.bias)[:, None]], axis=1)

    own = np.zeros_like(cell.weight) if cell.threshold_weight is None else cell.threshold_weight
    return replace(
        cell,
        weight=rows(cell.weight, cell.bias),
        bias=np.zeros(cell.width),
        threshold=np.zeros(cell.width),
        threshold_weight=rows(own, cell.threshold),
    )
