"""The layers of a network without a memory, as frozen records with checked shapes.

Every array is float64, read-only and finite. `d` is the width of a layer, `D` the number of its inputs. Every layer has
`sources`: the names of the layers whose outputs add up to its input. None means the layer before it, or the inputs of
the network for the first layer. The inputs can also be named, as `input`.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from analogrnn.errors import ParameterError, finite_array, identifier, in_range

INPUT = "input"  # the source that stands for the encoded inputs of the network
POOLINGS = ("last", "mean", "vote")
ACTIVATIONS = ("gelu", "gelu_tanh", "sigmoid", "silu", "tanh")


@dataclass(frozen=True, eq=False)
class _Named:
    """Common part of all layers."""

    name: str
    sources: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        identifier(f"{type(self).__name__}.name", self.name)
        given: object = self.sources
        if not isinstance(given, tuple | list) or not all(isinstance(source, str) for source in given):
            raise ParameterError(f"{self.name}.sources = {given!r} is not a list of names of layers.")
        if len(set(given)) != len(given):
            raise ParameterError(f"{self.name}.sources names a layer twice; double its weights instead.")
        object.__setattr__(self, "sources", tuple(given))

    def _array(self, name: str, shape: tuple[int | None, ...]) -> None:
        object.__setattr__(self, name, finite_array(f"{self.name}.{name}", getattr(self, name), shape))


@dataclass(frozen=True, eq=False)
class Weighted(_Named):
    """Common part of all layers that compute W x + b."""

    weight: np.ndarray = field(metadata={"doc": "(d, D) input weights"})
    bias: np.ndarray = field(metadata={"doc": "(d,) biases"})

    def __post_init__(self) -> None:
        super().__post_init__()
        weight = finite_array(f"{self.name}.weight", self.weight, (None, None))
        if 0 in weight.shape:
            raise ParameterError(f"{self.name}.weight has shape {weight.shape}; a layer has at least one in and out.")
        object.__setattr__(self, "weight", weight)
        self._array("bias", (self.width,))

    @property
    def width(self) -> int:
        """Number of outputs d."""
        return int(self.weight.shape[0])

    @property
    def inputs(self) -> int:
        """Number of inputs D."""
        return int(self.weight.shape[1])

    def affine(self, x: np.ndarray) -> np.ndarray:
        """W x + b for x (..., D)."""
        return x @ self.weight.T + self.bias


@dataclass(frozen=True, eq=False)
class Linear(Weighted):
    """y = W x + b."""

    kind: ClassVar[str] = "linear"


@dataclass(frozen=True, eq=False)
class Scale(_Named):
    """y = scale x + shift, feature by feature: a batch normalisation with its stored statistics, or a learned scale."""

    scale: np.ndarray = field(metadata={"doc": "(d,)"})
    shift: np.ndarray = field(metadata={"doc": "(d,)"})
    kind: ClassVar[str] = "scale"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._array("scale", (None,))
        self._array("shift", self.scale.shape)

    @property
    def width(self) -> int:
        """Number of features d."""
        return len(self.scale)

    inputs = width


@dataclass(frozen=True, eq=False)
class LayerNorm(_Named):
    """y = weight (x - mean) / sqrt(variance + epsilon) + bias, over the features of each step. Runs digitally."""

    weight: np.ndarray = field(metadata={"doc": "(d,)"})
    bias: np.ndarray = field(metadata={"doc": "(d,)"})
    epsilon: float = 1e-5
    kind: ClassVar[str] = "layer_norm"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._array("weight", (None,))
        self._array("bias", self.weight.shape)
        object.__setattr__(self, "epsilon", in_range(f"{self.name}.epsilon", self.epsilon, 0.0, 1.0))

    @property
    def width(self) -> int:
        """Number of features d."""
        return len(self.weight)

    inputs = width


@dataclass(frozen=True, eq=False)
class Deviation(_Named):
    """(x, sigma): the inputs of each step, and sqrt(variance + epsilon) over them as one more. Runs digitally.

    With it, a cell behind a LayerNorm compares c sigma with b sigma, which are linear in x and sigma.
    """

    inputs: int
    epsilon: float = 1e-5
    kind: ClassVar[str] = "deviation"

    def __post_init__(self) -> None:
        super().__post_init__()
        count = in_range(f"{self.name}.inputs", self.inputs, 1, 1_000_000)
        if count != int(count):
            raise ParameterError(f"{self.name}.inputs = {count:g} is not a whole number.")
        object.__setattr__(self, "inputs", int(count))
        object.__setattr__(self, "epsilon", in_range(f"{self.name}.epsilon", self.epsilon, 0.0, 1.0))

    @property
    def width(self) -> int:
        """Number of outputs, one more than of inputs."""
        return self.inputs + 1


@dataclass(frozen=True, eq=False)
class ReLU(_Named):
    """y = max(x, 0)."""

    kind: ClassVar[str] = "relu"


@dataclass(frozen=True, eq=False)
class Activation(_Named):
    """A function of each feature that no circuit here computes. Runs digitally.

    `function`: gelu (by the error function), gelu_tanh (its approximation), sigmoid, silu or tanh.
    """

    function: str
    kind: ClassVar[str] = "activation"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.function not in ACTIVATIONS:
            raise ParameterError(f"{self.name}.function = {self.function!r} is unknown; known: {list(ACTIVATIONS)}.")


@dataclass(frozen=True, eq=False)
class Glu(_Named):
    """Gated linear unit: the first half of the features times the sigmoid of the second half. Runs digitally."""

    kind: ClassVar[str] = "glu"


@dataclass(frozen=True, eq=False)
class Pooling(_Named):
    """Reduce the time axis: `last` step, `mean` over all steps, or `vote`.

    A vote is the share of the steps at which each output is the largest; of equals, the first counts.
    """

    mode: str = "last"
    kind: ClassVar[str] = "pooling"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in POOLINGS:
            raise ParameterError(
                f"{self.name}.mode = {self.mode!r} is unknown: use {', '.join(map(repr, POOLINGS[:-1]))} "
                f"or {POOLINGS[-1]!r}."
            )
