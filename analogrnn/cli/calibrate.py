"""`analogrnn calibrate TECHNOLOGY`."""

import argparse
import time
from pathlib import Path

from analogrnn import library
from analogrnn.calibrate import campaign as job
from analogrnn.calibrate.bench import CalibrationBench, Setup
from analogrnn.campaign import write_whole
from analogrnn.cli.arguments import add_common
from analogrnn.cli.numbers import whole
from analogrnn.cli.ui import Ui
from analogrnn.errors import ParameterError
from analogrnn.spice.engine import find_ngspice
from analogrnn.spice.pdk import find_pdk
from analogrnn.technology import read_document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("technology", choices=("gf180mcu",), help="the process to calibrate")
    parser.add_argument(
        "--quick", action="store_true", help="run a subset and compare it with the committed values; writes nothing"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="calibration file (default: ./TECHNOLOGY.toml)")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="use the results of an interrupted call (the default)")
    start.add_argument("--fresh", action="store_true", help="discard the results of an interrupted call")
    parser.add_argument("--workers", type=whole, help="number of simulators in parallel (default: one per CPU)")
    add_common(parser, seed=False)


def run(args: argparse.Namespace) -> int:
    ui, begin = Ui(as_json=args.json), time.monotonic()
    if args.quick and args.out is not None:
        raise ParameterError("--quick writes no calibration, so --out has no effect; give one of them only.")
    ngspice, committed = find_ngspice(), read_document(library.calibration_path(args.technology))
    setup = job.default_setup(Setup(find_pdk()), committed)
    campaign = job.Campaign(CalibrationBench(setup), job.carried_over(committed), args.quick)
    out = args.out or Path(f"{args.technology}.toml")
    partial = out.with_name(f"{out.stem}.{'quick' if args.quick else 'partial'}.json")
    probes = campaign.probes()
    with ui.progress(f"{len(probes)} decks") as progress:
        results = job.run_probes(
            probes, partial, setup.pdk.sha256, fresh=args.fresh or args.quick, workers=args.workers, progress=progress
        )
    found = campaign.entries(results)
    rows = job.compare(found, committed)
    if not args.quick:
        process = str(committed.get("process", ""))
        write_whole(out, job.document(campaign, found, args.technology, process, ngspice).encode())
    partial.unlink(missing_ok=True)
    off = [row for row in rows if row[3] > 1.0]
    ui.columns(
        f"{args.technology}: {len(found)} values from {len(probes)} decks",
        ("value", "now", "committed", "x uncertainty"),
        [(name, f"{new:.5g}", f"{old:.5g}", f"{off_by:.2f}") for name, new, old, off_by in rows],
    )
    if not args.quick:
        ui.say(f"wrote {out}")
    ui.result(
        {
            "technology": args.technology,
            "decks": len(probes),
            "values": len(found),
            "outside": len(off),
            "out": None if args.quick else str(out),
            "seconds": round(time.monotonic() - begin, 2),
            "rows": [dict(zip(("name", "now", "committed", "deviation"), row, strict=True)) for row in rows],
        }
    )
    return 1 if args.quick and off else 0
