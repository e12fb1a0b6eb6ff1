"""Specification files in TOML: the circuit, the conditions, and the limits. See docs/sweep.md."""

import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analogrnn.errors import ParameterError, in_range, only_keys
from analogrnn.mapping import STAGES
from analogrnn.spice.pdk import PROCESS_CORNERS, ProcessCorner
from analogrnn.units import parse

TYP_WITHIN = 0.1  # relative, if a spec does not state it


@dataclass(frozen=True)
class Parameter:
    """A quantity that can be specified. `method` states how it is measured; `typ` is the mean at nominal conditions."""

    symbol: str
    unit: str
    method: str


PARAMETERS = {
    "up_threshold": Parameter("u_up", "beta", "candidate at which each stage sets, slow ramp from its level, ngspice"),
    "down_threshold": Parameter("u_dn", "beta", "candidate at which each stage resets, slow ramp, ngspice"),
    "threshold_margin": Parameter("I_m", "A", "least distance of a threshold from hold and move, ngspice"),
    "noise_margin": Parameter("I_m/s_n", "sigma", "threshold_margin over the noise of one stage, calibrated"),
    "output_step": Parameter("I_alpha", "A", "output current of each level minus that of the level below, ngspice"),
    "stage_power": Parameter("P_stage", "W", "supply power of a stage at rest, mean over stages and levels, ngspice"),
    "ladder_power": Parameter("P", "W", "mean supply power over the steps, with bias, line, front end, reference"),
    "correct_steps": Parameter("f_ok", "1", "fraction of random steps with all stages as in the digital CMRU"),
    "mismatch_yield": Parameter(
        "Y",
        "1",
        "fraction of drawn ladders with all thresholds between hold and move: "
        "thresholds of the condition from ngspice, deviations from Pelgrom's model",
    ),
}


@dataclass(frozen=True)
class Condition:
    """One operating condition."""

    corner: ProcessCorner
    temperature: float  # C
    supply: float  # V

    def __str__(self) -> str:
        return f"{self.corner} {self.temperature:g} C {self.supply:g} V"


@dataclass(frozen=True)
class SweepBench:
    """The circuit and its stimulus: one ladder with one input of weight 1.

    period     s, step time of the mapping; None: that of the stage
    step       s, step time of the run; None: the mapped one
    hold       beta, candidates up to here must not move the ladder
    move, most beta, candidates between these must move it by one level
    steps      random steps
    ladders    drawn ladders of `mismatch_yield`
    """

    stage: str = "standard"
    stages: int = 4
    period: float | None = None
    step: float | None = None
    hold: float = 0.5
    move: float = 1.6
    most: float = 4.0
    steps: int = 24
    ladders: int = 400
    seed: int = 1


@dataclass(frozen=True)
class Spec:
    """One line of a datasheet, in the parameter's unit. At least one limit is given."""

    parameter: str
    least: float | None
    typical: float | None
    most: float | None
    within: float  # relative deviation allowed between the mean at nominal conditions and `typical`
    where: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def about(self) -> Parameter:
        """The quantity that this line specifies."""
        return PARAMETERS[self.parameter]

    def covers(self, condition: Condition) -> bool:
        """Whether this line applies to a condition."""
        return all(getattr(condition, axis) in values for axis, values in self.where.items())


@dataclass(frozen=True)
class SpecFile:
    """A specification: the circuit, all conditions with the nominal one first, and the lines of the datasheet."""

    name: str
    bench: SweepBench
    conditions: tuple[Condition, ...]
    nominal: Condition
    specs: tuple[Spec, ...]


