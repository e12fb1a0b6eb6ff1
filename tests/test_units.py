"""Quantities as engineers type and read them."""

import re
from decimal import Decimal

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from analogrnn.errors import ParameterError
from analogrnn.units import format_quantity, parse, plain_number, whole_number


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


SEPARATED = ["0,5nA", "4,5 uA", "1.000,5nA", "1,000.5nA", "4_5uA", "-20,5A", "1,5", "1 000 nA", "1'000nA"]


@pytest.mark.parametrize("text", SEPARATED)
def test_a_comma_or_a_separator_between_digits_is_refused_with_the_value(text):
    """Read as 5 nA, 45 um and 5 nA once: the digits before the comma were taken for nothing."""
    message = (
        rf"^--unit-current = {re.escape(repr(text))} is not a quantity in A; .*, with a decimal point and no other"
    )
    with pytest.raises(ParameterError, match=message):
        parse(text, "A", owner="--unit-current")


ELSE = ["1e5_0A", "1 n A", "0x10A", "\u0661nA", "1nA;", "½A", "$1A", "1e99999A", "\u22121A", "1e-9e2A", "+-1A", "1.5.A"]


@pytest.mark.parametrize("text", ELSE)
def test_what_is_more_or_less_than_one_number_prefix_and_unit_is_refused(text):
    with pytest.raises(ParameterError, match=r"^value = .* is not a quantity in A; write it as 1\.5 nA"):
        parse(text, "A")


@pytest.mark.parametrize(
    ("text", "found"), [("1h", "h"), ("2d", "d"), ("3min", "min"), ("1Es", "Es"), ("5K", "K"), ("1nns", "nns")]
)
def test_letters_that_stand_for_longer_times_are_no_prefixes(text, found):
    """`--timeout 1h` was 100 s once, as h is hecto."""
    with pytest.raises(ParameterError, match=rf"^--timeout = '{text}' is in {found}, not in s"):
        parse(text, "s", owner="--timeout")


@given(
    st.floats(1e-3, 999).map(lambda value: f"{value:.6g}"),
    st.sampled_from("afpnumkMGT"),
    st.sampled_from(["A", "s", "V", "F", "m"]),
)
def test_a_prefix_costs_one_rounding(number, prefix, unit):
    power = dict(zip("afpnumkMGT", (-18, -15, -12, -9, -6, -3, 3, 6, 9, 12), strict=True))[prefix]
    # the decimal text is rounded once, by Python itself
    assert parse(f"{number}{prefix}{unit}", unit) == float(Decimal(number).scaleb(power))


@given(st.text(st.sampled_from("0123456789.,_'eE+- nuµmkMAsV%"), max_size=8), st.sampled_from(["A", "s", "1"]))
def test_no_text_is_read_as_another_number_than_its_own(text, unit):
    """Whatever is accepted starts with its whole mantissa; a digit left unread would be a silent wrong value."""
    try:
        value = parse(text, unit)
    except ParameterError:
        return
    mantissa, rest = re.fullmatch(r"\s*([-+0-9.eE]*[0-9.])([^0-9.,_']*)", text).groups()
    power = 0.0 if value == 0.0 else np.log10(value / float(mantissa))
    assert power == pytest.approx(3 * round(power / 3), abs=1e-6), rest


@pytest.mark.parametrize("text", ["4_5", "0,5", "1.5 2", "1e", "nan", "inf", "\u0663", "", "5nA", "1e999", "0x1p3"])
def test_a_bare_number_is_one_finite_number(text):
    with pytest.raises(ParameterError, match=r"^x = .* is not a number; write it with a decimal point"):
        plain_number(text, owner="x")


@pytest.mark.parametrize("text", ["4_5", "1,5", "1.0", "1e3", "\u0663", "²", "", "12 3", "9" * 4000])
def test_a_whole_number_is_digits_only(text):
    with pytest.raises(ParameterError, match=r"^x = .* is not a whole number; write digits only"):
        whole_number(text, owner="x")


def test_bare_numbers_are_read():
    assert (plain_number(" -1.5e-3 "), plain_number(".5"), whole_number("-7"), whole_number(" 12 ")) == (
        -0.0015,
        0.5,
        -7,
        12,
    )


def test_the_example_is_one_that_somebody_would_type():
    with pytest.raises(ParameterError, match=r"write it as 1\.5 C, with a decimal point and no other separator\.$"):
        parse("-20,5C", "C")
    with pytest.raises(ParameterError, match=r"write it as 1\.5\.$"):
        parse("much", "1")
