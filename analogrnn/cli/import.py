"""`analogrnn import CHECKPOINT`."""

import argparse
from dataclasses import replace
from pathlib import Path

from analogrnn.cli.conversions import add_conversions, apply, checked_out, finish
from analogrnn.cli.data import with_encoding
from analogrnn.cli.ui import Ui
from analogrnn.convert import (
    Checkpoint,
    build_network,
    guess_spec,
    is_network_file,
    parse_spec,
    read_checkpoint,
    read_spec,
    report,
)
from analogrnn.datasets import REGISTRY
from analogrnn.errors import ParameterError, is_identifier

NEEDS_SPEC = 1  # exit code: nothing is written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", help="a .safetensors, .npz or .pt file with the parameters of a trained network")
    parser.add_argument(
        "--spec",
        type=Path,
        metavar="SPEC.toml",
        help="which layers the tensors make up; without it, a guess is printed to be edited",
    )
    parser.add_argument("--out", type=Path, metavar="NET", help="write the network here")
    add_conversions(parser)


def run(args: argparse.Namespace) -> int:
    checked_out(args)
    checkpoint = read_checkpoint(args.checkpoint)
    if args.spec is None and is_network_file(args.checkpoint):
        raise ParameterError(f"{args.checkpoint} is a network file already; use analogrnn convert.")
    if args.spec is None:
        guess = guess_spec(checkpoint)
        if guess.doubts:
            return _ask(args, checkpoint, guess.text, guess.doubts)
        spec, owner = parse_spec(guess.text, "the guessed spec"), "the guessed spec"
    else:
        spec, owner = read_spec(args.spec), str(args.spec)
    imported = build_network(checkpoint, spec, owner)
    network = with_encoding(args, imported.network)
    imported = replace(imported, network=replace(network, metadata=_origin(args) | dict(network.metadata)))
    converted = apply(args, imported.network)
    rows = report(converted, imported, checkpoint)
    return finish(args, imported.network, converted, rows)


def _origin(args: argparse.Namespace) -> dict[str, str | float | int]:
    """Metadata by what was typed, where the spec has none: the file's name, and the data set as the task."""
    stem = Path(args.checkpoint).stem
    found: dict[str, str | float | int] = {"name": stem} if is_identifier(stem) else {}
    source = str(args.encode_from or args.data or "").partition(":")[0]
    if source.partition("@")[0] in REGISTRY:
        found["task"] = source
    return found


def _ask(args: argparse.Namespace, checkpoint: Checkpoint, text: str, doubts: tuple[str, ...]) -> int:
    """Print the guessed spec, to be edited; nothing is written."""
    ui = Ui(as_json=args.json)
    ui.say(text.rstrip("\n"))
    tensors = {name: list(array.shape) for name, array in checkpoint.tensors.items()}
    ui.result({"spec": text, "doubts": list(doubts), "tensors": tensors, "dropped": dict(checkpoint.dropped)})
    return NEEDS_SPEC
