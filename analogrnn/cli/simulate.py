"""`analogrnn simulate NET`."""

import argparse
from pathlib import Path

import numpy as np

import analogrnn as ar
from analogrnn.cli.arguments import add_common, add_network, design_of, network_of
from analogrnn.cli.data import add_inputs, add_metric, goal_of, inputs_of
from analogrnn.cli.numbers import whole
from analogrnn.cli.ui import Ui
from analogrnn.errors import in_range
from analogrnn.mapping import circuit_form
from analogrnn.metrics import ACCURACY, Goal
from analogrnn.streams import MOST_CHIP

NO_POOLING = "the network has no pooling, so a clip has no class and there is no accuracy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_inputs(parser, "all")
    add_metric(parser)
    add_common(parser)
    parser.add_argument("--chip", type=whole, metavar="K", help="mismatched chip number K; default: the nominal chip")
    parser.add_argument("--noise", choices=("on", "off"), default="off", help="noise of each cell (default off)")
    parser.add_argument("--out", type=Path, metavar="FILE.nc", help="write levels, candidates and logits as netCDF")


def run(args: argparse.Namespace) -> int:
    ui = Ui(as_json=args.json)
    network = network_of(args)
    design, inputs = design_of(args, network), inputs_of(args, network)
    goal = goal_of(args, network, inputs)
    if args.chip is not None:
        in_range("--chip", args.chip, 0, MOST_CHIP)
    chip = ar.nominal_chip(design) if args.chip is None else ar.draw_chip(design, args.seed, args.chip)
    result = ar.simulate(chip, inputs.x, noise_seed=args.seed if args.noise == "on" else None)
    digital = ar.forward(circuit_form(network), inputs.x)
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
    scores = _scores(result.logits, digital.logits, goal)
    if design.pooling:
        answer["classes"] = result.classes.tolist()
        answer["same_class_as_digital"] = int((result.classes == digital.classes).sum())
    elif not scores:
        answer["note"] = NO_POOLING
    answer |= scores
    shown = {key: _text(value) for key, value in answer.items() if key not in ("clips", "classes")}
    if goal is not None:
        shown |= {key: goal.metric.text(value, 2) for key, value in scores.items()}
    ui.table("", [(key.replace("_", " "), value) for key, value in shown.items()])
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


def _scores(outputs: np.ndarray, digital: np.ndarray, goal: Goal | None) -> dict[str, float]:
    """The score of the chip and that of the digital network; empty without a goal, or if each clip has no class."""
    if goal is None or (goal.metric == ACCURACY and outputs.ndim == 3):
        return {}
    name, score = goal.metric.name, goal.metric.score
    return {name: score(outputs, goal.truth), f"{name}_digital": score(digital, goal.truth)}


def _text(value: object) -> str:
    """A value of the answer for a person."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2%}"
    return "nominal" if value is None else str(value)
