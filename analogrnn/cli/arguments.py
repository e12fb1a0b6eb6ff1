"""Arguments that several verbs share, and what they stand for."""

import argparse
from dataclasses import fields, replace
from typing import Any

from analogrnn.cli.data import with_encoding
from analogrnn.cli.numbers import number, whole
from analogrnn.design import Design
from analogrnn.errors import ParameterError
from analogrnn.mapping import STAGES, MappingOptions, map_network, stage_options
from analogrnn.network import Network
from analogrnn.network.files import load_network
from analogrnn.technology import load_technology
from analogrnn.units import format_quantity, parse

_QUANTITIES = {
    "unit_current": ("A", "current that represents 1 in the trained network"),
    "period": ("s", "step time; default: the shortest with the stated margins"),
    "pulse": ("s", "how long the candidate acts in each step"),
    "c_dpi": ("F", "DPI capacitor"),
}
_NUMBERS = {
    "shift_ratio": "I_s / beta: what a settled neighbour adds, over half the window",
    "base_ratio": "(I_c - I_s) / beta: standing current of the input line",
    "settle": "DPI time constants between pulses",
    "lead": "part of the period between a change of the inputs and the clock's pulse",
    "input_bound": "largest magnitude of an encoded input",
}


def add_common(parser: argparse.ArgumentParser, *, seed: bool = True) -> None:
    """--json and --seed."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")
    if seed:
        parser.add_argument("--seed", type=whole, default=1, help="seed of all random draws (default 1)")


def add_network(parser: argparse.ArgumentParser) -> None:
    """The network and how it is mapped."""
    parser.add_argument("network", help="a network file, or the name of a shipped one (analogrnn doctor lists them)")
    group = parser.add_argument_group("mapping (quantities as in 10nA, 1.5ms, 4um)")
    group.add_argument("--technology", default="gf180mcu", help="a shipped technology, or a calibration file")
    group.add_argument(
        "--stage",
        choices=STAGES,
        default="default",
        help="a named stage: default (10 x 10 um), standard (2 x 18 um, 10 ms per step, low power), "
        "large (standard in 4 x 20 um); other options override it",
    )
    group.add_argument("--cell-size", metavar="W[xL]", help="devices of the cells (default: the stage's)")
    group.add_argument("--synapse-size", metavar="W[xL]", help="unit device of the weight mirrors (default: as cells)")
    for name, (unit, text) in _QUANTITIES.items():
        group.add_argument(f"--{name.replace('_', '-')}", metavar=unit, help=text)
    for name, text in _NUMBERS.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=number, metavar="X", help=text)


def network_of(args: argparse.Namespace) -> Network:
    """The network that the arguments name, with the encoding that they fit, if any."""
    return with_encoding(args, load_network(str(args.network)))


def design_of(args: argparse.Namespace, network: Network) -> Design:
    """Map the network as the arguments say."""
    return map_network(network, load_technology(args.technology), mapping_options(args))


def mapping_options(args: argparse.Namespace, cell_size: str | None = None) -> MappingOptions:
    """The mapping options that were typed; `cell_size` overrides --cell-size."""
    values: dict[str, Any] = {}
    for name, (unit, _) in _QUANTITIES.items():
        typed = getattr(args, name)
        if typed is not None:
            values[name] = parse(typed, unit, owner=f"--{name.replace('_', '-')}")
    values |= {name: getattr(args, name) for name in _NUMBERS if getattr(args, name) is not None}
    cell_owner = "--cell-size" if cell_size is None else "--sizes"
    typed_sizes = (("cell", cell_size or args.cell_size, cell_owner), ("synapse", args.synapse_size, "--synapse-size"))
    for block, typed, owner in typed_sizes:
        if typed is not None:
            values[f"{block}_w"], values[f"{block}_l"] = device_size(typed, owner)
    return replace(stage_options(args.stage, values.pop("period", None)), **values)


def mapping_flags(options: MappingOptions, stage: str) -> str:
    """The flags of a verb that maps which give these options, the named `stage` being the base: `mapping_options` back.

    Values are written with eleven digits. Raises ParameterError for an option that no flag sets.
    """
    period = None if options.stretch else options.period
    base = stage_options(stage, period)
    words = [f"--stage {stage}"] + ([] if period is None else [f"--period {_typed(period, 's')}"])
    given = {"period"}
    for block in ("cell", "synapse"):
        size, usual = ([getattr(record, f"{block}_{side}") for side in "wl"] for record in (options, base))
        if size != usual:
            words.append(f"--{block}-size {'x'.join(_typed(side, 'm') for side in size)}")
        given |= {f"{block}_w", f"{block}_l"}
    for name in [*_QUANTITIES, *_NUMBERS]:
        value = getattr(options, name)
        if name not in given and value != getattr(base, name):
            words.append(f"--{name.replace('_', '-')} {_typed(value, _QUANTITIES.get(name, ('',))[0])}")
        given.add(name)
    for item in fields(MappingOptions):
        if item.name not in given and getattr(options, item.name) != getattr(base, item.name):
            raise ParameterError(
                f"MappingOptions.{item.name} = {getattr(options, item.name):g} has no flag; take that of the stage "
                f"{stage}, {getattr(base, item.name):g}."
            )
    return " ".join(words)


def device_size(text: str, owner: str) -> tuple[float, float]:
    """Width and length, m, of a device typed as W or WxL. Raises ParameterError, naming `owner`."""
    parts = text.split("x")
    if len(parts) > 2:
        raise ParameterError(f"{owner} = {text!r}: write W or WxL, as in 4um or 2umx10um.")
    w = parse(parts[0], "m", owner=owner)
    return w, parse(parts[1], "m", owner=owner) if len(parts) == 2 else w


def _typed(value: float, unit: str) -> str:
    return format_quantity(value, unit, 11).replace(" ", "") if unit else f"{value:.11g}"
