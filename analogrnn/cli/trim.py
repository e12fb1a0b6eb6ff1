"""`analogrnn trim NET`."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from analogrnn.chip import draw_chip
from analogrnn.cli.arguments import add_common, add_network, design_of, network_of
from analogrnn.cli.data import add_inputs, add_metric, flag_of, scored_inputs_of, validation_of
from analogrnn.cli.numbers import number, whole
from analogrnn.cli.ui import Ui
from analogrnn.errors import ParameterError, in_range
from analogrnn.metrics import Goal, Metric
from analogrnn.network import Network
from analogrnn.outputs.files import make_folder, write_json
from analogrnn.streams import MOST_CHIP
from analogrnn.trim import TrimCampaign, TrimOptions, TrimPlan, chip_trimmed, plan_trim, trim_chips
from analogrnn.trim.campaign import TrimClips
from analogrnn.trim.knobs import SHARING
from analogrnn.units import format_quantity


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_inputs(parser, "all")
    add_metric(parser)
    add_common(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--chip", type=whole, metavar="K", help="trim chip number K alone and show its codes")
    which.add_argument("--chips", type=whole, default=20, help="trim chips 0 to N-1 (default 20)")
    parser.add_argument("--bits", type=whole, default=6, help="of every trim DAC (default 6)")
    parser.add_argument(
        "--sharing",
        choices=SHARING,
        default="stage",
        help="DACs of a stage: its own threshold and width (default), one width per ladder, or one of each per ladder",
    )
    parser.add_argument("--repeats", type=whole, default=3, help="sequences per comparison, odd (default 3)")
    parser.add_argument(
        "--calibration-clips",
        type=whole,
        default=40,
        metavar="N",
        help="clips that set the readout's biases; of a data file the first N, which are then not scored (default 40)",
    )
    parser.add_argument(
        "--accept",
        type=number,
        default=0.05,
        metavar="LOSS",
        help="a good chip is at most this much less accurate than the digital network, or has an error that is at most "
        "this much larger (default 0.05)",
    )
    parser.add_argument(
        "--least-yield",
        type=number,
        default=0.0,
        metavar="P",
        help="exit code 1 if fewer of the trimmed chips are good (default 0)",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write trim.json and pictures here")


def run(args: argparse.Namespace) -> int:
    ui = Ui(as_json=args.json)
    network = network_of(args)
    in_range("--least-yield", args.least_yield, 0.0, 1.0)
    options = TrimOptions(args.bits, args.sharing, args.repeats, args.calibration_clips)
    plan = plan_trim(design_of(args, network), options)
    clips = _clips(args, network)
    assert clips.goal is not None
    in_range("--accept", args.accept, 0.0, 1.0 if clips.goal.metric.kind == "share" else 1e300)
    if args.chip is not None:
        chips = [int(in_range("--chip", args.chip, 0, MOST_CHIP))]
    else:
        chips = list(range(int(in_range("--chips", args.chips, 1, 10**6))))
    with ui.progress(f"trimming {len(chips)} chips") as progress:
        campaign = trim_chips(plan, network, clips, chips, seed=args.seed, progress=progress)
    answer = _answer(campaign, network, args.accept)
    title = f"{network.name}: {_size(plan)} devices, {args.bits}-bit DACs, {len(chips)} chip(s)"
    ui.table(title, _rows(answer, plan, campaign.metric))
    if args.out is not None:
        write_json(make_folder(args.out) / "trim.json", answer)
    ui.result(answer)
    if args.out is not None:
        _draw(args.out, campaign, network)
        ui.say(f"{args.out / 'trim.json'}, accuracy_over_chips.png, thresholds.png")
    return 0 if answer["good_after"][0] >= args.least_yield * len(chips) else 1


def _clips(args: argparse.Namespace, network: Network) -> TrimClips:
    inputs, goal = scored_inputs_of(args, network)
    other = validation_of(args, network)
    if other is not None:
        step = max(1, len(other) // args.calibration_clips)
        return TrimClips(other.x[:, ::step], inputs, goal)
    n = args.calibration_clips
    if len(inputs) <= n:
        raise ParameterError(
            f"{flag_of(args)} holds {len(inputs)} clips, and {n} of them calibrate: give more clips, "
            "or fewer --calibration-clips."
        )
    rest = inputs.take(slice(n, None))
    assert rest.truth is not None
    return TrimClips(inputs.x[:, :n], rest, Goal(rest.truth, goal.metric))


def _answer(campaign: TrimCampaign, network: Network, accept: float) -> dict[str, Any]:
    plan, metric = campaign.plan, campaign.metric
    least = metric.worse_by(campaign.digital, accept)
    good, name = campaign.good(least), metric.name
    return {
        "network": network.name,
        "bits": plan.options.bits,
        "sharing": plan.options.sharing,
        "dacs": plan.dacs,
        "latches": plan.bits_total,
        "trim_area_m2": plan.area,
        "seconds_on_tester": campaign.seconds,
        "steps_on_tester": [chip.trimmed.steps for chip in campaign.chips],
        f"{name}_digital": campaign.digital,
        "good_means": f"{metric.title} {'>=' if metric.higher_is_better else '<='} {least:.4g}",
        "good_before": good["before"],
        "good_after": good["after"],
        "chips": [chip.index for chip in campaign.chips],
        f"{name}_before": campaign.before.tolist(),
        f"{name}_after": campaign.after.tolist(),
        "threshold_error_before": [chip.error_before for chip in campaign.chips],
        "threshold_error_after": [chip.error_after for chip in campaign.chips],
        "dacs_at_their_end": [chip.trimmed.saturated for chip in campaign.chips],
        "codes": [
            {name: getattr(chip.trimmed.codes, name).tolist() for name in ("threshold", "width", "row", "readout")}
            for chip in campaign.chips
        ],
    }


def _rows(answer: dict[str, Any], plan: TrimPlan, metric: Metric) -> list[tuple[str, str]]:
    def score(when: str) -> str:
        values = np.array(answer[f"{metric.name}_{when}"])
        worst = float(values.min() if metric.higher_is_better else values.max())
        return metric.text(float(values.mean())) + (f", worst {metric.text(worst)}" if len(values) > 1 else "")

    def good(key: str) -> str:
        count, low, high = answer[key]
        return f"{count} of {len(answer['chips'])} (95 % interval {100 * low:.1f} to {100 * high:.1f} %)"

    beta = plan.ladder.beta
    steps = ", ".join(
        f"{name} {np.mean(dac.lsb / beta):.3f}"
        for name, dac in (("threshold", plan.threshold), ("width", plan.width), ("row", plan.row))
    )
    return [
        (f"digital {metric.title}", metric.text(answer[f"{metric.name}_digital"])),
        (f"{metric.title} before", score("before")),
        (f"{metric.title} after", score("after")),
        (f"good before ({answer['good_means']})", good("good_before")),
        ("good after", good("good_after")),
        (
            "rms error of thresholds, half windows",
            f"{np.mean(answer['threshold_error_before']):.3f} before, "
            f"{np.mean(answer['threshold_error_after']):.3f} after",
        ),
        ("DACs, latches", f"{answer['dacs']}, {answer['latches']}"),
        ("one step of a DAC, half windows", steps),
        ("DACs at the end of their range, per chip", f"{np.mean(answer['dacs_at_their_end']):.2f}"),
        ("area of DACs and latches", f"{answer['trim_area_m2'] * 1e12:,.0f} um2"),
        (
            "time on the tester",
            f"{format_quantity(answer['seconds_on_tester'], 's', 3)}: "
            f"{np.mean(answer['steps_on_tester']):,.0f} steps per chip",
        ),
    ]


def _draw(folder: Path, campaign: TrimCampaign, network: Network) -> None:
    from analogrnn.figures.montecarlo import draw_accuracy_over_chips  # noqa: PLC0415 (matplotlib costs 0.4 s)
    from analogrnn.figures.trim import draw_thresholds  # noqa: PLC0415

    plan, first = campaign.plan, campaign.chips[0]
    scores = {"before": campaign.before, "after": campaign.after}
    run = f"{network.name}, {_size(plan)} devices, {plan.options.bits}-bit DACs"
    title = f"{run}: {len(campaign.chips)} chips with noise, before and after trimming"
    draw_accuracy_over_chips(scores, campaign.digital, title, folder / "accuracy_over_chips.png", campaign.metric)
    before = draw_chip(plan.design, campaign.seed, first.index)
    after = chip_trimmed(plan, campaign.seed, first)
    draw_thresholds(before, after, f"{run}: thresholds of chip {first.index}", folder / "thresholds.png")


def _size(plan: TrimPlan) -> str:
    cell = plan.design.sizing.cell
    return f"{cell.w * 1e6:g} x {cell.l * 1e6:g} um"
