"""The training loop: AdamW, a one-cycle schedule with 10 % warm-up, clipped gradients, selection on validation data."""

import copy
from dataclasses import dataclass, field

import numpy as np

from analogrnn.datasets import LabelledClips
from analogrnn.errors import MissingDependencyError, in_range
from analogrnn.streams import stream
from analogrnn.train import NO_TORCH
from analogrnn.train.layers import CmruClassifier, HardwareErrors

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled clips as tensors: encoded inputs x (T, S, D), with the time ramp last, and labels y (S,)."""

    x: Tensor
    y: Tensor

    @classmethod
    def of(cls, clips: LabelledClips) -> "Examples":
        """The clips in single precision."""
        return cls(torch.tensor(clips.x, dtype=torch.float32), torch.tensor(clips.labels, dtype=torch.int64))

    def double(self) -> "Examples":
        """The same values in double precision; they keep their rounding to single precision."""
        return Examples(self.x.double(), self.y)


@dataclass(frozen=True)
class Plan:
    """Settings of the training. Raises ParameterError for a value out of range.

    epochs, batch     number of epochs; clips per batch
    rate, decay       peak learning rate and weight decay of AdamW
    smoothing         label smoothing
    input_noise       standard deviation of noise added to the inputs
    stretch           largest fraction of a clip that a random crop removes at each end; frames are then interpolated
    hardware_errors   errors of the chips that are drawn in training; validation then includes simulated chips
    clean             fraction of the epochs, from the start, that train without hardware errors
    margin            weight of the penalty on candidates near their threshold
    margin_band       width of that region, relative to the threshold
    lowest_threshold  lower limit of the thresholds
    largest_weight    upper limit of the magnitude of weights and biases
    select_from       fraction of the epochs after which an epoch can be selected
    chips             number of simulated chips in the validation
    """

    epochs: int = 100
    batch: int = 64
    rate: float = 5e-3
    decay: float = 1e-4
    smoothing: float = 0.0
    input_noise: float = 0.05
    stretch: float = 0.0
    hardware_errors: HardwareErrors = field(default_factory=HardwareErrors)
    clean: float = 0.2
    margin: float = 0.0
    margin_band: float = 0.05
    lowest_threshold: float = 0.1
    largest_weight: float = 8.0
    select_from: float = 0.7
    chips: int = 8

    def __post_init__(self) -> None:
        in_range("Plan.epochs", self.epochs, 1, 100_000)
        in_range("Plan.batch", self.batch, 1, 1_000_000)
        in_range("Plan.rate", self.rate, 1e-7, 1.0)
        in_range("Plan.stretch", self.stretch, 0.0, 0.45)


@dataclass(frozen=True)
class Result:
    """Result of training: the loss of each epoch, and the selected epoch with its score on the validation data."""

    losses: list[float]
    epoch: int
    score: float


def fit(model: CmruClassifier, train: Examples, validation: Examples, plan: Plan, seed: int) -> Result:
    """Train `model` in place, and restore the parameters of the epoch with the best validation score.

    The score is the accuracy. If the plan has hardware errors, it is averaged with the mean accuracy on `plan.chips`
    simulated chips, which are the same at each epoch. Only epochs after `plan.select_from` can be selected.
    """
    torch.set_num_threads(1)  # tensors are small (64 x 32), so threads are slower
    rng = generator(seed, "batches")
    optimiser = torch.optim.AdamW(model.parameters(), lr=plan.rate, weight_decay=plan.decay)
    total = max(4, plan.epochs * -(-len(train.y) // plan.batch))
    warm_up = max(0.1, 2.0 / total)  # torch divides by (warm-up steps - 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=plan.rate, total_steps=total, pct_start=warm_up)
    losses: list[float] = []
    best = (-1.0, 0)
    kept = copy.deepcopy(model.state_dict())
    for epoch in range(plan.epochs):
        amount = plan.hardware_errors if epoch >= plan.clean * plan.epochs else HardwareErrors()
        summed = 0.0
        for rows in torch.randperm(len(train.y), generator=rng).split(plan.batch):  # type: ignore[no-untyped-call]
            loss = _loss(model, train.x[:, rows], train.y[rows], plan, (amount, rng))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            model.keep_in_range(plan.lowest_threshold, plan.largest_weight)
            summed += float(loss.detach()) * len(rows)
        losses.append(summed / len(train.y))
        if epoch + 1 >= plan.select_from * plan.epochs:
            score = _score(model, validation, plan, seed)
            if score >= best[0]:
                best = (score, epoch)
                kept = copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return Result(losses, best[1], best[0])


def generator(seed: int, *path: str | int) -> torch.Generator:
    """A torch generator on a named stream (`analogrnn.streams`): no other draw depends on it."""
    return torch.Generator().manual_seed(int(stream(seed, "train", *path).integers(2**62)))


@torch.no_grad()
def accuracy(model: CmruClassifier, examples: Examples) -> float:
    """Fraction of the examples that `model` classifies correctly without hardware errors."""
    return _hits(model(examples.x), examples.y)


@torch.no_grad()
def mismatched_accuracy(
    model: CmruClassifier, examples: Examples, amount: HardwareErrors, *, chips: int, seed: int
) -> np.ndarray:
    """(chips,) accuracy of each simulated chip; chip i does not depend on the number of chips."""
    return np.array(
        [
            _hits(model.on_chip(examples.x, amount, generator(seed, "chip", i), shared=True), examples.y)
            for i in range(chips)
        ]
    )


def _loss(
    model: CmruClassifier, x: Tensor, y: Tensor, plan: Plan, drawn: tuple[HardwareErrors, torch.Generator]
) -> Tensor:
    amount, rng = drawn
    x = _augment(x, plan, rng)
    logits = model.on_chip(x, amount, rng) if amount else model(x)
    loss = nn.functional.cross_entropy(logits, y, label_smoothing=plan.smoothing)
    if plan.margin:
        ratio = model.cell.candidates(x).abs() / model.cell.threshold.abs()
        loss = loss + plan.margin * (1.0 - (ratio - 1.0).abs() / plan.margin_band).clamp_min(0.0).mean()
    return loss


def _augment(x: Tensor, plan: Plan, rng: torch.Generator) -> Tensor:
    """Random crop in time and input noise. The last input, the ramp, is generated in hardware and is not changed."""
    if plan.stretch:
        frames, batch, width = x.shape
        start, end = plan.stretch * torch.rand(2, batch, generator=rng)
        along = torch.linspace(0.0, 1.0, frames)[:, None]
        at = (start + along * (1.0 - end - start)) * (frames - 1)
        left = at.long().clamp(0, frames - 2)
        part = (at - left)[:, :, None]
        rows = left[:, :, None].expand(frames, batch, width)
        crop = (1.0 - part) * x.gather(0, rows) + part * x.gather(0, rows + 1)
        x = torch.cat([crop[:, :, :-1], x[:, :, -1:]], dim=2)
    if plan.input_noise:
        x = x + plan.input_noise * torch.randn(x.shape, generator=rng)
    return x


def _score(model: CmruClassifier, validation: Examples, plan: Plan, seed: int) -> float:
    clean = accuracy(model, validation)
    if not plan.hardware_errors:
        return clean
    chips = mismatched_accuracy(model, validation, plan.hardware_errors, chips=plan.chips, seed=seed)
    return 0.5 * (clean + float(chips.mean()))


def _hits(logits: Tensor, y: Tensor) -> float:
    return float((logits.argmax(-1) == y).float().mean())
