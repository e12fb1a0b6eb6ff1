"""Edits of a network's graph: layers with their sources written out, put together as a network again at the end."""

from dataclasses import replace
from typing import Any

import numpy as np

from analogrnn.network import INPUT, AlphaCmru, Cmru, Layer, Linear, Network, Recurrent


class Graph:
    """The layers of a network in order, to be edited. The last layer stays the output of the network."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.layers: list[Layer] = [replace(layer, sources=network.sources(layer.name)) for layer in network.layers]

    def __getitem__(self, name: str) -> Layer:
        return self.layers[self._at(name)]

    def layer(self, name: str) -> Layer | None:
        """The layer `name`; None for the inputs of the network."""
        return next((layer for layer in self.layers if layer.name == name), None)

    def _at(self, name: str) -> int:
        return next(i for i, layer in enumerate(self.layers) if layer.name == name)

    @property
    def output(self) -> str:
        return self.layers[-1].name

    def readers(self, name: str) -> list[Layer]:
        """The layers that read `name`."""
        return [layer for layer in self.layers if name in layer.sources]

    def only_reader(self, name: str) -> Layer | None:
        """The layer that alone reads `name`; None if there are more, or if it is the output of the network as well."""
        found = self.readers(name)
        return found[0] if len(found) == 1 and name != self.output else None

    def replace(self, name: str, **fields: Any) -> None:
        """Give the layer `name` other fields."""
        self.layers[self._at(name)] = replace(self[name], **fields)

    def put(self, layer: Layer) -> None:
        """Put `layer` in the place of the layer of its name."""
        self.layers[self._at(layer.name)] = layer

    def insert_after(self, name: str, layer: Layer) -> None:
        """Let `layer` read `name`, and all readers of `name` read `layer` instead."""
        for reader in self.readers(name):
            self.replace(reader.name, sources=_exchanged(reader.sources, name, layer.name))
        self.layers.insert(self._at(name) + 1, replace(layer, sources=(name,)))

    def bypass(self, name: str, reader: str) -> bool:
        """Let `reader` read the sources of `name` instead of it. False, and no change, if it reads one of them too."""
        others = tuple(source for source in self[reader].sources if source != name)
        if set(others) & set(self[name].sources):
            return False
        at = self[reader].sources.index(name)
        sources = (*others[:at], *self[name].sources, *others[at:])
        self.replace(reader, sources=sources)
        return True

    def swap(self, first: str, second: str) -> None:
        """Let `second`, which alone reads `first` and nothing else, stand before it."""
        readers = self.readers(second)
        layer = replace(self[first], sources=(second,))
        self.replace(second, sources=self[first].sources)
        for reader in readers:
            self.replace(reader.name, sources=_exchanged(reader.sources, second, first))
        del self.layers[self._at(first)]
        self.layers.insert(self._at(second) + 1, layer)

    def fresh(self, base: str) -> str:
        """A name that no layer has yet, whatever its case."""
        taken = {layer.name.lower() for layer in self.layers} | {INPUT}
        number, name = 1, base[:60]
        while name.lower() in taken:
            number += 1
            name = f"{base[:57]}_{number}"
        return name

    def prune(self) -> None:
        """Take out the layers that nothing reads."""
        while unread := [layer for layer in self.layers[:-1] if not self.readers(layer.name)]:
            self.layers = [layer for layer in self.layers if layer not in unread]

    def network(self) -> Network:
        """The network of these layers, without those that nothing reads any more."""
        self.prune()
        layers = []
        before = INPUT
        for layer in self.layers:
            layers.append(replace(layer, sources=() if layer.sources == (before,) else layer.sources))
            before = layer.name
        return Network(tuple(layers), self._network.encoding, self._network.metadata)


def _exchanged(sources: tuple[str, ...], old: str, new: str) -> tuple[str, ...]:
    return tuple(new if source == old else source for source in sources)


def behind(layer: Linear | Recurrent, matrix: np.ndarray, shift: np.ndarray) -> Linear | Recurrent:
    """`layer` for inputs z in place of x = matrix z + shift; matrix (D, K), shift (D,)."""
    fields: dict[str, Any] = {"weight": layer.weight @ matrix, "bias": layer.bias + layer.weight @ shift}
    if isinstance(layer, Cmru) and layer.threshold_weight is not None:
        fields["threshold_weight"] = layer.threshold_weight @ matrix
        fields["threshold"] = layer.threshold + layer.threshold_weight @ shift
    if isinstance(layer, AlphaCmru):
        fields["alpha_weight"] = layer.alpha_weight @ matrix
        fields["alpha_bias"] = layer.alpha_bias + layer.alpha_weight @ shift
    return replace(layer, **fields)
