"""The step kernel against its own source without the compiler, and against a reference written from its docstring."""

import numpy as np
import pytest
from helpers import patterns
from numpy.testing import assert_array_equal

from analogrnn import cells
from analogrnn.kernels.ladder_steps import ladder_steps
from analogrnn.streams import stream

PLAIN = getattr(ladder_steps, "py_func", ladder_steps)
both = pytest.mark.parametrize("kernel", [ladder_steps, PLAIN], ids=["compiled", "plain"])
rests = pytest.mark.parametrize("rest", [True, False], ids=["rest", "no rest"])


def run(kernel, c, up, down, *, rest=True, start=0):
    """Stages ON (T, S, d) for candidates c (T, S, d), and the state that is left behind."""
    c, up, down = (np.ascontiguousarray(a, dtype=float) for a in (c, up, down))
    n = np.full(c.shape[1:], start, dtype=np.int64)
    out = np.full(c.shape, -99, dtype=np.int8)
    kernel(c, up, down, rest, n, out)
    return out, n


def one(kernel, c, up, down, *, rest=True, start=0):
    """Stages ON (T,) of a single ladder."""
    return run(kernel, np.reshape(c, (-1, 1, 1)), [up], [down], rest=rest, start=start)[0][:, 0, 0]


def written_out(c, up, down, rest, start):
    """One ladder by the words of the docstring."""
    n, stages, out = start, len(up), []
    for u in c:
        sets = n < stages and u >= up[n]
        resets = n > 0 and u <= down[n - 1]
        if sets and resets:
            over = (u - up[n]) - (down[n - 1] - u)
            n += int(np.sign(over))
        else:
            n += int(sets) - int(resets)
        if rest:
            if n < stages and up[n] < 0.0:
                n += 1
            elif n > 0 and down[n - 1] > 0.0:
                n -= 1
        out.append(n)
    return np.array(out)


def tables(draw, cells_, stages, spread):
    """Thresholds around +-1; with a large spread some change sign and windows overlap."""
    up = 1.0 + spread * draw.standard_normal((cells_, stages))
    return up, -1.0 + spread * draw.standard_normal((cells_, stages))


@rests
@pytest.mark.parametrize("spread", [0.0, 0.2, 2.0])
@pytest.mark.parametrize("stages", [1, 2, 7, 16])
def test_compiled_and_plain_kernels_follow_the_docstring_on_random_tables(stages, spread, rest):
    draw = stream(3, "test", "kernel", stages)
    up, down = tables(draw, 3, stages, spread)
    c = draw.normal(0.0, 1.5, (60, 4, 3))
    start = stages // 2
    fast, left_fast = run(ladder_steps, c, up, down, rest=rest, start=start)
    slow, left_slow = run(PLAIN, c, up, down, rest=rest, start=start)
    assert_array_equal(fast, slow)
    assert_array_equal(left_fast, left_slow)
    assert_array_equal(left_fast, fast[-1])
    for s in range(4):
        for i in range(3):
            assert_array_equal(fast[:, s, i], written_out(c[:, s, i], up[i], down[i], rest, start))


@pytest.mark.parametrize("stages", [1, 3, 16])
def test_exact_tables_give_the_digital_recurrence(stages):
    draw = stream(4, "test", "kernel", stages)
    c = patterns(draw, 2000, stages, near=0.0)[:, None]
    found = one(ladder_steps, c, np.ones(stages), -np.ones(stages))
    assert_array_equal(found, cells.cmru_loop(c, 1.0, 0.0, k_min=0, k_max=stages)[:, 0])


@both
def test_a_candidate_exactly_at_its_threshold_moves_and_the_next_smaller_float_does_not(kernel):
    # H(0) = 1 in the recurrence: c - b is exact when c is next to b, so its sign is too
    b = 0.7
    assert_array_equal(one(kernel, [np.nextafter(b, 0), b], [b, b], [-b, -b]), [0, 1])
    assert_array_equal(one(kernel, [-np.nextafter(b, 0), -b], [b, b], [-b, -b], start=1), [1, 0])


@both
def test_any_amplitude_moves_one_level(kernel):
    assert_array_equal(one(kernel, [1e9, np.inf, -1e9, -np.inf], np.ones(4), -np.ones(4)), [1, 2, 1, 0])


