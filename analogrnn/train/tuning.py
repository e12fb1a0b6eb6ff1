"""Training for hardware: epochs on chips of the present network, selection on validation clips, checkpoints."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analogrnn.errors import CheckpointError, MappingError, MissingDependencyError, ParameterError
from analogrnn.metrics import Goal
from analogrnn.montecarlo import Variability, run_monte_carlo
from analogrnn.network import Network
from analogrnn.streams import training_seed
from analogrnn.train import NO_TORCH
from analogrnn.train.augment import augmented
from analogrnn.train.checkpoint import read_checkpoint, write_checkpoint
from analogrnn.train.chips import ChipPool, on_chips
from analogrnn.train.export import pruned
from analogrnn.train.hardware import Hardware
from analogrnn.train.loop import generator
from analogrnn.train.model import Model, to_model_network
from analogrnn.train.recipe import Recipe
from analogrnn.train.task import Task

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to; scores are those of the task's metric on validation clips, nan where not computed.

    number    from 1
    loss      mean over the training clips, on the chips of this epoch
    mismatch  share of the mismatch that these chips had
    digital   score of the network without mismatch
    chips     mean score over the selection's chips, with noise
    seconds   since the start of the training
    note      why the chips are those of an earlier map, or empty
    """

    number: int
    loss: float
    mismatch: float
    digital: float
    chips: float
    seconds: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class Trained:
    """The selected network, its score on the selection's chips, its epoch, and all epochs."""

    network: Network
    score: float
    epoch: int
    epochs: tuple[Epoch, ...]


Report = Callable[[Epoch], None]


