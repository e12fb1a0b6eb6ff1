"""Chips: nominal bit for bit without mismatch, independent of other chips, and with the signs of their weights."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import BOUND, cmru, direct, inputs_of, kinds, mapped, network
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.chip import ChipFactory, ChipFeedForward, ChipLadder, draw_chip, nominal_chip
from analogrnn.design import Ladder
from analogrnn.errors import ParameterError
from analogrnn.mismatch import draw_ladder
from analogrnn.network import forward
from analogrnn.simulate import ladder_waveforms, simulate

every_kind = pytest.mark.parametrize("kind", kinds())
TABLES = ("up", "down", "output", "noise", "unit")
CURRENTS = ("i_hi", "i_lo", "copy", "left", "right", "base")


def same(one, other):
    """Every number of two chips is equal to the last bit."""
    for a, b in zip(one.layers, other.layers, strict=True):
        assert_array_equal(a.synapses.weight, b.synapses.weight)
        assert_array_equal(a.synapses.bias, b.synapses.bias)
        if isinstance(a, ChipLadder):
            for name in TABLES:
                assert_array_equal(getattr(a, name), getattr(b, name))
            for name in CURRENTS:
                assert_array_equal(getattr(a.currents, name), getattr(b.currents, name))


@every_kind
def test_the_nominal_tables_are_the_trained_numbers_to_the_last_bit(kind):
    net = kinds()[kind]
    for layer in nominal_chip(mapped(net)).layers:
        trained = net.layer(layer.name)
        assert_array_equal(layer.synapses.weight, trained.weight)
        assert_array_equal(layer.synapses.bias, trained.bias)
        if isinstance(layer, ChipLadder):
            low, high = (layer.ladder.threshold[:, [k]] for k in (0, 1))
            assert_array_equal(layer.up, np.repeat(high, layer.ladder.stages, axis=1))
            assert_array_equal(layer.down, np.repeat(low, layer.ladder.stages, axis=1))
            assert_array_equal(layer.output, trained.alpha[:, None] * layer.ladder.levels)


@every_kind
def test_the_nominal_chip_computes_what_was_trained_to_the_last_bit(kind):
    net = kinds()[kind]
    x = inputs_of(net, 40, 5, near=0.0)
    digital, analog = forward(net, x), simulate(nominal_chip(mapped(net)), x)
    assert_array_equal(analog.logits, digital.logits)
    assert_array_equal(analog.classes, digital.classes)
    for name, states in digital.states.items():
        assert_array_equal(analog.levels[name], states)
        if name not in digital.thresholds:  # behind a soft threshold the candidate is another
            assert_array_equal(analog.candidates[name], digital.candidates[name])


@every_kind
def test_no_mismatch_is_the_nominal_chip_to_the_last_bit(kind):
    design = mapped(kinds()[kind])
    same(draw_chip(design, 5, 17, scale=0.0), nominal_chip(design))


def test_a_process_without_mismatch_makes_nominal_chips():
    design = mapped(network(cmru(), cmru("high", 2, 2)))
    perfect = replace(design.technology, a_vt_n=0.0, a_vt_p=0.0, a_beta_n=0.0, a_beta_p=0.0)
    same(draw_chip(replace(design, technology=perfect), 5, 17), nominal_chip(design))


def test_without_mismatch_the_waveforms_are_the_nominal_ones_to_the_last_bit():
    design = mapped(direct(3, d=1, threshold=1.0))
    one, other = draw_chip(design, 1, 0, scale=0.0), nominal_chip(design)
    waves = [ladder_waveforms(chip, chip.ladders[0], 0, np.array([2.0, -2.0, 0.5])) for chip in (one, other)]
    assert_array_equal(waves[0].i_in, waves[1].i_in)
    assert_array_equal(waves[0].d, waves[1].d)


def test_a_process_without_noise_is_noiseless_to_the_last_bit():
    net = network(cmru())
    design = mapped(net)
    quiet = nominal_chip(replace(design, technology=replace(design.technology, noise_density=0.0)))
    x = inputs_of(net, 30, 3, near=0.0)
    noisy, plain = simulate(quiet, x, noise_seed=3), simulate(nominal_chip(design), x)
    assert_array_equal(noisy.levels["cell"], plain.levels["cell"])
    assert_array_equal(noisy.logits, plain.logits)


@every_kind
def test_a_chip_is_the_same_in_a_long_campaign_a_short_one_and_in_any_order(kind):
    design = mapped(kinds()[kind])
    long = [draw_chip(design, 4, j) for j in range(12)]
    for j in (11, 0, 7, 3):
        same(draw_chip(design, 4, j), long[j])


def test_a_device_does_not_change_with_the_layers_around_it():
    """A draw is named by its layer and device. Currents may move: layers share one clock and its bias."""
    alone, stacked = mapped(network(cmru("low", 2, 3))), mapped(network(cmru("low", 2, 3), cmru("high", 2, 2)))
    first, second = (draw_ladder(design, design.ladders[0], 4, 2) for design in (alone, stacked))
    for name, draw in first.items():
        assert_array_equal(second[name].vth, draw.vth)
        assert_array_equal(second[name].beta, draw.beta)
    assert not np.array_equal(draw_ladder(stacked, stacked.ladders[1], 4, 2)["m1"].vth, first["m1"].vth)


def test_chips_and_seeds_differ():
    design = mapped(network(cmru()))
    ups = [draw_chip(design, seed, j).ladders[0].up for seed, j in ((1, 0), (1, 1), (2, 0))]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not np.any(ups[a] == ups[b])


def test_a_chip_has_its_number_and_its_seed():
    design = mapped(network(cmru()))
    chip = draw_chip(design, 8, 3)
    assert (chip.seed, chip.index) == (8, 3)
    assert nominal_chip(design).index is None
    assert [layer.name for layer in chip.layers] == ["cell", "out"]
    assert isinstance(chip.layers[1], ChipFeedForward)


def test_mismatch_never_changes_the_sign_of_a_weight_or_of_a_bias_current():
    """A mirror's error is a factor exp(delta)."""
    design = mapped(network(cmru("cell", 8, 6)), synapse_w=1e-6, synapse_l=1e-6)
    synapses = design.ladders[0].synapses
    for j in range(50):
        chip = draw_chip(design, 1, j).layers[0].synapses
        assert_array_equal(np.sign(chip.weight), np.sign(synapses.weight))
        # the current of the node with every input line at zero current
        standing = chip.bias - chip.weight @ synapses.offset
        assert_array_equal(np.sign(standing), np.sign(synapses.bias))
        assert not np.array_equal(chip.weight, synapses.weight)


