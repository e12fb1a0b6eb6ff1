"""Intervals of proportions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import betaincinv
from scipy.stats import binom, binomtest

from analogrnn.statistics import FEW, proportion_interval


@pytest.mark.parametrize(("good", "count"), [(0, 1), (1, 1), (0, 60), (60, 60), (24, 60), (9990, 10000), (1, 7)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
def test_the_interval_is_that_of_clopper_and_pearson(good, count, confidence):
    found = proportion_interval(good, count, confidence)
    theirs = binomtest(good, count).proportion_ci(confidence, method="exact")
    # two algorithms for one quantile: a few hundred units in the last place
    assert_allclose(found, (theirs.low, theirs.high), rtol=1e-10)


@pytest.mark.parametrize("count", [2, 7, FEW, FEW + 1])
def test_few_trials_are_summed_to_the_interval_of_many(count):
    tail = (1.0 - 0.99) / 2.0
    for good in range(1, count):
        theirs = betaincinv(good, count - good + 1, tail), betaincinv(good + 1, count - good, 1.0 - tail)
        # the sum of up to 50 positive terms and the bisection each round to some units in the last place
        assert_allclose(proportion_interval(good, count, 0.99), theirs, rtol=1e-12)


def _sides(k, n, truth):
    low, high = proportion_interval(k, n)
    return (low, truth), (truth, high)


@pytest.mark.parametrize("truth", [0.02, 0.5, 0.999])
def test_the_interval_has_at_least_the_stated_coverage(truth):
    """Exactly, by summing the binomial: no random numbers."""
    n = 60
    covered = sum(binom.pmf(k, n, truth) for k in range(n + 1) if np.less_equal(*_sides(k, n, truth)).all())
    assert covered >= 0.95


def test_the_interval_of_all_or_none():
    assert proportion_interval(0, 20)[0] == 0.0
    assert proportion_interval(20, 20)[1] == 1.0
    # all of n: the lower end is (alpha/2)^(1/n)
    assert proportion_interval(20, 20)[0] == pytest.approx(0.025 ** (1 / 20))
