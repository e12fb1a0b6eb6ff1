"""The digital reference: the forward pass of the trained network in float64."""

from dataclasses import dataclass, field

import numpy as np

from analogrnn import cells
from analogrnn.errors import ParameterError, finite_array
from analogrnn.network.kinds import LAYER_TYPES, Layer, Recurrent
from analogrnn.network.layers import INPUT, Activation, Deviation, Glu, LayerNorm, Linear, Pooling, ReLU, Scale
from analogrnn.network.model import Network
from analogrnn.network.recurrent import AlphaCmru, Cmru, FirstQuadrantBmru


@dataclass(frozen=True, eq=False)
class DigitalRun:
    """Result of a forward pass, by layer name.

    candidates[name] (T, S, d); states[name] (T, S, d), the level k of a ladder; outputs[name] (T, S, d), h;
    logits (S, classes), or (T, S, classes) without pooling; thresholds[name] (T, S, d) of input-dependent thresholds.
    """

    candidates: dict[str, np.ndarray]
    states: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    logits: np.ndarray
    thresholds: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def classes(self) -> np.ndarray:
        """(S,) the class of each sample."""
        return np.argmax(self.logits, axis=-1)


def forward(network: Network, x: np.ndarray) -> DigitalRun:
    """Run `network` on encoded inputs x (T, S, D): the digital reference.

    >>> digital = ar.forward(network, x)

    Raises ParameterError if x has another shape or a value that is not finite, or for an unknown kind of layer.
    """
    given = finite_array("x", x, (None, None, network.inputs))
    if given.shape[0] == 0:
        raise ParameterError("x has no steps; give at least one.")
    candidates: dict[str, np.ndarray] = {}
    states: dict[str, np.ndarray] = {}
    outputs: dict[str, np.ndarray] = {}
    thresholds: dict[str, np.ndarray] = {}
    values = {INPUT: given}
    for at, layer in enumerate(network.layers):
        sources = network.sources(layer.name)
        value = values[sources[0]]
        for source in sources[1:]:
            value = value + values[source]
        if isinstance(layer, Cmru) and layer.threshold_weight is not None:
            thresholds[layer.name] = layer.thresholds(value)
        if isinstance(layer, Recurrent):
            candidates[layer.name], states[layer.name], value = _recur(layer, value)
            outputs[layer.name] = value
        else:
            value = evaluate(layer, value)
        values[layer.name] = value
        # a long recording in many layers: keep what is still read
        later = {source for after in network.layers[at + 1 :] for source in network.sources(after.name)}
        values = {name: kept for name, kept in values.items() if name in later or name == layer.name}
    return DigitalRun(candidates, states, outputs, values[network.layers[-1].name], thresholds)


def evaluate(layer: Layer, value: np.ndarray) -> np.ndarray:
    """The output of a layer without a memory for the input `value` (T, S, D), or (S, D) after the pooling.

    Raises ParameterError for another kind of layer.
    """
    match layer:
        case Linear():
            return layer.affine(value)
        case Scale():
            return value * layer.scale + layer.shift
        case LayerNorm() | Deviation():
            return _normalise(layer, value)
        case ReLU():
            return np.maximum(value, 0.0)
        case Pooling():
            return pool(layer.mode, value)
        case Activation() | Glu():
            return _activated(layer, value)
        case _:
            raise ParameterError(
                f"{layer.name} is a {type(layer).__name__}, a kind of layer that the digital reference has no rule "
                f"for; known: {', '.join(sorted(LAYER_TYPES))}."
            )


def pool(mode: str, value: np.ndarray) -> np.ndarray:
    """Reduce values (T, S, d) to (S, d): the last step, the mean, or the share of the steps at which each wins."""
    if mode == "last":
        return np.asarray(value[-1])
    if mode == "mean":
        return np.asarray(value.mean(axis=0))
    winners = np.argmax(value, axis=-1)
    return np.stack([(winners == k).mean(axis=0) for k in range(value.shape[-1])], axis=-1)


def _normalise(layer: LayerNorm | Deviation, value: np.ndarray) -> np.ndarray:
    centred = value - value.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + layer.epsilon)
    if isinstance(layer, Deviation):
        return np.concatenate([value, deviation], axis=-1)
    if np.any(deviation == 0.0):
        raise ParameterError(f"{layer.name} divides by a standard deviation of zero; give it an epsilon.")
    return np.asarray(layer.weight * (centred / deviation) + layer.bias)


def _activated(layer: Activation | Glu, value: np.ndarray) -> np.ndarray:
    if isinstance(layer, Activation):
        return _activate(layer.function, value)
    half = value.shape[-1] // 2
    return np.asarray(value[..., :half] * _activate("sigmoid", value[..., half:]))


def _activate(function: str, value: np.ndarray) -> np.ndarray:
    if function == "tanh":
        return np.tanh(value)
    if function == "gelu_tanh":
        return np.asarray(0.5 * value * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (value + 0.044715 * value**3))))
    from scipy import special  # noqa: PLC0415 (0.1 s that most networks don't need)

    if function == "gelu":
        return np.asarray(0.5 * value * (1.0 + special.erf(value / np.sqrt(2.0))))
    gate = special.expit(value)
    return np.asarray(value * gate if function == "silu" else gate)


def _recur(layer: Recurrent, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
