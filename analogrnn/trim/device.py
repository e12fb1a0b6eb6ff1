"""The simulated chip on the tester: it holds its mismatch and shows only its output currents.

A code changes a current through the chip's own devices: a DAC's bits, the line that feeds it and the mirrors behind it
all have their draws, so a step of a DAC is neither its nominal size nor constant.
"""

from dataclasses import dataclass, replace

import numpy as np

from analogrnn import mismatch
from analogrnn.chip import Chip, ChipFeedForward, ChipLadder, draw_chip
from analogrnn.design import Ladder
from analogrnn.mismatch import DeviceDraw
from analogrnn.simulate.steps import preset_candidates
from analogrnn.simulate.waveforms import ladder_waveforms
from analogrnn.streams import stream
from analogrnn.trim.knobs import Codes, Dac, TrimPlan, device_spread


@dataclass(frozen=True, eq=False)
class _Weights:
    """A group of DACs on one chip: what each bit adds, A (..., bits), its feeding line included."""

    bits: np.ndarray

    def current(self, code: np.ndarray) -> np.ndarray:
        """(...,) A for codes (...,)."""
        on = (code[..., None] >> np.arange(self.bits.shape[-1])) & 1
        return np.asarray((on * self.bits).sum(axis=-1))


@dataclass(frozen=True, eq=False)
class _Branches:
    """The currents of one chip's ladder behind its mirrors, in A at the cells, (d, N) unless said otherwise."""

    threshold: np.ndarray  # of m3, at the input node of the cell
    width: np.ndarray
    behind_m3: np.ndarray  # factor from node a to the input node
    copy: np.ndarray  # factor from the line to the cell
    shift: np.ndarray  # of the settled stage below
    base: np.ndarray  # (d,)


class StepDevice:
    """One mismatched chip with its trim DACs, at the step level or, slower, the waveform level: a `ChipUnderTest`.

    `steps` counts what the tester has spent, resets included.
    """

    def __init__(
        self, plan: TrimPlan, seed: int, index: int, *, scale: float = 1.0, noise: bool = True, waveform: bool = False
    ) -> None:
        self.plan = plan
        self.steps = 0
        self._drawn = draw_chip(plan.design, seed, index, scale=scale)
        self._branches = _branches(plan.ladder, mismatch.draw_ladder(plan.design, plan.ladder, seed, index), scale)
        path = (seed, index)
        self._dacs = {
            name: _draw_dac(plan, name, dac, path, scale)
            for name, dac in (
                ("threshold", plan.threshold),
                ("width", plan.width),
                ("row", plan.row),
                ("readout", plan.output),
            )
        }
        self._noise = stream(seed, "trim", index, "noise") if noise else None
        self._waveform = waveform
        self.program(plan.middle)

    def program(self, codes: Codes) -> None:
        """Write the latches."""
        self._parked = codes.parked.copy()
        self._chip = self.trimmed(codes)

    def run(self, x: np.ndarray, clocked: np.ndarray, *, preset: bool = False) -> np.ndarray:
        """Output currents (T, S, outputs), A, after each step of S sequences x (T, S, D); each starts with a reset.

        `clocked` (T,): whether the step has a clock pulse. `preset`: climb to the initial levels first. Parked ladders
        stay in reset.
        """
        layer, readout = self._chip.layers
        assert isinstance(layer, ChipLadder)
        assert isinstance(readout, ChipFeedForward)
        before = self.plan.design.timing.reset_steps + (self.plan.design.preset_steps if preset else 0)
        self.steps += x.shape[1] * (len(x) + before)
        active = np.flatnonzero(~self._parked)
        signal = (x @ layer.synapses.weight[active].T + layer.synapses.bias[active]) * clocked[:, None, None]
        if self._noise is not None:
            signal = signal + layer.noise[active] * self._noise.standard_normal(signal.shape)
        on = np.zeros((*signal.shape[:2], self.plan.ladder.width), dtype=np.int64)
        on[..., active] = self._stages_on(layer, active, signal, preset=preset)
        h = layer.output[np.arange(self.plan.ladder.width), on]
        logits = h @ readout.synapses.weight.T + readout.synapses.bias
        return np.asarray(logits * self.plan.design.unit_current)

    def trimmed(self, codes: Codes) -> Chip:
        """The chip with these codes: the tester never reads it, the campaign scores it."""
        plan, unit = self.plan, self._drawn.ladders[0].unit
        moved = self._currents(codes)
        hi, hyst = moved["i_hi"], moved["i_hyst"]
        line = (hi - self._branches.shift) / self._branches.copy - self._branches.base[:, None]
        up = line / unit[:, None]
        down = (line - hyst / self._branches.copy) / unit[:, None]
        down = np.where(down <= -(self._branches.base / unit)[:, None], -np.inf, down)
        layer = self._drawn.ladders[0]
        synapses = replace(layer.synapses, bias=layer.synapses.bias + moved["row"] / unit)
        currents = replace(layer.currents, i_hi=hi, i_lo=hi - hyst)
        trimmed = replace(layer, synapses=synapses, up=up, down=down, currents=currents)
        last = self._drawn.layers[1]
        output = moved["readout"] / plan.design.unit_current
        last = replace(last, synapses=replace(last.synapses, bias=last.synapses.bias + output))
        return replace(self._drawn, layers=(trimmed, last))

    def _currents(self, codes: Codes) -> dict[str, np.ndarray]:
        plan, made, b = self.plan, self._dacs, self._branches
        # a DAC replaces the part of its bias current that its middle code gives
        taken = {name: (dac.lsb * dac.middle) for name, dac in (("threshold", plan.threshold), ("width", plan.width))}
        ladder = plan.ladder
        left = 1.0 - (taken["threshold"] / ladder.i_th)[:, None]
        narrow = 1.0 - (taken["width"] / ladder.i_hyst)[:, None]
        return {
            "i_hi": b.threshold * left + made["threshold"].current(codes.threshold) * b.behind_m3,
            "i_hyst": b.width * narrow + made["width"].current(codes.width),
            "row": plan.row.lsb * plan.row.middle - made["row"].current(codes.row),
            "readout": plan.output.lsb * plan.output.middle - made["readout"].current(codes.readout),
        }

    def _stages_on(self, layer: ChipLadder, active: np.ndarray, signal: np.ndarray, *, preset: bool) -> np.ndarray:
        pulses = preset_candidates(layer)[:, active] if preset else np.empty((0, len(active)))
        lead = np.repeat(pulses[:, None, :], signal.shape[1], axis=1)
        signal = np.ascontiguousarray(np.concatenate([lead, signal]))
        if self._waveform:
            on = self._waves(layer, active, signal)
        else:
            from analogrnn.kernels.ladder_steps import ladder_steps  # noqa: PLC0415 (numba costs 0.5 s)

            on = np.empty(signal.shape, dtype=np.int16)
            start = np.zeros(signal.shape[1:], dtype=np.int64)
            ladder_steps(signal, layer.up[active], layer.down[active], True, start, on)
        return on[len(lead) :]

    def _waves(self, layer: ChipLadder, active: np.ndarray, signal: np.ndarray) -> np.ndarray:
        """The same by the waveform level, without presets."""
        ladder = replace(layer.ladder, initial=layer.ladder.k_min.astype(float))
        design = replace(self._chip.design, layers=(ladder, *self._chip.design.layers[1:]))
        chip, bare = replace(self._chip, design=design), replace(layer, ladder=ladder)
        out = np.empty(signal.shape, dtype=np.int64)
        for s in range(signal.shape[1]):
            for i, cell in enumerate(active):
                out[:, s, i] = ladder_waveforms(chip, bare, int(cell), signal[:, s, i]).stages.sum(axis=-1)
        return out


