"""What a Design says to a person: its summary, and the bill of materials (one row a trained parameter)."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from analogrnn.design import Design, FeedForward, Ladder, Synapses
from analogrnn.errors import OutputError
from analogrnn.mapping import ladder_margins
from analogrnn.units import format_quantity


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


def summary(design: Design) -> dict[str, Any]:
    """The Design in numbers, SI units, ready for JSON."""
    timing, transistors = design.timing, design.transistors()
    return {
        "network": design.name,
        "technology": design.technology.name,
        "unit_current_A": design.unit_current,
        "stages": design.stages,
        "transistors": sum(transistors.values()),
        "transistors_by_block": transistors,
        "period_s": timing.period,
        "pulse_s": timing.pulse,
        "tau_s": timing.tau,
        "c_dpi_F": timing.c_dpi,
        "i_tau_A": timing.i_tau,
        "i_on_A": timing.i_on,
        "reset_steps": timing.reset_steps,
        "preset_steps": design.preset_steps,
        "cell_device_m": [design.sizing.cell.w, design.sizing.cell.l],
        "synapse_device_m": [design.sizing.synapse.w, design.sizing.synapse.l],
        "margins": ladder_margins(design),
        "ladders": {ladder.name: _currents(ladder) for ladder in design.ladders},
        "mirror_ratios": {layer.name: _ratios(layer.synapses) for layer in design.layers},
    }


def summary_rows(design: Design) -> list[tuple[str, str]]:
    """The same for a person: (what, value) rows with engineering units."""
    timing = design.timing
    size = f"{design.sizing.cell.w * 1e6:g} x {design.sizing.cell.l * 1e6:g} um"
    rows = [
        ("technology", f"{design.technology.name}, {format_quantity(design.technology.supply, 'V')}"),
        ("unit current", format_quantity(design.unit_current, "A")),
        ("memory stages", f"{design.stages}"),
        *((f"transistors, {name}", f"{count:,}") for name, count in design.transistors().items()),
        ("transistors", f"{sum(design.transistors().values()):,}"),
        ("devices of the cells", size),
        ("step period", format_quantity(timing.period, "s")),
        ("pulse, DPI time constant", f"{format_quantity(timing.pulse, 's')}, {format_quantity(timing.tau, 's')}"),
        (
            "DPI capacitor, i_tau, i_on",
            f"{format_quantity(timing.c_dpi, 'F')}, {format_quantity(timing.i_tau, 'A')}, "
            f"{format_quantity(timing.i_on, 'A')}",
        ),
    ]
    for ladder in design.ladders:
        for name, (low, high) in _currents(ladder).items():
            rows.append((f"{ladder.name}.{name}", f"{format_quantity(low, 'A')} to {format_quantity(high, 'A')}"))
    for layer in design.layers:
        ratios = _ratios(layer.synapses)
        rows.append(
            (f"{layer.name} mirror ratios", f"{ratios['min']:.3g} to {ratios['max']:.3g}, {ratios['count']} devices")
        )
    for name, margin in ladder_margins(design).items():
        rows.append((f"margin '{name}'", f"{margin:.3g} {_MARGIN_UNIT.get(name, 'beta')}"))
    return rows


_MARGIN_UNIT = {"settle": "tau beyond 4", "pulse": "t_in beyond 8", "read": "pulses beyond 4"}  # the others are in beta


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


def _currents(ladder: Ladder) -> dict[str, tuple[float, float]]:
    names = ["i_th", "i_hyst", "i_alpha", *(["i_base", "i_shift", "i_gain"] if ladder.has_dpi else [])]
    return {name: (float(getattr(ladder, name).min()), float(getattr(ladder, name).max())) for name in names}


def _ratios(synapses: Synapses) -> dict[str, float | int]:
    used = np.abs(synapses.ratio[synapses.ratio != 0.0])
    if len(used) == 0:
        return {"count": 0, "min": 0.0, "max": 0.0}
    return {"count": len(used), "min": float(used.min()), "max": float(used.max())}
