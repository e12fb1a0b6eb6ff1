"""What the mapping converts by itself, and that converted networks map and follow the digital reference."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.agreement.check import check_agreement
from analogrnn.chip import nominal_chip
from analogrnn.convert import circuit_form, convert_exact, ladder_from_data
from analogrnn.mapping import map_network
from analogrnn.network import Cmru, FirstQuadrantBmru, Linear, Network, Pooling, ReLU, forward
from analogrnn.simulate import simulate
from analogrnn.technology import load_technology

DRAW = np.random.default_rng(17)
X = np.clip(DRAW.normal(size=(30, 20, 5)), -3.0, 3.0)


def first_quadrant(name, inputs, low=0.25):
    window = np.full(3, low), np.full(3, low + 0.65)
    return FirstQuadrantBmru(name, DRAW.normal(size=(3, inputs)), np.full(3, 0.3), *window, DRAW.uniform(0.3, 0.8, 3))


def linear(name, inputs, width):
    return Linear(name, DRAW.normal(size=(width, inputs)) / np.sqrt(inputs), DRAW.normal(size=width) * 0.1)


def stack():
    rows = linear("fc0", 5, 3), ReLU("r0"), first_quadrant("q1", 3), linear("o1", 3, 3), ReLU("r1")
    return Network((*rows, first_quadrant("q2", 3), linear("out", 3, 2), Pooling("vote", "vote")))


def test_the_first_of_two_first_quadrant_cells_stays_and_the_second_gets_a_clock():
    form = circuit_form(stack()).network
    assert (form.layer("q1").kind, form.layer("q2").kind) == ("first_quadrant_bmru", "cmru")
    alone = Network((first_quadrant("q", 5), linear("out", 3, 2)))
    assert circuit_form(alone).network is alone
    assert circuit_form(Network((first_quadrant("q", 5, low=0.0), *alone.layers[1:]))).changes[0].layer == "q"


@pytest.mark.parametrize(
    "network", [stack(), Network((first_quadrant("q", 5, 0.0), linear("out", 3, 2), Pooling("p")))]
)
def test_first_quadrant_stacks_and_cells_that_reset_at_zero_map_and_follow(network):
    design = map_network(network, load_technology(), input_bound=3.0)
    form, run = circuit_form(network).network, simulate(nominal_chip(design), X)
    digital = forward(form, X)
    for name, levels in run.levels.items():
        assert_array_equal(levels, digital.states[name])
    assert_array_equal(run.classes, forward(network, X).classes)
    assert check_agreement(network, design, X[:, :4]).holds


def test_a_published_style_cell_maps_after_conversion_and_gives_the_outputs_of_its_source():
    """Unbounded ladder, learned real s_0, alpha of either sign, mean pooling: none of it maps as it is."""
    cell = Cmru(
        "cell",
        DRAW.normal(size=(4, 5)),
        np.zeros(4),
        DRAW.uniform(0.5, 1.5, 4) * np.sign(DRAW.normal(size=4)),
        DRAW.normal(size=4) + np.sign(DRAW.normal(size=4)),
        initial=DRAW.uniform(-1.0, 1.0, 4),
    )
    source = Network((cell, Pooling("pool", "mean"), linear("out", 4, 3)))
    exact = convert_exact(source)
    converted = exact.then(ladder_from_data(exact.network, X)).network
    design = map_network(converted, load_technology(), input_bound=3.0)
    run = simulate(nominal_chip(design), X)
    assert_array_equal(run.levels["cell"], forward(converted, X).states["cell"])
    # the sum of a hundred products of relative error 1e-16
    assert_allclose(run.logits, forward(source, X).logits, rtol=1e-9, atol=1e-9)