def test_an_error_of_a_weight_acts_on_the_whole_current_of_its_line():
    """Inputs are shifted up by `offset`: an error of a weight has no effect at zero current, but does at x = 0."""
    net = network(cmru("cell", 1, 1, weight=[[2.0]], bias=[0.0]), readout=False)
    design = mapped(net)
    chip = draw_chip(design, 1, 0).layers[0].synapses
    standing = design.ladders[0].synapses.bias / design.ladders[0].synapses.scale
    # at x = -offset the node carries its bias current alone; a difference of numbers of size 2 BOUND
    found = chip.weight[0] * -BOUND + chip.bias
    factor = found / standing
    # 10 um devices: a few per cent each
    assert 0.8 < factor[0] < 1.25
    # the two errors don't cancel at x = 0, though the trained bias is zero
    assert abs(chip.bias[0]) > 1e-3


def test_positive_weights_of_a_row_share_the_error_of_its_rail():
    def logs(sign):
        net = network(cmru("cell", 1, 8, weight=np.full((1, 8), sign * 0.05), bias=[0.0]), readout=False)
        design = mapped(net)
        drawn = np.array([draw_chip(design, 1, j).layers[0].synapses.weight[0] for j in range(300)])
        return design, np.log(sign * drawn)

    design, positive = logs(1.0)
    technology, size, pairs = design.technology, design.sizing.synapse, np.triu_indices(8, 1)
    # rail devices, and one input and one weight device each: weights of 0.05 on lines of BOUND make a rail of 8 units
    rail, own = (
        technology.gm_over_i(p, units * design.unit_current, size.w, size.l) * technology.sigma_vth(p, size.w, size.l)
        for p, units in (("p", 8 * 0.05 * BOUND), ("n", BOUND))
    )
    share = rail**2 / (rail**2 + own**2)
    assert 0.3 < share < 0.5
    # gain errors and the fall of gm/I are left out; 5 standard errors of a correlation of 300 chips = 0.2
    assert np.corrcoef(positive.T)[pairs].mean() == pytest.approx(share, abs=0.2)
    _, negative = logs(-1.0)
    # a negative weight sinks from the node directly
    assert abs(np.corrcoef(negative.T)[pairs].mean()) < 0.05


