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
from validation.claims import RESULTS, Measured, Topic

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


@TOPIC.measure("passes")
def passes(quick: bool) -> Measured:
    report = _swept("standard_ladder", quick)
    if not quick:
        write_text(RESULTS / "sweep_standard_ladder.md", markdown(report))
        draw_sweep(report, ROOT / "docs" / "sweep.png")
    good = sum(row.passes for row in report.rows)
    found = "; ".join(
        f"{row.spec.parameter} {row.low:.4g} to {row.high:.4g} {row.spec.about.unit}" for row in report.rows
    )
    return Measured(
        good,
        "of specs",
        f"= {len(report.rows)}",
        report.passes,
        f"standard ladder over {len(report.file.conditions)} conditions of corner, temperature and supply, "
        f"examples/specs_standard_ladder.toml: {found}"
        + "".join(f"; FAILS: {row.spec.parameter}, {row.reasons[0]}" for row in report.rows if row.reasons),
    )


@TOPIC.measure("yield")
def mismatch_yield(quick: bool) -> Measured:
    """Not only at nominal, where the datasheet states it."""
    report = _swept("standard_ladder", quick)
    values = {str(m.condition): float(m.values["mismatch_yield"][0]) for m in report.measurements if not m.failure}
    worst = min(values, key=lambda key: np.nan_to_num(values[key], nan=-1.0))
    nominal = values[str(report.file.nominal)]
    return Measured(
        values[worst],
        "of ladders",
        "reported",
        True,
        f"least yield of ladders under mismatch over {len(values)} conditions, at {worst}; "
        f"{nominal:.3f} at {report.file.nominal}; {report.file.bench.ladders} drawn, thresholds within "
        f"{report.file.bench.hold:g} to {report.file.bench.move:g} beta",
    )


def _fails(name: str, parameter: str, words: str) -> None:
    @TOPIC.measure(f"fails-{name.replace('_', '-')}")
    def fails(quick: bool) -> Measured:
        report = _swept(name, quick and name == "too_tight")
        failing = [row for row in report.rows if not row.passes]
        right = len(failing) == 1 and failing[0].spec.parameter == parameter and words in failing[0].reasons[0]
        reasons = "; ".join(f"{row.spec.parameter}: {reason}" for row in failing for reason in row.reasons)
        return Measured(
            len(failing),
            "of specs",
            f"{parameter} alone",
            right,
            f"examples/specs_{name}.toml fails for the right reason and for no other: {reasons}",
        )


_fails("too_tight", "up_threshold", "is above max 1.05 at ss")
_fails("clock_too_fast", "correct_steps", "is below min 1 at typical")
