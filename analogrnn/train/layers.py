"""The trainable recurrent layer and the hardware's imperfections that it can be trained with.

One chip is one draw: each stage of each ladder shifts its window, each weight and each output step is off by a
relative error, and the candidate is noisy. A fresh draw for each batch makes the network depend on no single threshold.

Source  recurrence: Brandoit et al., arXiv 2605.11855; mismatch moves a comparator's window far more than it widens it
        (our transistor circuits). Not modelled: drift in a hold, window width errors, correlation between stages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from analogrnn.errors import MissingDependencyError, ParameterError, in_range
from analogrnn.train import NO_TORCH
from analogrnn.train.surrogate import Ladder, ladder_states

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error


@dataclass(frozen=True)
class Variability:
    """How far a chip is from what was meant; all are standard deviations of Gaussians.

    threshold  window shift of a stage, relative to its unit's threshold
    weight     relative error of each weight and bias
    output     relative error of each output step
    noise      added to each candidate at each step, in the network's units
    """

    threshold: float = 0.0
    weight: float = 0.0
    output: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("threshold", "weight", "output", "noise"):
            in_range(f"Variability.{name}", getattr(self, name), 0.0, 1.0)

    def __bool__(self) -> bool:
        return any((self.threshold, self.weight, self.output, self.noise))


class CellChip(NamedTuple):
    """One draw for a recurrent layer.

    offset (stages, B or 1, d) in thresholds; steps (stages, B or 1, d) relative errors of the output steps;
    weight (d, D + 1) factors of the weights and, last, of the bias; noise (T, B, d) added to the candidates.
    """

    offset: Tensor
    steps: Tensor
    weight: Tensor
    noise: Tensor | None


class Start(NamedTuple):
    """Where training starts: alpha, and thresholds drawn evenly between two values.

    Candidates start with a spread of 1, so thresholds of 2 to 3 move a level every few steps: on a short ladder lower
    ones spend the sequence at its ends, where a push has no gradient.
    """

    alpha: float = 1.0
    lowest: float = 2.0
    highest: float = 3.0


class CmruLayer(nn.Module):
    """c = W x + b_c, constant thresholds |threshold| per unit, h = alpha s on a ladder of levels.

    alpha is kept positive by learning its logarithm. `kind` and the state_dict follow `analogrnn.network.Cmru`.
    """

    kind = "cmru"

    def __init__(self, inputs: int, width: int, ladder: Ladder, start: Start, generator: torch.Generator) -> None:
        super().__init__()
        in_range("CmruLayer.eps", ladder.eps, 0.0, 1.0, hint="0 is the BMRU, 1 the CMRU")
        self.ladder = ladder
        self.weight = nn.Parameter(torch.randn(width, inputs, generator=generator) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(width))
        spread = start.highest - start.lowest
        self.threshold = nn.Parameter(start.lowest + spread * torch.rand(width, generator=generator))
        self.log_alpha = nn.Parameter(torch.full((width,), float(start.alpha)).log())
        self.initial: Tensor
        self.register_buffer("initial", torch.full((width,), 0.0 if ladder.eps > 0.0 else -1.0))

    @property
    def alpha(self) -> Tensor:
        return self.log_alpha.exp()

    def candidates(self, x: Tensor, chip: CellChip | None = None) -> Tensor:
        """c (T, B, d) of inputs x (T, B, D)."""
        if chip is None:
            return nn.functional.linear(x, self.weight, self.bias)
        c = nn.functional.linear(x, self.weight * chip.weight[:, :-1], self.bias * chip.weight[:, -1])
        return c if chip.noise is None else c + chip.noise

    def states(self, c: Tensor, chip: CellChip | None = None) -> Tensor:
        """Levels (T, B, d)."""
        offset = None if chip is None else chip.offset
        return ladder_states(c, self.threshold.abs(), self.initial, self.ladder, offset)

    def outputs(self, s: Tensor, chip: CellChip | None = None) -> Tensor:
        """h = alpha s; on a chip each stage that is on contributes its own step."""
        if chip is None or self.ladder.stages == 1:
            return self.alpha * (s if chip is None else s * (1.0 + chip.steps[0]))
        sums = torch.cat([torch.zeros_like(chip.steps[:1]), chip.steps.cumsum(0)])
        rows = (s.detach() - (self.ladder.k_min or 0)).long()
        # the levels below zero are the offset that all-OFF stands for: it is a current of its own, taken as exact
        return self.alpha * (s + sums.expand(-1, *s.shape[1:]).gather(0, rows))

    def forward(self, x: Tensor, chip: CellChip | None = None) -> Tensor:
        return self.outputs(self.states(self.candidates(x, chip), chip), chip)

    def draw(
        self, amount: Variability, steps: int, batch: int, generator: torch.Generator, *, shared: bool = False
    ) -> CellChip:
        """A fresh chip. `shared`: one chip for the whole batch; else each sample meets its own stages."""
        if self.ladder.eps == 1.0 and self.ladder.k_max is None:
            raise ParameterError("CmruLayer.draw needs a finite ladder: give k_min and k_max.")
        width, inputs = self.weight.shape
        stages = (self.ladder.stages, 1 if shared else batch, width)

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=self.weight.dtype)

        noise = amount.noise * normal(steps, batch, width) if amount.noise else None
        return CellChip(
            amount.threshold * normal(*stages),
            amount.output * normal(*stages),
            1.0 + amount.weight * normal(width, inputs + 1),
            noise,
        )


class CmruClassifier(nn.Module):
    """Recurrent layer, last step, linear readout: what the shipped networks are."""

    def __init__(self, shape: Sequence[int], ladder: Ladder, start: Start, generator: torch.Generator) -> None:
        """`shape` = (inputs, units, classes)."""
        super().__init__()
        inputs, width, classes = shape
        self.cell = CmruLayer(inputs, width, ladder, start, generator)
        self.readout = nn.Linear(width, classes)
        with torch.no_grad():
            self.readout.weight.copy_(torch.randn(classes, width, generator=generator) / width**0.5)
            self.readout.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of x (T, B, D)."""
        return self.logits(self.cell.candidates(x))

    def logits(self, c: Tensor) -> Tensor:
        """Logits from the candidates of perfect cells."""
        h: Tensor = self.readout(self.cell.outputs(self.cell.states(c)[-1:])[0])
        return h

    def on_chip(self, x: Tensor, amount: Variability, generator: torch.Generator, *, shared: bool = False) -> Tensor:
        """Logits of x on a fresh chip."""
        chip = self.cell.draw(amount, x.shape[0], x.shape[1], generator, shared=shared)
        h = self.cell.outputs(self.cell.states(self.cell.candidates(x, chip), chip)[-1:], chip)[0]
        size = self.readout.weight.shape
        off = 1.0 + amount.weight * torch.randn(size[0], size[1] + 1, generator=generator, dtype=h.dtype)
        return nn.functional.linear(h, self.readout.weight * off[:, :-1], self.readout.bias * off[:, -1])

    @torch.no_grad()
    def keep_in_range(self, lowest_threshold: float, largest_weight: float) -> None:
        """Bring every parameter back to what a circuit can set."""
        self.cell.threshold.copy_(self.cell.threshold.abs().clamp_min(lowest_threshold))
        for weights in (self.cell.weight, self.cell.bias, self.readout.weight, self.readout.bias):
            weights.clamp_(-largest_weight, largest_weight)
