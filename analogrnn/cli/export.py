"""`analogrnn export NET`."""

import argparse
import re
import sys
from pathlib import Path

import numpy as np

from analogrnn.cli.arguments import add_common, add_inputs, add_network, design_of, inputs_of, network_of
from analogrnn.cli.ui import Ui
from analogrnn.design import Design
from analogrnn.errors import MappingError, ParameterError
from analogrnn.outputs import write_text
from analogrnn.spice.testbench import NetworkDeck, ladder_deck, network_deck
from analogrnn.stimulus import random_stimulus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_inputs(parser, "1")
    add_common(parser)
    parser.add_argument("--level", choices=("ideal",), default="ideal", help="ideal subcircuits (circuits/ideal)")
    parser.add_argument("--stimulus", choices=("clip", "random"), default="clip",
                        help="a test clip (the first of --clips), or random inputs that need no data set")  # fmt: skip
    parser.add_argument("--steps", type=int, default=12, help="length of a random stimulus (default 12)")
    parser.add_argument("--cell", metavar="LAYER[I]", help="one ladder with its own front end, as in cell[3]")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the deck here (default: standard output)")


def run(args: argparse.Namespace) -> int:
    ui = Ui(as_json=args.json)
    if args.json and args.out is None:
        raise ParameterError("--json needs --out: the deck itself goes to standard output without it.")
    network = network_of(args)
    design = design_of(args, network)
    x = (
        random_stimulus(design, args.steps, args.seed)
        if args.stimulus == "random"
        else inputs_of(args, network).x[:, 0]
    )
    deck = network_deck(design, x) if args.cell is None else _slice(design, args.cell, x)
    if args.out is None:
        sys.stdout.write(deck.text)
        return 0
    write_text(args.out, deck.text)
    ui.say(f"{args.out}: {len(deck.ladders)} ladders, {deck.schedule.steps} steps; run it with: "
           f"ngspice -b -r out.raw {args.out}")  # fmt: skip
    ui.result({"deck": str(args.out), "ladders": len(deck.ladders), "steps": deck.schedule.steps,
               "stop_time_s": deck.schedule.duration, "read_times_s": deck.schedule.read_times().tolist()})  # fmt: skip
    return 0


def _slice(design: Design, text: str, x: np.ndarray) -> NetworkDeck:
    name, _, rest = text.partition("[")
    ladder = next((item for item in design.ladders if item.name == name), None)
    number = re.fullmatch(r"([0-9]{1,6})\]", rest)
    if ladder is None or number is None or int(number[1]) >= ladder.width:
        known = ", ".join(f"{item.name}[0..{item.width - 1}]" for item in design.ladders)
        raise ParameterError(f"--cell = {text!r} names no ladder; there are {known}.")
    if ladder is not design.layers[0]:
        raise MappingError(f"--cell: {name} is fed by another layer, not by the inputs; export the whole network.")
    return ladder_deck(design, ladder, int(number[1]), x)
