"""`analogrnn analyze power NET`."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analogrnn.cli.arguments import add_common, add_network, design_of, mapping_options, network_of
from analogrnn.cli.data import add_inputs, inputs_of
from analogrnn.cli.numbers import number, whole
from analogrnn.cli.ui import Ui
from analogrnn.errors import in_range
from analogrnn.outputs.files import make_folder, write_json
from analogrnn.technology import load_technology
from analogrnn.units import format_quantity, parse, whole_number

if TYPE_CHECKING:
    from analogrnn.analysis.power.area import AreaReport
    from analogrnn.analysis.power.report import PowerReport
    from analogrnn.analysis.power.spice import SlicePower

TOLERANCE = 0.05  # relative error of the prediction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_inputs(parser, "all")
    add_common(parser, seed=False)
    parser.add_argument("--budget", metavar="W", help="exit code 1 if the power of the network exceeds W, as in 1uW")
    parser.add_argument(
        "--confirm",
        type=whole,
        default=0,
        metavar="K",
        help="run K ladders on the first clip in ngspice; exit code 1 if a predicted current is more than 5 %% off",
    )
    parser.add_argument("--workers", type=whole, help="ngspice processes at the same time (default: one per CPU)")
    parser.add_argument(
        "--scaling",
        metavar="D,D,..",
        help="also analyse random networks of these state dimensions, as in 4,8,16,32,64,128",
    )
    parser.add_argument(
        "--overhead",
        type=number,
        default=2.5,
        metavar="X",
        help="layout area over area of gates and capacitors, a declared factor (default 2.5)",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write power.json and figures here")


def run(args: argparse.Namespace) -> int:
    from analogrnn.analysis.power.area import area_report  # noqa: PLC0415
    from analogrnn.analysis.power.report import analyze_power  # noqa: PLC0415 (numba costs a second)

    ui = Ui(as_json=args.json)
    budget = None if args.budget is None else in_range("--budget", parse(args.budget, "W", owner="--budget"), 0.0, 1.0)
    sizes = _sizes(args.scaling) if args.scaling else []
    network = network_of(args)
    design, inputs = design_of(args, network), inputs_of(args, network)
    in_range("--confirm", args.confirm, 0, design.layers[0].synapses.width)
    report, area = analyze_power(design, inputs.x), area_report(design, overhead=args.overhead)
    answer = _answer(report, area) | {"clips": inputs.indices.tolist()}
    _show(ui, report, area)
    good = budget is None or report.total <= budget
    if args.confirm:
        from analogrnn.analysis.power.spice import slice_power  # noqa: PLC0415

        cells = np.linspace(0, design.layers[0].synapses.width - 1, args.confirm).astype(int).tolist()
        with ui.progress(f"{len(cells)} ladders in ngspice") as progress:
            slices = slice_power(design, inputs.x[:, 0], cells, args.workers, progress=progress)
        good = _confirmed(ui, slices, answer) and good
    if sizes:
        answer["scaling"] = _scaling(args, sizes)
        ui.table("random networks", [(f"{k} grows as d^", f"{v:.3g}") for k, v in answer["scaling"]["slopes"].items()])
    if args.out is not None:
        write_json(make_folder(args.out) / "power.json", answer)
    ui.result(answer)
    if args.out is not None:
        from analogrnn.figures.power import draw_power_blocks  # noqa: PLC0415 (matplotlib costs 0.4 s)

        draw_power_blocks(report, report.network, args.out / "power_blocks.png")
        ui.say(f"{args.out / 'power.json'}, power_blocks.png")
    return 0 if good else 1


def _sizes(text: str) -> list[int]:
    sizes = [whole_number(size, owner="--scaling") for size in text.split(",") if size.strip()]
    return sorted({int(in_range("--scaling", size, 1, 512)) for size in sizes})


def _answer(report: "PowerReport", area: "AreaReport") -> dict[str, Any]:
    return {
        "network": report.network,
        "supply_V": report.supply,
        "power_W": report.total,
        "blocks_W": {name: report.supply * value for name, value in report.blocks.items()},
        "recurrent_W": report.recurrent,
        "feedforward_W": report.feedforward,
        "ladders": {
            ladder.name: {
                "occupancy": ladder.occupancy.mean(axis=0).tolist(),
                "stages_by_level_W": (report.supply * ladder.by_level.mean(axis=0)).tolist(),
                "stages_W": (report.supply * ladder.stages).tolist(),
            }
            for ladder in report.ladders
        },
        "period_s": report.period,
        "latency_s": report.latency,
        "steps_per_inference": report.steps,
        "energy_per_step_J": report.energy_step,
        "energy_per_inference_J": report.energy,
        "area_m2": {**area.gates, "capacitors": area.capacitors, "active": area.active, "layout": area.total},
        "capacitor_density_F_per_m2": area.density,
        "area_overhead": area.overhead,
    }


def _show(ui: Ui, report: "PowerReport", area: "AreaReport") -> None:
    blocks = sum(report.blocks.values())
    header = ("block", "power", "share", "gate area")
    rows = [
        (
            name,
            format_quantity(report.supply * value, "W", 3),
            f"{100 * value / blocks:.1f} %",
            f"{area.gates[name] * 1e12:,.0f} um2" if name in area.gates else "",
        )
        for name, value in report.blocks.items()
    ]
    rows.append(("all", format_quantity(report.total, "W", 3), "", f"{sum(area.gates.values()) * 1e12:,.0f} um2"))
    ui.columns(f"{report.network}: {report.clips} clips of {report.frames} steps, nominal", header, rows)
    for ladder in report.ladders:
        levels = enumerate(zip(ladder.occupancy.mean(axis=0), ladder.by_level.mean(axis=0), strict=True))
        by_level = [
            (str(n), f"{100 * part:.1f} %", format_quantity(report.supply * current, "W", 3))
            for n, (part, current) in levels
        ]
        ui.columns(f"{ladder.name}: stages of one ladder", ("ON", "share of time", "power"), by_level)
    ui.table(
        "",
        [
            (
                "latency",
                f"{format_quantity(report.latency, 's', 3)}: {report.frames} steps of "
                f"{format_quantity(report.period, 's', 3)}",
            ),
            ("energy per step", format_quantity(report.energy_step, "J", 3)),
            ("energy per inference", f"{format_quantity(report.energy, 'J', 3)}: {report.steps} steps, with presets"),
            ("capacitors", f"{area.capacitors * 1e12:,.0f} um2 at a declared {area.density * 1e3:g} fF/um2"),
            ("layout area", f"{area.total * 1e6:.3g} mm2 with a declared overhead of {area.overhead:g}"),
        ],
    )


def _confirmed(ui: Ui, slices: "list[SlicePower]", answer: dict[str, Any]) -> bool:
    rows, found = [], []
    for one in slices:
        error = one.total_predicted / one.total - 1.0
        found.append(
            {
                "cell": one.cell,
                "ngspice_A": one.total,
                "predicted_A": one.total_predicted,
                "stages_ngspice_A": one.stages,
                "stages_predicted_A": one.stages_predicted,
                "same_levels": one.same_levels,
            }
        )
        rows.append(
            (
                str(one.cell),
                format_quantity(one.total, "A"),
                format_quantity(one.total_predicted, "A"),
                f"{100 * error:+.2f} %",
                "yes" if one.same_levels else "NO",
            )
        )
    ui.columns(
        "supply current of one ladder with its front end",
        ("cell", "ngspice", "predicted", "error", "same levels"),
        rows,
    )
    answer["confirmed"] = found
    return all(abs(one.total_predicted / one.total - 1.0) < TOLERANCE and one.same_levels for one in slices)


def _scaling(args: argparse.Namespace, sizes: list[int]) -> dict[str, Any]:
    from analogrnn.analysis.power.scaling import BOUND, scale_states  # noqa: PLC0415

    options = replace(mapping_options(args), input_bound=BOUND)
    found = scale_states(load_technology(args.technology), options, sizes)
    return {
        "states": sizes,
        "recurrent_W": found.recurrent.tolist(),
        "feedforward_W": found.feedforward.tolist(),
        "slopes": {"recurrence": found.recurrent_slope, "feedforward": found.feedforward_slope},
    }
