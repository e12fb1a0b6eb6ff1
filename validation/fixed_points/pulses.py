"""What pulses reach from the reset: whole levels only, one at a time."""

from dataclasses import replace

import numpy as np

from analogrnn.analysis.fixed_points.dynamics import after_pulse, at_rest, reachable, waveform_ladder
from analogrnn.analysis.fixed_points.report import AMPLITUDES
from analogrnn.analysis.fixed_points.rest_states import is_thermometer
from analogrnn.errors import MappingError
from analogrnn.mapping import MappingOptions
from validation.bounds import Bound
from validation.claims import Measured, equal
from validation.fixed_points.bench import SEED, TOPIC, bench, ladder


@TOPIC.measure(
    "unreachable",
    "Random designs accepted by the mapping in which pulses of any size lead from the reset to a code other than "
    "the N + 1 levels.",
)
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
        item = waveform_ladder(chip, layer, 0)
        found = reachable(item, np.concatenate([[-12.0], AMPLITUDES, [12.0]]) * item.beta)
        wrong += not (is_thermometer(found).all() and len(found) == item.stages + 1)
        done += 1
    return Measured(wrong, "such designs", Bound.equals(0), {"designs": done, "N": "2 to 10"})


@TOPIC.measure("one-level", "Each level moves by exactly one on pulses above beta and by none on pulses below beta.")
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
    return equal(right, total, {"N": "1 to 8", "pulses above": "1.001 to 6 beta", "pulses below": "up to 0.999 beta"})


@TOPIC.measure(
    "reachable-broken",
    "Negative control: one pulse longer than tau, with I_s (2 exp(-x) - 1) < beta, moves more than one level.",
)
def broken(quick: bool) -> Measured:
    """Negative control: with a pulse as long as tau the theorem's condition fails, and so must its conclusion."""
    item = bench(8)
    item = replace(item, pulse=float(item.scalars[1]) * 1.2)
    start = at_rest(item, np.zeros(8, dtype=bool))
    on = int(after_pulse(item, start, 6.0 * item.beta).on.sum())
    return Measured(on, "levels", Bound.above(1), {"pulse": "6 beta for 1.2 tau"})


@TOPIC.measure(
    "windows",
    "Every level of a ladder in the waveform model has the window of a single cell: largest deviation of a "
    "threshold from +-beta.",
)
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
    return Measured(worst, "beta", Bound.below(1e-3), {"stages": 4})
