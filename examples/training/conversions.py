r"""Train networks that an approximate conversion changes, and tune each after its conversion.

    python examples/training/conversions.py --out validation/networks/checkpoints

levels8                    32 units on -8..8 with constant thresholds; levels8_to4, _to2, _to1 are tuned on fewer levels
mean_pooling               32 units on -4..4, pooled by their mean; mean_pooling_to_last is tuned with the last step
published_cmru_constant    published_cmru with the mean of |b(x)| as threshold, tuned

All on spoken digits. Tuning starts from the trained weights at a quarter of the rate, for two fifths of the epochs.
Every choice is made on the validation clips. Train published_cmru first.
"""

import argparse
from pathlib import Path

import torch
from cells import Cmru, OneCell
from data import spoken_digits
from fit import Part, Plan, Wishes, accuracy, cross_entropy, fit, save
from safetensors.torch import load_file
from torch import nn

WIDTH, CLASSES = 32, 10
FULL = Plan(50, 64, 2e-2, input_noise=0.2, stretch=0.04)
TUNED = Plan(20, 64, 5e-3, input_noise=0.2, stretch=0.04)
LOSS = cross_entropy(Wishes(margin=0.3))
Data = dict[str, Part]


def fitted(model: nn.Module, data: Data, plan: Plan, name: str, out: Path) -> None:
    """Train and save."""
    fit(model, (data["train"], data["validation"]), plan, LOSS, accuracy)
    print(f"{name}: test {accuracy(model, data['test']):.4f}", flush=True)
    save(model.state_dict(), out / f"{name}.safetensors")


def ladder(data: Data, limit: int, *, mean: bool = False) -> OneCell:
    return OneCell(Cmru(data["train"].x.shape[2], WIDTH, dependent=False, limit=limit), WIDTH, CLASSES, mean=mean)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train networks for the tables of losses.")
    parser.add_argument("--out", type=Path, required=True, help="folder, with published_cmru.safetensors in it")
    args = parser.parse_args()
    data = spoken_digits()
    torch.manual_seed(0)
    eight = ladder(data, 8)
    fitted(eight, data, FULL, "levels8", args.out)
    for limit in (4, 2, 1):
        fewer = ladder(data, limit)
        fewer.load_state_dict(eight.state_dict())
        fitted(fewer, data, TUNED, f"levels8_to{limit}", args.out)
    mean = ladder(data, 4, mean=True)
    fitted(mean, data, FULL, "mean_pooling", args.out)
    mean.mean = False
    fitted(mean, data, TUNED, "mean_pooling_to_last", args.out)
    constant(data, args.out)


def constant(data: Data, out: Path) -> None:
    """The published cell with constant thresholds."""
    tensors = load_file(str(out / "published_cmru.safetensors"))
    published = OneCell(Cmru(data["train"].x.shape[2], WIDTH), WIDTH, CLASSES)
    published.load_state_dict(tensors)
    cell = published.cell
    assert isinstance(cell, Cmru)
    with torch.no_grad():
        tensors["cell.threshold"] = cell.gates(data["train"].x)[1].mean((0, 1))
    del tensors["cell.threshold_weight"]
    fixed = OneCell(Cmru(data["train"].x.shape[2], WIDTH, dependent=False), WIDTH, CLASSES)
    fixed.load_state_dict(tensors)
    print(f"published_cmru with constant thresholds, not tuned: test {accuracy(fixed, data['test']):.4f}")
    fitted(fixed, data, TUNED, "published_cmru_constant", out)


if __name__ == "__main__":
    main()
