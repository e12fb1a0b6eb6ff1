"""`analogrnn analyze sensitivity NET`."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analogrnn.cli.analyze.bits import examples_of
from analogrnn.cli.arguments import add_common, add_network, design_of, network_of
from analogrnn.cli.data import add_inputs, add_metric
from analogrnn.cli.numbers import number, whole
from analogrnn.cli.ui import Ui
from analogrnn.outputs.files import make_folder, write_json

if TYPE_CHECKING:
    from analogrnn.analysis.sensitivity.allocation import Allocation
    from analogrnn.analysis.sensitivity.indices import Losses, Sensitivity
    from analogrnn.metrics import Metric

SHOWN = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_inputs(parser, "all")
    add_metric(parser)
    add_common(parser)
    parser.add_argument("--chips", type=whole, default=128, help="chips of each kind (default 128)")
    parser.add_argument(
        "--single", type=whole, default=24, metavar="N", help="chips for each cell and each device type (default 24)"
    )
    parser.add_argument(
        "--margin",
        type=number,
        default=0.05,
        metavar="X",
        help="accuracy that a good chip may lose, as a fraction, or growth of its error (default 0.05)",
    )
    parser.add_argument(
        "--allocate",
        choices=("on", "off"),
        default="on",
        help="also allocate the area, and measure the gain on fresh chips (default on)",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write sensitivity.json and figures here")


def run(args: argparse.Namespace) -> int:
    from analogrnn.analysis.sensitivity.allocation import allocate_area  # noqa: PLC0415 (numba and scipy cost a second)
    from analogrnn.analysis.sensitivity.indices import SensitivityOptions, analyze_sensitivity  # noqa: PLC0415

    ui = Ui(as_json=args.json)
    options = SensitivityOptions(seed=args.seed, chips=args.chips, single=args.single)
    network = network_of(args)
    design = design_of(args, network)
    validation, test, metric = examples_of(args, network)
    options = replace(options, metric=metric, margin=args.margin)
    with ui.progress("chips") as progress:
        found = analyze_sensitivity(design, test, options, progress=progress)
    _show(ui, found)
    answer = _answer(found)
    allocation = None
    if args.allocate == "on":
        with ui.progress("chips for the allocation") as progress:
            allocation = allocate_area(design, validation, test, options, progress=progress)
        _show_allocation(ui, allocation)
        answer["allocation"] = _allocation_answer(allocation)
    if args.out is not None:
        write_json(make_folder(args.out) / "sensitivity.json", answer)
    ui.result(answer)
    if args.out is not None:
        size = design.sizing.cell
        where = f"{network.name}, {size.w * 1e6:g} x {size.l * 1e6:g} um devices, {found.clips} test clips"
        _draw(args.out, found, allocation, where)
        ui.say(f"{args.out / 'sensitivity.json'}, sensitivity.png{', allocation.png' if allocation else ''}")
    return 0


def _show(ui: Ui, found: "Sensitivity") -> None:
    metric, points = found.options.metric, found.options.metric.factor
    unit = "points" if metric.kind == "share" else "of error"
    ui.say(
        f"{found.network}: nominal {metric.text(found.nominal)}; {found.options.chips} chips "
        f"{_plus_minus(found.mean, found.mean_error, metric)}, of which {100 * found.good:.0f} % lose no more "
        f"than {points * found.options.margin:g} {unit}"
    )
    accuracy, good = found.indices
    digits = 1 if metric.kind == "share" else 4
    rows = [
        (
            group,
            f"{accuracy.first[j]:.2f} +- {accuracy.first_error[j]:.2f}",
            f"{accuracy.total[j]:.2f} +- {accuracy.total_error[j]:.2f}",
            f"{good.total[j]:.2f} +- {good.total_error[j]:.2f}",
            f"{points * found.recovered.loss[j]:+.{digits}f} +- {points * found.recovered.error[j]:.{digits}f}",
            f"{100 * found.area[j]:.1f} %",
        )
        for j, group in enumerate(found.groups)
    ]
    header = ("group", f"S {metric.name}", f"T {metric.name}", "T good", "gained if perfect", "area")
    what = "points" if metric.kind == "share" else "error"
    ui.columns(f"variance over chips by group, and {what} gained if the group had no mismatch", header, rows)
    ui.columns("worst cells", ("only this ladder deviates", f"loss ({what})"), _rows(found.by_cell, metric))
    ui.columns("worst device types", ("only these deviate", f"loss ({what})"), _rows(found.by_device, metric))


def _rows(losses: "Losses", metric: "Metric") -> list[tuple[str, str]]:
    points, digits = metric.factor, 2 if metric.kind == "share" else 4
    return [
        (name, f"{points * loss:.{digits}f} +- {points * error:.{digits}f}")
        for name, loss, error in losses.ranked()[:SHOWN]
    ]


def _plus_minus(value: float, error: float, metric: "Metric") -> str:
    if metric.kind == "share":
        return f"{100 * value:.1f} +- {100 * error:.1f} %"
    return f"{value:.4g} +- {error:.2g}"


def _show_allocation(ui: Ui, found: "Allocation") -> None:
    rows = [
        (
            group,
            f"{100 * found.share_before[j]:.1f} %",
            f"{100 * found.share_after[j]:.1f} %",
            f"{found.scale[j]:.2f}",
            f"{found.sizes[group].w * 1e6:.2f} x {found.sizes[group].l * 1e6:.2f} um",
        )
        for j, group in enumerate(found.groups)
    ]
    ui.columns(
        f"{found.area * 1e12:,.0f} um2 of gate area, allocated", ("group", "before", "after", "factor", "size"), rows
    )
    c = found.confirmed
    share = c.metric.kind == "share"
    before, after = found.predicted_loss
    gain = f"{100 * c.accuracy_gain:+.2f} +- {100 * c.accuracy_error:.2f} points"
    mean = f"{100 * c.accuracy[0]:.2f} -> {100 * c.accuracy[1]:.2f} %"
    if not share:
        gain = f"{c.accuracy_gain:+.3g} +- {c.accuracy_error:.2g}"
        mean = " -> ".join(c.metric.text(value) for value in c.accuracy)
    ui.table(
        f"{c.chips} fresh chips with both areas, test clips",
        [
            (f"mean {c.metric.title}", f"{mean}, gain {gain}"),
            (
                f"chips that lose at most {c.metric.factor * c.margin:g}{' points' if share else ''}",
                f"{100 * (c.good.accuracy - c.good.difference):.1f} -> {100 * c.good.accuracy:.1f} %, gain "
                f"{100 * c.good.difference:+.1f} +- {100 * c.good.error:.1f} points (McNemar p = {c.good.p_value:.2g})",
            ),
            (
                "share of clips with another class" if share else "distance from the nominal outputs",
                f"x {c.loss[1] / c.loss[0]:.3f}; predicted x {after / before:.3f}",
            ),
        ],
    )


def _answer(found: "Sensitivity") -> dict[str, Any]:
    def listed(losses: "Losses") -> list[dict[str, Any]]:
        return [{"name": name, "loss": loss, "error": error} for name, loss, error in losses.ranked()]

    name = found.options.metric.name
    return {
        "network": found.network,
        "chips": found.options.chips,
        "clips": found.clips,
        "seed": found.options.seed,
        f"{name}_nominal": found.nominal,
        f"{name}_mean": found.mean,
        f"{name}_error": found.mean_error,
        "margin": found.options.margin,
        "good": found.good,
        "confidence": found.options.confidence,
        "area_share": dict(zip(found.groups, found.area.tolist(), strict=True)),
        "indices": {
            item.score: {
                group: {
                    "first": item.first[j],
                    "first_error": item.first_error[j],
                    "total": item.total[j],
                    "total_error": item.total_error[j],
                }
                for j, group in enumerate(found.groups)
            }
            for item in found.indices
        },
        "recovered": listed(found.recovered),
        "by_cell": listed(found.by_cell),
        "by_device": listed(found.by_device),
    }


def _allocation_answer(found: "Allocation") -> dict[str, Any]:
    c = found.confirmed
    return {
        "gate_area_m2": found.area,
        "groups": {
            group: {
                "share_before": found.share_before[j],
                "share_after": found.share_after[j],
                "scale": found.scale[j],
                "w": found.sizes[group].w,
                "l": found.sizes[group].l,
            }
            for j, group in enumerate(found.groups)
        },
        "predicted_loss": list(found.predicted_loss),
        "confirmed": {
            "chips": c.chips,
            c.metric.name: list(c.accuracy),
            f"{c.metric.name}_gain": c.accuracy_gain,
            f"{c.metric.name}_error": c.accuracy_error,
            "good_gain": c.good.difference,
            "good": c.good.accuracy,
            "good_error": c.good.error,
            "p_value": c.good.p_value,
            "loss": list(c.loss),
        },
    }


def _draw(folder: Path, sensitivity: "Sensitivity", allocation: "Allocation | None", where: str) -> None:
    from analogrnn.figures import sensitivity as figures  # noqa: PLC0415 (matplotlib costs 0.4 s)

    figures.draw_sensitivity(sensitivity, f"{where}: accuracy lost to mismatch", folder / "sensitivity.png")
    if allocation is not None:
        figures.draw_allocation(allocation, f"{where}: allocation of the same area", folder / "allocation.png")
