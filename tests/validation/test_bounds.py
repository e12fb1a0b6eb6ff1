"""A bound writes itself and gives the verdict, and the two agree."""

import math

import pytest

from validation.bounds import Bound
from validation.claims import Measured, equal, unequal

# bound, its text, a value that holds, a value that does not
CASES = {
    "at least": (Bound.at_least(0.99), ">= 0.99", 0.99, 0.9899),
    "above": (Bound.above(7.0), "> 7", 7.001, 7.0),
    "at most": (Bound.at_most(5.0), "<= 5", 5.0, 5.001),
    "below": (Bound.below(0.05), "< 0.05", 0.0499, 0.05),
    "equals": (Bound.equals(0.0), "= 0", 0.0, 1.0),
    "near": (Bound.near(1.0, 0.125), "1 +- 0.125", 0.875, 0.874),
    "between": (Bound.between(0.25, 0.35), "0.25 to 0.35", 0.3, 0.35),
    "negative control": (Bound.negative_control(), "< 1 (negative control)", 0.99, 1.0),
}


@pytest.mark.parametrize("name", CASES)
def test_the_text_and_the_verdict_of_a_bound_agree(name):
    bound, text, good, bad = CASES[name]
    assert bound.text() == text
    assert bound.holds(good) is True
    assert bound.holds(bad) is False


@pytest.mark.parametrize("name", CASES)
def test_nan_never_passes(name):
    assert CASES[name][0].holds(math.nan) is False


def test_a_value_that_is_only_reported_has_no_verdict():
    assert Bound().holds(1.0) is None
    assert Bound().holds(math.nan) is None
    assert Bound().text() == "reported"
    assert Measured(1.0, "nW").holds is None


@pytest.mark.parametrize(
    ("bound", "unit", "text"),
    [
        (Bound.at_least(0.99), "of chips", ">= 99 %"),
        (Bound.near(1.0, 0.05), "of predicted", "100 % +- 5 %"),
        (Bound.at_most(120.0), "nW", "<= 120 nW"),
        (Bound.below(5.0), "standard errors", "< 5"),
        (Bound.at_most(0.052, note="2 binomial errors"), "of clips", "<= 5.2 % (2 binomial errors)"),
    ],
)
def test_a_limit_is_printed_as_its_value_is(bound, unit, text):
    assert bound.text(unit) == text


def test_every_other_condition_must_hold_beside_the_bound():
    assert Measured(0.0, "bytes differ", Bound.equals(0), also={"killed in the middle": True}).holds is True
    assert Measured(0.0, "bytes differ", Bound.equals(0), also={"killed in the middle": False}).holds is False
    assert Measured(1.0, "nW", also={"all steps follow": False}).holds is False


def test_steps_are_equal_only_if_there_are_some():
    assert equal(5, 5).holds is True
    assert equal(4, 5).holds is False
    assert equal(0, 0).holds is False


def test_a_negative_control_that_checks_nothing_or_does_not_fail_is_seen():
    assert unequal(4, 5).holds is True
    assert unequal(5, 5).holds is False
    assert unequal(0, 0).holds is False
