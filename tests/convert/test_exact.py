"""Exact conversions: the same outputs for every input, for random graphs and for each conversion alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.convert.cells import TIE
from analogrnn.convert.exact import EXACT, convert_exact
from analogrnn.errors import ParameterError
from analogrnn.network import Cmru, FirstQuadrantBmru, LayerNorm, Linear, Network, Pooling, ReLU, Scale, forward

from .helpers import SEEDS, inputs_for, random_network

SOME = [random_network(seed) for seed in range(150)]


def assert_same_outputs(before, after, x):
    """Equal to rounding: a few hundred operations of relative error 1e-16 on values below about a thousand."""
    old, new = forward(before, x).logits, forward(after, x).logits
    assert_allclose(new, old, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(old).max()))


@settings(max_examples=80, deadline=None)
@given(SEEDS)
def test_all_exact_conversions_together_keep_the_outputs(seed):
    network = random_network(seed)
    assert_same_outputs(network, convert_exact(network).network, inputs_for(network, seed))


@pytest.mark.parametrize("name", EXACT)
def test_each_exact_conversion_alone_keeps_the_outputs(name):
    @settings(max_examples=20, deadline=None)
    @given(SEEDS)
    def check(seed):
        network = random_network(seed)
        assert_same_outputs(network, convert_exact(network, [name]).network, inputs_for(network, seed))

    check()


@pytest.mark.parametrize("name", EXACT)
def test_every_conversion_changes_some_random_networks(name):
    """Negative control of the two tests above: they would pass if nothing were ever converted."""
    assert sum(bool(EXACT[name](network).changes) for network in SOME) >= 3


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_converted_once_nothing_is_left_to_convert(seed):
    converted = convert_exact(random_network(seed)).network
    again = convert_exact(converted)
    assert again.changes == ()
    assert again.network is converted
    for layer in converted.layers:
        assert layer.kind != "first_quadrant_bmru"
        if isinstance(layer, Cmru):
            assert np.all(layer.alpha > 0.0)


def test_an_unknown_conversion_is_refused_with_those_that_are_known():
    with pytest.raises(ParameterError, match="the conversion 'fold' is unknown; known: threshold, first-quadrant, "):
        convert_exact(random_network(1), ["fold"])


# ---------------------------------------------------------------- each conversion, on a network by hand

D, F = 3, 4  # units, inputs


def cell(**fields):
    draw = np.random.default_rng(5)
    given = {"threshold": draw.uniform(0.3, 1.0, D), "alpha": np.full(D, 0.5)} | fields
    return Cmru("cell", draw.normal(size=(D, F)), draw.normal(size=D), **given)


def readout(inputs=D, name="out"):
    draw = np.random.default_rng(6)
    return Linear(name, draw.normal(size=(2, inputs)), draw.normal(size=2))


def test_a_first_quadrant_bmru_becomes_a_bmru_with_its_centre_and_half_window():
    draw = np.random.default_rng(7)
    low, high = np.array([0.0, 0.2, 0.5]), np.array([0.4, 0.6, 0.7])
    alpha, start = np.array([0.8, -0.4, 1.0]), np.array([0.0, 1.0, 0.0])
    source = FirstQuadrantBmru("cell", draw.normal(size=(D, F)), draw.normal(size=D), low, high, alpha, start)
    network = Network((source, Pooling("pool"), readout()))
    result = convert_exact(network, ["first-quadrant", "scale"])
    made, out = result.network.layer("cell"), result.network.layer("out")
    assert (made.kind, made.eps) == ("cmru", 0.0)
    # halves of floats are exact
    assert_array_equal(made.bias, source.bias - (low + high) / 2)
    assert_array_equal(made.threshold, (high - low) / 2 - TIE * high)  # ties of candidates stay decided
    assert_array_equal(made.alpha, alpha / 2)
    assert_array_equal(made.initial, [-1.0, 1.0, -1.0])
    assert_allclose(out.bias, readout().bias + readout().weight @ alpha / 2, rtol=1e-14)
    assert [layer.name for layer in result.network.layers] == ["cell", "pool", "out"]
    x = inputs_for(network, 1, steps=200)
    assert_array_equal(forward(result.network, x).states["cell"], 2.0 * forward(network, x).states["cell"] - 1.0)


def test_a_real_initial_state_reaches_every_reader_also_through_sums_and_a_rectifier():
    start = np.array([0.25, -0.6, 2.0])
    skip, second = ReLU("skip", sources=("cell",)), Linear("second", np.eye(D), np.ones(D), sources=("cell",))
    joined = Linear("joined", np.eye(D), np.zeros(D), sources=("second", "skip", "cell"))
    network = Network((cell(initial=start), second, skip, joined))
    result = convert_exact(network, ["initial", "scale"])
    assert_array_equal(result.network.layer("cell").initial, [0.0, 0.0, 2.0])
    assert result.network.sources("skip") == ("cell_out",), "a rectifier has no bias to take the offset"
    assert_same_outputs(network, result.network, inputs_for(network, 2))


def test_a_real_initial_state_of_a_finite_ladder_is_kept():
    """At the end of the ladder the state is cut to a whole level, and the distance from s_0 is no longer whole."""
    network = Network((cell(initial=np.full(D, 0.25), k_min=-2, k_max=2), readout()))
    assert convert_exact(network).changes == ()


def test_the_sign_of_alpha_goes_into_the_readout():
    alpha = np.array([0.5, -0.25, 1.0])
    network = Network((cell(alpha=alpha), Pooling("pool"), readout()))
    result = convert_exact(network)
    assert_array_equal(result.network.layer("cell").alpha, np.abs(alpha))
    assert_array_equal(result.network.layer("out").weight, readout().weight * np.sign(alpha))
    assert [change.conversion for change in result.changes] == ["alpha", "scale", "scale"]
    assert result.changes[0].text == "the sign of alpha goes to its readers (unit 1)"


def test_units_with_an_alpha_of_zero_are_dropped():
    ends = {"k_min": np.array([-1, -2, -3]), "k_max": np.array([1, 2, 3])}
    network = Network((cell(alpha=np.array([0.5, 0.0, 1.0]), **ends), Pooling("pool", "mean"), readout()))
    result = convert_exact(network)
    assert result.network.layer("cell").width == 2
    assert_array_equal(result.network.layer("cell").k_max, [1, 3])
    assert_same_outputs(network, result.network, inputs_for(network, 3))
    silent = Network((cell(alpha=np.zeros(D)), Pooling("pool", "mean"), readout()))
    assert [layer.name for layer in convert_exact(silent).network.layers] == ["out", "pool"]
    assert_same_outputs(silent, convert_exact(silent).network, inputs_for(silent, 3))


def test_a_mean_moves_behind_the_readout_and_a_last_step_stays():
    network = Network((cell(), Pooling("pool", "mean"), readout(), readout(2, "second")))
    result = convert_exact(network, ["pooling"])
    assert [layer.name for layer in result.network.layers] == ["cell", "out", "second", "pool"]
    assert result.changes[0].text == "moved behind out, second"
    last = Network((cell(), Pooling("pool", "last"), readout()))
    assert convert_exact(last).network is last


def test_a_batch_normalisation_folds_backward_into_the_linear_layer_or_forward_into_the_cell():
    draw = np.random.default_rng(8)
    first, norm = (
        Linear("first", draw.normal(size=(F, F)), draw.normal(size=F)),
        Scale("norm", *draw.normal(size=(2, F))),
    )
    result = convert_exact(Network((first, norm, ReLU("r"), cell(), readout())), ["scale"])
    assert [layer.name for layer in result.network.layers] == ["first", "r", "cell", "out"]
    assert_allclose(result.network.layer("first").weight, norm.scale[:, None] * first.weight, rtol=1e-14)
    assert result.changes[0].text == "folded into first"
    direct = convert_exact(Network((norm, cell(), readout())), ["scale"]).network
    assert [layer.name for layer in direct.layers] == ["cell", "out"]
    assert_allclose(direct.layer("cell").weight, cell().weight * norm.scale, rtol=1e-14)


def test_linear_layers_in_a_row_are_one():
    network = Network((readout(F, "a"), readout(2, "b"), Linear("c", np.eye(2), np.ones(2))))
    result = convert_exact(network)
    assert [layer.name for layer in result.network.layers] == ["c"]
    assert [change.text for change in result.changes] == [
        "folded into the weights and biases of b",
        "folded into the weights and biases of c",
    ]


def test_a_layer_norm_before_a_cell_adds_its_sigma_to_the_inputs_of_the_cell():
    draw = np.random.default_rng(9)
    norm = LayerNorm("norm", draw.normal(size=F), draw.normal(size=F))
    network = Network((norm, cell(threshold_weight=draw.normal(size=(D, F)) * 0.3), readout()))
    result = convert_exact(network)
    made = result.network.layer("cell")
    assert [layer.name for layer in result.network.layers] == ["norm_sigma", "cell", "out"]
    assert (made.inputs, made.bias.any(), made.threshold.any()) == (F + 1, False, False)
    x = inputs_for(network, 4, steps=100)
    assert_array_equal(forward(result.network, x).states["cell"], forward(network, x).states["cell"])


def test_a_layer_norm_behind_a_cell_or_with_a_floor_is_kept():
    norm = LayerNorm("norm", np.ones(D), np.zeros(D))
    second = Cmru("second", np.eye(D), np.zeros(D), np.ones(D), np.ones(D))
    assert convert_exact(Network((cell(), norm, second, readout()))).changes == ()
    front = LayerNorm("norm", np.ones(F), np.zeros(F))
    floor = {"threshold_floor": np.full(D, 0.1), "threshold_weight": np.ones((D, F))}
    assert convert_exact(Network((front, cell(**floor), readout()))).changes == ()


def test_a_constant_threshold_is_written_as_its_magnitude_at_least_its_floor():
    network = Network((cell(threshold=np.array([-0.5, 0.1, 0.7]), threshold_floor=np.full(D, 0.3)), readout()))
    made = convert_exact(network).network.layer("cell")
    assert_array_equal(made.threshold, [0.5, 0.3, 0.7])
    assert made.threshold_floor is None


def test_a_cell_that_resets_at_zero_current_does_so_behind_folded_offsets():
    """The candidate of the second cell is exactly zero while the first is reset, a tie with b_lo = 0."""
    wide = np.full((1, 3), 0.1)
    layers = (
        FirstQuadrantBmru("q1", np.eye(3), np.zeros(3), np.full(3, 0.2), np.ones(3), np.array([0.1, 0.2, 0.3])),
        FirstQuadrantBmru("q2", wide, np.zeros(1), np.zeros(1), np.full(1, 0.05), np.ones(1)),
    )
    network = Network(layers)
    x = np.repeat(np.array([[2.0], [0.5], [0.0], [0.5], [2.0], [0.0]])[:, :, None], 3, axis=2)
    assert forward(network, x).states["q2"].ravel().tolist() == [1, 1, 0, 0, 1, 0]
    assert_same_outputs(network, convert_exact(network).network, x)
    assert_same_outputs(
        random_network(623), convert_exact(random_network(623)).network, inputs_for(random_network(623), 623)
    )
