"""Whole networks on transistors compared with the digital network, nominal and chip by chip. Decks are run once."""

from validation.network import bmru, chips, hostile, nominal, ramps, speed
from validation.network.topic import TOPIC

__all__ = ["TOPIC", "bmru", "chips", "hostile", "nominal", "ramps", "speed"]
