"""The Design counts the transistors that its deck holds."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers import kinds, mapped

from analogrnn.network import ReLU
from analogrnn.spice.pdk import Pdk
from analogrnn.spice.transistor_network import network_transistors

PDK = Pdk(Path("design.ngspice"), Path("sm141064.ngspice"), "test", "0" * 64)


def transistors(deck: str) -> int:
    """X-instances of nfet and pfet in a deck, subcircuits taken apart."""
    lines = re.sub(r"\n\+", " ", re.sub(r"(?m);.*$", "", deck)).splitlines()
    bodies: dict[str, list[str]] = {"": []}
    where = ""
    for line in lines:
        words = line.split()
        if line.lower().startswith(".subckt"):
            where = words[1].lower()
            bodies[where] = []
        elif line.lower().startswith(".ends"):
            where = ""
        elif line.lower().startswith("x"):
            bodies[where].append(next(word for word in reversed(words) if "=" not in word).lower())

    def count(name: str) -> int:
        return 1 if name in ("nfet", "pfet") else sum(count(part) for part in bodies[name])

    return count("")


@pytest.mark.parametrize("kind", kinds())
def test_the_count_is_that_of_the_deck(kind):
    net = kinds()[kind]
    design = mapped(net)
    deck = network_transistors(design, np.zeros((1, net.inputs)), PDK)
    assert sum(design.transistors().values()) == transistors(deck.text)


def test_every_kind_of_layer_is_among_them():
    layers = [layer for net in kinds().values() for layer in net.layers]
    assert any(isinstance(layer, ReLU) for layer in layers)
