"""Synapses and ladders of one layer: mirror ratios, thresholds and shifts, with their range checks."""

import numpy as np

from analogrnn.design import Ladder, Synapses
from analogrnn.errors import MappingError
from analogrnn.mapping.options import MappingOptions
from analogrnn.network import AlphaCmru, Cmru, FirstQuadrantBmru, Layer, Linear
from analogrnn.technology import Technology

MAX_STAGES = 1000  # of one ladder; the reset alone takes a few time constants per stage


def map_synapses(
    layer: Linear | Cmru | FirstQuadrantBmru, scale: np.ndarray, offset: np.ndarray, technology: Technology
) -> Synapses:
    ratio = layer.weight * scale[:, None]
    bias = (layer.bias - layer.weight @ offset) * scale
    size = np.abs(ratio)
    bad = np.argwhere((size > technology.ratio_max) | ((size > 0) & (size < technology.ratio_min)))
    if len(bad):
        i, j = (int(n) for n in bad[0])
        raise MappingError(
            f"{layer.name}.weight[{i},{j}] = {layer.weight[i, j]:g} needs a mirror ratio of {size[i, j]:.3g}, outside "
            f"[{technology.ratio_min:g}, {technology.ratio_max:g}]: prune or clip the weight, or train with decay."
        )
    return Synapses(layer.name, ratio, bias, scale, offset, layer.weight, layer.bias)


def map_ladder(layer: Layer, offset: np.ndarray, technology: Technology, options: MappingOptions) -> Ladder:
    match layer:
        case AlphaCmru():
            raise MappingError(
                f"{layer.name} is an alphaCMRU: its states are not quantised, so no ladder of levels holds them; "
                "train a CMRU."
            )
        case FirstQuadrantBmru():
            return _first_quadrant(layer, offset, technology, options)
        case Cmru():
            return _cumulative(layer, offset, technology, options)
        case _:
            raise MappingError(
                f"{layer.name} is a {type(layer).__name__}, a kind of layer that has no circuit; train a Cmru or a "
                "FirstQuadrantBmru instead."
            )


def _cumulative(layer: Cmru, offset: np.ndarray, technology: Technology, options: MappingOptions) -> Ladder:
    if layer.eps not in (0.0, 1.0):
        raise MappingError(
            f"{layer.name}.eps = {layer.eps:g} has no circuit: the state leaves the ladder. Train with eps 1 (CMRU) "
            "or 0 (BMRU)."
        )
    low, high, step = (layer.k_min, layer.k_max, 1) if layer.eps == 1.0 else (-1, 1, 2)
    if low is None or high is None:
        raise MappingError(
            f"{layer.name} has no k_min and k_max: a ladder is finite. Choose both ends from data with "
            "`analogrnn convert --ladder-from`, or train with both ends."
        )
    k_min, k_max = (np.broadcast_to(np.asarray(k, dtype=np.int64), (layer.width,)) for k in (low, high))
    counts = (k_max - k_min) // step
    stages = int(counts.max())
    if stages > MAX_STAGES:
        raise MappingError(f"{layer.name} has {stages} stages, above {MAX_STAGES}; train with fewer levels.")
    _check_levels(layer, k_min, k_max, step)
    window = _window(layer)
    floor = layer.threshold_floor is not None
    scale = _octave_scale(f"{layer.name}.threshold{'_floor' if floor else ''}", window if floor else layer.threshold)
    beta = window * scale * options.unit_current
    i_shift = beta * (options.shift_ratio if stages > 1 else 0.0)
    i_base = beta * options.base_ratio
    assert layer.initial is not None
    gated = layer.threshold_weight is not None
    return Ladder(
        # a soft threshold inverts, so the rows in front of it have negated weights
        synapses=map_synapses(layer, -scale if gated else scale, offset, technology),
        gate=_gate(layer, scale, offset, technology, options) if gated else None,
        counts=counts,
        k_min=k_min,
        level_step=step,
        initial=layer.initial,
        threshold=np.stack([-window, window], axis=1),
        alpha=layer.alpha,
        i_th=i_shift + i_base + beta,
        i_hyst=2.0 * beta,
        i_base=i_base,
        i_shift=i_shift,
        i_gain=np.zeros(layer.width),
        i_alpha=layer.alpha * step * options.unit_current,
        i_preset=2.0 * beta,
    )


