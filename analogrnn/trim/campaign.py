"""Accuracy of many chips before and after trimming."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from analogrnn.chip import Chip, draw_chip
from analogrnn.datasets import LabelledClips, class_labels
from analogrnn.errors import ParameterError
from analogrnn.network import Network, forward
from analogrnn.simulate import simulate
from analogrnn.statistics import proportion_interval
from analogrnn.trim.device import StepDevice
from analogrnn.trim.knobs import TrimPlan
from analogrnn.trim.procedure import Trimmed, trim_chip


@dataclass(frozen=True, eq=False)
class TrimClips:
    """Encoded clips: `calibration` (T, S, D) that the tester runs, and other clips `test` to score with."""

    calibration: np.ndarray
    test: LabelledClips


@dataclass(frozen=True, eq=False)
class TrimmedScore:
    """One chip. Accuracies; rms errors of its thresholds over the half window, those at -inf left out."""

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
        """Chips with at least this accuracy, before and after, with the 95 % Clopper-Pearson interval."""
        return {
            name: (int((values >= least).sum()), *proportion_interval(int((values >= least).sum()), len(values)))
            for name, values in (("before", self.before), ("after", self.after))
        }


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

    Raises ParameterError if no chip is named, a label is not the number of a class, or the design has no pooling.
    """
    index, test = [int(number) for number in chips], clips.test
    labels = class_labels(test.labels, len(test), plan.design.classes)
    if not index:
        raise ParameterError("trim_chips.chips names no chip; give at least one chip number.")
    use = clips.calibration[:, : plan.options.clips]
    outputs = forward(network, use).logits
    digital = float(np.mean(forward(network, test.x).classes == labels))
    scores = []
    for done, number in enumerate(index):
        device = StepDevice(plan, seed, number)
        trimmed = trim_chip(device, plan, use, outputs)
        # before: a chip without trim hardware, as in `montecarlo`
        before, after = draw_chip(plan.design, seed, number), device.trimmed(trimmed.codes)
        low, high = (
            float(np.mean(simulate(chip, test.x, noise_seed=seed).classes == labels)) for chip in (before, after)
        )
        scores.append(TrimmedScore(number, low, high, threshold_error(before), threshold_error(after), trimmed))
        if progress:
            progress(done + 1, len(index))
    return TrimCampaign(plan, digital, seed, tuple(scores))


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
