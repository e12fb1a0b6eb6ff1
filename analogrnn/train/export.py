"""From a trained torch module to a Network, whose values a circuit can implement."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from analogrnn.errors import MissingDependencyError
from analogrnn.network import Cmru, InputEncoding, Layer, Network
from analogrnn.network.convert import LayerSpec, from_state_dict
from analogrnn.network.layers import Weighted
from analogrnn.train import NO_TORCH
from analogrnn.train.layers import CmruClassifier
from analogrnn.train.model import to_model_network

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error

PRUNE_BELOW = 2e-3  # a mirror of a smaller ratio does not justify the area of its smallest device


@torch.no_grad()
def finish(model: CmruClassifier, below: float = PRUNE_BELOW) -> CmruClassifier:
    """Prune `model` in place, in double precision, and return it: the last step before `to_network`.

    Weights and biases smaller than `below` become exactly 0, so that they need no circuit element.
    """
    model.double()
    for values in (model.cell.weight, model.cell.bias, model.readout.weight, model.readout.bias):
        values[values.abs() < below] = 0.0
    return model


def pruned(network: Network, below: float = PRUNE_BELOW) -> Network:
    """`network` with weights and biases smaller than `below` exactly 0, so that they need no circuit element."""

    def some(values: np.ndarray) -> np.ndarray:
        return np.where(np.abs(values) < below, 0.0, values)

    def one(layer: Layer) -> Layer:
        if not isinstance(layer, Weighted):
            return layer
        if isinstance(layer, Cmru) and layer.threshold_weight is not None:
            layer = replace(layer, threshold_weight=some(layer.threshold_weight))
        return replace(layer, weight=some(layer.weight), bias=some(layer.bias))

    return replace(network, layers=tuple(map(one, network.layers)))


def to_network(
    model: nn.Module, *, encoding: InputEncoding | None = None, metadata: Mapping[str, str | float | int] | None = None
) -> Network:
    """Return `model` as a Network with exactly its numbers; a CmruClassifier has layers `cell`, `pool` and `readout`.

    model  a Model, a `torch.nn.Sequential` of layers that a Network has, or a CmruClassifier

    `analogrnn.network.forward` computes in double precision, as the module does after `model.double()`. Raises
    ParameterError or NetworkFormatError if a layer or a value does not fit a Network.
    """
    if not isinstance(model, CmruClassifier):
        return to_model_network(model, encoding=encoding, metadata=metadata)
    cell, readout = model.cell, model.readout
    tensors = {
        "cell.weight": _array(cell.weight),
        "cell.bias": _array(cell.bias),
        "cell.threshold": _array(cell.threshold.abs()),
        "cell.alpha": _array(cell.alpha),
        "cell.initial": _array(cell.initial),
        "readout.weight": _array(readout.weight),
        "readout.bias": _array(readout.bias),
    }
    ladder = cell.ladder
    layers: list[LayerSpec] = [
        {"kind": cell.kind, "name": "cell", "eps": ladder.eps, "k_min": ladder.k_min, "k_max": ladder.k_max},
        {"kind": "pooling", "name": "pool", "mode": "last"},
        {"kind": "linear", "name": "readout"},
    ]
    return from_state_dict(tensors, layers, encoding=encoding, metadata=metadata)


def _array(tensor: Tensor) -> np.ndarray:
    values: np.ndarray = tensor.detach().cpu().numpy().astype(np.float64)
    return values
