"""Inputs without a data set: random inputs of a network, and sequences of candidates that move a ladder."""

from dataclasses import dataclass

import numpy as np

from analogrnn.design import Design
from analogrnn.errors import in_range
from analogrnn.streams import stream


def random_stimulus(design: Design, steps: int, seed: int) -> np.ndarray:
    """Encoded inputs (T, D), standard normal within the design's input range, rounded to three digits.

    Rounding makes a deck with these inputs identical on every machine. Raises ParameterError for `steps` outside 1 to
    1e6.
    """
    count = int(in_range("random_stimulus.steps", steps, 1, 1_000_000))
    offset = design.layers[0].synapses.offset
    x = stream(seed, "stimulus").standard_normal((count, len(offset)))
    return np.round(np.clip(x, -offset, offset), 3)


_SEGMENTS = ("climb", "descend", "reverse", "hold", "below", "over", "noise")


def ladder_exercise(threshold: np.ndarray, steps: int, seed: int, *, guard: float = 1e-3) -> np.ndarray:
    """Candidates (T, d) that exercise ladders with thresholds (d,) in every way that they must follow.

    Segments of random length: climbs to the upper end and descents to the lower end, reversals at every step, long
    holds at zero, sub-threshold candidates, over-range pulses (to ten thresholds), and white noise. No candidate lies
    within `guard` (relative) of its threshold, where an unsettled DPI may decide.
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


@dataclass(frozen=True)
class Demand:
    """What candidates must do, in half windows: hold up to `hold`, move by one level from `move` to `most`."""

    hold: float = 0.5
    move: float = 1.6
    most: float = 4.0


def climbs_and_holds(demand: Demand, stages: int, steps: int, seed: int) -> np.ndarray:
    """(T,) half windows: moves through every level, then random moves, about `steps` in all, with random holds."""
    rng = stream(seed, "sizing", "exercise")
    ramp = np.repeat([1.0, -1.0], stages)
    moves = np.concatenate([ramp, rng.choice([-1.0, 1.0], max(steps - 3 * stages, 2))])
    out = []
    for move in moves:
        out.append(move * demand.move)
        if rng.random() < 0.5:
            out.append(rng.choice([-1.0, 1.0]) * demand.hold)
    return np.array(out)


def drifting_moves(demand: Demand, stages: int, steps: int, seed: int) -> np.ndarray:
    """(steps,) half windows: moves to the top and back, then random holds and moves with a slow drift."""
    rng = stream(seed, "sweep", "exercise")
    c, drift = np.zeros(steps), 0
    for t in range(steps):
        if rng.random() < 0.1:
            drift = int(rng.choice([-1, 0, 0, 1]))
        kind, sign = rng.random(), float(rng.choice([-1.0, 1.0]))
        if kind < 0.4:
            c[t] = sign * demand.hold * rng.choice([0.0, 0.5, 1.0])
        else:
            sign = float(drift) if drift and rng.random() < 0.75 else sign
            c[t] = sign * rng.choice([demand.move, rng.uniform(demand.move, demand.most), demand.most])
    climb = np.repeat([demand.move, -demand.move], stages)[:steps]
    c[: len(climb)] = climb
    return np.round(c, 3)
