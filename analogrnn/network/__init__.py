"""The trained network: layers, encoding, metadata, file format and digital forward pass. All values are numbers."""

from analogrnn.network.convert import from_state_dict
from analogrnn.network.encoding import InputEncoding
from analogrnn.network.files import load_network, save_network
from analogrnn.network.forward import DigitalRun, evaluate, forward, pool
from analogrnn.network.kinds import Layer, Recurrent
from analogrnn.network.layers import INPUT, Activation, Deviation, Glu, LayerNorm, Linear, Pooling, ReLU, Scale
from analogrnn.network.model import Network
from analogrnn.network.recurrent import AlphaCmru, Cmru, FirstQuadrantBmru

__all__ = [
    "INPUT",
    "Activation",
    "AlphaCmru",
    "Cmru",
    "Deviation",
    "DigitalRun",
    "FirstQuadrantBmru",
    "Glu",
    "InputEncoding",
    "Layer",
    "LayerNorm",
    "Linear",
    "Network",
    "Pooling",
    "ReLU",
    "Recurrent",
    "Scale",
    "evaluate",
    "forward",
    "from_state_dict",
    "load_network",
    "pool",
    "save_network",
]
