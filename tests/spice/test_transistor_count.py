"""The number of transistors of a Design is that of its deck."""

from pathlib import Path

import numpy as np
import pytest
from flat_deck import flat_transistors
from helpers import kinds, mapped

from analogrnn.bill_of_materials import devices, transistors
from analogrnn.network import ReLU
from analogrnn.spice.pdk import Pdk
from analogrnn.spice.transistor_network import network_transistors

PDK = Pdk(Path("design.ngspice"), Path("sm141064.ngspice"), "test", "0" * 64)


@pytest.mark.parametrize("kind", kinds())
def test_the_count_is_that_of_the_deck(kind):
    net = kinds()[kind]
    design = mapped(net)
    deck = network_transistors(design, np.zeros((1, net.inputs)), PDK)
    counts = transistors(design)
    assert sum(counts.values()) == len(flat_transistors(deck.text))
    assert sum(counts.values()) == sum(group.count for group in devices(design))


def test_every_kind_of_layer_is_counted():
    layers = [layer for net in kinds().values() for layer in net.layers]
    assert any(isinstance(layer, ReLU) for layer in layers)
