"""From a data set and a few sizes to what `Training` takes: an encoding, a task, and a model."""

from dataclasses import dataclass

import numpy as np

from analogrnn import datasets
from analogrnn.datasets import DataName
from analogrnn.errors import MissingDependencyError, ParameterError, in_range
from analogrnn.network import InputEncoding
from analogrnn.train import NO_TORCH
from analogrnn.train.loop import generator
from analogrnn.train.model import Model
from analogrnn.train.modules import BMRU, CMRU, Pooling
from analogrnn.train.task import Task

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error

CLIP, FRAMES = 1.25, 32  # bound of the encoded inputs, and steps of a recording: chosen on validation clips


@dataclass(frozen=True)
class ModelShape:
    """One recurrent layer and a linear readout: d units on the levels -levels to levels, or bistable ones for 0.

    start  `off`, the lowest level, which needs no preset pulses, or `middle`
    """

    units: int = 32
    levels: int = 4
    start: str = "off"

    def __post_init__(self) -> None:
        in_range("ModelShape.units", self.units, 1, 10_000)
        in_range("ModelShape.levels", self.levels, 0, 500)
        if self.start not in ("off", "middle"):
            raise ParameterError(f"ModelShape.start = {self.start!r} is neither 'off' nor 'middle'.")


def task_of(data: DataName, encoding: InputEncoding | None = None, *, frames: int | None = None) -> Task:
    """The task of a data set; the encoding is fitted to the training part unless it is given.

    Recordings are resampled to `frames` steps and get a time ramp; clips of a generated task keep their steps.
    Raises ParameterError for what `Task` refuses, MissingDependencyError without the data.
    """
    train, validation = data.load("train"), data.load("validation")
    if encoding is None:
        generated = datasets.find(data.name).has_steps
        every = np.concatenate(train.features)
        if generated:
            mean, scale = np.zeros(every.shape[1]), np.abs(every).max(axis=0) / CLIP
            steps = len(train.features[0])
        else:
            mean, scale = every.mean(axis=0), every.std(axis=0)
            steps = frames or min(FRAMES, int(train.lengths.max()))
        encoding = InputEncoding(mean, np.where(scale > 0.0, scale, 1.0), CLIP, steps, ramp=not generated)
    return Task(encoding, train.clips(encoding), validation.clips(encoding))


def model_for(task: Task, shape: ModelShape, seed: int) -> Model:
    """A model of that shape for a task, with initial values of `seed`. Outputs are per step if the task's are."""
    rng = generator(seed, "init")
    inputs = task.train.x.shape[2]
    cell: CMRU
    if shape.levels == 0:
        cell = BMRU(inputs, shape.units, generator=rng)
    else:
        cell = CMRU(inputs, shape.units, k_min=-shape.levels, k_max=shape.levels, start=shape.start, generator=rng)
    readout = nn.Linear(shape.units, task.outputs)
    with torch.no_grad():
        readout.weight.copy_(torch.randn(task.outputs, shape.units, generator=rng) / shape.units**0.5)
        readout.bias.zero_()
    pool = {} if task.per_step else {"pool": Pooling("last")}
    return Model({"cell": cell, **pool, "readout": readout})
