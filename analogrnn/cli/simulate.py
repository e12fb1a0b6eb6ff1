"""`analogrnn simulate NET`."""

import argparse
from pathlib import Path

import numpy as np

import analogrnn as ar
from analogrnn.cli.arguments import add_common, add_network, mapping_options, network_of
from analogrnn.cli.data import add_inputs, add_metric, goal_of, inputs_of
from analogrnn.cli.hybrids import mapped
from analogrnn.cli.numbers import whole
from analogrnn.cli.ui import Ui
from analogrnn.design import Design
from analogrnn.errors import in_range
from analogrnn.hybrid import HybridDesign, draw_hybrid
from analogrnn.mapping import circuit_form
from analogrnn.metrics import ACCURACY, Goal
from analogrnn.streams import MOST_CHIP
from analogrnn.technology import load_technology

NO_POOLING = (
    "the network has no pooling, so a clip has no class and there is no accuracy; --metric vote takes the class of "
    "most steps"
)


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
    inputs = inputs_of(args, network)
    design = mapped(network, load_technology(args.technology), mapping_options(args), inputs.x)
    goal = goal_of(args, network, inputs)
    if args.chip is not None:
        in_range("--chip", args.chip, 0, MOST_CHIP)
    result, saturated, states = _run(args, design, network, inputs.x)
    digital = ar.forward(network, inputs.x)
    answer: dict[str, object] = {
        "network": network.name,
        "chip": args.chip,
        "seed": args.seed,
        "noise": args.noise == "on",
        "clips": inputs.indices.tolist(),
        "steps_equal_to_digital": {
            name: float(np.mean(levels == states[name])) for name, levels in result.levels.items()
        },
    }
    scores = _scores(result.logits, digital.logits, goal)
    if saturated:
        answer["saturated_inputs"] = saturated
    if result.logits.ndim == 2 and (goal is None or goal.metric.kind == "share"):
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


_States = dict[str, np.ndarray]


def _run(
    args: argparse.Namespace, design: Design | HybridDesign, network: ar.Network, x: np.ndarray
) -> tuple[ar.StepRun, dict[str, float], _States]:
    """The run of the chip that was asked for; the share of inputs beyond the converters of each circuit; and the
    states by the digital network, of each circuit with the inputs that it had.
    """
    noise_seed = args.seed if args.noise == "on" else None
    if isinstance(design, Design):
        chip = ar.nominal_chip(design) if args.chip is None else ar.draw_chip(design, args.seed, args.chip)
        run = ar.simulate(chip, x, noise_seed=noise_seed)
        return run, {}, ar.forward(circuit_form(network), x).states
    hybrid = ar.simulate_hybrid(design, x, draw_hybrid(design, args.seed, args.chip), noise_seed=noise_seed)
    levels: _States = {}
    candidates: _States = {}
    states: _States = {}
    for part in design.analog:
        name = part.design.name
        levels |= hybrid.runs[name].levels
        candidates |= hybrid.runs[name].candidates
        states |= ar.forward(circuit_form(part.network), hybrid.inputs[name]).states
    return ar.StepRun(candidates, levels, hybrid.logits), hybrid.saturated, states


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
