"""A network in parts: what a circuit may compute, and what runs digitally before, between or after it.

No layer feeds back, so a part can run over all steps before the next one begins. A part is a network of its own: it
reads the concatenated values that it needs, and gives the concatenated values that later parts need.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analogrnn.errors import ParameterError
from analogrnn.network.kinds import Layer
from analogrnn.network.layers import INPUT, Activation, Deviation, Glu, LayerNorm, Linear, Pooling, Scale, Weighted
from analogrnn.network.model import Network
from analogrnn.network.recurrent import AlphaCmru, Cmru, FirstQuadrantBmru


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a network.

    network  reads the values `reads`, concatenated; without an encoding
    analog   whether a circuit may compute it
    reads    names of layers of other parts, or "input"
    gives    names of its layers whose outputs it returns, concatenated
    """

    network: Network
    analog: bool
    reads: tuple[str, ...]
    gives: tuple[str, ...]


def is_digital(layer: Layer) -> bool:
    """Whether no circuit computes this layer, so that it runs in floating point."""
    match layer:
        case LayerNorm() | Deviation() | Activation() | Glu() | AlphaCmru():
            return True
        case Cmru():
            return layer.eps not in (0.0, 1.0)
    return False


def split(network: Network) -> tuple[Part, ...]:
    """The parts of `network` in the order in which they run; one analog part if no layer is digital.

    Weights, scales, rectifiers and the pooling run with the layer whose output they read. Those that read the inputs
    alone are analog if a recurrent layer follows them, so that an analog part always has one.
    """
    stages = _stages(network)
    found = []
    for stage in sorted(set(stages.values())):
        inside = [layer for layer in network.layers if stages[layer.name] == stage]
        found.append(_part(network, inside, analog=bool(stage % 2)))
    return tuple(found)


def run_parts(
    network: Network, parts: Sequence[Part], x: np.ndarray, run: Callable[[Part, np.ndarray], np.ndarray]
) -> np.ndarray:
    """The outputs of a network in parts on encoded inputs x (T, S, D); `run` returns the outputs of one part.

    Raises ParameterError if `run` returns another number of outputs.
    """
    values = {INPUT: np.asarray(x)}
    for part in parts:
        out = run(part, np.concatenate([values[name] for name in part.reads], axis=-1))
        if out.shape[-1] != part.network.outputs:
            raise ParameterError(f"a part gave {out.shape[-1]} outputs where its layers have {part.network.outputs}.")
        start = 0
        for name in part.gives:
            width = network.width(name)
            values[name] = out[..., start : start + width]
            start += width
    return values[network.layers[-1].name]


def _stages(network: Network) -> dict[str, int]:
    """The place of each layer: even in a digital part, odd in an analog one."""
    found = _placed(network, {layer.name for layer in network.layers})
    # weights on the inputs belong to the first circuit only if one of its recurrent layers reads them
    kept: set[str] = set()
    for layer in reversed(network.layers):
        readers = [network.layer(name) for name in network.readers(layer.name) if found[name] == 1]
        if found[layer.name] == 1 and any(reader.name in kept or _is_cell(reader) for reader in readers):
            kept.add(layer.name)
    return _placed(network, kept)


def _placed(network: Network, analog: set[str]) -> dict[str, int]:
    """The places if those layers without a memory that read only inputs are analog that are in `analog`."""
    names = [layer.name for layer in network.layers]
    pooling = next((at for at, layer in enumerate(network.layers) if isinstance(layer, Pooling)), len(names))
    digital_end = any(is_digital(layer) for layer in network.layers[pooling:])
    found = {INPUT: 0}
    for layer in network.layers:
        sources = network.sources(layer.name)
        last = max(found[source] for source in sources)
        if is_digital(layer) or (isinstance(layer, Pooling) and digital_end):
            found[layer.name] = last + last % 2
        elif _is_cell(layer):
            found[layer.name] = last + 1 - last % 2
        else:
            raw = all(source == INPUT for source in sources)
            found[layer.name] = 1 if raw and layer.name in analog else last
    del found[INPUT]
    return found


def _is_cell(layer: Layer) -> bool:
    return isinstance(layer, Cmru | FirstQuadrantBmru) and not is_digital(layer)


def _part(network: Network, inside: Sequence[Layer], *, analog: bool) -> Part:
    """The layers `inside` as a network of their own."""
    names = {layer.name for layer in inside}
    sources = {layer.name: network.sources(layer.name) for layer in inside}
    outside = [source for layer in inside for source in sources[layer.name] if source not in names]
    reads = tuple(dict.fromkeys(outside))
    last = network.layers[-1].name
    gives = tuple(n for n in (layer.name for layer in inside) if n == last or set(network.readers(n)) - names)
    taken = {INPUT: INPUT}
    layers: list[Layer] = []
    sized = [layer.name for layer in inside if isinstance(layer, Weighted | Scale | LayerNorm)]
    if len(reads) == 1 and any(reads[0] in sources[name] for name in sized):
        taken = {reads[0]: INPUT}
    else:
        widths = [network.width(name) for name in reads]
        for at, name in enumerate(reads):
            block = np.eye(sum(widths))[sum(widths[:at]) : sum(widths[: at + 1])]
            taken[name] = f"take_{name}"
            layers.append(Linear(taken[name], block, np.zeros(widths[at]), sources=(INPUT,)))
    layers += [
        replace(layer, sources=tuple(taken.get(source, source) for source in sources[layer.name])) for layer in inside
    ]
    if gives != (inside[-1].name,):
        widths = [network.width(name) for name in gives]
        for at, name in enumerate(gives):
            block = np.eye(sum(widths))[:, sum(widths[:at]) : sum(widths[: at + 1])]
            layers.append(Linear(f"give_{name}", block, np.zeros(sum(widths)), sources=(name,)))
        total = np.eye(sum(widths))
        ends = tuple(f"give_{name}" for name in gives)
        layers.append(Linear("gives", total, np.zeros(len(total)), sources=ends))
    metadata = {"name": f"{network.name}_{inside[0].name}"[:64]}
    return Part(Network(tuple(layers), None, metadata), analog, reads, gives)
