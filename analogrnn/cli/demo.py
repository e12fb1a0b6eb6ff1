"""`analogrnn demo`."""

import argparse
from pathlib import Path

from analogrnn.cli.arguments import add_common
from analogrnn.cli.numbers import whole
from analogrnn.cli.ui import Ui


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.add_argument("--out", type=Path, default=Path("demo_out"), help="folder of the results (default demo_out)")
    parser.add_argument("--network", default="digits_d32_k4", help="a shipped spoken-digit network")
    parser.add_argument("--chips", type=whole, default=100, help="mismatched chips (default 100)")
    parser.add_argument("--clips", type=whole, default=3, help="clips that run in ngspice (default 3)")


def run(args: argparse.Namespace) -> int:
    from analogrnn.demo import DemoOptions, run_demo  # noqa: PLC0415 (numba costs a second)

    ui = Ui(as_json=args.json)
    summary = run_demo(DemoOptions(args.out, args.network, args.chips, args.clips, args.seed), ui)
    ui.result(summary)
    checks = [summary["agreement"], summary["agreement_waveform"]]
    return 0 if all(check is None or check["holds"] for check in checks) else 1
