"""The digital recurrences compared with their equations, one number at a time, and the scan with the loop."""

from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn import cells
from analogrnn.errors import ParameterError
from analogrnn.streams import stream

U = np.finfo(float).eps / 2  # unit round-off
LADDERS = [(None, None), (-4, 4), (-2, 2), (-1, 1), (0, 3), (None, 2), (-3, None)]
LENGTHS = [0, 1, 2, 3, 4, 5, 8, 31, 32, 33, 100]
# halves: sums and differences are exact, and |c| = |b| is common
HALVES = st.integers(-4, 4).map(lambda n: n / 2)


def sign(value):
    return int(value > 0) - int(value < 0)


def plain_states(c, b, s0, eps, k_min=None, k_max=None):
    """The recurrence of one unit over lists of numbers (floats, or fractions for exact arithmetic)."""
    s, states = s0, []
    for c_t, b_t in zip(c, b, strict=True):
        if abs(c_t) >= abs(b_t):
            s = sign(c_t) + eps * s
        if k_min is not None and s < k_min:
            s = k_min
        if k_max is not None and s > k_max:
            s = k_max
        states.append(s)
    return states


def each_unit(c, b, s0, eps, k_min=None, k_max=None):
    """`plain_states` for c (T, d), unit by unit."""
    thresholds = np.broadcast_to(b, c.shape)
    columns = [
        plain_states(c[:, i].tolist(), thresholds[:, i].tolist(), float(s0[i]), eps, k_min, k_max)
        for i in range(c.shape[1])
    ]
    return np.array(columns, dtype=float).reshape(c.shape[::-1]).T


def candidates(shape, seed=3):
    """Candidates that drift upwards, so that ladders saturate, with exact ties at 0.5 and exact zeros."""
    draw = stream(seed, "test", "candidates")
    c = draw.normal(0.3, 1.0, shape)
    c[draw.random(shape) < 0.1] = 0.5
    c[draw.random(shape) < 0.1] = 0.0
    return c


def rounding(steps, start=1.0, step=1.0):
    """Bound on the difference between loop and scan.

    No partial result exceeds |s_0| + T step; the loop rounds twice a step, the scan twice a composition, of which one
    output needs fewer than T; the clip never widens a difference.
    """
    return 4 * max(steps, 1) * (start + steps * step) * U


@st.composite
def sequences(draw):
    steps, width = draw(st.integers(0, 20)), draw(st.integers(1, 3))
    c = draw(arrays(float, (steps, width), elements=HALVES))
    b = draw(arrays(float, draw(st.sampled_from([(width,), (steps, width)])), elements=HALVES))
    s0 = draw(arrays(float, (width,), elements=st.integers(-3, 3)))
    return c, b, s0


# ---------------------------------------------------------------- the loop against the equations


@given(sequences(), st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.sampled_from(LADDERS))
def test_the_loop_is_the_equation_to_the_last_bit(sequence, eps, ladder):
    c, b, s0 = sequence
    assert_array_equal(
        cells.cmru_loop(c, b, s0, eps=eps, k_min=ladder[0], k_max=ladder[1]), each_unit(c, b, s0, eps, *ladder)
    )


@pytest.mark.parametrize("cell", [cells.cmru_loop, cells.cmru_scan])
def test_a_candidate_at_its_threshold_updates_and_the_next_smaller_number_holds(cell):
    b = np.array([0.7])
    for c, expected in ((b, 1.0), (-b, -1.0), (np.nextafter(b, 0.0), 0.0), (-np.nextafter(b, 0.0), 0.0)):
        assert cell(c[None], b, np.zeros(1))[0, 0] == expected


def test_the_gate_takes_the_magnitude_of_candidate_and_threshold():
    c, b = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]), 1.0
    assert_array_equal(cells.update_gate(c, b), [True, True, False, True, True])
    assert_array_equal(cells.update_gate(c, -b), cells.update_gate(c, b))
    assert cells.update_gate(np.zeros(1), 0.0).all(), "H(0) = 1"


@pytest.mark.parametrize("cell", [cells.cmru_loop, cells.cmru_scan])
@pytest.mark.parametrize(("eps", "expected"), [(1.0, 3.0), (0.5, 1.5), (0.0, 0.0)])
def test_an_update_without_direction_only_leaks(cell, eps, expected):
    """With c = b = 0 the gate is open and sign(0) = 0: s = eps s."""
    assert cell(np.zeros((1, 1)), np.zeros(1), np.array([3.0]), eps=eps)[0, 0] == expected


