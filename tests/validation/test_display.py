"""Numbers on the page of claims are printed for people."""

import pytest

from validation.display import figures, listing, quantity


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.000703676, "of range", "0.0704 % of range"),
        (5.6e-6, "of I_set", "5.6 ppm of I_set"),
        (0.9993017, "of stage-steps", "99.93 % of stage-steps"),
        (0.9999674, "of steps", "99.997 % of steps"),
        (1.0, "of steps", "100 % of steps"),
        (-0.0033, "relative", "-0.33 %"),
        (0.0752, "nA", "75.2 pA"),
        (1097.18, "nW", "1.097 uW"),
        (40.64, "s", "40.6 s"),
        (0.5968896, "GB", "596.9 MB"),
        (37107024.28, "cell-steps per second", "37.1 million cell-steps per second"),
        (205.38, "-fold", "205-fold"),
        (0.654117, "accuracy", "0.654"),
        (3.0, "levels", "3 levels"),
        (float("nan"), "of steps", "nan of steps"),
        (float("inf"), "standard errors", "inf standard errors"),
        (float("nan"), "nW", "nan nW"),
    ],
)
def test_a_quantity_reads_as_a_person_would_write_it(value, unit, text):
    assert quantity(value, unit) == text


def test_a_share_below_one_is_never_printed_as_all():
    for missing in (0.09, 1e-3, 9.6e-5, 1e-7):
        assert quantity(1.0 - missing, "of steps") != "100 % of steps"


def test_figures_are_one_compact_line():
    assert figures({"chips": 2000, "margin": 0.5, "interval": "0.98 to 1"}) == (
        "chips: 2,000; margin: 0.5; interval: 0.98 to 1"
    )


def test_a_listing_has_no_brackets_and_no_trailing_zeros():
    assert listing([0.99849, -0.94], 3) == "0.998, -0.94"
