"""Ladders in vector lanes against the plain ladder, scipy's integrator and the closed form of a rise."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import solve_ivp

from analogrnn.kernels.waveform import ladder_waveform
from analogrnn.kernels.waveform_lanes import LANES, LONGEST, in_order, ladders_waveform, rise_polynomials, side_by_side
from analogrnn.streams import stream

TAU, RATIO, FLOOR = 100e-6, 25.0, 1e-3
BETA, T_IN = 2.15e-9, 1.25e-6
SPAN = RATIO - 1.0


def ladders(cells=16, stages=5, points=3000, dt=0.5 * T_IN):
    """Lines (P, C), dt (P,) and stages (5, N, C): random pulses of 0.15 tau, devices that spread by 3 %."""
    draw = stream(1, "test", "lanes", cells, stages)
    centre, shift = 3.4 * BETA, 1.8 * BETA
    stage = np.array([centre + BETA, centre - BETA, 1.0, shift, shift])[:, None, None]
    stage = stage * (1.0 + 0.03 * draw.normal(size=(5, stages, cells)))
    stage[4, -1] = 0.0
    time = np.arange(points) * dt
    high = 2.0 * BETA * draw.choice([-1.0, 0.0, 1.0, 1.0], (points, cells))
    pulse = (time % (6.0 * TAU) < 0.15 * TAU)[:, None] * high[(time // (6.0 * TAU)).astype(int)]
    return np.maximum(centre - shift + pulse, 0.0), np.full(points, dt), stage


def together(line, dt, stage, **options):
    """on, d, state of all ladders in lanes; `cuts` multiplies the number of steps in a rise; W lanes of `kind`."""
    instant, state, parts, rows, results, cuts, kind = (
        {
            "instant": False,
            "state": None,
            "parts": None,
            "rows": None,
            "results": np.float64,
            "cuts": 1,
            "kind": np.float64,
        }
        | options
    ).values()
    points, (_, stages, cells) = len(dt), stage.shape
    if state is None:
        state = np.zeros((3, stages, cells))
        state[1] = FLOOR
    lengths, kinds = np.unique(dt, return_inverse=True)
    count = cuts * np.maximum(np.ceil(lengths * SPAN / TAU / LONGEST), 1.0).astype(np.int64)
    rows = np.arange(points) if rows is None else rows
    packed = side_by_side(stage, state, kind)
    on = np.zeros((rows.max() + 1, stages, cells // 8), dtype=np.uint8)
    d = np.zeros((len(packed), rows.max() + 1, stages, cells // len(packed)), dtype=results)
    follow = np.repeat(-np.expm1(-lengths / T_IN)[:, None], cells, axis=1)
    for part in parts or [(0, len(packed))]:
        ladders_waveform(
            line.astype(kind),
            np.arange(points),
            kinds,
            follow.astype(kind),
            np.exp(-lengths / TAU),
            count,
            rise_polynomials(lengths / TAU / count, RATIO),
            np.array([RATIO, FLOOR, float(instant)]),
            np.array(part),
            packed,
            rows,
            on,
            d,
        )
    return np.unpackbits(on, axis=2, bitorder="little"), in_order(d), in_order(packed).swapaxes(0, 1)[:3]


def alone(line, dt, stage, *, instant=False):
    """on, d (P, N, C) of the plain kernel, ladder after ladder."""
    points, (_, stages, cells) = len(dt), stage.shape
    on, d, i_in = (np.empty((cells, points, stages), kind) for kind in (np.uint8, float, float))
    scalars = np.array([T_IN, TAU, RATIO, FLOOR, float(instant)])
    for c in range(cells):
        state = np.zeros((3, stages))
        state[1] = FLOOR
        ladder_waveform(
            np.ascontiguousarray(line[:, c]),
            np.zeros(points),
            dt,
            np.ascontiguousarray(stage[:, :, c]),
            scalars,
            state,
            on[c],
            d[c],
            i_in[c],
        )
    return on.transpose(1, 2, 0), d.transpose(1, 2, 0)


@pytest.mark.parametrize("ratio", [1.5, 5.0, 25.0, 1000.0])
@pytest.mark.parametrize(("part", "bound"), [(LONGEST, 1.1e-10), (0.15, 1e-14)])
def test_the_polynomial_of_a_rise_fulfils_its_closed_form(ratio, part, bound):
    """The time that a step takes by the closed form of the rise is the step's length, from any d."""
    span, h = ratio - 1.0, part / (ratio - 1.0)
    d = np.concatenate([[0.0], np.geomspace(1e-12, 1.0, 2000), 1.0 - np.geomspace(1e-12, 0.5, 1000)])
    x = (2.0 * ratio / (1.0 + span * d) - ratio - 1.0) / span
    g = np.polynomial.polynomial.polyval(x, rise_polynomials(np.array([h]), ratio)[0])
    found = np.log1p((1.0 - d) * g) - ratio * np.log1p(-d * g)
    # the slope of `found` over g is (1-d)/(1 + (1-d) g) + R d/(1 - d g), and 1 - g > exp(-LONGEST/1.5): less than
    # 1.33 (1 + (R-1) d)
    assert np.all(np.abs(found - part) < 1.33 * bound * (1.0 + span * d))


