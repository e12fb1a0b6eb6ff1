"""Which layers of a Design read which: a graph in topological order, whose edges are gate lines of current mirrors.

The inputs of a layer are the outputs of its sources, one after the other. The diode of an output belongs to the layer
that makes it. Its gate line reaches the mirrors of every layer that reads it, so a skip is a mirror more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from analogrnn.errors import ParameterError

INPUT = "input"  # the source that stands for the inputs of the network


@dataclass(frozen=True)
class Source:
    """The outputs of the layer `name`, or the inputs of the network, as columns start to stop of a layer that reads."""

    name: str
    start: int
    stop: int

    @property
    def columns(self) -> slice:
        """The columns of the reading layer."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class Reader:
    """A layer that reads a source, from column `start` of its own inputs."""

    name: str
    start: int


class Node(Protocol):
    """What the wiring needs to know of a layer."""

    @property
    def name(self) -> str: ...

    @property
    def sources(self) -> tuple[str, ...]: ...

    @property
    def width(self) -> int: ...

    @property
    def inputs(self) -> int: ...

    @property
    def clocked(self) -> bool: ...


@dataclass(frozen=True, eq=False)
class Wiring:
    """The graph of a Design.

    sources  layer -> what it reads, in the order of its columns
    readers  source -> the layers that read it, in the order of the signal; the first one's draw of the diode counts
    phase    layer -> number of clocked ladders before it on the longest path: ladders of equal depth share a phase
    """

    sources: Mapping[str, tuple[Source, ...]]
    readers: Mapping[str, tuple[Reader, ...]]
    phase: Mapping[str, int]

    @classmethod
    def of(cls, layers: Sequence[Node]) -> "Wiring":
        """The wiring of `layers` in topological order; a layer without sources reads the layer before it.

        Raises ParameterError for a source that doesn't stand before its reader, or for inputs of another number.
        """
        widths = {INPUT: layers[0].inputs}
        clocked = {INPUT: False}
        sources: dict[str, tuple[Source, ...]] = {}
        readers: dict[str, list[Reader]] = {}
        phase = {INPUT: 0}
        before = INPUT
        for layer in layers:
            found, start = [], 0
            for name in layer.sources or (before,):
                if name not in widths:
                    raise ParameterError(
                        f"{layer.name} reads {name!r}, which is no layer before it; known: {list(widths)}."
                    )
                found.append(Source(name, start, start + widths[name]))
                readers.setdefault(name, []).append(Reader(layer.name, start))
                start += widths[name]
            if start != layer.inputs:
                raise ParameterError(f"{layer.name} has {layer.inputs} inputs, but its sources give {start}.")
            sources[layer.name] = tuple(found)
            phase[layer.name] = max(phase[source.name] + clocked[source.name] for source in found)
            widths[layer.name], clocked[layer.name], before = layer.width, layer.clocked, layer.name
        return cls(sources, {name: tuple(part) for name, part in readers.items()}, phase)

    @property
    def is_chain(self) -> bool:
        """Whether every layer reads the layer before it and nothing else."""
        before = (INPUT, *self.sources)
        return all(
            [source.name for source in part] == [name]
            for part, name in zip(self.sources.values(), before, strict=False)
        )

    @property
    def last(self) -> str:
        """The layer whose outputs are the network's."""
        return list(self.sources)[-1]

    def gather(self, layer: str, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """The inputs (..., D) of a layer from the outputs (..., d) of its sources, by name."""
        parts = [values[source.name] for source in self.sources[layer]]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def lines(self, layer: str, lines: Mapping[str, Sequence[str]]) -> list[str]:
        """The gate lines that a layer reads, from those of its sources, by name."""
        return [line for source in self.sources[layer] for line in lines[source.name]]

    def first_reader(self, source: str) -> Reader | None:
        """The layer whose draw holds the diodes of a source, and from which column; None if nothing reads it."""
        found = self.readers.get(source, ())
        return found[0] if found else None

    def borrowed(self, layer: str) -> Iterable[tuple[Source, Reader]]:
        """The sources of a layer whose diodes are drawn with another layer, which reads them first."""
        for source in self.sources[layer]:
            first = self.readers[source.name][0]
            if first.name != layer:
                yield source, first