@pytest.mark.parametrize("cell", [cells.cmru_loop, cells.cmru_scan])
@pytest.mark.parametrize("eps", [0.0, 0.3, 1.0])
def test_a_state_holds_between_its_thresholds_for_ever(cell, eps):
    c = stream(5, "test").uniform(-1.0, 1.0, (2000, 4)) * (1.0 - 1e-12)
    s0 = np.array([-1.0, 0.25, 1 / 3, 1.0])
    assert_array_equal(cell(c, np.ones(4), s0, eps=eps, k_min=-1, k_max=1), np.broadcast_to(s0, c.shape))


# ---------------------------------------------------------------- the scan against the loop


@pytest.mark.parametrize("ladder", LADDERS)
@pytest.mark.parametrize("steps", LENGTHS)
@pytest.mark.parametrize("eps", [0.0, 1.0])
def test_scan_and_loop_give_the_same_integers(steps, eps, ladder):
    c, s0 = candidates((steps, 5)), np.array([-1.0, 0.0, 1.0, 0.0, -1.0])
    limits = {"eps": eps, "k_min": ladder[0], "k_max": ladder[1]}
    for b in (np.full(5, 0.5), np.abs(candidates((steps, 5), seed=4))):
        assert_array_equal(cells.cmru_scan(c, b, s0, **limits), cells.cmru_loop(c, b, s0, **limits))


@pytest.mark.parametrize("ladder", LADDERS)
@pytest.mark.parametrize("steps", LENGTHS)
@pytest.mark.parametrize("eps", [1e-12, 0.3, 0.9, 1.0 - 1e-12])
def test_with_a_leak_scan_and_loop_differ_by_rounding_alone(steps, eps, ladder):
    c, s0 = candidates((steps, 5)), np.array([-1.0, 0.0, 1.0, 0.0, -1.0])
    limits = {"eps": eps, "k_min": ladder[0], "k_max": ladder[1]}
    for b in (np.full(5, 0.5), np.abs(candidates((steps, 5), seed=4))):
        assert_allclose(
            cells.cmru_scan(c, b, s0, **limits), cells.cmru_loop(c, b, s0, **limits), rtol=0, atol=rounding(steps)
        )


@given(sequences(), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from(LADDERS))
def test_a_leak_of_a_half_needs_no_rounding_so_scan_and_loop_are_equal(sequence, eps, ladder):
    """Twenty halvings give multiples of 2^-20, sums stay below 2^5 and products above 2^-40: 53 bits hold them."""
    c, b, s0 = sequence
    limits = {"eps": eps, "k_min": ladder[0], "k_max": ladder[1]}
    assert_array_equal(cells.cmru_scan(c, b, s0, **limits), cells.cmru_loop(c, b, s0, **limits))


def test_a_leak_that_underflows_removes_the_initial_state_and_stays_finite():
    """0.5^1100 is zero in float64; so is the remainder of s_0 = 1 in exact arithmetic, to 300 digits."""
    c, s0 = np.ones((2300, 1)), np.ones(1)
    for ladder in LADDERS[:3]:
        limits = {"eps": 0.5, "k_min": ladder[0], "k_max": ladder[1]}
        scan = cells.cmru_scan(c, np.ones(1), s0, **limits)
        assert_allclose(scan, cells.cmru_loop(c, np.ones(1), s0, **limits), rtol=0, atol=rounding(1))


# ---------------------------------------------------------------- associativity, which the scan needs


def as_map(c, b, eps, k_min, k_max):
    """One step s -> clip(a s + m, low, high) from the equations, in exact arithmetic."""
    updates = abs(c) >= abs(b)
    return (eps if updates else Fraction(1), Fraction(sign(c)) if updates else Fraction(0), k_min, k_max)


def apply(step, s):
    a, m, low, high = step
    return min(max(a * s + m, low), high)


def compose(second, first):
    """The map that applies `first`, then `second`: the slopes multiply, and both ends of the range move along."""
    a = second[0] * first[0]
    m = second[0] * first[1] + second[1]
    return (a, m, apply(second, first[2]), apply(second, first[3]))


