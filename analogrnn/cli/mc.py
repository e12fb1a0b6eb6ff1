"""`analogrnn mc NET`."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from analogrnn.campaign import Checkpoint, Options, Workers, dask_cluster, fingerprint, processes, serial
from analogrnn.cli.arguments import add_common, add_network, mapping_options, network_of
from analogrnn.cli.data import add_inputs, add_metric, scored_inputs_of
from analogrnn.cli.hybrids import mapped
from analogrnn.cli.numbers import number, whole
from analogrnn.cli.ui import Ui
from analogrnn.datasets import Clips
from analogrnn.design import Design
from analogrnn.errors import CheckpointError, OutputError, ParameterError, in_range
from analogrnn.hybrid import HybridDesign
from analogrnn.metrics import ACCURACY, Goal, Metric
from analogrnn.montecarlo import MonteCarlo, Study, Variability, class_effects, run_studies, yield_above
from analogrnn.montecarlo.study import LEVELS, chip_numbers, cpus
from analogrnn.network import Network, forward
from analogrnn.outputs.files import can_write, make_folder, write_json, write_text
from analogrnn.technology import load_technology

TOLERATED = 1.5  # error of a good chip over that of the digital network, unless --threshold says otherwise
SCALES = (0.0, 0.5, 1.0, 1.5, 2.0)  # of mismatch, in the picture over it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_inputs(parser, "all")
    add_metric(parser)
    add_common(parser)
    parser.add_argument("--chips", type=whole, default=100, help="number of chips (default 100)")
    parser.add_argument("--noise", choices=("on", "off"), help="noise of each cell (default on)")
    parser.add_argument("--mismatch", choices=("on", "off"), default="on", help="device mismatch (default on)")
    parser.add_argument("--sizes", metavar="W,W,..", help="device sizes to compare, as in 4um,10um")
    parser.add_argument(
        "--threshold",
        type=number,
        metavar="A",
        help="score that a good chip reaches: at least this accuracy (default 0.9), at most this error (default: 1.5 "
        "times that of the digital network)",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write results, pictures and the checkpoint here")
    parser.add_argument(
        "--sweep",
        type=whole,
        default=100,
        metavar="N",
        help="with --out: chips for each point of the picture over mismatch, at most --chips "
        "(default 100; 0: no such picture)",
    )
    parser.add_argument(
        "--level",
        choices=LEVELS,
        default="step",
        help="step: the behavioural model (default); transistor: ngspice on foundry models, minutes per chip "
        "and clip, without noise",
    )
    group = parser.add_argument_group("how it runs (changes no result)")
    group.add_argument("--resume", action="store_true", help="go on with what an interrupted run has finished")
    group.add_argument("--fresh", action="store_true", help="forget what an earlier run has finished")
    group.add_argument(
        "--workers",
        type=whole,
        metavar="N",
        help="processes; default: threads of this one, for transistors as many as CPUs",
    )
    group.add_argument("--dask", metavar="tcp://HOST:PORT", help="the workers of this Dask cluster instead")


@dataclass(frozen=True, eq=False)
class _Job:
    """What was asked for, and the studies that answer it: one a device size, then those of the sweep of mismatch."""

    args: argparse.Namespace
    network: Network
    inputs: Clips
    goal: Goal
    digital: np.ndarray  # outputs of the digital network
    sizes: list[Study]
    sweep: list[Study]

    @property
    def metric(self) -> Metric:
        return self.goal.metric

    @property
    def score_digital(self) -> float:
        return self.metric.score(self.digital, self.goal.truth)

    @property
    def threshold(self) -> float:
        """The score that a good chip reaches."""
        typed = self.args.threshold
        if typed is not None:
            return float(typed)
        return 0.9 if self.metric.kind == "share" else TOLERATED * self.score_digital

    @property
    def title(self) -> str:
        args = self.args
        level = "" if args.level == "step" else ", ngspice, transistors"
        return f"{self.network.name}: {args.chips:,} chips, mismatch {args.mismatch}, noise {args.noise}{level}"


def run(args: argparse.Namespace) -> int:
    ui = Ui(as_json=args.json)
    job = _prepare(args)
    workers = _workers(args)
    if args.out is not None:
        make_folder(args.out)
    with _kept(job) as checkpoint:
        with ui.progress(job.title) as progress:
            results = run_studies([*job.sizes, *job.sweep], Options(workers, checkpoint, progress=progress))
        sizes, sweep = results[: len(job.sizes)], results[len(job.sizes) :]
        answer = _answer(job, sizes)
        if args.out is not None:
            _write(job, sizes, answer)
        elif checkpoint is not None:
            checkpoint.clear()  # the cache is nobody's archive
    _tell(ui, job, answer)
    ui.result(answer)
    if args.out is not None:
        _draw(job, sizes, sweep)
    return 0


def _prepare(args: argparse.Namespace) -> _Job:
    in_range("--sweep", args.sweep, 0, 10**6)
    index = chip_numbers("--chips", args.chips)
    network = network_of(args)
    inputs, goal = scored_inputs_of(args, network)
    if args.threshold is not None:
        goal.metric.checked_threshold("--threshold", args.threshold)
    typed: list[str | None] = [size.strip() for size in (args.sizes or "").split(",") if size.strip()]
    if args.sizes is not None and not typed:
        raise ParameterError(f"--sizes = {args.sizes!r} names no device size; write them as in 4um,10um.")
    typed = typed or [None]
    technology = load_technology(args.technology)
    threads = cpus() if args.workers is None and args.dask is None else 1
    if args.noise is None:
        args.noise = "on" if args.level == "step" else "off"  # a deck carries none
    asked = Variability(args.seed, noise=args.noise == "on", scale=1.0 if args.mismatch == "on" else 0.0)
    designs = (mapped(network, technology, mapping_options(args, size), inputs.x) for size in typed)
    sizes = {
        (name := _size_name(design)): Study(
            name, design, inputs.x, goal.truth, index, asked, threads, args.level, goal.metric
        )
        for design in designs
    }
    sweep = []
    if args.out is not None and args.sweep and args.level == "step":
        largest = max(
            sizes.values(), key=lambda one: one.design.sizing.cell.area
        )  # small ones have little left to lose
        for noise in ("on", "off"):
            for scale in SCALES:
                point = Variability(args.seed, noise=noise == "on", scale=scale)
                name = f"{largest.name}-mismatch-{scale:g}-noise-{noise}"
                sweep.append(replace(largest, name=name, index=index[: args.sweep], variability=point))
    digital = forward(network, inputs.x).logits
    return _Job(args, network, inputs, goal, digital, list(sizes.values()), sweep)


def _size_name(design: Design | HybridDesign) -> str:
    cell = design.sizing.cell
    return f"{cell.w * 1e6:g}um" if cell.w == cell.l else f"{cell.w * 1e6:g}umx{cell.l * 1e6:g}um"


def _workers(args: argparse.Namespace) -> Workers:
    if args.dask is None:
        if args.workers is None:
            return serial() if args.level == "step" else processes(cpus())
        return processes(args.workers)
    if args.workers is not None:
        raise ParameterError("--workers and --dask exclude each other: a cluster brings its own workers.")
    return dask_cluster(args.dask)


@contextmanager
def _kept(job: _Job) -> Iterator[Checkpoint | None]:
    """The checkpoint: in --out, or else in the user's cache. None (nothing is kept) where that can't be written."""
    args = job.args
    if args.resume and args.fresh:
        raise ParameterError("--resume and --fresh exclude each other: go on, or start over.")
    folder = args.out / "checkpoint" if args.out is not None else _cached(job)
    if args.out is None and not args.resume and not can_write(folder):
        try:
            yield None
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted; nothing is kept: {folder} can't be written; give --out.") from None
        return
    if args.fresh:
        with Checkpoint(folder, resume=True) as old:
            old.clear()
    try:
        with Checkpoint(folder, resume=args.resume) as checkpoint:
            try:
                yield checkpoint
            except OutputError as error:
                raise OutputError(f"{error} What is finished is kept in {folder}: --resume goes on.") from error
    except CheckpointError as error:
        hint = "" if args.resume else " (--resume goes on, --fresh starts over)"
        raise CheckpointError(f"{error}{hint}") from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; what is finished is kept in {folder}: --resume goes on.") from None


def _cached(job: _Job) -> Path:
    """The campaign's folder in the user's cache, named by the fingerprint of what its results depend on."""
    # a user without a home gets a path that can't be made, and not a folder named ~ where the command runs
    home = os.path.expanduser("~").replace("~", os.devnull)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"))
    return cache / "analogrnn" / "mc" / fingerprint([study.series().depends_on for study in job.sizes])[:16]


def _answer(job: _Job, results: Sequence[MonteCarlo]) -> dict[str, Any]:
    by_size: dict[str, Any] = {}
    name = "accuracy" if job.metric.has_classes else job.metric.name
    for study, result in zip(job.sizes, results, strict=True):
        by_size[study.name] = result.statistics() | {
            "yield": asdict(yield_above(result, job.threshold)),
            "worst_chips": [{"chip": chip, name: score} for chip, score in result.worst(5)],
            "classes": _effects(job, study, result),
            "failures": [{"chip": failure.item, "message": failure.message} for failure in result.failures],
            name: [None if np.isnan(a) else float(a) for a in result.score],
        }
    answer = {
        "network": job.network.name,
        "clips": len(job.inputs.indices),
        "seed": job.args.seed,
        f"{name}_digital": job.score_digital,
        "sizes": by_size,
    }
    return answer if job.metric == ACCURACY else answer | {"metric": job.metric.name}


def _effects(job: _Job, study: Study, result: MonteCarlo) -> list[dict[str, Any]]:
    """What variability does to the clips of each class; empty for a metric that gives clips no class."""
    if not job.metric.has_classes:
        return []
    digital = job.metric.classes(job.digital)
    return [asdict(effect) for effect in class_effects(result, digital, study.design.outputs)]


def _tell(ui: Ui, job: _Job, answer: dict[str, Any]) -> None:
    metric, rows, effects = job.metric, [], []
    tail = ("p05", "min") if metric.higher_is_better else ("p95", "max")
    for size, s in answer["sizes"].items():
        good = s["yield"]
        rows.append(
            (
                size,
                *(metric.text(s[key]) for key in ("mean", "std", *tail)),
                f"{100 * good['share']:.2f} %",
                f"{100 * good['low']:.2f} to {100 * good['high']:.2f}",
                " ".join(str(worst["chip"]) for worst in s["worst_chips"][:3]),
            )
        )
        if not s["classes"]:
            continue
        hit = max(s["classes"], key=lambda effect: effect["digital"] - effect["mean"])
        effects.append(
            (
                size,
                str(hit["label"]),
                f"{100 * hit['digital']:.1f} %",
                f"{100 * hit['mean']:.1f} %",
                f"{100 * hit['p05']:.1f} %",
                f"{hit['taken_for']} ({100 * hit['taken']:.1f} %)",
            )
        )
    reached = f">= {100 * job.threshold:g} %" if metric.higher_is_better else f"<= {job.threshold:.4g}"
    percentile = "5 %" if metric.higher_is_better else "95 %"
    header = ("devices", "mean", "std", percentile, "worst", reached, "95 % interval", "worst chips")
    scored = "" if metric == ACCURACY else f"{metric.title}, "
    ui.columns(f"{job.title}, {answer['clips']} clips, {scored}digital {metric.text(job.score_digital)}", header, rows)
    if effects:
        ui.columns("The class that loses most", ("devices", "class", "digital", "mean", "5 %", "taken for"), effects)
    for size, s in answer["sizes"].items():
        for failure in s["failures"]:
            ui.say(f"{size}: chip {failure['chip']} failed: {failure['message']}")
    if job.args.out is not None:
        ui.say(f"{job.args.out}: monte_carlo.nc, monte_carlo.json, {len(_pictures(job))} pictures")


def _pictures(job: _Job) -> list[str]:
    return ["accuracy_over_chips.png", "yield.png", *(["accuracy_over_mismatch.png"] if job.sweep else [])]


def _write(job: _Job, sizes: Sequence[MonteCarlo], answer: dict[str, Any]) -> None:
    from analogrnn.montecarlo.dataset import Conditions, campaign_dataset, save_campaign  # noqa: PLC0415 (xarray costs 0.8 s)

    out = job.args.out
    typed = {
        name: getattr(job.args, name)
        for name in (
            "technology",
            "cell_size",
            "synapse_size",
            "unit_current",
            "period",
            "pulse",
            "c_dpi",
            "shift_ratio",
            "base_ratio",
            "settle",
            "input_bound",
        )
    }
    metric = job.metric
    conditions = Conditions(
        job.inputs.indices,
        metric.classes(job.digital) if metric.has_classes else metric.per_clip(job.digital, job.goal.truth),
        job.sizes[0].design.outputs if metric.has_classes else 0,
        {name: value for name, value in typed.items() if value is not None},
    )
    save_campaign(campaign_dataset(job.sizes, sizes, conditions), out / "monte_carlo.nc")
    write_json(out / "monte_carlo.json", answer)
    for study, result in zip(job.sizes, sizes, strict=True):
        for failure in result.failures:
            path = make_folder(out / "failures") / f"{study.name}-chip-{failure.item}.log"
            write_text(path, f"{failure.message}\n\n{failure.log}\n")


def _draw(job: _Job, sizes: Sequence[MonteCarlo], sweep: Sequence[MonteCarlo]) -> None:
    from analogrnn.figures import montecarlo as figures  # noqa: PLC0415 (matplotlib costs 0.4 s)

    out, digital, metric = job.args.out, job.score_digital, job.metric
    scores = {f"{s.name} devices": r.score[r.done] for s, r in zip(job.sizes, sizes, strict=True)}
    figures.draw_accuracy_over_chips(scores, digital, job.title, out / "accuracy_over_chips.png", metric)
    figures.draw_yield(job.sizes, sizes, job.threshold, job.title, out / "yield.png")
    if job.sweep:
        title = f"{job.network.name}: {len(sweep[0].index)} chips per point, {job.sweep[0].name.split('-')[0]} devices"
        figures.draw_accuracy_over_mismatch(sweep, digital, title, out / "accuracy_over_mismatch.png")
