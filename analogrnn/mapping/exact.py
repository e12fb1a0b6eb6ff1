"""The exact conversions that `map_network` makes by itself, where a circuit needs them."""

import numpy as np

from analogrnn.convert.cells import first_quadrant
from analogrnn.network import FirstQuadrantBmru, Linear, Network, Pooling, Scale


def circuit_form(network: Network) -> Network:
    """The network whose cells the circuit of `network` has: the same outputs, and levels and candidates as in silicon.

    A first-quadrant cell has no clock, so it would latch what it is fed while that settles, and it can't reset at zero
    current: behind a cell or a ReLU layer, or with b_lo = 0, it becomes a clocked BMRU of levels -1 and 1. Networks
    without such a cell are returned as they are.
    """
    names = [layer.name for layer in network.layers if _needs_a_clock(network, layer.name)]
    return first_quadrant(network, names).network if names else network


def _needs_a_clock(network: Network, name: str) -> bool:
    layer = network.layer(name)
    if not isinstance(layer, FirstQuadrantBmru):
        return False
    return bool(np.any(layer.b_lo <= 0.0)) or not _sees_inputs_only(network, name)


def _sees_inputs_only(network: Network, name: str) -> bool:
    """Whether only affine layers stand between the inputs and a layer."""
    known = {layer.name: layer for layer in network.layers}
    return all(
        source not in known
        or (isinstance(known[source], Linear | Scale | Pooling) and _sees_inputs_only(network, source))
        for source in network.sources(name)
    )