@given(
    st.lists(st.tuples(HALVES, HALVES), min_size=3, max_size=3),
    st.sampled_from([Fraction(0), Fraction(1, 3), Fraction(1)]),
    st.sampled_from([(-4, 4), (-1, 1), (0, 3)]),
    st.integers(-6, 6),
)
def test_steps_compose_associatively_and_act_like_their_product(steps, eps, ladder, s):
    first, second, third = (as_map(c, b, eps, *ladder) for c, b in steps)
    left, right = compose(compose(third, second), first), compose(third, compose(second, first))
    assert left == right
    assert apply(left, Fraction(s)) == apply(third, apply(second, apply(first, Fraction(s))))


@given(sequences(), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([(-4, 4), (-1, 1), (0, 3)]))
def test_the_scan_is_the_product_of_the_steps_in_exact_arithmetic(sequence, eps, ladder):
    c, b, s0 = sequence
    scan = cells.cmru_scan(c, b, s0, eps=eps, k_min=ladder[0], k_max=ladder[1])
    thresholds = np.broadcast_to(b, c.shape)
    for i in range(c.shape[1]):
        product = None
        for t in range(len(c)):
            step = as_map(c[t, i], thresholds[t, i], Fraction(eps), *ladder)
            product = step if product is None else compose(step, product)
            assert apply(product, Fraction(s0[i])) == Fraction(scan[t, i])


@given(sequences(), st.integers(0, 20), st.sampled_from([0.0, 1.0]), st.sampled_from(LADDERS))
def test_a_sequence_may_be_cut_anywhere_and_continued_from_the_last_state(sequence, cut, eps, ladder):
    c, b, s0 = sequence
    limits = {"eps": eps, "k_min": ladder[0], "k_max": ladder[1]}
    cut = min(cut, len(c))
    head, tail = (b, b) if b.ndim == 1 else (b[:cut], b[cut:])
    for cell in (cells.cmru_loop, cells.cmru_scan):
        before = cell(c[:cut], head, s0, **limits)
        after = cell(c[cut:], tail, before[-1] if cut else s0, **limits)
        assert_array_equal(np.concatenate([before, after]), cell(c, b, s0, **limits))


# ---------------------------------------------------------------- properties of the recurrences


@given(sequences(), st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from([(-4, 4), (-1, 1), (0, 3)]))
def test_a_state_never_leaves_its_ladder(sequence, eps, ladder):
    c, b, s0 = sequence
    for cell in (cells.cmru_loop, cells.cmru_scan):
        s = cell(c, b, s0, eps=eps, k_min=ladder[0], k_max=ladder[1])
        assert np.all((s >= ladder[0]) & (s <= ladder[1]))


@given(sequences())
def test_an_unbounded_cmru_counts_the_signs_of_its_updates(sequence):
    c, b, s0 = sequence
    moves = np.where(np.abs(c) >= np.abs(b), np.sign(c), 0.0)
    assert_array_equal(cells.cmru_scan(c, b, s0), s0 + np.cumsum(moves, axis=0))


def test_a_cmru_on_three_levels_stops_at_zero_where_a_bmru_jumps():
    c, start = np.array([2.0, 2.0, -2.0, -2.0])[:, None], -np.ones(1)
    cmru = cells.cmru_loop(c, np.ones(1), start, eps=1.0, k_min=-1, k_max=1)
    bmru = cells.cmru_loop(c, np.ones(1), start, eps=0.0, k_min=-1, k_max=1)
    assert cmru[:, 0].tolist() == [0.0, 1.0, 0.0, -1.0]
    assert bmru[:, 0].tolist() == [1.0, 1.0, -1.0, -1.0]


@given(sequences())
def test_after_two_updates_in_one_direction_bmru_and_three_level_cmru_agree(sequence):
    c, b, _ = sequence
    c = np.repeat(np.where(np.abs(c) >= np.abs(b), np.where(c >= 0.0, 2.0, -2.0), 0.0), 2, axis=0)
    start, one = -np.ones(c.shape[1]), np.ones(c.shape[1])
    cmru, bmru = (cells.cmru_loop(c, one, start, eps=eps, k_min=-1, k_max=1) for eps in (1.0, 0.0))
    assert_array_equal(cmru[1::2], bmru[1::2])


@given(sequences(), st.randoms(use_true_random=False))
def test_permuting_cells_permutes_states(sequence, random):
    c, b, s0 = sequence
    order = list(range(c.shape[1]))
    random.shuffle(order)
    for cell in (cells.cmru_loop, cells.cmru_scan):
        whole = cell(c, b, s0, k_min=-2, k_max=2)
        assert_array_equal(cell(c[:, order], b[..., order], s0[order], k_min=-2, k_max=2), whole[:, order])


