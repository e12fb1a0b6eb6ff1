"""`analogrnn agree NET`."""

import argparse
from dataclasses import replace
from pathlib import Path

from analogrnn.agreement import LEVELS, Agreement, AgreementSetup, check_agreement
from analogrnn.cli.arguments import add_common, add_network, mapping_options, network_of
from analogrnn.cli.conditions import add_conditions, conditions_of
from analogrnn.cli.data import add_inputs, add_metric, goal_of, inputs_of
from analogrnn.cli.hybrids import add_part, circuit_of, mapped
from analogrnn.cli.numbers import number, whole
from analogrnn.cli.ui import Ui
from analogrnn.datasets import Clips
from analogrnn.design import Design
from analogrnn.metrics import ACCURACY
from analogrnn.outputs.files import make_folder, write_json
from analogrnn.simulate import CONTROLS
from analogrnn.spice.engine import find_ngspice
from analogrnn.technology import load_technology
from analogrnn.units import parse

SHOWN = 10  # first errors


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_part(parser)
    add_inputs(parser, "3")
    add_metric(parser)
    add_common(parser)
    parser.add_argument(
        "--level",
        choices=LEVELS,
        default="ideal",
        help="what to compare with the digital network (default ideal); transistor runs the foundry's models, one "
        "to two seconds per ladder and clip, best with --stage standard",
    )
    parser.add_argument(
        "--control", choices=CONTROLS, default="none", help="negative control: a broken ladder, which must fail"
    )
    parser.add_argument("--flat", action="store_true", help="one deck per clip, readout included, not one per ladder")
    parser.add_argument(
        "--chip",
        type=whole,
        metavar="K",
        help="mismatched chip number K under --seed, compared with its own behavioural model",
    )
    add_conditions(parser)
    bound = parser.add_argument_group("bounds of the transistor level; other levels must agree at every step")
    bound.add_argument(
        "--least-steps",
        type=number,
        metavar="X",
        help="least fraction of equal stage-steps (default 0.99; with --chip 0.97)",
    )
    bound.add_argument(
        "--least-classes",
        type=number,
        metavar="X",
        help="least fraction of equal classes (default 0.99; with --chip 0.9)",
    )
    bound.add_argument(
        "--first-error-within",
        type=number,
        metavar="X",
        help="largest distance of a first error from its threshold, relative (default 0.02; with --chip: any)",
    )
    parser.add_argument("--workers", type=whole, help="number of simulators in parallel (default: one per CPU)")
    parser.add_argument(
        "--timeout", metavar="s", default="3600s", help="longest time of one simulator run (default 3600s)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write agreement.json and a picture of the worst cell"
    )


def run(args: argparse.Namespace) -> int:
    ui = Ui(as_json=args.json)
    network = network_of(args)
    inputs = inputs_of(args, network)
    design = mapped(network, load_technology(args.technology), mapping_options(args), inputs.x)
    circuit = circuit_of(args, network, design, inputs.x)
    # the outputs of one of several circuits are not those of the network
    goal = goal_of(args, network, inputs) if isinstance(design, Design) else None
    ngspice = find_ngspice() if args.level in ("ideal", "transistor") else None
    setup = AgreementSetup(
        args.level,
        args.control,
        args.flat,
        args.workers,
        ngspice,
        args.chip,
        args.seed,
        conditions_of(args),
        timeout=parse(args.timeout, "s", owner="--timeout"),
    )
    is_classifier = goal is None or goal.metric.kind == "share"
    setup = _with_bound(args, setup, is_classifier=is_classifier)
    with ui.progress(f"{args.level}, {inputs.x.shape[1]} clips") as progress:
        found = check_agreement(circuit.network, circuit.design, circuit.x, setup, progress=progress)
    verdict = "agrees" if found.holds else "DISAGREES"
    name = circuit.network.name if args.chip is None else f"{circuit.network.name}, chip {args.chip}"
    countable = goal is not None and (circuit.design.pooling or goal.metric != ACCURACY)
    scores = found.scores(goal) if goal is not None and countable else None
    rows, answer = _rows(found, inputs, is_classifier=is_classifier), found.as_dict()
    if goal is not None and scores is not None:
        metric = goal.metric
        answer |= {f"{metric.name}_reference": scores[0], metric.name: scores[1]}
        rows.append((metric.title, f"{metric.text(scores[1])}; of the reference {metric.text(scores[0])}"))
    ui.table(f"{name}: {verdict}", rows)
    for error in answer["first_errors"]:
        error["clip_index"] = int(inputs.indices[error["clip"]])
    if args.out is not None:
        write_json(make_folder(args.out) / "agreement.json", answer)
    ui.result(answer)
    if args.out is not None:
        from analogrnn.figures.agreement import draw_agreement  # noqa: PLC0415 (matplotlib costs 0.4 s)

        clips = (circuit.x, inputs.indices)
        cell = draw_agreement(circuit.network, circuit.design, clips, setup, found, args.out / "worst_cell.png")
        ui.say(f"{args.out / 'agreement.json'}, worst_cell.png ({cell})")
    return 0 if found.holds else 1


def _with_bound(args: argparse.Namespace, setup: AgreementSetup, *, is_classifier: bool) -> AgreementSetup:
    """The setup with the bounds that were typed; the largest of several real outputs is no class to bound."""
    if not is_classifier and args.level == "transistor":
        setup = replace(setup, bound=replace(setup.deciding_bound, classes=0.0))
    typed = {"stage_steps": args.least_steps, "classes": args.least_classes, "first_error": args.first_error_within}
    typed = {name: value for name, value in typed.items() if value is not None}
    if not typed:
        return setup
    return replace(setup, bound=replace(setup.deciding_bound, **typed))


def _rows(found: Agreement, inputs: Clips, *, is_classifier: bool) -> list[tuple[str, str]]:
    rows = [
        ("level", found.level),
        ("clips", str(found.clips)),
        ("stages", str(found.stages)),
        ("steps equal to digital on every stage", f"{found.steps_equal} of {found.steps_checked}"),
        ("stage-steps equal", f"{found.stage_steps_equal} of {found.stage_steps_checked}"),
        ("not a thermometer code", str(found.thermometer_violations)),
    ]
    if found.candidate_error is not None:
        rows.append(("largest candidate error (units)", f"{found.candidate_error:.3g}"))
    for label, spread in (("candidate error", found.candidate), ("output current error", found.output)):
        if spread is not None:
            rows.append((label, f"{100 * spread.rms:.3g} % {spread.unit} rms, {100 * spread.largest:.3g} % at most"))
    if found.logit_error is not None:
        rows.append(("largest logit error (units)", f"{found.logit_error:.3g}"))
    if found.classes_equal is not None and is_classifier:
        rows.append(("same class", f"{found.classes_equal} of {found.classes_checked or found.clips}"))
    for error in found.first_errors[:SHOWN]:
        on = "".join("1" if stage else "0" for stage in error.stages)
        rows.append(
            (
                f"first error of {error.layer}[{error.cell}], clip {int(inputs.indices[error.clip])}",
                f"step {error.step}: digital level {error.digital}, stages {on}, candidate {error.candidate:.6g}, "
                f"threshold {error.threshold:.6g} ({100 * error.distance:.2g} % off)",
            )
        )
    if len(found.first_errors) > SHOWN:
        rows.append(("more first errors", str(len(found.first_errors) - SHOWN)))
    return rows + [("failed", failure) for failure in found.failures]
