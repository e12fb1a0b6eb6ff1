"""States of recurrent cells as differentiable operations: compiled kernels on the CPU, plain torch elsewhere.

Both ways give the same states to the last bit and the same gradients to rounding; see `kernels.trained_cells` for the
model and for the surrogate gradient.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from analogrnn.errors import MissingDependencyError
from analogrnn.train import NO_TORCH

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error


class CellRule(NamedTuple):
    """Constants of a cell: eps, the width of the surrogate, and whether the compiled kernels may be used."""

    eps: float = 1.0
    width: float = 0.3
    compiled: bool = True


class TableRule(NamedTuple):
    """Constants of ladders on tables: a candidate that returns to zero, one bistable stage, the surrogate's width."""

    rest: bool = True
    single: bool = False
    width: float = 0.3
    compiled: bool = True


def cell_states(c: Tensor, b: Tensor, bounds: Tensor, start: Tensor, rule: CellRule) -> Tensor:
    """States (T, B, d) of CMRU or BMRU cells, differentiable in the candidates and the thresholds.

    c (T, B, d) candidates; b (d,) or (T, B, d) thresholds, compared by magnitude; bounds (2, d) lowest and highest
    state, which may be infinite; start (d,) states before the first step.
    """
    states: Tensor = _Cells.apply(c, b if b.dim() == 3 else b[None, None], bounds.to(c.dtype), start.to(c.dtype), rule)  # type: ignore[no-untyped-call]
    return states


def table_states(c: Tensor, up: Tensor, down: Tensor, chip: Tensor, start: Tensor, rule: TableRule) -> Tensor:
    """Stages ON (T, B, d) of ladders with thresholds of their own per chip, differentiable in c, up and down.

    c (T, B, d) candidates; up, down (C, d, N) thresholds; chip (B,) the chip of each sample; start (B, d) int64.
    """
    states: Tensor = _Tables.apply(c, up, down, chip, start, rule)  # type: ignore[no-untyped-call]
    return states


def _uses_kernels(c: Tensor, rule: CellRule | TableRule) -> bool:
    return rule.compiled and c.device.type == "cpu"


def _array(value: Tensor) -> np.ndarray:
    found: np.ndarray = value.detach().contiguous().numpy()
    return found


class _Cells(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, c: Tensor, b: Tensor, bounds: Tensor, start: Tensor, rule: CellRule) -> Tensor:
        ctx.rule, b = rule, b.to(c.dtype)
        if _uses_kernels(c, rule):
            from analogrnn.kernels.trained_cells import cmru_forward  # noqa: PLC0415 (numba costs half a second)

            states = torch.empty_like(c, memory_format=torch.contiguous_format)
            cmru_forward(
                _array(c), _array(b), c.new_tensor(rule.eps).numpy()[()], _array(bounds), _array(start), states.numpy()
            )
        else:
            state = start.expand(c.shape[1:])
            update, direction, every = c.abs() >= b.abs(), c.sign(), []
            for t in range(len(c)):
                moved = (direction[t] + rule.eps * state).clamp(bounds[0], bounds[1])
                state = torch.where(update[t], moved, state)
                every.append(state)
            states = torch.stack(every)
        ctx.save_for_backward(c, b, bounds, start, states)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        c, b, bounds, start, states = ctx.saved_tensors
        rule: CellRule = ctx.rule
        if _uses_kernels(c, rule):
            from analogrnn.kernels.trained_cells import cmru_backward  # noqa: PLC0415

            gc, gb = torch.zeros_like(c, memory_format=torch.contiguous_format), torch.zeros_like(b)
            arrays = [_array(a) for a in (bounds, start, states)]
            eps, width = (c.new_tensor(a).numpy()[()] for a in (rule.eps, rule.width))
            cmru_backward(_array(grads[0]), _array(c), _array(b), eps, *arrays, width, gc.numpy(), gb.numpy())
            return gc, gb, None, None, None
        before = torch.cat([start.expand(c.shape[1:])[None], states[:-1]])
        above, below = c - b.abs(), -b.abs() - c
        up, down = above >= 0, below >= 0
        keep = torch.ones_like(c).masked_fill(up | down, rule.eps)
        moved = keep * before + up.to(c.dtype) - down.to(c.dtype)
        free = ((moved >= bounds[0]) & (moved <= bounds[1])).to(c.dtype)
        total = torch.empty_like(c)  # d loss / d state, through this step and all later ones
        later = torch.zeros_like(c[0])
        for t in range(len(c) - 1, -1, -1):
            total[t] = (grads[0][t] + later) * free[t]
            later = total[t] * keep[t]
        leak = (1.0 - rule.eps) * before
        by_up = total * slope(above, rule.width) * (1.0 - leak)
        by_down = total * slope(below, rule.width) * (1.0 + leak)
        gb = (by_down - by_up) * torch.where(b < 0, -1.0, 1.0).to(c.dtype)
        return by_up + by_down, gb.sum_to_size(b.shape), None, None, None


