"""The DPI and the ladder in continuous time against scipy's integrator, closed forms and their own order."""

import math

import numpy as np
import pytest
from helpers import direct, mapped
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import solve_ivp

from analogrnn.chip import nominal_chip
from analogrnn.design import input_time_constants
from analogrnn.kernels import waveform
from analogrnn.simulate import ladder_waveforms
from analogrnn.streams import stream

dpi_step = waveform.dpi_step
PLAIN_STEP = getattr(waveform.dpi_step, "py_func", waveform.dpi_step)
PLAIN_LADDER = getattr(waveform.ladder_waveform, "py_func", waveform.ladder_waveform)
FLOOR = 1e-15 / 4.7e-9  # leakage over the shift of the prototype, I_s = 2.2 beta at beta = 2.15 nA


def rise(d0, times, drive_ratio):
    """The ODE of the docstring, tau = 1, to 1e-11."""
    span = drive_ratio - 1.0
    # in the log of d, which a small d needs
    run = solve_ivp(
        lambda t, z: span * (1.0 - np.exp(z)) / (1.0 + span * np.exp(z)),
        (0.0, times[-1]),
        [math.log(d0)],
        t_eval=times,
        rtol=1e-11,
        atol=1e-12,
    )
    return np.exp(run.y[0])


@pytest.mark.parametrize("d0", [FLOOR, 1e-3, 0.5, 0.99])
@pytest.mark.parametrize("drive_ratio", [5.0, 25.0, 100.0])
def test_a_rise_follows_the_differential_equation(drive_ratio, d0):
    times = np.geomspace(0.01, 6.0, 12)
    found = [dpi_step(d0, True, t, 1.0, drive_ratio, FLOOR) for t in times]
    # 1e-5 of d a step of 0.25/(R-1) tau while d is small, so 1e-5 ln(1/d0)/0.25 until d is of order one, and once
    # more after that; errors of d are multiplied by (1 - d) from there on, so they can't grow
    bound = 1e-5 * (math.log(1.0 / d0) / 0.25 + 2.0)
    assert_allclose(found, rise(d0, times, drive_ratio), rtol=bound)


def test_one_step_of_a_small_output_has_the_stated_local_error():
    # d' = d while d (R-1) << 1, in units of tau/(R-1); Runge-Kutta of order 4 misses exp(h) by h^5/120 = 8e-6
    step = 0.25 / 24.0
    assert abs(dpi_step(1e-9, True, step, 1.0, 25.0, FLOOR) / (1e-9 * math.exp(0.25)) - 1.0) < 1e-5


def test_a_rise_in_many_short_steps_is_the_rise_in_one():
    whole, parts = dpi_step(1e-6, True, 3.0, 1.0, 25.0, FLOOR), 1e-6
    for _ in range(300):
        parts = dpi_step(parts, True, 0.01, 1.0, 25.0, FLOOR)
    assert_allclose(parts, whole, rtol=1e-5 * (math.log(1e6) / 0.25 + 2.0))


@pytest.mark.parametrize("d0", [1.0, 0.3, 1e-5, FLOOR])
def test_the_fall_is_the_exact_exponential_towards_the_floor(d0):
    for t in (1e-6, 0.1, 1.0, 30.0):
        found = dpi_step(d0, False, 2.0 * t, 2.0, 25.0, FLOOR)
        assert_allclose(found, FLOOR + (d0 - FLOOR) * math.exp(-t), rtol=4e-16)


def test_falls_compose():
    once, twice = dpi_step(0.8, False, 3.0, 1.0, 25.0, FLOOR), dpi_step(0.8, False, 1.0, 1.0, 25.0, FLOOR)
    # three roundings of the exponential
    assert_allclose(dpi_step(twice, False, 2.0, 1.0, 25.0, FLOOR), once, rtol=1e-15)


