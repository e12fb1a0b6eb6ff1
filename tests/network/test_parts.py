"""A network in parts gives what it gives as a whole, and a circuit gets no layer that runs digitally."""

from dataclasses import replace

import numpy as np
import pytest

from analogrnn.errors import ParameterError
from analogrnn.network import Activation, Cmru, Glu, LayerNorm, Linear, Network, Pooling, ReLU, Scale, forward
from analogrnn.network.parts import is_digital, run_parts, split
from analogrnn.streams import stream


def linear(name, inputs, width, **given):
    rng = stream(1, name)
    return Linear(name, rng.normal(size=(width, inputs)), rng.normal(size=width), **given)


def cell(name, inputs, width, **given):
    rng = stream(2, name)
    weight = rng.normal(size=(width, inputs))
    return Cmru(name, weight, np.zeros(width), np.ones(width), np.full(width, 0.5), k_min=-2, k_max=2, **given)


def norm(name, width, **given):
    return LayerNorm(name, np.ones(width), np.zeros(width), **given)


CHAIN = (linear("fc", 3, 4), ReLU("r"), cell("c", 4, 5), Pooling("p"), linear("out", 5, 2))
FRONT = (linear("fc", 3, 4), Activation("g", "gelu"), linear("fd", 4, 3), cell("c", 3, 5), Pooling("p", "mean"))
BLOCK = (
    linear("up", 3, 4),
    norm("n", 4),
    cell("c1", 4, 4),
    linear("wide", 4, 8),
    Glu("g"),
    Scale("s1", np.full(4, 0.5), np.zeros(4), sources=("g", "up")),
    norm("n2", 4),
    cell("c2", 4, 4, sources=("n2", "s1")),
    linear("out", 4, 2, sources=("c2", "s1", "up")),
    Pooling("p"),
)
GATED = (cell("c1", 3, 4), linear("wide", 4, 6), Glu("g"), cell("c2", 3, 3), Pooling("p"), linear("out", 3, 2))
HEAD = (cell("c", 3, 4), Pooling("p"), linear("h", 4, 4), Activation("a", "tanh"), linear("out", 4, 2))


@pytest.mark.parametrize(
    ("layers", "analog"),
    [(CHAIN, [True]), (FRONT, [False, True]), (BLOCK, [False, True, False, True]), (HEAD, [True, False])],
)
def test_the_parts_of_a_network_give_what_it_gives_as_a_whole(layers, analog):
    network = Network(layers)
    parts = split(network)
    assert [part.analog for part in parts] == analog
    assert not any(is_digital(layer) for part in parts if part.analog for layer in part.network.layers)
    x = stream(3, "x").normal(size=(6, 4, 3))
    found = run_parts(network, parts, x, lambda part, value: forward(part.network, value).logits)
    # sums of a few terms of order one in another order
    np.testing.assert_allclose(found, forward(network, x).logits, rtol=0, atol=1e-12)


def test_a_network_without_a_digital_layer_is_one_part_with_its_own_layers():
    (part,) = split(Network(CHAIN))
    assert [layer.name for layer in part.network.layers] == ["fc", "r", "c", "p", "out"]
    assert (part.reads, part.gives) == (("input",), ("out",))


def test_a_leaky_cell_runs_digitally_and_a_bistable_one_does_not():
    assert is_digital(replace(cell("c", 2, 2), eps=0.5))
    assert not is_digital(cell("c", 2, 2))


def test_a_part_that_gives_another_number_of_outputs_is_refused():
    network = Network(CHAIN)
    with pytest.raises(ParameterError, match=r"^a part gave 3 outputs where its layers have 2\."):
        run_parts(network, split(network), np.zeros((2, 1, 3)), lambda part, value: np.zeros((1, 3)))
