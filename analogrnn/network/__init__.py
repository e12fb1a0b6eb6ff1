"""The trained network: layers, encoding, metadata, file format and digital forward pass. All values are numbers."""

from analogrnn.network.convert import from_state_dict
from analogrnn.network.encoding import InputEncoding
from analogrnn.network.files import load_network, save_network
from analogrnn.network.forward import DigitalRun, forward
from analogrnn.network.layers import AlphaCmru, Cmru, FirstQuadrantBmru, Layer, Linear, Pooling, ReLU
from analogrnn.network.model import Network

__all__ = [
    "AlphaCmru",
    "Cmru",
    "DigitalRun",
    "FirstQuadrantBmru",
    "InputEncoding",
    "Layer",
    "Linear",
    "Network",
    "Pooling",
    "ReLU",
    "forward",
    "from_state_dict",
    "load_network",
    "save_network",
]
