"""`analogrnn agree NET`."""

import argparse

from analogrnn.agreement import LEVELS, Bench, check_agreement
from analogrnn.cli.arguments import add_common, add_inputs, add_network, design_of, inputs_of, network_of
from analogrnn.cli.ui import Ui
from analogrnn.simulate import CONTROLS
from analogrnn.spice.engine import find_ngspice


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_inputs(parser, "3")
    add_common(parser, seed=False)
    parser.add_argument("--level", choices=LEVELS, default="ideal", help="what to hold against digital (default ideal)")
    parser.add_argument("--control", choices=CONTROLS, default="none", help="break the ladder on purpose")
    parser.add_argument("--flat", action="store_true", help="one deck a clip, readout included, not one a ladder")
    parser.add_argument("--workers", type=int, help="simulators at a time (default: one a CPU)")


def run(args: argparse.Namespace) -> int:
    ui = Ui(as_json=args.json)
    network = network_of(args)
    design, inputs = design_of(args, network), inputs_of(args, network)
    ngspice = find_ngspice() if args.level == "ideal" else None
    bench = Bench(args.level, args.control, args.flat, args.workers, ngspice)
    with ui.progress(f"{args.level}, {inputs.x.shape[1]} clips") as progress:
        found = check_agreement(network, design, inputs.x, bench, progress=progress)
    rows = [
        ("level", found.level),
        ("clips", str(found.clips)),
        ("stages", str(found.stages)),
        ("steps equal to digital on every stage", f"{found.steps_equal} of {found.steps_checked}"),
        ("not a thermometer code", str(found.thermometer_violations)),
    ]
    for label, value in (("largest candidate error (units)", found.candidate_error),
                         ("largest logit error (units)", found.logit_error)):  # fmt: skip
        if value is not None:
            rows.append((label, f"{value:.3g}"))
    if found.classes_equal is not None:
        rows.append(("same class", f"{found.classes_equal} of {found.clips}"))
    for miss in found.first_misses[:10]:
        on = "".join("1" if stage else "0" for stage in miss.stages)
        rows.append((f"first miss of {miss.layer}[{miss.cell}], clip {int(inputs.index[miss.clip])}",
                     f"step {miss.step}: digital level {miss.digital}, stages {on}, candidate {miss.candidate:.6g}, "
                     f"threshold {miss.threshold:.6g}"))  # fmt: skip
    if len(found.first_misses) > 10:
        rows.append(("more first misses", str(len(found.first_misses) - 10)))
    rows += [("failed", failure) for failure in found.failures]
    ui.table(f"{network.name}: {'agrees' if found.holds else 'DISAGREES'}", rows)
    ui.result(found.as_dict())
    return 0 if found.holds else 1
