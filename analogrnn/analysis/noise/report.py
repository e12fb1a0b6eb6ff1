"""Everything that `analyze noise` reports of a network on a chip, in one call."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from analogrnn.analysis.noise.crossover import losing_band
from analogrnn.analysis.noise.hold_times import HoldTimes, hold_times
from analogrnn.analysis.noise.moves import noise_rejection, start_levels, wrong_moves
from analogrnn.chip import Chip, ChipLadder
from analogrnn.errors import ParameterError, in_range
from analogrnn.metrics import ACCURACY, Goal, Metric
from analogrnn.show import Rows, Shown, counted
from analogrnn.simulate import simulate

SIGMAS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0)  # beta


@dataclass(frozen=True, eq=False, repr=False)
class AccuracyCurve(Shown):
    """Accuracy against noise: rms in beta (n,), accuracy (n,), its standard error over noise draws (n,), clips.

    With another metric, `accuracy` is its score.
    """

    sigma: np.ndarray
    accuracy: np.ndarray
    error: np.ndarray
    without: float
    clips: int
    repeats: int
    metric: Metric = field(default=ACCURACY)

    def shown(self) -> tuple[str, Rows]:
        """Accuracy, or score, without noise and under the largest."""
        largest = int(np.argmax(self.sigma))
        accuracy = f"{self.metric.text(self.accuracy[largest])} +- {self.metric.text(self.error[largest])}"
        rows = [
            ("without noise", self.metric.text(self.without)),
            (f"with {self.sigma[largest]:.3g} beta rms", accuracy),
        ]
        draws = counted(self.repeats, "draw")
        return f"AccuracyCurve: {len(self.sigma)} noise levels, {counted(self.clips, 'clip')}, {draws} of noise", rows


@dataclass(frozen=True, eq=False, repr=False)
class LayerNoise(Shown):
    """One recurrent layer under its own noise.

    sigma        (d,) rms noise over beta
    margin       (d,) beta over the output current of a level
    wrong        (d,) probability that a step moves wrongly, mean over steps and clips
    worst        least favourable step: its probability of a wrong move
    wrong_per_clip expected wrong moves of the whole layer in a clip
    hold         the hold times of the cell with the least
    cell         that cell
    """

    name: str
    sigma: np.ndarray
    margin: np.ndarray
    wrong: np.ndarray
    worst: float
    wrong_per_clip: float
    hold: HoldTimes
    cell: int

    def shown(self) -> tuple[str, Rows]:
        """Wrong moves, and the shortest hold time."""
        shortest = float(self.hold.log10_seconds.min())
        hold = {np.inf: "no level ever leaves", -np.inf: "a level drifts away at rest"}.get(
            shortest, f"10^{shortest:.3g} s"
        )
        rows = [
            ("wrong moves", f"{self.wrong_per_clip:.3g} per clip, at most {self.worst:.3g} per step and cell"),
            ("shortest hold time", f"{hold} (cell {self.cell})"),
        ]
        cells = counted(len(self.sigma), "ladder")
        return f"LayerNoise of {self.name}: {cells}, at most {self.sigma.max():.3g} beta rms", rows

    @property
    def drifting(self) -> int:
        """Levels of `cell` that leave by themselves at candidate zero."""
        return int(np.isneginf(self.hold.log10_seconds).sum())

    def as_dict(self) -> dict[str, Any]:
        band = losing_band(float(np.clip(self.margin.min(), 1e-3, 1e3)))
        rejection = float(noise_rejection(self.sigma.max(keepdims=True)).ratio[0])
        return {
            "layer": self.name,
            "sigma_beta": self.sigma.tolist(),
            "margin_levels": self.margin.tolist(),
            "wrong_move_mean": self.wrong.tolist(),
            "wrong_move_worst_step": self.worst,
            "wrong_moves_per_clip": self.wrong_per_clip,
            "hold_cell": self.cell,
            "t_in_s": self.hold.t_in,
            "log10_hold_s": [float(v) if np.isfinite(v) else None for v in self.hold.log10_seconds],
            "drifting_levels": self.drifting,
            "noise_rejection_in_hold": rejection if np.isfinite(rejection) else None,
            "losing_band_levels": band,
        }


def layer_noise(chip: Chip, layer: ChipLadder, candidates: np.ndarray, levels: np.ndarray) -> LayerNoise:
    """Wrong moves and hold times of one layer; candidates and levels k (T, S, d) as without noise."""
    ladder = layer.ladder
    if not ladder.return_to_zero:
        raise ParameterError(
            f"{layer.name} takes its candidates without a clock; its noise acts at all times, not once per step."
        )
    on = ladder.stages_on(levels)
    first = np.broadcast_to(start_levels(layer), on[:1].shape)
    before = np.concatenate([first, on[:-1]])
    total, worst, clips = np.zeros(ladder.width), 0.0, on.shape[1]
    for t in range(len(on)):
        wrong = np.take_along_axis(wrong_moves(layer, candidates[t]), before[t][..., None], axis=-1)[..., 0]
        total, worst = total + wrong.sum(axis=0), max(worst, float(wrong.max()))
    beta = ladder.threshold[:, 1]
    holds = [hold_times(chip, layer, cell) for cell in range(ladder.width)]
    weakest = int(np.argmin([hold.log10_seconds.min() for hold in holds]))
    margin = beta / (ladder.alpha * ladder.level_step)
    return LayerNoise(
        layer.name,
        layer.noise / beta,
        margin,
        total / (len(on) * clips),
        worst,
        float(total.sum() / clips),
        holds[weakest],
        weakest,
    )


def analyze_noise(chip: Chip, x: np.ndarray) -> tuple[LayerNoise, ...]:
    """Wrong moves and hold times of every clocked recurrent layer, for encoded clips x (T, S, D).

    >>> found = ar.analyze_noise(chip, x)
    """
    run = simulate(chip, x)
    return tuple(layer_noise(chip, layer, run.candidates[layer.name], run.levels[layer.name]) for layer in chip.ladders)


def accuracy_under_noise(
    chip: Chip, x: np.ndarray, labels: np.ndarray | Goal, sigmas: np.ndarray, *, repeats: int = 3, seed: int = 1
) -> AccuracyCurve:
    """Accuracy over noise: every recurrent layer's candidates carry an rms of sigma times its threshold.

    `labels` (S,) are those of the clips, or a Goal with another metric.
    Raises ParameterError for a noise that is negative or not a number, no repeat, a label that is not the number of a
    class, or a network without pooling if the metric needs it.
    """
    in_range("repeats", repeats, 1, 10_000)
    goal = Goal.of(labels)
    metric = goal.metric
    if metric == ACCURACY:
        chip.design.check_pooling()
    truth = metric.checked(goal.truth, chip.design.output_shape(x), len(x))
    for sigma in sigmas:
        in_range("sigmas", sigma, 0.0, 1e3, hint="rms noise in beta")
    means, errors = [], []
    for sigma in sigmas:
        layers = tuple(
            replace(layer, noise=sigma * layer.ladder.threshold[:, 1]) if isinstance(layer, ChipLadder) else layer
            for layer in chip.layers
        )
        noisy = replace(chip, layers=layers)
        runs = [metric.per_clip(simulate(noisy, x, noise_seed=seed + r).logits, truth) for r in range(repeats)]
        mean = float(np.mean([float(np.mean(run)) for run in runs]))
        means.append(mean)
        errors.append(_standard_error(np.stack(runs), mean, metric))
    without = metric.score(simulate(chip, x).logits, truth)
    sigma = np.asarray(sigmas, dtype=float)
    return AccuracyCurve(sigma, np.array(means), np.array(errors), without, x.shape[1], repeats, metric)


def _standard_error(runs: np.ndarray, mean: float, metric: Metric) -> float:
    """Of the mean of scores (repeats, S); clips are the larger sample, so it is not that of a few draws alone."""
    if metric.has_classes:  # a binomial error over all trials
        return float(np.sqrt(max(mean * (1.0 - mean), 1e-12) / runs.size))
    clips = runs.mean(axis=0)
    return float(clips.std(ddof=1) / np.sqrt(len(clips))) if len(clips) > 1 else 0.0
