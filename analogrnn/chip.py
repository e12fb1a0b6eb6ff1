"""One manufactured sample of a Design, reduced to what the kernels read.

A step-level ladder is three tables over its levels, in units of the trained candidate: up[n] and down[n] (thresholds
of stage n + 1; -inf where the unipolar line can't reach) and output[n]. At zero mismatch they equal the trained numbers
to the last bit, because a chip stores trained value + (deviation of the circuit from its own nominal value).
"""

from dataclasses import dataclass

import numpy as np

from analogrnn import mismatch
from analogrnn.design import Design, FeedForward, Ladder, Synapses
from analogrnn.mismatch import DeviceDraw, Term
from analogrnn.noise import candidate_noise


@dataclass(frozen=True, eq=False)
class StageCurrents:
    """What the waveform kernel reads. All (d, N), A, but copy (1) and base (d,)."""

    i_hi: np.ndarray
    i_lo: np.ndarray
    copy: np.ndarray
    left: np.ndarray
    right: np.ndarray
    base: np.ndarray


@dataclass(frozen=True, eq=False)
class ChipSynapses:
    """Effective weights (d, D) and biases (d,) in the unit of the trained network."""

    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, eq=False)
class ChipLadder:
    """Tables over levels in the unit of the trained candidate; `unit` (d,) A is what 1 of them is on the line."""

    ladder: Ladder
    synapses: ChipSynapses
    up: np.ndarray  # (d, N)
    down: np.ndarray  # (d, N)
    output: np.ndarray  # (d, N + 1)
    noise: np.ndarray  # (d,) rms of the candidate's noise
    unit: np.ndarray  # (d,) A
    currents: StageCurrents

    @property
    def name(self) -> str:
        return self.ladder.name


@dataclass(frozen=True, eq=False)
class ChipFeedForward:
    name: str
    synapses: ChipSynapses
    rectified: bool


@dataclass(frozen=True, eq=False)
class Chip:
    """A Design with one draw of mismatch. `index` is None for the nominal chip."""

    design: Design
    index: int | None
    seed: int
    layers: tuple[ChipFeedForward | ChipLadder, ...]

    @property
    def ladders(self) -> tuple[ChipLadder, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer, ChipLadder))


def nominal_chip(design: Design) -> Chip:
    """The chip without mismatch."""
    return Chip(design, None, 0, tuple(_layer(design, layer, None) for layer in design.layers))


def draw_chip(design: Design, seed: int, index: int, *, scale: float = 1.0) -> Chip:
    """Chip number `index` under `seed`: the same whatever the number of chips drawn before.

    `scale` multiplies every device deviation; 0 is bit-identical to the nominal chip.
    """
    return Chip(design, index, seed, tuple(_layer(design, layer, (seed, index, scale)) for layer in design.layers))


_Draw = tuple[int, int, float]


def _layer(design: Design, layer: FeedForward | Ladder, draw: _Draw | None) -> ChipFeedForward | ChipLadder:
    synapses = _synapses(design, layer.synapses, draw)
    if isinstance(layer, FeedForward):
        return ChipFeedForward(layer.name, synapses, layer.rectifier is not None)
    devices = _scaled(mismatch.draw_ladder(design, layer, draw[0], draw[1]), draw[2]) if draw else {}
    unit = layer.synapses.scale * design.unit_current
    up, down = (_thresholds(layer, devices, unit, upper=upper) for upper in (True, False))
    noise = candidate_noise(design, layer) / unit
    currents = _stage_currents(layer, devices)
    # the line can't sink: a threshold below its zero is never reached, and that stage never resets
    down = np.where(down <= -(currents.base / unit)[:, None], -np.inf, down)
    return ChipLadder(layer, synapses, up, down, _outputs(design, layer, devices), noise, unit, currents)


def _synapses(design: Design, synapses: Synapses, draw: _Draw | None) -> ChipSynapses:
    if draw is None:
        return ChipSynapses(synapses.weight, synapses.trained_bias)
    devices = _scaled(mismatch.draw_synapses(design, synapses, draw[0], draw[1]), draw[2])
    rail = devices["rail_out"].delta - devices["rail_in"].delta
    # a positive weight passes the rail mirror of its row; a negative one sinks from the candidate node directly
    log_gain = devices["weight"].delta - devices["input"].delta + np.where(synapses.ratio > 0, rail[:, None], 0.0)
    log_bias = devices["bias"].delta + np.where(synapses.bias > 0, rail, 0.0)
    weight_error = synapses.weight * np.expm1(log_gain)
    bias_error = (synapses.bias / synapses.scale) * np.expm1(log_bias)
    return ChipSynapses(
        synapses.weight + weight_error, synapses.trained_bias + weight_error @ synapses.offset + bias_error
    )


def _thresholds(ladder: Ladder, devices: dict[str, DeviceDraw], unit: np.ndarray, *, upper: bool) -> np.ndarray:
    trained = ladder.threshold[:, int(upper)]
    table = np.repeat(trained[:, None], ladder.stages, axis=1)
    if not devices:
        return table
    for stage in range(ladder.stages):
        terms = mismatch.threshold_terms(ladder, stage, upper=upper)
        table[:, stage] += sum(_deviation(term, devices, stage) for term in terms) / unit
    return table


def _outputs(design: Design, ladder: Ladder, devices: dict[str, DeviceDraw]) -> np.ndarray:
    """h for each number of stages ON: the stages' currents less a fixed offset of the nominal zero level."""
    table = ladder.alpha[:, None] * ladder.levels
    if devices:
        term = mismatch.stage_terms(ladder)["i_alpha"]
        steps = [_deviation(term, devices, stage) for stage in range(ladder.stages)]
        table[:, 1:] += np.cumsum(steps, axis=0).T / design.unit_current
    return table


def _deviation(term: Term, devices: dict[str, DeviceDraw], stage: int) -> np.ndarray:
    return mismatch.evaluate(term, devices, stage) - term.current


def _stage_currents(ladder: Ladder, devices: dict[str, DeviceDraw]) -> StageCurrents:
    terms = mismatch.stage_terms(ladder)

    def value(name: str, stage: int) -> np.ndarray:
        return mismatch.evaluate(terms[name], devices, stage) if devices else terms[name].current

    stages = range(ladder.stages)
    i_hi = np.stack([value("i_th", j) for j in stages], axis=1)
    i_hyst = np.stack([value("i_hyst", j) for j in stages], axis=1)
    left = np.stack([value("right_out", j - 1) if j else value("first_shift", 0) for j in stages], axis=1)
    right = np.zeros_like(i_hi)
    for j in stages[:-1]:
        right[:, j] = value("left_out", j + 1)
    copy = np.stack([value("copy", j) for j in stages], axis=1)
    return StageCurrents(i_hi, i_hi - i_hyst, copy, left, right, value("base", 0))


def _scaled(draws: dict[str, DeviceDraw], scale: float) -> dict[str, DeviceDraw]:
    if scale == 1.0:
        return draws
    return {name: DeviceDraw(d.vth * scale, d.beta * scale, d.delta * scale) for name, d in draws.items()}
