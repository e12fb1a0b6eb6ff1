"""The verb `size`."""

import pytest


def test_a_target_becomes_a_size(call):
    said = call("size", "--yield", "0.95", "--period", "20ms", "--json")
    assert said.code == 0
    answer = said.json
    assert answer["limits"] == []
    assert answer["ladder_yield"] >= 0.95
    assert answer["sampled"]["interval"][0] < answer["sampled"]["good"] / answer["sampled"]["ladders"]


def test_a_given_size_that_misses_the_target_is_a_no(call):
    said = call("size", "--cell-size", "2umx18um", "--unit-current", "0.25nA")
    assert said.code == 1
    assert said.out.startswith("misses the target")
    assert "beta" in said.out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--cell-size", "6um"], "--cell-size and --unit-current go together"),
        (["--unit-current", "1nA"], "--cell-size and --unit-current go together"),
        (["--cell-size", "1x2x3", "--unit-current", "1nA"], "write W or WxL"),
        (["--cell-size", "60um", "--unit-current", "1nA"], "--cell-size = 6e-05 m is outside"),
        (["--yield", "2"], "--yield = 2 is outside"),
        (["--confirm", "-1"], "--confirm = -1 is outside"),
        (["--period", "10 V"], "--period = '10 V' is in V, not in s"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(call, words, reason):
    call("size", *words).refused(2, reason)
