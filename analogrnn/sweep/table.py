"""A sweep as a datasheet's table in markdown, as JSON, and as a picture."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analogrnn.errors import OutputError
from analogrnn.plots import BLUE, FAINT, INK, ORANGE
from analogrnn.sweep.run import Row, SweepReport
from analogrnn.units import format_quantity

SHORT = ("parameter", "spec: min, typ, max", "found: min, typ, max", "")
PLOTTED = {"A": (1e12, "pA"), "W": (1e9, "nW")}
HEADER = ("parameter", "symbol", "spec min", "spec typ", "spec max", "found min", "found typ", "found max", "verdict")


def cells(row: Row) -> tuple[str, ...]:
    """One row of the table as text."""
    spec, about = row.spec, row.spec.about
    limits = (spec.least, spec.typical, spec.most)
    found = (row.low, row.typical, row.high)
    return (spec.parameter, about.symbol, *(_shown(value, about.unit) for value in (*limits, *found)),
            "pass" if row.passes else "FAIL")  # fmt: skip


def summary(row: Row) -> tuple[str, ...]:
    """The same for a terminal: limits and findings each in one column."""
    spec, unit = row.spec, row.spec.about.unit

    def listed(*values: float | None) -> str:
        return ", ".join(_shown(value, unit) or "-" for value in values)

    return (spec.parameter, listed(spec.least, spec.typical, spec.most), listed(row.low, row.typical, row.high),
            "pass" if row.passes else "FAIL")  # fmt: skip


def markdown(report: SweepReport) -> str:
    """The datasheet: what was run, the table, the conditions of each line, and why anything fails."""
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
        *(f"| {row.spec.parameter} | {row.conditions} | {row.low_at} | {row.high_at} | {row.spec.about.method} |"
          for row in report.rows),
    ]  # fmt: skip
    reasons = [f"- {row.spec.parameter}: {reason}" for row in report.rows for reason in row.reasons]
    if reasons:
        lines += ["", "Fails because", "", *reasons]
    return "\n".join(lines) + "\n"


def as_dict(report: SweepReport) -> dict[str, Any]:
    """The same for machines. SI units, NaN as null."""
    bench = report.file.bench
    return {
        "name": report.file.name,
        "passes": report.passes,
        "bench": {name: getattr(bench, name) for name in bench.__dataclass_fields__},
        "rows": [
            {"parameter": row.spec.parameter, "symbol": row.spec.about.symbol, "unit": row.spec.about.unit,
             "method": row.spec.about.method,
             "spec": {"min": row.spec.least, "typ": row.spec.typical, "max": row.spec.most},
             "found": {"min": _number(row.low), "typ": _number(row.typical), "max": _number(row.high)},
             "min_at": row.low_at, "max_at": row.high_at, "conditions": row.conditions, "passes": row.passes,
             "reasons": list(row.reasons)}
            for row in report.rows
        ],
        "measurements": [
            {"corner": m.condition.corner, "temperature_C": m.condition.temperature, "supply_V": m.condition.supply,
             "failure": m.failure,
             "values": {name: [_number(float(v)) for v in values] for name, values in m.values.items()}}
            for m in report.measurements
        ],
    }  # fmt: skip


def picture(report: SweepReport, path: Path) -> None:
    """Each parameter over all conditions with its limits. Raises OutputError."""
    rows = report.rows
    figure = Figure(figsize=(9, 1.2 + 1.25 * len(rows)), layout="constrained")
    all_axes = np.atleast_1d(figure.subplots(len(rows), 1, sharex=True))
    ran = [m for m in report.measurements if not m.failure]
    for axes, row in zip(all_axes, rows, strict=True):
        spec = row.spec
        scale, unit = PLOTTED.get(spec.about.unit, (1.0, spec.about.unit))
        for at, measurement in enumerate(report.measurements):
            if measurement.failure or not spec.covers(measurement.condition):
                continue
            values = scale * measurement.values[spec.parameter]
            axes.plot(np.full(len(values), at), values, "_", color=BLUE if row.passes else ORANGE, ms=8, mew=1.5)
        for limit in (spec.least, spec.most):
            if limit is not None:
                axes.axhline(scale * limit, color=INK, lw=1.0, ls="--")
        if spec.typical is not None:
            axes.axhline(scale * spec.typical, color=FAINT, lw=4, zorder=0)
        verdict = "pass" if row.passes else "FAIL"
        axes.set_ylabel(f"{spec.parameter}\n({unit})", fontsize=7, rotation=0, ha="right", va="center")
        axes.set_title(verdict, loc="right", fontsize=8, color=BLUE if row.passes else ORANGE, pad=1)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    last = all_axes[-1]
    step = max(1, len(report.measurements) // 24)
    ticks = range(0, len(report.measurements), step)
    last.set_xticks(list(ticks), [str(report.measurements[i].condition) for i in ticks], rotation=90, fontsize=6)
    title = f"{report.file.name}: {len(ran)} conditions; dashed: min and max, grey: typ"
    figure.suptitle(title, color=INK, fontsize=10)
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}; choose another folder.") from error


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
