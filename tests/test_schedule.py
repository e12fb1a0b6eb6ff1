"""The clock that the waveform level and the decks share."""

import numpy as np
import pytest
from helpers import direct, mapped
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.errors import ParameterError
from analogrnn.schedule import CONTROLS, READ_AT, Schedule, build_schedule, period_grid

DESIGN = mapped(direct(4, d=1, threshold=1.0, initial=3))
TIMING = DESIGN.timing
T_IN = TIMING.pulse / 12.0
grids = pytest.mark.parametrize("points", [1, 4, 8, 33])


def test_a_run_is_the_reset_then_the_presets_then_one_step_per_frame():
    schedule = build_schedule(DESIGN, 7)
    assert (schedule.reset_steps, schedule.preset_steps, schedule.frames) == (TIMING.reset_steps, 3, 7)
    assert schedule.first_frame == TIMING.reset_steps + 3
    assert schedule.steps == schedule.first_frame + 7
    assert schedule.duration == schedule.steps * TIMING.period
    assert_allclose(schedule.starts(), np.arange(schedule.steps) * TIMING.period, rtol=1e-15)


def test_levels_are_read_near_the_end_of_every_frame_and_of_no_other_step():
    schedule = build_schedule(DESIGN, 5)
    # two roundings
    assert_allclose(schedule.read_times(), schedule.starts()[-5:] + READ_AT * TIMING.period, rtol=1e-15)
    assert schedule.read_times()[-1] < schedule.duration


def test_the_pulse_follows_the_inputs_and_ends_long_before_the_reading():
    schedule = build_schedule(DESIGN, 1)
    assert schedule.lead == TIMING.lead > 2.0 * TIMING.pulse
    # the input node, which decides, has several pulses of 12 t_in
    assert READ_AT * TIMING.period - schedule.lead > 5.0 * TIMING.pulse
    # the error of the DPI at the next pulse is below the least settling that the inequalities allow
    assert (TIMING.period - TIMING.pulse) / TIMING.tau > 4.0


@pytest.mark.parametrize("control", CONTROLS)
def test_only_the_control_without_reset_leaves_the_reset_out(control):
    schedule = build_schedule(DESIGN, 2, control)
    assert schedule.reset_steps == (0 if control == "no_reset" else TIMING.reset_steps)
    assert schedule.preset_steps == 3


def test_a_control_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(ParameterError, match=r"control = 'no_clock' is unknown; known: .*'forward_only'"):
        build_schedule(DESIGN, 2, "no_clock")


def test_a_schedule_without_frames_reads_nothing():
    assert Schedule(TIMING, 1, 0, 0).read_times().shape == (0,)


@grids
def test_the_grid_fills_the_period_without_gap_or_overlap(points):
    grid = period_grid(TIMING, T_IN, points_per_t_in=points)
    assert np.all(grid.lengths > 0.0)
    assert grid.ends[-1] == TIMING.period
    # the sum of a thousand lengths, each rounded
    assert grid.lengths.sum() == pytest.approx(TIMING.period, rel=1e-12)


@grids
def test_the_pulse_on_the_grid_lasts_t_p_and_starts_after_the_lead(points):
    grid = period_grid(TIMING, T_IN, points_per_t_in=points)
    inside = np.flatnonzero(grid.pulsed)
    assert_array_equal(np.diff(inside), 1)
    assert grid.ends[inside[0] - 1] == TIMING.lead
    # differences of neighbouring times, rounded at the size of the pulse
    assert grid.lengths[grid.pulsed].sum() == pytest.approx(TIMING.pulse, rel=1e-12)


@grids
def test_the_grid_is_fine_while_currents_move_and_never_coarser_than_the_dpis_allow(points):
    grid = period_grid(TIMING, T_IN, points_per_t_in=points)
    fine = T_IN / points
    moving = (grid.ends > TIMING.lead) & (grid.ends <= TIMING.lead + TIMING.pulse + 12.0 * T_IN)
    assert grid.lengths[moving].max() <= fine * (1.0 + 1e-9)
    assert grid.lengths.max() <= max(TIMING.tau / 20.0, fine) * (1.0 + 1e-9)


@grids
def test_the_reading_is_on_the_grid(points):
    grid = period_grid(TIMING, T_IN, points_per_t_in=points)
    assert grid.ends[grid.read] == READ_AT * TIMING.period


def test_more_points_per_tau_shorten_the_longest_interval():
    coarse, fine = (period_grid(TIMING, T_IN, points_per_tau=n).lengths.max() for n in (20, 80))
    # the longest interval is tau over the points asked for
    assert coarse / fine == pytest.approx(4.0, rel=1e-9)


def test_the_reset_lasts_until_all_stages_have_reset_one_by_one():
    steps = [mapped(direct(stages, d=1, threshold=1.0)).timing.reset_steps for stages in (1, 2, 8, 16)]
    assert steps == sorted(steps)
    assert steps[-1] > steps[0] >= 1
