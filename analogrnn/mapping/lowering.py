"""A network as layers of a circuit: symbolic evaluation of its graph.

Each value of the network is an affine map of physical signals: the inputs, rectified rows, outputs of ladders. So
linear layers, stored scales and sums of sources fold into the weights of the layer that reads them. A ReLU makes
rectified rows, a cell makes ladders, and the end of the network makes the readout. What reads a signal places mirrors
on its diode; a skip is therefore a few mirrors more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from analogrnn.design import FeedForward, Ladder
from analogrnn.errors import MappingError
from analogrnn.mapping.ladders import map_ladder, map_synapses
from analogrnn.mapping.options import MappingOptions
from analogrnn.network import (
    Activation,
    AlphaCmru,
    Cmru,
    FirstQuadrantBmru,
    Glu,
    Layer,
    LayerNorm,
    Linear,
    Network,
    Pooling,
    ReLU,
    Scale,
)
from analogrnn.technology import Technology
from analogrnn.wiring import INPUT

ROUNDING = 1e-14  # of the sum of a product's magnitudes: what is smaller is a zero, less what rounding left of it

Cell = Cmru | FirstQuadrantBmru | AlphaCmru


@dataclass(frozen=True, eq=False)
class Affine:
    """A value of d numbers: the sum over signals of matrix @ signal, and a constant.

    terms   signal -> (d, width of the signal); None: the signal itself
    bias    (d,)
    label   name of the last layer with weights that made it; empty if there is none, or for a sum
    pooled, rectified  whether a pooling layer stands before it, and whether it is the output of a ReLU
    """

    terms: Mapping[str, np.ndarray | None]
    bias: np.ndarray
    label: str = ""
    pooled: bool = False
    rectified: bool = False

    @property
    def signal(self) -> str | None:
        """The signal that the value is, without a weight."""
        if len(self.terms) != 1 or self.bias.any():
            return None
        ((name, matrix),) = self.terms.items()
        return name if matrix is None else None

    def through(self, weight: np.ndarray, bias: np.ndarray, label: str) -> "Affine":
        """The value after weight @ value + bias."""
        terms = {name: weight if matrix is None else weight @ matrix for name, matrix in self.terms.items()}
        return Affine(terms, bias + weight @ self.bias, label, self.pooled)

    def scaled(self, scale: np.ndarray, shift: np.ndarray) -> "Affine":
        """The value after scale * value + shift, number by number."""
        terms = {name: scale[:, None] * self.matrix(name) for name in self.terms}
        return replace(self, terms=terms, bias=scale * self.bias + shift, rectified=False)

    def matrix(self, name: str) -> np.ndarray:
        """(d, width) the matrix of a signal."""
        found = self.terms[name]
        return np.eye(len(self.bias)) if found is None else found


def added(values: list[Affine]) -> Affine:
    """The sum of some values."""
    if len(values) == 1:
        return values[0]
    terms: dict[str, np.ndarray | None] = {}
    for value in values:
        for name in value.terms:
            known = terms.get(name)
            terms[name] = value.matrix(name) if known is None else known + value.matrix(name)
    bias = np.sum([value.bias for value in values], axis=0)
    return Affine(terms, np.asarray(bias), pooled=any(value.pooled for value in values))


@dataclass(frozen=True, eq=False)
class Lowered:
    """The layers of the circuit, and how their last outputs become those of the network."""

    layers: tuple[FeedForward | Ladder, ...]
    pooling: str
    pooling_mode: str


def lower(
    network: Network, technology: Technology, options: MappingOptions, bound: float, gain: float = 1.0
) -> Lowered:
    """The layers of the circuit of `network`, whose inputs lie within plus and minus `bound`.

    Rectified rows carry `gain` times the trained currents, and their readers' weights are divided by it: the same
    outputs, since a ReLU is homogeneous, from lines that charge faster. Raises MappingError, with the layer and a way
    out, for what no circuit does.
    """
    lowering = _Lowering(network, technology, options, bound)
    lowering.gain = gain
    for layer in network.layers:
        value = added([lowering.values[name] for name in network.sources(layer.name)])
        lowering.values[layer.name] = lowering.evaluate(layer, value)
    return lowering.finish()


class _Lowering:
    """The values of the network's layers so far, and the layers of the circuit that their signals come from."""

    def __init__(self, network: Network, technology: Technology, options: MappingOptions, bound: float) -> None:
        self.network, self.technology, self.options = network, technology, options
        inputs = network.inputs
        self.values = {INPUT: Affine({INPUT: None}, np.zeros(inputs))}
        self.offsets = {INPUT: np.full(inputs, bound)}
        self.layers: list[FeedForward | Ladder] = []
        self.pooling, self.mode, self.gain = "", "last", 1.0

    def evaluate(self, layer: Layer, value: Affine) -> Affine:
        """The value of a layer for the value of its input."""
        if value.pooled and (self.mode == "vote" or (self.mode == "mean" and isinstance(layer, ReLU))):
            raise MappingError(
                f"{layer.name} follows {self.pooling}, whose {self.mode} is taken outside the core: move it before the "
                "pooling, or pool with mode 'last'."
            )
        match layer:
            case Linear():
                return value.through(layer.weight, layer.bias, layer.name)
            case ReLU():
                return self._rectify(layer, value)
            case Scale():
                return value.scaled(layer.scale, layer.shift)
            case Pooling():
                self.pooling, self.mode = layer.name, layer.mode
                return replace(value, pooled=True)
            case Cmru() | FirstQuadrantBmru() | AlphaCmru():
                return self._cell(layer, value)
            case LayerNorm() | Activation() | Glu():
                what = layer.function if isinstance(layer, Activation) else type(layer).__name__
                raise MappingError(
                    f"{layer.name} ({what}) has no circuit: run it digitally in a hybrid network, or train without it. "
                    "A LayerNorm directly before a cell can be converted, see `analogrnn convert`."
                )
        raise MappingError(
            f"{layer.name} is a {type(layer).__name__}, a kind of layer that has no circuit; train a Cmru or a "
            "FirstQuadrantBmru instead."
        )

    def _rectify(self, layer: ReLU, value: Affine) -> Affine:
        if value.rectified:
            return value  # a rectified current is its own ReLU
        gain = 1.0 if layer.name in self._ends() else self.gain
        width = len(value.bias)
        rows = value if gain == 1.0 else value.scaled(np.full(width, gain), np.zeros(width))
        self._rows(self._free(value.label, f"{layer.name}_rows"), rows, layer.name)
        signal = self._signal(self.layers[-1])
        signal = signal if gain == 1.0 else signal.scaled(np.full(width, 1.0 / gain), np.zeros(width))
        return replace(signal, pooled=value.pooled, rectified=True)

    def _ends(self) -> set[str]:
        """The layers whose values are the outputs, without weights between."""
        name = self.network.layers[-1].name
        found = {name}
        while isinstance(self.network.layer(name), Pooling) and len(self.network.sources(name)) == 1:
            (name,) = self.network.sources(name)
            found.add(name)
        return found - {INPUT}

    def _rows(self, name: str, value: Affine, rectifier: str | None) -> None:
        """Append rows of weights that make a value."""
        sources, (weight,) = self._folded(value, np.eye(len(value.bias)))
        rows = Linear(name, weight, value.bias)
        synapses = map_synapses(rows, np.ones(rows.width), self._offset(sources), self.technology)
        self.layers.append(FeedForward(synapses, rectifier, sources))
        self.offsets[name] = np.zeros(rows.width)

    def _cell(self, layer: Cell, value: Affine) -> Affine:
        if layer.name == INPUT:
            raise MappingError(f"a cell is named {INPUT!r}, which stands for the inputs of a circuit; rename it.")
        bias, gate = layer.bias + layer.weight @ value.bias, getattr(layer, "threshold_weight", None)
        if isinstance(layer, Cmru) and gate is not None:
            sources, (weight, gate) = self._folded(value, layer.weight, gate)
            threshold = layer.threshold + layer.threshold_weight @ value.bias
            folded: Cell = replace(
                layer, weight=weight, bias=bias, threshold_weight=gate, threshold=threshold, sources=()
            )
        else:
            sources, (weight,) = self._folded(value, layer.weight)
            folded = replace(layer, weight=weight, bias=bias, sources=())
        # the circuit's output current has one sign: that of alpha goes into the weights that read it
        sign = np.ones(layer.width)
        if not isinstance(folded, AlphaCmru):
            sign = np.sign(folded.alpha)
            folded = replace(folded, alpha=np.where(sign == 0.0, 1.0, np.abs(folded.alpha)))
        ladder = map_ladder(folded, self._offset(sources), self.technology, self.options)
        self.layers.append(replace(ladder, sources=sources))
        self.offsets[ladder.name] = -ladder.alpha * ladder.k_min
        return (
            self._signal(ladder)
            if np.all(sign == 1.0)
            else Affine({ladder.name: np.diag(sign)}, np.zeros(ladder.width))
        )

    def _folded(self, value: Affine, *matrices: np.ndarray) -> tuple[tuple[str, ...], list[np.ndarray]]:
        """The signals that `matrices` (d, width of the value) see, and each matrix over the signals' columns.

        A signal whose columns are all zero is dropped, unless it is the only one.
        """
        order = [INPUT, *(layer.name for layer in self.layers)]
        parts: dict[str, list[np.ndarray]] = {}
        for name in sorted(value.terms, key=order.index):
            known = value.terms[name]
            parts[name] = list(matrices) if known is None else [_without_rounding(m, known) for m in matrices]
        used = [name for name, part in parts.items() if any(one.any() for one in part)] or list(parts)[:1]
        return tuple(used), [np.hstack([parts[name][k] for name in used]) for k in range(len(matrices))]

    def _offset(self, sources: Iterable[str]) -> np.ndarray:
        return np.concatenate([self.offsets[source] for source in sources])

    def _signal(self, made: FeedForward | Ladder) -> Affine:
        return Affine({made.name: None}, np.zeros(made.width))

    def _free(self, *names: str) -> str:
        """The first of some names that no layer of the circuit has."""
        taken = {layer.name for layer in self.layers} | {"", INPUT}
        found = [name for name in names if name not in taken]
        return found[0] if found else f"{names[-1]}_{len(self.layers)}"

    def finish(self) -> Lowered:
        """Make the readout, and leave out what the outputs do not depend on."""
        network = self.network
        value = self.values[network.layers[-1].name]
        last = self.layers[-1] if self.layers else None
        if value.signal is None or last is None or value.signal == INPUT:
            named = next((layer.name for layer in network.layers[::-1] if not isinstance(layer, Pooling)), "readout")
            self._rows(self._free(value.label, named, "readout"), value, None)
            needed = {self.layers[-1].name}
        else:
            needed = {value.signal}
        kept: list[FeedForward | Ladder] = []
        for layer in self.layers[::-1]:
            if layer.name in needed:
                needed |= set(layer.sources)
                kept.insert(0, layer)
        return Lowered(tuple(kept), self.pooling, self.mode)


def _without_rounding(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left @ right, where what rounding alone left of a sum is zero."""
    product, size = left @ right, np.abs(left) @ np.abs(right)
    return np.where(np.abs(product) <= ROUNDING * size, 0.0, product)
