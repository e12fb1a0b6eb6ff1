"""Specification files: one that passes over all corners, two that fail for the right reason."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from analogrnn.figures.sweep import draw_sweep
from analogrnn.outputs.files import write_text
from analogrnn.sweep import SweepReport, read_specs, run_sweep
from analogrnn.sweep.specs import SpecFile
from analogrnn.sweep.table import markdown
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.claims import RESULTS, Measured, Topic
from validation.display import quantity

TOPIC = Topic("sweep")
ROOT = Path(__file__).resolve().parents[1]
QUICK = (("typical", 27.0, 1.8), ("ss", -20.0, 1.62))


@lru_cache(maxsize=4)
def _swept(name: str, quick: bool) -> SweepReport:
    file = read_specs(ROOT / "examples" / f"specs_{name}.toml")
    if quick:
        chosen = tuple(c for c in file.conditions if (c.corner, c.temperature, c.supply) in QUICK)
        bench = replace(file.bench, stages=3, steps=12)
        file = SpecFile(file.name, bench, chosen, file.nominal, file.specs)
    return run_sweep(file, load_technology(), workers=2)


def span(low: float, high: float, unit: str) -> str:
    """The range of a parameter over the conditions, four significant digits."""
    if unit in ("A", "W"):
        return f"{quantity(low, unit)} to {quantity(high, unit)}"
    return f"{low:.4g} to {high:.4g}" + (f" {unit}" if unit != "1" else "")


@TOPIC.measure(
    "passes",
    "The standard ladder meets all specifications of examples/specs_standard_ladder.toml over corners, "
    "temperatures and supplies.",
)
def passes(quick: bool) -> Measured:
    report = _swept("standard_ladder", quick)
    if not quick:
        write_text(RESULTS / "sweep_standard_ladder.md", markdown(report))
        draw_sweep(report, ROOT / "docs" / "sweep.png")
    good = sum(row.passes for row in report.rows)
    ranges = {row.spec.parameter: span(row.low, row.high, row.spec.about.unit) for row in report.rows}
    failures = {f"{row.spec.parameter} FAILS": row.reasons[0] for row in report.rows if row.reasons}
    return Measured(
        good,
        "specifications met",
        Bound.equals(len(report.rows)),
        {"conditions": len(report.file.conditions), **ranges, **failures},
    )


@TOPIC.measure("yield", "Least yield of ladders under mismatch over all conditions.")
def mismatch_yield(quick: bool) -> Measured:
    """Not only at nominal, where the datasheet states it."""
    report = _swept("standard_ladder", quick)
    values = {str(m.condition): float(m.values["mismatch_yield"][0]) for m in report.measurements if not m.failure}
    worst = min(values, key=lambda key: np.nan_to_num(values[key], nan=-1.0))
    nominal = values[str(report.file.nominal)]
    return Measured(
        values[worst],
        "of ladders",
        Bound(),
        {
            "conditions": len(values),
            "worst condition": worst,
            f"yield at {report.file.nominal}": f"{nominal:.3f}",
            "ladders drawn": report.file.bench.ladders,
            "thresholds within": f"{report.file.bench.hold:g} to {report.file.bench.move:g} beta",
        },
    )


def _fails(name: str, parameter: str, words: str) -> None:
    @TOPIC.measure(
        f"fails-{name.replace('_', '-')}",
        f"examples/specs_{name}.toml, which asks too much of {parameter}, fails for this reason and for no other.",
    )
    def fails(quick: bool) -> Measured:
        report = _swept(name, quick and name == "too_tight")
        failing = [row for row in report.rows if not row.passes]
        right = len(failing) == 1 and failing[0].spec.parameter == parameter and words in failing[0].reasons[0]
        reasons = "; ".join(f"{row.spec.parameter}: {reason}" for row in failing for reason in row.reasons)
        return Measured(
            len(failing),
            "failing specification",
            Bound.equals(1),
            {"reason": reasons},
            also={f"{parameter} alone": right},
        )


_fails("too_tight", "up_threshold", "is above max 1.05 at ss")
_fails("clock_too_fast", "correct_steps", "is below min 1 at typical")
