"""Conversions within an error: what they do, and that the stated error is the measured one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.convert.approximate import floor_thresholds, inputs_of, ladder_from_data, mean_thresholds, measure, prune
from analogrnn.convert.exact import convert_exact
from analogrnn.errors import MappingError, ParameterError
from analogrnn.network import Cmru, Linear, Network, Pooling, ReLU, forward

from .helpers import SEEDS, inputs_for, random_network

D, F = 4, 3


def network(**fields):
    draw = np.random.default_rng(11)
    given_ = {"threshold": np.full(D, 0.4), "alpha": np.full(D, 0.5)} | fields
    cell = Cmru("cell", draw.normal(size=(D, F)), np.zeros(D), **given_)
    return Network((cell, Pooling("pool"), Linear("out", draw.normal(size=(2, D)), np.zeros(2))))


def following(**fields):
    return network(threshold_weight=np.random.default_rng(12).normal(size=(D, F)) * 0.3, **fields)


X = np.random.default_rng(13).normal(size=(40, 30, F))


def test_a_ladder_from_data_has_the_levels_that_were_reached_and_changes_nothing_there():
    source = network()
    result = ladder_from_data(source, X)
    cell, states = result.network.layer("cell"), forward(source, X).states["cell"]
    assert_array_equal(cell.bounds[0], np.minimum(states.min((0, 1)), 0.0))
    assert_array_equal(cell.bounds[1], np.maximum(states.max((0, 1)), 0.0))
    (change,) = result.changes
    assert (change.conversion, change.layer, change.exact) == ("ladder", "cell", False)
    assert "; 0.000% of the unit-steps saturate" in change.text
    assert (change.effect.steps_equal, change.effect.classes_equal, change.effect.logit_error) == (1.0, 1.0, 0.0)


def test_a_ladder_by_a_quantile_is_narrower_and_states_its_loss():
    source = network()
    result = ladder_from_data(source, X, 0.9)
    full, cell = ladder_from_data(source, X).network.layer("cell"), result.network.layer("cell")
    assert np.all(cell.bounds[0] >= full.bounds[0])
    assert np.all(cell.bounds[1] <= full.bounds[1])
    old, new = forward(source, X), forward(result.network, X)
    (change,) = result.changes
    assert change.effect.steps_equal == np.mean(old.states["cell"] == new.states["cell"]) < 1.0
    assert change.effect.classes_equal == np.mean(old.classes == new.classes)
    assert change.effect.logit_error == np.abs(old.logits - new.logits).max() > 0.0
    # an update that finds no level: the state before it is at the end, and the candidate points outside
    c, s = new.candidates["cell"], new.states["cell"]
    before = np.concatenate([np.zeros_like(s[:1]), s[:-1]])
    ends = np.where(c > 0, before == cell.bounds[1], before == cell.bounds[0])
    assert f"{np.mean(ends & (np.abs(c) >= 0.4)):.3%} of the unit-steps saturate" in change.text


def test_a_ladder_that_is_finite_already_keeps_the_narrower_ends():
    cell = ladder_from_data(network(k_min=-2, k_max=100), X).network.layer("cell")
    assert_array_equal(cell.bounds[0], -2.0)
    assert np.all(cell.bounds[1] < 100)


def test_a_ladder_that_never_moves_is_refused_by_name():
    still = network(threshold=np.array([0.4, 99.0, 0.4, 0.4]))
    with pytest.raises(MappingError, match=r"^cell: unit 1 never leaves level 0 on these data, .* give data that move"):
        ladder_from_data(still, X)


def test_a_real_initial_state_is_converted_first():
    source = network(initial=np.full(D, 0.25))
    with pytest.raises(MappingError, match=r"cell\.initial has states that are no whole levels; apply the exact conv"):
        ladder_from_data(source, X)
    first = convert_exact(source)
    result = first.then(ladder_from_data(first.network, X))
    assert_allclose(forward(result.network, X).logits, forward(source, X).logits, atol=1e-12)


def test_a_ladder_behind_other_layers_is_taken_from_what_it_reads():
    first = Linear("first", np.eye(F), np.ones(F))
    layers = (first, ReLU("r"), *network().layers)
    result = ladder_from_data(Network(layers), X, 0.9)
    run = forward(result.network, X)
    assert_array_equal(inputs_of(result.network, "cell", run, X), np.maximum(X + 1.0, 0.0))
    assert result.changes[0].layer == "cell"
    assert ladder_from_data(Network((first,)), X).changes == ()


def test_a_floor_by_value_and_by_quantile():
    source = following()
    b = np.abs(source.layer("cell").thresholds(X)).reshape(-1, D)
    by_value, by_quantile = floor_thresholds(source, X, value=0.2), floor_thresholds(source, X, quantile=0.05)
    assert_array_equal(by_value.network.layer("cell").threshold_floor, 0.2)
    assert_array_equal(by_quantile.network.layer("cell").threshold_floor, np.quantile(b, 0.05, axis=0))
    assert f"|b(x)| is below it on {np.mean(b < 0.2):.2%} of the unit-steps" in by_value.changes[0].text
    assert by_value.changes[0].effect == measure(source, by_value.network, X)
    assert floor_thresholds(network(), X, value=0.2).changes == (), "constant thresholds need no floor"


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({}, "floor_thresholds takes a value or a quantile; give one of the two"),
        ({"value": 0.1, "quantile": 0.1}, "give one of the two"),
        ({"value": 0.0}, r"value = 0 is outside \[1e-06, 1e\+06\]"),
        ({"quantile": 1.5}, r"quantile = 1\.5 is outside \[0, 1\]"),
    ],
)
def test_a_floor_that_is_none_is_refused(given_, message):
    with pytest.raises(ParameterError, match=message):
        floor_thresholds(following(), X, **given_)


def test_a_quantile_of_zero_thresholds_is_refused():
    source = following(threshold=np.zeros(D))
    with pytest.raises(ParameterError, match=r"cell: the quantile 0\.1 of \|b\(x\)\| is 0 in units 0, 1, 2, 3; take"):
        floor_thresholds(source, np.zeros_like(X), quantile=0.1)


def test_the_mean_of_a_threshold_is_that_of_its_magnitude():
    source = following()
    cell = mean_thresholds(source, X).network.layer("cell")
    assert cell.threshold_weight is None
    assert_allclose(cell.threshold, np.abs(source.layer("cell").thresholds(X)).mean((0, 1)), rtol=1e-14)
    assert mean_thresholds(source, X).changes[0].effect.steps_equal < 1.0


def test_small_weights_are_pruned_and_counted():
    source = following()
    result = prune(source, X, 0.2)
    for layer in ("cell", "out"):
        weight = source.layer(layer).weight
        assert_array_equal(result.network.layer(layer).weight, np.where(np.abs(weight) < 0.2, 0.0, weight))
    sizes = [source.layer("cell").weight, source.layer("cell").threshold_weight]
    count = sum(int((np.abs(a) < 0.2).sum()) for a in sizes)
    assert result.changes[0].text == f"{count} of {2 * D * F} weights set to 0, each below 0.2"
    assert prune(source, X, 0.0).network is source


def test_steps_are_equal_across_exact_conversions_of_sign_start_and_quadrant():
    """The measure compares what a cell's output moved, up to its sign, which exact conversions hand over."""
    source = network(alpha=np.array([0.5, -0.5, 1.0, -2.0]), initial=np.array([0.0, 0.5, -0.25, 0.0]))
    effect = measure(source, convert_exact(source).network, X)
    assert (effect.steps_equal, effect.classes_equal) == (1.0, 1.0)
    turned = replace(source.layer("cell"), alpha=-source.layer("cell").alpha)
    assert measure(source, Network((turned, *source.layers[1:])), X).steps_equal == 1.0
    flipped = replace(source.layer("cell"), weight=-source.layer("cell").weight)
    assert measure(source, Network((flipped, *source.layers[1:])), X).steps_equal < 0.5, "negative control"


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_all_steps_of_random_networks_are_equal_after_exact_conversions(seed):
    source = random_network(seed)
    x = inputs_for(source, seed)
    effect = measure(source, convert_exact(source).network, x)
    assert (effect.steps_equal, effect.classes_equal) == (1.0, 1.0)
