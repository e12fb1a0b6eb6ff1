"""`analogrnn analyze sensitivity NET`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analogrnn.cli.analyze.bits import examples_of
from analogrnn.cli.arguments import add_common, add_network, design_of, network_of
from analogrnn.cli.data import add_inputs
from analogrnn.cli.numbers import number, whole
from analogrnn.cli.ui import Ui
from analogrnn.outputs.files import make_folder, write_json

if TYPE_CHECKING:
    from analogrnn.analysis.sensitivity.allocation import Allocation
    from analogrnn.analysis.sensitivity.indices import Losses, Sensitivity

SHOWN = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_inputs(parser, "all")
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
        help="accuracy that a good chip may lose, as a fraction (default 0.05)",
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
    options = SensitivityOptions(seed=args.seed, chips=args.chips, single=args.single, margin=args.margin)
    network = network_of(args)
    design = design_of(args, network)
    validation, test = examples_of(args, network)
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
    ui.say(
        f"{found.network}: nominal {100 * found.nominal:.1f} %; {found.options.chips} chips "
        f"{100 * found.mean:.1f} +- {100 * found.mean_error:.1f} %, of which {100 * found.good:.0f} % lose no more "
        f"than {100 * found.options.margin:g} points"
    )
    accuracy, good = found.indices
    rows = [
        (
            group,
            f"{accuracy.first[j]:.2f} +- {accuracy.first_error[j]:.2f}",
            f"{accuracy.total[j]:.2f} +- {accuracy.total_error[j]:.2f}",
            f"{good.total[j]:.2f} +- {good.total_error[j]:.2f}",
            f"{100 * found.recovered.loss[j]:+.1f} +- {100 * found.recovered.error[j]:.1f}",
            f"{100 * found.area[j]:.1f} %",
        )
        for j, group in enumerate(found.groups)
    ]
    header = ("group", "S accuracy", "T accuracy", "T good", "gained if perfect", "area")
    ui.columns("variance over chips by group, and points gained if the group had no mismatch", header, rows)
    ui.columns("worst cells", ("only this ladder deviates", "loss (points)"), _rows(found.by_cell))
    ui.columns("worst device types", ("only these deviate", "loss (points)"), _rows(found.by_device))


def _rows(losses: "Losses") -> list[tuple[str, str]]:
    return [(name, f"{100 * loss:.2f} +- {100 * error:.2f}") for name, loss, error in losses.ranked()[:SHOWN]]


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
    before, after = found.predicted_loss
    ui.table(
        f"{c.chips} fresh chips with both areas, test clips",
        [
            (
                "mean accuracy",
                f"{100 * c.accuracy[0]:.2f} -> {100 * c.accuracy[1]:.2f} %, gain "
                f"{100 * c.accuracy_gain:+.2f} +- {100 * c.accuracy_error:.2f} points",
            ),
            (
                f"chips that lose at most {100 * c.margin:g} points",
                f"{100 * (c.good.accuracy - c.good.difference):.1f} -> {100 * c.good.accuracy:.1f} %, gain "
                f"{100 * c.good.difference:+.1f} +- {100 * c.good.error:.1f} points (McNemar p = {c.good.p_value:.2g})",
            ),
            ("share of clips with another class", f"x {c.loss[1] / c.loss[0]:.3f}; predicted x {after / before:.3f}"),
        ],
    )


def _answer(found: "Sensitivity") -> dict[str, Any]:
    def listed(losses: "Losses") -> list[dict[str, Any]]:
        return [{"name": name, "loss": loss, "error": error} for name, loss, error in losses.ranked()]

    return {
        "network": found.network,
        "chips": found.options.chips,
        "clips": found.clips,
        "seed": found.options.seed,
        "accuracy_nominal": found.nominal,
        "accuracy_mean": found.mean,
        "accuracy_error": found.mean_error,
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
            "accuracy": list(c.accuracy),
            "accuracy_gain": c.accuracy_gain,
            "accuracy_error": c.accuracy_error,
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
