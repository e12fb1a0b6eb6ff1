"""The ladder of levels as one differentiable operation: exact steps in the forward pass, a surrogate gradient backward.

Model   up = H(c - b (1 + e_k)),  down = H(-b (1 - e_{k-1}) - c) at the present level k, e = 0 without mismatch;
        s' = clip(a s + up - down, k_min, k_max),  a = eps at an update, else 1
Slope   H'(x) is replaced by 1 / (w (1 + (pi x / 2 w)^2)), the derivative of an arctangent of width w, at BOTH
        thresholds. Everything else has its true derivative, which is zero where the end of the ladder prevents a move
Valid   candidates that are constant within a step
Source  Brandoit et al., arXiv 2605.11855 (recurrence; H'(x) = 1/(1 + (pi x)^2), the case w = 1/2 up to a factor)
"""

import math
from typing import Any, NamedTuple

from analogrnn.errors import MissingDependencyError
from analogrnn.train import NO_TORCH

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error


class LadderShape(NamedTuple):
    """Constants of a ladder in training: eps in [0, 1], the end levels (None = unbounded), width of the surrogate."""

    eps: float = 1.0
    k_min: int | None = None
    k_max: int | None = None
    width: float = 0.5

    @property
    def stages(self) -> int:
        """Number of stages per unit: k_max - k_min at eps = 1; 1 if eps < 1 or the ladder is unbounded."""
        if self.eps < 1.0 or self.k_min is None or self.k_max is None:
            return 1
        return self.k_max - self.k_min

    def clip(self, s: Tensor) -> Tensor:
        """`s` clamped to the end levels."""
        if self.k_min is None and self.k_max is None:
            return s
        return s.clamp(self.k_min, self.k_max)


def slope(x: Tensor, width: float) -> Tensor:
    """The surrogate of dH/dx: its integral over all x is 2, and its height is 1 / width."""
    return 1.0 / (width * (1.0 + (x * (math.pi / (2.0 * width))).square()))


def ladder_states(c: Tensor, b: Tensor, s0: Tensor, ladder: LadderShape, offset: Tensor | None = None) -> Tensor:
    """Return the states (T, B, d), differentiable in the candidates and the thresholds.

    c (T, B, d) candidates; b (d,) thresholds > 0; s0 (d,) initial states; offset (stages, 1 or B, d) shift of each
    stage's window in units of b, None for a perfect ladder.
    """
    states: Tensor = _LadderStates.apply(c, b, s0, ladder, offset)  # type: ignore[no-untyped-call]
    return states


class _LadderStates(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, c: Tensor, b: Tensor, s0: Tensor, ladder: LadderShape, offset: Tensor | None) -> Tensor:
        start = s0.to(c.dtype).expand(c.shape[1:])
        run = _perfect(c, b, start, ladder) if offset is None else _mismatched(c, b, start, ladder, offset)
        states, up_at, down_at = run
        ctx.save_for_backward(c, b, start, states, up_at, down_at)
        ctx.ladder = ladder
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        c, b, start, states, up_at, down_at = ctx.saved_tensors
        ladder: LadderShape = ctx.ladder
        before = torch.cat([start[None], states[:-1]])
        above, below = c - b * up_at, b * down_at - c  # distance beyond each threshold
        update = (above >= 0) | (below >= 0)
        keep = torch.ones_like(c).masked_fill(update, ladder.eps)
        free = _inside(keep * before + (above >= 0).to(c.dtype) - (below >= 0).to(c.dtype), ladder)
        carry = keep * free
        total = torch.empty_like(c)  # d loss / d state, through this step and all later ones
        total[-1] = grads[0][-1]
        for t in range(c.shape[0] - 2, -1, -1):
            total[t] = torch.addcmul(grads[0][t], carry[t + 1], total[t + 1])
        total *= free
        leak = (1.0 - ladder.eps) * before
        by_up = total * slope(above, ladder.width) * (1.0 - leak)
        by_down = total * slope(below, ladder.width) * (1.0 + leak)
        grad_b = (by_down * -down_at - by_up * up_at).sum((0, 1))
        return by_up + by_down, grad_b, None, None, None


def _perfect(c: Tensor, b: Tensor, state: Tensor, ladder: LadderShape) -> tuple[Tensor, Tensor, Tensor]:
    """States, and the thresholds at each step in units of b, without mismatch: all stages have the same thresholds."""
    up, down = c >= b, c <= -b
    move = up.to(c.dtype) - down.to(c.dtype)
    keep = torch.ones_like(c).masked_fill(up | down, ladder.eps)
    states = torch.empty_like(c)
    for t in range(c.shape[0]):
        state = ladder.clip(keep[t] * state + move[t])
        states[t] = state
    one = torch.ones((), dtype=c.dtype)
    return states, one, -one


def _mismatched(
    c: Tensor, b: Tensor, state: Tensor, ladder: LadderShape, offset: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The same with a shift per stage: row j is the stage between levels k_min + j and k_min + j + 1."""
    if len(offset) == 1 and ladder.stages == 1:
        return _perfect(c - b * offset[0], b, state, ladder)[0], 1.0 + offset, offset - 1.0
    none = torch.zeros_like(offset[:1])
    shape = (-1, *c.shape[1:])
    up_table = (1.0 + torch.cat([offset, none])).expand(shape)  # from level k up: the stage above
    down_table = (torch.cat([none, offset]) - 1.0).expand(shape)  # from level k down: the stage below
    states, up_at, down_at = torch.empty_like(c), torch.empty_like(c), torch.empty_like(c)
    for t in range(c.shape[0]):
        row = (state - (ladder.k_min or 0)).long()[None]
        up_at[t] = up_table.gather(0, row)[0]
        down_at[t] = down_table.gather(0, row)[0]
        move = (c[t] >= b * up_at[t]).to(c.dtype) - (c[t] <= b * down_at[t]).to(c.dtype)
        state = ladder.clip(state + move)
        states[t] = state
    return states, up_at, down_at


def _inside(s: Tensor, ladder: LadderShape) -> Tensor:
    return (ladder.clip(s) == s).to(s.dtype)
