"""Hold a value under noise: where a ladder of levels overtakes an analog state.

Task    a value x, uniform over the range of the ladder, is written once and read after L steps; each step adds
        Gaussian noise of rms sigma, in levels, to what decides about the state. Score: mean squared error in levels^2.
Ladder  the value is rounded to a level (error 1/12); noise beyond the threshold, beta = margin levels, moves it:
        p = 2 Phi(-margin / sigma) per step, one level at a time, reflected at the ends. To first order
        E = 1/12 + p L.
Analog  an integrator, an LRU with eigenvalue lambda, a minGRU with its gate shut: s -> lambda s + noise,
        E = sigma^2 (1 - lambda^2L)/(1 - lambda^2) + (1 - lambda^L)^2 <x^2>,   at lambda = 1:  E = sigma^2 L.
        An integrator that saturates at the ends of the range, as in a circuit, is computed by a
        transition matrix on a fine grid.
Then    the ladder wins from L* = (1/12) / (sigma^2 - p) on, where sigma^2 > p. Since w^2 Phi(-w) is at most 0.166,
        p exceeds sigma^2 nowhere if margin > 0.576 levels; below, in a band of sigma, where analog stays better.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ndtr

from analogrnn.cells import cmru_loop
from analogrnn.errors import ParameterError, in_range
from analogrnn.streams import stream


@dataclass(frozen=True)
class HoldTask:
    """`levels` of the ladder (k from -K to K, so odd), threshold `margin` in levels."""

    levels: int = 9
    margin: float = 0.5

    def __post_init__(self) -> None:
        in_range("HoldTask.levels", self.levels, 3, 1001)
        if self.levels % 2 == 0:
            raise ParameterError(f"HoldTask.levels = {self.levels} is even; a ladder from -K to K has an odd number.")
        in_range("HoldTask.margin", self.margin, 1e-3, 1e3, hint="beta over the output of one level")

    @property
    def k(self) -> int:
        """The highest level."""
        return self.levels // 2

    @property
    def power(self) -> float:
        """Mean square of the value: uniform over -K - 1/2 to K + 1/2."""
        return self.levels**2 / 12.0


@dataclass(frozen=True, eq=False)
class Simulated:
    """Mean squared error (levels^2) and its standard error, over independent trials."""

    error: np.ndarray
    spread: np.ndarray


def slip(sigma: float, margin: float) -> float:
    """Probability that one step moves an inner level: 2 Phi(-margin / sigma)."""
    in_range("sigma", sigma, 0.0, 1e6, hint="rms noise of a step, in levels")
    return float(2.0 * ndtr(-margin / sigma)) if sigma else 0.0


def ladder_error(task: HoldTask, sigma: float, steps: np.ndarray) -> np.ndarray:
    """(n,) exact mean squared error of the ladder after each number of steps, ends of the ladder included."""
    half = slip(sigma, task.margin) / 2.0
    n = task.levels
    moves = np.diag(np.full(n - 1, half), 1) + np.diag(np.full(n - 1, half), -1)
    moves += np.diag(1.0 - moves.sum(axis=1))
    value, vector = np.linalg.eigh(moves)  # symmetric
    k = np.arange(n) - task.k
    # <(k_L - k_0)^2> over uniform k_0; the rounding error is independent of it
    square = (k[:, None] - k[None, :]) ** 2
    weights = np.einsum("ia,ij,ja->a", vector, square, vector) / n
    return np.asarray(
        1.0 / 12.0
        + np.array(
            [
                weights @ np.clip(value, 0.0, 1.0) ** float(L) if half <= 0.25 else weights @ value ** int(L)
                for L in np.atleast_1d(steps)
            ]
        )
    )


def analog_error(task: HoldTask, sigma: float, steps: np.ndarray, decay: float = 1.0) -> np.ndarray:
    """(n,) exact mean squared error of an analog state that decays by `decay` per step (1: a pure integrator)."""
    in_range("decay", decay, 0.0, 1.0, hint="eigenvalue of an LRU; 1 - gate of a minGRU")
    count = np.asarray(steps, dtype=float)
    if decay == 1.0:
        return np.asarray(sigma**2 * count)
    spread = sigma**2 * (1.0 - decay ** (2.0 * count)) / (1.0 - decay**2)
    return np.asarray(spread + (1.0 - decay**count) ** 2 * task.power)


def crossover_steps(sigma: float, margin: float) -> float:
    """L*: the number of steps from which the ladder is better, to first order in p L; infinite where it never is."""
    gain = sigma**2 - slip(sigma, margin)
    return 1.0 / (12.0 * gain) if gain > 0.0 else math.inf


def saturating_error(task: HoldTask, sigma: float, doublings: int) -> np.ndarray:
    """(doublings + 1,) mean squared error of a saturating integrator after 1, 2, 4, .. steps.

    It saturates at the ends of the value's range. The grid, h = 1/20 level, adds h^2/12 to the variance of the noise
    in each step; the noise is reduced by as much (Sheppard's correction).
    """
    in_range("sigma", sigma, 0.05, 1e6, hint="rms noise per step, in levels; below, saturation doesn't matter")
    in_range("doublings", doublings, 0, 60)
    n, reach = 20 * task.levels, task.levels / 2.0
    x = (np.arange(n) + 0.5) / n * 2.0 * reach - reach
    edges = np.concatenate([[-np.inf], (x[1:] + x[:-1]) / 2.0, [np.inf]])
    moves = np.diff(ndtr((edges[None, :] - x[:, None]) / math.sqrt(sigma**2 - 1.0 / 4800.0)), axis=1)
    # the task is symmetric: even functions of x and odd ones don't mix, so half the grid does for each
    half, x = n // 2, x[: n // 2]
    kept, crossed = moves[:half, :half], moves[:half, : half - 1 : -1]
    even, odd, out = kept + crossed, kept - crossed, []
    for _ in range(int(doublings) + 1):
        out.append(float((even @ x**2 - 2.0 * x * (odd @ x) + x**2).mean()))
        even, odd = even @ even, odd @ odd
    return np.array(out)


def saturating_crossover(task: HoldTask, sigma: float, doublings: int = 16) -> float:
    """The length at which the ladder's exact error falls below that of a saturating integrator; infinite if never.

    Lengths at which the integrator has lost the value (error above that of answering zero) don't count.
    """
    steps = 2.0 ** np.arange(doublings + 1)
    return first_win(task, saturating_error(task, sigma, doublings), ladder_error(task, sigma, steps))


def first_win(task: HoldTask, analog: np.ndarray, ladder: np.ndarray) -> float:
    """The length at which `ladder` falls below `analog`, errors after 1, 2, 4, .. steps; see `saturating_crossover`."""
    ratio = np.log(analog / ladder)
    won = np.flatnonzero((ratio > 0.0) & (analog < task.power))
    if not len(won):
        return math.inf
    i = int(won[0])
    if i == 0:
        return 1.0
    part = -ratio[i - 1] / (ratio[i] - ratio[i - 1])
    return float(2.0 ** (i - 1 + part))


def least_margin() -> float:
    """The margin, in levels, from which on no noise makes slips cost more than an analog state's random walk."""
    best = minimize_scalar(lambda w: -(w**2) * ndtr(-w), bounds=(0.1, 5.0), method="bounded", options={"xatol": 1e-9})
    return math.sqrt(-2.0 * float(best.fun))


def losing_band(margin: float) -> tuple[float, float] | None:
    """The noise (levels per step) with p > sigma^2, where a long hold is better in an analog state; None if none is."""
    in_range("margin", margin, 1e-3, 1e3, hint="beta over the output of one level")

    def excess(sigma: float) -> float:
        return slip(sigma, margin) - sigma**2

    worst = minimize_scalar(lambda s: -excess(s) / s**2, bounds=(0.2 * margin, 3.0 * margin), method="bounded")
    if excess(worst.x) <= 0.0:
        return None
    return float(brentq(excess, 0.02 * margin, worst.x)), float(brentq(excess, worst.x, 2.0))


def simulate_hold(
    task: HoldTask, sigma: float, steps: np.ndarray, *, trials: int = 400, seed: int = 1
) -> tuple[Simulated, Simulated]:
    """(ladder, analog integrator that never saturates) over the same noise: the digital recurrence, and a running sum.

    steps (n,) increasing. Raises ParameterError for steps that don't increase from 1 or fewer than 2 trials.
    """
    lengths = np.asarray(steps, dtype=int)
    if lengths.ndim != 1 or len(lengths) == 0 or lengths[0] < 1 or np.any(np.diff(lengths) <= 0):
        raise ParameterError("steps must increase from 1 or more.")
    in_range("trials", trials, 2, 10_000_000)
    rng = stream(seed, "analysis", "hold")
    x = rng.uniform(-task.levels / 2.0, task.levels / 2.0, trials)
    state, analog = np.rint(np.clip(x, -task.k, task.k)), x.copy()
    squares: list[tuple[np.ndarray, np.ndarray]] = []
    done = 0
    for length in lengths:
        while done < length:
            block = min(int(length) - done, max(1, 4_000_000 // trials))
            noise = sigma * rng.standard_normal((block, trials))
            state = cmru_loop(noise, task.margin, state, k_min=-task.k, k_max=task.k)[-1]
            analog = analog + noise.sum(axis=0)
            done += block
        squares.append(((state - x) ** 2, (analog - x) ** 2))
    both = [np.array(part) for part in zip(*squares, strict=True)]
    ladder, integrator = (Simulated(s.mean(axis=1), s.std(axis=1, ddof=1) / math.sqrt(trials)) for s in both)
    return ladder, integrator
