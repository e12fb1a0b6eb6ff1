"""A claim with its measurement, and the table of a topic."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from validation.bounds import Bound

RESULTS = Path(__file__).resolve().parent / "results"

Figure = int | float | str  # a text carries its unit: "0.007 beta"
Figures = Mapping[str, Figure]


@dataclass(frozen=True)
class Claim:
    """One row: what is claimed, the named figures that belong to it, what was measured, the bound, the verdict.

    `claim` is one sentence that doesn't depend on the measurement. `figures` names the conditions (size, chips, steps)
    and the further results (interval, worst). `also` holds conditions beside the bound, with their verdicts.
    `holds` is None if the value is only reported.
    """

    id: str
    claim: str
    figures: Figures
    value: float
    unit: str
    bound: Bound
    also: Mapping[str, bool]
    holds: bool | None
    command: str
    seconds: float

    @property
    def bound_text(self) -> str:
        """The bound and the other conditions, for people to read."""
        return "; ".join([self.bound.text(self.unit), *self.also])


@dataclass(frozen=True)
class Measured:
    """What a measurement returns: a value of a unit, the figures that belong to it, and what it must satisfy.

    Every condition of `also` must hold beside the bound; each is named by the text that the table shows.
    """

    value: float
    unit: str
    bound: Bound = field(default_factory=Bound)
    figures: Figures = field(default_factory=dict)
    also: Mapping[str, bool] = field(default_factory=dict)

    @property
    def holds(self) -> bool | None:
        """The verdict; None for a value that is only reported under no condition."""
        verdict = self.bound.holds(self.value)
        if not all(self.also.values()):
            return False
        return True if verdict is None and self.also else verdict


Measurement = Callable[[bool], Measured]


@dataclass(frozen=True)
class Entry:
    """A claim that a topic can measure: its sentence, and the function that takes `quick`."""

    claim: str
    measure: Measurement


class Topic:
    """A named list of claims with their measurements."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: dict[str, Entry] = {}

    def measure(self, identifier: str, claim: str) -> Callable[[Measurement], Measurement]:
        """Register the measurement of `claim`, one sentence, under `<topic>-<identifier>`."""

        def register(function: Measurement) -> Measurement:
            self.entries[f"{self.name}-{identifier}"] = Entry(claim, function)
            return function

        return register

    def run(self, *, quick: bool, report: Callable[[Claim], None], only: str = "") -> list[Claim]:
        """Measure every row with a text of `only` (one, or several as in a,b) in its id; `report` takes each at "
        "once."""
        rows = []
        command = f"./run validate {self.name}" + (" --quick" if quick else "")
        for identifier, entry in self.entries.items():
            if not any(text in identifier for text in only.split(",")):
                continue
            started = time.perf_counter()
            seen = entry.measure(quick)
            seconds = round(time.perf_counter() - started, 2)
            row = Claim(
                id=identifier,
                claim=entry.claim,
                figures={name: _plain(figure) for name, figure in seen.figures.items()},
                value=_plain(seen.value),
                unit=seen.unit,
                bound=seen.bound,
                also={text: bool(held) for text, held in seen.also.items()},
                holds=seen.holds,
                command=command,
                seconds=seconds,
            )
            rows.append(row)
            report(row)
        return rows


def _plain(value: Any) -> Any:
    """A number of numpy as Python's own, which json can write."""
    return value.item() if isinstance(value, np.generic) else value


def equal(equal_steps: int, checked: int, figures: Figures | None = None) -> Measured:
    """All of `checked` steps must be equal, and there must be some."""
    share = equal_steps / checked if checked else 0.0
    return Measured(share, "of steps", Bound.equals(1.0), {**(figures or {}), "steps": checked})


def unequal(equal_steps: int, checked: int, figures: Figures | None = None) -> Measured:
    """A negative control: at least one of `checked` steps must differ."""
    share = equal_steps / checked if checked else 1.0
    return Measured(share, "of steps", Bound.negative_control(), {**(figures or {}), "steps": checked})


def save(topic: str, rows: list[Claim]) -> Path:
    """Write results/<topic>.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{topic}.json"
    path.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    return path


def load(topic: str) -> list[Claim]:
    """Read results/<topic>.json; no rows if there is no such file."""
    path = RESULTS / f"{topic}.json"
    if not path.is_file():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [Claim(**row | {"bound": Bound(**row["bound"])}) for row in rows]


def merge(topic: str, rows: list[Claim]) -> list[Claim]:
    """The committed rows of a topic, with those measured anew in place of their older selves, new ones at the end."""
    merged = {row.id: row for row in load(topic)} | {row.id: row for row in rows}
    return list(merged.values())


def shortfalls(topic: str) -> set[str]:
    """Ids of the committed rows of a topic that do not hold; a row that is only reported is none of them."""
    return {row.id for row in load(topic) if row.holds is False}
