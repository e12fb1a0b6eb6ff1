"""The bound of a claim: one record that writes itself and gives the verdict."""

from dataclasses import dataclass
from typing import Literal

from validation.display import limit

Kind = Literal["reported", "at least", "above", "at most", "below", "equals", "near", "between"]
_SIGNS = {"at least": ">=", "above": ">", "at most": "<=", "below": "<", "equals": "="}


@dataclass(frozen=True)
class Bound:
    """What a measured value must satisfy, in the unit of the value; `note` says where a limit comes from.

    `limit` is the only limit, the lower one of `between`, or the centre of `near`; `second` is the upper one, or the
    distance from the centre. A value that is only reported has no limit and no verdict.
    """

    kind: Kind = "reported"
    limit: float | None = None
    second: float | None = None
    note: str = ""

    @classmethod
    def at_least(cls, limit: float, note: str = "") -> "Bound":
        return cls("at least", limit, note=note)

    @classmethod
    def above(cls, limit: float, note: str = "") -> "Bound":
        return cls("above", limit, note=note)

    @classmethod
    def at_most(cls, limit: float, note: str = "") -> "Bound":
        return cls("at most", limit, note=note)

    @classmethod
    def below(cls, limit: float, note: str = "") -> "Bound":
        return cls("below", limit, note=note)

    @classmethod
    def equals(cls, limit: float) -> "Bound":
        return cls("equals", limit)

    @classmethod
    def near(cls, centre: float, distance: float) -> "Bound":
        """Within `distance` of `centre`."""
        return cls("near", centre, distance)

    @classmethod
    def between(cls, low: float, high: float) -> "Bound":
        return cls("between", low, high)

    @classmethod
    def negative_control(cls) -> "Bound":
        """A share of right answers that must fall short of one: what is broken on purpose must be seen to fail."""
        return cls.below(1.0, note="negative control")

    def holds(self, value: float) -> bool | None:
        """The verdict on a value: None if it is only reported; NaN never passes."""
        if self.kind == "reported":
            return None
        first, second = self.limit or 0.0, self.second or 0.0
        verdicts = {
            "at least": value >= first,
            "above": value > first,
            "at most": value <= first,
            "below": value < first,
            "equals": value == first,
            "near": abs(value - first) <= second,
            "between": first < value < second,
        }
        return bool(verdicts[self.kind])

    def text(self, unit: str = "1") -> str:
        """The bound for people to read, its limits printed as values of `unit` are."""
        if self.kind == "reported":
            return "reported"
        first, second = (limit(part or 0.0, unit) for part in (self.limit, self.second))
        match self.kind:
            case "near":
                words = f"{first} +- {second}"
            case "between":
                words = f"{first} to {second}"
            case _:
                words = f"{_SIGNS[self.kind]} {first}"
        return f"{words} ({self.note})" if self.note else words
