"""Records of clips: sequences as recorded, and clips encoded for a network, with labels or with targets."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from analogrnn.datasets.labels import class_labels, real_targets, step_labels
from analogrnn.errors import ParameterError, plain_array

Encode = Callable[[list[np.ndarray]], np.ndarray]


@dataclass(frozen=True, eq=False)
class Sequences:
    """S recordings of any length, not yet encoded for a network; with labels, or with targets, or with neither.

    features  S arrays (L_i, F)
    labels    (S,) classes of the recordings, or (L_1 + ... + L_S,) classes of all frames; empty: none
    indices   (S,) their rows in the source
    targets   (S, O) values of the recordings, or (L_1 + ... + L_S, O) values of all frames; empty: none

    Raises ParameterError for another number of labels or targets, for both at once, and for features that are not
    finite numbers.
    """

    features: list[np.ndarray]
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    indices: np.ndarray = field(default_factory=lambda: np.arange(0))
    targets: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    def __post_init__(self) -> None:
        if not self.features:
            raise ParameterError("features holds no sequence; give at least one.")
        checked = [_checked(f"features[{i}]", sequence) for i, sequence in enumerate(self.features)]
        object.__setattr__(self, "features", checked)
        width = checked[0].shape[1]
        other = next((i for i, sequence in enumerate(checked) if sequence.shape[1] != width), None)
        if other is not None:
            raise ParameterError(
                f"features[{other}] has {checked[other].shape[1]} numbers per frame, but features[0] has {width}."
            )
        if len(self.labels) and len(self.targets):
            raise ParameterError("Sequences has labels and targets; leave one of them out.")
        frames = int(self.lengths.sum())
        for name in ("labels", "targets"):
            count = len(getattr(self, name))
            if count not in (0, len(checked), frames):
                raise ParameterError(
                    f"{name} has {count} entries; give one for each of the {len(checked)} sequences, or one for each "
                    f"of their {frames} frames."
                )
        if not len(self.indices):
            object.__setattr__(self, "indices", np.arange(len(checked)))

    def __len__(self) -> int:
        return len(self.features)

    @property
    def lengths(self) -> np.ndarray:
        """(S,) number of frames of each sequence."""
        return np.array([len(sequence) for sequence in self.features])

    def take(self, rows: np.ndarray | slice) -> "Sequences":
        """These sequences only, in this order."""
        chosen = np.arange(len(self))[rows]

        def some(values: np.ndarray) -> np.ndarray:
            if len(values) in (0, len(self)):
                return values[chosen] if len(values) else values
            parts = self._split(values)
            return np.concatenate([parts[i] for i in chosen])

        features = [self.features[i] for i in chosen]
        return Sequences(features, some(self.labels), self.indices[chosen], some(self.targets))

    def clips(self, encoding: Encode | None = None) -> "Clips":
        """The same recordings as clips (T, S, D): LabelledClips, TargetClips or Clips.

        encoding  of the network; None for sequences of equal length, whose frames are the inputs as they are

        Labels and targets of frames follow the resampling of the encoding: to T steps at equal distances from the first
        frame to the last, a label from the nearest frame, a target by linear interpolation.
        Raises ParameterError for sequences of different lengths without an encoding.
        """
        x = self._stacked() if encoding is None else encoding(self.features)
        if len(self.targets):
            targets = self.targets
            if len(targets) != len(self):
                targets = np.stack([_resampled(value, len(x)) for value in self._split(targets)], axis=1)
            return TargetClips(x, targets, indices=self.indices)
        if len(self.labels):
            labels = self.labels
            if len(labels) != len(self):
                parts = self._split(labels)
                labels = np.stack([value[_nearest(len(value), len(x))] for value in parts], axis=1)
            return LabelledClips(x, labels, indices=self.indices)
        return Clips(x, indices=self.indices)

    def encoded(self, encoding: Encode | None) -> "LabelledClips":
        """`clips` of recordings that have labels. Raises ParameterError if they have none."""
        found = self.clips(encoding)
        if not isinstance(found, LabelledClips):
            raise ParameterError("these sequences have no labels; use Sequences.clips.")
        return found

    def _split(self, values: np.ndarray) -> list[np.ndarray]:
        """Values of all frames, sequence by sequence."""
        return np.split(values, np.cumsum(self.lengths)[:-1])

    def _stacked(self) -> np.ndarray:
        lengths = self.lengths
        if np.any(lengths != lengths[0]):
            raise ParameterError(
                f"features has sequences of {lengths.min()} to {lengths.max()} frames, and the network has no encoding "
                "that brings them to one length; add Network.encoding, or fit one to training data."
            )
        return np.stack(self.features, axis=1)


def _checked(owner: str, sequence: np.ndarray) -> np.ndarray:
    """The sequence as float64 (L, F) with at least one number, all of them finite."""
    if type(sequence) is not np.ndarray or sequence.dtype != np.float64:  # plain numbers stay the array that they are
        sequence = plain_array(owner, sequence)
    if sequence.ndim != 2 or not sequence.size:
        raise ParameterError(f"{owner} has shape {sequence.shape}; give at least one frame, (L, F).")
    if not np.isfinite(sequence).all():
        frame = int(np.argmin(np.isfinite(sequence).all(axis=1)))
        raise ParameterError(f"{owner} has a value that is not finite, first in frame {frame}; leave it out.")
    return sequence


def _nearest(frames: int, steps: int) -> np.ndarray:
    """(steps,) the frame nearest to each of `steps` steps at equal distances from the first frame to the last."""
    return np.rint(np.linspace(0.0, frames - 1, steps)).astype(int)


def _resampled(values: np.ndarray, steps: int) -> np.ndarray:
    """(steps, O) values of frames (L, O), interpolated at `steps` steps from the first frame to the last."""
    at = np.linspace(0.0, len(values) - 1, steps)
    return np.stack([np.interp(at, np.arange(len(values)), column) for column in values.T], axis=1)


@dataclass(frozen=True, eq=False)
class Clips:
    """Encoded clips x (T, S, D) and their rows (S,) in the set that they come from (default: 0..S-1)."""

    x: np.ndarray
    indices: np.ndarray = field(default_factory=lambda: np.arange(0), kw_only=True)

    def __post_init__(self) -> None:
        if type(self.x) is not np.ndarray or self.x.dtype != np.float64:  # a view of plain numbers stays one
            object.__setattr__(self, "x", plain_array("x", self.x))
        if self.x.ndim != 3 or not self.x.shape[1]:
            raise ParameterError(f"x has shape {self.x.shape}; give x (T, S, D) of at least one clip.")
        if not len(self.indices):
            object.__setattr__(self, "indices", np.arange(self.x.shape[1]))

    def __len__(self) -> int:
        return int(self.x.shape[1])

    @property
    def truth(self) -> np.ndarray | None:
        """What outputs are compared with: the labels or the targets; None for clips without."""
        return None

    def take(self, rows: np.ndarray | slice) -> Self:
        """These clips only, in this order; with their labels or targets, if they have any."""
        return replace(self, x=self.x[:, rows], indices=self.indices[rows])


@dataclass(frozen=True, eq=False)
class LabelledClips(Clips):
    """Encoded clips x (T, S, D) with labels (S,), or labels per step (T, S): whole numbers from 0.

    >>> clips = ar.LabelledClips(x, labels)

    Raises ParameterError for labels that `class_labels` or `step_labels` refuses.
    """

    labels: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        steps, clips = self.x.shape[:2]
        # a column (S, 1) or a table (S, C) of one-hot labels is for `class_labels` to refuse
        if np.ndim(self.labels) == 2 and np.shape(self.labels) == (steps, clips):
            labels = step_labels(self.labels, steps, clips)
        else:
            labels = class_labels(self.labels, clips)
        object.__setattr__(self, "labels", labels)

    @property
    def truth(self) -> np.ndarray:
        """The labels."""
        return self.labels

    def take(self, rows: np.ndarray | slice) -> Self:
        """These clips only, in this order."""
        return replace(self, x=self.x[:, rows], indices=self.indices[rows], labels=self.labels[..., rows])


@dataclass(frozen=True, eq=False)
class TargetClips(Clips):
    """Encoded clips x (T, S, D) with real targets: (S, O) per clip or (T, S, O) per step.

    >>> clips = ar.datasets.TargetClips(x, targets)

    Targets (S,) or (T, S) are those of one output. Raises ParameterError for targets that `real_targets` refuses.
    """

    targets: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "targets", real_targets(self.targets, *self.x.shape[:2]))

    @property
    def truth(self) -> np.ndarray:
        """The targets."""
        return self.targets

    def take(self, rows: np.ndarray | slice) -> Self:
        """These clips only, in this order."""
        return replace(self, x=self.x[:, rows], indices=self.indices[rows], targets=self.targets[..., rows, :])
