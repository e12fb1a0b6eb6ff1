"""Stages forced for a while: what heals, what moves the level, what ends on an island."""

from collections import Counter

import numpy as np

from analogrnn.analysis.fixed_points.dynamics import after_upset
from analogrnn.analysis.fixed_points.report import upsets
from analogrnn.analysis.fixed_points.rest_states import is_thermometer
from analogrnn.kernels.waveform import dpi_step
from validation.bounds import Bound
from validation.claims import Measured
from validation.fixed_points.bench import TOPIC, bench


@TOPIC.measure(
    "upsets-brief",
    "One or two stages away from the thermometer boundary that are forced for a pulse heal, and no such upset "
    "ends on an island.",
)
def brief(quick: bool) -> Measured:
    heals = total = islands = 0
    for stages in range(2, 9):
        for upset in upsets(bench(stages)):
            islands += upset.brief.startswith("island")
            if not {upset.level - 1, upset.level} & set(upset.stages):
                total += 1
                heals += upset.brief == "heals"
    return Measured(
        heals / total,
        "of upsets",
        Bound.equals(1),
        {"N": "2 to 8", "upsets": total, "upsets on an island": islands},
        also={"no islands": not islands},
    )


@TOPIC.measure(
    "upsets-long", "Upsets that end on an island when one or two stages are forced until the DPIs have followed."
)
def long(quick: bool) -> Measured:
    ends = Counter(upset.long.split()[0] for upset in upsets(bench(8)))
    total = sum(ends.values())
    return Measured(
        ends["island"] / total,
        "of upsets",
        Bound(),
        {
            "N": 8,
            "upsets": total,
            "heal": ends["heals"],
            "move the level": ends["moves"],
            "end on an island": ends["island"],
        },
    )


@TOPIC.measure(
    "upset-duration",
    "Least time for which two neighbours must be forced ON to become an island, compared with the rise of a DPI "
    "to 1 - beta/I_s.",
)
def duration(quick: bool) -> Measured:
    """Two OFF stages far above the wall: forced ON for long enough that each holds the other, d > 1 - beta/I_s."""
    item = bench(6)
    code, forced = np.zeros(6, dtype=bool), {3: True, 4: True}
    low, high = 0.0, 4.0 * item.rise
    while high - low > 1e-3 * item.rise:
        middle = (low + high) / 2.0
        if is_thermometer(after_upset(item, code, forced, middle).on):
            low = middle
        else:
            high = middle
    d, t, dt = item.floor, 0.0, item.rise / 4000.0
    while d < 1.0 - item.beta / item.shift:
        d, t = dpi_step(d, True, dt, float(item.scalars[1]), float(item.scalars[2]), item.floor), t + dt
    return Measured(
        high / t,
        "of predicted",
        Bound.near(1, 0.05),
        {"in pulses": f"{high / item.pulse:.1f}", "time": f"{high * 1e3:.2f} ms"},
    )
