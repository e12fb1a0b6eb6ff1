"""Metrics: how well the outputs of a network agree with labels or with real targets.

    accuracy       share of the clips whose largest output is that of their label
    step_accuracy  share of the steps whose largest output is that of their label
    vote           share of the clips whose label is the class of most of their steps
    mae, mse       mean absolute and mean squared error over clips and outputs, and over steps if targets are per step

Outputs are (S, O) of a network with pooling, one row per clip, or (T, S, O) without, one row per step. Targets per clip
of a network without pooling are compared with the outputs of the last step. Of equal outputs or votes, the class with
the lower number counts.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analogrnn.datasets import class_labels, real_targets, step_labels
from analogrnn.errors import ParameterError, in_range


@dataclass(frozen=True)
class Metric:
    """A score of outputs (S, O) or (T, S, O) against labels or targets.

    name    of the metric
    title   in words, with the unit where it is that of the targets
    kind    `share` of 1, where higher is better; or `error`, where lower is better
    """

    name: Literal["accuracy", "step_accuracy", "vote", "mae", "mse"]
    title: str
    kind: Literal["share", "error"]

    @property
    def higher_is_better(self) -> bool:
        """The direction of the metric."""
        return self.kind == "share"

    @property
    def has_classes(self) -> bool:
        """Whether each clip gets one class."""
        return self.name in ("accuracy", "vote")

    def checked(self, truth: ArrayLike, shape: tuple[int, ...], steps: int, *, owner: str = "") -> np.ndarray:
        """Return labels (S,) or (T, S), or targets (S, O) or (T, S, O), that fit this metric.

        shape  of the outputs: (S, O), or (T, S, O) without pooling
        steps  T of the inputs
        owner  begins each message

        Raises ParameterError for labels or targets of another shape or value, and for outputs that the metric does not
        fit.
        """
        pooled, clips, width = len(shape) == 2, shape[-2], shape[-1]
        labels, targets = f"{owner}labels", f"{owner}targets"
        if self.kind == "error":
            values = real_targets(truth, steps, clips, width, owner=targets)
            if pooled and values.ndim == 3:
                raise ParameterError(
                    f"{targets} has shape {values.shape}, a value per step, but the network pools its outputs: give "
                    f"targets per clip, ({clips}, {width}), or leave the pooling out."
                )
            return values
        if self.name == "accuracy":
            if not pooled:
                raise ParameterError(
                    "accuracy needs one class per clip, but without pooling there is one per step: add pooling, or "
                    "choose the metric vote or step_accuracy."
                )
            return class_labels(truth, clips, width, owner=labels)
        if pooled:
            raise ParameterError(
                f"{self.name} needs outputs at every step, but the network pools them: leave the pooling out, or "
                "choose the metric accuracy."
            )
        if self.name == "step_accuracy" and np.ndim(truth) == 2:
            return step_labels(truth, steps, clips, width, owner=labels)
        return class_labels(truth, clips, width, owner=labels)

    def classes(self, outputs: np.ndarray) -> np.ndarray:
        """(S,) the class of each clip; for a metric that has classes."""
        each = np.argmax(outputs, axis=-1)
        if each.ndim == 1:
            return each
        votes = np.stack([np.count_nonzero(each == label, axis=0) for label in range(outputs.shape[-1])], axis=-1)
        return np.asarray(np.argmax(votes, axis=-1))

    def per_clip(self, outputs: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """(S,) the score of each clip: 0 or 1, a share of its steps, or an error. Their mean is `score`."""
        if self.has_classes:
            return np.asarray(self.classes(outputs) == truth, dtype=float)
        if self.kind == "share":
            return np.asarray(np.mean(np.argmax(outputs, axis=-1) == truth, axis=0))
        if outputs.ndim == 3 and truth.ndim == 2:
            outputs = outputs[-1]
        error = outputs - truth
        each = np.abs(error) if self.name == "mae" else error**2
        return np.asarray(each.mean(axis=-1) if each.ndim == 2 else each.mean(axis=(0, 2)))

    def score(self, outputs: np.ndarray, truth: np.ndarray) -> float:
        """The metric over all clips; `truth` as `checked` returns it."""
        return float(np.mean(self.per_clip(outputs, truth)))

    def loss(self, value: float, reference: float) -> float:
        """By how much `value` is worse than `reference`; negative if it is better."""
        return reference - value if self.higher_is_better else value - reference

    def gain(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """By how much scores `after` are better than `before`, element by element."""
        return np.asarray(after - before if self.higher_is_better else before - after)

    def worse_by(self, value: float, loss: float) -> float:
        """The score that is worse than `value` by `loss`."""
        return value - loss if self.higher_is_better else value + loss

    def reaches(self, scores: np.ndarray, threshold: float, count: int = 0) -> np.ndarray:
        """Which scores are at least as good as `threshold`.

        count  decisions behind a share: 270 of 300 clips reach 0.9, though 0.9 * 300 is not a whole number in binary
        """
        if self.kind == "error":
            return np.asarray(scores <= threshold)
        if count:
            return np.asarray(np.round(scores * count) >= threshold * count - 1e-9)
        return np.asarray(scores >= threshold)

    def checked_threshold(self, owner: str, value: float) -> float:
        """Return a threshold in the range of the metric. Raises ParameterError."""
        if self.kind == "error":
            return in_range(owner, value, 0.0, 1e300, hint=f"a {self.title} such as 0.1")
        return in_range(owner, value, 0.0, 1.0, hint="an accuracy such as 0.9")

    def text(self, value: float, digits: int = 1) -> str:
        """A score for a person: a share in percent, an error with four digits."""
        return f"{100 * value:.{digits}f} %" if self.kind == "share" else f"{value:.4g}"

    @property
    def factor(self) -> float:
        """What a score is multiplied by in tables and figures: 100 for a share in percent."""
        return 100.0 if self.kind == "share" else 1.0

    @property
    def axis(self) -> str:
        """The label of an axis over scores times `factor`."""
        return f"{self.title} (%)" if self.kind == "share" else self.title


ACCURACY = Metric("accuracy", "accuracy", "share")
STEP_ACCURACY = Metric("step_accuracy", "per-step accuracy", "share")
VOTE = Metric("vote", "accuracy by vote", "share")
MAE = Metric("mae", "mean absolute error", "error")
MSE = Metric("mse", "mean squared error", "error")
METRICS: dict[str, Metric] = {metric.name: metric for metric in (ACCURACY, STEP_ACCURACY, VOTE, MAE, MSE)}


@dataclass(frozen=True, eq=False)
class Goal:
    """What the outputs of clips are compared with, and how: labels or targets, and a metric or its name.

    >>> goal = ar.metrics.Goal(targets, "mae")
    """

    truth: np.ndarray
    metric: Metric = ACCURACY

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", find_metric(self.metric))

    @classmethod
    def of(cls, truth: "ArrayLike | Goal") -> "Goal":
        """`truth` as it is, or labels with the metric accuracy."""
        return truth if isinstance(truth, Goal) else cls(truth)  # type: ignore[arg-type] # checked by the metric


def find_metric(metric: "str | Metric") -> Metric:
    """A metric by name. Raises ParameterError for an unknown name, with the known ones."""
    if isinstance(metric, Metric):
        return metric
    if metric not in METRICS:
        raise ParameterError(f"there is no metric {metric!r}; known: {', '.join(METRICS)}.")
    return METRICS[metric]


def usual_metric(truth: np.ndarray) -> Metric:
    """Accuracy of labels (S,), per-step accuracy of labels (T, S), mean absolute error of real targets."""
    if truth.dtype.kind == "f":
        return MAE
    return ACCURACY if truth.ndim == 1 else STEP_ACCURACY