def _branches(ladder: Ladder, draws: dict[str, DeviceDraw], scale: float) -> _Branches:
    devices = {name: DeviceDraw(d.vth, d.beta, d.delta * scale) for name, d in draws.items()}
    terms = mismatch.stage_terms(ladder)
    stages = range(ladder.stages)

    def table(name: str) -> np.ndarray:
        return np.stack([mismatch.evaluate(terms[name], devices, j) for j in stages], axis=1)

    shift = np.zeros((ladder.width, ladder.stages))
    if ladder.has_dpi:
        below = table("right_out")
        shift = np.concatenate([mismatch.evaluate(terms["first_shift"], devices, 0)[:, None], below[:, :-1]], axis=1)
    behind = np.exp(devices["m1"].delta - devices["m2"].delta)
    base = mismatch.evaluate(terms["base"], devices, 0)
    return _Branches(table("i_th"), table("i_hyst"), behind, table("copy"), shift, base)


def _draw_dac(plan: TrimPlan, name: str, dac: Dac, path: tuple[int, int], scale: float) -> _Weights:
    """Bit b of each DAC: 2^b devices, whose spread falls as 1/sqrt(2^b); the line that feeds a ladder's DACs: two."""
    ladder, design = plan.ladder, plan.design
    stages = {"stage": ladder.stages, "width": ladder.stages if name == "threshold" else 1, "ladder": 1}
    copies = stages[plan.options.sharing] if name in ("threshold", "width") else 1
    rng = stream(path[0], "trim", path[1], ladder.name, name)
    sigma = device_spread(design, "p", dac.lsb, plan.options.unit)[:, None, None]
    weight = 2.0 ** np.arange(dac.bits)
    bits = sigma / np.sqrt(weight) * rng.standard_normal((len(dac.lsb), copies, dac.bits))
    feed = np.sqrt(2.0) * device_spread(design, "p", dac.lsb, design.sizing.cell) * rng.standard_normal(len(dac.lsb))
    made = dac.lsb[:, None, None] * weight * np.exp(scale * (bits + feed[:, None, None]))
    return _Weights(made if name in ("threshold", "width") else made[:, 0])
