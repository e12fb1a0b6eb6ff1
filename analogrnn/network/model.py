"""A trained network: a chain of layers, the encoding of its inputs, and metadata about its origin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from analogrnn.errors import ParameterError, is_identifier
from analogrnn.network.encoding import InputEncoding
from analogrnn.network.layers import Layer, Pooling, ReLU
from analogrnn.show import Rows, Shown, counted

LONGEST_TEXT, SHOWN = 24, 5  # characters of an entry of the metadata that is shown, and how many entries are


@dataclass(frozen=True, eq=False, repr=False)
class Network(Shown):
    """Layers in the order of the forward pass. Immutable; make a changed network with `dataclasses.replace`.

    >>> network = ar.load_network("digits_d16_k2")

    Raises ParameterError if two layers share a name or the width of one doesn't fit the next.
    """

    layers: tuple[Layer, ...]
    encoding: InputEncoding | None = None
    metadata: Mapping[str, str | float | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        plain = {key: v.item() if isinstance(v, np.generic) else v for key, v in self.metadata.items()}
        object.__setattr__(self, "metadata", plain)
        if not self.layers:
            raise ParameterError("Network.layers is empty; give at least one layer.")
        # SPICE does not distinguish upper and lower case
        names = [layer.name.lower() for layer in self.layers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ParameterError(
                f"Network.layers has two layers named {twice[0]!r}; names must be unique. "
                "SPICE reads upper and lower case alike."
            )
        self._check_widths()
        for key, value in self.metadata.items():
            if not isinstance(key, str) or not isinstance(value, str | int | float):
                raise ParameterError(f"Network.metadata[{key!r}] = {value!r} is not text or a number.")

    def _check_widths(self) -> None:
        width, source = (None, "") if self.encoding is None else (self.encoding.width, "the encoding")
        pooled = False
        for layer in self.layers:
            if isinstance(layer, Pooling):
                if pooled:
                    raise ParameterError(f"{layer.name} pools a second time; keep one Pooling layer.")
                pooled = True
            if isinstance(layer, ReLU | Pooling):
                continue
            if width is not None and layer.inputs != width:
                raise ParameterError(
                    f"{layer.name}.weight has shape {layer.weight.shape}: {layer.inputs} inputs, "
                    f"but {source} gives {width}."
                )
            if pooled and layer.kind not in ("linear", "relu"):
                raise ParameterError(f"{layer.name} is recurrent and follows the pooling; move the pooling behind it.")
            width, source = layer.width, layer.name

    def shown(self) -> tuple[str, Rows]:
        """Layers and metadata."""
        parts = [
            layer.name if isinstance(layer, ReLU | Pooling) else f"{layer.name} ({layer.kind}, {layer.width})"
            for layer in self.layers
        ]
        brief = {k: f"{v:.4g}" if isinstance(v, float) else str(v) for k, v in self.metadata.items() if k != "name"}
        facts = [f"{key} {text}" for key, text in brief.items() if len(text) <= LONGEST_TEXT][:SHOWN]
        more = [f"and {len(brief) - len(facts)} more"] if len(brief) > len(facts) else []
        shown = ", ".join([*facts, *more]) or "none"
        rows = [("layers", " -> ".join([counted(self.inputs, "input"), *parts])), ("metadata", shown)]
        encoding = "no encoding" if self.encoding is None else f"an encoding of {len(self.encoding.mean)} features"
        return f"Network {self.name} with {encoding}", rows

    @property
    def inputs(self) -> int:
        """Number of inputs at each step. Raises ParameterError if no layer has weights."""
        for layer in self.layers:
            if not isinstance(layer, ReLU | Pooling):
                return layer.inputs
        raise ParameterError("Network.layers has no layer with weights, so it has no inputs; give at least one.")

    @property
    def name(self) -> str:
        """The name in the metadata if it is a valid name for a circuit, else `network`."""
        name = self.metadata.get("name")
        return name if isinstance(name, str) and is_identifier(name) else "network"

    def encode(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """Encode S recorded sequences (L_s, F) as inputs x (T, S, D) of the first layer, as in training.

        >>> x = network.encode(clips.features)

        Raises ParameterError if the network has no encoding, or for a sequence that doesn't fit it.
        """
        if self.encoding is None:
            raise ParameterError(
                f"{self.name} has no encoding, so sequences can't be encoded; give inputs x (T, S, {self.inputs}) of "
                "the first layer, or add Network.encoding."
            )
        return self.encoding(sequences)

    def layer(self, name: str) -> Layer:
        """Return the layer with this name. Raises ParameterError if there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ParameterError(f"the network has no layer {name!r}; it has {[layer.name for layer in self.layers]}.")