@given(sequences(), st.integers(-20, 20), st.sampled_from([0.0, 0.3, 1.0]))
def test_scaling_all_currents_leaves_the_states_alone(sequence, octaves, eps):
    """A power of two scales without rounding."""
    c, b, s0 = sequence
    unit = 2.0**octaves
    assert_array_equal(cells.cmru_scan(c * unit, b * unit, s0, eps=eps), cells.cmru_scan(c, b, s0, eps=eps))


@given(sequences(), st.sampled_from([0.0, 0.3, 1.0]))
def test_changing_all_signs_changes_the_signs_of_the_states(sequence, eps):
    c, b, s0 = sequence
    mirrored = cells.cmru_loop(-c, b, -s0, eps=eps, k_min=-2, k_max=2)
    assert_array_equal(mirrored, -cells.cmru_loop(c, b, s0, eps=eps, k_min=-2, k_max=2))


@pytest.mark.parametrize("eps", [0.0, 1.0])
def test_a_batch_of_samples_runs_as_each_sample_alone(eps):
    c, b = candidates((20, 3, 4)), np.full(4, 0.5)
    for cell in (cells.cmru_loop, cells.cmru_scan):
        together = cell(c, b, np.zeros(4), eps=eps, k_min=-2, k_max=2)
        for j in range(3):
            assert_array_equal(together[:, j], cell(c[:, j], b, np.zeros(4), eps=eps, k_min=-2, k_max=2))


def test_candidates_of_integers_give_states_of_floats():
    c = np.array([[3], [-1], [2]])
    for cell in (cells.cmru_loop, cells.cmru_scan):
        states = cell(c, [2], [0])
        assert states.dtype == np.float64
        assert states[:, 0].tolist() == [1.0, 1.0, 2.0]


def test_integers_give_states_of_floats_in_every_cell():
    """An array of the candidates' own type would cut a step of a quarter to zero."""
    c, one = np.array([[3], [-1], [0]]), np.ones((3, 1))
    unipolar = cells.first_quadrant_bmru_loop(c, 0, 2, [0])
    assert unipolar.dtype == np.float64
    assert unipolar[:, 0].tolist() == [1.0, 0.0, 0.0]
    for cell in (cells.alpha_cmru_loop, cells.alpha_cmru_scan):
        assert cell(c, [1], 0.25 * one, [0])[:, 0].tolist() == [0.25, 0.0, 0.0]


def test_the_inputs_are_not_changed():
    c, b, s0 = candidates((9, 2)), np.full(2, 0.5), np.zeros(2)
    copies = [x.copy() for x in (c, b, s0)]
    cells.cmru_loop(c, b, s0, k_min=-1, k_max=1)
    cells.cmru_scan(c, b, s0, k_min=-1, k_max=1)
    for x, copy in zip((c, b, s0), copies, strict=True):
        assert_array_equal(x, copy)


# ---------------------------------------------------------------- alphaCMRU


@given(sequences(), st.sampled_from([0.0, 0.5, 1.0]), st.data())
def test_the_alpha_cmru_adds_its_own_step_at_each_update(sequence, eps, data):
    c, b, h0 = sequence
    alpha = data.draw(arrays(float, c.shape, elements=HALVES))
    expected, thresholds = np.empty(c.shape), np.broadcast_to(b, c.shape)
    for i in range(c.shape[1]):
        h = h0[i]
        for t in range(len(c)):
            if abs(c[t, i]) >= abs(thresholds[t, i]):
                h = alpha[t, i] * sign(c[t, i]) + eps * h
            expected[t, i] = h
    # halves and a leak of a half: no rounding, see above
    assert_array_equal(cells.alpha_cmru_loop(c, b, alpha, h0, eps=eps), expected)
    assert_array_equal(cells.alpha_cmru_scan(c, b, alpha, h0, eps=eps), expected)


