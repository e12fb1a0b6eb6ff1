"""What the answers of many chips say: scores, yield with its confidence interval, classes that suffer."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from analogrnn.campaign import Failure
from analogrnn.errors import ParameterError
from analogrnn.metrics import ACCURACY, Metric
from analogrnn.montecarlo.score import Variability
from analogrnn.show import Rows, Shown, counted
from analogrnn.statistics import proportion_interval


@dataclass(frozen=True, eq=False, repr=False)
class MonteCarlo(Shown):
    """What chips index (n,) under the seed of `variability` answered to S clips.

    >>> mean = study.statistics()["mean"]

    answers  (n, S) predicted classes; or the score of each clip, for a metric without one class per clip
    truth    labels (S,), or what the metric compares with
    score    (n,) follows, NaN for a chip in `failures`, which has no answer
    """

    index: np.ndarray
    answers: np.ndarray
    truth: np.ndarray
    variability: Variability
    failures: tuple[Failure, ...] = field(default=())
    metric: Metric = field(default=ACCURACY)

    def shown(self) -> tuple[str, Rows]:
        """What varied, and the score over the chips."""
        s, v = self.statistics(), self.variability
        what = [
            f"mismatch times {v.scale:g}" if v.scale != 1.0 else "mismatch",
            "noise" if v.noise else "no noise",
            f"seed {v.seed}",
        ]
        failed = f", {len(self.failures)} failed" if self.failures else ""
        mean, std, tail, worst = (self.text(s[key]) for key in ("mean", "std", *self.tail))
        percentile = "5th" if self.metric.higher_is_better else "95th"
        rows = [
            ("variability", ", ".join(what)),
            (
                self.metric.title,
                f"mean {mean}, standard deviation {std}, {percentile} percentile {tail}, "
                f"worst {worst} (chip {s['worst_chip']})",
            ),
        ]
        return f"MonteCarlo: {counted(len(self.index), 'chip')}{failed}, {counted(self.clips, 'clip')}", rows

    def text(self, value: float) -> str:
        """A score in this summary."""
        return f"{value:.1%}" if self.metric.kind == "share" else self.metric.text(value)

    @cached_property
    def done(self) -> np.ndarray:
        """(n,) whether the chip gave an answer."""
        return ~np.isin(self.index, [failure.item for failure in self.failures])

    @property
    def classes(self) -> np.ndarray:
        """(n, S) predicted classes. Raises ParameterError for a metric without one class per clip."""
        if not self.metric.has_classes:
            raise ParameterError(f"{self.metric.name} gives a clip no class; see MonteCarlo.answers and .score.")
        return self.answers

    @cached_property
    def score(self) -> np.ndarray:
        """(n,) the metric of each chip."""
        each = self.answers == self.truth if self.metric.has_classes else self.answers
        return np.where(self.done, np.mean(each, axis=1), np.nan)

    @property
    def accuracy(self) -> np.ndarray:
        """(n,) part of the clips, or of the steps, that each chip classifies as labelled: `score` of such a metric.

        Raises ParameterError for an error of real targets.
        """
        if self.metric.kind != "share":
            raise ParameterError(f"the metric {self.metric.name} is no accuracy; see MonteCarlo.score.")
        return self.score

    @property
    def clips(self) -> int:
        """Number of clips S."""
        return int(self.answers.shape[1])

    @property
    def decisions(self) -> int:
        """Number of decisions behind a score: clips, or labelled steps."""
        return int(self.truth.size) if self.truth.ndim == 2 else self.clips

    @property
    def tail(self) -> tuple[str, str]:
        """Names in `statistics` of the percentile of poor chips and of the worst chip."""
        return ("p05", "min") if self.metric.higher_is_better else ("p95", "max")

    def statistics(self) -> dict[str, float | int]:
        """Mean, standard deviation (n - 1), least, 5th percentile and median over the chips that answered.

        For an error, of which less is better, the largest and the 95th percentile: `max` and `p95`.
        """
        a = self.score[self.done]
        percentile, worst = self.tail
        return {
            "mean": float(a.mean()),
            "std": float(a.std(ddof=1)) if len(a) > 1 else 0.0,
            worst: float(a.min() if self.metric.higher_is_better else a.max()),
            percentile: float(np.quantile(a, 0.05 if self.metric.higher_is_better else 0.95)),
            "median": float(np.median(a)),
            "chips": len(a),
            "worst_chip": self.worst(1)[0][0],
        }

    def worst(self, count: int = 5) -> list[tuple[int, float]]:
        """(chip number, score) of the worst chips, the worst first; of equals, the one with the lower number."""
        bad = self.score if self.metric.higher_is_better else -self.score
        order = np.lexsort((self.index, bad))  # NaN sorts last
        return [(int(self.index[j]), float(self.score[j])) for j in order[: min(count, int(self.done.sum()))]]


@dataclass(frozen=True)
class Yield:
    """`good` of `chips` are at least as good as the score `threshold`; low and high bound the share at `confidence`."""

    threshold: float
    good: int
    chips: int
    share: float
    low: float
    high: float
    confidence: float


def yield_above(study: MonteCarlo, threshold: float, confidence: float = 0.95) -> Yield:
    """The part of the chips that answered with a score of `threshold` or better, and its confidence interval.

    >>> good = ar.yield_above(study, 0.9)

    Better is higher for an accuracy and lower for an error. Raises ParameterError for a threshold outside the range of
    the metric, and unless 0 < confidence < 1.
    """
    study.metric.checked_threshold("yield_above.threshold", threshold)
    answered = study.score[study.done]
    good = int(np.sum(study.metric.reaches(answered, threshold, study.decisions)))
    low, high = proportion_interval(good, len(answered), confidence)
    return Yield(threshold, good, len(answered), good / len(answered), low, high, confidence)


@dataclass(frozen=True)
class ClassEffect:
    """What variability does to the clips of one class: recall of the digital network, and over the chips.

    taken_for is the wrong class that chips answer most often, `taken` the part of its clips that they give to it.
    """

    label: int
    clips: int
    digital: float
    mean: float
    p05: float
    worst_chip: int
    taken_for: int
    taken: float


def class_effects(study: MonteCarlo, digital: np.ndarray, classes: int) -> list[ClassEffect]:
    """One effect for each class that has clips; `digital` (S,) are the digital network's answers."""
    table = confusion(study, classes)
    found = []
    for label in np.unique(study.truth):
        mine = study.truth == label
        recall = np.mean(study.classes[study.done][:, mine] == label, axis=1)
        wrong = table[label].copy()
        wrong[label] = -1.0
        other = int(np.argmax(wrong))
        worst = int(study.index[study.done][np.argmin(recall)])
        found.append(
            ClassEffect(
                int(label),
                int(mine.sum()),
                float(np.mean(digital[mine] == label)),
                float(recall.mean()),
                float(np.quantile(recall, 0.05)),
                worst,
                other,
                float(table[label, other]),
            )
        )
    return found


def confusion(study: MonteCarlo, classes: int) -> np.ndarray:
    """(classes, classes) part of the clips of class i that chips give to class j; NaN where i has no clip."""
    counts = np.zeros((classes, classes))
    for clip, label in enumerate(study.truth):
        counts[label] += np.bincount(study.classes[study.done, clip], minlength=classes)
    total = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)
