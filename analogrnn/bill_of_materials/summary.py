"""The summary of a Design: a record for machines, and a table for people."""

from typing import Any

import numpy as np

from analogrnn.bill_of_materials.devices import transistors
from analogrnn.design import Design, Ladder, Synapses
from analogrnn.mapping import ladder_margins
from analogrnn.units import format_quantity


def summary(design: Design) -> dict[str, Any]:
    """Numbers of a Design, ready for JSON. A key ends in its SI unit; ranges are [least, greatest] over the ladders."""
    timing, counts = design.timing, transistors(design)
    return {
        "network": design.name,
        "technology": design.technology.name,
        "unit_current_A": design.unit_current,
        "stages": design.stages,
        "transistors": sum(counts.values()),
        "transistors_by_block": counts,
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
    """Rows (quantity, value) of the same numbers with engineering units."""
    timing, counts = design.timing, transistors(design)
    size = f"{design.sizing.cell.w * 1e6:g} x {design.sizing.cell.l * 1e6:g} um"
    rows = [
        ("technology", f"{design.technology.name}, {format_quantity(design.technology.supply, 'V')}"),
        ("unit current", format_quantity(design.unit_current, "A")),
        ("memory stages", f"{design.stages}"),
        *((f"transistors, {name}", f"{count:,}") for name, count in counts.items()),
        ("transistors", f"{sum(counts.values()):,}"),
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


_MARGIN_UNIT = {
    "settle": "tau beyond 4",
    "pulse": "t_in beyond 8",
    "read": "pulses beyond 4",
    "rectify": "of the time",
}  # the others are in beta


def _currents(ladder: Ladder) -> dict[str, tuple[float, float]]:
    names = ["i_th", "i_hyst", "i_alpha", *(["i_base", "i_shift", "i_gain"] if ladder.has_dpi else [])]
    return {name: (float(getattr(ladder, name).min()), float(getattr(ladder, name).max())) for name in names}


def _ratios(synapses: Synapses) -> dict[str, float | int]:
    used = np.abs(synapses.ratio[synapses.ratio != 0.0])
    if len(used) == 0:
        return {"count": 0, "min": 0.0, "max": 0.0}
    return {"count": len(used), "min": float(used.min()), "max": float(used.max())}
