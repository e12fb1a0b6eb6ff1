"""The rows of a mapped Design as functions of a model's present parameters: the lowering of `mapping`, in torch.

Each value of the model is an affine map of physical signals, as in `mapping.lowering`; linear layers, scales and sums
of sources fold into the rows that read them, with gradients.
"""

from dataclasses import dataclass

from analogrnn.design import Design, FeedForward, Ladder
from analogrnn.errors import MissingDependencyError, ParameterError
from analogrnn.network import INPUT
from analogrnn.train import NO_TORCH
from analogrnn.train.model import Model
from analogrnn.train.modules import CMRU, FirstQuadrantBMRU, Pooling, Scale

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error

Cell = CMRU | FirstQuadrantBMRU


@dataclass(frozen=True, eq=False)
class CircuitRows:
    """One layer of a Design: weight (d, D) over the columns of its sources, bias (d,), and the module of a cell.

    gate  weight (d, D) and bias (d,) of an input-dependent threshold
    """

    layer: FeedForward | Ladder
    weight: Tensor
    bias: Tensor
    cell: Cell | None = None
    gate: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True, eq=False)
class _Value:
    """The sum over signals of matrix @ signal and a bias; None: the signal itself, or no bias."""

    terms: dict[str, Tensor | None]
    bias: Tensor | None = None

    def through(self, weight: Tensor, bias: Tensor | None) -> "_Value":
        own = None if self.bias is None else weight @ self.bias
        both = own if bias is None else bias if own is None else own + bias
        return _Value({name: weight if m is None else weight @ m for name, m in self.terms.items()}, both)


def circuit_rows(model: Model, design: Design) -> list[CircuitRows]:
    """The rows of every layer of `design`, which is `model` mapped, for the model's present parameters.

    Raises ParameterError, with the layer, for what training on chips does not do.
    """
    return _Lowering(model, design).rows()


class _Lowering:
    def __init__(self, model: Model, design: Design) -> None:
        self.model, self.design = model, design
        self.values = {INPUT: _Value({INPUT: None})}
        self.found: dict[str, CircuitRows] = {}

    def rows(self) -> list[CircuitRows]:
        """All rows in the order of the design's layers."""
        for name, module in self.model.layers.items():
            value = self._added([self.values[source] for source in self.model.sources[name]])
            self.values[name] = self._evaluate(name, module, value)
        last = self.design.layers[-1]
        if last.name not in self.found:
            weight = self._folded(last.name, None, self.values[name])
            bias = self.values[name].bias
            self.found[last.name] = CircuitRows(last, weight, weight.new_zeros(len(weight)) if bias is None else bias)
        missing = [layer.name for layer in self.design.layers if layer.name not in self.found]
        if missing:
            raise ParameterError(
                f"{missing[0]} of the circuit comes from no layer of the model that training on chips knows; train the "
                "model digitally, or give it the layers of the mapped network."
            )
        return [self.found[layer.name] for layer in self.design.layers]

    def _evaluate(self, name: str, module: nn.Module, value: _Value) -> _Value:
        match module:
            case nn.Linear():
                return value.through(module.weight, module.bias)
            case Scale():
                return value.through(torch.diag(module.scale), module.shift)
            case Pooling():
                return value
            case nn.ReLU():
                return self._rectified(name, value)
            case CMRU() | FirstQuadrantBMRU():
                return self._cell(name, module, value)
        raise ParameterError(f"{name} is a {type(module).__name__}, which training on chips does not have.")

    def _rectified(self, name: str, value: _Value) -> _Value:
        only = next(iter(value.terms)) if len(value.terms) == 1 and value.bias is None else ""
        if only in self.found and value.terms[only] is None and isinstance(self.found[only].layer, FeedForward):
            return value  # a rectified current is its own ReLU
        for layer in self.design.layers:
            if isinstance(layer, FeedForward) and layer.rectifier == name:
                weight = self._folded(layer.name, None, value)
                bias = weight.new_zeros(len(weight)) if value.bias is None else value.bias
                self.found[layer.name] = CircuitRows(layer, weight, bias)
                return _Value({layer.name: None})
        return _Value({name: None})  # its output is unused

    def _cell(self, name: str, module: Cell, value: _Value) -> _Value:
        layer = next((one for one in self.design.layers if one.name == name), None)
        if layer is None:
            return _Value({name: None})
        if not isinstance(layer, Ladder) or layer.return_to_zero != isinstance(module, CMRU):
            raise ParameterError(
                f"{name} is mapped to another kind of cell than {type(module).__name__}, which training on chips does "
                "not do; train a CMRU or a BMRU."
            )
        weight = self._folded(name, module.weight, value)
        bias: Tensor = module.bias if value.bias is None else module.bias + module.weight @ value.bias
        gate = None
        if isinstance(module, CMRU) and module.threshold_weight is not None:
            own: Tensor = module.threshold
            if value.bias is not None:
                own = own + module.threshold_weight @ value.bias
            gate = self._folded(name, module.threshold_weight, value), own
        self.found[name] = CircuitRows(layer, weight, bias, module, gate)
        sign = module.alpha.detach().sign()
        return _Value({name: None if bool((sign > 0).all()) else torch.diag(sign)})

    def _folded(self, reader: str, weight: Tensor | None, value: _Value) -> Tensor:
        """(d, D) the matrix over the columns of the signals that the design's layer `reader` reads."""
        parts = []
        for source in self.design.wiring.sources[reader]:
            if source.name not in value.terms:
                raise ParameterError(
                    f"{reader} of the circuit reads {source.name}, but in the model it does not: the pool's chips are "
                    "those of another network."
                )
            matrix = value.terms[source.name]
            if matrix is None:
                matrix = torch.eye(source.stop - source.start) if weight is None else weight
            elif weight is not None:
                matrix = weight @ matrix
            parts.append(matrix)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _added(self, values: list[_Value]) -> _Value:
        if len(values) == 1:
            return values[0]
        terms: dict[str, Tensor | None] = {}
        for value in values:
            for name, matrix in value.terms.items():
                own = torch.eye(self._width(name)) if matrix is None else matrix
                known = terms.get(name)
                terms[name] = own if known is None else known + own
        biases = [value.bias for value in values if value.bias is not None]
        total = torch.stack(biases).sum(0) if biases else None
        dtype = next(self.model.parameters()).dtype
        return _Value({name: m if m is None else m.to(dtype) for name, m in terms.items()}, total)

    def _width(self, name: str) -> int:
        if name == INPUT:
            return self.design.layers[0].inputs
        return next(layer.width for layer in self.design.layers if layer.name == name)