def test_the_settled_states_are_exact():
    """A state holds for ever: no drift from rounding, however long the hold and however it is cut into steps."""
    for dt in (1e-6, 0.1, 1e6):
        assert dpi_step(1.0, True, dt, 1.0, 25.0, FLOOR) == 1.0
        assert dpi_step(FLOOR, False, dt, 1.0, 25.0, FLOOR) == FLOOR


def test_a_step_of_no_length_changes_nothing():
    assert dpi_step(0.3, True, 0.0, 1.0, 25.0, FLOOR) == 0.3
    assert dpi_step(0.3, False, 0.0, 1.0, 25.0, FLOOR) == 0.3


def test_the_output_stays_between_the_floor_and_the_set_value_and_rises_with_time():
    at = [dpi_step(FLOOR, True, t, 1.0, 25.0, FLOOR) for t in np.linspace(0.0, 60.0, 400)]
    assert np.all(np.diff(at) >= 0.0)
    assert at[0] == FLOOR
    assert at[-1] <= 1.0
    # steps of 0.25 tau stall once 0.25 (1 - d) is below the rounding of d, and 240 roundings come before that
    assert at[-1] == pytest.approx(1.0, abs=244 * np.finfo(float).eps)


@pytest.mark.parametrize("on", [True, False])
def test_the_compiled_step_is_the_plain_one(on):
    for d in (FLOOR, 0.01, 0.7):
        for dt in (1e-3, 0.3, 5.0):
            # two implementations of exp
            assert_allclose(dpi_step(d, on, dt, 1.0, 25.0, FLOOR), PLAIN_STEP(d, on, dt, 1.0, 25.0, FLOOR), rtol=1e-14)


def dead_time(off, drive_ratio):
    """How much later than a linear filter the output passes half of its set value after `off` tau OFF, in tau.

    A linear filter that starts from d0 gets there after ln(2 (1 - d0)).
    """
    start = dpi_step(1.0, False, off, 1.0, drive_ratio, FLOOR)
    low, high = 0.0, 50.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if dpi_step(start, True, middle, 1.0, drive_ratio, FLOOR) < 0.5:
            low = middle
        else:
            high = middle
    return high - math.log(2.0 * (1.0 - start))


@pytest.mark.parametrize(
    ("off", "drive_ratio", "measured"), [(1, 25, 0.0), (8, 25, 0.31), (20, 25, 0.66), (20, 5, 3.8)]
)
def test_the_dead_time_of_a_rise_is_that_of_the_transistor_circuit(off, drive_ratio, measured):
    """A DPI that was OFF for longer starts from a smaller current. Measured on foundry models, I_s = 4.7 nA."""
    # the floor is known to a factor of ten, and ln(10)/(R - 1) = 0.1 tau at R = 25
    assert dead_time(off, drive_ratio) == pytest.approx(measured, abs=0.1)


@pytest.mark.parametrize("drive_ratio", [5.0, 25.0, 100.0])
def test_each_tau_off_costs_a_part_of_tau_in_the_next_rise_until_the_leakage_stops_it(drive_ratio):
    """Integrating the rise by parts, the time to half from d0 is that of a linear filter + ln((1 - d0)/d0)/(R - 1)."""
    for off in (1.0, 2.0, 4.0, 8.0, 12.0, 20.0, 80.0):
        d0 = FLOOR + (1.0 - FLOOR) * math.exp(-off)
        # the error of d, as in the first test, over the slope of a rise at its half: 1/2 (R-1)/(R+1), at least 1/3
        bound = 3.0 * 0.5 * 1e-5 * (math.log(1.0 / d0) / 0.25 + 2.0)
        assert dead_time(off, drive_ratio) == pytest.approx(math.log((1.0 - d0) / d0) / (drive_ratio - 1.0), abs=bound)