def test_a_stage_held_on_follows_the_differential_equation():
    points, dt = 2000, 0.004 * TAU
    line, stage = np.zeros((points, LANES)), np.zeros((5, 1, LANES))
    stage[0], stage[1] = 1.0, -1.0  # A: never sets, never resets
    start = np.geomspace(1e-9, 0.999, LANES)
    state = np.stack([np.ones((1, LANES)), start[None], np.zeros((1, LANES))])
    _, d, _ = together(line, np.full(points, dt), stage, state=state)
    for lane, d0 in enumerate(start):
        # in ln d, which a small d needs
        times = np.arange(1, points + 1) * dt / TAU
        exact = solve_ivp(
            lambda _, z: SPAN * -np.expm1(z) / (1.0 + SPAN * np.exp(z)),
            (0.0, times[-1]),
            [math.log(d0)],
            t_eval=times,
            rtol=1e-12,
            atol=1e-13,
        )
        # the integrator's tolerance over some hundred steps; the kernel's 2,000 roundings are far below that
        assert_allclose(d[:, 0, lane], np.exp(exact.y[0]), rtol=1e-9)


@pytest.mark.parametrize("stages", [1, 2, 5, 8])
def test_every_stage_is_that_of_the_plain_ladder_at_every_point(stages):
    line, dt, stage = ladders(stages=stages)
    on, d, _ = together(line, dt, stage)
    wanted_on, wanted_d = alone(line, dt, stage)
    assert_array_equal(on, wanted_on)
    assert len(np.unique(on.sum(axis=1))) == min(stages, 3) + 1  # four pulses, which don't all point up
    # of the plain kernel's Runge-Kutta steps s = dt (R-1)/tau: s^5/120 of d each, ln(1/floor)/s of them until d is of
    # order one, and twice 1/s more
    s = dt[0] * SPAN / TAU
    assert_allclose(d, wanted_d, rtol=s**4 / 120.0 * (math.log(1.0 / FLOOR) + 2.0))


def test_a_stage_that_resets_rises_for_that_interval_still():
    """And among ladders at rest: the lanes beside it are all OFF."""
    line, dt, stage = ladders(cells=LANES, stages=1, points=600)
    line[:] = 0.0
    line[50:300, 3] = 6.0 * BETA
    on, d, _ = together(line, dt, stage)
    wanted_on, wanted_d = alone(line, dt, stage)
    assert_array_equal(on, wanted_on)
    assert_array_equal(np.abs(np.diff(on[:, 0].astype(int), axis=0)).sum(axis=0), 2 * (np.arange(LANES) == 3))
    # as above; one interval too few would cost dt/tau = 0.6 %
    assert_allclose(d, wanted_d, rtol=1e-4)


def test_thresholds_are_passed_when_they_are_reached():
    """At i_hi a stage sets, at i_lo it resets; the intervals are so long that the current is the line's to the bit."""
    line = np.repeat(np.array([0.0, 1.0, 2.0, 3.0, 2.0, 1.0])[:, None], LANES, axis=1)  # A
    stage = np.array([3.0, 1.0, 1.0, 0.0, 0.0])[:, None, None] * np.ones((1, 1, LANES))
    on, _, _ = together(line, np.full(len(line), 1e3 * T_IN), stage)
    assert_array_equal(on[:, 0].T, np.tile([0, 0, 0, 1, 1, 0], (LANES, 1)))
    for i_hi, i_lo, wanted in [(3.0 + 1e-15, 1.0, 0), (3.0, 1.0 - 1e-15, 1)]:
        stage[0], stage[1] = i_hi, i_lo
        assert_array_equal(together(line, np.full(len(line), 1e3 * T_IN), stage)[0][-1], wanted)