def test_most_windows_stay_open():
    """up above down: the centre of a window moves more than its width."""
    design = mapped(network(cmru("cell", 8, 3)), cell_w=2e-6, cell_l=2e-6)
    layers = [draw_chip(design, 1, j).ladders[0] for j in range(50)]
    assert np.mean([np.mean(layer.up > layer.down) for layer in layers]) > 0.99


def test_a_threshold_that_the_line_can_t_reach_is_never_reached():
    design = mapped(direct(8, d=8, threshold=1.0), cell_w=2e-6, cell_l=2e-6)
    layers = [draw_chip(design, 1, j).ladders[0] for j in range(40)]
    downs = np.array([layer.down for layer in layers])
    base = np.array([layer.currents.base / layer.unit for layer in layers])
    assert np.isneginf(downs).any()
    assert np.all(np.isneginf(downs) | (downs > -base[..., None]))


def test_the_currents_of_a_stage_are_those_of_the_design():
    design = mapped(network(cmru("cell", 2, 3, ladder=(0, 4))))
    ladder, currents = design.ladders[0], nominal_chip(design).ladders[0].currents
    assert isinstance(ladder, Ladder)
    assert_array_equal(currents.i_hi, np.repeat(ladder.i_th[:, None], 4, axis=1))
    assert_array_equal(currents.i_lo, np.repeat((ladder.i_th - ladder.i_hyst)[:, None], 4, axis=1))
    assert_array_equal(currents.left, np.repeat(ladder.i_shift[:, None], 4, axis=1))
    # the top stage has no upper neighbour
    assert_array_equal(currents.right, ladder.i_shift[:, None] * [1, 1, 1, 0])
    assert_array_equal(currents.base, ladder.i_base)


def test_tables_follow_from_the_currents_of_the_same_draw():
    """u = (i_hi - left) / copy - base, and the same with i_lo: the behaviour of the waveform kernel at rest."""
    design = mapped(direct(6, d=3))
    for j in range(5):
        layer = draw_chip(design, 2, j).ladders[0]
        c, unit = layer.currents, layer.unit[:, None]
        for table, edge in ((layer.up, c.i_hi), (layer.down, c.i_lo)):
            wanted = ((edge - c.left) / c.copy - c.base[:, None]) / unit
            # sums of currents of several units, each a product of fifteen exponentials
            assert_allclose(table, np.where(np.isneginf(table), -np.inf, wanted), atol=1e-13)


def test_output_tables_add_up_the_stages():
    design = mapped(direct(5, d=2, k_min=-2))
    nominal, chip = nominal_chip(design).ladders[0], draw_chip(design, 1, 0).ladders[0]
    assert_array_equal(chip.output[:, 0], nominal.output[:, 0])
    steps = np.diff(chip.output, axis=1) / design.ladders[0].alpha[:, None]
    # three 10 um devices: some 2 % each
    assert_allclose(steps, 1.0, atol=0.25)
    assert np.ptp(steps) > 0.0


def test_a_batch_of_chips_holds_the_tables_of_each_chip_to_the_last_bit():
    """A chip's number is one word of the counter of its draws, so that they do not depend on other chips."""
    for design in (mapped(network(cmru(), cmru("high", 2, 2)), cell_w=3e-6, cell_l=3e-6), mapped(kinds()["rectified"])):
        numbers = np.array([9, 0, 4711, 3, 3], dtype=np.uint64)
        tables = ChipFactory(design, 5, 0.7).tables(numbers)
        for row, number in enumerate(numbers):
            for table, layer in zip(tables, draw_chip(design, 5, int(number), scale=0.7).layers, strict=True):
                assert_array_equal(table.weight[row], layer.synapses.weight)
                assert_array_equal(table.bias[row], layer.synapses.bias)
                if isinstance(layer, ChipLadder):
                    for name in ("up", "down", "output"):
                        assert_array_equal(getattr(table, name)[row], getattr(layer, name))


@pytest.mark.parametrize("index", [-1, 1.5, 2**32 - 1])
def test_an_invalid_chip_number_is_refused(index):
    with pytest.raises(ParameterError, match=r"draw_chip\.index = .* is not a chip number"):
        draw_chip(mapped(network(cmru())), 1, index)


@pytest.mark.parametrize("make", [nominal_chip, lambda design: draw_chip(design, 1, 0)])
def test_a_kind_of_layer_that_no_chip_has_is_refused(make):
    design = mapped(network(cmru()))
    unknown = replace(design, layers=(*design.layers, design.layers[0].synapses))
    with pytest.raises(ParameterError, match=r"^Design\.layers holds a Synapses; a chip is made of FeedForward and"):
        make(unknown)
