"""What a conversion gives: the converted network, and a record of each change."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analogrnn.network import Network


@dataclass(frozen=True)
class Effect:
    """What a conversion changes on data: the same inputs through the network before and after it."""

    steps_equal: float = field(metadata={"doc": "share of the unit-steps at which the cells' outputs are equal"})
    classes_equal: float = field(metadata={"doc": "share of the clips with the same class"})
    logit_error: float = field(metadata={"doc": "largest difference of an output"})


@dataclass(frozen=True)
class Change:
    """One change that a conversion made to one layer."""

    conversion: str = field(metadata={"doc": "name of the conversion, as in `EXACT`"})
    layer: str
    text: str = field(metadata={"doc": "what changed, for a person"})
    exact: bool = True
    effect: Effect | None = field(default=None, metadata={"doc": "measured on data; None for what is exact"})


@dataclass(frozen=True, eq=False)
class Converted:
    """A converted network and the changes that led to it, in order. Without a change it is the given network."""

    network: Network
    changes: tuple[Change, ...] = ()

    def then(self, other: "Converted") -> "Converted":
        """The result of a conversion of `self.network`, with the changes of both."""
        return Converted(other.network, self.changes + other.changes)


def units(chosen: np.ndarray) -> str:
    """`unit 3`, `units 1, 2`, `12 units`: the units of a mask (d,) or of an array of their numbers."""
    numbers: Sequence[int] = np.flatnonzero(chosen).tolist() if chosen.dtype == bool else chosen.tolist()
    if len(numbers) > 4:
        return f"{len(numbers)} units"
    return f"unit{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
