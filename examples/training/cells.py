"""The published memory cells in plain torch, with their surrogate gradients.

Cumulative unit (CMRU)  c = W x + b,  threshold |W_b x + b_b|,  s_t = s_{t-1} + H(c - |b|) - H(-c - |b|),  h = alpha s
First-quadrant BMRU     c = max(W x + b, 0),  s = 1 at c >= b_hi, 0 at c <= b_lo, held between,  h = alpha s
Slope                   H'(x) is replaced by 1 / (w (1 + (pi x / 2 w)^2)) at both thresholds
Sources                 Brandoit et al., arXiv 2605.11855; Fyon et al., arXiv 2605.15216

The names in `state_dict()` are those of the attributes here. x is (T, B, D), time first.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn


class _Heaviside(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, width: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.width = width
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return grad / (ctx.width * (1.0 + (x * (math.pi / (2.0 * ctx.width))).square())), None


def heaviside(x: Tensor, width: float) -> Tensor:
    """1 where x >= 0, else 0; backwards with a surrogate slope of height 1 / width."""
    result: Tensor = _Heaviside.apply(x, width)
    return result


class _LadderStates(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, moves: Tensor, limit: int) -> Tensor:
        given = moves.detach().numpy()
        states, free, state = np.empty_like(given), np.empty_like(given), np.zeros_like(given[0])
        for t, move in enumerate(given):
            wanted = state + move
            state = np.clip(wanted, -limit, limit)
            states[t], free[t] = state, wanted == state
        ctx.free = free
        return torch.from_numpy(states)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        given, out = grad.numpy(), np.empty_like(ctx.free)
        total = np.zeros_like(given[0])  # d loss / d state, through this step and all later ones
        for t in range(len(given) - 1, -1, -1):
            total = (total + given[t]) * ctx.free[t]
            out[t] = total
        return torch.from_numpy(out), None


def ladder_states(moves: Tensor, limit: int) -> Tensor:
    """Levels (T, B, d) from 0 on a ladder of -limit..limit; the gradient through its ends is the true one, zero."""
    result: Tensor = _LadderStates.apply(moves, limit)
    return result


class Seen(NamedTuple):
    """What the last forward pass of a cell computed: candidates and thresholds, each (T, B, d)."""

    candidates: Tensor
    thresholds: Tensor


class Cmru(nn.Module):
    """A cumulative unit (eps = 1) as published: thresholds that depend on the inputs, a learned real initial state.

    dependent  thresholds |W_b x + b_b|; else a constant |b_b| per unit
    limit      None: unbounded, as published; N: a ladder of the levels -N..N
    bias       candidates and thresholds have a bias; without it they have weights only
    slope      width w of the surrogate slope
    """

    START = (
        2.0  # of the threshold bias: candidates have a standard deviation of 1, so that a level moves every few steps
    )

    def __init__(
        self,
        inputs: int,
        width: int,
        *,
        dependent: bool = True,
        limit: int | None = None,
        bias: bool = True,
        slope: float = 0.5,
    ) -> None:
        super().__init__()
        self.limit, self.slope, self.seen = limit, slope, None
        self.weight = nn.Parameter(torch.randn(width, inputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None
        self.threshold_weight = nn.Parameter(0.3 * torch.randn(width, inputs) / inputs**0.5) if dependent else None
        self.threshold = nn.Parameter(torch.full((width,), self.START)) if bias or not dependent else None
        self.alpha = nn.Parameter(torch.ones(width))
        # a ladder starts at a level; the published state starts anywhere
        self.initial = nn.Parameter(torch.randn(width).sign()) if limit is None else None
        self.seen: Seen | None

    def gates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Candidates and thresholds (T, B, d)."""
        c = nn.functional.linear(x, self.weight, self.bias)
        if self.threshold_weight is None:
            assert self.threshold is not None
            return c, self.threshold.abs().expand_as(c)
        return c, nn.functional.linear(x, self.threshold_weight, self.threshold).abs()

    def moves(self, x: Tensor) -> Tensor:
        """The move of each step (T, B, d): 1 up, -1 down, 0 hold."""
        c, b = self.gates(x)
        self.seen = Seen(c, b)
        return heaviside(c - b, self.slope) - heaviside(-c - b, self.slope)

    def states(self, moves: Tensor, limit: int | None) -> Tensor:
        """States (T, B, d) from the initial one; `limit` levels to each side of it."""
        start = 0.0 if self.initial is None else self.initial
        return start + (moves.cumsum(0) if limit is None else ladder_states(moves, limit))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs h (T, B, d) of inputs x (T, B, D)."""
        return self.alpha * self.states(self.moves(x), self.limit)


class SeparateCmru(Cmru):
    """The same cell with candidates and thresholds as two linear layers."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(inputs, width)
        del self.weight, self.bias, self.threshold_weight, self.threshold
        self.candidate, self.gate = nn.Linear(inputs, width), nn.Linear(inputs, width)
        with torch.no_grad():
            self.candidate.weight.normal_(0.0, inputs**-0.5)
            self.candidate.bias.zero_()
            self.gate.weight.normal_(0.0, 0.3 * inputs**-0.5)
            self.gate.bias.fill_(self.START)

    def gates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.candidate(x), self.gate(x).abs()


