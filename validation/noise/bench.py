"""What the rows of this topic share: mismatched ladders in small devices, and the shipped networks on test clips."""

from functools import lru_cache

import numpy as np

from analogrnn import datasets, library
from analogrnn.chip import Chip, ChipLadder, draw_chip, nominal_chip
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, Network
from analogrnn.network.files import load
from analogrnn.technology import load_technology
from validation.claims import Topic

TOPIC = Topic("noise")
SEED = 30
NETWORKS = ("digits_d32_k4", "digits_d16_k2", "digits_bmru_d16")


def chips(count: int) -> list[tuple[Chip, ChipLadder]]:
    """Mismatched ladders of 4 stages in small devices, so that thresholds differ and some drift."""
    layer = Cmru("rec", np.eye(4), np.zeros(4), threshold=np.ones(4), alpha=np.ones(4), k_min=-2, k_max=2)
    options = MappingOptions(input_bound=6.0, cell_w=3e-6, cell_l=3e-6)
    design = map_network(Network((layer,)), load_technology(), options)
    drawn = [draw_chip(design, SEED, index) for index in range(count)]
    return [(chip, chip.ladders[0]) for chip in drawn]


@lru_cache(maxsize=3)
def digits(name: str) -> tuple[Chip, np.ndarray, np.ndarray]:
    network = load(library.network_path(name))
    clips = datasets.spoken_digits("test")
    assert network.encoding is not None
    return nominal_chip(map_network(network, load_technology())), network.encoding(clips.features), clips.labels
