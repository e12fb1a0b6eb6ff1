"""Waveforms of a deck's sources: values held for a step, pulses, and piecewise linear waveforms."""

from collections.abc import Iterable

import numpy as np

from analogrnn.schedule import Schedule
from analogrnn.spice.deck import number


def piecewise_linear(points: Iterable[tuple[float, float]]) -> str:
    """`PWL(...)` through (time, value) points, folded into continuation lines."""
    pairs = [f"{number(t)} {number(v)}" for t, v in points]
    rows = [" ".join(pairs[i : i + 5]) for i in range(0, len(pairs), 5)]
    return "PWL(" + "\n+ ".join(rows) + ")"


def steps_waveform(schedule: Schedule, values: np.ndarray) -> str:
    """A source that holds values[m] (steps,) during step m, with edges of a hundredth of a pulse."""
    edge = schedule.timing.pulse / 100.0
    points = [(0.0, float(values[0]))]
    for start, before, after in zip(schedule.starts()[1:], values[:-1], values[1:], strict=True):
        if after != before:
            points += [(float(start), float(before)), (float(start) + edge, float(after))]
    return piecewise_linear(points) if len(points) > 1 else f"DC {number(points[0][1])}"


def pulses_waveform(schedule: Schedule, values: np.ndarray, lead: float) -> str:
    """A source with a pulse of height values[m] (steps,) in step m, `lead` s after its start."""
    edge, pulse = schedule.timing.pulse / 100.0, schedule.timing.pulse
    points = [(0.0, 0.0)]
    for start, value in zip(schedule.starts(), values, strict=True):
        if value:
            at = float(start) + lead
            height = float(value)
            points += [(at, 0.0), (at + edge, height), (at + pulse, height), (at + pulse + edge, 0.0)]
    return piecewise_linear(points) if len(points) > 1 else "DC 0"
