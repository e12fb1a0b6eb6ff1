"""`analogrnn export NET`."""

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

import analogrnn as ar
from analogrnn.cli.arguments import add_common, add_network, design_of, mapping_options, network_of
from analogrnn.cli.conditions import add_conditions, conditions_of
from analogrnn.cli.data import add_inputs, inputs_of
from analogrnn.cli.hybrids import Circuit, add_part, circuit_of, mapped
from analogrnn.cli.numbers import whole
from analogrnn.cli.ui import Ui
from analogrnn.design import Design, Ladder
from analogrnn.errors import MappingError, ParameterError
from analogrnn.hybrid import is_hybrid
from analogrnn.network import Network
from analogrnn.outputs.files import make_folder, write_text
from analogrnn.show import counted
from analogrnn.spice.pdk import PROCESS, find_pdk, model_lines
from analogrnn.spice.reading import Cell, ProbedDeck
from analogrnn.spice.transistor_network import TransistorSetup
from analogrnn.stimulus import random_stimulus
from analogrnn.technology import load_technology

Export = Callable[..., ProbedDeck]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_part(parser)
    add_inputs(parser, "1")
    add_common(parser)
    parser.add_argument(
        "--level",
        choices=("ideal", "transistor"),
        default="ideal",
        help="ideal subcircuits (circuits/ideal), or transistors of GF180MCU (circuits/gf180mcu; its "
        "models are referenced, not copied)",
    )
    parser.add_argument(
        "--stimulus",
        choices=("clip", "random"),
        default="clip",
        help="a test clip (the first of --clips), or random inputs, which need no data set",
    )
    parser.add_argument("--clip", type=whole, metavar="I", help="number of the test clip; the same as --clips I,")
    parser.add_argument("--steps", type=whole, default=12, help="length of a random stimulus (default 12)")
    parser.add_argument(
        "--slice",
        "--cell",
        dest="cell",
        metavar="LAYER[I]|LAYER|all",
        help="one ladder with its own front end, as in cell[3]; or all ladders of a layer, one deck "
        "each, written to the folder --out",
    )
    parser.add_argument("--chip", type=whole, metavar="K", help="transistors: mismatched chip number K under --seed")
    add_conditions(parser)
    parser.add_argument(
        "--pdk-paths",
        choices=("bare", "absolute"),
        default="bare",
        help="transistors: model files by file name, to be linked beside the deck, or by their full "
        "paths on this machine (default bare)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the deck here (default: standard output)")


def run(args: argparse.Namespace) -> int:
    ui = Ui(as_json=args.json)
    if args.json and args.out is None:
        raise ParameterError("--json needs --out: the deck itself goes to standard output without it.")
    network = network_of(args)
    circuit = _circuit(args, network)
    design = circuit.design
    export = _exporter(args, circuit)
    chosen = None if args.cell is None else _cells(design, args.cell)
    if isinstance(chosen, Ladder):
        return _folder(args, ui, export, chosen)
    deck = export(cell=chosen)
    text = _with_paths(args, deck)
    if args.out is None:
        sys.stdout.write(text)
        return 0
    write_text(args.out, text)
    ui.say(
        f"{args.out}: {counted(len(deck.probes), 'ladder')}, {counted(deck.schedule.steps, 'step')}; run it with: "
        f"ngspice -b -r out.raw {args.out}{_models(args)}"
    )
    ui.result({"deck": str(args.out), **_facts(deck)})
    return 0


def _circuit(args: argparse.Namespace, network: Network) -> Circuit:
    """The circuit that is exported, with its inputs for the clip (T, 1, D); none for a random stimulus."""
    if args.clip is not None:
        args.clips = f"{args.clip},"
    if args.stimulus == "random" and not is_hybrid(network):
        return Circuit(network, design_of(args, network), np.empty((0, 1, 0)))
    x = inputs_of(args, network).x
    return circuit_of(args, network, mapped(network, load_technology(args.technology), mapping_options(args), x), x)


def _exporter(args: argparse.Namespace, circuit: Circuit) -> Export:
    """`export_deck` of the design, the clip, the level and the conditions that the arguments name."""
    design = circuit.design
    if args.level == "ideal" and (args.chip is not None or args.pdk_paths != "bare"):
        raise ParameterError("--chip and --pdk-paths need --level transistor: ideal subcircuits have no devices.")
    x = random_stimulus(design, args.steps, args.seed) if args.stimulus == "random" else circuit.x[:, 0]
    if args.level == "ideal":
        return partial(ar.export_deck, design, x)
    if design.technology.name != PROCESS:
        sys.stderr.write(
            f"analogrnn: technology {design.technology.name}: the transistors of the deck are {PROCESS}'s\n"
        )
    options = conditions_of(args)
    setup = TransistorSetup(options) if args.chip is None else ar.chip_setup(design, args.seed, args.chip, options)
    return partial(ar.export_deck, design, x, level="transistor", setup=setup)


def _folder(args: argparse.Namespace, ui: Ui, export: Export, ladder: Ladder) -> int:
    """Write one deck per ladder of a layer."""
    if args.out is None:
        raise ParameterError(f"--slice {args.cell} gives {ladder.width} decks; give a folder for them with --out.")
    folder = make_folder(args.out)
    decks = {}
    for cell in range(ladder.width):
        deck = export(cell=(ladder.name, cell))
        path = folder / f"{ladder.name}_{cell}.spice"
        write_text(path, _with_paths(args, deck))
        decks[str(path)] = _facts(deck)
    ui.say(
        f"{folder}: {ladder.width} decks of one ladder each; run each with: ngspice -b -r out.raw DECK{_models(args)}"
    )
    ui.result({"decks": decks})
    return 0


def _facts(deck: ProbedDeck) -> dict[str, object]:
    return {
        "ladders": len(deck.probes),
        "steps": deck.schedule.steps,
        "stop_time_s": deck.schedule.duration,
        "read_times_s": deck.schedule.read_times().tolist(),
    }


def _models(args: argparse.Namespace) -> str:
    """How the simulator finds the models that a deck of transistors names."""
    if args.level == "ideal" or args.pdk_paths == "absolute":
        return ""
    pdk = find_pdk()
    return f" beside links to {pdk.design} and {pdk.models}, or with: analogrnn spice"


def _with_paths(args: argparse.Namespace, deck: ProbedDeck) -> str:
    """The deck with its model files named as --pdk-paths says."""
    if args.level == "ideal" or args.pdk_paths == "bare":
        return deck.text
    return replace(deck.deck, models=model_lines(find_pdk(), args.corner, absolute=True)).text


def _cells(design: Design, text: str) -> Ladder | Cell:
    """The ladder that --slice names, or all ladders of a layer."""
    name, bracket, rest = text.partition("[")
    if text == "all":
        name = design.ladders[0].name
    ladder = next((item for item in design.ladders if item.name == name), None)
    number = re.fullmatch(r"([0-9]{1,6})\]", rest)
    if ladder is None or (bracket and (number is None or int(number[1]) >= ladder.width)):
        known = ", ".join(f"{item.name}[0..{item.width - 1}]" for item in design.ladders)
        raise ParameterError(f"--slice = {text!r} names no ladder; there are {known}.")
    if ladder is not design.layers[0] or (text == "all" and len(design.ladders) > 1):
        raise MappingError(f"--slice: {name} is fed by another layer, not by the inputs; export the whole network.")
    return ladder if number is None else (name, int(number[1]))
