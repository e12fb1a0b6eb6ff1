"""Device sizes from targets: what is chosen meets the target, and what is given is told honestly."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analogrnn import sizing
from analogrnn.errors import ParameterError
from analogrnn.technology import load_technology

GF180 = load_technology()
STANDARD = sizing.Size(2e-6, 18e-6, 0.25e-9)


@lru_cache(maxsize=1)
def usual():
    """What the usual target costs."""
    return sizing.choose(sizing.Target(), GF180)


def test_what_is_chosen_meets_the_target_and_hardly_more():
    outcome = usual()
    assert outcome.limits == ()
    assert outcome.ladder_yield >= 0.99
    assert outcome.noise_margin >= 6.0
    # the searches end within 1e-4 of their bounds
    assert_allclose(outcome.shortest_period, 10e-3, rtol=1e-3)
    assert_allclose(outcome.ladder_yield, 0.99, atol=1e-4)
    assert outcome.network_yield == outcome.ladder_yield


def test_the_reverse_tells_what_is_missed():
    outcome = sizing.evaluate(sizing.Target(cells=3), STANDARD, GF180)
    assert [limit.split()[0] for limit in outcome.limits] == ["yield"]
    assert_allclose(outcome.network_yield, outcome.ladder_yield**3, rtol=1e-12)


def test_the_approximation_is_a_lower_bound_that_drawn_ladders_confirm():
    target = sizing.Target()
    for size in (STANDARD, usual().size):
        good, drawn = sizing.sampled_yield(target, size, GF180, 2000, 1)
        # thresholds of a ladder are correlated: as if independent counts too many failures. Three standard errors
        expected = sizing.evaluate(target, size, GF180).ladder_yield
        assert good / drawn > expected - 3 * np.sqrt(0.25 / drawn)


@pytest.mark.parametrize(
    ("change", "name", "grows"),
    [
        ({"ladder_yield": 0.999}, "stage_area", True),
        ({"period": 20e-3}, "stage_power", False),
        ({"hold": 0.55, "move": 1.45}, "stage_area", True),
    ],
)
def test_a_harder_target_costs_what_it_should(change, name, grows):
    easy, hard = usual(), sizing.choose(replace(sizing.Target(), **change), GF180)
    assert (getattr(hard, name) > getattr(easy, name)) == grows


def test_a_target_that_nothing_meets_is_refused():
    with pytest.raises(ParameterError, match=r"^no unit current up to 4e-09 A meets the target: period below"):
        sizing.choose(sizing.Target(period=1e-4), GF180)
    with pytest.raises(ParameterError, match=r"^Target\.ladder_yield = 0\.99 needs devices wider than 12 um: lower it"):
        sizing.choose(sizing.Target(hold=0.98, move=1.02), GF180)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ladder_yield", 1.0),
        ("period", 0.0),
        ("supply", 0.1),
        ("stages", 1),
        ("hold", 1.0),
        ("move", 1.0),
        ("cells", 0),
    ],
)
def test_a_target_outside_its_range_is_refused(name, value):
    with pytest.raises(ParameterError, match=r"is outside \["):
        sizing.Target(**{name: value})


@pytest.mark.ngspice
@pytest.mark.pdk
def test_a_standard_ladder_without_mismatch_follows_in_ngspice():
    exact = replace(GF180, a_vt_n=0.0, a_vt_p=0.0, a_beta_n=0.0, a_beta_p=0.0)
    assert sizing.confirm(sizing.Target(stages=2), STANDARD, exact, 1, 1, 1) == 1
