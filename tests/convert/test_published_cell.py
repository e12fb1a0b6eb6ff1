"""A published-style cell maps after conversion, and its circuit gives the outputs of the source."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.chip import nominal_chip
from analogrnn.convert import convert_exact, ladder_from_data
from analogrnn.mapping import map_network
from analogrnn.network import Cmru, Linear, Network, Pooling, forward
from analogrnn.simulate import simulate
from analogrnn.technology import load_technology

DRAW = np.random.default_rng(17)
X = np.clip(DRAW.normal(size=(30, 20, 5)), -3.0, 3.0)


def linear(name, inputs, width):
    return Linear(name, DRAW.normal(size=(width, inputs)) / np.sqrt(inputs), DRAW.normal(size=width) * 0.1)


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
