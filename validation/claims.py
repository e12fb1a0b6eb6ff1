"""A claim with its measurement, and the table of a topic."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Claim:
    """One row: what is claimed, what was measured, the bound, and whether it holds. `bound` is for people to read."""

    id: str
    claim: str
    value: float
    unit: str
    bound: str
    holds: bool
    command: str
    seconds: float


@dataclass(frozen=True)
class Measured:
    """What a measurement returns; `claim` may carry figures that are only known afterwards."""

    value: float
    unit: str
    bound: str
    holds: bool
    claim: str


Measurement = Callable[[bool], Measured]


class Topic:
    """A named list of measurements; each takes `quick` and returns what it saw."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._measurements: dict[str, Measurement] = {}

    def measure(self, identifier: str) -> Callable[[Measurement], Measurement]:
        """Register a measurement under `<topic>-<identifier>`."""

        def register(function: Measurement) -> Measurement:
            self._measurements[f"{self.name}-{identifier}"] = function
            return function

        return register

    def run(self, *, quick: bool, told: Callable[[Claim], None], only: str = "") -> list[Claim]:
        """Measure every row with a text of `only` (one, or several as in a,b) in its id; `told` hears each at once."""
        rows = []
        command = f"./run validate {self.name}" + (" --quick" if quick else "")
        for identifier, function in self._measurements.items():
            if not any(text in identifier for text in only.split(",")):
                continue
            started = time.perf_counter()
            seen = function(quick)
            seconds = round(time.perf_counter() - started, 2)
            row = Claim(identifier, seen.claim, seen.value, seen.unit, seen.bound, bool(seen.holds), command, seconds)
            rows.append(row)
            told(row)
        return rows


def equal(equal_steps: int, checked: int, claim: str) -> Measured:
    """All of `checked` steps must be equal, and there must be some."""
    share = equal_steps / checked if checked else 0.0
    return Measured(share, "of steps", "= 1", equal_steps == checked > 0, f"{claim} ({checked:,} steps)")


def unequal(equal_steps: int, checked: int, claim: str) -> Measured:
    """A negative control: at least one of `checked` steps must differ."""
    share = equal_steps / checked if checked else 1.0
    return Measured(share, "of steps", "< 1", equal_steps < checked, f"{claim} ({checked:,} steps)")


def save(topic: str, rows: list[Claim]) -> Path:
    """Write results/<topic>.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{topic}.json"
    path.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    return path


def load(topic: str) -> list[Claim]:
    """Read results/<topic>.json."""
    return [Claim(**row) for row in json.loads((RESULTS / f"{topic}.json").read_text(encoding="utf-8"))]


def merge(topic: str, rows: list[Claim]) -> list[Claim]:
    """The committed rows of a topic, with those measured anew in place of their older selves, new ones at the end."""
    path = RESULTS / f"{topic}.json"
    merged = {row.id: row for row in (load(topic) if path.is_file() else [])} | {row.id: row for row in rows}
    return list(merged.values())


def shortfalls(topic: str) -> set[str]:
    """Ids of the committed rows of a topic that do not hold."""
    path = RESULTS / f"{topic}.json"
    return {row.id for row in load(topic) if not row.holds} if path.is_file() else set()
