"""The topic that all modules of this folder add their rows to: imported checkpoints, and the data of their tasks."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from analogrnn import datasets
from analogrnn.datasets import LabelledClips
from analogrnn.network import InputEncoding, Network
from validation.claims import Topic

TOPIC = Topic("networks")
WORKERS = 2
CALIBRATION = 0.02  # of the threshold: how well docs/circuits.md says that thresholds in a ladder are known
CHECKPOINTS = Path(__file__).resolve().parent / "checkpoints"
SPECS = Path(__file__).resolve().parent / "specs"
FRAMES = {"spoken_digits": 32, "japanese_vowels": 29, "mnist_pixels": 784}


@lru_cache(maxsize=8)
def encoding(task: str, frames: int = 0, *, ramp: bool = True) -> InputEncoding:
    """The encoding that the training scripts use; its mean and scale come from the training frames."""
    every = np.concatenate(getattr(datasets, task)("train").features)
    return InputEncoding(every.mean(axis=0), every.std(axis=0), 3.0, frames or FRAMES[task], ramp)


@lru_cache(maxsize=8)
def clips(task: str, part: str) -> LabelledClips:
    """Encoded clips of a part of a data set."""
    return getattr(datasets, task)(part).encoded(encoding(task))  # type: ignore[no-any-return]


@lru_cache(maxsize=32)
def imported(name: str) -> Network:
    """A checkpoint as the package reads it with its spec."""
    raise NotImplementedError
