"""Noise of a cell's comparator, referred to its candidate.

Model   white noise whose density grows with the square root of the threshold current (shot noise), in a bandwidth
        proportional to this current: the rms value is a fixed fraction of the threshold current. One independent
        Gaussian draw per step and cell
Not     flicker noise as a slow common drift, noise of the input mirrors, noise between pulses
"""

import numpy as np

from analogrnn.design import Design, Ladder


def candidate_noise(design: Design, ladder: Ladder) -> np.ndarray:
    """(d,) rms noise current at each cell's comparator during a pulse, A."""
    technology = design.technology
    current = ladder.i_th / technology.noise_current
    density = technology.noise_density * np.sqrt(current)
    return np.asarray(density * np.sqrt(technology.noise_bandwidth * current))
