"""The digital reference of a whole network, compared with plain Python sums. Small integers: no rounding."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.errors import ParameterError
from analogrnn.network import (
    Activation,
    AlphaCmru,
    Cmru,
    Deviation,
    FirstQuadrantBmru,
    Glu,
    LayerNorm,
    Linear,
    Network,
    Pooling,
    ReLU,
    Scale,
    forward,
)
from analogrnn.streams import stream


def integers(seed, *shape, low=-3, high=4):
    return stream(seed, "test").integers(low, high, shape).astype(float)


def linear(name, inputs, width, seed=1):
    return Linear(name, integers(seed, width, inputs), integers(seed + 1, width))


def cmru(inputs, width, **changed):
    given = {"threshold": np.full(width, 4.0), "alpha": integers(7, width, low=1), "k_min": -2, "k_max": 2}
    return Cmru("cell", integers(5, width, inputs), integers(6, width), **given | changed)


def first_quadrant(inputs, width):
    b_lo, b_hi = np.full(width, 2.0), np.full(width, 5.0)
    return FirstQuadrantBmru("cell", integers(5, width, inputs), integers(6, width), b_lo, b_hi, integers(7, width))


def alpha_cmru(inputs, width):
    parameters = (integers(5, width, inputs), integers(6, width), np.full(width, 4.0), integers(8, width, inputs))
    return AlphaCmru("cell", *parameters, integers(9, width))


def plain_affine(weight, bias, x):
    return [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(weight, bias, strict=True)]


def sign(value):
    return int(value > 0) - int(value < 0)


def plain_cell(layer, xs):
    """(candidates, states, outputs) of one sample xs, a list of input lists."""
    s = [0.0] * layer.width if isinstance(layer, AlphaCmru) else list(layer.initial)
    found = []
    for x in xs:
        c = plain_affine(layer.weight, layer.bias, x)
        for i in range(layer.width):
            if isinstance(layer, FirstQuadrantBmru):
                c[i] = max(c[i], 0.0)
                s[i] = 1.0 if c[i] >= layer.b_hi[i] else 0.0 if c[i] <= layer.b_lo[i] else s[i]
                continue
            b = layer.threshold[i]
            if getattr(layer, "threshold_weight", None) is not None:
                b = plain_affine(layer.threshold_weight, layer.threshold, x)[i]
            if abs(c[i]) < abs(b):
                continue
            if isinstance(layer, AlphaCmru):
                s[i] = plain_affine(layer.alpha_weight, layer.alpha_bias, x)[i] * sign(c[i]) + layer.eps * s[i]
            else:
                s[i] = min(max(sign(c[i]) + layer.eps * s[i], layer.k_min), layer.k_max)
        alpha = [1.0] * layer.width if isinstance(layer, AlphaCmru) else layer.alpha
        found.append((c, list(s), [a * k for a, k in zip(alpha, s, strict=True)]))
    return found


CELLS = {
    "cmru": cmru(3, 4),
    "bmru": cmru(3, 4, eps=0.0, k_min=-1, k_max=1),
    "cmru from level 2": cmru(3, 4, initial=np.full(4, 2.0)),
    "cmru whose threshold follows the input": cmru(3, 4, threshold_weight=integers(10, 4, 3)),
    "first quadrant": first_quadrant(3, 4),
    "alpha": alpha_cmru(3, 4),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_in_a_network_follows_its_equations(name):
    layer, x = CELLS[name], integers(11, 12, 5, 3)
    run = forward(Network((layer,)), x)
    for j in range(x.shape[1]):
        expected = plain_cell(layer, x[:, j].tolist())
        assert_array_equal(run.candidates["cell"][:, j], [row[0] for row in expected])
        assert_array_equal(run.states["cell"][:, j], [row[1] for row in expected])
        assert_array_equal(run.outputs["cell"][:, j], [row[2] for row in expected])
    assert_array_equal(run.logits, run.outputs["cell"])
    assert len(np.unique(run.states["cell"])) > 1, "the inputs were meant to move the states"


@pytest.mark.parametrize("mode", ["last", "mean"])
def test_a_network_is_its_layers_one_after_the_other(mode):
    first, last = linear("fc", 2, 3), linear("readout", 4, 5, seed=3)
    layers = (first, ReLU("relu"), CELLS["cmru"], Pooling("pool", mode), last)
    x = integers(12, 8, 3, 2)
    run = forward(Network(layers), x)
    hidden = np.maximum(x @ first.weight.T + first.bias, 0.0)
    h = forward(Network((CELLS["cmru"],)), hidden).logits
    # eight steps: dividing by a power of two does not round
    pooled = h[-1] if mode == "last" else h.sum(axis=0) / 8.0
    assert_array_equal(run.logits, pooled @ last.weight.T + last.bias)
    assert run.logits.shape == (3, 5)
    assert_array_equal(run.classes, np.argmax(run.logits, axis=1))
    assert set(run.candidates) == set(run.states) == set(run.outputs) == {"cell"}


def test_without_pooling_every_step_has_its_logits():
    run = forward(Network((CELLS["cmru"], linear("readout", 4, 5))), integers(12, 7, 2, 3))
    assert run.logits.shape == (7, 2, 5)
    assert run.classes.shape == (7, 2)


def test_two_cells_in_a_chain_keep_their_own_records():
    second = Cmru("second", integers(20, 2, 4), np.zeros(2), np.ones(2), np.ones(2), k_min=-1, k_max=1)
    run = forward(Network((CELLS["cmru"], second)), integers(12, 7, 2, 3))
    assert run.states["cell"].shape == (7, 2, 4)
    assert_array_equal(run.candidates["second"], run.outputs["cell"] @ second.weight.T)
    assert_array_equal(run.logits, run.outputs["second"])


@given(st.integers(0, 10**6), st.integers(1, 10), st.integers(0, 4))
def test_a_sample_does_not_depend_on_its_neighbours_nor_a_step_on_the_future(seed, steps, samples):
    network = Network((CELLS["cmru"], linear("readout", 4, 2)))
    x = integers(seed, steps, samples, 3)
    together = forward(network, x).logits
    for j in range(samples):
        assert_array_equal(forward(network, x[:, j : j + 1]).logits[:, 0], together[:, j])
    assert_array_equal(forward(network, x[:1]).logits, together[:1])


@given(st.permutations(range(4)))
def test_permuting_cells_and_the_weights_that_read_them_changes_no_logit(order):
    cell, readout, x = CELLS["cmru"], linear("readout", 4, 5), integers(13, 9, 3, 3)
    mixed = Cmru(
        "cell", cell.weight[order], cell.bias[order], cell.threshold[order], cell.alpha[order], k_min=-2, k_max=2
    )
    turned = Linear("readout", readout.weight[:, order], readout.bias)
    assert_array_equal(forward(Network((mixed, turned)), x).logits, forward(Network((cell, readout)), x).logits)


def test_an_update_sets_a_bmru_to_plus_or_minus_alpha():
    run = forward(Network((CELLS["bmru"],)), integers(14, 20, 4, 3))
    assert set(np.unique(run.states["cell"])) == {-1.0, 1.0}


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((4, 3)), r"x has shape \(4, 3\); expected \(any, any, 3\)\."),
        (np.ones((4, 1, 2)), r"x has shape \(4, 1, 2\); expected \(any, any, 3\)\."),
        (np.ones((0, 1, 3)), r"x has no steps; give at least one\."),
        ([[[0.0, 0.0, np.nan]]], r"x has 1 value\(s\) that are not finite, the first nan at \[0, 0, 2\]"),
        ("sound", r"x is not an array of numbers; give shape \(any, any, 3\)\."),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x, message):
    with pytest.raises(ParameterError, match="^" + message):
        forward(Network((CELLS["cmru"],)), x)


def test_a_kind_of_layer_without_a_rule_is_refused():
    class Gru(Cmru.__base__):
        kind = "gru"

    with pytest.raises(
        ParameterError, match=r"^cell is a Gru, a kind of layer that .* has no rule for; known: activation, alpha_c"
    ):
        forward(Network((Gru("cell", np.ones((2, 3)), np.zeros(2)),)), np.ones((4, 1, 3)))


# ---------------------------------------------------------------- layers that run digitally, and pooling by vote


def test_a_scale_and_a_layer_norm_follow_their_definitions():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4, 2, 3))
    scale = Scale("s", np.array([2.0, -1.0, 0.5]), np.array([0.1, 0.2, 0.3]))
    np.testing.assert_array_equal(forward(Network((scale,)), x).logits, x * scale.scale + scale.shift)
    norm = LayerNorm("n", np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0]), 1e-5)
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    expected = norm.weight * (x - mean) / np.sqrt(variance + 1e-5) + norm.bias
    np.testing.assert_allclose(
        forward(Network((norm,)), x).logits, expected, atol=1e-14
    )  # a few roundings of order one


def test_a_deviation_adds_the_standard_deviation_of_the_features_to_them():
    x = np.array([[[1.0, 3.0, 8.0]]])
    network = Network((Deviation("n", 3, 0.5), Linear("out", np.eye(4), np.zeros(4))))
    # variance of 1, 3, 8 with mean 4: (9 + 1 + 16) / 3
    assert_allclose(forward(network, x).logits[0, 0], [1.0, 3.0, 8.0, np.sqrt(26.0 / 3.0 + 0.5)], rtol=1e-15)
    assert (network.inputs, network.width("n")) == (3, 4)
    with pytest.raises(ParameterError, match=r"n\.inputs = 2\.5 is not a whole number"):
        Deviation("n", 2.5)


def test_a_layer_norm_without_epsilon_refuses_a_constant_input():
    norm = LayerNorm("n", np.ones(3), np.zeros(3), 0.0)
    with pytest.raises(ParameterError, match=r"^n divides by a standard deviation of zero; give it an epsilon"):
        forward(Network((norm,)), np.ones((1, 1, 3)))


@pytest.mark.parametrize(
    ("function", "at_one"),
    # exact values at 1: Phi(1); the tanh form; 1 / (1 + 1/e); the same; tanh(1)
    [
        ("gelu", 0.8413447460685429),
        ("gelu_tanh", 0.8411919906082768),
        ("sigmoid", 0.7310585786300049),
        ("silu", 0.7310585786300049),
        ("tanh", 0.7615941559557649),
    ],
)
def test_an_activation_has_its_textbook_value_at_one(function, at_one):
    net = Network((Linear("a", np.eye(2), np.zeros(2)), Activation("f", function)))
    np.testing.assert_allclose(forward(net, np.ones((1, 1, 2))).logits, at_one, rtol=1e-14)
    with pytest.raises(ParameterError, match=r"^f\.function = 'elu' is unknown; known: \['gelu', 'gelu_tanh'"):
        Activation("f", "elu")


def test_a_gated_linear_unit_multiplies_its_halves():
    net = Network((Linear("a", np.eye(4), np.zeros(4)), Glu("g")))
    x = np.array([[[2.0, 3.0, 0.0, 1.0]]])
    # sigmoid(0) is one half
    np.testing.assert_allclose(forward(net, x).logits, [[[1.0, 3.0 * 0.7310585786300049]]], rtol=1e-14)


def test_a_vote_is_the_share_of_steps_that_each_output_wins_and_the_first_of_equals_counts():
    net = Network((Linear("a", np.eye(3), np.zeros(3)), Pooling("p", "vote")))
    x = np.array([[1.0, 0, 0], [0, 1, 0], [2, 1, 0], [5, 5, 5]])[:, None]
    np.testing.assert_array_equal(forward(net, x).logits, [[0.75, 0.25, 0.0]])


def test_a_floor_under_the_thresholds_holds_the_state_below_it():
    """|b| is 0.2 and 2; the floor raises the first to 0.5 and leaves the second."""
    cell = Cmru(
        "c",
        np.eye(2),
        np.zeros(2),
        threshold=np.array([-0.2, 2.0]),
        alpha=np.ones(2),
        threshold_weight=np.array([[1e-9, 0.0], [0.0, 1e-9]]),
        threshold_floor=np.array([0.5, 0.5]),
    )
    x = np.array([[0.3, 1.0], [0.6, 1.0], [0.6, 3.0]])[:, None]
    np.testing.assert_array_equal(forward(Network((cell,)), x).states["c"][:, 0], [[0, 0], [1, 0], [2, 1]])
    with pytest.raises(ParameterError, match=r"^c\.threshold_floor\[1\] = -1 is below zero"):
        replace(cell, threshold_floor=np.array([1.0, -1.0]))


def test_every_unit_may_have_a_ladder_of_its_own():
    cell = Cmru(
        "c", np.ones((2, 1)), np.zeros(2), np.ones(2), np.ones(2), k_min=np.array([0, -1]), k_max=np.array([1.0, 3.0])
    )
    x = np.array([2.0, 2, 2, 2, -2, -2, -2, -2, -2])[:, None, None]
    states = forward(Network((cell,)), x).states["c"][:, 0].T
    np.testing.assert_array_equal(states, [[1, 1, 1, 1, 0, 0, 0, 0, 0], [1, 2, 3, 3, 2, 1, 0, -1, -1]])
    assert (replace(cell, k_min=[-2, -2]).k_min, cell.k_max.tolist()) == (-2, [1.0, 3.0])
    with pytest.raises(ParameterError, match=r"^c\.k_min = 1 is not below k_max = 1\."):
        replace(cell, k_min=[1, 0])
