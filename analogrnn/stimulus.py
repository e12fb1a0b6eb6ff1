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


_SEGMENTS = ("climb", "descend", "reverse", "hold", "below", "over", "noise")


def ladder_exercise(threshold: np.ndarray, steps: int, seed: int, *, guard: float = 1e-3) -> np.ndarray:
    """Candidates (T, d) that take ladders with thresholds (d,) through all they must follow.

    Segments of random length: climbs into the upper end and descents into the lower one, reversals at every step, long
    holds at zero, sub-threshold candidates, over-range pulses (to ten thresholds), and plain noise. None lies within
    `guard` (relative) of its threshold, where the memory of an unsettled DPI may decide.
    """
    rng = stream(seed, "stimulus", "exercise")
    cells = len(threshold)
    c = np.empty((steps, cells))
    for i in range(cells):
        t = 0
        while t < steps:
            length = min(int(rng.integers(2, 25)), steps - t)
            c[t : t + length, i] = _segment(str(rng.choice(_SEGMENTS)), length, rng)
            t += length
    near = np.abs(np.abs(c) - 1.0) < guard
    c[near] = np.sign(c[near]) * (1.0 + 2.0 * guard)
    return np.asarray(c * threshold)


def _segment(kind: str, length: int, rng: np.random.Generator) -> np.ndarray:
    """One segment in units of the threshold."""
    free, sign = rng.random(length), np.where(rng.random(length) < 0.5, -1.0, 1.0)
    toggle = np.where(np.arange(length) % 2, 1.0, -1.0)
    return {
        "climb": 1.0 + 2.0 * free,
        "descend": -1.0 - 2.0 * free,
        "reverse": (1.2 + free) * toggle,
        "hold": np.zeros(length),
        "below": 0.99 * sign * free,
        "over": sign * (3.0 + 7.0 * free),
        "noise": 1.5 * rng.standard_normal(length),
    }[kind]
