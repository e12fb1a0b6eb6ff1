"""Design -> Network, from the circuit's values alone: what the silicon would compute if it were exact."""

import numpy as np

from analogrnn.design import Design, Ladder, Synapses
from analogrnn.network import Cmru, FirstQuadrantBmru, Linear, Network, Pooling, ReLU


def recover_network(design: Design) -> Network:
    """Return the network that a Design holds: the inverse of `map_network`, from circuit values to rounding."""
    layers: list[Cmru | FirstQuadrantBmru | Linear | ReLU | Pooling] = []
    for layer in design.layers:
        synapses = layer.synapses
        weight, bias = _recover_rows(synapses)
        if isinstance(layer, Ladder):
            layers.append(_recover_cell(design, layer, weight, bias))
        else:
            if design.pooling and layer is design.layers[-1]:
                layers.append(Pooling(design.pooling))
            layers.append(Linear(layer.name, weight, bias))
            if layer.rectifier:
                layers.append(ReLU(layer.rectifier))
    if design.pooling and not any(isinstance(layer, Pooling) for layer in layers):
        layers.append(Pooling(design.pooling))
    return Network(tuple(layers), design.encoding, design.metadata)


def _recover_rows(synapses: Synapses) -> tuple[np.ndarray, np.ndarray]:
    weight = synapses.ratio / synapses.scale[:, None]
    return weight, synapses.bias / synapses.scale + weight @ synapses.offset


def _recover_cell(design: Design, ladder: Ladder, weight: np.ndarray, bias: np.ndarray) -> Cmru | FirstQuadrantBmru:
    unit = design.candidate_units(ladder.synapses)
    alpha = ladder.i_alpha / (design.unit_current * ladder.level_step)
    if not ladder.return_to_zero:
        b_hi, b_lo = ladder.i_th / unit, (ladder.i_th - ladder.i_hyst) / unit
        return FirstQuadrantBmru(ladder.name, weight, bias, b_lo, b_hi, alpha, ladder.initial)
    window = ladder.i_hyst / (2.0 * unit)
    gate_weight, threshold = (None, window) if ladder.gate is None else _recover_rows(ladder.gate)
    return Cmru(
        ladder.name,
        weight,
        bias,
        threshold=threshold,
        alpha=alpha,
        eps=1.0 if ladder.level_step == 1 else 0.0,
        k_min=ladder.k_min,
        k_max=ladder.k_max,
        initial=ladder.initial,
        threshold_weight=gate_weight,
        threshold_floor=None if ladder.gate is None else window,
    )
