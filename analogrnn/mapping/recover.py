"""Design -> Network, from the circuit's values alone: what the silicon would compute if it were exact."""

import numpy as np

from analogrnn.design import Design, FeedForward, Ladder, Synapses
from analogrnn.errors import ParameterError
from analogrnn.network import Cmru, FirstQuadrantBmru, Linear, Network, Pooling, ReLU
from analogrnn.wiring import INPUT

Recovered = Cmru | FirstQuadrantBmru | Linear | ReLU | Pooling


def recover_network(design: Design) -> Network:
    """Return the network that a Design holds: the inverse of `map_network`, from circuit values to rounding.

    A layer with several sources becomes one linear layer per source, and a layer of its name that adds them up.
    """
    layers: list[Recovered] = []
    outputs = {INPUT: INPUT}  # layer of the Design -> layer of the network with its outputs
    pooling = Pooling(design.pooling, design.pooling_mode) if design.pooling else None
    early = pooling is not None and design.wiring.is_chain and design.pooling_mode == "last"
    for layer in design.layers:
        weight, bias = _recover_rows(layer.synapses)
        sources: tuple[str, ...] = tuple(outputs[source.name] for source in design.wiring.sources[layer.name])
        if early and pooling and isinstance(layer, FeedForward) and layer is design.layers[-1]:
            layers.append(pooling)
            sources, pooling = (pooling.name,), None
        if len(sources) > 1:
            if isinstance(layer, Ladder) and layer.gate is not None:
                raise ParameterError(
                    f"{layer.name} has input-dependent thresholds and several sources, which no layer adds "
                    "up; recover the layers apart."
                )
            parts = _parts(design, layer, weight, sources)
            layers += parts
            sources, weight = tuple(part.name for part in parts), np.eye(layer.width)
        sources = () if design.wiring.is_chain else sources
        if isinstance(layer, Ladder):
            layers.append(_recover_cell(design, layer, weight, bias, sources))
        else:
            layers.append(Linear(layer.name, weight, bias, sources=sources))
            layers += [ReLU(layer.rectifier)] if layer.rectifier else []
        outputs[layer.name] = layers[-1].name
    layers += [pooling] if pooling else []
    return Network(tuple(layers), design.encoding, design.metadata)


def _recover_rows(synapses: Synapses) -> tuple[np.ndarray, np.ndarray]:
    weight = synapses.ratio / synapses.scale[:, None]
    return weight, synapses.bias / synapses.scale + weight @ synapses.offset


def _parts(design: Design, layer: FeedForward | Ladder, weight: np.ndarray, outputs: tuple[str, ...]) -> list[Linear]:
    """What each source adds to the rows of a layer."""
    return [
        Linear(f"{layer.name}_of_{source.name}", weight[:, source.columns], np.zeros(layer.width), sources=(output,))
        for source, output in zip(design.wiring.sources[layer.name], outputs, strict=True)
    ]


def _recover_cell(
    design: Design, ladder: Ladder, weight: np.ndarray, bias: np.ndarray, sources: tuple[str, ...]
) -> Cmru | FirstQuadrantBmru:
    unit = design.candidate_units(ladder.synapses)
    alpha = ladder.i_alpha / (design.unit_current * ladder.level_step)
    if not ladder.return_to_zero:
        b_hi, b_lo = ladder.i_th / unit, (ladder.i_th - ladder.i_hyst) / unit
        return FirstQuadrantBmru(ladder.name, weight, bias, b_lo, b_hi, alpha, ladder.initial, sources=sources)
    window = ladder.i_hyst / (2.0 * unit)
    gate_weight, threshold = (None, window) if ladder.gate is None else _recover_rows(ladder.gate)
    return Cmru(
        ladder.name,
        weight,
        bias,
        threshold=threshold,
        alpha=alpha,
        eps=1.0 if ladder.level_step == 1 else 0.0,
        k_min=_level(ladder.k_min),
        k_max=_level(ladder.k_max),
        initial=ladder.initial,
        threshold_weight=gate_weight,
        threshold_floor=None if ladder.gate is None else window,
        sources=sources,
    )


def _level(levels: np.ndarray) -> int | np.ndarray:
    """One end of the ladders: a number if it is the same for all."""
    return levels if np.ptp(levels) else int(levels[0])
