"""Graphs of layers as layers of a circuit: folding, skips, pooling, and that circuit and network compute the same."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.chip import nominal_chip
from analogrnn.design import FeedForward, Ladder
from analogrnn.errors import MappingError
from analogrnn.mapping import circuit_form, recover_network
from analogrnn.network import Activation, Glu, LayerNorm, Linear, Network, Pooling, ReLU, Scale, forward
from analogrnn.simulate import simulate
from tests.graphs import random_graph, with_skip
from tests.helpers import cmru, first_quadrant, inputs_of, linear, mapped, network

ROUNDING = 1e-11  # folded matrices are other sums of some ten products of numbers near one


@pytest.mark.parametrize("seed", range(30))
def test_the_nominal_chip_of_a_random_graph_is_the_network(seed):
    net = random_graph(seed)
    x = inputs_of(net, 15, 4, seed=seed)
    digital, analog = forward(net, x), simulate(nominal_chip(mapped(net)), x)
    for name, states in analog.levels.items():
        assert_array_equal(states, digital.states[name])
        assert_allclose(analog.candidates[name], digital.candidates[name], atol=ROUNDING)
    assert_allclose(analog.logits, digital.logits, atol=ROUNDING)


@pytest.mark.parametrize("seed", range(10))
def test_the_network_recovered_from_a_graph_computes_the_same(seed):
    net = random_graph(seed)
    x = inputs_of(net, 15, 4, seed=seed)
    back = recover_network(mapped(net))
    assert_allclose(forward(back, x).logits, forward(net, x).logits, atol=ROUNDING)


def test_what_a_graph_becomes():
    """Linear layers, the scale and the sum fold; a skip is one more source."""
    design = mapped(with_skip())
    assert [layer.name for layer in design.layers] == ["low", "middle", "high", "sum"]
    assert [layer.sources for layer in design.layers] == [("input",), ("low",), ("input", "middle"), ("low", "high")]
    net = with_skip()
    half = np.hstack([0.5 * net.layer("across").weight, net.layer("up").weight])
    assert_allclose(design.layers[2].synapses.weight, net.layer("high").weight @ half, rtol=1e-12)
    assert design.wiring.phase == {"input": 0, "low": 0, "middle": 1, "high": 1, "sum": 2}
    assert not design.wiring.is_chain


@pytest.mark.parametrize("alpha", [0.0, -0.5])
def test_an_output_that_is_not_positive_maps_with_its_sign_in_the_next_weights(alpha):
    net = network(cmru(alpha=[1.0, alpha]))
    x = inputs_of(net)
    design = mapped(net)
    assert_array_equal(design.ladders[0].alpha, [1.0, abs(alpha) or 1.0])
    assert_array_equal(design.layers[1].synapses.weight[:, 1], np.sign(alpha) * net.layers[-1].weight[:, 1])
    assert_allclose(simulate(nominal_chip(design), x).logits, forward(net, x).logits, atol=ROUNDING)


@pytest.mark.parametrize("mode", ["mean", "vote"])
@pytest.mark.parametrize("early", [True, False])
def test_a_mean_or_a_vote_is_taken_of_the_readings_of_every_step(mode, early):
    """A mean may stand before affine layers, which it commutes with; a vote is the end."""
    layers = [cmru("cell", 2, 3), linear("a", 4, 2), linear("b", 2, 4)]
    layers.insert(1 if early and mode == "mean" else 3, Pooling("pool", mode))
    net = Network(tuple(layers))
    x = inputs_of(net)
    design = mapped(net)
    assert (design.pooling, design.pooling_mode) == ("pool", mode)
    assert_allclose(simulate(nominal_chip(design), x).logits, forward(net, x).logits, atol=ROUNDING)


@pytest.mark.parametrize("mode", ["mean", "vote"])
def test_what_is_not_affine_behind_a_mean_or_a_vote_is_refused(mode):
    net = Network((cmru(), linear(), Pooling("pool", mode), ReLU("relu")))
    with pytest.raises(MappingError, match=rf"^relu follows pool, whose {mode} is taken outside the core: move it"):
        mapped(net)


def test_an_affine_layer_behind_a_vote_is_refused():
    net = Network((cmru(), linear(), Pooling("pool", "vote"), linear("late", 2, 3)))
    with pytest.raises(MappingError, match=r"^late follows pool, whose vote is taken outside the core: move it"):
        mapped(net)


def test_linear_layers_in_a_row_fold():
    net = Network((linear("front", 4, 3), cmru("cell", 2, 4), Pooling("pool"), linear("a", 4, 2), linear("b", 2, 4)))
    x = inputs_of(net)
    design = mapped(net)
    assert [layer.name for layer in design.layers] == ["cell", "b"]
    assert_allclose(design.layers[0].synapses.weight, net.layers[1].weight @ net.layers[0].weight, rtol=1e-12)
    assert_allclose(simulate(nominal_chip(design), x).logits, forward(net, x).logits, atol=ROUNDING)


def test_what_rounding_leaves_of_a_product_places_no_mirror():
    """0.1 + 0.2 - 0.3 is 5.6e-17, far below the smallest mirror, and stands for zero."""
    front = Linear("front", np.array([[0.1, 1.0], [0.2, 1.0], [0.3, 1.0]]), np.zeros(3))
    cell = cmru("cell", 2, 3, weight=np.array([[1.0, 1.0, -1.0], [1.0, 1.0, 1.0]]))
    ratio = mapped(network(front, cell)).layers[0].synapses.ratio
    assert ratio[0, 0] == 0.0
    assert np.count_nonzero(ratio) == 3


@pytest.mark.parametrize("front", [(ReLU("relu"), cmru()), (cmru(), ReLU("relu"), linear())])
def test_a_rectifier_behind_no_linear_layer_makes_rows_of_its_own(front):
    net = Network(front)
    x = inputs_of(net)
    design = mapped(net)
    rows_of = next(layer for layer in design.layers if isinstance(layer, FeedForward))
    assert (rows_of.name, rows_of.rectifier) == ("relu_rows", "relu")
    assert_array_equal(rows_of.synapses.weight, np.eye(rows_of.width))
    assert_allclose(simulate(nominal_chip(design), x).logits, forward(net, x).logits, atol=ROUNDING)


def test_a_network_that_ends_with_its_cells_has_no_readout():
    design = mapped(network(cmru(), readout=False))
    assert [type(layer) for layer in design.layers] == [Ladder]


def test_a_stored_batch_norm_folds():
    net = network(cmru("cell", 2, 3), readout=False)
    net = Network((*net.layers, Scale("norm", np.array([2.0, -0.5]), np.array([0.3, 0.1])), linear("out", 2, 2)))
    x = inputs_of(net)
    design = mapped(net)
    assert [layer.name for layer in design.layers] == ["cell", "out"]
    assert_allclose(simulate(nominal_chip(design), x).logits, forward(net, x).logits, atol=ROUNDING)


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (Activation("act", "gelu"), "gelu"),
        (LayerNorm("act", np.ones(2), np.zeros(2)), "LayerNorm"),
        (Glu("act"), "Glu"),
    ],
)
def test_what_no_circuit_does_is_refused_with_a_way_out(layer, what):
    net = Network((cmru("cell", 2, 3), layer, linear("out", 3, 1 if what == "Glu" else 2)))
    with pytest.raises(
        MappingError, match=rf"^act \({what}\) has no circuit: run it digitally in a hybrid network, or"
    ):
        mapped(net)


def test_ladders_of_different_lengths_have_their_own_stages():
    design = mapped(network(cmru("cell", 3, 3, k_min=[-2, 0, -1], k_max=[2, 1, 0], initial=np.zeros(3))))
    (ladder,) = design.ladders
    assert_array_equal(ladder.counts, [4, 1, 1])
    assert (ladder.stages, design.stages) == (4, 6)
    chip = nominal_chip(design).ladders[0]
    assert_array_equal(np.isinf(chip.up), ~ladder.exists)
    assert_array_equal(recover_network(design).layers[0].k_max, [2, 1, 0])


def test_a_cell_named_as_the_inputs_is_refused():
    with pytest.raises(
        MappingError, match=r"^a cell is named 'input', which stands for the inputs of a circuit; rename"
    ):
        mapped(network(cmru("input")))


@pytest.mark.parametrize(
    "layers",
    [
        (first_quadrant("low", 2, 3, b_lo=[0.5, 0.0], b_hi=[1.0, 1.0]),),
        (first_quadrant("low", 2, 3), first_quadrant("high", 2, 2)),
        (linear("front", 2, 3), ReLU("relu"), first_quadrant("high", 2, 2)),
    ],
)
def test_a_first_quadrant_cell_that_needs_a_clock_becomes_a_bmru(layers):
    """With b_lo = 0, behind another cell, or behind a ReLU layer; else it stays without a clock."""
    net = network(*layers)
    x = inputs_of(net)
    design, form = mapped(net), circuit_form(net)
    last = design.ladders[-1]
    assert (last.level_step, last.clocked) == (2, True)
    assert design.ladders[0].clocked == (len(design.ladders) == 1)
    run, digital = simulate(nominal_chip(design), x), forward(form, x)
    for name, levels in run.levels.items():
        assert_array_equal(levels, digital.states[name])
    assert_allclose(run.logits, forward(net, x).logits, atol=ROUNDING)


def test_a_network_that_needs_no_conversion_is_its_own_circuit_form():
    for net in (network(cmru()), network(first_quadrant()), with_skip()):
        assert circuit_form(net) is net
