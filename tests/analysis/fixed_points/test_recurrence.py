"""Fixed points of the recurrence over eps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.analysis.fixed_points.recurrence import readable_gap, recurrence_states, return_map
from analogrnn.cells import alpha_cmru_loop, cmru_loop
from analogrnn.errors import ParameterError


def test_the_published_fixed_points_come_out():
    """Brandoit et al., arXiv 2605.11855: -alpha and alpha at eps 0, every multiple of alpha at eps 1."""
    assert_array_equal(recurrence_states(0.0, 8).reached, [-1.0, 1.0])
    assert_array_equal(recurrence_states(1.0, 8).reached, np.arange(-8, 9))
    assert recurrence_states(0.5, 1).attract == (-2.0, 2.0)


@given(st.floats(0.0, 0.95))
def test_repeated_updates_lead_to_one_over_one_minus_eps(eps):
    s = cmru_loop(np.ones((1500, 1)), 0.5, np.array([-7.0]), eps=eps)[-1, 0]
    # 0.95^1500 = 4e-34 of the start remains; rounding of a sum of at most 20
    assert_allclose(s, recurrence_states(eps, 1).attract[1], rtol=1e-13)


def test_only_the_ends_of_a_ladder_bound_the_state_at_eps_1():
    assert recurrence_states(1.0, 1).attract == (-np.inf, np.inf)
    assert recurrence_states(1.0, 1, bounds=(-4, 4)).attract == (-4.0, 4.0)
    assert_array_equal(recurrence_states(1.0, 12, bounds=(-2, 2)).reached, np.arange(-2, 3))


@given(st.floats(0.0, 1.0), st.floats(-5.0, 5.0))
def test_every_state_is_held_and_an_update_has_slope_eps(eps, s):
    both = np.array([s, s + 0.25])
    assert_array_equal(return_map(both, eps, 0.0, (None, None)), both)
    after = return_map(both, eps, 1.0, (None, None))
    assert_allclose(np.diff(after), 0.25 * eps, atol=1e-14)


@given(st.floats(0.01, 0.49), st.integers(1, 9))
def test_below_one_half_states_keep_the_stated_distance(eps, updates):
    state = recurrence_states(eps, updates, initial=1.0 / (1.0 - eps))
    # states closer than 1e-9 count as one
    assert state.gap >= min(readable_gap(eps, updates - 1), 1e-9) * (1.0 - 1e-9)


def test_between_zero_and_one_states_crowd_and_at_the_ends_they_do_not():
    for eps in (0.2, 0.5, 0.7, 0.95):
        assert recurrence_states(eps, 10).gap < 0.1 * recurrence_states(eps, 2).gap
    for eps, gap in ((0.0, 2.0), (1.0, 1.0)):
        assert recurrence_states(eps, 2).gap == recurrence_states(eps, 12).gap == gap


def test_the_alpha_cmru_holds_any_number_so_it_has_no_levels():
    """Our hypothesis of the cell: one update with alpha_t = v at eps 0 stores v, and holds keep it."""
    target = np.array([[0.1234567, -3.0, 1e-3]])
    alpha, c = np.abs(target), np.sign(target)
    h = alpha_cmru_loop(
        np.vstack([c, np.zeros((50, 3))]), 0.5, np.vstack([alpha, np.ones((50, 3))]), np.ones(3), eps=0.0
    )
    assert_array_equal(h[-1], target[0])


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: recurrence_states(1.5), r"eps = 1.5 is outside \[0, 1\]: 0 is the BMRU"),
        (lambda: recurrence_states(float("nan")), "eps = nan is outside"),
        (lambda: recurrence_states(0.5, 17), "updates = 17 is outside .*doubles"),
        (lambda: recurrence_states(1.0, 2, bounds=(3, 1)), "cells.k_min = 3 is not below k_max = 1"),
        (lambda: readable_gap(-1.0, 1), "eps = -1 is outside"),
        (lambda: readable_gap(0.3, -1), "age = -1 is outside"),
    ],
)
def test_bad_input_is_refused(call, reason):
    with pytest.raises(ParameterError, match=reason):
        call()
