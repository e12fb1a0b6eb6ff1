"""What the rows of this topic share: ladders of any height, and where ngspice leaves each of their codes."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from analogrnn.analysis.fixed_points.dynamics import WaveformLadder, waveform_ladder
from analogrnn.analysis.fixed_points.rest_states import all_codes
from analogrnn.analysis.fixed_points.spice import rest_by_ngspice, settled_starts
from analogrnn.chip import Chip, ChipLadder, nominal_chip
from analogrnn.design import Design
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, Network
from analogrnn.technology import load_technology
from validation.claims import Topic

TOPIC = Topic("fixed-points")
SEED = 20


def ladder(stages: int, options: MappingOptions | None = None) -> tuple[Design, Chip, ChipLadder]:
    """One ladder of one input with weight and threshold 1, from all-OFF."""
    layer = Cmru("rec", np.ones((1, 1)), np.zeros(1), threshold=np.ones(1), alpha=np.ones(1), k_min=0, k_max=stages)
    design = map_network(Network((layer,)), load_technology(), options or MappingOptions(input_bound=6.0))
    chip = nominal_chip(design)
    return design, chip, chip.ladders[0]


def bench(stages: int) -> WaveformLadder:
    _, chip, layer = ladder(stages)
    return waveform_ladder(chip, layer, 0)


def with_ratios(stages: int, shift: float, base: float) -> tuple[Chip, ChipLadder]:
    """A ladder with any I_s and I_base in beta, also ones that the mapping refuses."""
    design, _, _ = ladder(stages)
    was = design.ladders[0]
    i_shift, i_base = shift * was.beta, base * was.beta
    now = replace(was, i_shift=i_shift, i_base=i_base, i_th=i_shift + i_base + was.beta)
    chip = nominal_chip(replace(design, layers=(now,)))
    return chip, chip.ladders[0]


@lru_cache(maxsize=8)
def by_ngspice(stages: int) -> np.ndarray:
    """(2^N, N) the code in which ngspice leaves each code."""
    design, _, _ = ladder(stages)
    return rest_by_ngspice(design, design.ladders[0], 0, settled_starts(design, all_codes(stages)))
