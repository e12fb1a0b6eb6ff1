"""`analogrnn convert NET`."""

import argparse
from pathlib import Path

from analogrnn.cli.conversions import add_conversions, apply, checked_out, finish
from analogrnn.cli.data import with_encoding
from analogrnn.convert import report
from analogrnn.network import load_network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", help="a network file, or the name of a shipped one (analogrnn doctor lists them)")
    parser.add_argument("--out", type=Path, metavar="NET", help="write the converted network here")
    add_conversions(parser)


def run(args: argparse.Namespace) -> int:
    checked_out(args)
    network = with_encoding(args, load_network(str(args.network)))
    converted = apply(args, network)
    return finish(args, network, converted, report(converted))
