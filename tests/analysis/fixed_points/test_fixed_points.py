"""Rest states of a ladder: the rule, their number, the waveform model, and the results of pulses and upsets."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.analysis.fixed_points.dynamics import (
    State,
    after_pulse,
    after_upset,
    at_rest,
    reachable,
    settle,
    survivors,
    waveform_ladder,
)
from analogrnn.analysis.fixed_points.report import AMPLITUDES, analyze_fixed_points, upsets
from analogrnn.analysis.fixed_points.rest_states import (
    all_codes,
    count_rest_states,
    is_thermometer,
    level_windows,
    rest_states,
    rests_by_rule,
)
from analogrnn.analysis.fixed_points.spice import Starts, codes_equal, rest_by_ngspice, settled_starts
from analogrnn.chip import Chip, ChipLadder, draw_chip, nominal_chip
from analogrnn.design import Design
from analogrnn.errors import ParameterError
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, FirstQuadrantBmru, Network
from analogrnn.technology import load_technology


def ladder(stages: int) -> tuple[Design, Chip, ChipLadder]:
    layer = Cmru("rec", np.ones((1, 1)), np.zeros(1), threshold=np.ones(1), alpha=np.ones(1), k_min=0, k_max=stages)
    design = map_network(Network((layer,)), load_technology(), MappingOptions(input_bound=6.0))
    chip = nominal_chip(design)
    return design, chip, chip.ladders[0]


def bench(stages: int):
    _, chip, layer = ladder(stages)
    return waveform_ladder(chip, layer, 0)


def with_ratios(stages: int, shift: float, base: float):
    design, _, _ = ladder(stages)
    was = design.ladders[0]
    i_shift, i_base = shift * was.beta, base * was.beta
    chip = nominal_chip(
        replace(design, layers=(replace(was, i_shift=i_shift, i_base=i_base, i_th=i_shift + i_base + was.beta),))
    )
    return chip, chip.ladders[0]


# ---------------------------------------------------------------- which codes hold


@pytest.mark.parametrize("stages", range(1, 9))
def test_rule_currents_and_waveform_model_keep_the_same_codes(stages):
    _, chip, layer = ladder(stages)
    codes, found = all_codes(stages), rest_states(chip, layer, 0)
    assert len(found.codes) == count_rest_states(stages)
    assert codes_equal(found.codes, codes[survivors(waveform_ladder(chip, layer, 0), codes)])
    if stages > 1:
        assert codes_equal(found.codes, codes[rests_by_rule(codes, 1.8)])


def test_the_number_of_rest_states_is_that_of_strings_without_short_inner_runs():
    """1 s 0 with every inner run two or longer; the first and the last run continue outside."""

    def counted(stages: int) -> int:
        total = 0
        for code in all_codes(stages):
            text = "".join("1" if on else "0" for on in code)
            runs = [len(run) for run in ("11" + text + "00").replace("01", "0 1").replace("10", "1 0").split()]
            total += all(length >= 2 for length in runs)
        return total

    assert [count_rest_states(n) for n in range(1, 11)] == [counted(n) for n in range(1, 11)]


def test_all_levels_are_among_the_rest_states_and_the_smallest_island_needs_four_stages():
    for stages in (2, 3):
        assert len(rest_states(*ladder(stages)[1:], 0).islands) == 0
    assert_array_equal(rest_states(*ladder(4)[1:], 0).islands, [[False, False, True, True]])
    assert int(rest_states(*ladder(7)[1:], 0).thermometer.sum()) == 8


def test_every_nominal_rest_state_is_one_half_window_from_switching():
    """One ON neighbour puts the input in the window's middle; the DPI's floor takes 2.6e-7 I_s = 5e-7 beta off."""
    assert_allclose(rest_states(*ladder(6)[1:], 0).margin.min(), 1.0, atol=2e-6)


@pytest.mark.parametrize(("shift", "held"), [(0.9, 32), (1.1, 10), (5.0, 10)])
@pytest.mark.parametrize("base", [1.05, 3.0])
def test_below_a_shift_of_beta_every_code_holds_and_the_base_does_not_matter(shift, held, base):
    chip, layer = with_ratios(5, shift, base)
    codes = all_codes(5)
    kept = survivors(waveform_ladder(chip, layer, 0), codes)
    assert int(kept.sum()) == held
    assert_array_equal(kept, rests_by_rule(codes, shift))


def test_a_chip_with_small_devices_may_lose_a_level():
    design, _, _ = ladder(4)
    small = replace(design, sizing=replace(design.sizing, cell=replace(design.sizing.cell, w=1e-6, l=1e-6)))
    levels = []
    for index in range(20):
        chip = draw_chip(small, 3, index)
        found = rest_states(chip, chip.ladders[0], 0)
        inside = (level_windows(chip.ladders[0], 0).hold > 0.0).all(axis=1)
        # the window depends on the two stages beside the boundary, a rest state on all stages
        assert inside[found.codes[found.thermometer].sum(axis=1)].all()
        levels.append(int(found.thermometer.sum()))
    assert min(levels) < 5


# ---------------------------------------------------------------- basins


@pytest.mark.parametrize("stages", [3, 5, 7])
def test_the_basin_in_the_integrators_ends_at_beta_over_the_shift(stages):
    _, chip, layer = ladder(stages)
    item, codes = waveform_ladder(chip, layer, 0), rest_states(chip, layer, 0).codes
    assert survivors(item, codes, perturbation=0.999 * item.basin).all()
    assert not survivors(item, codes, perturbation=1.001 * item.basin).any()


def test_two_extreme_starts_decide_for_all_starts_between_them():
    """The argument by monotonicity, checked on random starts between the extremes."""
    _, chip, layer = ladder(5)
    item, rng = waveform_ladder(chip, layer, 0), np.random.default_rng(5)
    for code in rest_states(chip, layer, 0).codes:
        for _ in range(5):
            off = 0.999 * item.basin * rng.random(5)
            start = State(code, np.where(code, 1.0 - off, np.maximum(off, item.floor)))
            assert_array_equal(settle(item, start).on, code)


def test_more_stages_on_never_end_as_fewer():
    item, rng = bench(6), np.random.default_rng(6)
    for _ in range(40):
        low = rng.random(6) < 0.4
        high = low | (rng.random(6) < 0.3)
        assert (settle(item, at_rest(item, low)).on <= settle(item, at_rest(item, high)).on).all()


# ---------------------------------------------------------------- pulses


@pytest.mark.parametrize("stages", [1, 2, 5, 8])
def test_pulses_of_any_size_reach_the_levels_and_nothing_else(stages):
    item = bench(stages)
    found = reachable(item, AMPLITUDES * item.beta)
    assert len(found) == stages + 1
    assert is_thermometer(found).all()


def test_a_pulse_as_long_as_the_integrators_memory_breaks_the_theorem():
    item = bench(6)
    item = replace(item, pulse=1.2 * float(item.scalars[1]))
    assert after_pulse(item, at_rest(item, np.zeros(6, dtype=bool)), 6.0 * item.beta).on.sum() > 1


def test_pulses_on_an_island_can_lead_back_to_a_level():
    """Down pulses erode each block from above until the first one is left: 0011 -> 0010 rests as 0000."""
    item = bench(4)
    end = after_pulse(item, at_rest(item, np.array([0, 0, 1, 1], dtype=bool)), -2.0 * item.beta)
    assert not end.on.any()


# ---------------------------------------------------------------- upsets


def test_brief_upsets_heal_except_at_the_boundary_and_never_make_an_island():
    for upset in upsets(bench(6)):
        assert not upset.brief.startswith("island")
        if not {upset.level - 1, upset.level} & set(upset.stages):
            assert upset.brief == "heals"


def test_two_neighbours_held_until_their_integrators_follow_stay_on():
    item, code = bench(5), np.zeros(5, dtype=bool)
    forced = {2: True, 3: True}
    assert not after_upset(item, code, forced, item.pulse).on.any()
    assert_array_equal(after_upset(item, code, forced, 2.0 * item.rise).on, [False, False, True, True, False])


def test_one_stage_held_alone_heals_or_pulls_its_gap_shut():
    item, code = bench(6), np.zeros(6, dtype=bool)
    assert not after_upset(item, code, {3: True}, 2.0 * item.rise).on.any()
    # a gap of one stage up to the boundary closes: two levels at once
    assert_array_equal(after_upset(item, code, {1: True}, 2.0 * item.rise).on, [True, True] + [False] * 4)


# ---------------------------------------------------------------- ngspice


@pytest.mark.ngspice
@pytest.mark.parametrize("stages", [1, 4])
def test_ngspice_keeps_the_same_codes_from_every_start(stages):
    design, chip, layer = ladder(stages)
    codes = all_codes(stages)
    ends = rest_by_ngspice(design, design.ladders[0], 0, settled_starts(design, codes))
    assert codes_equal(codes[(ends == codes).all(axis=1)], rest_states(chip, layer, 0).codes)
    item = waveform_ladder(chip, layer, 0)
    assert_array_equal(ends, [settle(item, at_rest(item, code)).on for code in codes])


@pytest.mark.ngspice
def test_ngspice_leaves_an_island_whose_integrators_are_too_low():
    design, _, _ = ladder(4)
    code = np.array([[False, False, True, True]] * 2)
    d = np.where(code, np.array([[0.9], [0.1]]), design.timing.i_floor)
    ends = rest_by_ngspice(design, design.ladders[0], 0, Starts(code, d))
    assert_array_equal(ends, [code[0], np.zeros(4, dtype=bool)])


# ---------------------------------------------------------------- report, errors


def test_the_report_is_consistent_and_json_ready():
    _, chip, layer = ladder(4)
    found = analyze_fixed_points(chip, layer, 0)
    answer = found.as_dict()
    assert found.agrees
    assert answer["rest_states"] == answer["rest_states_expected"] == 6
    assert answer["islands"] == ["0011"]
    assert len(answer["reached_from_reset"]) == 5
    assert answer["islands_reached"] == 0
    assert answer["windows"]["down"][0] is None
    # one level on 1.001, 3 and 6 beta, none on 0.999
    assert answer["stages_on_after_pulse"][2] == [1, 1, 1, 2, 2, 3, 3, 3]


def test_a_ladder_of_many_stages_is_refused_with_the_way_out():
    with pytest.raises(ParameterError, match=r"stages = 17 is outside \[1, 16\]: .*count_rest_states"):
        all_codes(17)


def test_a_cell_that_is_not_there_is_refused():
    _, chip, layer = ladder(2)
    for call in (rest_states, waveform_ladder):
        with pytest.raises(ParameterError, match=r"cell = 1 is outside \[0, 0\]: rec has 1 cells"):
            call(chip, layer, 1)


def test_a_first_quadrant_cell_has_no_rest_at_zero():
    layer = FirstQuadrantBmru(
        "fq", np.ones((1, 1)), np.zeros(1), b_lo=np.array([0.5]), b_hi=np.array([1.5]), alpha=np.ones(1)
    )
    chip = nominal_chip(map_network(Network((layer,)), load_technology(), MappingOptions(input_bound=3.0)))
    with pytest.raises(ParameterError, match="fq takes its candidates without a clock, so it has no rest"):
        rest_states(chip, chip.ladders[0], 0)