@pytest.mark.parametrize("stages", [1, 5])
def test_single_precision_decides_alike_at_every_point(stages):
    line, dt, stage = ladders(cells=32, stages=stages)
    on, d, _ = together(line, dt, stage, kind=np.float32, results=np.float32)
    wanted_on, wanted_d, _ = together(line, dt, stage)
    assert_array_equal(on, wanted_on)
    # a rise stalls where its step (1-d) dt/tau is below half a rounding near one; on its way there each of some 20
    # roundings of a step, in each of 10 tau/dt steps, is passed on
    eps, h = float(np.finfo(np.float32).eps), dt[0] / TAU
    assert_allclose(d, wanted_d, rtol=0.5 * eps / h + 20.0 * eps * math.sqrt(10.0 / h))


def test_a_dpi_that_follows_at_once_follows_in_lanes_too():
    line, dt, stage = ladders(points=1200)
    on, d, _ = together(line, dt, stage, instant=True)
    wanted_on, wanted_d = alone(line, dt, stage, instant=True)
    assert_array_equal(on, wanted_on)
    assert_array_equal(d, wanted_d)
    assert on.any()


def test_long_intervals_are_cut_into_steps_that_compose():
    """Intervals of 0.05 tau take three steps of a rise; six find the same."""
    line, _, stage = ladders(points=400)
    dt = np.resize([0.5 * T_IN, 0.05 * TAU, 2.0 * T_IN], len(line))
    on, d, _ = together(line, dt, stage)
    finer_on, finer_d, _ = together(line, dt, stage, cuts=2)
    assert_array_equal(on, finer_on)
    # 1e-10 of d for each of the steps, of which ln(1/floor) / LONGEST = 17 happen before d is of order one
    assert_allclose(d, finer_d, rtol=1e-10 * (math.log(1.0 / FLOOR) / LONGEST + 5.0))
    assert d.max() > 0.9


def test_parts_and_neighbours_do_not_change_a_ladder_to_the_last_bit():
    line, dt, stage = ladders(cells=32, points=700)
    whole = together(line, dt, stage)
    for found, wanted in zip(together(line, dt, stage, parts=[(3, 4), (0, 1), (1, 3)]), whole, strict=True):
        assert_array_equal(found, wanted)
    order = stream(1, "test", "order").permutation(32)
    moved = together(np.ascontiguousarray(line[:, order]), dt, stage[:, :, order])
    for found, wanted in zip(moved, whole, strict=True):
        assert_array_equal(found, wanted[:, :, order])


def test_only_the_wanted_rows_are_kept_and_single_precision_is_double_precision_rounded():
    line, dt, stage = ladders(points=700)
    on, d, state = together(line, dt, stage)
    rows = np.full(len(line), -1)
    rows[[10, 400, 699]] = [0, 2, 1]
    few_on, few_d, few_state = together(line, dt, stage, rows=rows, results=np.float32)
    assert_array_equal(few_on, on[[10, 699, 400]])
    assert_array_equal(few_d, d[[10, 699, 400]].astype(np.float32))
    assert_array_equal(few_state, state)
    assert_array_equal(state[:2], [on[-1], d[-1]])


def test_the_settled_states_are_exact():
    line, stage = np.zeros((900, LANES)), np.zeros((5, 2, LANES))
    stage[0], stage[1] = 1.0, -1.0
    state = np.zeros((3, 2, LANES))
    state[:2, 0], state[1, 1] = 1.0, FLOOR
    _, d, after = together(line, np.resize([1e-9, 1e-6, 0.05 * TAU], len(line)), stage, state=state)
    assert_array_equal(d[:, 0], 1.0)
    assert_array_equal(d[:, 1], FLOOR)
    assert_array_equal(after, state)


OTHER_CPU = """
import sys
import numpy as np
from test_waveform_lanes import ladders, together
on, d, _ = together(*ladders(points=1500))
single, _, _ = together(*ladders(points=1500), kind=np.float32)
np.savez(sys.argv[1], on=on, d=d, single=single)
"""


def test_a_cpu_without_wide_vectors_finds_the_same(tmp_path):
    environment = os.environ | {
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    subprocess.run(
        [sys.executable, "-c", OTHER_CPU, str(tmp_path / "found.npz")],
        check=True,
        env=environment,
        cwd=os.path.dirname(__file__),
    )
    found = np.load(tmp_path / "found.npz")
    on, d, _ = together(*ladders(points=1500))
    assert_array_equal(found["on"], on)
    assert_array_equal(found["single"], on)
    # it rounds products before they are added: some 20 roundings in each of 1,500 steps
    assert_allclose(found["d"], d, rtol=1500 * 20 * np.finfo(float).eps)
