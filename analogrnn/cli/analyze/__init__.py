"""`analogrnn analyze ANALYSIS NET`: one module an analysis, each with `add_arguments` and `run`."""

import argparse
import importlib

# name: help; its module imports what it computes with inside `run`, so that --help stays quick
ANALYSES: dict[str, str] = {}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    analyses = parser.add_subparsers(dest="analysis", metavar="ANALYSIS", required=True)
    for name, text in ANALYSES.items():
        sub = analyses.add_parser(name, help=text, description=text)
        module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
        module.add_arguments(sub)
        sub.set_defaults(analyze=module.run)


def run(args: argparse.Namespace) -> int:
    return int(args.analyze(args))
