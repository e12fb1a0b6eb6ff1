"""`analogrnn mc NET`."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from analogrnn.cli.arguments import add_common, add_inputs, add_network, inputs_of, mapping_options, network_of
from analogrnn.cli.ui import Ui
from analogrnn.errors import ParameterError
from analogrnn.mapping import map_network
from analogrnn.montecarlo import Variability, run_monte_carlo
from analogrnn.network import forward
from analogrnn.outputs import make_folder, write_json
from analogrnn.technology import load_technology


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_inputs(parser, "all")
    add_common(parser)
    parser.add_argument("--chips", type=int, default=100, help="number of chips (default 100)")
    parser.add_argument("--noise", choices=("on", "off"), default="on", help="noise of each cell (default on)")
    parser.add_argument("--mismatch", choices=("on", "off"), default="on", help="device mismatch (default on)")
    parser.add_argument("--sizes", metavar="W,W,..", help="device sizes to compare, as in 4um,10um")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write accuracies and a picture here")


def run(args: argparse.Namespace) -> int:
    ui = Ui(as_json=args.json)
    network = network_of(args)
    inputs = inputs_of(args, network)
    if inputs.labels is None:
        raise ParameterError("--inputs has no labels, so there is no accuracy; add an array labels (S,).")
    typed = [size.strip() for size in (args.sizes or args.cell_size or "10um").split(",")]
    sizes = list(dict.fromkeys(size for size in typed if size))
    if not sizes:
        raise ParameterError(f"--sizes = {args.sizes!r} names no device size; write them as in 4um,10um.")
    digital = float(np.mean(forward(network, inputs.x).classes == inputs.labels))
    variability = Variability(args.seed, noise=args.noise == "on", scale=1.0 if args.mismatch == "on" else 0.0)
    by_size: dict[str, dict[str, Any]] = {}
    scores: dict[str, np.ndarray] = {}
    for size in sizes:
        design = map_network(network, load_technology(args.technology), mapping_options(args, size))
        with ui.progress(f"{args.chips} chips, {size} devices") as progress:
            campaign = run_monte_carlo(design, inputs.x, inputs.labels, args.chips, variability, progress=progress)
        by_size[size] = campaign.statistics() | {"accuracy": campaign.accuracy.tolist()}
        scores[f"{size} devices"] = campaign.accuracy
    rows = [
        (size, *(f"{100 * s[key]:.1f} %" for key in ("mean", "std", "p05", "min")), str(s["worst_chip"]))
        for size, s in by_size.items()
    ]
    answer = {"network": network.name, "clips": len(inputs.index), "accuracy_digital": digital, "sizes": by_size}
    header = ("devices", "mean", "std", "5th percentile", "worst", "worst chip")
    ui.columns(f"{network.name}: {args.chips} chips, digital {100 * digital:.1f} %", header, rows)
    if args.out is not None:
        from analogrnn.plots import accuracy_over_chips  # noqa: PLC0415 (matplotlib costs 0.4 s)

        make_folder(args.out)
        write_json(args.out / "monte_carlo.json", answer)
        title = f"{network.name}: {args.chips} chips, mismatch {args.mismatch}, noise {args.noise}"
        accuracy_over_chips(scores, digital, title, args.out / "accuracy_over_chips.png")
        ui.say(f"{args.out / 'monte_carlo.json'}, accuracy_over_chips.png")
    ui.result(answer)
    return 0
