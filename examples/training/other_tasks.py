r"""Train ladders on further tasks: a data set of speakers, a regression over long noise, and images pixel by pixel.

    python examples/training/other_tasks.py japanese_vowels --out validation/networks/checkpoints
    python examples/training/other_tasks.py copy_first_input --out validation/networks/checkpoints
    python examples/training/other_tasks.py pixel_digits --out validation/networks/checkpoints

japanese_vowels   16 units on the levels -4..4, constant thresholds, last step, 9 speakers
copy_first_input  16 units on -2..2: the first of 100 values after 99 values of noise, a regression
pixel_digits      two layers of 256 units on -4..4 with a linear layer between, 784 steps of one pixel and a ramp. It is
                  trained on 1,280 images once, since it is there for its size, not for its accuracy

Every choice is made on the validation part. The files are plain `state_dict`s.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from cells import Cmru, OneCell
from data import copy_first_input, japanese_vowels, pixel_digits
from fit import Loss, Part, Plan, Score, Wishes, accuracy, cross_entropy, fit, save
from torch import Tensor, nn


class TwoCells(nn.Module):
    """Two cells with a linear layer between, last step, readout."""

    def __init__(self, inputs: int, width: int, outputs: int, limit: int) -> None:
        super().__init__()
        self.first = Cmru(inputs, width, dependent=False, limit=limit)
        self.between = nn.Linear(width, width)
        self.second = Cmru(width, width, dependent=False, limit=limit)
        self.readout = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.second(self.between(self.first(x)))[-1])


@dataclass(frozen=True)
class Task:
    """What a task trains, on what, and how."""

    data: Callable[[], dict[str, Part]]
    make: Callable[[], nn.Module]
    plan: Plan
    loss: Loss
    score: Score


def absolute_error(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The mean absolute error, with a penalty on candidates near their threshold."""
    assert isinstance(model, OneCell)
    assert isinstance(model.cell, Cmru)
    return (model(x) - y).abs().mean() + NEAR.cost(model.cell)


NEAR = Wishes(margin=0.3, band=0.2)


@torch.no_grad()
def minus_mae(model: nn.Module, part: Part) -> float:
    """Minus the mean absolute error, so that the greatest is the best."""
    return -float((model(part.x) - part.y).abs().mean())


TASKS = {
    "japanese_vowels": Task(
        japanese_vowels,
        lambda: OneCell(Cmru(13, 16, dependent=False, limit=4), 16, 9),
        Plan(300, 32, 2e-2, input_noise=0.2, stretch=0.04),
        cross_entropy(Wishes(margin=0.3)),
        accuracy,
    ),
    "copy_first_input": Task(
        copy_first_input,
        lambda: OneCell(Cmru(2, 16, dependent=False, limit=2, slope=0.1), 16, 1),
        Plan(60, 64, 1e-2, input_noise=0.0, ramp=False),
        absolute_error,
        minus_mae,
    ),
    "pixel_digits": Task(
        pixel_digits,
        lambda: TwoCells(2, 256, 10, limit=4),
        Plan(1, 32, 3e-3, input_noise=0.05, select_from=0.0),
        cross_entropy(),
        accuracy,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a network on one of the further tasks.")
    parser.add_argument("task", choices=list(TASKS))
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    task, runs = TASKS[args.task], []
    data = task.data()
    for seed in args.seeds:
        torch.manual_seed(seed)
        model = task.make()
        score = fit(model, (data["train"], data["validation"]), task.plan, task.loss, task.score, seed)
        runs.append((score, seed, model))
        print(f"  test {task.score(model, data['test']):.4f}", flush=True)
    _, seed, best = max(runs, key=lambda run: run[0])
    print(f"best by validation: seed {seed}")
    save(best.state_dict(), args.out / f"{args.task}.safetensors")


if __name__ == "__main__":
    main()
