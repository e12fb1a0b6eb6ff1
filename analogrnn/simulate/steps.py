"""Step level: tables over levels, and one update per step."""

from dataclasses import dataclass

import numpy as np

from analogrnn.chip import Chip, ChipFeedForward, ChipLadder
from analogrnn.deviations import preset_pulses
from analogrnn.kernels import plain
from analogrnn.show import Rows, Shown, counted
from analogrnn.soft_threshold import soft_candidates
from analogrnn.streams import NO_CHIP, stream_key
from analogrnn.wiring import INPUT


@dataclass(frozen=True, eq=False, repr=False)
class StepRun(Shown):
    """Result of a network on one chip: by layer, candidates (T, S, d) and levels k (T, S, d); logits (S, classes).

    The candidates of a layer with input-dependent thresholds are those behind its soft thresholds.

    >>> accuracy = (ar.simulate(chip, x).classes == labels).mean()
    """

    candidates: dict[str, np.ndarray]
    levels: dict[str, np.ndarray]
    logits: np.ndarray

    def shown(self) -> tuple[str, Rows]:
        """Sizes, and the share of steps at which levels move."""
        first = next(iter(self.levels.values()))
        moves = [
            f"{name} moves at {100 * np.mean(np.diff(levels, axis=0) != 0):.3g} % of the steps"
            for name, levels in self.levels.items()
        ]
        rows = [("levels", "; ".join(moves)), ("outputs", f"logits {self.logits.shape}")]
        return f"StepRun: {counted(first.shape[1], 'clip')} of {counted(len(first), 'step')}", rows

    @property
    def classes(self) -> np.ndarray:
        """(S,) the class of each sample."""
        return np.argmax(self.logits, axis=-1)


def simulate(chip: Chip, x: np.ndarray, *, noise_seed: int | None = None) -> StepRun:
    """Run a chip on encoded inputs x (T, S, D); with `noise_seed`, the noise of its cell is added to each candidate.

    >>> run = ar.simulate(chip, x, noise_seed=1)

    Raises ParameterError for a wrong shape, a value that is not finite, or an input current below zero.
    """
    value = chip.design.layers[0].synapses.checked(x, samples=True)
    candidates: dict[str, np.ndarray] = {}
    levels: dict[str, np.ndarray] = {}
    wiring, values = chip.design.wiring, {INPUT: value}
    for layer in chip.layers:
        value = wiring.gather(layer.name, values)
        signal = value @ layer.synapses.weight.T + layer.synapses.bias
        if isinstance(layer, ChipFeedForward):
            values[layer.name] = np.maximum(signal, 0.0) if layer.rectified else signal
            continue
        if layer.gate is not None:
            threshold = value @ layer.gate.weight.T + layer.gate.bias
            signal = soft_candidates(signal, threshold, layer.ladder.threshold[:, 1], layer.soft)
        elif not layer.ladder.return_to_zero:
            signal = np.maximum(signal, 0.0)
        candidates[layer.name] = signal
        if noise_seed is not None:
            signal = signal + layer.noise * noise_draws(noise_seed, layer.name, chip.index, signal.shape)
        stages_on = run_ladder(layer, signal)
        levels[layer.name] = layer.ladder.level_of(stages_on)
        values[layer.name] = layer.output[np.arange(layer.ladder.width), stages_on]
    return StepRun(candidates, levels, chip.design.pooled(values[wiring.last]))


def noise_keys(seed: int, layer: str) -> np.ndarray:
    """(2, 2) the keys of a layer's noise under `seed`."""
    return np.stack([stream_key(seed, "noise", layer), stream_key(seed, "noise", layer, "fine")])


def noise_draws(seed: int, layer: str, chip: int | None, shape: tuple[int, ...]) -> np.ndarray:
    """(T, S, d) standard normals; each depends only on seed, layer, chip, sample, step and cell."""
    out = np.empty(shape)
    normals = plain.noise_normals
    if out.size > plain.SMALL:
        from analogrnn.kernels.noise_draws import noise_normals as normals  # noqa: PLC0415 (numba costs 0.5 s)
    normals(noise_keys(seed, layer), np.uint64(NO_CHIP if chip is None else chip), out)
    return out


def run_ladder(layer: ChipLadder, candidates: np.ndarray) -> np.ndarray:
    """Stages ON (T, S, d), int16, for the candidates (T, S, d) of one layer, after presets to the initial levels."""
    stages_on = np.zeros(candidates.shape[1:], dtype=np.int64)
    preset = preset_candidates(layer)
    if len(preset):
        tiled = np.repeat(preset[:, None, :], candidates.shape[1], axis=1)
        _step(layer, tiled, stages_on)
    return _step(layer, np.ascontiguousarray(candidates), stages_on)


def preset_candidates(layer: ChipLadder) -> np.ndarray:
    """(pulses, d) candidates that raise the ladders from all-OFF to their initial levels, all at the last pulse."""
    return preset_pulses(layer.ladder, layer.unit)


def _step(layer: ChipLadder, candidates: np.ndarray, stages_on: np.ndarray) -> np.ndarray:
    out = np.empty(candidates.shape, dtype=np.int16)
    steps = plain.ladder_steps
    if out.size > plain.SMALL:
        from analogrnn.kernels.ladder_steps import ladder_steps as steps  # noqa: PLC0415 (numba costs 0.5 s)
    steps(candidates, layer.up, layer.down, layer.ladder.return_to_zero, stages_on, out)
    return out