@both
@pytest.mark.parametrize(("u", "after"), [(0.6, 2), (0.4, 0), (0.5, 1)])
def test_where_set_and_reset_are_both_true_the_larger_overdrive_wins_and_a_draw_holds(kernel, u, after):
    # from one stage ON: sets above 0, resets below 1, so the overdrives are u and 1 - u
    assert_array_equal(one(kernel, [u], [9.0, 0.0], [1.0, -9.0], rest=False, start=1), [after])


@both
def test_a_level_whose_own_threshold_has_the_wrong_sign_drifts_one_further_at_rest(kernel):
    # leaving level 1 upward takes -0.1, so it is left at zero input; level 2 is stable
    assert_array_equal(one(kernel, [1.5, 0.0, 0.0], [1.0, -0.1, 1.0], [-1.0] * 3), [2, 2, 2])
    # level 2 falls at anything up to 0.1: at zero too
    assert_array_equal(one(kernel, [1.5, 1.5, 0.0], [1.0] * 3, [-1.0, 0.1, -1.0]), [1, 1, 1])


@both
def test_a_drifting_ladder_moves_once_in_the_pulse_and_once_between_pulses(kernel):
    assert_array_equal(one(kernel, np.zeros(3), [-0.1] * 5, [-1.0] * 5), [2, 4, 5])
    assert_array_equal(one(kernel, np.zeros(3), [1.0] * 5, [0.1] * 5, start=5), [3, 1, 0])


@both
def test_a_threshold_of_exactly_zero_does_not_drift(kernel):
    # at rest the candidate is zero and both inequalities of the drift are strict; the pulse's own are not
    assert_array_equal(one(kernel, [-0.5, 0.5], [0.0, 0.0], [-1.0, -1.0]), [0, 1])


@both
def test_without_return_to_zero_nothing_drifts(kernel):
    assert_array_equal(one(kernel, [-0.5] * 3, [-0.1] * 3, [-1.0] * 3, rest=False), [0, 0, 0])


@both
def test_a_candidate_that_is_not_a_number_moves_nothing(kernel):
    assert_array_equal(one(kernel, [2.0, np.nan, 2.0], np.ones(4), -np.ones(4)), [1, 1, 2])


@rests
def test_the_state_never_leaves_the_ladder_whatever_the_tables(rest):
    draw = stream(5, "test", "kernel")
    for stages in range(1, 9):
        up, down = (5.0 * draw.standard_normal((6, stages)) for _ in range(2))
        out, _ = run(ladder_steps, 20.0 * draw.standard_normal((200, 5, 6)), up, down, rest=rest, start=stages)
        assert out.min() >= 0
        assert out.max() <= stages


@rests
def test_cells_and_samples_do_not_see_each_other(rest):
    draw = stream(6, "test", "kernel")
    up, down = tables(draw, 5, 4, 0.5)
    c = draw.normal(0.0, 1.5, (50, 6, 5))
    whole, _ = run(ladder_steps, c, up, down, rest=rest, start=2)
    order, samples = draw.permutation(5), draw.permutation(6)
    parts, _ = run(ladder_steps, c[:, samples][:, :, order], up[order], down[order], rest=rest, start=2)
    assert_array_equal(parts, whole[:, samples][:, :, order])


@both
def test_two_halves_of_a_run_continue_each_other(kernel):
    draw = stream(7, "test", "kernel")
    up, down = (np.ascontiguousarray(a) for a in tables(draw, 2, 4, 0.3))
    c = draw.normal(0.0, 1.5, (40, 3, 2))
    whole, _ = run(kernel, c, up, down, start=1)
    n, out = np.full((3, 2), 1, dtype=np.int64), np.empty(c.shape, dtype=np.int8)
    kernel(c[:17], up, down, True, n, out[:17])
    kernel(c[17:], up, down, True, n, out[17:])
    assert_array_equal(out, whole)


@both
def test_a_run_of_no_steps_changes_nothing(kernel):
    out, n = run(kernel, np.empty((0, 2, 1)), [[1.0, 1.0]], [[-1.0, -1.0]], start=2)
    assert out.shape == (0, 2, 1)
    assert_array_equal(n, 2)
