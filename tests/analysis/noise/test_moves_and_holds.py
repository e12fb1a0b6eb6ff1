"""Noise at the step level and in hold: predictions compared with counts."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad

from analogrnn.analysis.noise.hold_times import (
    hold_times,
    kramers_passage,
    log10_passage,
    mean_passage,
    simulate_passages,
)
from analogrnn.analysis.noise.moves import (
    level_distribution,
    move_probabilities,
    noise_rejection,
    start_levels,
    wrong_moves,
)
from analogrnn.analysis.noise.report import accuracy_under_noise, analyze_noise
from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.errors import ParameterError
from analogrnn.kernels.first_passage import ou_passages
from analogrnn.kernels.ladder_steps import ladder_steps
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, FirstQuadrantBmru, Linear, Network, Pooling
from analogrnn.simulate import run_ladder
from analogrnn.technology import load_technology


def design(cells: int = 3, size: float = 10e-6):
    layer = Cmru(
        "rec", np.eye(cells), np.zeros(cells), threshold=np.ones(cells), alpha=np.full(cells, 0.5), k_min=-2, k_max=2
    )
    options = MappingOptions(input_bound=6.0, cell_w=size, cell_l=size)
    return map_network(
        Network((layer, Pooling("pool"), Linear("out", np.ones((2, cells)), np.zeros(2)))), load_technology(), options
    )


# ---------------------------------------------------------------- wrong moves


def test_a_candidate_on_its_threshold_moves_half_the_time_and_probabilities_are_gaussian():
    layer = nominal_chip(design()).ladders[0]
    sigma = np.full(3, 0.5)
    moves = move_probabilities(layer, np.array([1.0, 0.5, -1.5]), sigma)
    # Phi(0), Phi(-1), Phi(1)
    assert_allclose(moves.up[0, 1], 0.5)
    assert_allclose(moves.up[1, 2], 0.15865525393145707)
    assert_allclose(moves.down[2, 2], 0.8413447460685429)
    assert_array_equal(moves.up[:, -1], 0.0)
    assert_array_equal(moves.down[:, 0], 0.0)


@pytest.mark.parametrize("index", range(4))
def test_the_distribution_is_that_of_many_runs_on_mismatched_chips(index):
    """3 um devices: thresholds differ, some cross, some drift at rest."""
    layer = draw_chip(design(size=3e-6), 5, index).ladders[0]
    rng, trials, sigma = np.random.default_rng(index), 20_000, np.full(3, 0.4)
    u = 1.2 * rng.standard_normal((8, 1, 3))
    predicted = level_distribution(layer, u, start_levels(layer), sigma)[:, 0]
    on = run_ladder(layer, u + sigma * rng.standard_normal((8, trials, 3)))
    seen = (on[..., None] == np.arange(5)).mean(axis=1)
    # five standard errors of a share, or five counts where nearly none is expected
    assert_allclose(seen, predicted, atol=float(np.sqrt(0.25 / trials)) * 5)
    assert_allclose(predicted.sum(axis=-1), 1.0, atol=1e-12)


def test_without_noise_the_distribution_is_the_run():
    layer = draw_chip(design(size=2e-6), 7, 0).ladders[0]
    u = 1.5 * np.random.default_rng(1).standard_normal((40, 2, 3))
    predicted = level_distribution(layer, u, start_levels(layer), np.zeros(3))
    assert_array_equal(predicted.argmax(axis=-1), run_ladder(layer, u))
    assert_array_equal(predicted.max(axis=-1), 1.0)


def test_a_move_is_wrong_if_its_end_is_and_a_drift_can_correct_it():
    layer = nominal_chip(design()).ladders[0]
    probability = wrong_moves(layer, np.zeros(3), np.full(3, 0.4))
    # two thresholds at 2.5 sigma for inner levels, one at the ends
    assert_allclose(probability[0, 2], 2 * 0.006209665325776132, rtol=1e-12)
    assert_allclose(probability[0, [0, 4]], 0.006209665325776132, rtol=1e-12)
    # threshold 2 of the way up below zero: from level 1 every end at 1 drifts to 2
    up = layer.up.copy()
    up[0, 1] = -0.2
    drifting = replace(layer, up=up)
    assert wrong_moves(drifting, np.zeros(3), np.zeros(3))[0].max() == 0.0


def test_where_thresholds_cross_the_larger_overdrive_wins():
    """up[1] = 0.2 below down[0] = 0.5: between them both moves are possible, and the border is in the middle."""
    layer = nominal_chip(design()).ladders[0]
    up, down = layer.up.copy(), layer.down.copy()
    up[0, 1], down[0, 0] = 0.2, 0.5
    crossed = replace(layer, up=up, down=down)
    moves = move_probabilities(crossed, np.array([0.35, 0.0, 0.0]), np.full(3, 0.1))
    assert_allclose([moves.up[0, 1], moves.down[0, 1]], 0.5)
    for u, ends in ((0.34, 0), (0.36, 2)):
        n, out = np.ones((1, 3), dtype=np.int64), np.empty((1, 1, 3), dtype=np.int16)
        ladder_steps(np.full((1, 1, 3), u), up, down, True, n, out)
        predicted = level_distribution(crossed, np.full((1, 1, 3), u), np.ones(3), np.zeros(3))
        assert predicted[0, 0, 0].argmax() == out[0, 0, 0] == ends


def test_the_noise_rejection_is_the_noise_over_the_rms_of_slips():
    rejection = noise_rejection(np.array([0.3, 0.05]), alpha_over_beta=2.0)
    rng = np.random.default_rng(2)
    slips = np.abs(0.3 * rng.standard_normal(1_000_000)) >= 1.0
    # relative error of the root of a count of about 860: 1.7 %; five of them
    assert_allclose(rejection.ratio[0], 0.3 / (2.0 * np.sqrt(slips.mean())), rtol=0.085)
    assert rejection.ratio[1] > 1e40
    assert noise_rejection(np.linspace(0.1, 0.6, 501)).noise_at(20.0) == pytest.approx(0.266, abs=1e-3)
    assert noise_rejection(np.array([0.5])).noise_at(20.0) == 0.0


# ---------------------------------------------------------------- hold


def test_siegerts_integral_equals_its_formula():
    def integrand(z: float) -> float:
        return math.exp(z * z) * (1.0 + math.erf(z))

    for distance in (0.3, 1.0, 2.5, 5.0):
        want = math.sqrt(math.pi) * quad(integrand, 0.0, distance / math.sqrt(2.0), epsrel=1e-11)[0]
        assert_allclose(mean_passage(distance), want, rtol=1e-9)


def test_passage_times_add_along_the_way():
    """From -2 to 3 through 0: a continuous path passes it."""
    assert_allclose(mean_passage(3.0, start=-2.0), mean_passage(0.0, start=-2.0) + mean_passage(3.0), rtol=1e-9)


def test_far_thresholds_have_kramers_time_and_no_overflow():
    for distance in (15.0, 36.7):
        # the next order of the expansion is 1/d^2
        assert_allclose(mean_passage(distance) / kramers_passage(distance), 1.0, rtol=1.2 / distance**2)
    assert log10_passage(36.8) - log10_passage(36.7) == pytest.approx((36.8**2 - 36.7**2) / 2 / math.log(10), abs=2e-3)
    assert log10_passage(200.0) > 8000
    assert mean_passage(50.0) == math.inf
    assert log10_passage(math.inf) == math.inf
    assert log10_passage(-0.1) == -math.inf


@pytest.mark.parametrize(("window", "two_sided"), [((-math.inf, 2.5), False), ((-2.5, 2.5), True)])
def test_simulated_noise_leaves_after_the_predicted_time(window, two_sided):
    theory = mean_passage(2.5, two_sided=two_sided)
    seen = simulate_passages(window, 10.0 * theory, walkers=200, seed=4)
    # five standard errors of a count of about 2,000, and 3 % for the bridge's constant drift
    assert_allclose(seen.mean, theory, rtol=5 * seen.error + 0.03)


def test_the_bridge_counts_crossings_between_samples():
    """Without it a coarse walk passes later: 0.58 step sizes, here a fifth of the rms."""
    fine, coarse = (simulate_passages((-math.inf, 2.0), 2000.0, walkers=200, dt=dt, seed=5).mean for dt in (0.01, 0.1))
    assert_allclose(coarse, fine, rtol=0.06)


def test_the_noise_of_the_kernel_is_stationary_with_the_right_rms():
    step = getattr(ou_passages, "py_func", ou_passages)
    rng, rho = np.random.default_rng(6), math.exp(-0.1)
    x, count = rng.standard_normal(400), np.zeros(2)
    process, window = np.array([rho, math.sqrt(1 - rho * rho)]), np.array([-np.inf, np.inf])
    step(x, rng.standard_normal((40, 400)), rng.random((40, 400)), process, window, count)
    # std of a sample std is 1 / sqrt(2 n); allow five
    assert_allclose(x.std(), 1.0, rtol=5 / math.sqrt(800))
    assert not count.any()


def test_hold_times_follow_the_thresholds_of_each_level():
    chip = nominal_chip(design())
    hold = hold_times(chip, chip.ladders[0], 1, noise_scale=5.0)
    distance = 1.0 / (5.0 * float(chip.ladders[0].noise[1]))
    assert hold.down[0] == hold.up[-1] == math.inf
    assert_allclose(hold.up[:-1], log10_passage(distance) + math.log10(hold.t_in))
    # an inner level has two ways out
    assert_allclose(hold.log10_seconds[2], hold.log10_seconds[0] - math.log10(2.0))


# ---------------------------------------------------------------- networks


def test_a_network_report_adds_the_probability_of_every_step():
    chip = nominal_chip(design())
    x = np.zeros((10, 4, 3))
    (found,) = analyze_noise(chip, x)
    # at rest, 20 rms values from both thresholds
    assert found.wrong_per_clip < 1e-80
    assert_allclose(found.margin, 2.0)
    loud = replace(
        chip, layers=tuple(replace(a, noise=np.full(3, 0.4)) if hasattr(a, "noise") else a for a in chip.layers)
    )
    (found,) = analyze_noise(loud, x)
    assert_allclose(found.wrong, 2 * 0.006209665325776132, rtol=1e-12)
    assert_allclose(found.wrong_per_clip, 30 * 2 * 0.006209665325776132, rtol=1e-12)
    assert found.as_dict()["losing_band_levels"] is None


def test_accuracy_without_noise_is_the_chips_own_and_great_noise_destroys_it():
    chip = nominal_chip(design())
    x = np.random.default_rng(3).uniform(-3, 3, (12, 50, 3))
    weights = replace(
        chip.layers[1], synapses=replace(chip.layers[1].synapses, weight=np.array([[1, 1, 1], [-1, -1, -1.0]]))
    )
    chip = replace(chip, layers=(chip.layers[0], weights))
    from analogrnn.simulate import simulate

    labels = simulate(chip, x).classes
    curve = accuracy_under_noise(chip, x, labels, np.array([0.0, 30.0]), repeats=2)
    assert curve.without == 1.0
    assert curve.accuracy[0] == 1.0
    assert curve.accuracy[1] < 0.8


# ---------------------------------------------------------------- errors


def _no_clock():
    layer = FirstQuadrantBmru(
        "fq", np.ones((1, 1)), np.zeros(1), b_lo=np.array([0.5]), b_hi=np.array([1.5]), alpha=np.ones(1)
    )
    return nominal_chip(map_network(Network((layer,)), load_technology(), MappingOptions(input_bound=3.0)))


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda c: move_probabilities(c.ladders[0], np.zeros(2)), r"candidates has shape \(2,\); expected \(..., 3\)"),
        (lambda c: move_probabilities(c.ladders[0], np.full(3, np.nan)), "candidates has shape .* finite"),
        (lambda c: move_probabilities(c.ladders[0], np.zeros(3), -np.ones(3)), r"sigma\[0\] = -1 is negative"),
        (
            lambda c: level_distribution(c.ladders[0], np.zeros((2, 1, 3)), np.array([0, 0, 9])),
            "start leaves 0 .. 4 stages ON",
        ),
        (lambda c: noise_rejection(np.array([0.0])), "sigma has a noise that is not above 0"),
        (lambda c: noise_rejection(np.array([0.1]), sides=3), r"sides = 3 is outside \[1, 2\]"),
        (lambda c: log10_passage(math.nan), "distance = nan is outside"),
        (lambda c: mean_passage(1.0, two_sided=True, start=0.5), "a passage of either threshold is from the middle"),
        (lambda c: simulate_passages((0.5, 1.0), 10.0), "the window must hold zero"),
        (lambda c: simulate_passages((-1.0, 1.0), 10.0, dt=0.5), "a step is at most a tenth of the correlation time"),
        (lambda c: simulate_passages((-1.0, 1.0), 10.0, walkers=0), "walkers = 0 is outside"),
        (lambda c: hold_times(c, c.ladders[0], 3), "cell = 3 is outside .*rec has 3 cells"),
        (lambda c: hold_times(c, c.ladders[0], 0, noise_scale=0.0), "noise_scale = 0 is outside"),
        (lambda c: accuracy_under_noise(c, np.zeros((2, 1, 3)), np.zeros(1), -np.ones(1)), "sigmas = -1 is outside"),
        (lambda c: accuracy_under_noise(c, np.zeros((2, 1, 3)), np.zeros(1), np.ones(1), repeats=0), "repeats = 0"),
        (lambda c: analyze_noise(_no_clock(), np.zeros((2, 1, 1))), "fq takes its candidates without a clock"),
    ],
)
def test_bad_input_is_refused(call, reason):
    with pytest.raises(ParameterError, match=reason):
        call(nominal_chip(design()))
