"""`analogrnn sweep SPECS.toml`."""

import argparse
from pathlib import Path

from analogrnn.cli.arguments import add_common
from analogrnn.cli.numbers import whole
from analogrnn.cli.ui import Ui


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "specs",
        type=Path,
        metavar="SPECS.toml",
        help="the circuit, its conditions and its limits; see docs/sweep.md and examples/specs_standard_ladder.toml",
    )
    parser.add_argument("--technology", default="gf180mcu", help="a shipped technology, or a calibration file")
    parser.add_argument("--workers", type=whole, help="number of simulators in parallel (default: one per CPU)")
    add_common(parser, seed=False)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write sweep.md, sweep.json and a picture here")


def run(args: argparse.Namespace) -> int:
    from analogrnn.sweep import read_specs, run_sweep  # noqa: PLC0415 (numba costs a second)
    from analogrnn.sweep.table import SHORT, as_dict, markdown, summary  # noqa: PLC0415
    from analogrnn.technology import load_technology  # noqa: PLC0415

    ui = Ui(as_json=args.json)
    file = read_specs(args.specs)
    technology = load_technology(args.technology)
    with ui.progress(f"{len(file.conditions)} conditions in ngspice") as progress:
        report = run_sweep(file, technology, workers=args.workers, progress=progress)
    title = f"{file.name}: {'passes' if report.passes else 'FAILS'} ({len(file.conditions)} conditions)"
    ui.columns(title, SHORT, [summary(row) for row in report.rows])
    for row in report.rows:
        for reason in row.reasons:
            ui.say(f"{row.spec.parameter}: {reason}")
    if args.out is not None:
        from analogrnn.outputs.files import make_folder, write_json, write_text  # noqa: PLC0415

        make_folder(args.out)
        write_text(args.out / "sweep.md", markdown(report))
        write_json(args.out / "sweep.json", as_dict(report))
    ui.result(as_dict(report))
    if args.out is not None:
        from analogrnn.figures.sweep import draw_sweep  # noqa: PLC0415 (matplotlib costs 0.4 s)

        draw_sweep(report, args.out / "sweep.png")
        ui.say(f"{args.out / 'sweep.md'}, sweep.json, sweep.png")
    return 0 if report.passes else 1
