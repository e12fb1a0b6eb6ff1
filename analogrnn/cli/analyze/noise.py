"""`analogrnn analyze noise NET`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analogrnn.cli.arguments import add_common, add_network, design_of, network_of
from analogrnn.cli.data import add_inputs, add_metric, goal_of, inputs_of
from analogrnn.cli.numbers import whole
from analogrnn.cli.simulate import NO_POOLING
from analogrnn.cli.ui import Ui
from analogrnn.errors import ParameterError, in_range
from analogrnn.metrics import ACCURACY
from analogrnn.streams import MOST_CHIP
from analogrnn.units import plain_number

if TYPE_CHECKING:
    from analogrnn.analysis.noise.report import AccuracyCurve, LayerNoise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_inputs(parser, "all")
    add_metric(parser)
    add_common(parser)
    parser.add_argument(
        "--chip", type=whole, metavar="K", help="analyse chip K, with mismatch (default: the nominal chip)"
    )
    parser.add_argument(
        "--sigmas", metavar="X,X,..", help="rms noise over beta at which to measure the accuracy (default 0.05 to 2)"
    )
    parser.add_argument("--repeats", type=whole, default=3, help="noise draws per accuracy (default 3)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write noise.json and figures here")


def run(args: argparse.Namespace) -> int:
    import numpy as np  # noqa: PLC0415

    from analogrnn.analysis.noise.report import accuracy_under_noise, analyze_noise  # noqa: PLC0415 (numba)
    from analogrnn.chip import draw_chip, nominal_chip  # noqa: PLC0415

    ui = Ui(as_json=args.json)
    network = network_of(args)
    sigmas = _sigmas(args.sigmas)
    in_range("--repeats", args.repeats, 1, 10_000)
    if args.chip is not None:
        in_range("--chip", args.chip, 0, MOST_CHIP)
    design, inputs = design_of(args, network), inputs_of(args, network)
    goal = goal_of(args, network, inputs)
    chip = nominal_chip(design) if args.chip is None else draw_chip(design, args.seed, args.chip)
    found = analyze_noise(chip, inputs.x)
    title = f"{network.name}, {'nominal' if args.chip is None else f'chip {args.chip}'}"
    answer: dict[str, Any] = {
        "network": network.name,
        "chip": args.chip,
        "seed": args.seed,
        "clips": inputs.x.shape[1],
        "layers": [layer.as_dict() for layer in found],
    }
    curve = None
    if goal is not None and (design.pooling or goal.metric != ACCURACY):
        curve = accuracy_under_noise(chip, inputs.x, goal, np.array(sigmas), repeats=args.repeats, seed=args.seed)
        name = goal.metric.name
        answer[name] = {
            "sigma_beta": sigmas,
            name: curve.accuracy.tolist(),
            "standard_error": curve.error.tolist(),
            "without_noise": curve.without,
        }
    elif not design.pooling:
        answer["note"] = NO_POOLING
        ui.say(f"{title}: {NO_POOLING}")
    for layer in found:
        _show(ui, f"{title}: {layer.name}", layer)
    if curve is not None:
        _show_accuracy(ui, curve)
    if args.out is not None:
        from analogrnn.outputs.files import make_folder, write_json  # noqa: PLC0415

        make_folder(args.out)
        write_json(args.out / "noise.json", answer)
    ui.result(answer)
    if args.out is not None:
        from analogrnn.figures import noise as figures  # noqa: PLC0415 (matplotlib costs 0.4 s)

        figures.draw_flips(float(found[0].sigma.max()), title, args.out / "noise_flips.png", seed=args.seed)
        figures.draw_crossover(args.out / "noise_crossover.png", seed=args.seed)
        if curve is not None:
            label, place = f"{title}: {curve.metric.title} under noise", args.out / "noise_accuracy.png"
            figures.draw_accuracy_under_noise({network.name: curve}, label, place)
        ui.say(f"{args.out / 'noise.json'} and its figures")
    return 0


def _show(ui: Ui, title: str, layer: "LayerNoise") -> None:
    from analogrnn.analysis.noise.crossover import least_margin, losing_band  # noqa: PLC0415

    least = float(layer.margin.min())
    band = losing_band(least)
    losing = f"between {band[0]:.2f} and {band[1]:.2f} levels of noise per step" if band else "at no noise"
    hold = layer.hold.log10_seconds
    ui.table(
        title,
        [
            ("noise of the cells", f"{layer.sigma.min():.3g} to {layer.sigma.max():.3g} beta rms"),
            ("probability of a wrong move, mean over steps, worst cell", f"{layer.wrong.max():.3g}"),
            ("the same, least favourable step", f"{layer.worst:.3g}"),
            ("expected wrong moves of the layer in a clip", f"{layer.wrong_per_clip:.3g}"),
            (
                f"mean time to a flip in hold, weakest cell [{layer.cell}]",
                f"{layer.drifting} of its levels drift at rest"
                if layer.drifting
                else f"1e{hold.min():.1f} s, worst level",
            ),
            (
                "beta over a level's output",
                f"{least:.3g} to {layer.margin.max():.3g} (analog never better above {least_margin():.3f})",
            ),
            ("long holds are better in an analog state", losing),
        ],
    )


def _show_accuracy(ui: Ui, curve: "AccuracyCurve") -> None:
    metric = curve.metric
    rows = [
        (f"{s:g}", metric.text(a), metric.text(e))
        for s, a, e in zip(curve.sigma, curve.accuracy, curve.error, strict=True)
    ]
    draws = f"{curve.clips} clips, {curve.repeats} draws"
    heading = f"{metric.title}, {draws} (without noise {metric.text(curve.without)})"
    ui.columns(heading, ("noise / beta", metric.title, "standard error"), rows)


def _sigmas(text: str | None) -> list[float]:
    from analogrnn.analysis.noise.report import SIGMAS  # noqa: PLC0415

    if text is None:
        return list(SIGMAS)
    try:
        values = [plain_number(part) for part in text.split(",") if part.strip()]
    except ParameterError:
        raise ParameterError(f"--sigmas = {text!r}: write numbers in beta, as in 0.1,0.2.") from None
    if not values:
        raise ParameterError(f"--sigmas = {text!r} names no noise; write numbers in beta, as in 0.1,0.2.")
    return [in_range("--sigmas", value, 0.0, 1e3, hint="rms noise in beta") for value in values]
