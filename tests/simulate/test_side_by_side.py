"""Ladders side by side in vector lanes are the single ladders of the waveform level."""

import pytest
from helpers import clips_for, direct, mapped
from numpy.testing import assert_array_equal

from analogrnn.chip import draw_chip
from analogrnn.schedule import CONTROLS
from analogrnn.simulate import ladder_waveforms, simulate_waveforms


@pytest.mark.parametrize("control", CONTROLS)
def test_every_stage_is_that_of_the_single_ladder(control):
    """Also with every negative control: both fail alike. 66 ladders are more than one set of lanes."""
    net = direct(3, d=2, threshold=1.0)
    chip = draw_chip(mapped(net), 1, 0)
    layer, candidates = chip.ladders[0], clips_for(net, 6, 33)
    together = simulate_waveforms(chip, layer, candidates, control=control)
    for clip in (0, 1, 31, 32):
        for cell in (0, 1):
            single = ladder_waveforms(chip, layer, cell, candidates[:, clip, cell], control=control)
            assert_array_equal(together[:, clip, cell], single.stages)


@pytest.mark.parametrize("control", CONTROLS)
def test_single_precision_decides_every_stage_alike(control):
    """No candidate lies as near to a threshold as rounding, 1e-4 of I_s: see `helpers.NEAR`."""
    net = direct(5, d=3, threshold=1.0)
    chip = draw_chip(mapped(net), 1, 0)
    candidates = clips_for(net, 12, 23)
    double = simulate_waveforms(chip, chip.ladders[0], candidates, control=control)
    assert_array_equal(simulate_waveforms(chip, chip.ladders[0], candidates, control=control, single=True), double)
    assert 0.0 < double.mean() < 1.0


def test_a_run_of_ladders_of_one_stage_has_no_neighbours():
    net = direct(1, d=2, threshold=1.0, initial=0)
    chip = draw_chip(mapped(net), 1, 0)
    candidates = clips_for(net, 8, 3)
    together = simulate_waveforms(chip, chip.ladders[0], candidates)
    assert together.shape == (8, 3, 2, 1)
    single = ladder_waveforms(chip, chip.ladders[0], 1, candidates[:, 2, 1])
    assert_array_equal(together[:, 2, 1], single.stages)
