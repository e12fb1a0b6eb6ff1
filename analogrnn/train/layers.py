"""The trainable recurrent layer, and the hardware errors with which it can be trained.

A chip is one draw: the window of each stage is shifted, each weight and each output step has a relative error, and
candidates are noisy. Each batch draws a new chip, so that the network does not rely on exact thresholds.

Not     drift during a hold, errors of window widths, correlation between stages
Source  recurrence: Brandoit et al., arXiv 2605.11855; mismatch shifts a comparator's window far more than it changes
        its width (our transistor circuits)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from analogrnn.errors import MissingDependencyError, ParameterError, in_range
from analogrnn.train import NO_TORCH
from analogrnn.train.surrogate import LadderShape, ladder_states

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error


@dataclass(frozen=True)
class HardwareErrors:
    """Standard deviations of the Gaussian errors of a chip. Raises ParameterError for a value outside [0, 1].

    threshold  window shift of a stage, relative to the threshold of its unit
    weight     relative error of each weight and bias
    output     relative error of each output step
    noise      noise added to each candidate at each step, in units of the network
    """

    threshold: float = 0.0
    weight: float = 0.0
    output: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("threshold", "weight", "output", "noise"):
            in_range(f"HardwareErrors.{name}", getattr(self, name), 0.0, 1.0)

    def __bool__(self) -> bool:
        return any((self.threshold, self.weight, self.output, self.noise))


class CellChip(NamedTuple):
    """One draw of hardware errors for a recurrent layer.

    offset  (stages, B or 1, d)  shift of each stage's window, in units of its threshold
    steps   (stages, B or 1, d)  relative errors of the output steps
    weight  (d, D + 1)           factors of the weights and, in the last column, of the bias
    noise   (T, B, d)            added to the candidates; None without noise
    """

    offset: Tensor
    steps: Tensor
    weight: Tensor
    noise: Tensor | None


class Start(NamedTuple):
    """Initial values: alpha, and thresholds drawn uniformly from `lowest` to `highest`.

    Initial candidates have a standard deviation of 1, so that with thresholds of 2 to 3 a level moves every few steps.
    With lower thresholds a short ladder saturates, and updates at its ends have no gradient.
    """

    alpha: float = 1.0
    lowest: float = 2.0
    highest: float = 3.0


class CmruLayer(nn.Module):
    """c = W x + b_c, a constant threshold |threshold| per unit, h = alpha s on a ladder of levels.

    The logarithm of alpha is learned, so that alpha stays positive. `kind` and the names of parameters are those of
    `analogrnn.network.Cmru`. Raises ParameterError for eps outside [0, 1].
    """

    kind = "cmru"

    def __init__(self, inputs: int, width: int, ladder: LadderShape, start: Start, generator: torch.Generator) -> None:
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
        """Candidates c (T, B, d) of inputs x (T, B, D)."""
        if chip is None:
            return nn.functional.linear(x, self.weight, self.bias)
        c = nn.functional.linear(x, self.weight * chip.weight[:, :-1], self.bias * chip.weight[:, -1])
        return c if chip.noise is None else c + chip.noise

    def states(self, c: Tensor, chip: CellChip | None = None) -> Tensor:
        """Levels (T, B, d) for candidates c (T, B, d)."""
        offset = None if chip is None else chip.offset
        return ladder_states(c, self.threshold.abs(), self.initial, self.ladder, offset)

    def outputs(self, s: Tensor, chip: CellChip | None = None) -> Tensor:
        """Outputs h = alpha s (T, B, d); on a chip, each stage that is ON contributes a step with its own error."""
        if chip is None or self.ladder.stages == 1:
            return self.alpha * (s if chip is None else s * (1.0 + chip.steps[0]))
        sums = torch.cat([torch.zeros_like(chip.steps[:1]), chip.steps.cumsum(0)])
        rows = (s.detach() - (self.ladder.k_min or 0)).long()
        # all-OFF represents the lowest level, a separate offset current that is assumed exact
        return self.alpha * (s + sums.expand(-1, *s.shape[1:]).gather(0, rows))

    def forward(self, x: Tensor, chip: CellChip | None = None) -> Tensor:
        return self.outputs(self.states(self.candidates(x, chip), chip), chip)

    def draw(
        self, amount: HardwareErrors, steps: int, batch: int, generator: torch.Generator, *, shared: bool = False
    ) -> CellChip:
        """Draw a new chip for `steps` steps and `batch` samples.

        shared  one chip for the whole batch; else each sample has stages of its own

        Raises ParameterError if the ladder is not finite.
        """
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
    """Recurrent layer, last step, linear readout: the architecture of the shipped networks."""

    def __init__(self, shape: Sequence[int], ladder: LadderShape, start: Start, generator: torch.Generator) -> None:
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
        """Logits (B, classes) from candidates c (T, B, d), without hardware errors."""
        h: Tensor = self.readout(self.cell.outputs(self.cell.states(c)[-1:])[0])
        return h

    def on_chip(self, x: Tensor, amount: HardwareErrors, generator: torch.Generator, *, shared: bool = False) -> Tensor:
        """Logits (B, classes) of x (T, B, D) on a new chip."""
        chip = self.cell.draw(amount, x.shape[0], x.shape[1], generator, shared=shared)
        h = self.cell.outputs(self.cell.states(self.cell.candidates(x, chip), chip)[-1:], chip)[0]
        size = self.readout.weight.shape
        off = 1.0 + amount.weight * torch.randn(size[0], size[1] + 1, generator=generator, dtype=h.dtype)
        return nn.functional.linear(h, self.readout.weight * off[:, :-1], self.readout.bias * off[:, -1])

    @torch.no_grad()
    def keep_in_range(self, lowest_threshold: float, largest_weight: float) -> None:
        """Clamp every parameter to the range that a circuit can implement."""
        self.cell.threshold.copy_(self.cell.threshold.abs().clamp_min(lowest_threshold))
        for weights in (self.cell.weight, self.cell.bias, self.readout.weight, self.readout.bias):
            weights.clamp_(-largest_weight, largest_weight)
