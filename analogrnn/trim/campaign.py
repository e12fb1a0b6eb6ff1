"""Accuracy, or another score, of many chips before and after trimming."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from analogrnn.chip import Chip, draw_chip
from analogrnn.datasets import Clips
from analogrnn.errors import ParameterError
from analogrnn.metrics import ACCURACY, Goal, Metric
from analogrnn.network import Network, Pooling, forward
from analogrnn.simulate import simulate
from analogrnn.statistics import proportion_interval
from analogrnn.trim.device import StepDevice
from analogrnn.trim.knobs import TrimPlan
from analogrnn.trim.procedure import Trimmed, trim_chip


@dataclass(frozen=True, eq=False)
class TrimClips:
    """Encoded clips: `calibration` (T, S, D) that the tester runs, and other clips `test` to score with.

    goal  how the test clips are scored; default: the accuracy of their labels
    """

    calibration: np.ndarray
    test: Clips
    goal: Goal | None = None


@dataclass(frozen=True, eq=False)
class TrimmedScore:
    """One chip: its score; rms errors of its thresholds over the half window, those at -inf left out."""

    index: int
    before: float
    after: float
    error_before: float
    error_after: float
    trimmed: Trimmed


@dataclass(frozen=True, eq=False)
class TrimCampaign:
    plan: TrimPlan
    digital: float
    seed: int
    chips: tuple[TrimmedScore, ...]
    metric: Metric = field(default=ACCURACY)

    @property
    def before(self) -> np.ndarray:
        return np.array([chip.before for chip in self.chips])

    @property
    def after(self) -> np.ndarray:
        return np.array([chip.after for chip in self.chips])

    @property
    def seconds(self) -> float:
        """Mean time on the tester, s: steps x period."""
        return float(np.mean([chip.trimmed.steps for chip in self.chips])) * self.plan.design.timing.period

    def good(self, least: float) -> dict[str, tuple[int, float, float]]:
        """Chips with this score or a better one, before and after, with the 95 % Clopper-Pearson interval."""
        counts = {
            name: int(self.metric.reaches(values, least).sum())
            for name, values in (("before", self.before), ("after", self.after))
        }
        return {name: (count, *proportion_interval(count, len(self.chips))) for name, count in counts.items()}


def trim_chips(
    plan: TrimPlan,
    network: Network,
    clips: TrimClips,
    chips: Iterable[int],
    *,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> TrimCampaign:
    """Trim and score chips by number.

    Raises ParameterError if no chip is named, a label is not the number of a class, the clips have no labels, or the
    design has no pooling and the metric needs it.
    """
    index, test = [int(number) for number in chips], clips.test
    goal = _checked(plan, clips)
    if not index:
        raise ParameterError("trim_chips.chips names no chip; give at least one chip number.")
    use = clips.calibration[:, : plan.options.clips]
    outputs = _last_outputs(network, use)
    digital = goal.metric.score(forward(network, test.x).logits, goal.truth)
    scores = []
    for done, number in enumerate(index):
        device = StepDevice(plan, seed, number)
        trimmed = trim_chip(device, plan, use, outputs)
        # before: a chip without trim hardware, as in `montecarlo`
        before, after = draw_chip(plan.design, seed, number), device.trimmed(trimmed.codes)
        low, high = (
            goal.metric.score(simulate(chip, test.x, noise_seed=seed).logits, goal.truth) for chip in (before, after)
        )
        scores.append(TrimmedScore(number, low, high, threshold_error(before), threshold_error(after), trimmed))
        if progress:
            progress(done + 1, len(index))
    return TrimCampaign(plan, digital, seed, tuple(scores), goal.metric)


def _checked(plan: TrimPlan, clips: TrimClips) -> Goal:
    """The goal of the clips, with labels or targets that fit the design."""
    goal, x = clips.goal, clips.test.x
    if goal is None:
        if clips.test.truth is None:
            raise ParameterError("TrimClips.test has no labels; give LabelledClips, or a goal.")
        goal = Goal(clips.test.truth)
    if goal.metric == ACCURACY:
        plan.design.check_pooling()
    return Goal(goal.metric.checked(goal.truth, plan.design.output_shape(x), len(x)), goal.metric)


def _last_outputs(network: Network, x: np.ndarray) -> np.ndarray:
    """(S, O) outputs of the digital network at the last step, which the tester reads, whatever pools them later."""
    layers = [replace(layer, mode="last") if isinstance(layer, Pooling) else layer for layer in network.layers]
    logits = forward(replace(network, layers=tuple(layers)), x).logits
    return logits if logits.ndim == 2 else logits[-1]


def threshold_error(chip: Chip) -> float:
    """Root mean square of (threshold - trained threshold) / half window over all stages, both ways."""
    layer = chip.ladders[0]
    trained = layer.ladder.threshold
    half = trained[:, 1:]
    errors = np.concatenate([(layer.up - half) / half, (layer.down - trained[:, :1]) / half])
    return float(np.sqrt(np.mean(errors[np.isfinite(errors)] ** 2)))


def chip_trimmed(plan: TrimPlan, seed: int, trimmed: TrimmedScore) -> Chip:
    """The chip that a score belongs to, with its codes."""
    return StepDevice(plan, seed, trimmed.index, noise=False).trimmed(trimmed.trimmed.codes)
