"""`analogrnn map NET`."""

import argparse
from pathlib import Path

from analogrnn import bill_of_materials
from analogrnn.cli.arguments import add_common, add_network, design_of, network_of
from analogrnn.cli.ui import Ui


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_common(parser, seed=False)
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="write the bill of materials here")


def run(args: argparse.Namespace) -> int:
    ui = Ui(as_json=args.json)
    design = design_of(args, network_of(args))
    ui.table(design.name, bill_of_materials.summary_rows(design))
    if args.out is not None:
        rows = bill_of_materials.write_bill_of_materials(design, args.out)
        ui.say(f"{args.out}: {rows} trained parameters")
    ui.result(bill_of_materials.summary(design))
    return 0
