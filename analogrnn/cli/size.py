"""`analogrnn size`."""

import argparse
from dataclasses import asdict

from analogrnn import sizing
from analogrnn.cli.arguments import add_common
from analogrnn.cli.numbers import number, whole
from analogrnn.cli.ui import Ui
from analogrnn.errors import ParameterError, in_range
from analogrnn.statistics import proportion_interval
from analogrnn.technology import Technology, load_technology
from analogrnn.units import format_quantity, parse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--technology", default="gf180mcu", help="a shipped technology, or a calibration file")
    parser.add_argument(
        "--yield",
        dest="ladder_yield",
        type=number,
        default=0.99,
        metavar="P",
        help="good ladders (default 0.99); good: hold < every threshold < move",
    )
    parser.add_argument(
        "--noise-margin",
        type=number,
        default=6.0,
        metavar="SIGMA",
        help="hold and move from the threshold, over the noise (default 6)",
    )
    parser.add_argument("--period", default="10ms", metavar="s", help="one step (default 10ms)")
    parser.add_argument("--supply", default="1.8V", metavar="V", help="default 1.8V")
    parser.add_argument("--stages", type=whole, default=4, help="levels above the lowest (default 4)")
    parser.add_argument("--cells", type=whole, default=16, help="ladders of the network (default 16)")
    parser.add_argument(
        "--hold",
        type=number,
        default=0.5,
        metavar="X",
        help="largest candidate that must not move, in half windows (default 0.5)",
    )
    parser.add_argument("--move", type=number, default=1.5, metavar="X", help="smallest that must (default 1.5)")
    parser.add_argument(
        "--base",
        type=number,
        default=1.8,
        metavar="X",
        help="standing current of the input line, in half windows: how far a down pulse reaches (default 1.8)",
    )
    parser.add_argument("--cell-size", metavar="W[xL]", help="the reverse: what this device gives")
    parser.add_argument("--unit-current", metavar="A", help="the reverse: at this unit current")
    parser.add_argument("--confirm", type=whole, default=0, metavar="K", help="run K mismatched ladders in ngspice")
    parser.add_argument("--workers", type=whole, help="simulators at a time (default: one a CPU)")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    ui = Ui(as_json=args.json)
    technology = load_technology(args.technology)
    target = sizing.Target(
        args.ladder_yield,
        args.noise_margin,
        parse(args.period, "s", owner="--period"),
        parse(args.supply, "V", owner="--supply"),
        args.stages,
        args.hold,
        args.move,
        args.cells,
        args.base,
    )
    in_range("--confirm", args.confirm, 0, 100_000)
    given = _given(args, technology)
    outcome = sizing.evaluate(target, given, technology) if given else sizing.choose(target, technology)
    good, drawn = sizing.sampled_yield(target, outcome.size, technology, 4000, args.seed)
    answer = asdict(outcome) | {
        "sampled": {"good": good, "ladders": drawn, "interval": proportion_interval(good, drawn)}
    }
    rows = _rows(outcome)
    low, high = proportion_interval(good, drawn)
    rows.append(("of drawn ladders are good", f"{good} of {drawn} ({100 * low:.2f} to {100 * high:.2f} %)"))
    if args.confirm:
        follow = sizing.confirm(target, outcome.size, technology, args.confirm, args.seed, args.workers)
        low, high = proportion_interval(follow, args.confirm)
        answer["confirmed"] = {"follow": follow, "ladders": args.confirm, "interval": (low, high)}
        rows.append(("follow in ngspice", f"{follow} of {args.confirm} ({100 * low:.2f} to {100 * high:.2f} %)"))
    ui.table("misses the target" if outcome.limits else "meets the target", rows)
    ui.result(answer)
    return 1 if outcome.limits else 0


def _rows(outcome: sizing.Outcome) -> list[tuple[str, str]]:
    size = outcome.size
    return [
        ("device", f"{size.w * 1e6:.3g} x {size.l * 1e6:.3g} um"),
        ("unit current", format_quantity(size.unit_current, "A", 3)),
        ("DPI capacitor", format_quantity(outcome.c_dpi, "F", 3)),
        ("pulse, DPI time constant", ", ".join(format_quantity(t, "s", 3) for t in (outcome.pulse, outcome.tau))),
        ("shortest period", format_quantity(outcome.shortest_period, "s", 3)),
        ("widest threshold spread", f"{outcome.sigma:.3f} beta"),
        (
            "yield of a ladder, of the network",
            f"{100 * outcome.ladder_yield:.2f} %, {100 * outcome.network_yield:.2f} %",
        ),
        ("noise margin", f"{outcome.noise_margin:.1f} sigma"),
        ("power of a stage", format_quantity(outcome.stage_power, "W", 3)),
        ("gate area of a stage", f"{outcome.stage_area * 1e12:.0f} um2"),
        *(("missed", limit) for limit in outcome.limits),
    ]


def _given(args: argparse.Namespace, technology: Technology) -> sizing.Size | None:
    if args.cell_size is None and args.unit_current is None:
        return None
    if args.cell_size is None or args.unit_current is None:
        raise ParameterError("--cell-size and --unit-current go together; give both, or neither to have them chosen.")
    parts = args.cell_size.split("x")
    if len(parts) > 2:
        raise ParameterError(f"--cell-size = {args.cell_size!r}: write W or WxL, as in 4um or 2umx18um.")
    w = in_range("--cell-size", parse(parts[0], "m", owner="--cell-size"), technology.w_min, 100e-6, "m")
    longest = sizing.LONGEST * technology.l_max
    length = in_range("--cell-size", parse(parts[-1], "m", owner="--cell-size"), 0.28e-6, longest, "m")
    return sizing.Size(w, length, parse(args.unit_current, "A", owner="--unit-current"))
