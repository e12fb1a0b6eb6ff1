"""Inputs that need no data set: random sequences that exercise a ladder."""

import numpy as np

from analogrnn.design import Design
from analogrnn.errors import in_range
from analogrnn.streams import stream


def random_stimulus(design: Design, steps: int, seed: int) -> np.ndarray:
    """Encoded inputs (T, D), standard normal within the design's input range, rounded to three digits.

    The rounding keeps a deck that is written from them the same on every machine.
    """
    count = int(in_range("random_stimulus.steps", steps, 1, 1_000_000))
    offset = design.layers[0].synapses.offset
    x = stream(seed, "stimulus").standard_normal((count, len(offset)))
    return np.round(np.clip(x, -offset, offset), 3)
