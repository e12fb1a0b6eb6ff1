"""`analogrnn analyze bits NET`."""

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analogrnn.cli.arguments import add_common, add_network, design_of, network_of
from analogrnn.cli.data import add_inputs, add_metric, flag_of, scored_inputs_of, validation_of
from analogrnn.cli.numbers import number, whole
from analogrnn.cli.ui import Ui
from analogrnn.errors import ParameterError
from analogrnn.units import whole_number

if TYPE_CHECKING:
    from analogrnn.analysis.bits.quantise import Quantised
    from analogrnn.analysis.bits.search import BitsReport, GroupBits
    from analogrnn.datasets import Clips
    from analogrnn.metrics import Metric
    from analogrnn.network import Network
    from analogrnn.statistics import Paired


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_inputs(parser, "all")
    add_metric(parser)
    add_common(parser, seed=False)
    parser.add_argument(
        "--groups", metavar="G,G,..", help="which groups to quantise (default all); the others stay as trained"
    )
    parser.add_argument(
        "--word-lengths",
        metavar="G=N,..",
        help="evaluate these word lengths instead of a search, as in weights=6,bias=8 or all=8",
    )
    parser.add_argument(
        "--within",
        type=number,
        default=0.01,
        metavar="X",
        help="accuracy that may be lost, as a fraction, or growth of an error that is allowed (default 0.01)",
    )
    parser.add_argument(
        "--sure",
        type=number,
        default=0.95,
        metavar="P",
        help="one-sided confidence of staying it on the validation clips; 0.5 uses the bare accuracy (default 0.95)",
    )
    parser.add_argument(
        "--longest", type=whole, default=12, metavar="N", help="longest word length to try (default 12)"
    )
    parser.add_argument(
        "--grid",
        choices=("binary", "full"),
        default="binary",
        help="least step: a power of two, or the largest value over the largest code (default binary)",
    )
    parser.add_argument(
        "--reference",
        choices=("layer", "row"),
        default="layer",
        help="one least step for the mirrors of a layer, or one per row (default layer)",
    )
    parser.add_argument(
        "--bias",
        choices=("circuit", "trained"),
        default="circuit",
        help="bias codes include the input offset (circuit), or the trained bias alone (default circuit)",
    )
    parser.add_argument(
        "--independent",
        action="store_true",
        help="round each current by itself, instead of the threshold after shift and base",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write bits.json, the codes and a figure here")


def run(args: argparse.Namespace) -> int:
    from analogrnn.analysis.bits.quantise import Convention, quantise  # noqa: PLC0415
    from analogrnn.analysis.bits.search import Settings, analyze_bits  # noqa: PLC0415 (numba and scipy cost a second)

    ui = Ui(as_json=args.json)
    network = network_of(args)
    design = design_of(args, network)
    convention = Convention(args.grid, args.reference, not args.independent, args.bias)
    groups = tuple(name.strip() for name in args.groups.split(",") if name.strip()) if args.groups else None
    validation, test, metric = examples_of(args, network)
    settings = Settings(within=args.within, sure=args.sure, longest=args.longest, groups=groups, metric=metric)
    if args.word_lengths:
        settings = replace(settings, word_lengths=_word_lengths(args.word_lengths, settings.chosen(design)))
    with ui.progress("word lengths") as progress:
        report = analyze_bits(design, validation, test, convention, settings=settings, progress=progress)
    quantised = quantise(design, report.word_lengths, convention) if report.word_lengths else None
    answer = _answer(report, quantised)
    _show(ui, report, quantised)
    if args.out is not None:
        _write(args.out, quantised, answer)
    ui.result(answer)
    if args.out is not None:
        _draw(args.out, report)
        ui.say(f"{args.out / 'bits.json'}, accuracy_over_bits.png{', codes.npz' if quantised else ''}")
    return 0 if quantised is not None and not report.warnings else 1


def examples_of(args: argparse.Namespace, network: "Network") -> "tuple[Clips, Clips, Metric]":
    """Validation clips and test clips: two parts of the data set, or the even and the odd clips of a data file.

    And the metric that scores them.
    """
    inputs, goal = scored_inputs_of(args, network)
    other = validation_of(args, network)
    if other is not None:
        return other, inputs, goal.metric
    if len(inputs) < 2:
        raise ParameterError(f"{flag_of(args)} holds one clip; give at least two, one for validation and one for test.")
    return inputs.take(slice(0, None, 2)), inputs.take(slice(1, None, 2)), goal.metric


def _word_lengths(text: str, groups: tuple[str, ...]) -> dict[str, int]:
    word_lengths: dict[str, int] = {}
    for item in text.split(","):
        group, _, typed = item.strip().partition("=")
        try:
            bits = whole_number(typed)
        except ParameterError:
            raise ParameterError(
                f"--word-lengths = {text!r}: write group=bits, as in weights=6,bias=8 or all=8."
            ) from None
        word_lengths |= dict.fromkeys(groups, bits) if group == "all" else {group: bits}
    return word_lengths


def _show(ui: Ui, report: "BitsReport", quantised: "Quantised | None") -> None:
    from analogrnn.analysis.bits.quantise import GROUPS  # noqa: PLC0415

    metric = report.metric
    ui.say(
        f"{report.network}: {'' if metric.has_classes else f'{metric.title} '}as trained "
        f"{metric.text(report.trained_test)} on the test clips, {metric.text(report.trained_validation)} on the "
        "validation clips"
    )
    rows = []
    for item in (*report.groups, report.together):
        chosen = report.word_lengths.get(item.group)
        rows.append(
            (
                item.group,
                "-" if item.minimal is None else str(item.minimal),
                "" if chosen is None else str(chosen),
                GROUPS.get(item.group, "equal word lengths for all groups"),
            )
        )
    ui.columns("bits", ("group", "shortest alone", "chosen together", ""), rows)
    if quantised is not None and report.test is not None and report.validation is not None:
        ui.table(
            "together",
            [
                ("on the validation clips", _difference(report.validation, metric)),
                ("on the test clips", _difference(report.test, metric)),
                ("all codes", f"{report.storage} bits"),
                *_integer_rows(quantised),
            ],
        )
    for warning in report.warnings:
        ui.say(f"warning: {warning}")


def _difference(seen: "Paired", metric: "Metric") -> str:
    if not metric.has_classes:
        test, change = "paired t-test", f"{seen.difference:+.3g} +- {seen.error:.3g}"
        return f"{metric.text(seen.accuracy)}, {change} ({test} p = {seen.p_value:.2g}, {seen.clips} clips)"
    return (
        f"{100 * seen.accuracy:.2f} %, {100 * seen.difference:+.2f} +- {100 * seen.error:.2f} points "
        f"(McNemar p = {seen.p_value:.2g}, {seen.clips} clips)"
    )


def _integer_rows(quantised: "Quantised") -> list[tuple[str, str]]:
    from analogrnn.analysis.bits.integer import integer_network  # noqa: PLC0415

    try:
        model = integer_network(quantised)
    except ParameterError as error:
        return [("integer model", f"none: {error}")]
    return [
        (
            f"integer model, {layer.name}",
            f"{layer.weight.dtype} weights, an accumulator of "
            f"{layer.accumulator_bits} bits can't overflow, least step 2^{layer.exponent}",
        )
        for layer in model.layers
    ]


def _answer(report: "BitsReport", quantised: "Quantised | None") -> dict[str, Any]:
    def known(values: np.ndarray) -> list[float | None]:
        return [float(v) if np.isfinite(v) else None for v in values]

    def group(item: "GroupBits") -> dict[str, Any]:
        return {
            "group": item.group,
            "minimal": item.minimal,
            "bits": item.bits.tolist(),
            "validation": known(item.validation),
            "test": known(item.test),
            "test_error": known(item.test_error),
            "refused": {str(bits): why for bits, why in item.refused.items()},
        }

    answer = {
        "network": report.network,
        "convention": asdict(report.convention),
        "within": report.within,
        "trained": {"validation": report.trained_validation, "test": report.trained_test},
        "word_lengths": report.word_lengths,
        "validation": asdict(report.validation) if report.validation else None,
        "test": asdict(report.test) if report.test else None,
        "storage_bits": report.storage,
        "least_steps": {
            f"{layer}.{name}": codes.lsb.ravel().tolist()
            for (layer, name), codes in (quantised.codes.items() if quantised else ())
        },
        "warnings": list(report.warnings),
        "groups": [group(item) for item in (*report.groups, report.together)],
    }
    return answer if report.metric.name == "accuracy" else answer | {"metric": report.metric.name}


def _write(folder: Path, quantised: "Quantised | None", answer: dict[str, Any]) -> None:
    from analogrnn.analysis.bits.integer import save_codes  # noqa: PLC0415
    from analogrnn.outputs.files import make_folder, write_json  # noqa: PLC0415

    make_folder(folder)
    write_json(folder / "bits.json", answer)
    if quantised is not None:
        save_codes(quantised, folder / "codes.npz")


def _draw(folder: Path, report: "BitsReport") -> None:
    from analogrnn.figures.bits import draw_accuracy_over_bits  # noqa: PLC0415 (matplotlib costs 0.4 s)

    c, clips = report.convention, report.test.clips if report.test else 0
    title = (
        f"{report.network}: {report.metric.title} over word lengths, {clips} test clips; "
        f"{c.grid} steps, one reference per {c.reference}"
    )
    draw_accuracy_over_bits(report, title, folder / "accuracy_over_bits.png")
