"""The digital reference: the forward pass of the trained network in float64."""

from dataclasses import dataclass

import numpy as np

from analogrnn import cells
from analogrnn.errors import ParameterError, finite_array
from analogrnn.network.layers import LAYER_TYPES, AlphaCmru, Cmru, FirstQuadrantBmru, Linear, Pooling, ReLU
from analogrnn.network.model import Network


@dataclass(frozen=True, eq=False)
class DigitalRun:
    """Result of a forward pass, by layer name.

    candidates[name] (T, S, d); states[name] (T, S, d), the level k of a ladder; outputs[name] (T, S, d), h;
    logits (S, classes), or (T, S, classes) without pooling.
    """

    candidates: dict[str, np.ndarray]
    states: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    logits: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        """(S,) the class of each sample."""
        return np.argmax(self.logits, axis=-1)


def forward(network: Network, x: np.ndarray) -> DigitalRun:
    """Run `network` on encoded inputs x (T, S, D): the digital reference.

    >>> digital = ar.forward(network, x)

    Raises ParameterError if x has another shape or a value that is not finite, or for an unknown kind of layer.
    """
    value = finite_array("x", x, (None, None, network.inputs))
    if value.shape[0] == 0:
        raise ParameterError("x has no steps; give at least one.")
    candidates: dict[str, np.ndarray] = {}
    states: dict[str, np.ndarray] = {}
    outputs: dict[str, np.ndarray] = {}
    for layer in network.layers:
        match layer:
            case Linear():
                value = layer.affine(value)
            case ReLU():
                value = np.maximum(value, 0.0)
            case Pooling():
                value = value[-1] if layer.mode == "last" else value.mean(axis=0)
            case _:
                candidates[layer.name], states[layer.name], value = _recur(layer, value)
                outputs[layer.name] = value
    return DigitalRun(candidates, states, outputs, value)


def _recur(layer: Cmru | FirstQuadrantBmru | AlphaCmru, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidates, states and outputs of one recurrent layer."""
    c = layer.affine(x)
    match layer:
        case Cmru():
            assert layer.initial is not None
            s = cells.cmru_loop(
                c, layer.thresholds(x), layer.initial, eps=layer.eps, k_min=layer.k_min, k_max=layer.k_max
            )
            return c, s, layer.alpha * s
        case FirstQuadrantBmru():
            assert layer.initial is not None
            c = np.maximum(c, 0.0)
            s = cells.first_quadrant_bmru_loop(c, layer.b_lo, layer.b_hi, layer.initial)
            return c, s, layer.alpha * s
        case AlphaCmru():
            alpha = x @ layer.alpha_weight.T + layer.alpha_bias
            h = cells.alpha_cmru_loop(c, layer.threshold, alpha, np.zeros(layer.width), eps=layer.eps)
            return c, h, h
        case _:
            raise ParameterError(
                f"{layer.name} is a {type(layer).__name__}, a kind of layer that the digital reference has no rule "
                f"for; known: {', '.join(sorted(LAYER_TYPES))}."
            )
