"""Calibration files: TOML, one table a value, and one group of such tables for each calibrated size of device.

Every value carries provenance (unit, meaning, kind, source, method, count, uncertainty); a file that lacks one is
refused, so that an assumption never passes for a measurement.

A value's name is that of its table: `supply`, or `size.standard.bias`.
"""

import itertools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from analogrnn import library
from analogrnn.errors import CalibrationError, ParameterError
from analogrnn.technology.records import SIZE, CalibratedSize, Provenance, Table, Technology

STANDARD = "standard"  # the size that every file holds
KINDS = ("foundry", "simulated", "declared", "measured", "cited")
_ENTRY = {"value", "unit", "meaning", "kind", "source", "method", "count", "uncertainty"}
_CURVE = {"axis", "at"}


def load_technology(source: str | Path = "gf180mcu") -> Technology:
    """Read a shipped technology by name, or a calibration file by path (a name that ends in `.toml`).

    >>> technology = ar.load_technology("gf180mcu")

    Raises CalibrationError if the file can't be read, misses a value or a value misses its provenance.
    """
    path = Path(source) if str(source).endswith(".toml") else library.calibration_path(str(source))
    content = read_document(path)
    entries, given = flat(content), content.get(SIZE)
    known = quantities((STANDARD, *(given if isinstance(given, dict) else ())))
    values: dict[str, Any] = {}
    provenance: dict[str, Provenance] = {}
    for key, asked in known.items():
        entry = _checked(path, key, entries.get(key), asked)
        value = entry.pop("value")
        if "axis" in asked:
            entry.pop("axis")
            values[key] = Table(tuple(map(float, entry.pop("at"))), tuple(map(float, value)))
        else:
            values[key] = float(value)
        provenance[key] = Provenance(**entry)
    extra = sorted(set(entries) - set(values) - {"name", "process"})
    if extra:
        raise CalibrationError(f"{path} has unknown tables {extra}; a misspelt one would be ignored.")
    name = content.get("name")
    if not isinstance(name, str):
        raise CalibrationError(f'{path} has no name; add: name = "my_process".')
    try:
        return replace(technology_of(name, values, provenance), process=_process(path, content, name))
    except ParameterError as error:
        raise CalibrationError(f"{path}: {error}") from error


def _process(path: Path, content: Mapping[str, Any], name: str) -> str:
    """What the file says it is a calibration of; a file that doesn't say is of the process that it is named after."""
    process = content.get("process", name)
    if not isinstance(process, str):
        raise CalibrationError(f'{path}: process = {process!r} is no name; write process = "gf180mcu".')
    return process


def read_document(path: Path) -> dict[str, Any]:
    """What a calibration file holds, unchecked. Raises CalibrationError if it can't be read or is no TOML."""
    try:
        return tomllib.loads(path.read_bytes().decode())  # as TOML defines line ends
    except OSError as error:
        raise CalibrationError(f"can't read calibration {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:  # tomllib's own, no UTF-8, a number of 5,000 digits, deep nesting
        raise CalibrationError(f"{path} is not valid TOML: {error}.") from error


def quantities(sizes: Iterable[str] = (STANDARD,)) -> dict[str, Mapping[str, Any]]:
    """What a calibration file of these sizes holds: of each name unit, low, high, doc and, of a curve, axis."""
    found: dict[str, Mapping[str, Any]] = {}
    found |= {item.name: item.metadata for item in fields(Technology) if "unit" in item.metadata}
    for size in dict.fromkeys(sizes):
        found |= {
            f"{SIZE}.{size}.{item.name}": item.metadata for item in fields(CalibratedSize) if "unit" in item.metadata
        }
    return found


def technology_of(name: str, values: Mapping[str, Any], provenance: dict[str, Provenance] | None = None) -> Technology:
    """The Technology whose values have the names of `quantities`. Raises ParameterError."""
    content = nested(values)
    sizes = tuple(CalibratedSize(size, **maps) for size, maps in content.pop(SIZE, {}).items())
    return Technology(name=name, sizes=sizes, provenance=provenance or {}, **content)


def flat(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a calibration file holds, by the names of `quantities`."""
    found: dict[str, Any] = {}
    for name, value in content.items():
        if name != SIZE or not isinstance(value, Mapping):
            found[name] = value
            continue
        for size, tables in value.items():
            inside = tables if isinstance(tables, Mapping) else {}
            found |= {f"{SIZE}.{size}.{key}": entry for key, entry in inside.items()}
    return found


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The way back from `flat`: one table a size."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        group, key = found, name
        if name.startswith(f"{SIZE}."):
            size, key = name.removeprefix(f"{SIZE}.").rsplit(".", 1)
            group = found.setdefault(SIZE, {}).setdefault(size, {})
        group[key] = value
    return found


def _checked(path: Path, name: str, entry: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of one calibration entry if complete. `asked` is what `quantities` says of it."""
    unit, axis = asked["unit"], asked.get("axis")
    known = _ENTRY | _CURVE if axis else _ENTRY
    if not isinstance(entry, dict):
        raise CalibrationError(f"{path} has no table [{name}]; add it with {sorted(known)}.")
    missing, extra = sorted(known - set(entry)), sorted(set(entry) - known)
    if missing or extra:
        raise CalibrationError(f"{path} [{name}] misses {missing} and has unknown {extra}; every value has provenance.")
    if entry["unit"] != unit:
        raise CalibrationError(f"{path} [{name}].unit = {entry['unit']!r}; expected {unit!r}.")
    if entry["kind"] not in KINDS:
        raise CalibrationError(f"{path} [{name}].kind = {entry['kind']!r}; known: {list(KINDS)}.")
    if axis:
        _check_curve(path, name, entry, axis)
    for key in ("count", "uncertainty") if axis else ("value", "count", "uncertainty"):
        if not _is_finite(entry[key]):
            shown = repr(entry[key])[:40]
            raise CalibrationError(
                f"{path} [{name}]: value, count and uncertainty must be finite numbers; {key} = {shown} is none."
            )
    if not isinstance(entry["count"], int) or entry["count"] < 0 or entry["uncertainty"] < 0:
        raise CalibrationError(f"{path} [{name}]: count is a whole number >= 0, uncertainty is >= 0.")
    if any(not isinstance(entry[key], str) or not entry[key].strip() for key in ("meaning", "source", "method")):
        raise CalibrationError(
            f"{path} [{name}]: meaning, source and method must be text; say where the value is from."
        )
    if entry["kind"] in ("simulated", "measured") and entry["count"] < 1:
        raise CalibrationError(f"{path} [{name}] is {entry['kind']} but counts no run; give count >= 1.")
    return dict(entry)


def _check_curve(path: Path, name: str, entry: dict[str, Any], axis: str) -> None:
    if entry["axis"] != axis:
        raise CalibrationError(f"{path} [{name}].axis = {entry['axis']!r}; expected {axis!r}.")
    at, value = entry["at"], entry["value"]
    if not all(isinstance(part, list) and len(part) > 1 and all(map(_is_finite, part)) for part in (at, value)):
        raise CalibrationError(f"{path} [{name}]: at and value must be lists of two or more finite numbers.")
    if len(at) != len(value) or at[0] <= 0 or any(b <= a for a, b in itertools.pairwise(at)):
        raise CalibrationError(f"{path} [{name}]: at must be as long as value, above zero and increasing.")


def _is_finite(x: Any) -> bool:
    return not isinstance(x, bool) and isinstance(x, int | float) and abs(x) < 1e300
