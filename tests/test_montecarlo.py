"""Accuracy over chips: reproducible chip by chip, and nominal where nothing varies."""

import numpy as np
import pytest
from helpers import cmru, inputs_of, mapped, network
from numpy.testing import assert_array_equal

from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.errors import ParameterError
from analogrnn.montecarlo import MonteCarlo, Variability, run_monte_carlo
from analogrnn.network import forward
from analogrnn.simulate import simulate_steps

NET = network(cmru("cell", 6, 3))
DESIGN = mapped(NET, cell_w=2e-6, cell_l=2e-6)  # small devices, so that chips differ
X = inputs_of(NET, 12, 60, near=0.0)
LABELS = forward(NET, X).classes


def test_without_variability_every_chip_is_the_digital_network():
    found = run_monte_carlo(DESIGN, X, LABELS, 3, Variability(noise=False, scale=0.0))
    assert_array_equal(found.accuracy, 1.0)
    assert found.clips == 60


def test_chip_j_scores_the_same_in_a_long_campaign_a_short_one_and_in_any_order():
    long = run_monte_carlo(DESIGN, X, LABELS, 8)
    some = run_monte_carlo(DESIGN, X, LABELS, [6, 1, 3])
    assert_array_equal(some.index, [6, 1, 3])
    assert_array_equal(some.accuracy, long.accuracy[[6, 1, 3]])
    assert len(np.unique(long.accuracy)) > 1


def test_a_score_is_the_part_of_the_clips_that_this_chip_classifies_as_labelled():
    found = run_monte_carlo(DESIGN, X, LABELS, [4], Variability(seed=9, noise=False))
    run = simulate_steps(draw_chip(DESIGN, 9, 4), X)
    assert found.accuracy[0] == np.mean(run.classes == LABELS)


def test_noise_is_drawn_under_the_same_seed_by_chip():
    noisy = run_monte_carlo(DESIGN, X, LABELS, [2], Variability(seed=9))
    run = simulate_steps(draw_chip(DESIGN, 9, 2), X, noise_seed=9)
    assert noisy.accuracy[0] == np.mean(run.classes == LABELS)


def test_seeds_and_scales_matter():
    one, two = (run_monte_carlo(DESIGN, X, LABELS, 8, Variability(seed=seed)).accuracy for seed in (1, 2))
    assert not np.array_equal(one, two)
    half = run_monte_carlo(DESIGN, X, LABELS, 8, Variability(scale=0.25)).accuracy
    assert half.mean() > one.mean()


def test_progress_is_told_after_each_chip():
    told = []
    run_monte_carlo(DESIGN, X[:, :2], LABELS[:2], [5, 7, 6], progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_statistics_name_the_worst_chip_by_its_number():
    found = MonteCarlo(np.array([0.9, 0.5, 0.7]), np.array([10, 20, 30]), Variability(), 5).statistics()
    assert found["worst_chip"] == 20
    assert (found["min"], found["median"], found["chips"]) == (0.5, 0.7, 3)
    assert found["mean"] == pytest.approx(0.7, rel=1e-15)
    # squares 0.04, 0.04 and 0 over n - 1 = 2
    assert found["std"] == pytest.approx(0.2, rel=1e-14)
    # linear interpolation: a tenth of the way from the least to the middle one
    assert found["p05"] == pytest.approx(0.52, rel=1e-14)


def test_one_chip_has_no_spread():
    assert MonteCarlo(np.array([0.9]), np.array([0]), Variability(), 5).statistics()["std"] == 0.0


@pytest.mark.parametrize("labels", [LABELS[:-1], LABELS[:, None], LABELS[0]])
def test_labels_that_do_not_fit_the_clips_are_refused(labels):
    with pytest.raises(ParameterError, match=r"labels has shape \(.*\); x holds 60 clips"):
        run_monte_carlo(DESIGN, X, labels, 2)


@pytest.mark.parametrize("chips", [0, -3])
def test_a_campaign_of_no_chips_is_refused(chips):
    with pytest.raises(ParameterError, match=rf"run_monte_carlo\.chips = {chips} is outside \[1, 1e\+07\]"):
        run_monte_carlo(DESIGN, X, LABELS, chips)


def test_an_empty_list_of_chips_is_refused():
    with pytest.raises(ParameterError, match=r"chips must be a number of chips or chip numbers; name at least one"):
        run_monte_carlo(DESIGN, X, LABELS, [])


def test_a_negative_seed_is_refused():
    with pytest.raises(ParameterError, match="seed = -1 is not a whole number >= 0"):
        run_monte_carlo(DESIGN, X, LABELS, 1, Variability(seed=-1))


def test_the_nominal_chip_is_none_of_the_campaign():
    nominal = simulate_steps(nominal_chip(DESIGN), X).logits
    assert not np.array_equal(simulate_steps(draw_chip(DESIGN, 1, 0), X).logits, nominal)
