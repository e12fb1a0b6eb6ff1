"""Transistor ladders compared with the digital CMRU: long random runs, all corners, and what must fail."""

import itertools
import json
from dataclasses import replace
from functools import lru_cache

import numpy as np

from analogrnn.mismatch import spread, threshold_terms
from analogrnn.noise import candidate_noise
from analogrnn.schedule import CONTROLS, Control
from analogrnn.spice.pdk import PROCESS_CORNERS
from analogrnn.spice.transistor_ladder import TransistorOptions
from analogrnn.stimulus import Demand
from validation.bounds import Bound
from validation.circuits.bench import (
    DEFAULT,
    STANDARD,
    Case,
    Found,
    good,
    ladder_design,
    mean_known,
    measure,
    random_moves,
)
from validation.circuits.topic import TOPIC
from validation.claims import RESULTS, Measured, equal, unequal

TEMPERATURES, SUPPLIES = (-20.0, 27.0, 85.0), (1.62, 1.8, 1.98)
MAPPINGS = {"standard": STANDARD, "default": DEFAULT}
WORDS = {"standard": "2 x 18 um, unit 0.24 nA, 10 ms per step", "default": "10 x 10 um, unit 1 nA"}
STAGES = 4
HARD = Demand(hold=0.5, move=2.8, most=4.0)  # for the negative controls; the ladder itself follows it


@lru_cache(maxsize=8)
def long_run(mapping: str, stages: int, steps: int) -> Found:
    """One ladder over random candidates; 1,000 steps are cut into four runs with their own resets."""
    parts = 4 if steps >= 400 else 1
    design = ladder_design(stages, MAPPINGS[mapping])
    found = good(measure([Case(design, random_moves(steps // parts, stages, seed)) for seed in range(1, parts + 1)]))
    return replace(
        found[0],
        right=np.concatenate([f.right for f in found]),
        power=float(np.mean([f.power for f in found])),
        total=float(np.mean([f.total for f in found])),
        by_level=mean_known(np.array([f.by_level for f in found])),
    )


def _follows(mapping: str, stages: int, steps: int) -> None:
    @TOPIC.measure(
        f"follows-{mapping}-{stages}",
        f"A transistor ladder of {stages} stages gives the stages of the digital ladder; its only ideal sources "
        "are supply, one reference current, clock and input.",
    )
    def follows(quick: bool) -> Measured:
        found = long_run(mapping, stages, (24 if stages == 4 else 8) if quick else steps)
        return equal(found.equal, found.checked, {"mapping": f"{mapping} ({WORDS[mapping]})"})


for _mapping, _sizes in (("standard", ((4, 1000), (8, 200), (16, 200))), ("default", ((4, 200), (8, 60), (16, 60)))):
    for _stages, _steps in _sizes:
        _follows(_mapping, _stages, _steps)


@lru_cache(maxsize=2)
def corners(quick: bool) -> list[dict[str, object]]:
    """Per condition: followed steps, thresholds and the least margin of a hold of 0.5 and a move of 1.6 beta."""
    conditions = list(itertools.product(PROCESS_CORNERS, TEMPERATURES, SUPPLIES))
    if quick:
        conditions = [("typical", 27.0, 1.8), ("ss", -20.0, 1.62), ("ff", 85.0, 1.98)]
    stages = 2 if quick else STAGES
    design, demand = ladder_design(stages), Demand()
    ladder = design.ladders[0]
    beta, noise = float(ladder.beta[0]), float(candidate_noise(design, ladder)[0])
    sigma = {
        upper: float(spread(design, ladder, threshold_terms(ladder, 1, upper=upper))[1][0]) for upper in (True, False)
    }
    cases = [
        Case(
            design,
            random_moves(24, stages, 7, demand),
            TransistorOptions(corner=corner, temperature=temperature, supply=supply),
            ramps=True,
        )
        for corner, temperature, supply in conditions
    ]
    rows: list[dict[str, object]] = []
    for condition, found in zip(conditions, measure(cases), strict=True):
        row: dict[str, object] = dict(zip(("corner", "temperature", "supply"), condition, strict=True))
        if isinstance(found, Found):
            margins = {
                upper: np.minimum(values - demand.hold, demand.move - values).min() * beta
                for upper, values in ((True, found.up), (False, -found.down))
            }
            row |= {
                "equal": found.equal,
                "checked": found.checked,
                "up": found.up.round(3).tolist(),
                "down": found.down.round(3).tolist(),
                "nW per stage": round(found.power / stages * 1e9, 3),
                "margin nA": round(min(margins.values()) * 1e9, 4),
                "margin mismatch sigma": round(min(margins[k] / sigma[k] for k in margins), 2),
                "margin noise sigma": round(min(margins.values()) / noise, 1),
            }
        else:
            row |= {"equal": 0, "checked": 24, "error": str(found)}
        rows.append(row)
    if not quick:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "circuits_corners.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return rows


@TOPIC.measure(
    "corners",
    "A transistor ladder gives the stages of the digital ladder over corners, temperatures and supplies, "
    "junction areas on.",
)
def corners_follow(quick: bool) -> Measured:
    rows = corners(quick)
    return equal(
        sum(int(str(row["equal"])) for row in rows),
        sum(int(str(row["checked"])) for row in rows),
        {"runs": len(rows), "temperature": "-20, 27, 85 C", "supply": "1.62, 1.8, 1.98 V", "mapping": "standard"},
    )


def _corner_margin(key: str, unit: str) -> None:
    @TOPIC.measure(
        f"corners-{unit}",
        f"Least margin of any threshold to a hold and to a move over all conditions, by ramps, in {unit}.",
    )
    def margin(quick: bool) -> Measured:
        rows = corners(quick)
        value, where = min(
            (float(str(row.get(key, "nan"))), f"{row['corner']} {row['temperature']:g} C {row['supply']} V")
            for row in rows
        )
        return Measured(
            value,
            unit,
            Bound.above(0),
            {"hold": "0.5 beta", "move": "1.6 beta", "conditions": len(rows), "worst condition": where},
            also={"all conditions run": all(key in row for row in rows)},
        )


for _key, _unit in (
    ("margin nA", "nA"),
    ("margin mismatch sigma", "mismatch-sigma"),
    ("margin noise sigma", "noise-sigma"),
):
    _corner_margin(_key, _unit)


def _controlled(quick: bool) -> np.ndarray:
    return random_moves(32, STAGES, 1, HARD)[: 10 if quick else None]


def _control(name: Control) -> None:
    @TOPIC.measure(
        f"control-{name.replace('_', '-')}",
        f"Negative control '{name}': a transistor ladder with it does not follow the digital ladder.",
    )
    def control(quick: bool) -> Measured:
        case = Case(ladder_design(STAGES), _controlled(quick), TransistorOptions(control=name))
        found = good(measure([case]))[0]
        return unequal(found.equal, found.checked, {"first error at step": f"{found.first_wrong}"})


@TOPIC.measure(
    "control-none", "The ladder of the negative controls follows the same candidates when no control is applied."
)
def control_none(quick: bool) -> Measured:
    found = good(measure([Case(ladder_design(STAGES), _controlled(quick))]))[0]
    return equal(found.equal, found.checked)


for _name in CONTROLS[1:]:
    _control(_name)
