"""The noise of a comparator: its scaling, its draws, and runs without noise."""

import math

import numpy as np
import pytest
from helpers import cmru, direct, mapped, network
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.design import Design
from analogrnn.noise import candidate_noise
from analogrnn.simulate import simulate


def rms(design: Design) -> np.ndarray:
    return candidate_noise(design, design.ladders[0])


def test_the_rms_current_is_density_times_root_bandwidth_at_the_calibrated_current():
    design = mapped(direct(4, d=1, threshold=1.0))
    technology = design.technology
    # 0.0499 pA/rtHz in 66.4 kHz at 1.15 nA: 12.9 pA, a fixed fraction of the threshold current
    part = technology.noise_density * math.sqrt(technology.noise_bandwidth) / technology.noise_current
    assert_allclose(rms(design), part * design.ladders[0].i_th, rtol=1e-14)
    # the calibration states its density to 2 % and its band to 5 %, which counts as its root
    assert part == pytest.approx(12.9e-12 / 1.15e-9, rel=0.045)


def test_noise_is_a_fixed_fraction_of_the_threshold_current():
    """Shot noise: the density goes with the root of the current, the root of the bandwidth too."""
    small, large = (mapped(direct(4), unit_current=unit) for unit in (1e-9, 3e-9))
    assert_allclose(rms(large), 3.0 * rms(small), rtol=1e-14)
    assert_allclose(nominal_chip(large).ladders[0].noise, nominal_chip(small).ladders[0].noise, rtol=1e-14)


def test_noise_in_units_of_the_candidate_is_the_current_over_the_scaled_unit():
    design = mapped(direct(4, d=5))
    layer = nominal_chip(design).ladders[0]
    assert_allclose(layer.noise * design.ladders[0].synapses.scale * 1e-9, rms(design), rtol=1e-14)


def test_the_noise_of_a_run_is_gaussian_with_the_stated_rms():
    """A candidate at its threshold moves in half of the runs; one sigma above, in 84 %."""
    clips = 4000
    net = direct(1, d=1, threshold=1.0, initial=0)
    chip = nominal_chip(mapped(net))
    sigma = float(chip.ladders[0].noise[0])
    for distance in (-1.0, 0.0, 1.0):
        x = np.full((1, clips, 1), 1.0 + distance * sigma)
        moved = simulate(chip, x, noise_seed=4).levels["cell"].mean()
        wanted = 0.5 * (1.0 + math.erf(distance / math.sqrt(2.0)))
        # five standard errors of a proportion
        assert abs(moved - wanted) < 5.0 * math.sqrt(wanted * (1.0 - wanted) / clips)


def test_noise_never_decides_far_from_a_threshold():
    net = direct(4, d=2)
    chip = nominal_chip(mapped(net))
    b = net.layers[0].threshold
    x = np.stack([1.5 * b, 0.5 * b, -1.5 * b, 0.0 * b] * 20)[:, None]
    # the least distance is half a threshold, 10 sigma: the 160 draws pass 8 sigma once in 1e13 runs
    assert np.all(0.5 * b > 8.0 * chip.ladders[0].noise)
    assert_array_equal(simulate(chip, x, noise_seed=1).levels["cell"], simulate(chip, x).levels["cell"])


def test_a_noise_seed_repeats_its_draws_and_another_one_does_not():
    net = direct(4, d=2, threshold=1.0)
    chip = nominal_chip(mapped(net))
    x = np.where(np.arange(200) % 2, 1.0, -1.0)[:, None, None] * np.ones((200, 1, 2))
    one, again, other = (simulate(chip, x, noise_seed=s).levels["cell"] for s in (1, 1, 2))
    assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_chips_have_noise_of_their_own_whose_draws_do_not_depend_on_each_other():
    net = direct(4, d=2, threshold=1.0)
    design = mapped(net)
    x = np.where(np.arange(200) % 2, 1.0, -1.0)[:, None, None] * np.ones((200, 1, 2))
    chips = [draw_chip(design, 1, j, scale=0.0) for j in (0, 1)]
    forward = [simulate(chip, x, noise_seed=1).levels["cell"] for chip in chips]
    backward = [simulate(chip, x, noise_seed=1).levels["cell"] for chip in chips[::-1]][::-1]
    assert_array_equal(forward, backward)
    assert not np.array_equal(*forward)


def test_candidates_are_reported_without_their_noise():
    net = network(cmru())
    chip = nominal_chip(mapped(net))
    x = np.ones((5, 2, 3))
    noisy, quiet = (simulate(chip, x, noise_seed=seed).candidates["cell"] for seed in (1, None))
    assert_array_equal(noisy, quiet)
