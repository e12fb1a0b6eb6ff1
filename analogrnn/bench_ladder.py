"""Bench ladders: ladders with one input of weight 1, whose candidate is that input, and their digital reference.

Sizing, calibration, sweeps and the validation measure ladders in this form.
"""

from collections.abc import Sequence

import numpy as np

from analogrnn.cells import cmru_loop
from analogrnn.design import Design
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, Network
from analogrnn.technology import Technology

ALPHA = 0.5  # output of one level, in units


def bench_ladders(
    levels: tuple[int, int], technology: Technology, options: MappingOptions, thresholds: Sequence[float] = (1.0,)
) -> Design:
    """One ladder for each of `thresholds` (units) with levels k_min to k_max, all from one input, all stages OFF.

    Raises MappingError if the circuit can't be built.
    """
    count, (low, high) = len(thresholds), levels
    layer = Cmru(
        "rec",
        np.ones((count, 1)),
        np.zeros(count),
        threshold=np.array(thresholds, dtype=float),
        alpha=np.full(count, ALPHA),
        k_min=low,
        k_max=high,
        initial=np.full(count, float(low)),
    )
    return map_network(Network((layer,)), technology, options)


def digital_stages(design: Design, candidates: np.ndarray) -> np.ndarray:
    """(T, N) bool, stages of the first ladder that are ON in the digital CMRU, for candidates (T,) / threshold."""
    ladder = design.ladders[0]
    states = cmru_loop(
        candidates[:, None], np.ones(1), ladder.initial, k_min=int(ladder.k_min[0]), k_max=int(ladder.k_max[0])
    )
    return np.asarray(states[:, :1] - ladder.k_min[0] > np.arange(ladder.stages))