class Training:
    """Trains `model` in place for some hardware.

    >>> result = train.Training(model, task, train.Hardware.of("4um"), train.Recipe(epochs=30)).run()

    checkpoint  file that keeps the state after each epoch; if it exists, the training continues from it

    Raises CheckpointError for the checkpoint of another model, task, hardware or recipe.
    """

    def __init__(
        self, model: Model, task: Task, hardware: Hardware, recipe: Recipe, *, checkpoint: Path | None = None
    ) -> None:
        self.model, self.task, self.hardware, self.recipe = model, task, hardware, recipe
        self.checkpoint = checkpoint
        self._x, self._y = task.tensors(next(model.parameters()).dtype)
        count = self._x.shape[1]
        self._rng = generator(recipe.seed, "batches")
        self._optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
        total = max(4, recipe.epochs * -(-count // recipe.batch))
        warm_up = max(0.1, 2.0 / total)  # torch divides by (warm-up steps - 1)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, max_lr=recipe.rate, total_steps=total, pct_start=warm_up
        )
        self._epochs: list[Epoch] = []
        self._best = (-math.inf, 0)
        self._kept = copy.deepcopy(model.state_dict())
        self._pool: ChipPool | None = None
        self._mapped: dict[str, Any] | None = None  # the state of the last map, its number and its scale
        self._began = time.monotonic()
        if checkpoint is not None and checkpoint.exists():
            self._restore(read_checkpoint(checkpoint))

    def run(self, report: Report | None = None) -> Trained:
        """Train the epochs that are left, and return the selected network.

        Raises ParameterError if the loss is no longer a number, and MappingError if the first network does not map.
        """
        torch.set_num_threads(1)  # tensors are small, so threads are slower
        while len(self._epochs) < self.recipe.epochs:
            self._epochs.append(self._epoch(len(self._epochs)))
            if self.checkpoint is not None:
                write_checkpoint(self.checkpoint, self._state())
            if report is not None:
                report(self._epochs[-1])
        self.model.load_state_dict(self._kept)
        score, epoch = self._best
        return Trained(self._network(), score if self._better > 0 else -score, epoch, tuple(self._epochs))

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """The epochs so far."""
        return tuple(self._epochs)

    @property
    def _better(self) -> float:
        return 1.0 if self.task.metric.higher_is_better else -1.0

    def _network(self) -> Network:
        return pruned(to_model_network(self.model, encoding=self.task.encoding))

    def _epoch(self, epoch: int) -> Epoch:
        recipe, share = self.recipe, self.recipe.mismatch(epoch)
        note = self._refresh(epoch, share) if share > 0.0 else ""
        summed, count = 0.0, self._x.shape[1]
        self.model.train()
        for rows in torch.randperm(count, generator=self._rng).split(recipe.batch):  # type: ignore[no-untyped-call]
            summed += self._step(rows, on_chip=share > 0.0) * len(rows)
        if not math.isfinite(summed):
            raise ParameterError(
                f"the loss is no number after epoch {epoch + 1}; lower Recipe.rate, now {recipe.rate:g}"
                + (f", and continue from {self.checkpoint}, which keeps the epoch before." if self.checkpoint else ".")
            )
        self.model.eval()
        digital, chips = self._digital(), math.nan
        last = epoch + 1 == recipe.epochs
        if epoch + 1 >= recipe.select_from * recipe.epochs and ((epoch + 1) % recipe.select_every == 0 or last):
            chips, failed = self._on_chips()
            note = note or failed
            if self._better * chips >= self._best[0]:
                self._best = (self._better * chips, epoch + 1)
                self._kept = copy.deepcopy(self.model.state_dict())
        seconds = time.monotonic() - self._began
        return Epoch(epoch + 1, summed / count, share, digital, chips, seconds, note)

    def _step(self, rows: torch.Tensor, *, on_chip: bool) -> float:
        """One batch; returns its loss."""
        recipe = self.recipe
        x = augmented(self._x[:, rows], recipe, self.task.encoding, self._rng)
        y = self._y[rows] if len(self._y) == self._x.shape[1] and not self.task.per_step else self._y[:, rows]
        if on_chip and self._pool is not None:
            outputs = on_chips(self.model, x, self._pool, chips=recipe.groups, generator=self._rng)
        else:
            outputs = self.model(x)
        loss = self.task.loss(outputs, y)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimiser.step()
        self._schedule.step()
        self.model.keep_in_range(recipe.lowest_threshold, recipe.largest_weight)
        return float(loss.detach())

    def _refresh(self, epoch: int, share: float) -> str:
        """Draw chips of the present network if it is time; returns why the old ones stay, if they do."""
        if self._pool is not None and epoch % self.recipe.refresh:
            return ""
        draws = 0 if self._mapped is None else self._mapped["draws"] + 1
        try:
            self._draw(draws, share)
        except MappingError as problem:
            if self._pool is None:
                raise
            return f"the network does not map, so the chips are those of an earlier epoch: {problem}"
        self._mapped = {"state": copy.deepcopy(self.model.state_dict()), "draws": draws, "share": share}
        return ""

    def _draw(self, draws: int, share: float) -> None:
        if self._pool is None:
            self._pool = ChipPool(
                self.hardware, self.model, chips=self.recipe.chips, seed=self.recipe.seed, encoding=self.task.encoding
            )
        self._pool.draws = draws
        self._pool.draw(self.model, share)

    def _digital(self) -> float:
        truth = self.task.validation.truth
        assert truth is not None
        with torch.no_grad():
            x = torch.tensor(self.task.validation.x, dtype=self._x.dtype)
            return self.task.metric.score(self.model(x).double().numpy(), truth)

    def _on_chips(self) -> tuple[float, str]:
        """The mean score over the selection's chips, and why there is none."""
        try:
            return float(self.scores(self._network(), self.recipe.select_chips).mean()), ""
        except MappingError as problem:
            return math.nan, f"the network does not map, so it can't be selected: {problem}"

    def scores(self, network: Network, chips: int) -> np.ndarray:
        """(chips,) scores of `network` on validation clips, on fresh chips with noise that no training meets."""
        truth = self.task.validation.truth
        assert truth is not None
        seed = training_seed(self.recipe.seed, "selection")
        study = run_monte_carlo(
            self.hardware.map(network),
            self.task.validation.x,
            Goal(truth, self.task.metric),
            chips,
            Variability(seed=seed),
        )
        return np.asarray(study.score)

    def _plan(self) -> str:
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in self.model.state_dict().items())
        data = f"{tuple(self._x.shape)} sum {float(self._x.double().sum())!r}"
        return f"{self.recipe.text()}; {self.hardware}; {shapes}; {data}"

    def _state(self) -> dict[str, Any]:
        return {
            "plan": self._plan(),
            "model": self.model.state_dict(),
            "kept": self._kept,
            "best": list(self._best),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "random": self._rng.get_state(),
            "mapped": self._mapped,
            "epochs": [asdict(epoch) for epoch in self._epochs],
        }

    def _restore(self, state: dict[str, Any]) -> None:
        if state["plan"] != self._plan():
            raise CheckpointError(
                f"{self.checkpoint} is the checkpoint of another training: its network, data, hardware or recipe "
                "differs. Repeat that command to continue it, or remove the file to start anew."
            )
        self._mapped = state["mapped"]
        if self._mapped is not None:  # the chips of the last map, drawn again
            self.model.load_state_dict(self._mapped["state"])
            self._draw(self._mapped["draws"], self._mapped["share"])
        self.model.load_state_dict(state["model"])
        self._kept, self._best = state["kept"], (state["best"][0], state["best"][1])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self._rng.set_state(state["random"])
        self._epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        self._began -= self._epochs[-1].seconds
