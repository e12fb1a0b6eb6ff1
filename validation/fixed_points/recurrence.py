"""Fixed points of the recurrence over eps, and what the ladder does to an error that the recurrence keeps."""

import numpy as np

from analogrnn.analysis.fixed_points.dynamics import State, settle
from analogrnn.analysis.fixed_points.recurrence import readable_gap, recurrence_states
from validation.bounds import Bound
from validation.claims import Measured
from validation.fixed_points.bench import TOPIC, bench


@TOPIC.measure(
    "eps",
    "Fixed points of the recurrence over eps are the published ones: error of +-1/(1 - eps) compared with "
    "repeated updates.",
)
def eps(quick: bool) -> Measured:
    worst = 0.0
    for leak in (0.0, 0.25, 0.5, 0.9, 0.99):
        state = recurrence_states(leak, 1)
        s = np.zeros(1)
        for _ in range(4000):
            s = 1.0 + leak * s
        worst = max(worst, abs(state.attract[1] - float(s[0])))
    bistable, leaky, cumulative = (recurrence_states(e, 8) for e in (0.0, 0.5, 1.0))
    right = bistable.reached.tolist() == [-1.0, 1.0] and leaky.attract == (-2.0, 2.0)
    right = right and cumulative.reached.tolist() == list(range(-8, 9)) and cumulative.attract == (-np.inf, np.inf)
    return Measured(
        worst,
        "levels",
        Bound.below(1e-9),
        {"updates": 4000, "eps 0": "-1 and 1", "eps 0.5": "-2 and 2", "eps 1": "every whole number"},
        also={"published states": right},
    )


@TOPIC.measure(
    "eps-apart",
    "The least gap between reachable states is at least 2 eps^m (1 - 2 eps)/(1 - eps) for eps below 0.5: largest "
    "ratio of this bound to the gap.",
)
def apart(quick: bool) -> Measured:
    worst = 0.0
    for leak in (0.1, 0.25, 0.4, 0.45):
        for updates in (2, 5, 9):
            seen = recurrence_states(leak, updates, initial=1.0 / (1.0 - leak)).gap
            worst = max(worst, readable_gap(leak, updates - 1) / seen)
    gaps = [recurrence_states(e, 10).gap for e in (0.0, 0.5, 0.8, 1.0)]
    steps = gaps[0] == 2.0 and gaps[3] == 1.0 and max(gaps[1:3]) < 2e-2
    return Measured(
        worst,
        "of gap",
        Bound.at_most(1),
        {
            "updates": 10,
            "gap at eps 0": f"{gaps[0]:g}",
            "at eps 0.5": f"{gaps[1]:.2g}",
            "at eps 0.8": f"{gaps[2]:.2g}",
            "at eps 1": f"{gaps[3]:g}",
        },
        also={"gaps 2 at eps 0, 1 at eps 1, below 0.02 between": steps},
    )


@TOPIC.measure(
    "restoring", "A ladder at rest removes an error in every DPI, where the recurrence keeps it: residual error."
)
def restoring(quick: bool) -> Measured:
    """The recurrence holds any state as it is; the ladder brings it back."""
    item = bench(4)
    code = np.array([True, True, False, False])
    end = settle(item, State(code, np.where(code, 0.6, 0.4)))
    left = float(np.abs(end.d - np.where(code, 1.0, item.floor)).max())
    return Measured(
        left,
        "levels",
        Bound.below(1e-3),
        {"error": "0.4 level", "slope of the recurrence": 1},
        also={"the same code": bool((end.on == code).all())},
    )
