"""A trained network: a graph of layers, the encoding of its inputs, and metadata about its origin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from analogrnn.errors import ParameterError, is_identifier
from analogrnn.network.encoding import InputEncoding
from analogrnn.network.graph import feeding, widths
from analogrnn.network.kinds import Layer
from analogrnn.network.layers import INPUT, Weighted
from analogrnn.show import Rows, Shown, counted

LONGEST_TEXT, SHOWN = 24, 5  # characters of an entry of the metadata that is shown, and how many entries are


@dataclass(frozen=True, eq=False, repr=False)
class Network(Shown):
    """Layers in the order of the forward pass; the last one gives the outputs. Immutable, see `dataclasses.replace`.

    >>> network = ar.load_network("digits_d16_k2")

    A layer reads the layer before it, or the sum of the layers that it names as its `sources`.

    Raises ParameterError if two layers share a name, if widths don't fit, or for a source that doesn't stand before
    the layer that names it.
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
        _ = self._widths
        for key, value in self.metadata.items():
            if not isinstance(key, str) or not isinstance(value, str | int | float):
                raise ParameterError(f"Network.metadata[{key!r}] = {value!r} is not text or a number.")

    def shown(self) -> tuple[str, Rows]:
        """Layers and metadata."""
        parts = []
        for layer in self.layers:
            size = f" ({layer.kind}, {layer.width})" if isinstance(layer, Weighted) else ""
            parts.append(f"{layer.name}{size}" + (f" from {' + '.join(layer.sources)}" if layer.sources else ""))
        brief = {k: f"{v:.4g}" if isinstance(v, float) else str(v) for k, v in self.metadata.items() if k != "name"}
        facts = [f"{key} {text}" for key, text in brief.items() if len(text) <= LONGEST_TEXT][:SHOWN]
        more = [f"and {len(brief) - len(facts)} more"] if len(brief) > len(facts) else []
        shown = ", ".join([*facts, *more]) or "none"
        rows = [("layers", " -> ".join([counted(self.inputs, "input"), *parts])), ("metadata", shown)]
        encoding = "no encoding" if self.encoding is None else f"an encoding of {len(self.encoding.mean)} features"
        return f"Network {self.name} with {encoding}", rows

    @property
    def inputs(self) -> int:
        """Number of inputs at each step. Raises ParameterError if no layer with weights reads them."""
        width = self._widths[INPUT]
        if width is None:
            raise ParameterError(
                "Network.layers has no layer with weights that reads the inputs, so their number is unknown; give at "
                "least one, or an encoding."
            )
        return width

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self.width(self.layers[-1].name)

    def width(self, name: str) -> int:
        """Number of outputs of the layer `name`, or of the inputs for `input`. Raises ParameterError."""
        found = self._widths.get(name)
        if found is None:
            raise ParameterError(f"the network has no layer {name!r} of known width; it has {list(self._widths)}.")
        return found

    def sources(self, name: str) -> tuple[str, ...]:
        """The names of the layers whose outputs add up to the input of layer `name`; `input` is the network's input."""
        return self._feeding[self.layer(name).name]

    def readers(self, name: str) -> tuple[str, ...]:
        """The names of the layers that read the layer `name`, or the inputs for `input`, in their order."""
        return tuple(reader for reader, sources in self._feeding.items() if name in sources)

    @cached_property
    def _widths(self) -> dict[str, int | None]:
        return widths(self.layers, None if self.encoding is None else self.encoding.width)

    @cached_property
    def _feeding(self) -> dict[str, tuple[str, ...]]:
        return feeding(self.layers)

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
