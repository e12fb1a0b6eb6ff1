"""The bill of materials: one row per trained parameter, with the circuit elements that carry it."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from analogrnn.design import Design, FeedForward, Ladder, Synapses
from analogrnn.errors import OutputError

NONE = "none"  # in place of an element: the value needs no device


@dataclass(frozen=True)
class Part:
    """One trained parameter and the element that carries it in each flavour of the deck of the whole network.

    Names of elements are in lower case, since ngspice knows no other. An element of a subcircuit comes after the
    instance of the subcircuit and a dot: `xladder_cell_3.xw_5` is element xw_5 in subcircuit `ladder_cell_3`. The name
    is "none" where no element is placed.

    parameter           layer, array and index in the network, such as `cell.weight[3,5]`
    trained             trained value, 1
    ideal_element       in the deck of ideal subcircuits
    transistor_element  in the deck of transistors. Of a bias line, the programmed source r*, whose unit devices the
                        diode b* of the same line divides; of an initial level, the clock line that all ladders with the
                        same number of preset pulses share; of a floor, the hysteresis line, half of whose current the
                        soft threshold's sink (xdelta) takes too
    quantity            what the value is
    value, unit         of the Design; a unit of "1" is a number. A transistor deck makes up for known deviations of the
                        blocks, see `biases`, so that its unit devices differ from the value by some per cent
    """

    parameter: str
    trained: float
    ideal_element: str
    transistor_element: str
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
    """Write the bill of materials as CSV, one column per field of `Part`; return the number of rows.

    >>> rows = ar.write_bill_of_materials(design, folder / "parts.csv")

    Raises OutputError for a path that can't be written.
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
    yield from _row_parts(design, layer, layer.synapses, ("weight", "bias"))
    if isinstance(layer, Ladder) and layer.gate is not None:
        yield from _row_parts(design, layer, layer.gate, ("threshold_weight", "threshold"), "b")


def _row_parts(
    design: Design, layer: FeedForward | Ladder, synapses: Synapses, arrays: tuple[str, str], mark: str = ""
) -> Iterator[Part]:
    """The parts of all rows of a layer's synapses, whose weights and biases are `arrays` of the trained layer."""
    name, (weights, biases) = layer.name, arrays
    for i in range(synapses.width):
        for j in range(synapses.inputs):
            ratio, trained = float(synapses.ratio[i, j]), float(synapses.weight[i, j])
            names = _row_elements(layer, i, f"xw{mark}_{i}_{j}", f"xw{mark}_{j}") if ratio else (NONE, NONE)
            kind = "mirror ratio, negative rail" if ratio < 0 else "mirror ratio, positive rail"
            yield Part(f"{name}.{weights}[{i},{j}]", trained, *names, kind if ratio else "no device", abs(ratio), "1")
        bias, trained = float(synapses.bias[i]) * design.unit_current, float(synapses.trained_bias[i])
        ideal, transistor = _row_elements(layer, i, f"ib{mark}_{i}", f"xbrow{mark}")
        yield Part(f"{name}.{biases}[{i}]", trained, ideal, transistor if bias else NONE, "bias current", bias, "A")


def _row_elements(layer: FeedForward | Ladder, row: int, ideal: str, transistor: str) -> tuple[str, str]:
    """Full names of two elements of a row: of the ladder's subcircuits, else at the top level of the ideal deck."""
    if isinstance(layer, Ladder):
        owner = _ladder_element(layer, row)
        return f"{owner}.{ideal}", f"{owner}.{transistor}"
    return f"{ideal}_{layer.name}".lower(), f"xrow_{layer.name}_{row}.{transistor}".lower()


def _ladder_element(ladder: Ladder, cell: int) -> str:
    return f"xladder_{ladder.name}_{cell}".lower()


def _ladder_parts(ladder: Ladder) -> Iterator[Part]:
    name = ladder.name
    for i in range(ladder.width):
        low, high = (float(value) for value in ladder.threshold[i])
        if ladder.gate is not None:
            yield _line_part(ladder, i, ("threshold_floor", high), "hyst", "hysteresis current")
        elif ladder.return_to_zero:
            yield _line_part(ladder, i, ("threshold", high), "hyst", "hysteresis current")
        else:
            yield _line_part(ladder, i, ("b_hi", high), "th", "threshold current")
            yield _line_part(ladder, i, ("b_lo", low), "hyst", "hysteresis current")
        yield _line_part(ladder, i, ("alpha", float(ladder.alpha[i])), "alpha", "output current of a stage")
        pulses, initial = int(ladder.preset_pulses[i]), float(ladder.initial[i])
        ideal, clock = f"{_ladder_element(ladder, i)}.vpreset", f"vpreset_{pulses}" if pulses else NONE
        yield Part(f"{name}.initial[{i}]", initial, ideal, clock, "preset pulses", float(pulses), "1")


def _line_part(ladder: Ladder, cell: int, trained: tuple[str, float], line: str, quantity: str) -> Part:
    """The Part of a parameter (array, value) that the current of a bias line carries."""
    array, value = trained
    owner, current = _ladder_element(ladder, cell), float(getattr(ladder, f"i_{line}")[cell])
    elements = f"{owner}.ib{line}", f"{owner}.xbias.xr{line}"
    return Part(f"{ladder.name}.{array}[{cell}]", value, *elements, quantity, current, "A")
