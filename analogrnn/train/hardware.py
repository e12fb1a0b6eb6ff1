"""What a network is trained for: a technology and the mapping options, under a name; and the spreads that follow."""

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from analogrnn.design import Design, Ladder
from analogrnn.errors import ParameterError
from analogrnn.mapping import STAGES, MappingOptions, map_network, stage_options
from analogrnn.mismatch import spread, threshold_terms
from analogrnn.network import Cmru, Network
from analogrnn.noise import candidate_noise
from analogrnn.technology import Technology, load_technology
from analogrnn.units import format_quantity, parse

_UNITS = {"unit_current": "A", "period": "s", "pulse": "s", "c_dpi": "F"} | dict.fromkeys(
    ("cell_w", "cell_l", "synapse_w", "synapse_l"), "m"
)


@dataclass(frozen=True)
class Spread:
    """One standard deviation of the chips to come: its value as text with a unit, and where it comes from."""

    name: str
    value: str
    source: str


@dataclass(frozen=True)
class Hardware:
    """A technology and the options with which networks are mapped to it.

    >>> hardware = train.Hardware.of("gf180mcu/4um")
    """

    name: str
    technology: Technology
    options: MappingOptions

    @classmethod
    def of(cls, given: "str | Path | Design | Hardware") -> "Hardware":
        """Read a preset, a TOML file, or what a Design was mapped with.

        A preset is `TECHNOLOGY/WHAT` or `WHAT`: the name of a stage (`default`, `standard`, `large`), or the size of
        the cells of the default stage, as in `4um` or `4umx10um`. A TOML file has the fields of MappingOptions, as
        numbers in SI units or as text with a unit, and optionally `technology`, `stage` and `name`.
        Raises ParameterError for another name, or a key or value that the file must not have.
        """
        match given:
            case Hardware():
                return given
            case Design():
                return cls(given.name, given.technology, _options_of(given))
            case Path():
                return _read(given)
        if given.endswith(".toml"):
            return _read(Path(given))
        process, _, what = given.rpartition("/")
        technology = load_technology(process or "gf180mcu")
        if what in STAGES:
            return cls(f"{technology.name}/{what}", technology, stage_options(what))
        if not what[:1].isdigit():
            raise ParameterError(
                f"hardware {given!r} is unknown: give a stage ({', '.join(STAGES)}), a size of the cells such as 4um "
                "or 4umx10um, or a file ending in .toml."
            )
        return cls(f"{technology.name}/{what}", technology, replace(MappingOptions(), **_size("hardware", what)))

    def map(self, network: Network) -> Design:
        """The circuit of a network in this hardware. Raises what `map_network` raises."""
        return map_network(network, self.technology, self.options)

    def spreads(self) -> list[Spread]:
        """The standard deviations that the devices' sizes and the calibration give, each with its source."""
        technology, options = self.technology, self.options
        rows = []
        synapse = (options.synapse_w or options.cell_w, options.synapse_l or options.cell_l)
        for block, (w, length) in (("cell", (options.cell_w, options.cell_l)), ("synapse", synapse)):
            size = f"{w * 1e6:g} x {length * 1e6:g} um"
            for polarity in ("n", "p"):
                name = f"{block} {polarity}fet, {size}"
                vth, beta = (f(polarity, w, length) for f in (technology.sigma_vth, technology.sigma_beta))
                rows.append(Spread(f"{name}: V_th", format_quantity(vth, "V", 3), self._source(f"a_vt_{polarity}")))
                rows.append(Spread(f"{name}: gain factor", f"{100 * beta:.3g} %", self._source(f"a_beta_{polarity}")))
        return rows + self._ladder_spreads()

    def _ladder_spreads(self) -> list[Spread]:
        """Those of a ladder of eight stages whose half window is one unit current."""
        one = np.ones(1)
        cell = Cmru("cell", np.ones((1, 1)), np.zeros(1), one, one, k_min=-4, k_max=4)
        design = map_network(Network((cell,)), self.technology, replace(self.options, input_bound=1.0))
        ladder = design.ladders[0]
        found = []
        for name, upper in (("up", True), ("down", False)):
            _, sigma = spread(design, ladder, threshold_terms(ladder, 1, upper=upper))
            found.append(_relative(f"{name} threshold of a stage", sigma, ladder, "composed of its devices"))
        noise = candidate_noise(design, ladder)
        return [*found, _relative("noise of a candidate at each step", noise, ladder, self._source("noise_density"))]

    def _source(self, name: str) -> str:
        entry = self.technology.provenance.get(name)
        return f"{name}: no provenance" if entry is None else f"{name} ({entry.kind}): {entry.source}"


def _relative(name: str, sigma: np.ndarray, ladder: Ladder, source: str) -> Spread:
    return Spread(name, f"{100 * float(sigma[0] / ladder.beta[0]):.3g} % of beta", source)


def _size(owner: str, text: str) -> dict[str, Any]:
    parts = text.split("x")
    if len(parts) > 2:
        raise ParameterError(f"{owner} {text!r} is no size of a device; write W or WxL, as in 4um or 2umx18um.")
    w = parse(parts[0], "m", owner=owner)
    return {"cell_w": w, "cell_l": parse(parts[1], "m", owner=owner) if len(parts) == 2 else w}


def _read(path: Path) -> Hardware:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path} can't be read as TOML: {error}.") from error
    technology = load_technology(str(content.pop("technology", "gf180mcu")))
    base, name = stage_options(str(content.pop("stage", "default"))), str(content.pop("name", path.stem))
    known = {item.name for item in fields(MappingOptions)}
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in known:
            raise ParameterError(f"{path}: {key!r} is no field of MappingOptions; known: {', '.join(sorted(known))}.")
        values[key] = _option(f"{path}: {key}", value, _UNITS.get(key, ""))
    return Hardware(f"{technology.name}/{name}", technology, replace(base, **values))


def _option(owner: str, value: object, unit: str) -> float | bool:
    if isinstance(value, str):
        return parse(value, unit, owner=owner)
    if not isinstance(value, int | float):
        raise ParameterError(f"{owner} = {value!r} is not a number; write 4e-6 or '4um'.")
    return value if isinstance(value, bool) else float(value)


def _options_of(design: Design) -> MappingOptions:
    """The options that map a network to the sizes, ratios and times of `design`."""
    timing = design.timing
    deep = next((one for one in design.ladders if one.has_dpi), None)
    cell, synapse = design.sizing.cell, design.sizing.synapse
    clocked = next((one for one in design.ladders if one.return_to_zero), None)
    usual = MappingOptions()
    phases = 1 + max(design.wiring.phase[one.name] for one in design.ladders)
    return MappingOptions(
        unit_current=design.unit_current,
        cell_w=cell.w,
        cell_l=cell.l,
        synapse_w=synapse.w,
        synapse_l=synapse.l,
        shift_ratio=usual.shift_ratio if deep is None else float(deep.i_shift[0] / deep.beta[0]),
        base_ratio=usual.base_ratio if clocked is None else float(clocked.i_base[0] / clocked.beta[0]),
        pulse_ratio=timing.x,
        drive_ratio=timing.drive_ratio,
        c_dpi=timing.c_dpi,
        lead=timing.lead * phases / timing.period,
        period=timing.period,
        pulse=timing.pulse,
        input_bound=float(design.layers[0].synapses.offset[0]),
    )
