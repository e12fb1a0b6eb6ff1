"""The datasheet of a sweep in markdown and as JSON."""

from typing import Any

import numpy as np

from analogrnn.sweep.run import Row, SweepReport
from analogrnn.units import format_quantity

SHORT = ("parameter", "spec: min, typ, max", "found: min, typ, max", "")
HEADER = ("parameter", "symbol", "spec min", "spec typ", "spec max", "found min", "found typ", "found max", "verdict")


def cells(row: Row) -> tuple[str, ...]:
    """One row of the datasheet as text."""
    spec, about = row.spec, row.spec.about
    limits = (spec.least, spec.typical, spec.most)
    found = (row.low, row.typical, row.high)
    return (
        spec.parameter,
        about.symbol,
        *(_shown(value, about.unit) for value in (*limits, *found)),
        "pass" if row.passes else "FAIL",
    )


def summary(row: Row) -> tuple[str, ...]:
    """One row for a terminal, with limits and measured values in one column each."""
    spec, unit = row.spec, row.spec.about.unit

    def listed(*values: float | None) -> str:
        return ", ".join(_shown(value, unit) or "-" for value in values)

    return (
        spec.parameter,
        listed(spec.least, spec.typical, spec.most),
        listed(row.low, row.typical, row.high),
        "pass" if row.passes else "FAIL",
    )


def markdown(report: SweepReport) -> str:
    """The datasheet: the circuit, the table, the conditions of each line, and the reasons of failures."""
    file, bench = report.file, report.file.bench
    lines = [
        f"# {file.name}: {'passes' if report.passes else 'FAILS'}",
        "",
        f"{bench.stage} stage, {bench.stages} stages, {len(file.conditions)} conditions, nominal {file.nominal}; "
        f"hold {bench.hold:g} beta, move {bench.move:g} to {bench.most:g} beta, {bench.steps} random steps, "
        f"{bench.ladders} drawn ladders.",
        "",
        "| " + " | ".join(HEADER) + " |",
        "|" + "---|" * len(HEADER),
        *("| " + " | ".join(cells(row)) + " |" for row in report.rows),
        "",
        "| parameter | conditions | min at | max at | method |",
        "|---|---|---|---|---|",
        *(
            f"| {row.spec.parameter} | {row.conditions} | {row.low_at} | {row.high_at} | {row.spec.about.method} |"
            for row in report.rows
        ),
    ]
    reasons = [f"- {row.spec.parameter}: {reason}" for row in report.rows for reason in row.reasons]
    if reasons:
        lines += ["", "Fails because", "", *reasons]
    return "\n".join(lines) + "\n"


def as_dict(report: SweepReport) -> dict[str, Any]:
    """The datasheet for JSON. SI units, NaN as None."""
    bench = report.file.bench
    return {
        "name": report.file.name,
        "passes": report.passes,
        "bench": {name: getattr(bench, name) for name in bench.__dataclass_fields__},
        "rows": [
            {
                "parameter": row.spec.parameter,
                "symbol": row.spec.about.symbol,
                "unit": row.spec.about.unit,
                "method": row.spec.about.method,
                "spec": {"min": row.spec.least, "typ": row.spec.typical, "max": row.spec.most},
                "found": {"min": _number(row.low), "typ": _number(row.typical), "max": _number(row.high)},
                "min_at": row.low_at,
                "max_at": row.high_at,
                "conditions": row.conditions,
                "passes": row.passes,
                "reasons": list(row.reasons),
            }
            for row in report.rows
        ],
        "measurements": [
            {
                "corner": m.condition.corner,
                "temperature_C": m.condition.temperature,
                "supply_V": m.condition.supply,
                "failure": m.failure,
                "values": {name: [_number(float(v)) for v in values] for name, values in m.values.items()},
            }
            for m in report.measurements
        ],
    }


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if not np.isfinite(value):
        return "?"
    return (
        format_quantity(value, unit, 3) if unit in ("W", "A") else f"{value:.3g}" + ("" if unit == "1" else f" {unit}")
    )


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