def test_rise_time_is_when_the_output_passes_its_value():
    timing = mapped(direct(4)).timing
    for y in (1.0, 4.0, 12.0):
        found = dpi_step(timing.i_floor, True, timing.rise_time(y), timing.tau, timing.drive_ratio, timing.i_floor)
        # the rise time leaves ln(1 - d0) out, and exp(-y) of ln(d); both change the distance to 1 by its own square
        assert 1.0 - found == pytest.approx(math.exp(-y), rel=math.exp(-y) + 1e-3)


# ---------------------------------------------------------------- the ladder


def one_ladder(stages, candidates, **options):
    chip = nominal_chip(mapped(direct(stages, d=1, threshold=1.0, initial=0)))
    return ladder_waveforms(chip, chip.ladders[0], 0, np.asarray(candidates, dtype=float), **options)


def test_switching_times_converge_with_the_first_order_of_the_grid():
    """A stage switches at the end of the interval in which its input crosses the threshold.

    From rest, one candidate u brings the input to beta above it after t_in ln(u / (u - beta)).
    """
    chip = nominal_chip(mapped(direct(2, d=1, threshold=1.0, initial=0)))
    design, ladder = chip.design, chip.ladders[0]
    t_in = float(input_time_constants(design.ladders[0], design.sizing.cell, design.technology)[0])
    amplitudes = stream(1, "test", "amplitudes").uniform(1.2, 6.0, 200)
    exact = t_in * np.log(amplitudes / (amplitudes - 1.0))
    grids, errors = [4, 8, 16, 32], []
    for points in grids:
        waves = [ladder_waveforms(chip, ladder, 0, np.array([0.0, u]), points_per_t_in=points) for u in amplitudes]
        begin = waves[0].schedule.starts()[-1] + waves[0].schedule.lead
        late = np.array([wave.time[np.argmax(wave.on[:, 0])] for wave in waves]) - begin - exact
        # the upper neighbour's floor, 5e-7 of I_s, brings the crossing forward by less than 1e-5 t_in at u = 1.2 beta
        assert late.min() > -1e-5 * t_in
        assert late.max() < t_in / points
        errors.append(late.mean())
    order = -np.polyfit(np.log(grids), np.log(errors), 1)[0]
    # a crossing falls anywhere in its interval: means of 200 are known to 1/sqrt(3 x 200) = 4 %, the slope of four of
    # them over three octaves to 4 % / (ln 2 sqrt 5) = 0.026; allow four of those
    assert order == pytest.approx(1.0, abs=0.1)


def test_the_levels_do_not_depend_on_the_grid():
    candidates = [2.0, 5.0, 0.0, -1.2, 1.2, 3.0, -8.0, 0.5]
    coarse = one_ladder(4, candidates, points_per_t_in=4).stages
    for points in (8, 32):
        assert_array_equal(one_ladder(4, candidates, points_per_t_in=points).stages, coarse)


def test_the_settled_ladder_does_not_move_to_the_last_bit():
    wave = one_ladder(4, [2.0, 2.0] + 40 * [0.0])
    settled = wave.read[-10:]
    assert_array_equal(wave.on[settled], np.tile([1, 1, 0, 0], (10, 1)))
    assert_array_equal(wave.d[settled], np.tile(wave.d[settled[0]], (10, 1)))
    assert_array_equal(wave.i_in[settled], np.tile(wave.i_in[settled[0]], (10, 1)))
    # steps of 0.05 tau stall once 0.05 (1 - d) is below half a rounding
    assert_allclose(wave.d[settled[0], :2], 1.0, atol=10 * np.finfo(float).eps)
    assert_allclose(wave.d[settled[0], 2:], mapped(direct(4, d=1, threshold=1.0)).timing.i_floor, rtol=1e-9)


