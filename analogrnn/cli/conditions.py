"""Arguments of commands that run transistors: corner, temperature, supply."""

import argparse

from analogrnn.cli.numbers import number
from analogrnn.spice.pdk import CORNERS
from analogrnn.spice.transistor_ladder import TransistorOptions
from analogrnn.units import parse


def add_conditions(parser: argparse.ArgumentParser) -> None:
    """--corner, --temperature, --supply."""
    group = parser.add_argument_group("conditions of the transistor level")
    group.add_argument("--corner", choices=CORNERS[:-1], default="typical", help="process corner (default typical)")
    group.add_argument("--temperature", type=number, default=27.0, metavar="C", help="in Celsius (default 27)")
    group.add_argument("--supply", metavar="V", help="supply voltage (default: that of the technology)")


def conditions_of(args: argparse.Namespace) -> TransistorOptions:
    """The conditions that were given."""
    supply = None if args.supply is None else parse(args.supply, "V", owner="--supply")
    return TransistorOptions(corner=args.corner, temperature=args.temperature, supply=supply)
