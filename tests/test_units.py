"""Quantities as engineers type and read them."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from analogrnn.errors import ParameterError
from analogrnn.units import format_quantity, parse


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("10nA", "A", 10e-9),
        ("10 nA", "A", 10e-9),
        (" 10 nA ", "A", 10e-9),
        ("1.5 ms", "s", 1.5e-3),
        ("4um", "m", 4e-6),
        ("4 µm", "m", 4e-6),
        ("2pF", "F", 2e-12),
        ("1F", "F", 1.0),
        ("1.8 V", "V", 1.8),
        ("-40mV", "V", -0.04),
        ("100k", "Hz", 1e5),
        ("1 MHz", "Hz", 1e6),
        ("2.2p", "A", 2.2e-12),
        ("1e-9", "A", 1e-9),
        ("1.5E-9 A", "A", 1.5e-9),
        ("0", "A", 0.0),
        (1e-9, "A", 1e-9),
        (3, "s", 3.0),
        (np.float64(2.5), "V", 2.5),
    ],
)
def test_engineering_text_becomes_si(text, unit, value):
    # one rounding for the prefix
    assert parse(text, unit) == pytest.approx(value, rel=4e-16, abs=0)
    assert type(parse(text, unit)) is float


def test_capital_m_is_mega_and_small_m_is_milli():
    """ngspice reads `1M` as 1e-3; here a person is meant."""
    assert (parse("1M", "Hz"), parse("1m", "Hz")) == (1e6, 1e-3)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("300 K", "K", 300.0),
        ("300K", "K", 300.0),
        ("3 kK", "K", 3e3),
        ("1 m", "m", 1.0),
        ("2 mm", "m", 2e-3),
        ("2 m", "s", 2e-3),
        ("1 F", "F", 1.0),
        ("5 fF", "F", 5e-15),
        ("2 a", "A", 2e-18),
    ],
)
def test_a_unit_that_is_also_a_prefix_is_read_as_the_unit(text, unit, value):
    # one rounding for the prefix
    assert parse(text, unit) == pytest.approx(value, rel=4e-16, abs=0)


@pytest.mark.parametrize("value", [0.5, 1.0, 2e-3, 3e3, 0.0])
def test_a_number_without_a_unit_is_printed_without_one_and_can_be_typed(value):
    text = format_quantity(value, "1")
    assert " " not in text
    assert parse(text, "1") == pytest.approx(value, rel=4e-16, abs=0)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["A", "s", "V", "F", "Hz"]))
def test_a_bare_number_is_in_the_unit_already(value, unit):
    assert parse(value, unit) == value
    assert parse(repr(value), unit) == value


@given(
    st.floats(1e-20, 1e12) | st.floats(-1e12, -1e-20),
    st.sampled_from(["A", "s", "V", "F", "Hz", "K", "m", "1"]),
    st.integers(1, 15),
)
def test_what_is_printed_can_be_typed(value, unit, digits):
    text = format_quantity(value, unit, digits)
    # half a unit of the last digit printed, at worst after a leading 1; and the prefix's rounding
    assert parse(text, unit) == pytest.approx(value, rel=0.5 * 10.0 ** (1 - digits) + 1e-15, abs=0)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.5e-9, "A", "1.5 nA"),
        (0.0, "A", "0 A"),
        (2e-12, "F", "2 pF"),
        (-3.3e-3, "V", "-3.3 mV"),
        (1.23456789e-6, "s", "1.235 us"),
        (9.99999e-10, "A", "1 nA"),
    ],
)
def test_a_number_is_printed_with_a_prefix_and_four_digits(value, unit, text):
    assert format_quantity(value, unit) == text


def test_the_number_of_digits_is_a_choice():
    assert format_quantity(1.23456789e-6, "s", digits=2) == "1.2 us"


@pytest.mark.parametrize("text", ["", "nA", "ten", "1.5.2 nA", "--1", "1 nA 2", None, True, "10 nA; .control"])
def test_text_that_is_no_quantity_is_refused_with_an_example(text):
    with pytest.raises(ParameterError, match=r"^i_tau = .* is not a quantity in A; write it as 1\.5 nA\."):
        parse(text, "A", owner="i_tau")


@pytest.mark.parametrize(
    ("text", "unit", "found"), [("10nV", "A", "V"), ("1 ms", "A", "s"), ("5 Amps", "A", "Amps"), ("10%", "V", "%")]
)
def test_another_unit_is_refused_with_both_named(text, unit, found):
    message = rf"^i_tau = '{text}' is in {found}, not in {unit}; write it as 1\.5 n{unit}\."
    with pytest.raises(ParameterError, match=message):
        parse(text, unit, owner="i_tau")


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "inf A", float("nan"), float("inf"), "1e999"])
def test_a_quantity_is_finite(text):
    with pytest.raises(ParameterError, match=r"^value = .* is not finite; write it as 1\.5 nA\."):
        parse(text, "A")
