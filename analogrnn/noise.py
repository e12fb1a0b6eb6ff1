"""Noise of a cell's comparator, referred to its candidate.

Model   white noise whose density grows with the square root of the threshold current (shot noise), in a bandwidth
        proportional to this current: the rms value is a fixed fraction of the threshold current. One independent
        Gaussian draw per step and cell. A soft threshold adds the white noise of its mirrors where the candidate
        decides with |b| of twice the floor, in the same bandwidth
Not     flicker noise as a slow common drift, noise of the input mirrors, noise between pulses
"""

import numpy as np

from analogrnn.design import Design, Ladder
from analogrnn.technology import ELEMENTARY_CHARGE

# white noise of a soft threshold's output as the shot noise of so many half windows delta: ngspice's .noise at 1 kHz,
# |b| = |c| = 2 delta, standard device; 13 and 10 where b is positive (up, down), 20 and 17 where it is negative; mean
SOFT_BRANCHES = 15.0


def candidate_noise(design: Design, ladder: Ladder) -> np.ndarray:
    """(d,) rms noise current at each cell's comparator during a pulse, A."""
    technology = design.technology
    current = ladder.i_th / technology.noise_current
    density = technology.noise_density * np.sqrt(current)
    own = density * np.sqrt(technology.noise_bandwidth * current)
    if ladder.gate is None:
        return np.asarray(own)
    shot = 2.0 * ELEMENTARY_CHARGE * SOFT_BRANCHES * ladder.beta
    return np.asarray(np.hypot(own, np.sqrt(shot * technology.noise_bandwidth * current)))
