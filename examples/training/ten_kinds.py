"""Train ten small networks of ten kinds on spoken digits and save each as its framework would.

    python examples/training/ten_kinds.py --out validation/networks/checkpoints
    python examples/training/ten_kinds.py --out validation/networks/checkpoints --only batch_norm

What they show is that a checkpoint of each kind comes in, not the best accuracy: each is trained once, for a minute at
most. `flax_nested` is trained here too and stored as a flattened Flax tree (kernels are (inputs, outputs)).
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from cells import Cmru, FirstQuadrantBmru, OneCell, SeparateCmru
from data import spoken_digits
from fit import Loss, Part, Plan, Score, Wishes, accuracy, cross_entropy, fit, save
from torch import Tensor, nn

INPUTS, WIDTH, CLASSES = 14, 16, 10


class Encoded(nn.Module):
    """Linear, cell, last step, readout."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.cell, self.head = nn.Linear(INPUTS, WIDTH), Cmru(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(self.encoder(x))[-1])


class Stacked(nn.Module):
    """Two cells with a linear layer between."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.between, self.second = Cmru(INPUTS, WIDTH), nn.Linear(WIDTH, WIDTH), Cmru(WIDTH, WIDTH)
        self.readout = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.second(self.between(self.first(x)))[-1])


class NormAndSkip(nn.Module):
    """A block of the published backbone: linear, then LayerNorm and cell beside a skip, then the readout."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm, self.cell = nn.Linear(INPUTS, WIDTH), nn.LayerNorm(WIDTH), Cmru(WIDTH, WIDTH)
        self.readout = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        u = self.embed(x)
        return self.readout((u + self.cell(self.norm(u)))[-1])


class Normalised(nn.Module):
    """Linear, batch normalisation, cell, last step, readout."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm, self.cell = nn.Linear(INPUTS, WIDTH), nn.BatchNorm1d(WIDTH), Cmru(WIDTH, WIDTH)
        self.readout = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        u = self.embed(x)
        return self.readout(self.cell(self.norm(u.flatten(0, 1)).view_as(u))[-1])


class PublishedHardware(nn.Module):
    """13 -> 4 -> 2: two first-quadrant layers, each behind a linear layer with ReLU and beside a skip; a vote follows.

    Fyon et al., arXiv 2605.15216, give the sizes and the vote over 101 frames; the place of the skips is our reading.
    """

    def __init__(self, inputs: int = 13, width: int = 4, classes: int = 2) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(inputs, width), nn.Linear(width, width)
        self.cell1, self.cell2 = FirstQuadrantBmru(width, width), FirstQuadrantBmru(width, width)
        self.readout = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits per step (T, B, classes)."""
        a = self.fc1(x).relu()
        b = self.fc2(a + self.cell1(a)).relu()
        return self.readout(b + self.cell2(b))


def signed() -> Cmru:
    """Constant thresholds; alpha starts with either sign and the initial state anywhere, and both are learned."""
    cell = Cmru(INPUTS, WIDTH, dependent=False)
    with torch.no_grad():
        cell.alpha.copy_(torch.randn(WIDTH).sign())
        assert cell.initial is not None
        cell.initial.copy_(torch.empty(WIDTH).uniform_(-1.0, 1.0))
    return cell


def plain_names(model: nn.Module) -> dict[str, Tensor]:
    return dict(model.state_dict())


def data_parallel(model: nn.Module) -> dict[str, Tensor]:
    """The names that torch.nn.DataParallel gives."""
    return {f"module.{name}": tensor for name, tensor in model.state_dict().items()}


def in_bfloat16(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.to(torch.bfloat16) for name, tensor in model.state_dict().items()}


def flax_tree(model: nn.Module) -> dict[str, Tensor]:
    """The parameters as a Flax tree, flattened with slashes; kernels are transposed weights."""
    tree = {}
    for name, tensor in model.state_dict().items():
        layer, parameter = name.split(".")
        kernel = parameter.endswith("weight")
        parameter = parameter.replace("weight", "kernel")
        tree[f"params/{layer}/{parameter}"] = tensor.T if kernel else tensor
    return tree


