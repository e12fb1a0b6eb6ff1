"""From a recorded sequence of features to the inputs of the first layer at each step."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analogrnn.errors import ParameterError, finite_array, in_range


@dataclass(frozen=True, eq=False)
class InputEncoding:
    """Resample in time, standardise, clip, and append a time ramp.

    The clip bounds the input currents of the hardware, so it is part of the trained network. The ramp lets a single
    cumulative layer distinguish early from late frames; without it, only saturation makes the layer sensitive to order.
    Raises ParameterError for a field out of range.
    """

    mean: np.ndarray = field(metadata={"doc": "(F,) subtracted from each feature"})
    scale: np.ndarray = field(metadata={"doc": "(F,) divides each feature; > 0"})
    clip: float = field(default=3.0, metadata={"doc": "bound on the magnitude of every encoded value"})
    frames: int = field(default=32, metadata={"doc": "number of steps after resampling"})
    ramp: bool = field(default=True, metadata={"doc": "append an input that rises from -1 to 1 over the steps"})

    def __post_init__(self) -> None:
        mean = finite_array("encoding.mean", self.mean, (None,))
        scale = finite_array("encoding.scale", self.scale, mean.shape)
        if np.any(scale <= 0):
            raise ParameterError(f"encoding.scale[{int(np.argmin(scale))}] = {scale.min():g} is not positive.")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "clip", in_range("encoding.clip", self.clip, 1.0, 100.0))
        frames = in_range("encoding.frames", self.frames, 2, 1_000_000)
        if frames != int(frames):
            raise ParameterError(f"encoding.frames = {frames:g} is not a whole number.")
        object.__setattr__(self, "frames", int(frames))
        if not isinstance(self.ramp, bool):
            raise ParameterError(f"encoding.ramp = {self.ramp!r} is neither true nor false.")

    @classmethod
    def fitted(
        cls, sequences: Sequence[np.ndarray], *, frames: int = 32, clip: float = 3.0, ramp: bool = True
    ) -> "InputEncoding":
        """The encoding with the mean and the standard deviation of all frames of training sequences (L_s, F).

        A feature that is constant keeps a scale of 1. Raises ParameterError for another option, or for no sequence.
        """
        if not len(sequences):
            raise ParameterError("sequences is empty; give at least one to fit an encoding.")
        every_frame = np.concatenate(sequences)
        spread = every_frame.std(axis=0)
        # the rounding of a mean gives a constant feature a deviation of some units in the last place
        constant = spread <= 1e-12 * np.abs(every_frame).max(axis=0)
        return cls(every_frame.mean(axis=0), np.where(constant, 1.0, spread), clip, frames, ramp)

    @property
    def width(self) -> int:
        """Number of inputs after encoding."""
        return len(self.mean) + int(self.ramp)

    def __call__(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """Encode S sequences of shape (L_s, F) into (frames, S, width).

        Raises ParameterError for an empty sequence, a wrong number of features or a value that is not finite.
        """
        steps = np.linspace(0.0, 1.0, self.frames)
        x = np.empty((self.frames, len(sequences), self.width))
        for j, raw in enumerate(sequences):
            sequence = finite_array(f"sequence {j}", raw, (None, len(self.mean)))
            if len(sequence) == 0:
                raise ParameterError(f"sequence {j} is empty; leave it out.")
            at = steps * (len(sequence) - 1)
            left = np.minimum(at.astype(int), max(len(sequence) - 2, 0))
            right = np.minimum(left + 1, len(sequence) - 1)
            part = (at - left)[:, None]
            resampled = (1.0 - part) * sequence[left] + part * sequence[right]
            x[:, j, : len(self.mean)] = np.clip((resampled - self.mean) / self.scale, -self.clip, self.clip)
        if self.ramp:
            x[:, :, -1] = np.linspace(-1.0, 1.0, self.frames)[:, None]
        return x