def read_specs(path: Path) -> SpecFile:
    """Read a specification. Raises ParameterError, with the entry and what is expected."""
    try:
        content = tomllib.loads(path.read_bytes().decode())  # as TOML defines line ends
    except OSError as error:
        raise ParameterError(f"can't read {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:  # tomllib's own, no UTF-8, a number of 5,000 digits, deep nesting
        raise ParameterError(f"{path} is not valid TOML: {error}.") from error
    return parse_specs(content, str(path))


def parse_specs(content: Mapping[str, Any], owner: str = "spec file") -> SpecFile:
    """The specification from the content of a TOML file. Raises ParameterError as `read_specs`."""
    only_keys(owner, content, {"name", "bench", "conditions", "spec"})
    name = content.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ParameterError(f'{owner} has no name; add: name = "my ladder".')
    bench = _bench(owner, _table(owner, content, "bench"))
    conditions, axes = _conditions(owner, _table(owner, content, "conditions"))
    lines = content.get("spec")
    if not isinstance(lines, list) or not lines:
        raise ParameterError(f"{owner} has no [[spec]]; add one per parameter, of {sorted(PARAMETERS)}.")
    specs = tuple(_spec(f"{owner} [[spec]] {i}", line, axes) for i, line in enumerate(lines, 1))
    nominal = conditions[0]
    return SpecFile(name, bench, conditions, nominal, specs)


def _table(owner: str, content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = content.get(key, {})
    if not isinstance(value, dict):
        raise ParameterError(f"{owner}: {key} must be a table; write [{key}].")
    return value


def _bench(owner: str, given: Mapping[str, Any]) -> SweepBench:
    owner = f"{owner} [bench]"
    only_keys(owner, given, set(SweepBench.__dataclass_fields__))
    values: dict[str, Any] = {}
    stage = given.get("stage", "standard")
    if stage not in STAGES:
        raise ParameterError(f"{owner} stage = {stage!r} is unknown; known: {list(STAGES)}.")
    for key in ("period", "step"):
        if key in given:
            values[key] = in_range(f"{owner} {key}", _quantity(f"{owner} {key}", given[key], "s"), 1e-6, 10.0, "s")
    limits = {"hold": (0.0, 0.99), "move": (1.01, 5.0), "most": (1.01, 5.0)}
    values |= {
        key: in_range(f"{owner} {key}", _quantity(f"{owner} {key}", given[key], "beta"), *ends, "beta")
        for key, ends in limits.items()
        if key in given
    }
    counts = {"stages": (2, 32), "steps": (1, 10_000), "ladders": (1, 1_000_000), "seed": (0, 2**31)}
    for key, (low, high) in counts.items():
        if key in given:
            if not isinstance(given[key], int) or isinstance(given[key], bool):
                raise ParameterError(f"{owner} {key} = {given[key]!r} is not a whole number.")
            values[key] = int(in_range(f"{owner} {key}", given[key], low, high))
    bench = SweepBench(stage=stage, **values)
    if bench.most < bench.move:
        raise ParameterError(f"{owner} most = {bench.most:g} is below move = {bench.move:g}; moves go up to most.")
    return bench


def _conditions(owner: str, given: Mapping[str, Any]) -> tuple[tuple[Condition, ...], dict[str, tuple[Any, ...]]]:
    """All conditions, the nominal one first: the first entry of each list."""
    owner = f"{owner} [conditions]"
    only_keys(owner, given, {"corner", "temperature", "supply"})
    axes = {
        axis: _axis(owner, axis, given.get(axis, default))
        for axis, default in (("corner", ["typical"]), ("temperature", ["27C"]), ("supply", ["1.8V"]))
    }
    return tuple(Condition(*point) for point in itertools.product(*axes.values())), axes


def _axis(owner: str, axis: str, given: Any) -> tuple[Any, ...]:
    entries = given if isinstance(given, list) else [given]
    if not entries:
        raise ParameterError(f"{owner} {axis} is empty; give at least one.")
    values: list[Any] = []
    for entry in entries:
        name = f"{owner} {axis}"
        if axis == "corner":
            if entry not in PROCESS_CORNERS:
                raise ParameterError(f"{name} = {entry!r} is unknown; known: {list(PROCESS_CORNERS)}.")
            values.append(entry)
        elif axis == "temperature":
            values.append(in_range(name, _quantity(name, entry, "C"), -55.0, 150.0, "C"))
        else:
            values.append(in_range(name, _quantity(name, entry, "V"), 0.8, 3.6, "V"))
    if len(set(values)) < len(values):
        raise ParameterError(f"{owner} {axis} = {given!r} names a value twice.")
    return tuple(values)


def _spec(owner: str, given: Any, axes: Mapping[str, tuple[Any, ...]]) -> Spec:
    if not isinstance(given, dict):
        raise ParameterError(f"{owner} is not a table; write [[spec]] and its keys below.")
    only_keys(owner, given, {"parameter", "unit", "min", "typ", "max", "typ_within", *axes})
    name = given.get("parameter")
    if not isinstance(name, str) or name not in PARAMETERS:
        raise ParameterError(f"{owner} parameter = {name!r} is unknown; known: {sorted(PARAMETERS)}.")
    owner, about = f"{owner} ({name})", PARAMETERS[name]
    if given.get("unit") != about.unit:
        raise ParameterError(f"{owner} unit = {given.get('unit')!r}; {name} is measured in {about.unit!r}.")
    limits = {key: _quantity(f"{owner} {key}", given[key], about.unit) for key in ("min", "typ", "max") if key in given}
    if not limits:
        raise ParameterError(f"{owner} has no limit; give min, typ or max.")
    ordered = [(key, limits[key]) for key in ("min", "typ", "max") if key in limits]
    for (low, a), (high, b) in itertools.pairwise(ordered):
        if a > b:
            raise ParameterError(f"{owner} {low} = {a:g} is above {high} = {b:g}; swap them.")
    within = in_range(
        f"{owner} typ_within", _quantity(f"{owner} typ_within", given.get("typ_within", TYP_WITHIN), "1"), 0.0, 10.0
    )
    where = {axis: _axis(owner, axis, given[axis]) for axis in axes if axis in given}
    for axis, values in where.items():
        if missing := [value for value in values if value not in axes[axis]]:
            raise ParameterError(f"{owner} {axis} = {missing} is not among the [conditions]: {list(axes[axis])}.")
    return Spec(name, limits.get("min"), limits.get("typ"), limits.get("max"), within, where)


def _quantity(owner: str, given: Any, unit: str) -> float:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ParameterError(f"{owner} = {given!r} is not a number or a quantity in {unit}.")
    return parse(given, unit, owner=owner)
