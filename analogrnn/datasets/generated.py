"""Generated tasks that need memory: the same clips for everybody, from named random streams.

copy_first_input  report at the end the value of the first step; mean absolute error. Vecoven, Ernst & Drion, PLoS ONE
                  16(6), 2021, use this task as a benchmark of long memory; the noise and the marker are ours
delayed_recall    report at the end which of four values came at the marked step; accuracy
counting          report at every step how many up pulses were not undone by down pulses, 0 to 8; per-step accuracy

Inputs are within -3 to 3. A candidate of a memory unit depends on the inputs of one step alone, so a second input marks
the step that matters. Licence: that of this package (Apache-2.0); nothing is copied.
"""

import numpy as np

from analogrnn.datasets.records import Sequences
from analogrnn.datasets.split import SPLIT_SEED, checked_part
from analogrnn.errors import in_range
from analogrnn.streams import stream

SIZES = {"train": 2000, "validation": 500, "test": 500}
STEPS = 100
BOUND = 3.0  # of inputs
RECALLED = np.array([-1.5, -0.5, 0.5, 1.5])
MOST = 8  # counts 0 to 8


def copy_first_input(part: str, steps: int = STEPS) -> Sequences:
    """Value and marker (T, 2): the first value, uniform in -1 to 1, is the target; later ones are normal noise.

    Raises ParameterError for another part, or for steps outside 2 to 100,000.
    """
    rng, count, steps = _start("copy_first_input", part, steps)
    value = np.clip(rng.standard_normal((count, steps)), -BOUND, BOUND)
    value[:, 0] = rng.uniform(-1.0, 1.0, count)
    marker = np.zeros((count, steps))
    marker[:, 0] = 1.0
    return Sequences(list(np.stack([value, marker], axis=2)), targets=value[:, :1].copy())


def delayed_recall(part: str, steps: int = STEPS) -> Sequences:
    """Value and marker (T, 2): noise, and at one marked step of the first half one of four values; labels 0 to 3.

    Each class occurs equally often. Raises ParameterError for another part, or for steps outside 2 to 100,000.
    """
    rng, count, steps = _start("delayed_recall", part, steps)
    value = np.clip(rng.standard_normal((count, steps)), -BOUND, BOUND)
    labels = rng.permutation(np.arange(count) % len(RECALLED))
    when = rng.integers(0, steps // 2, count)
    marker = np.zeros((count, steps))
    rows = np.arange(count)
    value[rows, when], marker[rows, when] = RECALLED[labels], 1.0
    return Sequences(list(np.stack([value, marker], axis=2)), labels)


def counting(part: str, steps: int = STEPS) -> Sequences:
    """Pulses (T, 1) of 1 or -1 with small noise: the label of each step is their running count, kept within 0 to 8.

    Half of the steps have a pulse. Raises ParameterError for another part, or for steps outside 2 to 100,000.
    """
    rng, count, steps = _start("counting", part, steps)
    pulse = rng.choice([-1, 0, 0, 1], (count, steps))
    level, labels = np.zeros(count, dtype=int), np.empty((count, steps), dtype=int)
    for t in range(steps):
        level = np.clip(level + pulse[:, t], 0, MOST)
        labels[:, t] = level
    noise = np.clip(0.1 * rng.standard_normal((count, steps)), -0.4, 0.4)
    return Sequences(list((pulse + noise)[:, :, None]), labels.ravel())


def _start(name: str, part: str, steps: int) -> tuple[np.random.Generator, int, int]:
    part = checked_part(name, part)
    steps = int(in_range(f"{name}.steps", steps, 2, 100_000))
    return stream(SPLIT_SEED, name, part, steps), SIZES[part], steps