def test_the_input_node_relaxes_with_its_time_constant():
    # one stage at rest, its line stepped from 0 to 1 nA: exact for any grid, since the drive is constant
    points, t_in = 50, 2e-6
    u, dt = np.full(points, 1e-9), np.full(points, 0.3e-6)
    stage = np.array([[5e-9], [1e-9], [1.0], [0.0], [0.0]])
    on, d, i_in = (np.empty((points, 1), kind) for kind in (np.uint8, float, float))
    state = np.array([[0.0], [FLOOR], [0.0]])
    scalars = np.array([t_in, 1e-4, 25.0, FLOOR, 0.0])
    waveform.ladder_waveform(u, np.zeros(points), dt, stage, scalars, state, on, d, i_in)
    # fifty roundings of one exponential each
    assert_allclose(i_in[:, 0], 1e-9 * (1.0 - np.exp(-np.cumsum(dt) / t_in)), rtol=1e-13)
    assert_array_equal(state, [on[-1], d[-1], i_in[-1]])


def test_a_negative_line_current_counts_as_none():
    """The unipolar input line can't sink."""
    deep, zero = one_ladder(3, [2.0, 2.0, -1.5]), one_ladder(3, [2.0, 2.0, -1e6])
    assert_array_equal(zero.stages[-1], [True, False, False])
    assert_array_equal(deep.stages[-1], zero.stages[-1])


@pytest.mark.parametrize("stages", [1, 2, 5, 16])
def test_a_ladder_that_powers_up_all_on_is_off_after_the_reset_steps(stages):
    """With the line at zero and I_s below I_lo, stages let go one by one from the top."""
    design = mapped(direct(stages, d=1, threshold=1.0))
    ladder = nominal_chip(design).ladders[0]
    timing, currents = design.timing, ladder.currents
    points = 400 * timing.reset_steps
    dt = np.full(points, timing.period / 400)
    stage = np.stack([currents.i_hi[0], currents.i_lo[0], currents.copy[0], currents.left[0], currents.right[0]])
    state = np.ones((3, stages))
    on, d, i_in = (np.empty((points, stages), kind) for kind in (np.uint8, float, float))
    scalars = np.array([timing.pulse / 12, timing.tau, timing.drive_ratio, timing.i_floor, 0.0])
    waveform.ladder_waveform(np.zeros(points), np.zeros(points), dt, stage, scalars, state, on, d, i_in)
    assert on[0].all()
    assert not on[-1].any()
    # and the residual of the DPIs shifts no window by more than exp(-4)
    assert d[-1].max() < math.exp(-4.0)


def test_the_compiled_ladder_is_the_plain_one():
    net = direct(2, d=1, threshold=1.0)
    chip = nominal_chip(mapped(net))
    ladder, timing = chip.ladders[0], chip.design.timing
    currents = ladder.currents
    stage = np.stack([currents.i_hi[0], currents.i_lo[0], currents.copy[0], currents.left[0], currents.right[0]])
    u = np.repeat([0.0, 2e-9, 0.0, 2e-9, 0.0, -3e-9, 0.0], 30)
    dt = (
        np.repeat(
            [timing.pulse, timing.pulse, timing.period, timing.pulse, timing.period, timing.pulse, timing.pulse], 30
        )
        / 30
    )
    base = np.full(len(u), currents.base[0])
    scalars = np.array([timing.pulse / 12, timing.tau, timing.drive_ratio, timing.i_floor, 0.0])
    results = []
    for kernel in (waveform.ladder_waveform, PLAIN_LADDER):
        state = np.array([[0.0, 0.0], [timing.i_floor] * 2, [0.0, 0.0]])
        on, d, i_in = (np.empty((len(u), 2), kind) for kind in (np.uint8, float, float))
        kernel(u, base, dt, stage, scalars, state, on, d, i_in)
        results.append((on, d, i_in))
    assert_array_equal(results[0][0], results[1][0])
    assert_array_equal(np.unique(results[0][0].sum(axis=1)), [0, 1, 2])
    # two implementations of exp, over 210 intervals
    assert_allclose(results[0][1], results[1][1], rtol=1e-11)
    assert_allclose(results[0][2], results[1][2], rtol=1e-11)