class _HysteresisStates(torch.autograd.Function):
    """s_t = set_t + (1 - set_t) (1 - reset_t) s_{t-1}, from 0, with its true gradients."""

    @staticmethod
    def forward(ctx: Any, set_: Tensor, reset: Tensor) -> Tensor:
        up, down = set_.detach().numpy(), reset.detach().numpy()
        states, state = np.empty_like(up), np.zeros_like(up[0])
        for t in range(len(up)):
            state = up[t] + (1.0 - up[t]) * (1.0 - down[t]) * state
            states[t] = state
        ctx.seen = up, down, states
        return torch.from_numpy(states)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        up, down, states = ctx.seen
        before = np.concatenate([np.zeros_like(states[:1]), states[:-1]])
        keep = (1.0 - up) * (1.0 - down)
        given, totals = grad.numpy(), np.empty_like(states)
        total = np.zeros_like(given[0])  # d loss / d state, through this step and all later ones
        for t in range(len(given) - 1, -1, -1):
            total = given[t] + (keep[t + 1] * total if t + 1 < len(given) else 0.0)
            totals[t] = total
        by_set, by_reset = totals * (1.0 - (1.0 - down) * before), -totals * (1.0 - up) * before
        return torch.from_numpy(by_set), torch.from_numpy(by_reset)


class FirstQuadrantBmru(nn.Module):
    """A bistable unit with non-negative currents and fixed thresholds; starts OFF."""

    LEAST_WINDOW, LEAST_LOW, LEAST_ALPHA = 0.4, 0.1, 0.2

    def __init__(self, inputs: int, width: int, *, slope: float = 0.5) -> None:
        super().__init__()
        self.slope = slope
        self.weight = nn.Parameter(torch.randn(width, inputs).abs() * 0.7)
        self.bias = nn.Parameter(torch.zeros(width))
        self.b_lo = nn.Parameter(torch.full((width,), 0.4))
        self.b_hi = nn.Parameter(torch.full((width,), 1.0))
        self.alpha = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs h (T, B, d) of inputs x (T, B, D)."""
        c = nn.functional.linear(x, self.weight, self.bias).relu()
        set_, reset = heaviside(c - self.b_hi, self.slope), heaviside(self.b_lo - c, self.slope)
        states: Tensor = _HysteresisStates.apply(set_, reset)
        return self.alpha * states

    @torch.no_grad()
    def keep_in_range(self) -> None:
        """Keep every threshold, window and output positive."""
        self.b_lo.clamp_(min=self.LEAST_LOW)
        self.b_hi.copy_(torch.maximum(self.b_hi, self.b_lo + self.LEAST_WINDOW))
        self.alpha.clamp_(min=self.LEAST_ALPHA)


class OneCell(nn.Module):
    """A cell, its last step or the mean over all steps, and a linear readout."""

    def __init__(self, cell: nn.Module, width: int, outputs: int, *, mean: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.mean = mean
        self.cell, self.readout = cell, nn.Linear(width, outputs, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (B, C) of x (T, B, D)."""
        h = self.cell(x)
        return self.readout(h.mean(0) if self.mean else h[-1])
