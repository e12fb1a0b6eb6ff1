"""Networks from other frameworks' parameters: a PyTorch `state_dict`, or a flattened Flax tree of arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from analogrnn.errors import NetworkFormatError, ParameterError
from analogrnn.network.encoding import InputEncoding
from analogrnn.network.layers import LAYER_TYPES, Layer
from analogrnn.network.model import Network

LayerSpec = Mapping[str, Any]


def from_state_dict(
    tensors: Mapping[str, Any],
    layers: Sequence[LayerSpec],
    *,
    encoding: InputEncoding | None = None,
    metadata: Mapping[str, str | float | int] | None = None,
) -> Network:
    """Build a Network from named parameters and a list of what the layers are.

    `layers` holds one mapping a layer: its `kind`, its `name`, scalars such as `eps` and `k_max`, and optionally
    `prefix`, the name under which its tensors are found (default: `name`). A tensor is `<prefix>.<field>`; `/` serves
    as the separator as well, a leading `params` is dropped, and a Flax `kernel` (D, d) is taken as `weight` (d, D).

    >>> cell = {"kind": "cmru", "name": "cell", "eps": 1.0, "k_min": -4, "k_max": 4}
    >>> tail = [{"kind": "pooling", "name": "pool", "mode": "last"}, {"kind": "linear", "name": "readout"}]
    >>> own = ar.from_state_dict(model.state_dict(), [cell, *tail])

    Raises NetworkFormatError if a tensor is missing or left over, ParameterError if one has a wrong shape.
    """
    left: dict[str, np.ndarray] = {}
    for name, value in tensors.items():
        if _canonical(name) in left:
            raise NetworkFormatError(f"tensor {name!r} is there twice, as {_canonical(name)!r}; keep one.")
        left[_canonical(name)] = _to_numpy(name, value)
    built = tuple(_build(spec, left) for spec in layers)
    if left:
        raise NetworkFormatError(f"tensor {sorted(left)[0]!r} belongs to no layer; name its layer, or drop it.")
    return Network(built, encoding, metadata or {})


def _canonical(name: str) -> str:
    return str(name).replace("/", ".").removeprefix("params.")


def _to_numpy(name: str, value: Any) -> np.ndarray:
    # torch tensors are detached and moved by their own methods, without importing torch
    for method in ("detach", "cpu"):
        value = getattr(value, method, lambda v=value: v)()
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"tensor {name!r} is not an array of numbers.") from None


def _build(spec: LayerSpec, left: dict[str, np.ndarray]) -> Layer:
    scalars = dict(spec)
    kind, prefix = scalars.pop("kind", None), scalars.pop("prefix", spec.get("name"))
    if kind not in LAYER_TYPES:
        raise NetworkFormatError(f"layer kind {kind!r} is unknown; known: {sorted(LAYER_TYPES)}.")
    kernel = left.pop(f"{prefix}.kernel", None)
    if kernel is not None:
        if f"{prefix}.weight" in left:
            raise NetworkFormatError(f"layer {prefix!r} has both a kernel and a weight; keep one.")
        left[f"{prefix}.weight"] = kernel.T
    cls = LAYER_TYPES[kind]
    for item in fields(cls):
        if f"{prefix}.{item.name}" in left:
            scalars[item.name] = left.pop(f"{prefix}.{item.name}")
    try:
        layer: Layer = cls(**scalars)
    except TypeError as error:
        raise NetworkFormatError(f"layer {spec.get('name')!r} is incomplete: {error}") from error
    return layer
