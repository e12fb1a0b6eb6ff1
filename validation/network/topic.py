"""The topic that all modules of this folder add their rows to, and the bench that they run on."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from analogrnn import datasets, library
from analogrnn.design import Design
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, Layer, Linear, Network
from analogrnn.network.files import load
from analogrnn.technology import load_technology
from validation.claims import Topic

TOPIC = Topic("network")
WORKERS = 2
CALIBRATION = 0.02  # of the threshold: how well docs/circuits.md says that thresholds in a ladder are known


FEW = (2, 5)  # the cells that quick runs keep


@lru_cache(maxsize=4)
def digits(name: str, *, quick: bool = False) -> tuple[Network, Design, np.ndarray, np.ndarray]:
    """A shipped network, its design with the standard stage, all encoded test clips and their labels.

    Quick: only two of its cells.
    """
    network = load(library.network_path(name))
    network = _few(network) if quick else network
    clips = datasets.spoken_digits("test")
    assert network.encoding is not None
    design = map_network(network, load_technology(), MappingOptions.standard())
    return network, design, network.encoding(clips.features), clips.labels


def _few(network: Network) -> Network:
    """Two cells of a network with their part of the readout."""
    cells = list(FEW)
    layers: list[Layer] = []
    for layer in network.layers:
        match layer:
            case Cmru():
                assert layer.initial is not None
                layers.append(
                    replace(
                        layer,
                        weight=layer.weight[cells],
                        bias=layer.bias[cells],
                        threshold=layer.threshold[cells],
                        alpha=layer.alpha[cells],
                        initial=layer.initial[cells],
                    )
                )
            case Linear():
                layers.append(replace(layer, weight=layer.weight[:, cells]))
            case _:
                layers.append(layer)
    return replace(network, layers=tuple(layers))


def spread_clips(total: int, count: int) -> np.ndarray:
    """`count` clip numbers, evenly over the test set; those of a small count are not those of a large one."""
    return np.linspace(0, total - 1, count).astype(int)
