"""Graphs on mismatched chips, at the step level and in campaigns, and their ladders at the waveform level."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analogrnn.chip import ChipFactory, draw_chip, nominal_chip
from analogrnn.mismatch import draw_layers
from analogrnn.network import forward
from analogrnn.simulate import ladder_waveforms, simulate, simulate_waveforms
from analogrnn.simulate.chip_batch import ChipBatch
from tests.graphs import random_graph, with_skip
from tests.helpers import inputs_of, mapped


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("noise", [False, True])
def test_a_campaign_finds_the_classes_of_the_step_level_on_every_chip(seed, noise):
    """General path, ladders of different lengths, mean and vote."""
    net = random_graph(seed)
    x = inputs_of(net, 12, 5, seed=seed)
    design = mapped(net)
    numbers = np.arange(3, dtype=np.uint64)
    found = ChipBatch(design, x, 7, noise, 1.0).classes(numbers)
    for row, number in zip(found, numbers, strict=True):
        run = simulate(draw_chip(design, 7, int(number)), x, noise_seed=7 if noise else None)
        assert_array_equal(row, run.classes)


def test_layers_that_read_one_source_share_the_draw_of_its_diodes():
    design = mapped(with_skip())
    drawn = draw_layers(design, 3, 5)
    assert_array_equal(drawn["high"]["input"].delta[:3], drawn["low"]["input"].delta)  # the inputs
    assert_array_equal(drawn["sum"]["input"].delta[:2], drawn["middle"]["input"].delta)  # the outputs of low
    own = drawn["high"]["input"].delta[3:]
    assert len(set(own) | set(drawn["sum"]["input"].delta[2:])) == 5  # nobody else reads these


def test_a_shared_diode_moves_every_layer_that_reads_it():
    """Without any other spread, a diode's error is one factor on a source in all layers."""
    design = mapped(with_skip())

    def diodes_only(layer, types):
        keep = [name == "input" for name in types.shapes]
        off = tuple(sigma if kept else 0.0 for kept, sigma in zip(keep, types.sigma_vth, strict=True))
        gain = tuple(sigma if kept else 0.0 for kept, sigma in zip(keep, types.sigma_beta, strict=True))
        return type(types)(types.shapes, types.keys, off, gain, types.efficiency)

    low, _, high, _ = ChipFactory(design, 3, adjust=diodes_only).chip(5).layers
    trained = design.layers
    first = low.synapses.weight / trained[0].synapses.weight
    second = high.synapses.weight[:, :3] / trained[2].synapses.weight[:, :3]
    np.testing.assert_allclose(first, first[:1].repeat(2, axis=0), rtol=1e-12)
    np.testing.assert_allclose(second[0], first[0], rtol=1e-12)
    assert np.abs(first - 1.0).max() > 1e-3


def test_no_spread_is_the_nominal_chip_of_a_graph():
    design = mapped(random_graph(4))
    for still, nominal in zip(draw_chip(design, 1, 0, scale=0.0).layers, nominal_chip(design).layers, strict=True):
        assert_array_equal(still.synapses.weight, nominal.synapses.weight)
        assert_array_equal(still.synapses.bias, nominal.synapses.bias)
        if hasattr(still, "up"):
            assert_array_equal(still.up, nominal.up)
            assert_array_equal(still.down, nominal.down)


@pytest.mark.parametrize("seed", [2, 5])
def test_ladders_of_different_lengths_follow_at_the_waveform_level(seed):
    net = random_graph(seed)
    x = inputs_of(net, 12, 2, seed=seed)
    digital, chip = forward(net, x), nominal_chip(mapped(net))
    for layer in chip.ladders:
        ladder, candidates = layer.ladder, digital.candidates[layer.name]
        on = ladder.stages_on(digital.states[layer.name])
        expected = np.arange(ladder.stages) < on[..., None]
        assert_array_equal(simulate_waveforms(chip, layer, candidates), expected)
        assert_array_equal(simulate_waveforms(chip, layer, candidates, single=True), expected)
        for cell in range(ladder.width):
            wave = ladder_waveforms(chip, layer, cell, candidates[:, 0, cell])
            assert_array_equal(wave.stages, expected[:, 0, cell])
