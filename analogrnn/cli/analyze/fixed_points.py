"""`analogrnn analyze fixed-points NET`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from analogrnn.cli.arguments import add_common, add_network, design_of, network_of
from analogrnn.cli.numbers import whole
from analogrnn.cli.ui import Ui
from analogrnn.errors import ParameterError, in_range
from analogrnn.streams import MOST_CHIP
from analogrnn.units import plain_number

if TYPE_CHECKING:
    from analogrnn.analysis.fixed_points.report import LadderFixedPoints

SHOWN_ISLANDS = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_common(parser)
    parser.add_argument("--layer", help="recurrent layer (default: the first)")
    parser.add_argument("--cell", type=whole, default=0, metavar="I", help="ladder of this layer (default 0)")
    parser.add_argument(
        "--chip", type=whole, metavar="K", help="analyse chip K, with mismatch (default: the nominal chip)"
    )
    parser.add_argument("--ngspice", action="store_true", help="also start every code in ngspice (nominal chip only)")
    parser.add_argument(
        "--eps",
        default="0,0.5,1",
        metavar="E,E,..",
        help="values of eps to compare in the recurrence (default 0,0.5,1)",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write fixed_points.json and figures here")


def run(args: argparse.Namespace) -> int:
    from analogrnn.analysis.fixed_points.recurrence import recurrence_states  # noqa: PLC0415 (numba costs a second)
    from analogrnn.analysis.fixed_points.report import analyze_fixed_points  # noqa: PLC0415
    from analogrnn.chip import draw_chip, nominal_chip  # noqa: PLC0415

    ui = Ui(as_json=args.json)
    values = [_eps(text) for text in str(args.eps).split(",") if text.strip()]
    if not values:
        raise ParameterError(f"--eps = {args.eps!r} names no value; write them as in 0,0.5,1.")
    if args.chip is not None:
        in_range("--chip", args.chip, 0, MOST_CHIP)
        if args.ngspice:
            raise ParameterError("--ngspice simulates the nominal design; leave --chip out.")
    network = network_of(args)
    if network.encoding is None and args.input_bound is None:
        args.input_bound = 3.0  # cells are measured by their candidates; the range of the inputs changes none
    design = design_of(args, network)
    chip = nominal_chip(design) if args.chip is None else draw_chip(design, args.seed, args.chip)
    names = [layer.name for layer in chip.ladders]
    if (args.layer or names[0]) not in names:
        raise ParameterError(f"--layer = {args.layer!r} is not a recurrent layer; use one of {names}.")
    layer = chip.ladders[names.index(args.layer or names[0])]
    in_range("--cell", args.cell, 0, layer.ladder.width - 1)
    found = analyze_fixed_points(chip, layer, args.cell, ngspice=args.ngspice)
    ends = (int(layer.ladder.k_min[args.cell]), int(layer.ladder.k_max[args.cell]))
    recurrence = [recurrence_states(eps, bounds=ends if eps == 1.0 else (None, None)) for eps in values]
    title = f"{network.name}: {layer.name}[{args.cell}], {'nominal' if args.chip is None else f'chip {args.chip}'}"
    answer = {"network": network.name, "layer": layer.name, "chip": args.chip, "seed": args.seed, **found.as_dict()}
    answer["recurrence"] = [
        {
            "eps": r.eps,
            "attract": [a if abs(a) < 1e300 else None for a in r.attract],
            "slope": r.slope,
            "states_after_10_updates": len(r.reached),
            "least_gap": r.gap,
        }
        for r in recurrence
    ]
    _show(ui, title, found)
    header = ("eps", "repeated updates lead to", "error after an update", "states within 10 updates", "least gap")
    rows = [
        (f"{r.eps:g}", f"{r.attract[0]:g}, {r.attract[1]:g}", f"{r.slope:g}", str(len(r.reached)), f"{r.gap:.3g}")
        for r in recurrence
    ]
    ui.columns("recurrence (any s is held while |c| < threshold)", header, rows)
    if args.out is not None:
        from analogrnn.outputs.files import make_folder, write_json  # noqa: PLC0415

        make_folder(args.out)
        write_json(args.out / "fixed_points.json", answer)
    ui.result(answer)
    if args.out is not None:
        from analogrnn.figures import fixed_points as figures  # noqa: PLC0415 (matplotlib costs 0.4 s)

        figures.draw_level_loops(chip, layer, args.cell, title, args.out / "hysteresis_loops.png")
        figures.draw_rest_codes(found, title, args.out / "rest_states.png")
        figures.draw_bifurcation(args.out / "fixed_points_eps.png")
        ui.say(f"{args.out / 'fixed_points.json'}, hysteresis_loops.png, rest_states.png, fixed_points_eps.png")
    return 0 if found.agrees else 1


def _show(ui: Ui, title: str, found: "LadderFixedPoints") -> None:
    islands = ["".join("1" if on else "0" for on in code) for code in found.states.islands]
    more = f" and {len(islands) - SHOWN_ISLANDS} more" if len(islands) > SHOWN_ISLANDS else ""
    routes = {True: "the same codes", False: "DIFFERENT codes", None: "not run (--ngspice)"}
    long = [upset for upset in found.upsets if upset.long != "heals"]
    brief = [upset for upset in found.upsets if upset.brief != "heals"]
    ui.table(
        title,
        [
            ("stages", str(found.states.stages)),
            ("I_s / beta, I_base / beta", f"{found.ratio:.3g}, {found.base_ratio:.3g}"),
            (
                "codes that hold",
                f"{len(found.states.codes)} of {2**found.states.stages} (nominal ladder: {found.expected})",
            ),
            ("of these, levels", str(int(found.states.thermometer.sum()))),
            ("islands, stage 1 first", (", ".join(islands[:SHOWN_ISLANDS]) + more) or "none"),
            ("waveform model from every code", routes[found.waveform_agrees]),
            ("ngspice from every code", routes[found.ngspice_agrees]),
            (
                "codes that pulses reach from reset",
                f"{len(found.reached)}, islands among them: {found.islands_reached}",
            ),
            ("upsets of one or two stages, for one pulse", f"{len(brief)} of {len(found.upsets)} don't heal"),
            (
                "the same, until the DPIs have followed",
                f"{len(long)} don't heal, {sum(u.long.startswith('island') for u in long)} end on islands",
            ),
        ],
    )
    w = found.windows
    rows = [
        (f"{k:g}", f"{h:.4g}", f"{d:.4g}", f"{u:.4g}", f"{min(-d, u) / w.beta:.3g}")
        for k, h, d, u in zip(w.level, w.output, w.down, w.up, strict=True)
    ]
    ui.columns("levels", ("k", "output h", "down at", "up at", "hold margin / beta"), rows)


def _eps(text: str) -> float:
    try:
        value = plain_number(text)
    except ParameterError:
        raise ParameterError(f"--eps = {text!r} is not a number; write them as in 0,0.5,1.") from None
    return in_range("--eps", value, 0.0, 1.0, hint="0 is the BMRU, 1 the CMRU")
