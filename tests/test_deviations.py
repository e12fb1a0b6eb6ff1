"""Relative deviations: a chip's tables follow from them and the trained numbers; no spread means none."""

import numpy as np
import pytest
from helpers import cmru, kinds, mapped, network
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn import mismatch
from analogrnn.chip import ChipFactory, draw_chip
from analogrnn.design import Ladder
from analogrnn.kernels import plain
from analogrnn.simulate.steps import run_ladder
from analogrnn.streams import stream

NUMBERS = np.array([3, 0, 77], dtype=np.uint64)
every_kind = pytest.mark.parametrize("kind", kinds())


def small(net):
    """Devices of 3 um, so that presets miss and thresholds leave the line's range."""
    return mapped(net, cell_w=3e-6, cell_l=3e-6)


@every_kind
def test_the_tables_of_a_chip_follow_from_its_relative_deviations(kind):
    design = small(kinds()[kind])
    factory = ChipFactory(design, 4)
    for layer, table, own in zip(design.layers, factory.tables(NUMBERS), factory.relative(NUMBERS), strict=True):
        assert own.name == layer.name
        # the same operations in the same order
        weight, bias = mismatch.rows_of(design, layer.synapses).applied(own.rows)
        assert_array_equal(weight, table.weight)
        assert_array_equal(bias, table.bias)
        if not isinstance(layer, Ladder):
            assert own.rise is None
            continue
        low, high = layer.threshold[:, [0]], layer.threshold[:, [1]]
        half, alpha = (high - low) / 2.0, layer.alpha[:, None]
        # a division and a multiplication more: a few roundings of numbers of order one
        assert_allclose(high + half * own.rise, table.up, rtol=1e-14, atol=1e-15)
        assert_allclose(low + half * own.fall, table.down, rtol=1e-14, atol=1e-15)
        assert_allclose(alpha * (layer.levels[:, 1:] + own.output), table.output[:, :, 1:], rtol=1e-13, atol=1e-14)


@every_kind
def test_without_spread_every_deviation_is_zero_and_presets_reach_their_levels(kind):
    design = small(kinds()[kind])
    for layer, own in zip(design.layers, ChipFactory(design, 4, 0.0).relative(NUMBERS), strict=True):
        assert_array_equal(own.rows.gain, 1.0)
        assert_array_equal(own.rows.passed, 1.0)
        for part in (own.rows.rest, own.rows.rail, own.rows.bias):
            assert_array_equal(part, 0.0)
        if isinstance(layer, Ladder):
            assert_array_equal(own.rise[:, layer.exists], 0.0)
            assert_array_equal(own.fall[np.isfinite(own.fall)], 0.0)
            assert_array_equal(own.output, 0.0)
            assert_array_equal(own.start, np.broadcast_to(layer.preset_pulses, own.start.shape))


def test_start_levels_are_those_after_the_presets_of_the_step_level():
    """On small devices some pulses miss: the levels before the first step are then not those of the network."""
    design = mapped(network(cmru("cell", 8, 3, ladder=(-4, 4))), cell_w=3e-6, cell_l=3e-6)
    numbers = np.arange(20, dtype=np.uint64)
    start = ChipFactory(design, 1).relative(numbers)[0].start
    idle, found = np.zeros((1, 1, 8)), np.empty((1, 1, 8), dtype=np.int16)
    for number in numbers:
        layer = draw_chip(design, 1, int(number)).ladders[0]
        # both meet one step with a candidate of zero
        plain.ladder_steps(idle, layer.up, layer.down, True, start[[number]], found)
        assert_array_equal(found, run_ladder(layer, idle))
    missed = start != design.ladders[0].preset_pulses
    assert 0.0 < missed.mean() < 0.5


def test_relative_deviations_do_not_move_with_the_weights():
    """What no weight, threshold or alpha enters stays when the weights change within the same currents at rest."""
    draw = stream(2, "weights")
    nets = [network(cmru("cell", 4, 3, weight=draw.uniform(0.2, 1.0, (4, 3)), seed=5)) for _ in range(2)]
    one, other = (ChipFactory(small(net), 4).relative(NUMBERS)[0] for net in nets)
    for name in ("gain", "rest", "bias"):
        assert_array_equal(getattr(one.rows, name), getattr(other.rows, name))
    assert_array_equal(one.rise, other.rise)
    assert_array_equal(one.output, other.output)


def test_absent_stages_of_ladders_of_different_lengths_never_set():
    low, high = np.array([-1, -2]), np.array([1, 2])
    design = small(network(cmru("cell", 2, 3, initial=np.zeros(2), k_min=low, k_max=high)))
    own = ChipFactory(design, 4).relative(NUMBERS)[0]
    assert np.isposinf(own.rise[:, 0, 2:]).all()
    assert np.isfinite(own.rise[:, 1]).all()
