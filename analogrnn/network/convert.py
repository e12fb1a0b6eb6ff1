"""Networks from the parameters of other frameworks: a PyTorch `state_dict`, or a flattened Flax tree of arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from analogrnn.errors import NetworkFormatError, plain_array
from analogrnn.network.encoding import InputEncoding
from analogrnn.network.kinds import LAYER_TYPES, Layer
from analogrnn.network.model import Network

LayerSpec = Mapping[str, Any]


def from_state_dict(
    tensors: Mapping[str, Any],
    layers: Sequence[LayerSpec],
    *,
    encoding: InputEncoding | None = None,
    metadata: Mapping[str, str | float | int] | None = None,
) -> Network:
    """Build a Network from named parameters and a description of its layers.

    `layers` has one mapping per layer: its `kind`, its `name`, scalars such as `eps` and `k_max`, and optionally
    `prefix`, the common prefix of its tensors (default: `name`). A tensor is named `<prefix>.<field>`. The separator
    can also be `/`, a leading `params` is dropped, and a Flax `kernel` (D, d) becomes `weight` (d, D).

    >>> cell = {"kind": "cmru", "name": "cell", "eps": 1.0, "k_min": -4, "k_max": 4}
    >>> tail = [{"kind": "pooling", "name": "pool", "mode": "last"}, {"kind": "linear", "name": "readout"}]
    >>> own = ar.from_state_dict(model.state_dict(), [cell, *tail])

    The `state_dict` of `analogrnn.train.CmruClassifier` is converted: alpha = exp(log_alpha), threshold = |threshold|.

    Raises NetworkFormatError if a tensor is missing, left over or given besides a scalar of the same name, or if
    `tensors` is no flat mapping from names; ParameterError if a tensor has a wrong shape or is not plain numbers.
    """
    left: dict[str, np.ndarray] = {}
    for name, value in _flat(tensors).items():
        if _canonical(name) in left:
            raise NetworkFormatError(f"tensor {name!r} is there twice, as {_canonical(name)!r}; keep one.")
        left[_canonical(name)] = plain_array(f"tensor {name!r}", value)
    given = list(left)
    built = tuple(_build(spec, left, given) for spec in layers)
    if left:
        raise NetworkFormatError(
            f"tensor {sorted(left)[0]!r} belongs to no layer; name its layer, or drop it. {_found(given)}"
        )
    return Network(built, encoding, metadata or {})


def _flat(tensors: Any) -> Mapping[str, Any]:
    """`tensors` if it maps names to values that may be tensors; else NetworkFormatError with the likely cause."""
    if not isinstance(tensors, Mapping):
        raise NetworkFormatError(
            f"the tensors are a {type(tensors).__name__}, not a mapping from names; give model.state_dict()."
        )
    keys = list(tensors)
    tuples = next((key for key in keys if isinstance(key, tuple)), None)
    if tuples is not None:
        raise NetworkFormatError(
            f"tensor key {tuples!r} is a tuple; join it with '.', as with "
            f"flax.traverse_util.flatten_dict(tree, sep='.'). {_found(keys)}"
        )
    other = next((key for key in keys if not isinstance(key, str)), None)
    if other is not None:
        raise NetworkFormatError(f"tensor key {other!r} is not text; give names such as 'cell.weight'. {_found(keys)}")
    nested = [key for key in keys if isinstance(tensors[key], Mapping)]
    if not nested:
        return tensors
    model = next((key for key in _MODEL if key in nested), None)
    if model is not None:
        cause = f"a whole checkpoint: give tensors[{model!r}]"
    elif set(keys) & _OPTIMIZER:
        cause = "the state of an optimizer: give model.state_dict()"
    else:
        cause = "a nested tree: flatten it, with names joined by '.'"
    raise NetworkFormatError(f"tensor {nested[0]!r} is a mapping of its own; this looks like {cause}. {_found(keys)}")


_MODEL = ("state_dict", "model_state_dict", "model", "model_state", "net", "network")
_OPTIMIZER = {"state", "param_groups", "optimizer", "optimizer_state_dict", "exp_avg", "exp_avg_sq"}
_WRAPPERS = {
    "module": "torch.nn.DataParallel puts it there",
    "_orig_mod": "torch.compile puts it there",
    "model": "a LightningModule's attribute, perhaps",
}


def _found(keys: Sequence[Any]) -> str:
    """The keys that were found, and a likely reason why the expected ones are missing."""
    shown = ", ".join(map(str, keys[:12])) + (f" and {len(keys) - 12} more" if len(keys) > 12 else "")
    paths = [str(key).split(".") for key in keys]
    firsts = {path[0] for path in paths}
    cause = ""
    if len(firsts) == 1 and all(len(path) > 2 for path in paths):
        prefix = firsts.pop()
        reason = f" ({_WRAPPERS[prefix]})" if prefix in _WRAPPERS else ""
        cause = f" All start with {prefix + '.'!r}{reason}: remove it, or name it in each layer's prefix."
    elif firsts & _OPTIMIZER or any(path[-1] in _OPTIMIZER for path in paths):
        cause = " Some belong to an optimizer: give model.state_dict() alone."
    return f"Found: {shown or 'nothing'}.{cause}"


def _canonical(name: str) -> str:
    return name.replace("/", ".").removeprefix("params.")


def _build(spec: LayerSpec, left: dict[str, np.ndarray], given: Sequence[str]) -> Layer:
    scalars = dict(spec)
    kind, prefix = scalars.pop("kind", None), scalars.pop("prefix", spec.get("name"))
    if not isinstance(kind, str) or kind not in LAYER_TYPES:
        raise NetworkFormatError(f"layer kind {kind!r} is unknown; known: {sorted(LAYER_TYPES)}.")
    _rename(prefix, kind, left)
    cls = LAYER_TYPES[kind]
    for item in fields(cls):
        if f"{prefix}.{item.name}" in left:
            scalars[item.name] = _one(f"{prefix}.{item.name}", left, scalars.get(item.name))
    try:
        layer: Layer = cls(**scalars)
    except TypeError as error:
        raise NetworkFormatError(f"layer {spec.get('name')!r} is incomplete: {error}. {_found(given)}") from error
    return layer


def _rename(prefix: Any, kind: str, left: dict[str, np.ndarray]) -> None:
    """Rename parameters of other frameworks and of `analogrnn.train` to the fields of a layer."""
    kernel = left.pop(f"{prefix}.kernel", None)
    if kernel is not None:
        if f"{prefix}.weight" in left:
            raise NetworkFormatError(f"layer {prefix!r} has both a kernel and a weight; keep one.")
        left[f"{prefix}.weight"] = kernel.T
    if kind == "cmru" and f"{prefix}.log_alpha" in left:
        if f"{prefix}.alpha" in left:
            raise NetworkFormatError(f"layer {prefix!r} has both a log_alpha and an alpha; keep one.")
        left[f"{prefix}.alpha"] = np.exp(left.pop(f"{prefix}.log_alpha"))
        if f"{prefix}.threshold" in left:  # trained without a sign
            left[f"{prefix}.threshold"] = np.abs(left[f"{prefix}.threshold"])


def _one(name: str, left: dict[str, np.ndarray], spec: Any) -> Any:
    """Take tensor `name`. Raises NetworkFormatError if the spec gives another value for the same field."""
    value = left.pop(name)
    if spec is None:
        return value.item() if value.ndim == 0 else value
    if value.ndim == 0 and isinstance(spec, int | float) and value == spec:
        return spec
    shown = f"{value:g}" if value.ndim == 0 else f"an array of shape {value.shape}"
    raise NetworkFormatError(f"tensor {name!r} is {shown}, but the layer's spec has {spec!r}; drop one of the two.")