class _Tables(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        c, up, down, chip, start, rule = given
        ctx.rule = rule
        if _uses_kernels(c, rule):
            from analogrnn.kernels.trained_cells import table_forward  # noqa: PLC0415

            states = torch.empty_like(c, memory_format=torch.contiguous_format)
            arrays = [_array(a) for a in (c, up, down, chip)]
            table_forward(*arrays, rule.rest, _array(start), states.numpy())
        else:
            states = _plain_tables(c, up, down, chip, start, rule)
        ctx.save_for_backward(c, up, down, chip, start, states)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        c, up, down, chip, start, states = ctx.saved_tensors
        rule: TableRule = ctx.rule
        if not _uses_kernels(c, rule):
            return (*_plain_gradients(grads[0], (c, up, down, chip, start, states), rule), None, None, None)
        from analogrnn.kernels.trained_cells import table_backward  # noqa: PLC0415

        gc, gup, gdown = torch.zeros_like(c), torch.zeros_like(up), torch.zeros_like(down)
        arrays = [_array(a) for a in (grads[0], c, up, down, chip, start, states)]
        width = c.new_tensor(rule.width).numpy()[()]
        table_backward(*arrays, rule.single, width, gc.numpy(), gup.numpy(), gdown.numpy())
        return gc, gup, gdown, None, None, None


def slope(x: Tensor, width: float) -> Tensor:
    """The surrogate of dH/dx: its integral over all x is 2, and its height is 1 / width."""
    return 1.0 / (width * (1.0 + (x * (math.pi / (2.0 * width))).square()))


def _met(up: Tensor, down: Tensor, chip: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """(B, d) the thresholds above and below the stages ON `k` (B, d); inf and -inf where there is no stage."""
    none = torch.full_like(up[:, :, :1], math.inf)
    above, below = torch.cat([up, none], dim=2), torch.cat([-none, down], dim=2)
    cell = torch.arange(k.shape[1], device=k.device)
    return above[chip[:, None], cell, k], below[chip[:, None], cell, k]


def _plain_tables(c: Tensor, up: Tensor, down: Tensor, chip: Tensor, start: Tensor, rule: TableRule) -> Tensor:
    k, every = start, []
    for t in range(len(c)):
        above, below = _met(up, down, chip, k)
        rise, fall = c[t] - above, below - c[t]
        passed = (rise >= 0) | (fall >= 0)
        k = k + (passed & (rise > fall)).long() - (passed & (fall > rise)).long()
        if rule.rest:
            above, below = _met(up, down, chip, k)
            k = k + torch.where(above < 0, 1, torch.where(below > 0, -1, 0))
        every.append(k)
    return torch.stack(every).to(c.dtype)


def _plain_gradients(g: Tensor, saved: tuple[Tensor, ...], rule: TableRule) -> tuple[Tensor, Tensor, Tensor]:
    c, up, down, chip, start, states = saved
    gc, gup, gdown = torch.zeros_like(c), torch.zeros_like(up), torch.zeros_like(down)
    total = torch.zeros_like(c[0])
    cell = torch.arange(c.shape[2], device=c.device).expand(c.shape[1:])
    chips = chip[:, None].expand(c.shape[1:])
    for t in range(len(c) - 1, -1, -1):
        total = total + g[t]
        k = states[t - 1].long() if t > 0 else start
        above, below = _met(up, down, chip, k)
        # the end's own threshold, beyond which a push is cut off
        last, first = up[chips, cell, (k - 1).clamp(min=0)], down[chips, cell, torch.zeros_like(k)]
        top = torch.isposinf(above)
        beyond = (top & (k > 0) & (c[t] > last)) | ((k == 0) & (c[t] < first))
        total = total.masked_fill(beyond, 0.0)
        rise, fall = c[t] - above, below - c[t]
        slope_up = slope(rise, rule.width).masked_fill(top, 0.0)
        slope_down = slope(fall, rule.width).masked_fill(torch.isneginf(below), 0.0)
        gc[t] = total * (slope_up + slope_down)
        for table, part, row in ((gup, slope_up, k.clamp(max=up.shape[2] - 1)), (gdown, slope_down, (k - 1).clamp(0))):
            table.index_put_((chips, cell, row), -total * part, accumulate=True)
        if rule.single:
            total = total.masked_fill((rise >= 0) | (fall >= 0), 0.0)
    return gc, gup, gdown
