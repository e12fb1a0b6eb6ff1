"""Chips in training: a pool of real ones, drawn from the mapped present network, and a model evaluated on them.

A chip of the pool is kept as the relative deviations of `ChipFactory.relative`. With them its weights, thresholds and
outputs are functions of the model's parameters, so that gradients pass through the chip.

Model   the step level of `simulate`: shared rails, bias lines and input diodes, drift, presets that miss, noise
Not     the change of a deviation with the current at rest between two draws: deviations are those of the mapped network
"""

from dataclasses import dataclass

import numpy as np

from analogrnn.chip import ChipFactory
from analogrnn.design import Design, FeedForward, Ladder
from analogrnn.deviations import RelativeLayer
from analogrnn.errors import MissingDependencyError, ParameterError, in_range
from analogrnn.mismatch import RowFactors
from analogrnn.network import INPUT, InputEncoding
from analogrnn.streams import training_seed
from analogrnn.train import NO_TORCH
from analogrnn.train.circuit import CircuitRows, circuit_rows
from analogrnn.train.export import pruned
from analogrnn.train.hardware import Hardware
from analogrnn.train.model import as_model, to_model_network
from analogrnn.train.modules import CMRU, Pooling
from analogrnn.train.states import TableRule, table_states

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error


@dataclass(frozen=True, eq=False)
class _Factors:
    """RowFactors as tensors; see there."""

    gain: Tensor
    rest: Tensor
    passed: Tensor
    rail: Tensor
    bias: Tensor


@dataclass(frozen=True, eq=False)
class _Part:
    """RelativeLayer of some chips as tensors; see there."""

    rows: _Factors
    rise: Tensor
    fall: Tensor
    output: Tensor  # (C, d, N + 1), zero with all stages OFF
    start: Tensor
    noise: Tensor
    gate: _Factors | None
    soft: dict[str, Tensor] | None

    @classmethod
    def of(cls, found: RelativeLayer, dtype: torch.dtype) -> "_Part":
        def real(a: np.ndarray | None) -> Tensor:
            return torch.zeros(0) if a is None else torch.from_numpy(np.ascontiguousarray(a)).to(dtype)

        def rows(factors: RowFactors) -> _Factors:
            return _Factors(*(real(a) for a in vars(factors).values()))

        output = real(found.output)
        if found.output is not None:
            output = torch.cat([torch.zeros_like(output[:, :, :1]), output], dim=2)
        start = torch.zeros(0, dtype=torch.int64) if found.start is None else torch.from_numpy(found.start)
        soft = None if found.soft is None else {name: real(a) for name, a in vars(found.soft).items()}
        gate = None if found.gate is None else rows(found.gate)
        return cls(rows(found.rows), real(found.rise), real(found.fall), output, start, real(found.noise), gate, soft)


class ChipPool:
    """Chips of the present network in some hardware, under a training seed that no score uses.

    >>> pool = train.ChipPool(train.Hardware.of("4um"), model, encoding=encoding)

    hardware  a Hardware, or what `Hardware.of` takes
    model     a Model or a `torch.nn.Sequential` of layers that map
    chips     number of chips that are drawn at once
    seed      of the training
    encoding  of the network, whose clip bounds the inputs; or give the hardware an input_bound

    Raises MappingError, with the parameter, if the model does not map.
    """

    def __init__(
        self,
        hardware: Hardware | str,
        model: nn.Module,
        *,
        chips: int = 512,
        seed: int = 0,
        encoding: InputEncoding | None = None,
    ) -> None:
        self.hardware, self.encoding = Hardware.of(hardware), encoding
        self.chips = int(in_range("ChipPool.chips", chips, 1, 100_000))
        self.seed, self.draws = training_seed(seed, "chips"), 0
        self.design: Design
        self._parts: list[_Part]
        self.draw(model)

    def draw(self, model: nn.Module, scale: float = 1.0) -> None:
        """Map the model as it is now, with small weights pruned, and draw new chips; `scale` multiplies all mismatch.

        If the model does not map, the chips of the last map stay, and MappingError is raised.
        """
        own = as_model(model)
        self.design = self.hardware.map(pruned(to_model_network(own, encoding=self.encoding)))
        self.numbers = np.arange(self.draws * self.chips, (self.draws + 1) * self.chips, dtype=np.uint64)
        self.draws += 1
        dtype = next(own.parameters()).dtype
        relative = ChipFactory(self.design, self.seed, scale).relative(self.numbers)
        self._parts = [_Part.of(found, dtype) for found in relative]

    def part(self, j: int) -> "_Part":
        """Layer j of all chips."""
        return self._parts[j]


