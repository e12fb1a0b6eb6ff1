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
from analogrnn.cli.arguments import add_common, add_inputs, add_network, labelled_inputs_of, mapping_options, network_of
from analogrnn.cli.numbers import number, whole
from analogrnn.cli.ui import Ui
from analogrnn.datasets import LabelledClips
from analogrnn.design import Design
from analogrnn.errors import CheckpointError, OutputError, ParameterError, in_range
from analogrnn.mapping import map_network
from analogrnn.montecarlo import MonteCarlo, Study, Variability, class_effects, run_studies, yield_above
from analogrnn.montecarlo.study import LEVELS, chip_numbers, cpus
from analogrnn.network import Network, forward
from analogrnn.outputs.files import can_write, make_folder, write_json, write_text
from analogrnn.technology import load_technology

SCALES = (0.0, 0.5, 1.0, 1.5, 2.0)  # of mismatch, in the picture over it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    add_inputs(parser, "all")
    add_common(parser)
    parser.add_argument("--chips", type=whole, default=100, help="number of chips (default 100)")
    parser.add_argument("--noise", choices=("on", "off"), help="noise of each cell (default on)")
    parser.add_argument("--mismatch", choices=("on", "off"), default="on", help="device mismatch (default on)")
    parser.add_argument("--sizes", metavar="W,W,..", help="device sizes to compare, as in 4um,10um")
    parser.add_argument(
        "--threshold", type=number, default=0.9, metavar="A", help="accuracy that a good chip reaches (default 0.9)"
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
    inputs: LabelledClips
    digital: np.ndarray
    sizes: list[Study]
    sweep: list[Study]

    @property
    def accuracy_digital(self) -> float:
        return float(np.mean(self.digital == self.inputs.labels))

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
    in_range("--threshold", args.threshold, 0.0, 1.0, hint="an accuracy such as 0.9")
    in_range("--sweep", args.sweep, 0, 10**6)
    index = chip_numbers("--chips", args.chips)
    network = network_of(args)
    inputs = labelled_inputs_of(args, network)
    typed: list[str | None] = [size.strip() for size in (args.sizes or "").split(",") if size.strip()]
    if args.sizes is not None and not typed:
        raise ParameterError(f"--sizes = {args.sizes!r} names no device size; write them as in 4um,10um.")
    typed = typed or [None]
    technology = load_technology(args.technology)
    threads = cpus() if args.workers is None and args.dask is None else 1
    if args.noise is None:
        args.noise = "on" if args.level == "step" else "off"  # a deck carries none
    asked = Variability(args.seed, noise=args.noise == "on", scale=1.0 if args.mismatch == "on" else 0.0)
    designs = (map_network(network, technology, mapping_options(args, size)) for size in typed)
    sizes = {
        (name := _size_name(design)): Study(name, design, inputs.x, inputs.labels, index, asked, threads, args.level)
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
    digital = forward(network, inputs.x).classes
    return _Job(args, network, inputs, digital, list(sizes.values()), sweep)


def _size_name(design: Design) -> str:
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
    for study, result in zip(job.sizes, results, strict=True):
        width = study.design.layers[-1].synapses.width
        by_size[study.name] = result.statistics() | {
            "yield": asdict(yield_above(result, job.args.threshold)),
            "worst_chips": [{"chip": chip, "accuracy": accuracy} for chip, accuracy in result.worst(5)],
            "classes": [asdict(effect) for effect in class_effects(result, job.digital, width)],
            "failures": [{"chip": failure.item, "message": failure.message} for failure in result.failures],
            "accuracy": [None if np.isnan(a) else float(a) for a in result.accuracy],
        }
    return {
        "network": job.network.name,
        "clips": len(job.inputs.indices),
        "seed": job.args.seed,
        "accuracy_digital": job.accuracy_digital,
        "sizes": by_size,
    }


def _tell(ui: Ui, job: _Job, answer: dict[str, Any]) -> None:
    rows, effects = [], []
    for size, s in answer["sizes"].items():
        good = s["yield"]
        rows.append(
            (
                size,
                *(f"{100 * s[key]:.1f} %" for key in ("mean", "std", "p05", "min")),
                f"{100 * good['share']:.2f} %",
                f"{100 * good['low']:.2f} to {100 * good['high']:.2f}",
                " ".join(str(worst["chip"]) for worst in s["worst_chips"][:3]),
            )
        )
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
    header = (
        "devices",
        "mean",
        "std",
        "5 %",
        "worst",
        f">= {100 * job.args.threshold:g} %",
        "95 % interval",
        "worst chips",
    )
    ui.columns(f"{job.title}, {answer['clips']} clips, digital {100 * answer['accuracy_digital']:.1f} %", header, rows)
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
    conditions = Conditions(
        job.inputs.indices,
        job.digital,
        job.sizes[0].design.layers[-1].synapses.width,
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

    out, digital = job.args.out, job.accuracy_digital
    scores = {f"{s.name} devices": r.accuracy[r.done] for s, r in zip(job.sizes, sizes, strict=True)}
    figures.draw_accuracy_over_chips(scores, digital, job.title, out / "accuracy_over_chips.png")
    figures.draw_yield(job.sizes, sizes, job.args.threshold, job.title, out / "yield.png")
    if job.sweep:
        title = f"{job.network.name}: {len(sweep[0].index)} chips per point, {job.sweep[0].name.split('-')[0]} devices"
        figures.draw_accuracy_over_mismatch(sweep, digital, title, out / "accuracy_over_mismatch.png")
