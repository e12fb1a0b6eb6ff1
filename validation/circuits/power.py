"""Power of a stage versus step time, and where a faster clock makes the ladder fail."""

import json
from dataclasses import replace
from pathlib import Path

from analogrnn.design import Design
from analogrnn.figures.power import StepTime, draw_step_times
from validation.bounds import Bound
from validation.circuits.bench import STANDARD, Case, good, ladder_design, mean_known, measure, random_moves
from validation.circuits.ladders import long_run
from validation.circuits.topic import TOPIC
from validation.claims import RESULTS, Measured

STAGES = 4
PERIODS = (1.25e-3, 2.5e-3, 5e-3, 10e-3, 30e-3, 90e-3)
HASTE = (1.0, 0.7, 0.5, 0.35, 0.25)  # of the mapped step time, all else equal
PICTURE = Path(__file__).resolve().parents[2] / "docs" / "power.png"


def scaled(period: float) -> Design:
    """The standard stage for another step time: all currents in proportion."""
    unit = STANDARD.unit_current * 10e-3 / period
    return ladder_design(STAGES, replace(STANDARD, period=period, unit_current=unit))


def shortened(design: Design, factor: float) -> Design:
    """The same currents in the cells, but all times multiplied by `factor`, beyond what the mapping allows."""
    t = design.timing
    return replace(
        design,
        timing=replace(
            t,
            period=t.period * factor,
            pulse=t.pulse * factor,
            tau=t.tau * factor,
            lead=t.lead * factor,
            i_tau=t.i_tau / factor,
            i_on=t.i_on / factor,
        ),
    )


@TOPIC.measure(
    "power-10ms", "Mean power of a standard stage at 10 ms per step while all random steps follow the digital ladder."
)
def power_10ms(quick: bool) -> Measured:
    found = long_run("standard", STAGES, 24 if quick else 1000)
    value, rest = found.power / STAGES * 1e9, float(mean_known(found.by_level)) / STAGES * 1e9
    # 24 steps of a quick run do not visit the levels evenly
    return Measured(
        value,
        "nW",
        Bound() if quick else Bound.at_most(5),
        {
            "steps that follow": f"{found.equal} of {found.checked}",
            "mean over the levels at rest": f"{rest:.2f} nW",
            "stages": STAGES,
            "whole ladder with bias, line and front end": f"{found.total * 1e9:.1f} nW",
        },
        also={"all steps follow": found.follows},
    )


@TOPIC.measure(
    "power-30ms", "Mean power of a standard stage at 30 ms per step while all random steps follow the digital ladder."
)
def power_30ms(quick: bool) -> Measured:
    found = good(measure([Case(scaled(30e-3), random_moves(12 if quick else 250, STAGES, 1))]))[0]
    value, rest = found.power / STAGES * 1e9, float(mean_known(found.by_level)) / STAGES * 1e9
    return Measured(
        value,
        "nW",
        Bound.at_most(2),
        {
            "unit current": "0.08 nA",
            "steps that follow": f"{found.equal} of {found.checked}",
            "mean over the levels at rest": f"{rest:.2f} nW",
            "whole ladder": f"{found.total * 1e9:.1f} nW",
        },
        also={"all steps follow": found.follows},
    )


@TOPIC.measure(
    "power-curve",
    "Ladders whose currents are scaled with 1/T follow the digital ladder at every step time T; a shorter period "
    "at unchanged currents makes them fail.",
)
def power_curve(quick: bool) -> Measured:
    """Wrong steps over all mapped step times; beyond them, how far the period can be shortened."""
    periods, haste = ((2.5e-3, 10e-3), (1.0, 0.25)) if quick else (PERIODS, HASTE)
    steps = 8 if quick else 40
    asked = [(period, factor) for period in periods for factor in haste]
    cases = [Case(shortened(scaled(period), factor), random_moves(steps, STAGES, 2)) for period, factor in asked]
    points = []
    for (period, factor), found in zip(asked, good(measure(cases)), strict=True):
        points.append(
            {
                "mapped step s": period,
                "haste": factor,
                "step s": period * factor,
                "nW per stage": round(found.power / STAGES * 1e9, 4),
                "wrong steps": found.checked - found.equal,
                "checked": found.checked,
            }
        )
    mapped = [p for p in points if p["haste"] == 1.0]
    share = sum(p["wrong steps"] for p in mapped) / sum(p["checked"] for p in mapped)
    right = {h: sum(p["wrong steps"] == 0 for p in points if p["haste"] == h) for h in haste}
    energy = [p["nW per stage"] * p["step s"] for p in mapped]
    if not quick:
        (RESULTS / "circuits_power.json").write_text(json.dumps(points, indent=1) + "\n", encoding="utf-8")
        draw_step_times([_drawn(point) for point in points], PICTURE)
    listing = ", ".join(f"{h:g}: {n} of {len(periods)}" for h, n in right.items())
    return Measured(
        share,
        "of steps wrong",
        Bound.equals(0),
        {
            "T": f"{periods[0] * 1e3:g} to {periods[-1] * 1e3:g} ms",
            "steps per run": steps,
            "energy per stage and step": f"{min(energy):.3f} to {max(energy):.3f} nJ",
            "runs that follow, by factor of the step time": listing,
        },
    )


def _drawn(point: dict[str, float]) -> StepTime:
    wrong = point["wrong steps"] / point["checked"]
    return StepTime(point["mapped step s"], point["step s"], 1e-9 * point["nW per stage"], wrong)
