"""Quantities as engineers type and read them: `10nA`, `1.5 ms`, `4um`. Inside the package everything is SI."""

import math

from quantiphy import InvalidNumber, Quantity

from analogrnn.errors import ParameterError


def parse(text: str | float, unit: str, *, owner: str = "value") -> float:
    """Return `text` as a float in the SI `unit`; a bare number is taken to be in that unit already.

    Raises ParameterError if it is no number, not finite, or has another unit.
    """
    example = format_quantity(1.5e-9, unit)
    typed = str(text).strip()
    # the unit goes first: quantiphy alone would read the K of `300 K` as kilo and the m of `1 m` as milli
    stem = typed.removesuffix(unit).strip() if unit != "1" else typed
    try:
        quantity = Quantity(stem)
    except InvalidNumber:
        raise ParameterError(f"{owner} = {text!r} is not a quantity in {unit}; write it as {example}.") from None
    value, found = float(quantity), quantity.units
    if found:
        raise ParameterError(f"{owner} = {text!r} is in {found}, not in {unit}; write it as {example}.")
    if not math.isfinite(value):
        raise ParameterError(f"{owner} = {text!r} is not finite; write it as {example}.")
    return value


def format_quantity(value: float, unit: str, digits: int = 4) -> str:
    """Return `value` with an SI prefix and at most `digits` significant figures, as in `1.5 nA`."""
    return Quantity(value, "" if unit == "1" else unit).render(prec=digits - 1)
