"""`analogrnn train TASK --for HARDWARE --out NET`."""

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analogrnn.cli.numbers import number, whole
from analogrnn.cli.ui import Ui
from analogrnn.datasets import parse_name
from analogrnn.errors import ParameterError, is_identifier
from analogrnn.metrics import Goal, Metric
from analogrnn.network import Network, forward, load_network
from analogrnn.network.files import save_network
from analogrnn.outputs.files import make_folder, write_text

if TYPE_CHECKING:
    from analogrnn.train import Epoch, Hardware, Model, Recipe, Task, Trained

TUNING = 0.1  # learning rate of --tune over that of a training from the start
COLUMNS = ("epoch", "loss", "mismatch", "digital", "chips", "seconds", "note")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("task", help="a data set, as in spoken_digits, japanese_vowels or copy_first_input@300; see docs/data.md")
    add(
        "--for",
        dest="hardware",
        default="gf180mcu/standard",
        metavar="HARDWARE",
        help="a stage (standard), a size of the cells (4um, 2umx18um), or a TOML file of mapping options; "
        "default gf180mcu/standard",
    )
    add("--out", type=Path, required=True, metavar="NET.safetensors", help="where the network goes")
    add("--units", type=whole, default=32, help="number of units d (default 32)")
    add("--levels", type=whole, default=4, metavar="K", help="levels -K to K; 0: bistable units (default 4)")
    add("--start", choices=("off", "middle"), default="off", help="level before the first step (default off)")
    add("--tune", metavar="NET", help="start from this trained network, at a tenth of the rate; sets its sizes")
    add("--epochs", type=whole, default=120, help="default 120")
    add("--rate", type=number, help="peak learning rate (default 0.03, with --tune 0.003)")
    add("--batch", type=whole, default=64, help="clips per batch (default 64)")
    add(
        "--frames", type=whole, help="steps to which recordings are resampled (default 32, or fewer if all are shorter)"
    )
    add("--input-noise", type=number, metavar="X", help="noise on the inputs (default 0.2; generated tasks: 0)")
    add("--chips", type=whole, default=512, help="chips drawn at once in training (default 512)")
    add("--test-chips", type=whole, default=200, help="fresh chips of the final score, on test clips (default 200)")
    add("--seed", type=whole, default=0, help="seed of initial values, batches and chips (default 0)")
    add("--fresh", action="store_true", help="start anew, even if a checkpoint of this training exists")
    add("--json", action="store_true", help="print the result as JSON, and nothing else")


def run(args: argparse.Namespace) -> int:
    from analogrnn import train  # noqa: PLC0415 (torch costs seconds)

    new_training = train.Training  # says what to install where torch is missing, before anything else
    ui = Ui(as_json=args.json)
    if args.out.suffix != ".safetensors":
        raise ParameterError(f"--out {args.out}: a network is written as NAME.safetensors.")
    make_folder(args.out.parent)
    data, hardware = parse_name(args.task), train.Hardware.of(args.hardware)
    rows = [(item.name, item.value, item.source) for item in hardware.spreads()]
    ui.columns(f"Trained for {hardware.name}: standard deviations", ("of", "value", "source"), rows)
    tuned = None if args.tune is None else load_network(args.tune)
    task = train.task_of(data, None if tuned is None else tuned.encoding, frames=args.frames)
    model, recipe = _start(args, task, tuned)
    checkpoint = args.out.with_suffix(".checkpoint")
    if args.fresh:
        checkpoint.unlink(missing_ok=True)
    training = new_training(model, task, hardware, recipe, checkpoint=checkpoint)
    if training.epochs:
        ui.say(f"continues after epoch {len(training.epochs)}, from {checkpoint}")
    csv = args.out.with_suffix(".csv")

    def report(epoch: "Epoch") -> None:
        write_text(csv, _csv(training.epochs))
        ui.say(_line(epoch, recipe.epochs, task.metric))

    trained = training.run(report)
    return _finish(args, ui, (task, hardware, recipe), trained)


