"""What pulses reach from the reset: whole levels only, one at a time."""

from dataclasses import replace

import numpy as np

from analogrnn.analysis.fixed_points.dynamics import after_pulse, at_rest, ladder_bench, reachable
from analogrnn.analysis.fixed_points.report import AMPLITUDES
from analogrnn.analysis.fixed_points.rest_states import is_thermometer
from analogrnn.errors import MappingError
from analogrnn.mapping import MappingOptions
from validation.claims import Measured, equal
from validation.fixed_points.bench import SEED, TOPIC, bench, ladder


@TOPIC.measure("unreachable")
def unreachable(quick: bool) -> Measured:
    """Random designs that the mapping accepts: from the reset, by pulses of any amplitude."""
    rng = np.random.Generator(np.random.Philox(key=[SEED, 1]))
    wanted, done, wrong = (30 if quick else 300), 0, 0
    while done < wanted:
        options = MappingOptions(
            input_bound=12.0,
            shift_ratio=float(rng.uniform(1.2, 4.0)),
            base_ratio=float(rng.uniform(1.05, 4.0)),
            pulse_ratio=float(rng.uniform(0.03, 0.5)),
            pulse_settle=float(rng.uniform(8.1, 20.0)),
            drive_ratio=float(rng.uniform(8.0, 60.0)),
        )
        try:
            _, chip, layer = ladder(int(rng.integers(2, 11)), options)
        except MappingError:
            continue
        item = ladder_bench(chip, layer, 0)
        found = reachable(item, np.concatenate([[-12.0], AMPLITUDES, [12.0]]) * item.beta)
        wrong += not (is_thermometer(found).all() and len(found) == item.stages + 1)
        done += 1
    return Measured(
        wrong,
        "designs",
        "= 0",
        wrong == 0,
        f"of {done} random designs that the mapping accepts (N = 2..10): those in which pulses of "
        f"any size lead "
        "from the reset to anything but the N + 1 levels",
    )


@TOPIC.measure("one-level")
def one_level(quick: bool) -> Measured:
    right = total = 0
    for stages in range(1, 9):
        item = bench(stages)
        for level in range(stages + 1):
            start = at_rest(item, np.arange(stages) < level)
            for a in AMPLITUDES:
                want = int(np.clip(level + (np.sign(a) if abs(a) > 1.0 else 0.0), 0, stages))
                right += bool((after_pulse(item, start, float(a * item.beta)).on == (np.arange(stages) < want)).all())
                total += 1
    return equal(
        right,
        total,
        "each level, N = 1..8, moves by exactly one on pulses of 1.001 to 6 beta, by none up to "
        "0.999 beta: which transitions are possible",
    )


@TOPIC.measure("reachable-broken")
def broken(quick: bool) -> Measured:
    """Negative control: with a pulse as long as tau the theorem's condition fails, and so must its conclusion."""
    item = bench(8)
    item = replace(item, pulse=float(item.scalars[1]) * 1.2)
    start = at_rest(item, np.zeros(8, dtype=bool))
    on = int(after_pulse(item, start, 6.0 * item.beta).on.sum())
    return Measured(
        on,
        "levels",
        "> 1",
        on > 1,
        "control: one pulse of 6 beta that lasts 1.2 tau, I_s (2 exp(-x) - 1) < beta, moves more than one level",
    )


@TOPIC.measure("windows")
def windows(quick: bool) -> Measured:
    """Thresholds of each level by bisection over the pulse's amplitude."""
    stages, worst = 4, 0.0
    item = bench(stages)
    for level in range(stages + 1):
        start = at_rest(item, np.arange(stages) < level)
        for sign in (1.0, -1.0):
            if 0 <= level + sign <= stages:
                low, high = 0.5, 1.5
                for _ in range(20):
                    middle = (low + high) / 2.0
                    moved = int(after_pulse(item, start, sign * middle * item.beta).on.sum()) != level
                    low, high = (low, middle) if moved else (middle, high)
                worst = max(worst, abs(high - 1.0))
    return Measured(
        worst,
        "beta",
        "< 1e-3",
        worst < 1e-3,
        "thresholds of every level of a ladder of 4 in the waveform model against +-beta, largest "
        "deviation: "
        "every level has the window of a single cell",
    )
