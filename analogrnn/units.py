"""Quantities as engineers type and read them: `10nA`, `1.5 ms`, `4um`. Inside the package everything is SI.

A quantity is exactly one number in ASCII digits with a decimal point, then at most one SI prefix and the unit.
Nothing else is read: no decimal comma, no separators between digits, no prefix apart from its unit.
"""

import math
import re

from quantiphy import Quantity

from analogrnn.errors import ParameterError

# Not E, which is a broken exponent, and none of h, d, da and c: `1h` and `1d` are an hour and a day to who types them.
_PREFIXES = {
    **{"y": -24, "z": -21, "a": -18, "f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3},
    **{"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "Z": 21, "Y": 24},
}
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,4}))?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_WORD = re.compile(r"\s*([^\W\d_]+|%|Ω)")
_SEPARATED = re.compile(r"\d[,_'\s]\d")
_UNITS = ("A", "V", "s", "F", "Hz", "K", "C", "m", "W", "J", "Ohm", "Ω", "g", "beta", "sigma")


def parse(text: str | float, unit: str, *, owner: str = "value") -> float:
    """Return `text` as a float in the SI `unit`; a bare number is taken to be in that unit already.

    Raises ParameterError if it is no single number, not finite, or has another unit.
    """
    typed = str(text).strip()
    refuse = _Refusal(owner, text, unit)
    found = _NUMBER.match(typed)
    if found is None:
        if typed.lower().removesuffix(unit.lower()).strip().lstrip("+-") in ("nan", "inf", "infinity"):
            raise refuse("is not finite")
        raise refuse(f"is not a quantity in {unit}")
    rest = typed[found.end() :]
    exponent = _exponent(rest, unit)
    if exponent is None:
        other = _WORD.fullmatch(rest)
        raise refuse(f"is in {_without_prefix(other[1])}, not in {unit}" if other else f"is not a quantity in {unit}")
    # one text for float(), so that the prefix costs no rounding
    value = float(f"{found[1]}e{int(found[2] or 0) + exponent}")
    if not math.isfinite(value):
        raise refuse("is not finite")
    return value


def plain_number(text: str, *, owner: str = "value") -> float:
    """Return `text` as a float if it is one finite number without a unit, else raise ParameterError."""
    if _NUMBER.fullmatch(text.strip()) is None or not math.isfinite(value := float(text)):
        raise ParameterError(f"{owner} = {text!r} is not a number; write it with a decimal point, as in 1.5 or 2e-3.")
    return value


def whole_number(text: str, *, owner: str = "value") -> int:
    """Return `text` as an int if it is one whole number of at most 99 digits, else raise ParameterError."""
    if _WHOLE.fullmatch(text.strip()) is None or len(text.strip()) > 100:
        raise ParameterError(f"{owner} = {text!r} is not a whole number; write digits only, as in 12.")
    return int(text)


def format_quantity(value: float, unit: str, digits: int = 4) -> str:
    """Return `value` with an SI prefix and at most `digits` significant figures, as in `1.5 nA`."""
    return Quantity(value, "" if unit == "1" else unit).render(prec=digits - 1)


class _Refusal:
    """Words the error of one value."""

    def __init__(self, owner: str, text: object, unit: str) -> None:
        small = unit not in ("C", "K", "beta", "sigma", "1")  # of which nobody writes a billionth
        self.subject, self.example = f"{owner} = {text!r}", format_quantity(1.5e-9 if small else 1.5, unit)
        self.advice = ", with a decimal point and no other separator" if _SEPARATED.search(str(text)) else ""

    def __call__(self, what: str) -> ParameterError:
        return ParameterError(f"{self.subject} {what}; write it as {self.example}{self.advice}.")


def _exponent(rest: str, unit: str) -> int | None:
    """The power of ten that follows a number in `rest`, or None if anything but a prefix and `unit` does."""
    word = rest.lstrip()
    # with the unit before without it: the K of `300 K` is no kilo, the m of `1 m` no milli
    for stem in (word.removesuffix(unit), word) if unit != "1" and word.endswith(unit) else (word,):
        if stem in _PREFIXES:
            return _PREFIXES[stem]
    return None


def _without_prefix(word: str) -> str:
    """The unit in `word`: `nV` is in V, `Amps` is in Amps."""
    return word[1:] if word[:1] in _PREFIXES and word[1:] in _UNITS and word not in _UNITS else word
