"""The fields of a layer from tensors: under the names that frameworks give them, with a record of what was used."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from analogrnn.convert.checkpoint import Checkpoint
from analogrnn.convert.expressions import evaluate
from analogrnn.errors import NetworkFormatError
from analogrnn.network import LayerNorm, Scale

# names of a field in other frameworks, after its own
ALIASES: dict[str, tuple[str, ...]] = {
    "weight": ("kernel", "w", "W"),
    "bias": ("b",),
    "initial": ("s0", "s_0", "initial_state"),
    "threshold": ("thresholds",),
    "threshold_weight": ("threshold_kernel",),
    "alpha_weight": ("alpha_kernel",),
}
NORM_ALIASES = {
    "weight": ("scale", "gamma"),
    "bias": ("beta",),
    "scale": ("weight", "gamma"),
    "shift": ("bias", "beta"),
}
DERIVED = {"alpha": ("log_alpha", "exp"), "threshold": ("log_threshold", "exp")}
BATCH_NORM = {
    "weight": ("weight", "scale", "gamma"),
    "bias": ("bias", "beta"),
    "mean": ("running_mean", "mean", "moving_mean"),
    "var": ("running_var", "var", "moving_variance"),
    "count": ("num_batches_tracked",),
}
_SHOWN = 12


def text_of(name: str, given: Mapping[str, Any]) -> str:
    """The prefix of a layer's tensors."""
    return str(given.get("prefix", name))


class Fields:
    """Takes the fields of layers from a checkpoint, and notes what it used and what it derived."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.used: dict[str, str] = {}
        self.notes: list[str] = []

    def found(self) -> str:
        """The names there are, for a message."""
        names = list(self.checkpoint.tensors)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"Found: {', '.join(names[:_SHOWN])}{more}."

    def evaluate(self, owner: str, name: str, text: str) -> np.ndarray:
        """The value of an expression for the field `name`. Raises NetworkFormatError for a tensor that is not there."""

        def tensor(given: str) -> np.ndarray:
            short = self.checkpoint.find(given)
            if short is None:
                raise NetworkFormatError(f"{owner}.{name}: there is no tensor {given!r}. {self.found()}")
            self.used.setdefault(short, f"{owner}.{name}")
            return self.checkpoint.tensors[short]

        value = evaluate(text, tensor)
        if text.endswith("kernel"):
            self.notes.append(f"{owner}.{name} = {text}, transposed to (width, inputs)")
        elif self.checkpoint.find(text) is None:
            self.notes.append(f"{owner}.{name} = {text}")
        return value

    def of_layer(self, cls: type, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the fields of a layer of type `cls`, from the spec `given` and from tensors."""
        values: dict[str, Any] = {"name": name, "sources": tuple(given.get("sources", ()))}
        for item in fields(cls):
            if item.name in values:
                continue
            if isinstance(given.get(item.name), str) and "ndarray" in str(item.type):
                value: Any = self.evaluate(name, item.name, given[item.name])
            else:
                value = self._stored(cls, item.name, name, given)
                if item.name in given:
                    value = self._given(name, item.name, given[item.name], value)
            if value is not None:
                values[item.name] = value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
        return self._filled(cls, name, values)

    def _stored(self, cls: type, field: str, name: str, given: Mapping[str, Any]) -> np.ndarray | None:
        """The value of a field from the tensors of the layer's prefix; None if there is none."""
        prefix, threshold = text_of(name, given), given.get("threshold_prefix")
        if isinstance(threshold, str) and field in ("threshold", "threshold_weight"):
            part = "weight" if field == "threshold_weight" else "bias"
            return self._tensor(name, field, threshold, (part, *ALIASES[part]))
        aliases = NORM_ALIASES if cls in (LayerNorm, Scale) else ALIASES
        value = self._tensor(name, field, prefix, (field, *aliases.get(field, ())))
        if value is None and field in DERIVED:
            leaf, function = DERIVED[field]
            if self.checkpoint.find(f"{prefix}.{leaf}") is not None:
                return self.evaluate(name, field, f"{function}({prefix}.{leaf})")
        return value

    def _tensor(self, owner: str, name: str, prefix: str, leaves: tuple[str, ...]) -> np.ndarray | None:
        """The tensor of a field under one of the names `leaves`; None if there is none."""
        there = [leaf for leaf in leaves if self.checkpoint.find(f"{prefix}.{leaf}") is not None]
        if len(there) > 1:
            raise NetworkFormatError(f"layer {owner!r} has both a {there[0]} and a {there[1]}; name one in the spec.")
        return self.evaluate(owner, name, f"{prefix}.{there[0]}") if there else None

    def _given(self, owner: str, name: str, given: Any, tensor: np.ndarray | None) -> Any:
        """The value that the spec gives; it must be that of the tensor of the field's own name, if there is one."""
        if tensor is not None and not (np.ndim(given) == tensor.ndim and np.array_equal(tensor, given)):
            raise NetworkFormatError(
                f"{owner}.{name} = {given!r} in the spec, but a tensor has other values; drop one of the two."
            )
        return given

    def _filled(self, cls: type, name: str, values: dict[str, Any]) -> dict[str, Any]:
        """Numbers spread over the units, and zero for a bias that isn't there."""
        weight = values.get("weight", values.get("scale"))
        if not isinstance(weight, np.ndarray | list) or not np.ndim(weight):
            return values
        width = np.shape(weight)[0]
        for item in fields(cls):
            arrays_only = item.type is np.ndarray or str(item.type) == "numpy.ndarray | None"
            if item.name in values and arrays_only and not np.ndim(values[item.name]):
                values[item.name] = np.full(width, values[item.name])
        for zero in ("bias", "shift", *(("threshold",) if values.get("threshold_weight") is not None else ())):
            if zero not in values and any(item.name == zero for item in fields(cls)):
                values[zero] = np.zeros(width)
                self.notes.append(f"{name}.{zero} is not in the checkpoint: zero")
        return values

    def batch_norm(self, name: str, given: Mapping[str, Any]) -> Scale:
        """A batch normalisation with its stored statistics: y = weight (x - mean) / sqrt(var + eps) + bias."""
        unknown = sorted(set(given) - {"kind", "name", "prefix", "sources", "eps"})
        if unknown:
            raise NetworkFormatError(f"layer {name!r} has an unknown entry {unknown[0]!r}; a batch_norm has eps.")
        prefix, eps = text_of(name, given), given.get("eps", 1e-5)
        parts = {part: self._tensor(name, part, prefix, leaves) for part, leaves in BATCH_NORM.items()}
        if parts["mean"] is None or parts["var"] is None:
            raise NetworkFormatError(
                f"layer {name!r} lacks its stored mean or variance ({prefix}.running_mean, {prefix}.running_var). "
                f"{self.found()}"
            )
        if isinstance(eps, bool) or not isinstance(eps, int | float) or not np.all(parts["var"] + eps > 0.0):
            raise NetworkFormatError(f"layer {name!r}: eps = {eps!r} with the stored variances is not above zero.")
        scale = (1.0 if parts["weight"] is None else parts["weight"]) / np.sqrt(parts["var"] + eps)
        shift = (0.0 if parts["bias"] is None else parts["bias"]) - parts["mean"] * scale
        self.notes.append(f"{name}: stored batch normalisation as a scale and a shift, eps = {eps:g}")
        return Scale(name, scale, shift, sources=tuple(given.get("sources", ())))
