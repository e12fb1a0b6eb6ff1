"""What became of a network on its way to a circuit: a row per operation, exact, within an error, digital or refused."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from analogrnn.convert.checkpoint import Checkpoint
from analogrnn.convert.records import Change, Converted
from analogrnn.convert.spec import Imported
from analogrnn.network import Cmru, Layer, Network, Scale
from analogrnn.network.parts import is_digital, split

Status = Literal["exact", "within an error", "digital", "refused", "left over"]

_DIGITAL = {
    "layer_norm": "a norm over the features is no circuit here",
    "deviation": "sigma of the inputs is computed with them",
    "activation": "no circuit computes this function",
    "glu": "no circuit computes this gate",
    "alpha_cmru": "its levels are no whole multiples of a step",
    "cmru": "its state leaks at each update, so that its levels are not whole",
}


@dataclass(frozen=True)
class Row:
    """One operation of an import or a conversion, or one layer of the result."""

    operation: str
    status: Status
    text: str = field(metadata={"doc": "what changed, the measured error, or why it is refused"})


def import_rows(imported: Imported, checkpoint: Checkpoint | None = None) -> tuple[Row, ...]:
    """What the import derived, and each tensor that no layer uses; entries set aside by the reader, by reason."""
    notes = [Row("import", "exact", note) for note in imported.notes]
    left = [Row("import", "left over", f"tensor {name} belongs to no layer") for name in imported.left_over]
    ignored = [Row("import", "left over", f"tensor {name} is ignored, as the spec says") for name in imported.ignored]
    aside: dict[str, int] = {}
    for reason in () if checkpoint is None else checkpoint.dropped.values():
        aside[reason] = aside.get(reason, 0) + 1
    dropped = [Row("import", "left over", f"{n} entr{'y' if n == 1 else 'ies'}: {why}") for why, n in aside.items()]
    return (*notes, *left, *ignored, *dropped)


def change_rows(changes: Iterable[Change]) -> tuple[Row, ...]:
    """A row per change; an approximate one states its measured error."""
    return tuple(
        Row(f"{change.conversion} of {change.layer}", "exact" if change.exact else "within an error", _text(change))
        for change in changes
    )


def _text(change: Change) -> str:
    if change.effect is None:
        return change.text
    effect = change.effect
    return (
        f"{change.text}; on data {effect.steps_equal:.3%} of the unit-steps and {effect.classes_equal:.2%} of the "
        f"classes are equal, outputs within {effect.logit_error:.3g}"
    )


def layer_rows(network: Network) -> tuple[Row, ...]:
    """A row per layer: what a circuit computes, what runs digitally, and what is refused with the reason."""
    rows = []
    analog = {layer.name for part in split(network) if part.analog for layer in part.network.layers}
    for layer in network.layers:
        reason = refusal(layer)
        if is_digital(layer):
            status, text = "digital", _DIGITAL[layer.kind]
        elif layer.name not in analog:
            status, text = "digital", "runs with the layers around it, of which none is a cell in the circuit"
        elif reason:
            status, text = "refused", reason
        else:
            status, text = "exact", _computed(layer)
        rows.append(Row(f"layer {layer.name} ({layer.kind})", status, text))  # type: ignore[arg-type]
    return tuple(rows)


def _computed(layer: Layer) -> str:
    if layer.kind == "pooling":
        return "outside the core"
    return "folded when it is mapped" if isinstance(layer, Scale) else "in the circuit"


def refusal(layer: Layer) -> str:
    """Why a circuit can't hold a layer that is not digital as it is, with a way out; "" if it can."""
    return (_refused_levels(layer) or _refused_threshold(layer)) if isinstance(layer, Cmru) else ""


def _refused_levels(layer: Cmru) -> str:
    assert layer.initial is not None
    low, high = layer.bounds
    if np.any(layer.initial != np.floor(layer.initial)):
        if np.isfinite(low).any() or np.isfinite(high).any():
            return "s_0 is no whole level, which is exact for an unbounded ladder only; train it with whole levels"
        return "s_0 is no whole level: apply the exact conversion initial"
    if layer.eps == 0.0:
        return "s_0 is no level of a BMRU, -1 or 1; set it to one of them" if np.any(np.abs(layer.initial) != 1) else ""
    if np.isinf(low).any() or np.isinf(high).any():
        return "its ladder is unbounded: take its ends from data with ladder_from"
    return ""


def _refused_threshold(layer: Cmru) -> str:
    if layer.threshold_weight is None:
        return "" if np.all(layer.threshold != 0.0) else "a threshold is 0, and a window is above zero; drop the unit"
    if layer.threshold_floor is None:
        return "its threshold depends on the inputs and has no floor: choose one from data with floor"
    if np.any(layer.threshold_floor <= 0.0):
        return "the floor of its threshold is 0 in some unit: choose one from data with floor"
    return ""


def report(
    converted: Converted, imported: Imported | None = None, checkpoint: Checkpoint | None = None
) -> tuple[Row, ...]:
    """All rows: of the import, of each change, and of each layer of the result."""
    first = () if imported is None else import_rows(imported, checkpoint)
    return (*first, *change_rows(converted.changes), *layer_rows(converted.network))
