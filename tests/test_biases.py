"""Bias lines of whole unit devices achieve the thresholds and currents that they are chosen for."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analogrnn import library
from analogrnn.biases import EXACT, REFERENCE_UNITS, achieved, bias_currents, bias_units, lateness, maps_of
from analogrnn.mapping import STAGES, map_network, stage_options
from analogrnn.network import Cmru, Network
from analogrnn.network.files import load
from analogrnn.technology import CellMaps, load_technology

GF180 = load_technology()
NEUTRAL = CellMaps(
    **{item.name: 0.0 for item in fields(CellMaps)}
    | dict.fromkeys(("bias", "threshold", "width", "copy", "base", "first_shift", "shift"), 1.0)
    | {"tau": GF180.map_tau, "parasitic": GF180.map_parasitic}
)


def ladders(stage, thresholds=(1.0, 1.3, 1.95)):
    d = len(thresholds)
    cell = Cmru(
        "rec",
        np.ones((d, 1)),
        np.zeros(d),
        threshold=np.array(thresholds),
        alpha=np.full(d, 0.5),
        k_min=0,
        k_max=4,
        initial=np.zeros(d),
    )
    return map_network(Network((cell,)), GF180, replace(stage_options(stage), input_bound=6.0))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("cell", range(3))
def test_whole_units_keep_the_thresholds_at_one_half_window(stage, cell):
    design = ladders(stage)
    result = achieved(design, design.ladders[0], cell)
    # up: one rounding of EXACT; down: that of the width as well; inner stages: that of the DPI's three lines as well
    assert_allclose(result.up, 1.0, atol=2.5 * EXACT)
    assert_allclose(result.down, -1.0, atol=4.5 * EXACT)


def test_every_ladder_of_a_trained_network_meets_its_thresholds():
    design = map_network(load(library.network_path("digits_d16_k2")), GF180, stage_options("standard"))
    ladder = design.ladders[0]
    errors = [
        abs(abs(value) - 1.0)
        for cell in range(ladder.width)
        for result in [achieved(design, ladder, cell)]
        for value in (*result.up, *result.down)
    ]
    assert max(errors) < 4.5 * EXACT


def test_without_deviations_the_lines_carry_the_designs_currents():
    design = ladders("standard")
    ladder = design.ladders[0]
    found = bias_currents(design, ladder, 1, NEUTRAL)
    for line in ("th", "hyst", "base", "shift", "gain", "alpha"):
        assert found[line] == pytest.approx(getattr(ladder, f"i_{line}")[1], rel=1e-12)
    assert found["tau"] == pytest.approx(design.timing.i_tau, rel=1e-12)
    units = bias_units(design, ladder, 1, NEUTRAL)
    result = achieved(design, ladder, 1, NEUTRAL)
    for line, (p, k) in units.items():
        assert result.currents[line] == pytest.approx(p / k / REFERENCE_UNITS * design.unit_current, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold", 0.9),
        ("copy", 1.1),
        ("base", 1.1),
        ("clamp", 0.02),
        ("pulse_down", 0.2),
        ("trim_up", 0.1),
        ("trim_first", 0.05),
        ("copy_slope", -0.02),
        ("shift_slope", -0.2),
    ],
)
def test_a_deviation_of_a_block_is_compensated(name, value):
    """The units chosen with the deviation give the thresholds; those chosen without it do not."""
    design = ladders("standard")
    ladder, maps = design.ladders[0], replace(NEUTRAL, **{name: value})
    good = achieved(design, ladder, 0, maps)
    bad = achieved(design, ladder, 0, maps, units=bias_units(design, ladder, 0, NEUTRAL))
    error = [max(abs(abs(v) - 1.0) for v in (*result.up, *result.down)) for result in (good, bad)]
    assert error[0] < 4.5 * EXACT < error[1]


def test_a_dpi_with_more_drive_than_its_target_follows_its_slope():
    design = ladders("standard")
    ladder, maps = design.ladders[0], replace(NEUTRAL, shift_drive=0.05)
    units = bias_units(design, ladder, 0, maps)
    p, k = units["on"]
    (r, s), asked = units["tau"], bias_currents(design, ladder, 0, maps)
    # drive and leak twice as large: the same output, except for the slope
    doubled = units | {"on": (2 * p, k), "tau": (2 * r, s)}
    once, twice = (achieved(design, ladder, 0, maps, units=chosen).shift[1] for chosen in (units, doubled))
    gain = maps.dpi(p / k / REFERENCE_UNITS * design.unit_current, asked["gain"], design.unit_current)
    assert twice / once - 1.0 == pytest.approx(0.05 * math.log(2.0) / gain, rel=0.01)


def test_a_bare_stage_has_its_own_trims():
    design = map_network(load(library.network_path("digits_bmru_d16")), GF180, stage_options("standard"))
    maps = maps_of(design, design.ladders[0], 0)
    assert maps.trim_down == GF180.standard.bare_trim_down
    assert maps.pulse_down == GF180.standard.bare_pulse_down < GF180.standard.pulse_down


def test_a_longer_pulse_needs_less_overdrive():
    design = ladders("standard")
    longer = replace(design, timing=replace(design.timing, pulse=2.0 * design.timing.pulse))
    assert lateness(longer, design.ladders[0], 0) == pytest.approx(lateness(design, design.ladders[0], 0) / 4.0)
    # the wider half window has the faster input: t_in is proportional to 1/current
    late = [lateness(design, design.ladders[0], cell) for cell in range(3)]
    assert_allclose(late, late[0] / np.array([1.0, 1.3, 1.95]) ** 2, rtol=1e-12)


def test_the_line_carries_what_its_clamp_adds():
    maps = replace(NEUTRAL, clamp=0.01)
    line = maps.line(2.0, -1.5)
    # line = base + candidate + clamp base^2 / line
    assert line == pytest.approx(0.5 + 0.01 * 4.0 / line, rel=1e-12)
    assert maps.line(2.0, -50.0) > 0.0


def test_the_maps_of_a_ladder_follow_its_half_window_and_device():
    design = ladders("standard")
    narrow, wide = (maps_of(design, design.ladders[0], cell) for cell in (0, 2))
    assert wide.threshold > narrow.threshold
    assert wide.shift == narrow.shift
    square = maps_of(ladders("default"), ladders("default").ladders[0], 0)
    assert square.trim_down == GF180.sizes[1].trim_down
    assert math.isclose(narrow.trim_down, GF180.standard.trim_down)