def _window(layer: Cmru) -> np.ndarray:
    """(d,) half the constant window of each ladder: the trained threshold, or the floor of an input-dependent one."""
    if layer.threshold_weight is None:
        floor = 0.0 if layer.threshold_floor is None else layer.threshold_floor
        return np.asarray(np.maximum(np.abs(layer.threshold), floor))
    if layer.threshold_floor is None:
        raise MappingError(
            f"{layer.name} has an input-dependent threshold without a floor, but a ladder's own window is a constant "
            "above zero: set Cmru.threshold_floor, for example with `analogrnn convert`, which chooses it from data."
        )
    return layer.threshold_floor


def _gate(
    layer: Cmru, scale: np.ndarray, offset: np.ndarray, technology: Technology, options: MappingOptions
) -> Synapses:
    """The rows of b(x), at the scale of the candidate's. Their sign is free, since only |b| acts."""
    assert layer.threshold_weight is not None
    assert layer.threshold_floor is not None
    rows = Linear(f"{layer.name}_b", layer.threshold_weight, layer.threshold)
    gate = map_synapses(rows, scale, offset, technology)
    resting = np.abs(rows.bias) * scale * options.unit_current
    if resting.max() > technology.i_max:
        i = int(np.argmax(resting))
        raise MappingError(
            f"{layer.name}.threshold[{i}] = {rows.bias[i]:g} is a current of {resting[i]:.3g} A, above "
            f"{technology.i_max:g} A (weak inversion), since its floor of {layer.threshold_floor[i]:g} is at least one "
            f"unit current: raise the floor, or lower unit_current, now {options.unit_current:g} A."
        )
    return gate


def _first_quadrant(
    layer: FirstQuadrantBmru, offset: np.ndarray, technology: Technology, options: MappingOptions
) -> Ladder:
    scale = _octave_scale(f"{layer.name}.threshold", (layer.b_hi - layer.b_lo) / 2.0)
    unit = scale * options.unit_current
    assert layer.initial is not None
    zero = np.zeros(layer.width)
    return Ladder(
        synapses=map_synapses(layer, scale, offset, technology),
        counts=np.ones(layer.width, dtype=np.int64),
        k_min=np.zeros(layer.width, dtype=np.int64),
        level_step=1,
        initial=layer.initial,
        threshold=np.stack([layer.b_lo, layer.b_hi], axis=1),
        alpha=layer.alpha,
        i_th=layer.b_hi * unit,
        i_hyst=(layer.b_hi - layer.b_lo) * unit,
        i_base=zero,
        i_shift=zero,
        i_gain=zero,
        i_alpha=layer.alpha * options.unit_current,
        i_preset=2.0 * layer.b_hi * unit,
        return_to_zero=False,
    )


def _octave_scale(name: str, half_width: np.ndarray) -> np.ndarray:
    """Powers of two that bring each half window into [1, 2) unit currents, so that one cell size serves all."""
    size = np.abs(half_width)
    if np.any(size < 1e-3):
        i = int(np.argmin(size))
        raise MappingError(
            f"{name}[{i}] = {half_width[i]:g} leaves no window (half width below 0.001); "
            "train with a floor under the threshold."
        )
    return np.exp2(1 - np.frexp(size)[1])  # exact, where log2 may round up to the next octave


def _check_levels(layer: Cmru, k_min: np.ndarray, k_max: np.ndarray, step: int) -> None:
    assert layer.initial is not None
    on = (layer.initial - k_min) / step
    bad = np.flatnonzero((on != np.rint(on)) | (layer.initial < k_min) | (layer.initial > k_max))
    if len(bad):
        i = int(bad[0])
        raise MappingError(
            f"{layer.name}.initial[{i}] = {float(layer.initial[i])!r} is not exactly a level of the ladder "
            f"{np.arange(k_min[i], k_max[i] + 1, step).tolist()}; round it, as with np.rint(initial)."
        )
