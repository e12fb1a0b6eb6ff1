"""`analogrnn simulate NET`."""

import argparse
from pathlib import Path

import numpy as np

import analogrnn as ar
from analogrnn.cli.arguments import add_common, add_inputs, add_network, design_of, inputs_of, network_of
from analogrnn.cli.numbers import whole
from analogrnn.cli.ui import Ui
from analogrnn.datasets import LabelledClips
from analogrnn.errors import in_range
from analogrnn.streams import MOST_CHIP

NO_POOLING = "the network has no pooling, so a clip has no class and there is no accuracy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_inputs(parser, "all")
    add_common(parser)
    parser.add_argument("--chip", type=whole, metavar="K", help="mismatched chip number K; default: the nominal chip")
    parser.add_argument("--noise", choices=("on", "off"), default="off", help="noise of each cell (default off)")
    parser.add_argument("--out", type=Path, metavar="FILE.nc", help="write levels, candidates and logits as netCDF")


def run(args: argparse.Namespace) -> int:
    ui = Ui(as_json=args.json)
    network = network_of(args)
    design, inputs = design_of(args, network), inputs_of(args, network)
    if args.chip is not None:
        in_range("--chip", args.chip, 0, MOST_CHIP)
    chip = ar.nominal_chip(design) if args.chip is None else ar.draw_chip(design, args.seed, args.chip)
    result = ar.simulate(chip, inputs.x, noise_seed=args.seed if args.noise == "on" else None)
    digital = ar.forward(network, inputs.x)
    answer: dict[str, object] = {
        "network": network.name,
        "chip": args.chip,
        "seed": args.seed,
        "noise": args.noise == "on",
        "clips": inputs.indices.tolist(),
        "steps_equal_to_digital": {
            name: float(np.mean(levels == digital.states[name])) for name, levels in result.levels.items()
        },
    }
    if design.pooling:
        answer["classes"] = result.classes.tolist()
        answer["same_class_as_digital"] = int((result.classes == digital.classes).sum())
        if isinstance(inputs, LabelledClips):
            answer["accuracy"] = float(np.mean(result.classes == inputs.labels))
            answer["accuracy_digital"] = float(np.mean(digital.classes == inputs.labels))
    else:
        answer["note"] = NO_POOLING
    shown = {key: value for key, value in answer.items() if key not in ("clips", "classes")}
    ui.table("", [(key.replace("_", " "), _text(value)) for key, value in shown.items()])
    if args.out is not None:
        from analogrnn.outputs.netcdf import save_dataset, step_dataset  # noqa: PLC0415 (xarray costs 0.3 s)

        attributes = {
            "network": network.name,
            "chip": "nominal" if args.chip is None else args.chip,
            "seed": args.seed,
            "noise": args.noise,
            "unit_current_A": design.unit_current,
        }
        dataset = step_dataset(result.levels, result.candidates, result.logits, design.timing.period, attributes)
        save_dataset(dataset, args.out)
    ui.result(answer)
    return 0


def _text(value: object) -> str:
    """A value of the answer for a person."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2%}"
    return "nominal" if value is None else str(value)