@pytest.mark.parametrize("eps", [0.0, 1e-12, 0.3, 1.0])
@pytest.mark.parametrize("steps", LENGTHS)
def test_alpha_cmru_scan_and_loop_differ_by_rounding_alone(steps, eps):
    c, h0 = candidates((steps, 5)), np.ones(5)
    alpha = stream(6, "test").uniform(-2.0, 2.0, c.shape)
    for b in (np.full(5, 0.5), np.abs(candidates((steps, 5), seed=4))):
        scan, loop = (f(c, b, alpha, h0, eps=eps) for f in (cells.alpha_cmru_scan, cells.alpha_cmru_loop))
        assert_allclose(scan, loop, rtol=0, atol=rounding(steps, step=2.0))


def test_an_alpha_cmru_of_constant_step_is_a_scaled_cmru():
    c, alpha = candidates((30, 4)), np.full((30, 4), 0.25)
    h = cells.alpha_cmru_loop(c, np.full(4, 0.5), alpha, np.zeros(4))
    assert_array_equal(h, 0.25 * cells.cmru_loop(c, np.full(4, 0.5), np.zeros(4)))


# ---------------------------------------------------------------- first-quadrant BMRU


@given(arrays(float, st.tuples(st.integers(0, 20), st.integers(1, 3)), elements=st.integers(0, 6).map(lambda n: n / 2)))
def test_the_first_quadrant_bmru_sets_from_b_hi_up_and_resets_from_b_lo_down(c):
    found = cells.first_quadrant_bmru_loop(c, 1.0, 2.0, np.zeros(c.shape[1]))
    for i in range(c.shape[1]):
        state = 0.0
        for t in range(len(c)):
            state = 1.0 if c[t, i] >= 2.0 else 0.0 if c[t, i] <= 1.0 else state
            assert found[t, i] == state


def test_the_first_quadrant_bmru_has_closed_thresholds_and_an_open_window():
    b_lo, b_hi = np.array([0.3]), np.array([0.9])
    inside = (np.nextafter(b_lo, 1.0), np.nextafter(b_hi, 0.0))
    for start in (0.0, 1.0):
        held = cells.first_quadrant_bmru_loop(np.tile(inside, (500, 1)), b_lo, b_hi, np.array([start]))
        assert np.all(held == start)
    assert cells.first_quadrant_bmru_loop(b_hi[None], b_lo, b_hi, np.zeros(1))[0, 0] == 1.0
    assert cells.first_quadrant_bmru_loop(b_lo[None], b_lo, b_hi, np.ones(1))[0, 0] == 0.0


@given(arrays(float, st.tuples(st.integers(0, 20), st.integers(1, 3)), elements=HALVES))
def test_a_bmru_is_a_first_quadrant_bmru_around_its_offset(c):
    """Thresholds -1 and 1 become 2 and 4 when 3 is added to every candidate; states -1, 1 become 0, 1."""
    width = c.shape[1]
    bipolar = cells.cmru_loop(c, np.ones(width), -np.ones(width), eps=0.0)
    unipolar = cells.first_quadrant_bmru_loop(c + 3.0, 2.0, 4.0, np.zeros(width))
    assert_array_equal(unipolar, (bipolar + 1.0) / 2.0)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize("eps", [-1e-9, 1.0 + 1e-9, float("nan"), float("inf")])
@pytest.mark.parametrize("cell", [cells.cmru_loop, cells.cmru_scan])
def test_a_leak_outside_zero_to_one_is_refused(cell, eps):
    with pytest.raises(ParameterError, match=r"cells\.eps = .* is outside \[0, 1\]: 0 is the BMRU, 1 the CMRU\."):
        cell(np.zeros((1, 1)), np.ones(1), np.zeros(1), eps=eps)


@pytest.mark.parametrize("cell", [cells.alpha_cmru_loop, cells.alpha_cmru_scan])
def test_the_alpha_cmru_refuses_a_leak_outside_zero_to_one(cell):
    with pytest.raises(ParameterError, match=r"cells\.eps = 1\.5 is outside \[0, 1\]"):
        cell(np.zeros((1, 1)), np.ones(1), np.ones((1, 1)), np.zeros(1), eps=1.5)


@pytest.mark.parametrize("ladder", [(2, 2), (3, -3), (float("nan"), 1)])
@pytest.mark.parametrize("cell", [cells.cmru_loop, cells.cmru_scan])
def test_a_ladder_without_levels_is_refused(cell, ladder):
    with pytest.raises(ParameterError, match=r"cells\.k_min = .* is not below k_max = "):
        cell(np.zeros((1, 1)), np.ones(1), np.zeros(1), k_min=ladder[0], k_max=ladder[1])
