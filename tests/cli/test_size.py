"""The verb `size`."""

import pytest

from .conftest import NETWORK

TARGETS = {
    "strict": ["--yield", "0.99", "--period", "10ms", "--cells", "16"],
    "slow, with another standing current": ["--yield", "0.9", "--period", "200ms", "--base", "1.8"],
    "given, too slow for its period": ["--cell-size", "4umx20um", "--unit-current", "0.24nA"],
}


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


@pytest.mark.parametrize("words", TARGETS.values(), ids=TARGETS)
def test_map_takes_the_flags_that_size_prints_and_makes_the_same_circuit(call, words):
    answer = call("size", *words, "--json").json
    mapped = call("map", NETWORK, *answer["map_flags"].split(), "--json").json
    assert min(mapped["margins"].values()) > 0.0
    options = answer["options"]
    # the flags carry eleven digits, and all but the period have four
    assert mapped["cell_device_m"] == [options["cell_w"], options["cell_l"]]
    assert mapped["unit_current_A"] == answer["size"]["unit_current"]
    assert (mapped["pulse_s"], mapped["tau_s"], mapped["c_dpi_F"]) == (answer["pulse"], answer["tau"], answer["c_dpi"])
    assert mapped["period_s"] == options["period"]
    if not answer["limits"]:
        assert mapped["period_s"] == pytest.approx(float(words[3].removesuffix("ms")) / 1e3, rel=1e-12)


def test_the_shortest_period_that_size_names_meets_it(call):
    words = ["--cell-size", "4umx20um", "--unit-current", "0.24nA", "--yield", "0.5"]
    said = call("size", *words, "--json").json
    (limit,) = said["limits"]
    assert limit.startswith("period 0.01 s < ")
    shortest = limit.removeprefix("period 0.01 s < ").replace(" ", "")
    assert call("size", *words, "--period", shortest, "--json").json["limits"] == []


def test_the_size_of_the_standard_stage_has_its_pulse_and_its_capacitor(call):
    """One definition of the standard stage: `size` evaluates the circuit that `map --stage standard` makes."""
    answer = call("size", "--cell-size", "2umx18um", "--unit-current", "0.24nA", "--json").json
    stage = call("map", NETWORK, "--stage", "standard", "--json").json
    assert answer["c_dpi"] == stage["c_dpi_F"] == 0.5e-12
    # `map` sets the pulse from the slowest ladder of the network, whose half window is a little above one unit;
    # the length of its window in the input's time constants is the standard stage's in both
    assert answer["pulse"] == pytest.approx(stage["pulse_s"], rel=0.1)
    assert answer["map_flags"] == "--stage standard --period 10ms --pulse 310.5us"


def test_a_person_reads_predicted_and_drawn_yields_apart(call):
    said = call("size", "--cell-size", "2umx18um", "--unit-current", "0.25nA")
    for text in (
        "predicted yield of a ladder ",
        "predicted yield of 16 ladders ",
        "yield of drawn ladders ",
        "to map a network: analogrnn map NETWORK --stage standard --period 10ms ",
    ):
        assert text in said.out
    assert "at least" in said.out


def test_a_flag_of_another_verb_is_not_an_abbreviation(call):
    said = call("size", "--stage", "standard")
    assert said.code == 2
    assert "unrecognized arguments: --stage standard" in said.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--cell-size", "6um"], "--cell-size and --unit-current go together"),
        (["--unit-current", "1nA"], "--cell-size and --unit-current go together"),
        (["--cell-size", "1x2x3", "--unit-current", "1nA"], "write W or WxL"),
        (["--cell-size", "60um", "--unit-current", "1nA"], "--cell-size = 6e-05 m is outside"),
        (["--yield", "2"], "--yield = 2 is outside"),
        (["--yield", "0.99", "--hold", "0.98", "--move", "1.02"], "--yield = 0.99 needs devices wider than"),
        (["--confirm", "-1"], "--confirm = -1 is outside"),
        (["--period", "10 V"], "--period = '10 V' is in V, not in s"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(call, words, reason):
    call("size", *words).refused(2, reason)
