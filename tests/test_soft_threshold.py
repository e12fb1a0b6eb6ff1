"""Soft threshold: a constant window behind rectified subtraction decides as an input-dependent threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.kernels import plain
from analogrnn.soft_threshold import SoftGains, soft_candidates
from analogrnn.streams import stream

VALUES = st.floats(-8.0, 8.0).map(lambda v: round(v, 2))  # rounded, so that ties of |c|, |b| and the floor are frequent


@given(VALUES, VALUES, st.sampled_from([0.3, 0.7, 1.0, 1.1]))
def test_the_window_decides_as_the_larger_of_b_and_the_floor(c, b, floor):
    u = float(soft_candidates(np.array([c]), np.array([b]), np.array([floor]))[0])
    assert (abs(u) >= floor) == (abs(c) >= max(abs(b), floor))
    if abs(u) >= floor:
        assert np.sign(u) == np.sign(c)


def test_a_million_random_candidates_decide_as_the_digital_rule():
    rng = stream(1, "soft")
    c, b = 2.0 * rng.standard_normal((2, 100_000, 10))
    floor = np.linspace(0.2, 2.0, 10)
    u = soft_candidates(c, b, floor)
    assert_array_equal(np.abs(u) >= floor, np.abs(c) >= np.maximum(np.abs(b), floor))


def test_within_the_floor_the_candidate_passes_unchanged():
    c = np.linspace(-3.0, 3.0, 61)[:, None]
    # except that a candidate may be lowered to the number next below the floor
    assert_allclose(soft_candidates(c, np.array([0.4]), np.array([0.5])), c, rtol=1e-15)


def test_each_gain_acts_where_its_mirror_does():
    ones, floor = np.ones(1), np.array([1.0])

    def u(c, b, **gains):
        g = SoftGains(**{name: gains.get(name, 1.0) * ones for name in vars(SoftGains.nominal(1))})
        return float(soft_candidates(np.array([c]), np.array([b]), floor, g)[0])

    # e = 2 - 1 = 1, u = 3 - 1 = 2
    assert_allclose(u(3.0, 2.0, u_up=1.1), 2.2)
    assert_allclose(u(-3.0, 2.0, u_up=1.1, u_down=0.9), -1.8)
    assert_allclose(u(3.0, 2.0, e_up=1.1), 1.9)
    assert_allclose(u(-3.0, 2.0, e_up=1.1, e_down=0.9), -2.1)
    assert_allclose(u(3.0, -2.0, rail=1.1), 1.8)  # e = 2.2 - 1
    assert_allclose(u(3.0, 2.0, rail=1.1), 2.0)
    assert_allclose(u(3.0, 2.0, floor=0.9), 1.9)  # e = 2 - 0.9


@pytest.mark.parametrize("exact", [True, False])
def test_many_candidates_have_the_numbers_of_few_to_the_last_bit(exact):
    """The compiled kernel, which takes over from numpy."""
    rng = stream(2, "soft")
    c, b = np.round(2.0 * rng.standard_normal((2, 700, 100, 5)), 1)  # rounded, so that |c| = |b| is frequent
    floor, spread = np.linspace(0.2, 2.0, 5), np.zeros((6, 5)) if exact else 0.1 * rng.standard_normal((6, 5))
    gains = SoftGains(*np.exp(spread))
    few = np.stack([soft_candidates(c[t], b[t], floor, gains) for t in range(len(c))])
    assert c.size > plain.SMALL // 4 > c[0].size
    assert_array_equal(soft_candidates(c, b, floor, gains), few)


def test_a_chip_of_many_has_its_own_row_of_gains():
    many = SoftGains(*np.arange(12.0).reshape(6, 2, 1))
    assert_allclose([a[0] for a in vars(many.chip(1)).values()], [1.0, 3.0, 5.0, 7.0, 9.0, 11.0])
