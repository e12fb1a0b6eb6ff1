"""The step level of a whole network: refusals, results, and independence of clips."""

import numpy as np
import pytest
from helpers import BOUND, cmru, direct, inputs_of, kinds, linear, mapped, network
from numpy.testing import assert_array_equal

from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.errors import ParameterError
from analogrnn.montecarlo.score import Variability, score_chips
from analogrnn.network import Network, Pooling, ReLU, forward
from analogrnn.simulate import run_ladder, simulate
from analogrnn.simulate.steps import preset_candidates
from analogrnn.streams import stream

NET = network(cmru())
CHIP = nominal_chip(mapped(NET))
every_kind = pytest.mark.parametrize("kind", kinds())


@pytest.mark.parametrize("x", [20.5, 4095.0, 1e39])
def test_an_input_beyond_the_mapped_bound_is_refused_as_its_negative_is(x):
    """Once, 4 uA into a mirror of 1 nA was simulated without an error; 1e39 is not a float32."""
    chip = nominal_chip(mapped(NET))
    inputs = np.zeros((4, 2, NET.inputs))
    inputs[2, 1, 0] = x
    with pytest.raises(
        ParameterError, match=r"x\[2, 1, 0\] = .* is above 20: .*; clip the inputs, or map with a larger inp"
    ):
        simulate(chip, inputs)
    with pytest.raises(ParameterError, match=r"is above 20"):
        score_chips(chip.design, inputs, [0], Variability())
    inputs[2, 1, 0] = 20.0  # the bound itself is inside
    simulate(chip, inputs)


def test_an_input_whose_current_would_be_negative_is_refused():
    x = np.zeros((4, 3, 3))
    x[2, 1, 0] = -BOUND - 0.5
    with pytest.raises(
        ParameterError, match=r"x\[2, 1, 0\] = -20\.5 is below -20: its current would be negative; clip"
    ):
        simulate(CHIP, x)


def test_the_last_bits_of_a_clipped_input_do_not_decide():
    simulate(CHIP, np.full((1, 1, 3), np.nextafter(-BOUND, -100.0)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_input_that_is_not_finite_is_refused(bad):
    x = np.zeros((4, 3, 3))
    x[1, 2, 0] = bad
    with pytest.raises(
        ParameterError, match=rf"x has 1 value\(s\) that are not finite, the first {bad} at \[1, 2, 0\]"
    ):
        simulate(CHIP, x)


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2), (4, 3, 3, 1), ()])
def test_inputs_of_another_shape_are_refused(shape):
    with pytest.raises(ParameterError, match=r"x has shape \(.*\); expected \(any, any, 3\)"):
        simulate(CHIP, np.zeros(shape))


def test_a_run_without_steps_is_refused():
    with pytest.raises(ParameterError, match="x has no steps; give at least one"):
        simulate(CHIP, np.zeros((0, 2, 3)))


def test_inputs_that_are_no_numbers_are_refused():
    with pytest.raises(ParameterError, match="x is not an array of numbers"):
        simulate(CHIP, [[["a", "b", "c"]]])


def test_an_invalid_seed_of_noise_is_refused():
    with pytest.raises(ParameterError, match="seed = -1 is not a whole number >= 0"):
        simulate(CHIP, np.zeros((2, 1, 3)), noise_seed=-1)


@every_kind
def test_a_run_reports_candidates_and_levels_of_every_ladder(kind):
    net = kinds()[kind]
    design = mapped(net)
    run = simulate(nominal_chip(design), inputs_of(net, 7, 4))
    assert set(run.levels) == set(run.candidates) == {ladder.name for ladder in design.ladders}
    for ladder in design.ladders:
        assert run.levels[ladder.name].shape == run.candidates[ladder.name].shape == (7, 4, ladder.width)
        assert set(np.unique(run.levels[ladder.name])) <= set(ladder.levels.ravel())
    assert run.logits.shape[-2] == 4
    assert run.logits.ndim == (2 if design.pooling else 3)
    assert_array_equal(run.classes, run.logits.argmax(axis=-1))


@every_kind
def test_clips_do_not_affect_each_other(kind):
    net = kinds()[kind]
    chip = draw_chip(mapped(net), 1, 0)
    x = inputs_of(net, 20, 5)
    whole = simulate(chip, x)
    for clip in range(5):
        one = simulate(chip, x[:, [clip]])
        for name, levels in one.levels.items():
            assert_array_equal(levels[:, 0], whole.levels[name][:, clip])


