"""Arguments of the conversions, shared by `import` and `convert`, and the table that both end with."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from analogrnn import convert
from analogrnn.cli.data import Source, add_encoding
from analogrnn.cli.numbers import number
from analogrnn.cli.ui import Ui
from analogrnn.convert import Converted, Row
from analogrnn.datasets import Clips
from analogrnn.errors import ParameterError
from analogrnn.network import Network, save_network
from analogrnn.network.files import SUFFIXES

_FLAGS = {"ladder_from": "--ladder-from DATA", "floor": "--floor"}  # in a row's text: how the library says it


def add_conversions(parser: argparse.ArgumentParser) -> None:
    """Which conversions to apply, and on which data the approximate ones are measured."""
    group = parser.add_argument_group("conversions")
    group.add_argument(
        "--exact",
        default="all",
        metavar="all|none|NAME,..",
        help=f"exact conversions to apply: {', '.join(convert.EXACT)} (default all)",
    )
    group.add_argument(
        "--ladder-from",
        metavar="FILE.npz|NAME[:PART]",
        help="finite ladders: the levels that each unit reaches on these data (a data set: its part train)",
    )
    group.add_argument(
        "--ladder-quantile",
        type=number,
        metavar="Q",
        help="with --ladder-from: share of the steps of each unit within its ladder (default 1)",
    )
    group.add_argument(
        "--floor",
        metavar="X|Q%",
        help="floor of thresholds that depend on the inputs: a value, or a quantile of |b(x)| per unit, as in 5%%",
    )
    group.add_argument("--mean-threshold", action="store_true", help="replace each |b(x)| by its mean on the data")
    group.add_argument("--prune", type=number, metavar="X", help="set weights of a magnitude below X to 0")
    group.add_argument(
        "--data",
        metavar="FILE.npz|NAME[:PART]",
        help="measure equality before and after on these data (a data set: its part test)",
    )
    text = "fit the encoding of raw sequences to these (a data set: its part train); it is written with the network"
    add_encoding(parser.add_argument_group("encoding"), text)
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")


def checked_out(args: argparse.Namespace) -> None:
    """Refuse a name that no network file has, before anything is computed."""
    if args.out is not None and args.out.suffix not in SUFFIXES:
        raise ParameterError(
            f"--out {args.out} ends in {args.out.suffix!r}; a network file ends in .safetensors or .npz."
        )


def apply(args: argparse.Namespace, network: Network) -> Converted:
    """The conversions that were typed, in order: exact, mean or floor of thresholds, pruning, ladders, exact again."""
    names = _exact(str(args.exact))
    result = convert.convert_exact(network, names)
    choose = _data_of(args, network)
    for step in _approximate(args, choose):
        result = result.then(step(result.network))
        result = result.then(convert.convert_exact(result.network, names))
    return result


def _exact(text: str) -> Sequence[str] | None:
    if text == "all":
        return None
    return () if text == "none" else [name.strip() for name in text.split(",")]


def _approximate(args: argparse.Namespace, data: Callable[[str], np.ndarray]) -> list[Callable[[Network], Converted]]:
    steps: list[Callable[[Network], Converted]] = []
    if args.mean_threshold:
        if args.floor is not None:
            raise ParameterError("--floor and --mean-threshold exclude each other; choose one.")
        steps.append(lambda network: convert.mean_thresholds(network, data("--mean-threshold")))
    if args.floor is not None:
        value, quantile = _floor(str(args.floor))
        steps.append(lambda network: convert.floor_thresholds(network, data("--floor"), value=value, quantile=quantile))
    if args.prune is not None:
        steps.append(lambda network: convert.prune(network, data("--prune"), args.prune))
    if args.ladder_from is not None:
        quantile_ = 1.0 if args.ladder_quantile is None else args.ladder_quantile
        steps.append(lambda network: convert.ladder_from_data(network, data("--ladder-from"), quantile_))
    elif args.ladder_quantile is not None:
        raise ParameterError("--ladder-quantile belongs to --ladder-from; give both, or neither.")
    return steps


def _floor(text: str) -> tuple[float | None, float | None]:
    """A value, or a quantile written as a percentage."""
    try:
        return (None, number(text[:-1]) / 100.0) if text.endswith("%") else (number(text), None)
    except (argparse.ArgumentTypeError, ValueError):
        raise ParameterError(f"--floor = {text!r} is no value, as in 0.1, and no quantile, as in 5%.") from None


def _data_of(args: argparse.Namespace, network: Network) -> Callable[[str], np.ndarray]:
    """Inputs x (T, S, D) for an approximate conversion: those of --ladder-from, else of --data; read once."""
    found: dict[str, np.ndarray] = {}

    def data(flag: str) -> np.ndarray:
        source = "--ladder-from" if args.ladder_from is not None else "--data"
        text = args.ladder_from or args.data
        if text is None:
            raise ParameterError(f"{flag} is measured on data; give --data FILE.npz or NAME.")
        if source not in found:
            found[source] = inputs(text, source, network, "train" if source == "--ladder-from" else "test")
        return found[source]

    return data


def inputs(text: str, flag: str, network: Network, part: str) -> np.ndarray:
    """Encoded inputs x (T, S, D) of a data file, or of a data set (its `part` unless one is typed)."""
    source = Source(flag, text)
    owner, found = source.owner, source.read(part)
    try:
        x = found.x if isinstance(found, Clips) else found.clips(network.encoding).x
    except ParameterError as error:
        raise ParameterError(f"{owner}: {error}") from error
    if x.shape[2] != network.inputs:
        raise ParameterError(
            f"{owner}: x has {x.shape[2]} inputs per step, but the network takes {network.inputs}; give encoded "
            "inputs x, or fit an encoding with --encode-from."
        )
    return x


def finish(args: argparse.Namespace, source: Network, converted: Converted, rows: Sequence[Row]) -> int:
    """Measure on --data, write the network, print the table; the exit code is 1 if a layer is refused."""
    ui = Ui(as_json=args.json)
    answer: dict[str, object] = {"network": converted.network.name, "layers": len(converted.network.layers)}
    effect = None
    if args.data is not None:
        effect = convert.measure(source, converted.network, inputs(args.data, "--data", source, "test"))
        answer["before_and_after"] = asdict(effect)
    if args.out is not None:
        save_network(converted.network, args.out)
        answer["out"] = str(args.out)
    shown = [(row.operation, row.status, _flags(row.text)) for row in rows]
    ui.columns(f"{converted.network.name}: what became of it", ("operation", "status", "what"), shown)
    if effect is not None:
        ui.say(
            f"Before and after, on {args.data}: {effect.steps_equal:.3%} of the unit-steps and "
            f"{effect.classes_equal:.2%} of the classes are equal; outputs within {effect.logit_error:.3g}."
        )
    refused = [row for row in rows if row.status == "refused"]
    if args.out is not None:
        ui.say(f"{args.out}: {len(converted.network.layers)} layers")
    if refused:
        ui.say(f"{len(refused)} of them can't be mapped yet; see the rows with the status refused.")
    answer["rows"] = [{**asdict(row), "text": _flags(row.text)} for row in rows]
    ui.result(answer)
    return 1 if refused else 0


def _flags(text: str) -> str:
    for name, flag in _FLAGS.items():
        if text.endswith(f"with {name}"):
            return text.removesuffix(name) + flag
    return text