def on_chips(
    model: nn.Module,
    x: Tensor,
    pool: ChipPool,
    *,
    chips: int | Tensor = 32,
    generator: torch.Generator | None = None,
    noise: bool = True,
) -> Tensor:
    """Outputs of `model` for x (T, B, D) on chips of `pool`, as `model(x)` gives them without mismatch.

    >>> loss = torch.nn.functional.cross_entropy(train.on_chips(model, x, pool), labels)

    chips      the batch is spread over this many chips, drawn from the pool with `generator`; or (C,) int64, their rows
    noise      whether the noise of the cells is added to their candidates

    Raises ParameterError for what training on chips does not do, with the layer.
    """
    own = as_model(model)
    batch = x.shape[1]
    if isinstance(chips, int):
        chips = torch.randint(pool.chips, (min(chips, batch),), generator=generator)
    each = -(-batch // len(chips))
    clips = torch.arange(len(chips) * each) % batch  # the first clips fill up the last chip
    run = _Run(own, pool, chips, generator if noise else None, noise)
    return run.outputs(x if len(clips) == batch else x[:, clips])[..., :batch, :]


class _Run:
    """One batch on some chips; samples stand chip by chip."""

    def __init__(
        self, model: nn.Module, pool: ChipPool, chips: Tensor, generator: torch.Generator | None, noise: bool
    ) -> None:
        self.model, self.pool, self.design = as_model(model), pool, pool.design
        self.chips, self.generator, self.noise = chips, generator, noise

    def outputs(self, x: Tensor) -> Tensor:
        design, mode = self.design, self.design.pooling_mode if self.design.pooling else ""
        values, offsets = {INPUT: x}, {INPUT: torch.tensor(design.layers[0].synapses.offset, dtype=x.dtype)}
        last = max(j for j, layer in enumerate(design.layers) if isinstance(layer, Ladder))
        for j, rows in enumerate(circuit_rows(self.model, design)):
            sources = design.wiring.sources[rows.layer.name]
            signal = torch.cat([values[source.name] for source in sources], dim=-1)
            offset = torch.cat([offsets[source.name] for source in sources])
            part = self.pool.part(j)
            if isinstance(rows.layer, FeedForward):
                own = self._affine(
                    signal, self._rows(rows.weight, rows.bias, offset, part.rows, rows.layer.synapses.scale)
                )
                values[rows.layer.name] = own.relu() if rows.layer.rectifier is not None else own
                offsets[rows.layer.name] = torch.zeros(rows.layer.width, dtype=x.dtype)
                continue
            every = not (j == last and mode == "last")
            values[rows.layer.name] = self._ladder(signal, offset, rows, part, every)
            assert rows.cell is not None
            offsets[rows.layer.name] = -rows.cell.alpha.abs() * torch.tensor(rows.layer.k_min, dtype=x.dtype)
            if not every:
                values = {name: value[-1:] for name, value in values.items()}
        found = values[design.wiring.last]
        if not mode:
            return found
        return Pooling(mode).train(self.model.training)(found)

    def _rows(
        self, weight: Tensor, bias: Tensor, offset: Tensor, factors: _Factors, scale: np.ndarray
    ) -> tuple[Tensor, Tensor]:
        """Weights (C, d, D) and biases (C, d) on the chips; the same as `mismatch.Rows.applied`, with gradients."""
        gain, rest, passed, rail, error = (value[self.chips] for value in vars(factors).values())
        sign = torch.tensor(np.sign(scale), dtype=weight.dtype)  # rows in front of an inverting block are negated
        positive = (sign[:, None] * weight) > 0
        behind = torch.where(positive, passed[:, :, None], torch.ones((), dtype=weight.dtype))
        carried = bias - weight @ offset  # the bias subtracts what the offsets contribute
        above = (sign * carried) > 0
        resting = torch.where(offset > 0.0, offset, torch.ones_like(offset))
        zero = resting * rest + (offset - resting) * (gain - 1.0)
        rails = ((sign[:, None] * weight).clamp_min(0.0) @ offset + (sign * carried).clamp_min(0.0)) * sign
        off = (weight * behind * zero).sum(2) + rails * rail
        off = off + carried * error * torch.where(above, passed, torch.ones((), dtype=weight.dtype))
        return weight * (gain * behind), bias + off

    def _affine(self, signal: Tensor, rows: tuple[Tensor, Tensor]) -> Tensor:
        """(T, B, d) of signals (T, B, D) with the rows of each sample's chip."""
        weight, bias = rows
        steps, chips = signal.shape[0], len(self.chips)
        mine = (
            signal.reshape(steps, chips, -1, signal.shape[-1]).permute(1, 0, 2, 3).reshape(chips, -1, signal.shape[-1])
        )
        found = torch.baddbmm(bias[:, None, :], mine, weight.transpose(1, 2))
        return found.reshape(chips, steps, -1, weight.shape[1]).permute(1, 0, 2, 3).reshape(steps, -1, weight.shape[1])

    def _ladder(self, signal: Tensor, offset: Tensor, rows: CircuitRows, part: _Part, every: bool) -> Tensor:
        """Outputs (T, B, d) of a layer of ladders, or (1, B, d) of the last step."""
        ladder, cell = rows.layer, rows.cell
        assert isinstance(ladder, Ladder)
        assert cell is not None
        c = self._affine(signal, self._rows(rows.weight, rows.bias, offset, part.rows, ladder.synapses.scale))
        if isinstance(cell, CMRU):
            own = cell.threshold if rows.gate is None else cell.threshold_floor
            if own is None:
                raise ParameterError(f"{ladder.name} has input-dependent thresholds without a floor; give it one.")
            high = own.abs()
            if rows.gate is None and cell.threshold_floor is not None:
                high = torch.maximum(high, cell.threshold_floor)
            low = -high
        else:
            low, high, c = cell.b_lo, cell.b_hi, c.relu()
        half = (high - low) / 2.0
        if rows.gate is not None:
            c = self._soft(signal, offset, rows, part, (c, high))
        if self.noise:
            spread = (part.noise * half).detach()
            c = c + spread * torch.randn(c.shape, generator=self.generator, dtype=c.dtype)
        chip = torch.arange(len(self.chips)).repeat_interleave(signal.shape[1] // len(self.chips))
        up = _thresholds(high, half, part.rise[self.chips])
        down = _thresholds(low, half, part.fall[self.chips])
        rule = TableRule(ladder.return_to_zero, ladder.level_step == 2 or not ladder.return_to_zero, cell.rule.width)
        on = table_states(c, up, down, chip, part.start[self.chips][chip], rule)
        on = on if every else on[-1:]
        at = torch.arange(ladder.width)
        error = part.output[self.chips][chip[:, None], at, on.detach().long()]
        level = torch.tensor(ladder.k_min, dtype=c.dtype) + ladder.level_step * on
        return cell.alpha.abs() * (level + error)

    def _soft(
        self, signal: Tensor, offset: Tensor, rows: CircuitRows, part: _Part, found: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Candidates behind the soft thresholds, see `soft_threshold`; below the threshold the slope is kept."""
        assert isinstance(rows.layer, Ladder)
        assert rows.layer.gate is not None
        assert rows.gate is not None
        assert part.gate is not None
        assert part.soft is not None
        c, floor = found
        b = self._affine(signal, self._rows(*rows.gate, offset, part.gate, rows.layer.gate.scale))
        chip = torch.arange(len(self.chips)).repeat_interleave(signal.shape[1] // len(self.chips))
        g = {name: gain[self.chips][chip] for name, gain in part.soft.items()}
        e = (b.abs() * torch.where(b < 0, g["rail"], torch.ones_like(b)) - floor * g["floor"]).relu()
        up = c > 0
        beyond = c.abs() - e * torch.where(up, g["e_up"], g["e_down"])
        u = (beyond + (beyond.relu() - beyond).detach()) * torch.where(up, g["u_up"], g["u_down"])
        return torch.where(up, u, -u)


def _thresholds(nominal: Tensor, half: Tensor, relative: Tensor) -> Tensor:
    """(C, d, N) thresholds; those that are never reached stay infinite, and have no gradient."""
    finite = relative.isfinite()
    found = nominal[:, None] + half[:, None] * torch.where(finite, relative, torch.zeros_like(relative))
    return torch.where(finite, found, relative)