def test_a_run_equals_the_first_part_of_a_longer_one():
    net = network(cmru(), readout=False)
    chip = draw_chip(mapped(net), 1, 0)
    x = inputs_of(net, 30, 2)
    assert_array_equal(simulate(chip, x[:13]).levels["cell"], simulate(chip, x).levels["cell"][:13])


def test_the_pooled_logits_are_those_of_the_last_step():
    cell = cmru()
    pooled, every = network(cell), Network((cell, linear()))
    x = inputs_of(pooled, 15, 3)
    one, other = (simulate(nominal_chip(mapped(net)), x).logits for net in (pooled, every))
    assert_array_equal(one, other[-1])


def test_a_readout_may_be_rectified_and_end_a_network_of_two_layers():
    net = Network((cmru(), Pooling("pool"), linear("hidden", 4, 2), ReLU("relu"), linear("out", 3, 4)))
    chip = nominal_chip(mapped(net))
    x = inputs_of(net, 15, 3)
    assert_array_equal(simulate(chip, x).logits, forward(net, x).logits)


def test_presets_climb_to_the_initial_levels_and_end_together():
    cell = cmru("cell", 3, 3, ladder=(-1, 4), initial=[-1.0, 1.0, 4.0])
    layer = nominal_chip(mapped(network(cell))).ladders[0]
    pulses = preset_candidates(layer)
    assert_array_equal(pulses > 0.0, np.arange(5)[:, None] >= 5 - np.array([0, 2, 5]))
    # twice the threshold, so that every preset moves a level
    assert_array_equal(pulses[-1], [0.0, *(2.0 * cell.threshold[1:])])
    assert_array_equal(layer.ladder.level_of(run_ladder(layer, np.zeros((1, 1, 3)))[0, 0]), cell.initial)


def test_no_preset_is_needed_for_a_ladder_that_starts_all_off():
    layer = nominal_chip(mapped(direct(4, initial=0))).ladders[0]
    assert preset_candidates(layer).shape == (0, 2)
    assert_array_equal(run_ladder(layer, np.zeros((3, 2, 2))), 0)


def test_a_first_quadrant_cell_receives_rectified_candidates_and_holds_between_frames():
    net = kinds()["first_quadrant"]
    run = simulate(nominal_chip(mapped(net)), inputs_of(net, 30, 3))
    assert run.candidates["cell"].min() == 0.0
    assert_array_equal(np.unique(run.levels["cell"]), [0, 1])


def test_a_ladder_of_a_hundred_stages_counts_to_its_end():
    net = network(
        cmru("cell", 1, 1, ladder=(0, 100), weight=[[1.0]], bias=[0.0], threshold=[1.0], initial=[0.0]), readout=False
    )
    levels = simulate(nominal_chip(mapped(net)), np.full((130, 1, 1), 2.0)).levels["cell"][:, 0, 0]
    assert_array_equal(levels, np.minimum(np.arange(1, 131), 100))


def test_mismatch_moves_levels_only_where_candidates_are_near_their_thresholds():
    net = direct(4, d=2)
    design = mapped(net)
    b = net.layers[0].threshold
    x = b * stream(1, "test", "far").choice([-3.0, -2.0, 0.0, 2.0, 3.0], (60, 3, 2))
    nominal = simulate(nominal_chip(design), x).levels["cell"]
    for j in range(20):
        # a third of the deviation of a 10 um cell: all thresholds stay between half and one and a half of theirs
        chip = draw_chip(design, 1, j, scale=0.3)
        layer = chip.ladders[0]
        assert np.all(np.abs(np.stack([layer.up, -layer.down]) / b[:, None] - 1.0) < 0.5)
        assert_array_equal(simulate(chip, x).levels["cell"], nominal)


def test_the_offset_of_the_inputs_can_be_larger():
    wide = nominal_chip(mapped(NET, input_bound=50.0))
    x = inputs_of(NET, 10, 2)
    x[0, 0, 0] = -45.0
    assert_array_equal(simulate(wide, x).logits, forward(NET, x).logits)
    with pytest.raises(ParameterError, match=r"x\[0, 0, 0\] = -45 is below -20"):
        simulate(CHIP, x)


def test_a_network_of_one_cell_and_one_clip_of_one_step():
    net = direct(1, d=1, threshold=1.0, initial=0)
    run = simulate(nominal_chip(mapped(net)), np.ones((1, 1, 1)))
    assert run.levels["cell"].tolist() == [[[1]]]