def _start(args: argparse.Namespace, task: "Task", tuned: Network | None) -> "tuple[Model, Recipe]":
    """The model to train, and the recipe that was typed."""
    from analogrnn import train  # noqa: PLC0415

    generated = not task.encoding.ramp
    noise = args.input_noise if args.input_noise is not None else (0.0 if generated else 0.2)
    recipe = train.Recipe(
        epochs=args.epochs,
        batch=args.batch,
        rate=args.rate or 3e-2,
        input_noise=noise,
        stretch=0.0 if generated else 0.04,
        chips=args.chips,
        seed=args.seed,
    )
    if tuned is None:
        return train.model_for(task, train.ModelShape(args.units, args.levels, args.start), args.seed), recipe
    if tuned.outputs != task.outputs or tuned.inputs != task.train.x.shape[2]:
        raise ParameterError(
            f"--tune {args.tune}: the network has {tuned.inputs} inputs and {tuned.outputs} outputs, but {args.task} "
            f"has {task.train.x.shape[2]} and {task.outputs}."
        )
    rate = args.rate or recipe.rate * TUNING
    return train.from_network(tuned).float(), replace(recipe, rate=rate, clean=0.0, full=0.2, lowest_threshold=0.1)


def _finish(args: argparse.Namespace, ui: Ui, parts: "tuple[Task, Hardware, Recipe]", trained: "Trained") -> int:
    """Score the selected network on test clips, write it, its curves and its summary."""
    from analogrnn.figures.training import draw_training  # noqa: PLC0415 (matplotlib costs half a second)
    from analogrnn.montecarlo import Variability, run_monte_carlo  # noqa: PLC0415

    task, hardware, recipe = parts
    metric, network = task.metric, trained.network
    clips = parse_name(args.task).load("test").clips(task.encoding)
    truth = clips.truth
    assert truth is not None
    digital = metric.score(forward(network, clips.x).logits, truth)
    study = run_monte_carlo(hardware.map(network), clips.x, Goal(truth, metric), args.test_chips, Variability(seed=1))
    tail = float(np.percentile(study.score, 5 if metric.higher_is_better else 95))
    facts: dict[str, str | float | int] = {
        "name": args.out.stem if is_identifier(args.out.stem) else "network",
        "task": args.task.partition(":")[0],
        "metric": metric.name,
        f"{metric.name}_test": digital,
        f"{metric.name}_test_chips": float(study.score.mean()),
        f"{metric.name}_test_chips_tail": tail,
        "trained_for": hardware.name,
        "seed": args.seed,
        "epochs": recipe.epochs,
        "epoch": trained.epoch,
    }
    save_network(replace(network, metadata=facts), args.out)
    curves = {name: [getattr(e, name) for e in trained.epochs] for name in ("loss", "mismatch", "digital", "chips")}
    picture = args.out.with_suffix(".png")
    draw_training(curves, metric, f"{args.task} for {hardware.name}", picture)
    args.out.with_suffix(".checkpoint").unlink(missing_ok=True)
    worst = "5th percentile" if metric.higher_is_better else "95th percentile"
    ui.table(
        f"{args.out.stem}: {metric.name} on test clips",
        [
            ("without mismatch", metric.text(digital)),
            (f"mean of {args.test_chips} fresh chips, with noise", metric.text(float(study.score.mean()))),
            (worst, metric.text(tail)),
            ("selected", f"epoch {trained.epoch}, validation on chips {metric.text(trained.score)}"),
            ("written", f"{args.out}, {args.out.with_suffix('.csv').name}, {picture.name}"),
        ],
    )
    ui.result(facts)
    return 0


def _csv(epochs: "tuple[Epoch, ...]") -> str:
    """All epochs as CSV, with empty cells for what was not computed."""
    lines = [",".join(COLUMNS)]
    for epoch in epochs:
        values = (epoch.loss, epoch.mismatch, epoch.digital, epoch.chips, epoch.seconds)
        cells = ["" if math.isnan(value) else f"{value:.6g}" for value in values]
        lines.append(",".join([str(epoch.number), *cells, json.dumps(epoch.note) if epoch.note else ""]))
    return "\n".join(lines) + "\n"


def _line(epoch: "Epoch", total: int, metric: Metric) -> str:
    """One epoch for a person."""
    text = f"epoch {epoch.number}/{total}  loss {epoch.loss:.4f}  mismatch {epoch.mismatch:.0%}  "
    text += f"validation {metric.text(epoch.digital)}"
    if not math.isnan(epoch.chips):
        text += f", on chips {metric.text(epoch.chips)}"
    return text + (f"  ({epoch.note})" if epoch.note else "")
