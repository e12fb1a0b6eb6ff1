"""Fixed points of the recurrence s -> z (sign(c) + eps s) + (1 - z) s, for any eps.

Hold (z = 0): every s is a neutral fixed point, of slope 1.
Updates of one sign: the map has slope eps. It converges to +-1/(1 - eps), in one step at eps = 0 and geometrically for
eps < 1. At eps = 1 it has no fixed point; only the ends of a finite ladder stop it.
States that are held: those that updates reach. For every sequence of updates they keep a minimum distance only at
eps = 0 (-1 and 1) and at eps = 1 (integers). For 0 < eps < 1 there are infinitely many in a bounded interval.

Source  Brandoit et al., arXiv 2605.11855, for the recurrence and its fixed points at eps 0 and 1
"""

from dataclasses import dataclass

import numpy as np

from analogrnn.cells import cmru_loop
from analogrnn.errors import in_range

MAX_UPDATES = 16
SAME = 1e-9  # states closer than this count as one: rounding of 16 updates of size 1 is below 1e-14


@dataclass(frozen=True, eq=False)
class RecurrenceStates:
    """The states that updates reach from the initial state, on a finite or an infinite ladder.

    eps      part of the state that an update keeps
    updates  largest number of updates
    attract  (2,) fixed points of repeated down and up updates; infinite where there is none
    slope    factor by which an update multiplies an error of the state; a hold keeps it
    reached  (M,) every state that at most `updates` updates reach, sorted
    gap      least distance between two of them
    """

    eps: float
    updates: int
    attract: tuple[float, float]
    slope: float
    reached: np.ndarray
    gap: float


def recurrence_states(
    eps: float,
    updates: int = 10,
    *,
    initial: float | None = None,
    bounds: tuple[float | None, float | None] = (None, None),
) -> RecurrenceStates:
    """States of the CMRU recurrence, found by running `cells.cmru_loop` on every sequence of signs and holds.

    initial  default -1 at eps 0 (the bistable unit), else 0
    bounds   k_min, k_max of a finite ladder

    Raises ParameterError for eps outside [0, 1], bounds in the wrong order, or more than 16 updates.
    """
    in_range("eps", eps, 0.0, 1.0, hint="0 is the BMRU, 1 the CMRU")
    in_range("updates", updates, 1, MAX_UPDATES, hint="the number of states doubles with each")
    reached = np.array([(-1.0 if eps == 0.0 else 0.0) if initial is None else initial])
    for _ in range(int(updates)):
        moved = [_update(reached, sign, eps, bounds) for sign in (-1.0, 1.0)]
        reached = _distinct(np.concatenate([reached, *moved]))
    attract = tuple(_attractor(sign, eps, bounds) for sign in (-1.0, 1.0))
    gap = float(np.diff(reached).min()) if len(reached) > 1 else np.inf
    return RecurrenceStates(float(eps), int(updates), (attract[0], attract[1]), float(eps), reached, gap)


def readable_gap(eps: float, age: int) -> float:
    """Least distance of two states that differ in the update `age` updates ago (0 = the last), and in none since.

    For eps < 1/2 it is 2 eps^age (1 - 2 eps)/(1 - eps), in the limit of long sequences. For 1/2 <= eps < 1 it is 0,
    because two such sequences come arbitrarily close. At eps = 1 it is 0, because only the sum of all updates is held.

    Raises ParameterError for eps outside [0, 1] or an age below 0.
    """
    in_range("eps", eps, 0.0, 1.0, hint="0 is the BMRU, 1 the CMRU")
    in_range("age", age, 0, 10_000)
    if eps == 0.0:
        return 2.0 if age == 0 else 0.0
    return 2.0 * eps**age * (1.0 - 2.0 * eps) / (1.0 - eps) if eps < 0.5 else 0.0


def return_map(s: np.ndarray, eps: float, sign: float, bounds: tuple[float | None, float | None]) -> np.ndarray:
    """(P,) the state after one update of this sign from states s (P,); sign 0 holds."""
    return _update(np.asarray(s, dtype=float), sign, eps, bounds)


def _update(s: np.ndarray, sign: float, eps: float, bounds: tuple[float | None, float | None]) -> np.ndarray:
    candidate = np.full((1, len(s)), sign)
    return np.asarray(cmru_loop(candidate, 0.5, s, eps=eps, k_min=bounds[0], k_max=bounds[1])[0])


def _distinct(s: np.ndarray) -> np.ndarray:
    s = np.sort(s)
    return np.asarray(s[np.append(True, np.diff(s) > SAME)])


def _attractor(sign: float, eps: float, bounds: tuple[float | None, float | None]) -> float:
    free = sign / (1.0 - eps) if eps < 1.0 else sign * np.inf
    low, high = (-np.inf if bounds[0] is None else bounds[0]), (np.inf if bounds[1] is None else bounds[1])
    return float(np.clip(free, low, high))
