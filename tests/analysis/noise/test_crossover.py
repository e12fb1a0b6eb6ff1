"""Holding a value: a ladder of levels against an analog state."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analogrnn.analysis.noise.crossover import (
    HoldTask,
    analog_error,
    crossover_steps,
    ladder_error,
    least_margin,
    losing_band,
    saturating_crossover,
    saturating_error,
    simulate_hold,
    slip,
)
from analogrnn.errors import ParameterError

STEPS = np.array([1, 4, 16, 64])


@pytest.mark.parametrize("sigma", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("margin", [0.5, 1.0])
def test_both_memories_have_the_predicted_errors(sigma, margin):
    task = HoldTask(7, margin)
    ladder, integrator = simulate_hold(task, sigma, STEPS, trials=6000, seed=2)
    # five standard errors
    assert (np.abs(ladder.error - ladder_error(task, sigma, STEPS)) < 5 * ladder.spread).all()
    assert (np.abs(integrator.error - analog_error(task, sigma, STEPS)) < 5 * integrator.spread).all()


def test_a_leaky_state_forgets_and_an_lru_simulated_agrees():
    task, rng, decay, sigma = HoldTask(9), np.random.default_rng(3), 0.97, 0.2
    x = rng.uniform(-4.5, 4.5, 20_000)
    s = x.copy()
    for _ in range(40):
        s = decay * s + sigma * rng.standard_normal(len(x))
    square = (s - x) ** 2
    # five standard errors
    assert abs(square.mean() - analog_error(task, sigma, np.array([40]), decay)[0]) < 5 * square.std() / math.sqrt(
        len(x)
    )


def test_without_noise_only_the_rounding_remains():
    assert_allclose(ladder_error(HoldTask(9), 0.0, STEPS), 1.0 / 12.0, rtol=1e-12)
    assert_allclose(analog_error(HoldTask(9), 0.0, STEPS), 0.0)


def test_in_the_long_term_the_error_of_a_ladder_is_twice_the_power_of_the_value():
    """Two independent levels: 2 (n^2 - 1)/12, and the rounding."""
    assert_allclose(ladder_error(HoldTask(5), 0.5, np.array([10_000])), 1 / 12 + 2 * 24 / 12, rtol=1e-9)


def test_a_saturating_integrator_is_free_until_it_saturates():
    task = HoldTask(9)
    few = saturating_error(task, 0.1, 3)
    # the grid adds 5e-5 a step to 0.01; clipping at the rails takes a part of order sigma / range
    assert_allclose(few, analog_error(task, 0.1, 2.0 ** np.arange(4)), rtol=0.05)
    assert saturating_error(task, 0.5, 12)[-1] < 0.2 * analog_error(task, 0.5, np.array([4096]))[0]


def test_the_approximate_crossover_is_exact_far_from_saturation():
    for sigma in (0.1, 0.18):
        # within the interpolation between powers of two
        assert_allclose(saturating_crossover(HoldTask(9), sigma), crossover_steps(sigma, 0.5), rtol=0.15)


def test_levels_win_after_a_while_below_a_quarter_level_of_noise_and_not_above_a_third():
    assert slip(0.1, 0.5) < 1e-6
    assert crossover_steps(0.1, 0.5) == pytest.approx(1 / (12 * 0.01), rel=1e-3)
    assert crossover_steps(0.25, 0.5) < 10
    assert crossover_steps(0.35, 0.5) == math.inf
    low, high = losing_band(0.5)
    assert (low, high) == (pytest.approx(0.289, abs=1e-3), pytest.approx(0.680, abs=1e-3))
    for edge in (low, high):
        assert slip(edge, 0.5) == pytest.approx(edge**2, rel=1e-9)


def test_above_the_least_margin_no_noise_favours_an_analog_state():
    least = least_margin()
    sigma = np.linspace(0.01, 3.0, 2000)
    slips = np.array([slip(s, least) for s in sigma])
    # touches at one point
    assert (slips <= sigma**2 * (1 + 1e-5)).all()
    assert losing_band(1.001 * least) is None
    assert losing_band(0.999 * least) is not None


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: HoldTask(4), "HoldTask.levels = 4 is even; a ladder from -K to K has an odd number"),
        (lambda: HoldTask(1), "HoldTask.levels = 1 is outside"),
        (lambda: HoldTask(9, 0.0), "HoldTask.margin = 0 is outside .*beta over the output"),
        (lambda: slip(-0.1, 0.5), "sigma = -0.1 is outside"),
        (lambda: losing_band(math.nan), "margin = nan is outside"),
        (lambda: analog_error(HoldTask(), 0.1, STEPS, 1.2), "decay = 1.2 is outside .*eigenvalue"),
        (lambda: saturating_error(HoldTask(), 0.01, 3), "sigma = 0.01 is outside .*saturation doesn't matter"),
        (lambda: simulate_hold(HoldTask(), 0.1, np.array([3, 3])), "steps must increase from 1 or more"),
        (lambda: simulate_hold(HoldTask(), 0.1, STEPS, trials=1), "trials = 1 is outside"),
    ],
)
def test_bad_input_is_refused(call, reason):
    with pytest.raises(ParameterError, match=reason):
        call()
