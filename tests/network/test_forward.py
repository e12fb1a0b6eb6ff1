"""The digital reference of a whole network, compared with plain Python sums. Small integers: no rounding."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_array_equal

from analogrnn.errors import ParameterError
from analogrnn.network import AlphaCmru, Cmru, FirstQuadrantBmru, Linear, Network, Pooling, ReLU, forward
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
        ParameterError, match=r"^cell is a Gru, a kind of layer that .* has no rule for; known: alpha_c"
    ):
        forward(Network((Gru("cell", np.ones((2, 3)), np.zeros(2)),)), np.ones((4, 1, 3)))
