"""How long a level holds under noise: mean first passage of the comparator's input out of its window.

The input node is a low-pass of time constant t_in, so white noise in front of it is an Ornstein-Uhlenbeck process
behind it, of rms sigma and correlation time t_in. Such a path crosses a line infinitely often if it crosses it at all:
Rice's rate, that of a differentiable process, diverges. What is finite is the mean time to the first passage,

    T = t_in sqrt(pi) int_0^{b/(sigma sqrt 2)} exp(z^2) (1 + erf z) dz     one threshold at a distance b
    T = t_in sqrt(pi) int_0^{b/(sigma sqrt 2)} exp(z^2) erf z dz           one on each side
    T -> t_in sqrt(2 pi) (sigma/b) exp(b^2 / 2 sigma^2)  for b >> sigma         Kramers' limit; half of it for two

Source  Siegert, Phys. Rev. 81 (1951) 617, for the integral; Kramers, Physica 7 (1940) 284, for the limit; Rice, Bell
        Syst. Tech. J. 24 (1945) 46, for the rate that does not exist here.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad
from scipy.special import erf, erfcx

from analogrnn.chip import Chip, ChipLadder
from analogrnn.design import input_time_constants
from analogrnn.errors import ParameterError, in_range
from analogrnn.kernels.first_passage import ou_passages
from analogrnn.streams import stream

LARGEST = 26.0  # z; exp(z^2) overflows at 26.6: beyond, Kramers' limit in logarithms


@dataclass(frozen=True, eq=False)
class HoldTimes:
    """Each level of one ladder at candidate zero, its comparators' noise independent of each other.

    level        (N + 1,)
    down, up     (N + 1,) log10 of the mean time in s to a flip of the top ON stage, of the first OFF one; inf: never
    t_in, sigma  s; rms of the noise in beta
    """

    level: np.ndarray
    down: np.ndarray
    up: np.ndarray
    t_in: float
    sigma: float

    @property
    def log10_seconds(self) -> np.ndarray:
        """(N + 1,) log10 of the mean time to either flip: the rates add. -inf for a level that drifts at rest."""
        ten = math.log(10.0)
        return np.asarray(-np.logaddexp(-ten * self.down, -ten * self.up) / ten)


@dataclass(frozen=True)
class Passages:
    """Simulated first passages: their number and the time that the walkers took together, in correlation times."""

    count: int
    time: float

    @property
    def mean(self) -> float:
        """Correlation times per passage: the estimate of maximum likelihood for a constant rate."""
        return self.time / self.count if self.count else math.inf

    @property
    def error(self) -> float:
        """Relative standard error of `mean`."""
        return 1.0 / math.sqrt(self.count) if self.count else math.inf


def mean_passage(distance: float, *, two_sided: bool = False, start: float = 0.0) -> float:
    """Mean first-passage time in correlation times from `start` to a threshold `distance` rms values from the middle.

    two_sided  to either of +-distance, from the middle. Infinite beyond the largest float; use `log10_passage` there.
    """
    log = log10_passage(distance, two_sided=two_sided, start=start)
    return 10.0**log if log < 308.0 else math.inf


def log10_passage(distance: float, *, two_sided: bool = False, start: float = 0.0) -> float:
    """log10 of `mean_passage`: -inf for a threshold that is passed already, inf for none.

    Raises ParameterError for a start other than the middle with `two_sided`, or a distance that is not a number.
    """
    in_range("distance", distance, -math.inf, math.inf, hint="in rms values of the noise")
    if two_sided and start:
        raise ParameterError("start: a passage of either threshold is from the middle; leave start at 0.")
    if distance <= start:
        return -math.inf
    if math.isinf(distance):
        return math.inf
    top, bottom = distance / math.sqrt(2.0), start / math.sqrt(2.0)
    if top > LARGEST:
        kramers = top * top - math.log(distance) + 0.5 * math.log(2.0 * math.pi)
        return (kramers - (math.log(2.0) if two_sided else 0.0)) / math.log(10.0)

    # exp(z^2 - top^2) (1 + erf z), erfcx(-z) = exp(z^2) (1 + erf z) where z is negative
    def integrand(z: float) -> float:
        if two_sided:
            return float(math.exp(z * z - top * top) * erf(z))
        if z < 0.0:
            return float(erfcx(-z) * math.exp(-top * top))
        return float(math.exp(z * z - top * top) * (1.0 + erf(z)))

    breaks = [z for z in (top - w / max(top, 1.0) for w in (0.5, 2.0, 8.0)) if z > bottom]
    value, _ = quad(integrand, bottom, top, points=breaks or None, limit=200, epsabs=0.0, epsrel=1e-10)
    return (math.log(math.sqrt(math.pi) * value) + top * top) / math.log(10.0)


def kramers_passage(distance: float, *, two_sided: bool = False) -> float:
    """The limit of `mean_passage` for a threshold many rms values away."""
    return math.sqrt(2.0 * math.pi) / distance * math.exp(distance**2 / 2.0) / (2.0 if two_sided else 1.0)


def simulate_passages(
    window: tuple[float, float], correlation_times: float, *, walkers: int = 256, dt: float = 0.05, seed: int = 1
) -> Passages:
    """Simulate `walkers` noise processes for `correlation_times` each; window in rms values, infinite ends allowed.

    Raises ParameterError for a window without zero inside, no walker, or a step above a tenth of a correlation time.
    """
    in_range("window[0]", -window[0], 1e-9, math.inf, hint="the window must hold zero")
    in_range("window[1]", window[1], 1e-9, math.inf, hint="the window must hold zero")
    in_range("walkers", walkers, 1, 1_000_000)
    in_range("dt", dt, 1e-6, 0.1, hint="a step is at most a tenth of the correlation time")
    in_range("correlation_times", correlation_times, dt, 1e12)
    rng, rho = stream(seed, "analysis", "first passage"), math.exp(-dt)
    process, ends, count = np.array([rho, math.sqrt(1.0 - rho * rho)]), np.array(window, dtype=float), np.zeros(2)
    x, left = np.zeros(walkers), math.ceil(correlation_times / dt)
    steps = left
    while left > 0:
        block = min(left, max(1, 2_000_000 // walkers))
        ou_passages(x, rng.standard_normal((block, walkers)), rng.random((block, walkers)), process, ends, count)
        left -= block
    return Passages(int(count.sum()), steps * dt * walkers)


def hold_times(chip: Chip, layer: ChipLadder, cell: int, *, noise_scale: float = 1.0) -> HoldTimes:
    """Mean time to a wrong move at candidate zero, of every level of ladder `cell`, from its own thresholds.

    The noise is the cell's own (`ChipLadder.noise`) times `noise_scale`, white in front of the input node.
    """
    in_range("cell", cell, 0, layer.ladder.width - 1, hint=f"{layer.name} has {layer.ladder.width} cells")
    in_range("noise_scale", noise_scale, 1e-6, 1e6)
    t_in = float(input_time_constants(layer.ladder, chip.design.sizing.cell, chip.design.technology)[cell])
    sigma = float(layer.noise[cell]) * noise_scale
    seconds, stages = math.log10(t_in), int(layer.ladder.counts[cell])
    up = np.array([log10_passage(u / sigma) + seconds for u in layer.up[cell, :stages]] + [math.inf])
    down = np.array([math.inf] + [log10_passage(-d / sigma) + seconds for d in layer.down[cell, :stages]])
    return HoldTimes(
        layer.ladder.levels[cell, : stages + 1], down, up, t_in, sigma / float(layer.ladder.threshold[cell, 1])
    )
