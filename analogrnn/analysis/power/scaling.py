"""Power over the state dimension and over the number of levels, for random networks after mapping.

Published (arXiv 2605.15216): the power of the recurrence grows linearly in the state dimension d, that of the
feed-forward layers quadratically. A row of d weights carries d currents, so this is exact for weights whose size does
not depend on d. With weights of standard deviation 1/sqrt(d), as in the usual initialisation, the power of a row grows
with sqrt(d) and that of the layers with d^1.5. Both cases are measured here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analogrnn.analysis.power.report import analyze_power
from analogrnn.errors import ParameterError
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, Linear, Network, Pooling
from analogrnn.streams import stream
from analogrnn.technology import Technology

BOUND = 3.0  # bound of the inputs, as in the shipped networks
FRAMES, CLIPS = 16, 4
WEIGHT = 0.25  # standard deviation of weights whose size does not depend on d: 1/sqrt(16)


@dataclass(frozen=True, eq=False)
class Scaling:
    """Powers in W over `size` (n,), the state dimension or the stages per ladder; slopes of log power over log size.

    `feedforward` is the power of weights, readout and load, without the currents of the inputs themselves.
    """

    size: np.ndarray
    recurrent: np.ndarray
    feedforward: np.ndarray

    @property
    def recurrent_slope(self) -> float:
        return slope(self.size, self.recurrent)

    @property
    def feedforward_slope(self) -> float:
        return slope(self.size, self.feedforward)


def slope(size: np.ndarray, power: np.ndarray) -> float:
    """Exponent of the power law that fits powers (n,) over sizes (n,) best, by least squares on logarithms."""
    return float(np.polyfit(np.log(size), np.log(power), 1)[0])


def scale_states(
    technology: Technology, options: MappingOptions, states: Sequence[int], *, seed: int = 1, normalised: bool = False
) -> Scaling:
    """Scaling of networks with d inputs, d ladders of four stages and d outputs, over d in `states`.

    normalised  weights have a standard deviation of 1/sqrt(d) instead of a constant one

    Raises ParameterError for fewer than two sizes.
    """
    return _scaled(technology, options, [(d, 4) for d in states], seed=seed, normalised=normalised)


def scale_levels(
    technology: Technology, options: MappingOptions, stages: Sequence[int], *, states: int = 8, seed: int = 1
) -> Scaling:
    """Scaling of one network over the stages per ladder. Raises ParameterError for fewer than two sizes."""
    return _scaled(technology, options, [(states, n) for n in stages], seed=seed, normalised=False)


def random_network(states: int, stages: int, seed: int, *, normalised: bool = False) -> Network:
    """A network of d = `states` inputs, d ladders with levels 0 to `stages`, and d outputs; thresholds of 1 to 2."""
    rng = stream(seed, "power", "scaling", states)
    size = 1.0 / np.sqrt(states) if normalised else WEIGHT
    cell = Cmru(
        "cell",
        _weights(rng, states, size),
        np.zeros(states),
        threshold=rng.uniform(1.0, 2.0, states),
        alpha=np.full(states, 0.5),
        eps=1.0,
        k_min=0,
        k_max=stages,
        initial=np.zeros(states),
    )
    readout = Linear("readout", _weights(rng, states, size), np.zeros(states))
    return Network((cell, Pooling("pool"), readout), metadata={"name": f"random_d{states}"})


def _weights(rng: np.random.Generator, states: int, size: float) -> np.ndarray:
    """(d, d) normal weights; those too small for a mirror are set to 0.05 of the standard deviation."""
    drawn = rng.standard_normal((states, states)) * size
    return np.where(np.abs(drawn) < 0.05 * size, 0.05 * size, drawn)


def _scaled(
    technology: Technology, options: MappingOptions, shapes: Sequence[tuple[int, int]], *, seed: int, normalised: bool
) -> Scaling:
    if len(set(shapes)) < 2:
        raise ParameterError("scaling needs two or more sizes; name them as in 4,16,64.")
    recurrent, feedforward = [], []
    for states, stages in shapes:
        network = random_network(states, stages, seed, normalised=normalised)
        x = stream(seed, "power", "inputs", states).uniform(-1.0, 1.0, (FRAMES, CLIPS, states))
        report = analyze_power(map_network(network, technology, options), x)
        recurrent.append(report.recurrent)
        # the inputs themselves are d currents, not d^2
        feedforward.append(report.feedforward - report.supply * report.blocks["inputs"])
    vary = 0 if shapes[0][0] != shapes[-1][0] else 1
    return Scaling(np.array([shape[vary] for shape in shapes], dtype=float), np.array(recurrent), np.array(feedforward))
