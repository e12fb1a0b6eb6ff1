"""`analogrnn analyze ANALYSIS NET`: one module per analysis, each with `add_arguments` and `run`."""

import argparse
import importlib

# name: help; each module imports its analysis inside `run`, so that --help stays fast
ANALYSES: dict[str, str] = {
    "fixed-points": "rest states of a ladder, windows of its levels, codes that pulses reach, results of upsets",
    "noise": "wrong moves, hold times, accuracy under noise, and where an analog state is better",
    "bits": "accuracy over word length, the shortest word lengths that suffice, and the integer model",
    "sensitivity": "which groups, devices and cells cost accuracy, and an allocation of area that recovers it",
    "power": "supply current by block and by level; area, latency, energy, scaling",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "`analogrnn analyze ANALYSIS --help` lists its arguments; each takes --json and --out FOLDER."
    analyses = parser.add_subparsers(dest="analysis", metavar="ANALYSIS", required=True)
    for name, text in ANALYSES.items():
        sub = analyses.add_parser(name, help=text, description=text, allow_abbrev=False)
        module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
        module.add_arguments(sub)
        sub.set_defaults(analyze=module.run, parser=sub)


def run(args: argparse.Namespace) -> int:
    return int(args.analyze(args))
