"""Recurrent cells as torch modules, time first: inputs (T, B, D), outputs (T, B, d).

Parameters and buffers have the names and the values of the fields of `analogrnn.network`, so that a `state_dict`
imports as it is. Sizes come first, as in torch.nn.

Source  Brandoit et al., arXiv 2605.11855 (CMRU, BMRU); Fyon et al., arXiv 2605.15216 (first quadrant)
"""

import math

from analogrnn.errors import MissingDependencyError, ParameterError, in_range
from analogrnn.train import NO_TORCH
from analogrnn.train.states import CellRule, TableRule, cell_states, table_states

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error

LEAST_ALPHA = 0.05  # of `keep_in_range`: an output mirror of a smaller ratio is small for its current


class CMRU(nn.Module):
    """Cumulative memory unit: |c| >= |b| moves the state, s = clip(sign(c) + eps s, k_min, k_max); h = alpha s.

    c = weight x + bias. b is the constant `threshold`, or threshold_weight x + threshold with `input_dependent`; with
    `floor`, b is at least that. Thresholds start uniform in `thresholds`, states at `start`: `off` is the lowest level,
    `middle` is 0.

    >>> cell = train.CMRU(14, 32, k_min=-4, k_max=4, start="off")

    Raises ParameterError for eps outside [0, 1], for ends that cross, and for another start.
    """

    def __init__(  # noqa: PLR0913 (constants of a cell, all with defaults and by name)
        self,
        input_size: int,
        hidden_size: int,
        *,
        eps: float = 1.0,
        k_min: int | None = -4,
        k_max: int | None = 4,
        start: str = "middle",
        thresholds: tuple[float, float] = (1.0, 1.5),
        input_dependent: bool = False,
        floor: float | None = None,
        surrogate_width: float = 0.3,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        in_range("CMRU.eps", eps, 0.0, 1.0, hint="0 is the BMRU, 1 the CMRU")
        low, high = (-math.inf if k_min is None else k_min), (math.inf if k_max is None else k_max)
        if not low < high:
            raise ParameterError(f"CMRU.k_min = {low:g} is not below k_max = {high:g}.")
        if start not in ("off", "middle") or (start == "off" and math.isinf(low)):
            raise ParameterError(
                f"CMRU.start = {start!r}: give 'off', the lowest level of a finite ladder, or 'middle'."
            )
        self.eps, self.rule = eps, CellRule(eps, surrogate_width)
        self.weight = nn.Parameter(torch.randn(hidden_size, input_size, generator=generator) / input_size**0.5)
        self.bias = nn.Parameter(torch.zeros(hidden_size))
        drawn = torch.rand(hidden_size, generator=generator)
        self.threshold = nn.Parameter(thresholds[0] + (thresholds[1] - thresholds[0]) * drawn)
        self.alpha = nn.Parameter(torch.ones(hidden_size))
        gate = torch.zeros(hidden_size, input_size) if input_dependent else None
        self.threshold_weight: nn.Parameter | None = None if gate is None else nn.Parameter(gate)
        self.initial: Tensor
        self.bounds: Tensor
        self.threshold_floor: Tensor | None
        first = low if start == "off" else (0.0 if eps > 0.0 else -1.0)
        self.register_buffer("initial", torch.full((hidden_size,), float(first)))
        self.register_buffer("threshold_floor", None if floor is None else torch.full((hidden_size,), float(floor)))
        self.register_buffer("bounds", torch.tensor([low, high])[:, None].repeat(1, hidden_size), persistent=False)

    def candidates(self, x: Tensor) -> Tensor:
        """Candidates c (T, B, d) of inputs x (T, B, D)."""
        return nn.functional.linear(x, self.weight, self.bias)

    def thresholds(self, x: Tensor) -> Tensor:
        """Thresholds (d,), or (T, B, d) if they depend on the inputs; they act by their magnitude."""
        own: Tensor = self.threshold
        if self.threshold_weight is not None:
            own = nn.functional.linear(x, self.threshold_weight, self.threshold)
        return own if self.threshold_floor is None else torch.maximum(own.abs(), self.threshold_floor)

    def forward(self, x: Tensor) -> Tensor:
        return self.alpha * cell_states(self.candidates(x), self.thresholds(x), self.bounds, self.initial, self.rule)

    @torch.no_grad()
    def keep_in_range(self, lowest_threshold: float, largest_weight: float) -> None:
        """Clamp the parameters in place to what a circuit can implement."""
        if self.threshold_weight is None:
            self.threshold.copy_(self.threshold.abs().clamp_min(lowest_threshold))
        else:
            self.threshold_weight.clamp_(-largest_weight, largest_weight)
        self.alpha.clamp_min_(LEAST_ALPHA)
        for weights in (self.weight, self.bias):
            weights.clamp_(-largest_weight, largest_weight)


class BMRU(CMRU):
    """Bistable memory unit: the CMRU at eps = 0, with states -1 and 1.

    >>> cell = train.BMRU(14, 32)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        thresholds: tuple[float, float] = (1.0, 1.5),
        surrogate_width: float = 0.3,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            eps=0.0,
            k_min=-1,
            k_max=1,
            start="off",
            thresholds=thresholds,
            surrogate_width=surrogate_width,
            generator=generator,
        )


class FirstQuadrantBMRU(nn.Module):
    """BMRU with non-negative currents: h = alpha from b_hi up, 0 from b_lo down, held between. c = max(W x + b, 0).

    >>> cell = train.FirstQuadrantBMRU(14, 32)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        surrogate_width: float = 0.3,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.rule = TableRule(rest=False, single=True, width=surrogate_width)
        self.weight = nn.Parameter(torch.randn(hidden_size, input_size, generator=generator) / input_size**0.5)
        self.bias = nn.Parameter(torch.ones(hidden_size))
        self.b_lo = nn.Parameter(torch.full((hidden_size,), 0.5))
        self.b_hi = nn.Parameter(torch.full((hidden_size,), 1.5))
        self.alpha = nn.Parameter(torch.ones(hidden_size))
        self.initial: Tensor
        self.register_buffer("initial", torch.zeros(hidden_size))

    def candidates(self, x: Tensor) -> Tensor:
        """Candidates c >= 0 (T, B, d) of inputs x (T, B, D)."""
        return nn.functional.linear(x, self.weight, self.bias).relu()

    def forward(self, x: Tensor) -> Tensor:
        c = self.candidates(x)
        chip = torch.zeros(c.shape[1], dtype=torch.int64, device=c.device)
        start = self.initial.long().expand(c.shape[1:])
        up, down = self.b_hi[None, :, None], self.b_lo[None, :, None]
        return self.alpha * table_states(c, up, down, chip, start, self.rule)

    @torch.no_grad()
    def keep_in_range(self, lowest_threshold: float, largest_weight: float) -> None:
        """Clamp the parameters in place: b_lo and half of b_hi - b_lo are at least `lowest_threshold`."""
        self.b_lo.clamp_min_(lowest_threshold)
        self.b_hi.copy_(torch.maximum(self.b_hi, self.b_lo + 2.0 * lowest_threshold))
        self.alpha.clamp_min_(LEAST_ALPHA)
        for weights in (self.weight, self.bias):
            weights.clamp_(-largest_weight, largest_weight)


class AlphaCMRU(nn.Module):
    """CMRU whose step alpha_t = alpha_weight x + alpha_bias depends on the inputs. Digital: no ladder holds its states.

    h_t = z (alpha_t sign(c_t) + eps h_{t-1}) + (1 - z) h_{t-1}. Our hypothesis: we found no published equations.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        eps: float = 1.0,
        surrogate_width: float = 0.3,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.eps = in_range("AlphaCMRU.eps", eps, 0.0, 1.0)
        self.surrogate_width = surrogate_width
        self.weight = nn.Parameter(torch.randn(hidden_size, input_size, generator=generator) / input_size**0.5)
        self.bias = nn.Parameter(torch.zeros(hidden_size))
        self.threshold = nn.Parameter(1.0 + 0.5 * torch.rand(hidden_size, generator=generator))
        self.alpha_weight = nn.Parameter(torch.zeros(hidden_size, input_size))
        self.alpha_bias = nn.Parameter(torch.ones(hidden_size))

    def forward(self, x: Tensor) -> Tensor:
        c = nn.functional.linear(x, self.weight, self.bias)
        alpha = nn.functional.linear(x, self.alpha_weight, self.alpha_bias)
        # |c| - |b| is what the gate compares; its surrogate has the width of the other cells
        z = _Gate.apply(c.abs() - self.threshold.abs(), self.surrogate_width)  # type: ignore[no-untyped-call]
        step, h, every = alpha * c.sign(), torch.zeros_like(c[0]), []
        for t in range(len(c)):
            h = z[t] * (step[t] + self.eps * h) + (1.0 - z[t]) * h
            every.append(h)
        return torch.stack(every)


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, width: float) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x)
        ctx.width = width
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx, *grads: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def]
        (x,) = ctx.saved_tensors
        return grads[0] / (ctx.width * (1.0 + (x * (math.pi / (2.0 * ctx.width))).square())), None


class MinGRU(nn.Module):
    """Digital baseline: h = (1 - z) h + z (W_h x + b_h), z = sigmoid(W_z x + b_z).

    Source  Feng et al., "Were RNNs All We Needed?", arXiv 2410.01201
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.gate, self.value = nn.Linear(input_size, hidden_size), nn.Linear(input_size, hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        z, value = self.gate(x).sigmoid(), self.value(x)
        h, every = torch.zeros_like(value[0]), []
        for t in range(len(x)):
            h = (1.0 - z[t]) * h + z[t] * value[t]
            every.append(h)
        return torch.stack(every)


class Pooling(nn.Module):
    """Reduce the steps: the `last` one, the `mean`, or the `vote`, the share of the steps at which an output wins.

    In training mode a vote is the mean of the softmax, which has a gradient.
    """

    def __init__(self, mode: str = "last") -> None:
        super().__init__()
        if mode not in ("last", "mean", "vote"):
            raise ParameterError(f"Pooling.mode = {mode!r} is unknown: use 'last', 'mean' or 'vote'.")
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        if self.mode == "last":
            return x[-1]
        if self.mode == "mean":
            return x.mean(0)
        if self.training:
            return x.softmax(-1).mean(0)
        return nn.functional.one_hot(x.argmax(-1), x.shape[-1]).to(x.dtype).mean(0)


class Scale(nn.Module):
    """y = scale x + shift, feature by feature."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift
