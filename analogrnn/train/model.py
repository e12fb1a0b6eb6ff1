"""Networks as torch modules, and back: every value is the same float64 number on both sides."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analogrnn.errors import MissingDependencyError, ParameterError
from analogrnn.network import (
    INPUT,
    Activation,
    AlphaCmru,
    Cmru,
    FirstQuadrantBmru,
    Glu,
    InputEncoding,
    Layer,
    LayerNorm,
    Linear,
    Network,
    ReLU,
)
from analogrnn.network import Pooling as PoolingRecord
from analogrnn.network import Scale as ScaleRecord
from analogrnn.train import NO_TORCH
from analogrnn.train.modules import CMRU, AlphaCMRU, FirstQuadrantBMRU, Pooling, Scale

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error

_FUNCTIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "silu": nn.SiLU}
Metadata = Mapping[str, str | float | int]


class Model(nn.Module):
    """Named layers in topological order, each reading the sum of its sources; the last one gives the outputs.

    >>> model = train.Model({"cell": train.CMRU(14, 32), "pool": train.Pooling(), "readout": torch.nn.Linear(32, 10)})

    layers   name -> module. The names are those of a Network, and the first part of each name in the `state_dict`
    sources  name -> names of the layers whose outputs add up to its input, or "input"; default: the layer before it

    Inputs are (T, B, D); outputs (B, classes), or (T, B, classes) without pooling. Raises ParameterError for a source
    that does not stand before its reader.
    """

    def __init__(self, layers: Mapping[str, nn.Module], sources: Mapping[str, tuple[str, ...]] | None = None) -> None:
        super().__init__()
        before = INPUT
        self.sources: dict[str, tuple[str, ...]] = {}
        for name, module in layers.items():
            reads = tuple((sources or {}).get(name) or (before,))
            unknown = [source for source in reads if source != INPUT and source not in self.sources]
            if unknown:
                raise ParameterError(f"{name} reads {unknown[0]!r}, which is no layer before it.")
            if hasattr(self, name):
                raise ParameterError(f"a layer can't be named {name!r}, which torch's modules use; rename it.")
            self.add_module(name, module)
            self.sources[name], before = reads, name
        if not self.sources:
            raise ParameterError("Model has no layer; give at least one.")

    @property
    def layers(self) -> dict[str, nn.Module]:
        """The layers by name, in their order."""
        return {name: self.get_submodule(name) for name in self.sources}

    def forward(self, x: Tensor) -> Tensor:
        values = {INPUT: x}
        for name, module in self.layers.items():
            value = values[self.sources[name][0]]
            for source in self.sources[name][1:]:
                value = value + values[source]
            values[name] = module(value)
        return values[name]

    def keep_in_range(self, lowest_threshold: float = 0.1, largest_weight: float = 8.0) -> None:
        """Clamp all parameters in place to what a circuit can implement."""
        for module in self.layers.values():
            if isinstance(module, CMRU | FirstQuadrantBMRU):
                module.keep_in_range(lowest_threshold, largest_weight)
            elif isinstance(module, nn.Linear):
                with torch.no_grad():
                    for weights in module.parameters():
                        weights.clamp_(-largest_weight, largest_weight)


def as_model(module: nn.Module) -> Model:
    """`module` as a Model: itself, or the layers of a `torch.nn.Sequential`; they share their parameters.

    Numbered layers are named `layer_0`, ... Raises ParameterError for another module.
    """
    if isinstance(module, Model):
        return module
    if isinstance(module, nn.Sequential):
        return Model({f"layer_{n}" if n.isdigit() else n: part for n, part in module.named_children()})
    raise ParameterError(
        f"a {type(module).__name__} is no network of layers that train knows; give a train.Model or a nn.Sequential."
    )


def from_network(network: Network, *, surrogate_width: float = 0.3) -> Model:
    """`network` as a trainable Model in float64, with exactly its numbers.

    >>> model = train.from_network(ar.load_network("digits_d16_k2"))

    Raises ParameterError for a kind of layer that training does not have.
    """
    layers = {layer.name: _module(layer, surrogate_width) for layer in network.layers}
    return Model(layers, {layer.name: layer.sources for layer in network.layers}).double()


def to_model_network(
    module: nn.Module, *, encoding: InputEncoding | None = None, metadata: Metadata | None = None
) -> Network:
    """A Model or a `torch.nn.Sequential` as a Network, with exactly its numbers. See `to_network`."""
    model = as_model(module)
    before, layers = INPUT, []
    for name, part in model.layers.items():
        reads = model.sources[name]
        layers.append(_record(name, part, () if reads == (before,) else reads))
        before = name
    return Network(tuple(layers), encoding, metadata or {})


def _module(layer: Layer, width: float) -> nn.Module:
    if isinstance(layer, Cmru):
        return _cumulative(layer, width)
    if isinstance(layer, FirstQuadrantBmru):
        cell = FirstQuadrantBMRU(layer.inputs, layer.width, surrogate_width=width)
        return _filled(cell, layer, ("weight", "bias", "b_lo", "b_hi", "alpha", "initial"))
    if isinstance(layer, AlphaCmru):
        unit = AlphaCMRU(layer.inputs, layer.width, eps=layer.eps, surrogate_width=width)
        return _filled(unit, layer, ("weight", "bias", "threshold", "alpha_weight", "alpha_bias"))
    return _memoryless(layer)


def _memoryless(layer: Layer) -> nn.Module:
    module: nn.Module
    match layer:
        case Linear():
            module = _filled(nn.Linear(layer.inputs, layer.width), layer, ("weight", "bias"))
        case ScaleRecord():
            module = _filled(Scale(layer.width), layer, ("scale", "shift"))
        case LayerNorm():
            module = _filled(nn.LayerNorm(layer.width, layer.epsilon), layer, ("weight", "bias"))
        case ReLU():
            module = nn.ReLU()
        case Glu():
            module = nn.GLU()
        case PoolingRecord():
            module = Pooling(layer.mode)
        case Activation():
            gelu = {"gelu": "none", "gelu_tanh": "tanh"}.get(layer.function)
            module = _FUNCTIONS[layer.function]() if gelu is None else nn.GELU(gelu)
        case _:
            raise ParameterError(
                f"{layer.name} is a {type(layer).__name__}, a kind of layer that training does not have."
            )
    return module


def _cumulative(layer: Cmru, width: float) -> CMRU:
    gated, floor = layer.threshold_weight is not None, layer.threshold_floor
    cell = CMRU(
        layer.inputs,
        layer.width,
        eps=layer.eps,
        input_dependent=gated,
        floor=None if floor is None else 0.0,
        surrogate_width=width,
    )
    _filled(cell, layer, ("weight", "bias", "threshold", "alpha", "initial"))
    if gated:
        _filled(cell, layer, ("threshold_weight",))
    if floor is not None:
        _filled(cell, layer, ("threshold_floor",))
    cell.bounds = torch.tensor(np.stack(layer.bounds))
    return cell


def _filled(module: nn.Module, layer: Layer, names: tuple[str, ...]) -> Any:
    module.double()
    with torch.no_grad():
        for name in names:
            getattr(module, name).copy_(torch.from_numpy(np.array(getattr(layer, name), dtype=np.float64)))
    return module


def _record(name: str, part: nn.Module, sources: tuple[str, ...]) -> Layer:
    if isinstance(part, CMRU):
        return _cmru_record(name, part, sources)
    if isinstance(part, FirstQuadrantBMRU):
        weight, bias, b_lo, b_hi, alpha = map(_array, (part.weight, part.bias, part.b_lo, part.b_hi, part.alpha))
        return FirstQuadrantBmru(name, weight, bias, b_lo, b_hi, alpha, _array(part.initial), sources=sources)
    if isinstance(part, AlphaCMRU):
        weight, bias, threshold = map(_array, (part.weight, part.bias, part.threshold))
        step, step_bias = _array(part.alpha_weight), _array(part.alpha_bias)
        return AlphaCmru(name, weight, bias, threshold, step, step_bias, part.eps, sources=sources)
    return _memoryless_record(name, part, sources)


def _memoryless_record(name: str, part: nn.Module, sources: tuple[str, ...]) -> Layer:
    record: Layer
    function = next((function for function, kind in _FUNCTIONS.items() if isinstance(part, kind)), None)
    match part:
        case nn.Linear():
            bias = np.zeros(part.out_features) if part.bias is None else _array(part.bias)
            record = Linear(name, _array(part.weight), bias, sources=sources)
        case Scale():
            record = ScaleRecord(name, _array(part.scale), _array(part.shift), sources=sources)
        case nn.LayerNorm() if part.elementwise_affine and len(part.normalized_shape) == 1:
            record = LayerNorm(name, _array(part.weight), _array(part.bias), part.eps, sources=sources)
        case nn.ReLU():
            record = ReLU(name, sources=sources)
        case nn.GLU():
            record = Glu(name, sources=sources)
        case nn.GELU():
            record = Activation(name, "gelu" if part.approximate == "none" else "gelu_tanh", sources=sources)
        case Pooling():
            record = PoolingRecord(name, part.mode, sources=sources)
        case _ if function is not None:
            record = Activation(name, function, sources=sources)
        case _:
            raise ParameterError(
                f"{name} is a {type(part).__name__}, which is no layer of a Network; keep it outside the model."
            )
    return record


def _cmru_record(name: str, part: CMRU, sources: tuple[str, ...]) -> Cmru:
    ends = [None if np.isinf(bound).all() else bound for bound in _array(part.bounds)]
    if any(end is not None and np.isinf(end).any() for end in ends):
        raise ParameterError(f"{name} has units with and without an end of their ladder; give all of them one.")
    return Cmru(
        name,
        _array(part.weight),
        _array(part.bias),
        _array(part.threshold),
        _array(part.alpha),
        eps=part.eps,
        k_min=ends[0],
        k_max=ends[1],
        initial=_array(part.initial),
        threshold_weight=None if part.threshold_weight is None else _array(part.threshold_weight),
        threshold_floor=None if part.threshold_floor is None else _array(part.threshold_floor),
        sources=sources,
    )


def _array(tensor: Tensor) -> np.ndarray:
    return np.array(tensor.detach().cpu().numpy(), dtype=np.float64)
