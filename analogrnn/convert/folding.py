"""Exact conversions of affine layers: linear after linear, scales of norms, pooling behind the readout.

Each is a pure function Network -> Converted. With `layers`, only those layers are converted.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from analogrnn.convert.graph import Graph, behind
from analogrnn.convert.records import Change, Converted
from analogrnn.network import AlphaCmru, Cmru, FirstQuadrantBmru, Linear, Network, Pooling, Recurrent, Scale

Names = Collection[str] | None


def chosen(layers: Names, name: str) -> bool:
    """Whether a conversion that is limited to `layers` (None = all) may convert the layer `name`."""
    return layers is None or name in layers


def fold_linear(network: Network, layers: Names = None) -> Converted:
    """Fold a linear layer into each layer with weights that reads nothing else: W2 (W1 x + b1) + b2.

    A reader that adds other sources keeps it. `layers` names the linear layers that may be folded.
    """
    graph = Graph(network)
    changes: list[Change] = []
    for layer in network.layers:
        if not isinstance(layer, Linear) or not chosen(layers, layer.name):
            continue
        own = graph[layer.name]
        assert isinstance(own, Linear)
        for reader in graph.readers(layer.name):
            if isinstance(reader, Linear | Recurrent) and reader.sources == (layer.name,):
                graph.put(replace(behind(reader, own.weight, own.bias), sources=own.sources))
                changes.append(Change("linear", layer.name, f"folded into the weights and biases of {reader.name}"))
        graph.prune()
    return _done(network, graph, changes)


def fold_scale(network: Network, layers: Names = None) -> Converted:
    """Fold a scale and shift into the layers around it: into its readers' weights, or into the rows before it.

    A scale may be a stored batch normalisation, or what another conversion of a cell left for its readers. It stays
    before a layer that neither has weights nor passes it on, as a ReLU. `layers` names the scales that may be folded.
    """
    graph = Graph(network)
    changes: list[Change] = []
    for layer in network.layers:
        if not isinstance(layer, Scale) or not chosen(layers, layer.name):
            continue
        own = graph[layer.name]
        assert isinstance(own, Scale)
        where = _forward(graph, own) or _backward(graph, own)
        if where:
            changes.append(Change("scale", layer.name, where))
        graph.prune()
    return _done(network, graph, changes)


def _forward(graph: Graph, own: Scale) -> str:
    """Fold into all readers that take it; say where, or "" if none does."""
    done = []
    for reader in graph.readers(own.name):
        if _take(graph, own, reader.name):
            done.append(f"{'moved behind' if isinstance(reader, Pooling) else 'folded into'} {reader.name}")
    return ", ".join(done)


def _take(graph: Graph, own: Scale, name: str) -> bool:
    """Let the reader `name` take the scale over, if it can."""
    reader = graph[name]
    alone = reader.sources == (own.name,)
    match reader:
        case Linear() | Cmru() | FirstQuadrantBmru() | AlphaCmru() if alone or np.all(own.scale == 1.0):
            if not graph.bypass(own.name, name):
                return False
            sources = graph[name].sources
            scale = own.scale if alone else np.ones_like(own.scale)
            graph.put(replace(behind(reader, np.diag(scale), own.shift), sources=sources))
        case Scale() if alone:
            shift = reader.scale * own.shift + reader.shift
            graph.put(replace(reader, scale=reader.scale * own.scale, shift=shift, sources=own.sources))
        case Pooling(mode="last") if alone and graph.only_reader(own.name) and len(own.sources) == 1:
            graph.swap(own.name, name)
        case _:
            return False
    return True


def _backward(graph: Graph, own: Scale) -> str:
    """Fold into the linear layers before it, if nothing else reads them; say where, or ""."""
    before = [graph.layer(source) for source in own.sources]
    if not all(isinstance(layer, Linear) and graph.only_reader(layer.name) for layer in before):
        return ""
    if len(before) > 1 and _is_identity(own):
        return ""
    for i, layer in enumerate(before):
        assert isinstance(layer, Linear)
        bias = own.scale * layer.bias + (own.shift if i == 0 else 0.0)
        graph.put(replace(layer, weight=own.scale[:, None] * layer.weight, bias=bias))
    # what is left of it stands for their sum where a layer must
    graph.put(replace(own, scale=np.ones(own.width), shift=np.zeros(own.width)))
    if own.name == graph.output and len(before) == 1:
        graph.layers.pop()
    else:
        for reader in graph.readers(own.name):
            graph.bypass(own.name, reader.name)
    return f"folded into {', '.join(own.sources)}"


def _is_identity(layer: Scale) -> bool:
    return bool(np.all(layer.scale == 1.0) and np.all(layer.shift == 0.0))


def pool_outputs(network: Network, layers: Names = None) -> Converted:
    """Move a mean over the steps behind the affine layers that follow it: the mean of the outputs of each step.

    The readout then runs at each step, and the mean is taken outside the core. `layers` names the pooling.
    """
    graph = Graph(network)
    changes: list[Change] = []
    for layer in network.layers:
        if not isinstance(layer, Pooling) or layer.mode != "mean" or not chosen(layers, layer.name):
            continue
        passed = []
        while True:
            reader = graph.only_reader(layer.name)
            if not isinstance(reader, Linear | Scale) or reader.sources != (layer.name,):
                break
            graph.swap(layer.name, reader.name)
            passed.append(reader.name)
        if passed:
            changes.append(Change("pooling", layer.name, f"moved behind {', '.join(passed)}"))
    return _done(network, graph, changes)


def _done(network: Network, graph: Graph, changes: list[Change]) -> Converted:
    return Converted(graph.network(), tuple(changes)) if changes else Converted(network)
