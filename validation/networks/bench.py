"""The topic that all modules of this folder add their rows to: imported checkpoints, and the data of their tasks."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from analogrnn import datasets
from analogrnn.convert import Imported, build_network, read_checkpoint, read_spec
from analogrnn.datasets import LabelledClips
from analogrnn.network import InputEncoding, Network
from validation.claims import Topic
from validation.network.memory import FOLDER, DiskMemory

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
    return getattr(datasets, task)(part).encoded(encoding(task))


KEYWORD, KEYWORD_FRAMES = 7, 101  # of the published hardware shape: this digit against the others


@lru_cache(maxsize=4)
def keyword_clips(part: str) -> LabelledClips:
    """13 MFCC in 101 frames; class 1 is the keyword."""
    found = datasets.spoken_digits(part).encoded(encoding("spoken_digits", KEYWORD_FRAMES, ramp=False))
    return replace(found, labels=(found.labels == KEYWORD).astype(int))


@lru_cache(maxsize=32)
def read(name: str) -> Imported:
    """A checkpoint, read with its spec."""
    file = next(path for path in CHECKPOINTS.iterdir() if path.stem == name)
    return build_network(read_checkpoint(file), read_spec(SPECS / f"{name}.toml"), name)


def imported(name: str) -> Network:
    """The network of a checkpoint."""
    return read(name).network


def memory_of(quick: bool) -> DiskMemory | None:
    """Readings of finished decks, so that a long run resumes after an interruption; quick runs measure every time."""
    return None if quick else DiskMemory(FOLDER.parent / "networks")


def spread_clips(total: int, count: int) -> np.ndarray:
    """`count` clip numbers, evenly over the test set."""
    return np.linspace(0, total - 1, count).astype(int)
