"""The training loop: AdamW, one cycle with 10 % of warm-up, clipped gradients, selection by validation data alone."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from cells import Cmru, FirstQuadrantBmru
from safetensors.torch import save_file
from torch import Tensor, nn


@dataclass(frozen=True)
class Plan:
    """How to train; `stretch` is the largest part that a random crop takes off each end of a clip."""

    epochs: int = 100
    batch: int = 64
    rate: float = 1e-2
    decay: float = 1e-4
    input_noise: float = 0.05
    stretch: float = 0.0
    ramp: bool = True  # the last input is a time ramp, which no crop moves
    select_from: float = 0.6


@dataclass(frozen=True)
class Part:
    """Inputs x (T, S, D) and what belongs to them y (S,) or (S, C)."""

    x: Tensor
    y: Tensor

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> "Part":
        kind = torch.int64 if np.asarray(y).dtype.kind in "iu" else torch.float32
        return cls(torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=kind))


@dataclass(frozen=True)
class Wishes:
    """Penalties that keep a cell within what a circuit can do; each is 0 without weight.

    floor   thresholds below it cost `low` times their distance from it
    margin  candidates within `band` of their threshold (relative to it) cost up to this
    """

    floor: float = 0.5
    low: float = 0.0
    margin: float = 0.0
    band: float = 0.15

    def cost(self, cell: Cmru) -> Tensor:
        """The sum of the penalties in the cell's last forward pass."""
        assert cell.seen is not None
        c, b = cell.seen
        ratio = c.abs() / b.clamp_min(self.floor)
        return (
            self.low * (self.floor - b).clamp_min(0.0).mean()
            + self.margin * (1.0 - (ratio - 1.0).abs() / self.band).clamp_min(0.0).mean()
        )


Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
Score = Callable[[nn.Module, Part], float]


def cross_entropy(wishes: Wishes | None = None) -> Loss:
    """The cross-entropy of the logits, with the penalties of every CMRU."""

    def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        total = nn.functional.cross_entropy(model(x), y)
        for part in model.modules():
            if wishes is not None and isinstance(part, Cmru):
                total = total + wishes.cost(part)
        return total

    return loss


@torch.no_grad()
def accuracy(model: nn.Module, part: Part) -> float:
    """Share of the clips of the right class."""
    return float((model(part.x).argmax(-1) == part.y).float().mean())


def fit(model: nn.Module, parts: tuple[Part, Part], plan: Plan, loss: Loss, score: Score, seed: int = 0) -> float:
    """Train on the first part, keep the epoch that scores best on the second, and return that score."""
    torch.set_num_threads(1)
    train, validation = parts
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=plan.rate, weight_decay=plan.decay)
    total = plan.epochs * -(-len(train.y) // plan.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total, pct_start=0.1)
    best, kept, began = -np.inf, copy.deepcopy(model.state_dict()), time.perf_counter()
    for epoch in range(plan.epochs):
        model.train()
        for rows in torch.randperm(len(train.y), generator=generator).split(plan.batch):
            cost = loss(model, augmented(train.x[:, rows], plan, generator), train.y[rows])
            optimiser.zero_grad()
            cost.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            for part in model.modules():
                if isinstance(part, FirstQuadrantBmru):
                    part.keep_in_range()
        model.eval()
        if epoch + 1 >= plan.select_from * plan.epochs:
            found = score(model, validation)
            if found >= best:
                best, kept = found, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    model.eval()
    print(f"seed {seed}: validation {best:.4f}, {time.perf_counter() - began:.0f} s", flush=True)
    return best


def augmented(x: Tensor, plan: Plan, generator: torch.Generator) -> Tensor:
    """A batch (T, B, D) with random crops, which are stretched to full length, and noise."""
    steps, batch = x.shape[:2]
    if plan.stretch:
        start, end = plan.stretch * torch.rand(2, batch, generator=generator)
        at = (start + torch.linspace(0, 1, steps)[:, None] * (1 - end - start)) * (steps - 1)
        left = at.long().clamp(0, steps - 2)
        part, clip = (at - left)[:, :, None], torch.arange(batch)[None]
        moved = (1 - part) * x[left, clip] + part * x[left + 1, clip]
        x = torch.cat([moved[:, :, :-1], x[:, :, -1:]], 2) if plan.ramp else moved
    return x + plan.input_noise * torch.randn(x.shape, generator=generator) if plan.input_noise else x


def save(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors as they are named and typed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, str(path))
    print(f"saved {path} ({path.stat().st_size / 1024:.0f} KiB)")
