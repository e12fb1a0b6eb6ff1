"""From a trained torch module to a Network, whose values a circuit can implement."""

from collections.abc import Mapping

import numpy as np

from analogrnn.errors import MissingDependencyError
from analogrnn.network import InputEncoding, Network
from analogrnn.network.convert import LayerSpec, from_state_dict
from analogrnn.train import NO_TORCH
from analogrnn.train.layers import CmruClassifier

try:
    import torch
    from torch import Tensor
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


def to_network(
    model: CmruClassifier,
    *,
    encoding: InputEncoding | None = None,
    metadata: Mapping[str, str | float | int] | None = None,
) -> Network:
    """Return `model` as a Network: layers `cell`, `pool` (last step) and `readout`.

    `analogrnn.network.forward` computes in double precision, as the module does after `finish`. Raises ParameterError
    or NetworkFormatError if a value does not fit a Network.
    """
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
