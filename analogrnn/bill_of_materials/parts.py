"""What a Design says to a person: its summary, and the bill of materials (one row a trained parameter)."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from analogrnn.design import Design, FeedForward, Ladder
from analogrnn.errors import OutputError


@dataclass(frozen=True)
class Part:
    """One trained parameter and the circuit element that carries it. `element` is its name in the exported deck."""

    parameter: str
    trained: float
    element: str
    quantity: str
    value: float
    unit: str


def bill_of_materials(design: Design) -> Iterator[Part]:
    """Yield one Part for every trained parameter; a weight of zero places no device."""
    for layer in design.layers:
        yield from _synapse_parts(design, layer)
        if isinstance(layer, Ladder):
            yield from _ladder_parts(layer)


def write_bill_of_materials(design: Design, path: Path) -> int:
    """Write the bill of materials as CSV; return the number of rows. Raises OutputError.

    >>> rows = ar.write_bill_of_materials(design, folder / "parts.csv")
    """
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            return write_parts(bill_of_materials(design), file)
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}; choose another folder.") from error


def write_parts(parts: Iterable[Part], file: Any) -> int:
    """Write parts as CSV to an open text file; return their number."""
    writer = csv.DictWriter(file, [item.name for item in fields(Part)], lineterminator="\n")
    writer.writeheader()
    count = 0
    for part in parts:
        row = asdict(part)
        writer.writerow({**row, "trained": f"{part.trained:.10g}", "value": f"{part.value:.10g}"})
        count += 1
    return count


def _synapse_parts(design: Design, layer: FeedForward | Ladder) -> Iterator[Part]:
    synapses, name = layer.synapses, layer.name
    for i in range(synapses.width):
        owner, tail = (f"xladder_{name}_{i}.".lower(), "") if isinstance(layer, Ladder) else ("", f"_{name}")
        for j in range(synapses.inputs):
            ratio, trained = float(synapses.ratio[i, j]), float(synapses.weight[i, j])
            element = f"{owner}xw_{i}_{j}{tail}" if ratio else "none"
            kind = "mirror ratio, negative rail" if ratio < 0 else "mirror ratio, positive rail"
            yield Part(f"{name}.weight[{i},{j}]", trained, element, kind if ratio else "no device", abs(ratio), "1")
        bias = float(synapses.bias[i]) * design.unit_current
        yield Part(
            f"{name}.bias[{i}]", float(synapses.trained_bias[i]), f"{owner}ib_{i}{tail}", "bias current", bias, "A"
        )


def _ladder_parts(ladder: Ladder) -> Iterator[Part]:
    for i in range(ladder.width):
        owner, (low, high) = f"xladder_{ladder.name}_{i}.".lower(), ladder.threshold[i]
        hysteresis, threshold = float(ladder.i_hyst[i]), float(ladder.i_th[i])
        if ladder.return_to_zero:
            yield Part(f"{ladder.name}.threshold[{i}]", high, f"{owner}ibhyst", "hysteresis current", hysteresis, "A")
        else:
            yield Part(f"{ladder.name}.b_hi[{i}]", high, f"{owner}ibth", "threshold current", threshold, "A")
            yield Part(f"{ladder.name}.b_lo[{i}]", low, f"{owner}ibhyst", "hysteresis current", hysteresis, "A")
        alpha, output = float(ladder.alpha[i]), float(ladder.i_alpha[i])
        yield Part(f"{ladder.name}.alpha[{i}]", alpha, f"{owner}ibalpha", "output current of a stage", output, "A")
        pulses, initial = float(ladder.preset_pulses[i]), float(ladder.initial[i])
        yield Part(f"{ladder.name}.initial[{i}]", initial, f"{owner}vpreset", "preset pulses", pulses, "1")
