"""Networks with digital parts: equal to the network as a whole on nominal circuits, ranges of converters, chips."""

import numpy as np
import pytest

import analogrnn as ar
from analogrnn.chip import draw_chip
from analogrnn.errors import MappingError, ParameterError
from analogrnn.hybrid import draw_hybrid, is_hybrid, map_hybrid, simulate_hybrid
from analogrnn.network import Activation, Cmru, Glu, InputEncoding, LayerNorm, Linear, Network, Pooling, Scale, forward
from analogrnn.streams import stream

TECHNOLOGY = ar.load_technology("gf180mcu")


def linear(name, inputs, width, **given):
    return Linear(name, stream(1, name).normal(size=(width, inputs)) / inputs**0.5, np.zeros(width), **given)


def cell(name, inputs, width, **given):
    weight = stream(2, name).normal(size=(width, inputs))
    return Cmru(name, weight, np.zeros(width), np.ones(width), np.full(width, 0.5), k_min=-2, k_max=2, **given)


def norm(name, width):
    return LayerNorm(name, np.ones(width), np.zeros(width))


FRONT = (linear("fc", 3, 4), Activation("g", "gelu"), cell("c", 4, 5), Pooling("p"), linear("out", 5, 2))
HEAD = (cell("c", 3, 4), Pooling("p"), linear("h", 4, 4), Activation("a", "tanh"), linear("out", 4, 2))
BLOCKS = (
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


def network(layers):
    return Network(layers, InputEncoding(np.zeros(3), np.ones(3), ramp=False), {"name": "mixed"})


def inputs(clips=6, steps=12):
    return np.clip(stream(3, "x").normal(size=(steps, clips, 3)), -3.0, 3.0)


@pytest.mark.parametrize(("layers", "circuits"), [(FRONT, 1), (HEAD, 1), (BLOCKS, 2)])
def test_nominal_circuits_between_digital_parts_give_what_the_network_gives(layers, circuits):
    net, x = network(layers), inputs()
    hybrid = map_hybrid(net, TECHNOLOGY, x)
    run, digital = simulate_hybrid(hybrid, x), forward(net, x)
    assert len(hybrid.analog) == circuits
    # the same sums in another order, of terms of order one to ten
    np.testing.assert_allclose(run.logits, digital.logits, rtol=0, atol=1e-9)
    for name, levels in ((name, found) for part in run.runs.values() for name, found in part.levels.items()):
        np.testing.assert_array_equal(levels, digital.states[name])
    assert set(run.saturated.values()) == {0.0}
    assert is_hybrid(net)


def test_a_chip_of_a_hybrid_network_is_the_chip_of_each_of_its_circuits():
    net, x = network(BLOCKS), inputs()
    hybrid = map_hybrid(net, TECHNOLOGY, x, cell_w=4e-6, cell_l=4e-6)
    chips = draw_hybrid(hybrid, 1, 7)
    for chip, design in zip(chips, hybrid.designs, strict=True):
        np.testing.assert_array_equal(chip.ladders[0].up, draw_chip(design, 1, 7).ladders[0].up)
    # ladders of the two circuits are different devices
    assert not np.allclose(chips[0].ladders[0].up - 1.0, chips[1].ladders[0].up - 1.0)
    run = simulate_hybrid(hybrid, x, chips)
    assert np.abs(run.logits - forward(net, x).logits).max() > 1e-3
    nominal = simulate_hybrid(hybrid, x, draw_hybrid(hybrid, 1, 7, scale=0.0))
    np.testing.assert_array_equal(nominal.logits, simulate_hybrid(hybrid, x).logits)


def test_values_beyond_the_range_of_a_converter_saturate_and_are_counted():
    net, x = network(FRONT), inputs()
    hybrid = map_hybrid(net, TECHNOLOGY, 0.1 * x)
    assert simulate_hybrid(hybrid, x).saturated["mixed_c"] > 0.1


def test_a_hybrid_shows_its_circuits_and_the_range_of_its_converters():
    hybrid = map_hybrid(network(FRONT), TECHNOLOGY, inputs())
    assert "HybridDesign mixed: 1 circuit" in repr(hybrid)
    assert "4 DACs of range up to" in repr(hybrid)
    assert "digital: fc, g" in repr(hybrid)


def test_a_network_without_an_analog_part_is_refused():
    net = network((linear("fc", 3, 4), Activation("g", "gelu"), linear("out", 4, 2), Pooling("p")))
    with pytest.raises(MappingError, match=r"^mixed has no recurrent layer that a circuit computes; it needs a CMRU"):
        map_hybrid(net, TECHNOLOGY, inputs())


def test_inputs_of_another_width_are_refused():
    hybrid = map_hybrid(network(HEAD), TECHNOLOGY, inputs())
    with pytest.raises(ParameterError, match=r"^x has shape \(2, 1, 4\); expected"):
        simulate_hybrid(hybrid, np.zeros((2, 1, 4)))
