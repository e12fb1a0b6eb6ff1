"""`analogrnn size`."""

import argparse
import shlex
from dataclasses import asdict

from analogrnn import sizing
from analogrnn.cli.arguments import add_common, device_size, mapping_flags
from analogrnn.cli.numbers import number, whole
from analogrnn.cli.ui import Ui
from analogrnn.errors import ParameterError, in_range
from analogrnn.show import counted
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
        help="least share of good ladders (default 0.99); good: hold < every threshold < move",
    )
    parser.add_argument(
        "--noise-margin",
        type=number,
        default=6.0,
        metavar="SIGMA",
        help="least distance of hold and move from the threshold, over the rms noise (default 6)",
    )
    parser.add_argument("--period", default="10ms", metavar="s", help="time per step (default 10ms)")
    parser.add_argument("--supply", default="1.8V", metavar="V", help="supply voltage (default 1.8V)")
    parser.add_argument("--stages", type=whole, default=4, help="levels above the lowest (default 4)")
    parser.add_argument("--cells", type=whole, default=16, help="ladders of the network (default 16)")
    parser.add_argument(
        "--hold",
        type=number,
        default=0.5,
        metavar="X",
        help="largest candidate that must not move, in half windows (default 0.5)",
    )
    parser.add_argument(
        "--move",
        type=number,
        default=1.5,
        metavar="X",
        help="smallest candidate that must move one level, in half windows (default 1.5)",
    )
    parser.add_argument(
        "--base",
        type=number,
        default=sizing.STANDARD.base_ratio,
        metavar="X",
        help="standing current of the input line, in half windows: how far a down pulse reaches (default: that of the "
        "standard stage)",
    )
    parser.add_argument("--cell-size", metavar="W[xL]", help="evaluate devices of this size instead of choosing one")
    parser.add_argument("--unit-current", metavar="A", help="evaluate them at this unit current")
    parser.add_argument("--confirm", type=whole, default=0, metavar="K", help="run K mismatched ladders in ngspice")
    parser.add_argument("--workers", type=whole, help="simulators at a time (default: one per CPU)")
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
    achieved = sizing.evaluate(target, given, technology) if given else sizing.choose(target, technology)
    good, drawn = sizing.sampled_yield(target, achieved.size, technology, 4000, args.seed)
    chosen = "" if args.technology == "gf180mcu" else f"--technology {shlex.quote(args.technology)} "
    flags = chosen + mapping_flags(achieved.options, "standard")
    answer = asdict(achieved) | {
        "map_flags": flags,
        "sampled": {"good": good, "ladders": drawn, "interval": proportion_interval(good, drawn)},
    }
    rows = _rows(achieved, target)
    low, high = proportion_interval(good, drawn)
    rows.append(("yield of drawn ladders", f"{good} of {drawn} ({100 * low:.2f} to {100 * high:.2f} %)"))
    if args.confirm:
        follow = sizing.confirm(target, achieved.size, technology, args.confirm, args.seed, args.workers)
        low, high = proportion_interval(follow, args.confirm)
        answer["confirmed"] = {"follow": follow, "ladders": args.confirm, "interval": (low, high)}
        rows.append(("follow in ngspice", f"{follow} of {args.confirm} ({100 * low:.2f} to {100 * high:.2f} %)"))
    ui.table("misses the target" if achieved.limits else "meets the target", rows)
    ui.say(f"to map a network: analogrnn map NETWORK {flags}")
    ui.result(answer)
    return 1 if achieved.limits else 0


def _rows(achieved: sizing.Achieved, target: sizing.Target) -> list[tuple[str, str]]:
    size = achieved.size
    return [
        ("device", f"{size.w * 1e6:.4g} x {size.l * 1e6:.4g} um"),
        ("unit current", format_quantity(size.unit_current, "A", 4)),
        ("DPI capacitor", format_quantity(achieved.c_dpi, "F", 4)),
        ("pulse, DPI time constant", ", ".join(format_quantity(t, "s", 4) for t in (achieved.pulse, achieved.tau))),
        ("shortest period", format_quantity(achieved.shortest_period, "s", 3)),
        ("widest threshold spread", f"{achieved.sigma:.3f} beta"),
        ("predicted yield of a ladder", f"at least {100 * achieved.ladder_yield:.2f} %"),
        (f"predicted yield of {counted(target.cells, 'ladder')}", f"at least {100 * achieved.network_yield:.3g} %"),
        ("noise margin", f"{achieved.noise_margin:.1f} sigma"),
        ("power per stage", format_quantity(achieved.stage_power, "W", 3)),
        ("gate area per stage", f"{achieved.stage_area * 1e12:.0f} um2"),
        *(("not met", limit) for limit in achieved.limits),
    ]


def _given(args: argparse.Namespace, technology: Technology) -> sizing.Size | None:
    if args.cell_size is None and args.unit_current is None:
        return None
    if args.cell_size is None or args.unit_current is None:
        raise ParameterError("--cell-size and --unit-current go together; give both, or neither to have them chosen.")
    w, length = device_size(args.cell_size, "--cell-size")
    in_range("--cell-size", w, technology.w_min, 100e-6, "m")
    in_range("--cell-size", length, 0.28e-6, sizing.LONGEST * technology.l_max, "m")
    return sizing.Size(w, length, parse(args.unit_current, "A", owner="--unit-current"))