KINDS: dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module], dict[str, Tensor]]]] = {
    "data_parallel": (lambda: OneCell(Cmru(INPUTS, WIDTH), WIDTH, CLASSES), data_parallel),
    "flax_nested": (Encoded, flax_tree),
    "bfloat16": (lambda: OneCell(Cmru(INPUTS, WIDTH, dependent=False, limit=4), WIDTH, CLASSES), in_bfloat16),
    "bias_free": (lambda: OneCell(Cmru(INPUTS, WIDTH, bias=False), WIDTH, CLASSES, bias=False), plain_names),
    "separate_threshold": (lambda: OneCell(SeparateCmru(INPUTS, WIDTH), WIDTH, CLASSES), plain_names),
    "stacked": (Stacked, plain_names),
    "published_hardware": (PublishedHardware, plain_names),
    "signed_alpha": (lambda: OneCell(signed(), WIDTH, CLASSES), plain_names),
    "layer_norm_skip": (NormAndSkip, plain_names),
    "batch_norm": (Normalised, plain_names),
}
KEYWORD = 7  # of the published shape: this digit against the others


def keyword_data() -> dict[str, Part]:
    """13 MFCC in 101 frames; class 1 is the keyword."""
    parts = spoken_digits(101, ramp=False)
    return {name: Part(part.x, (part.y == KEYWORD).to(torch.int64)) for name, part in parts.items()}


def keyword_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Minus the logarithm of the mean probability of the right class over the frames, both classes of equal weight."""
    right = model(x).softmax(-1).mean(0)[torch.arange(len(y)), y]
    weight = torch.where(y == 1, 5.0, 5.0 / 9.0)
    return -(weight * right.clamp_min(1e-6).log()).mean()


@torch.no_grad()
def balanced_vote(model: nn.Module, part: Part) -> float:
    """The mean over both classes of the share of clips that the majority of the frames gives the right class."""
    voted = model(part.x).argmax(-1).float().mean(0) > 0.5
    right = voted == (part.y == 1)
    return float(right[part.y == 1].float().mean() + right[part.y == 0].float().mean()) / 2.0


def train(name: str, seeds: int) -> tuple[nn.Module, float]:
    """The best of some seeds by validation, and its score on the test clips."""
    make, _ = KINDS[name]
    plan, loss, score, data = how(name)
    runs = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = make()
        runs.append((fit(model, (data["train"], data["validation"]), plan, loss, score, seed), seed, model))
        print(f"  test {score(model, data['test']):.4f}", flush=True)
    best = max(runs, key=lambda run: run[0])
    return best[2], score(best[2], data["test"])


def how(name: str) -> tuple[Plan, Loss, Score, dict[str, Part]]:
    """Plan, loss, score and data of a kind."""
    if name == "published_hardware":
        return Plan(150, 128, 1e-2, ramp=False, stretch=0.04), keyword_loss, balanced_vote, keyword_data()
    wishes = Wishes(low=1.0, margin=0.3)
    return Plan(30, 64, 2e-2, input_noise=0.2, stretch=0.04), cross_entropy(wishes), accuracy, spoken_digits()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train and save the ten kinds of checkpoints.")
    parser.add_argument("--out", type=Path, required=True, help="folder")
    parser.add_argument("--only", choices=list(KINDS), help="one of them (default: all)")
    parser.add_argument("--seeds", type=int, default=1, help="the best of so many by validation is kept")
    args = parser.parse_args()
    for name in [args.only] if args.only else KINDS:
        model, test = train(name, args.seeds)
        print(f"{name}: test {test:.4f}", flush=True)
        tensors = KINDS[name][1](model)
        if name == "flax_nested":
            args.out.mkdir(parents=True, exist_ok=True)
            np.savez(args.out / f"{name}.npz", **{key: tensor.numpy() for key, tensor in tensors.items()})
        else:
            save(tensors, args.out / f"{name}.safetensors")


if __name__ == "__main__":
    main()
