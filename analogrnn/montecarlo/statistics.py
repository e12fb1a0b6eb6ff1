"""What the classes that many chips gave say: accuracy, yield with its confidence interval, classes that suffer."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from analogrnn.campaign import Failure
from analogrnn.errors import in_range
from analogrnn.montecarlo.score import Variability
from analogrnn.show import Rows, Shown, counted
from analogrnn.statistics import proportion_interval


@dataclass(frozen=True, eq=False, repr=False)
class MonteCarlo(Shown):
    """What chips index (n,) under the seed of `variability` answered to S labelled clips.

    >>> mean = study.statistics()["mean"]

    classes (n, S) predicted; labels (S,); accuracy (n,) follows, NaN for a chip in `failures`, which has no answer.
    """

    index: np.ndarray
    classes: np.ndarray
    labels: np.ndarray
    variability: Variability
    failures: tuple[Failure, ...] = field(default=())

    def shown(self) -> tuple[str, Rows]:
        """What varied, and the accuracy over the chips."""
        s, v = self.statistics(), self.variability
        what = [
            f"mismatch times {v.scale:g}" if v.scale != 1.0 else "mismatch",
            "noise" if v.noise else "no noise",
            f"seed {v.seed}",
        ]
        failed = f", {len(self.failures)} failed" if self.failures else ""
        rows = [
            ("variability", ", ".join(what)),
            (
                "accuracy",
                f"mean {s['mean']:.1%}, standard deviation {s['std']:.1%}, 5th percentile {s['p05']:.1%}, "
                f"worst {s['min']:.1%} (chip {s['worst_chip']})",
            ),
        ]
        return f"MonteCarlo: {counted(len(self.index), 'chip')}{failed}, {counted(self.clips, 'clip')}", rows

    @cached_property
    def done(self) -> np.ndarray:
        """(n,) whether the chip gave an answer."""
        return ~np.isin(self.index, [failure.item for failure in self.failures])

    @cached_property
    def accuracy(self) -> np.ndarray:
        """(n,) part of the clips that each chip classifies as labelled."""
        return np.where(self.done, np.mean(self.classes == self.labels, axis=1), np.nan)

    @property
    def clips(self) -> int:
        return len(self.labels)

    def statistics(self) -> dict[str, float | int]:
        """Mean, standard deviation (n - 1), least, 5th percentile and median over the chips that answered."""
        a = self.accuracy[self.done]
        return {
            "mean": float(a.mean()),
            "std": float(a.std(ddof=1)) if len(a) > 1 else 0.0,
            "min": float(a.min()),
            "p05": float(np.quantile(a, 0.05)),
            "median": float(np.median(a)),
            "chips": len(a),
            "worst_chip": self.worst(1)[0][0],
        }

    def worst(self, count: int = 5) -> list[tuple[int, float]]:
        """(chip number, accuracy) of the worst chips, the worst first; of equals, the one with the lower number."""
        order = np.lexsort((self.index, self.accuracy))  # NaN sorts last
        return [(int(self.index[j]), float(self.accuracy[j])) for j in order[: min(count, int(self.done.sum()))]]


@dataclass(frozen=True)
class Yield:
    """`good` of `chips` reach the accuracy `threshold`; low and high bound the share at `confidence`."""

    threshold: float
    good: int
    chips: int
    share: float
    low: float
    high: float
    confidence: float


def yield_above(study: MonteCarlo, threshold: float, confidence: float = 0.95) -> Yield:
    """The part of the chips that answered with an accuracy of at least `threshold`, and its confidence interval.

    >>> good = ar.yield_above(study, 0.9)

    Raises ParameterError unless 0 <= threshold <= 1 and 0 < confidence < 1.
    """
    in_range("yield_above.threshold", threshold, 0.0, 1.0, hint="an accuracy such as 0.9")
    answered = study.accuracy[study.done]
    # 0.9 of 300 clips is 270 of them, though 0.9 * 300 is not a whole number in binary
    good = int(np.sum(np.round(answered * study.clips) >= threshold * study.clips - 1e-9))
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
    for label in np.unique(study.labels):
        mine = study.labels == label
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
    for clip, label in enumerate(study.labels):
        counts[label] += np.bincount(study.classes[study.done, clip], minlength=classes)
    total = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)
