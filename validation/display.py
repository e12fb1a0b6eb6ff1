"""Numbers as people read them: percent for shares, prefixes for physical units, three significant digits."""

import math
from collections.abc import Iterable, Mapping

_BARE = ("1", "accuracy", "exponent", "correlation")  # what it is stands in the claim
_PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_PHYSICAL = ("A", "W", "J", "s", "B")


def is_share(unit: str) -> bool:
    """Whether a value of this unit is a fraction of a whole."""
    return unit == "relative" or unit.startswith("of ")


def number(value: float) -> str:
    """Three significant digits, whole numbers and thousands in full: 0.0752, 1,204, 7.1e-13."""
    if not math.isfinite(value):
        return str(value)
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(share: float) -> str:
    """A fraction in percent; next to 100 % with as many digits as it takes to see the difference from it."""
    if not math.isfinite(share):
        return str(share)
    if 0 < abs(share) < 1e-4:
        return f"{share * 1e6:.2g} ppm"
    if 0.9 < share < 1.0:
        digits = max(1, -math.floor(math.log10(100.0 * (1.0 - share))))
        return f"{100 * share:.{digits}f}".rstrip("0").rstrip(".") + " %"
    return f"{100 * share:.3g} %"


def quantity(value: float, unit: str) -> str:
    """A value with its unit: `99.93 % of steps`, `75.2 pA`, `37.1 million cell-steps per second`."""
    if is_share(unit):
        return f"{percent(value)} {unit}" if unit.startswith("of ") else percent(value)
    prefix, base = unit[:-1], unit[-1:]
    if base in _PHYSICAL and prefix in _PREFIXES and value and math.isfinite(value):
        return _physical(value * _PREFIXES[prefix], base)
    if 1e6 <= abs(value) < math.inf:
        return f"{value / 1e6:.3g} million {unit}"
    if unit in _BARE:
        return number(value)
    return number(value) + unit if unit.startswith("-") else f"{number(value)} {unit}"


def limit(value: float, unit: str) -> str:
    """A limit, short: in percent or with its physical unit where that is how its value is printed."""
    if is_share(unit):
        return f"{100 * value:.6g} %"
    physical = unit[-1:] in _PHYSICAL and unit[:-1] in _PREFIXES
    return f"{value:g} {unit}" if physical else f"{value:g}"


def _physical(value: float, base: str) -> str:
    if base == "s" and abs(value) >= 1.0:
        return f"{value:.3g} s"
    for prefix, scale in reversed(_PREFIXES.items()):
        if abs(value) >= scale:
            return f"{value / scale:.4g} {prefix}{base}"
    return f"{value:.3g} {base}"


def verdict(holds: bool | None) -> str:
    """The verdict on a console line: a dash for a value that is only reported."""
    return "-" if holds is None else "holds" if holds else "DOES NOT HOLD"


def figures(values: Mapping[str, int | float | str]) -> str:
    """Named figures in one compact line: `chips: 200; device size: 2 x 18 um`."""
    return "; ".join(f"{name}: {value if isinstance(value, str) else number(value)}" for name, value in values.items())


def listing(values: Iterable[float], digits: int) -> str:
    """Values with so many decimals, trailing zeros dropped: `0.998, -0.94`."""
    return ", ".join(str(round(float(value), digits)) for value in values)
