"""What is learned: encoded clips of a training and a validation part, and the loss and the metric that fit them."""

from dataclasses import dataclass

import numpy as np

from analogrnn.datasets import Clips, LabelledClips, TargetClips
from analogrnn.errors import MissingDependencyError, ParameterError
from analogrnn.metrics import Metric, usual_metric
from analogrnn.network import InputEncoding
from analogrnn.train import NO_TORCH

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error


@dataclass(frozen=True, eq=False)
class Task:
    """Encoded clips with labels (S,) or (T, S), or with targets (S, O) or (T, S, O).

    >>> task = train.Task(encoding, *(clips.clips(encoding) for clips in (train_clips, validation_clips)))

    Raises ParameterError for clips without labels and targets, for one class, and for parts that don't match.
    """

    encoding: InputEncoding
    train: Clips
    validation: Clips

    def __post_init__(self) -> None:
        for name, part in (("train", self.train), ("validation", self.validation)):
            if part.truth is None:
                raise ParameterError(f"the {name} clips have no labels and no targets; there is nothing to learn.")
        if type(self.train) is not type(self.validation) or self.train.x.shape[2] != self.validation.x.shape[2]:
            raise ParameterError("the train and the validation clips differ in their labels, targets or inputs.")
        if isinstance(self.train, LabelledClips):
            present = np.unique(self.train.labels)
            if len(present) < 2:
                raise ParameterError(
                    f"the train clips have one class, {present[0]}: every network is right on them; give clips of at "
                    "least two classes."
                )

    @property
    def truth(self) -> np.ndarray:
        """Labels or targets of the training clips."""
        assert self.train.truth is not None
        return self.train.truth

    @property
    def per_step(self) -> bool:
        """Whether the outputs are compared at every step."""
        return self.truth.ndim == (2 if isinstance(self.train, LabelledClips) else 3)

    @property
    def outputs(self) -> int:
        """Number of outputs of a network for this task."""
        if isinstance(self.train, TargetClips):
            return int(self.truth.shape[-1])
        assert self.validation.truth is not None
        return int(max(self.truth.max(), self.validation.truth.max())) + 1

    @property
    def metric(self) -> Metric:
        """Accuracy, per-step accuracy or mean absolute error."""
        return usual_metric(self.truth)

    def tensors(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Inputs (T, S, D) and labels or targets of the training clips."""
        truth = torch.tensor(self.truth)
        return torch.tensor(self.train.x, dtype=dtype), truth.to(dtype) if truth.is_floating_point() else truth.long()

    def loss(self, outputs: Tensor, truth: Tensor) -> Tensor:
        """Cross-entropy of labels; smooth mean absolute error of targets."""
        if truth.is_floating_point():
            return nn.functional.smooth_l1_loss(outputs, truth, beta=0.1)
        return nn.functional.cross_entropy(outputs.flatten(0, -2), truth.flatten())
