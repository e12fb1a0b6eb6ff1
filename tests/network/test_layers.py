"""Layers: checked shapes, frozen arrays, and every error message."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analogrnn.errors import ParameterError
from analogrnn.network import AlphaCmru, Cmru, FirstQuadrantBmru, Linear, Pooling, ReLU
from analogrnn.network.kinds import LAYER_TYPES

W, B = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [0.1, 0.2]
ONE = [1.0, 1.0]
HOSTILE_NAMES = [
    "",
    "two words",
    "a\nb",
    "a\n",
    "*#",
    ".control",
    "${x}",
    "1st",
    "_a",
    "a-b",
    "a.b",
    "ä",
    "a" * 65,
    None,
    5,
]


def linear(**changed):
    return Linear(**{"name": "fc", "weight": W, "bias": B} | changed)


def cmru(**changed):
    return Cmru(**{"name": "cell", "weight": W, "bias": B, "threshold": ONE, "alpha": ONE} | changed)


def first_quadrant(**changed):
    given = {"name": "cell", "weight": W, "bias": B, "b_lo": [0.5, 0.5], "b_hi": ONE, "alpha": ONE}
    return FirstQuadrantBmru(**given | changed)


def alpha_cmru(**changed):
    given = {"name": "cell", "weight": W, "bias": B, "threshold": ONE, "alpha_weight": W, "alpha_bias": B}
    return AlphaCmru(**given | changed)


WEIGHTED = [linear, cmru, first_quadrant, alpha_cmru]


# ---------------------------------------------------------------- what a layer is


@pytest.mark.parametrize("make", WEIGHTED)
def test_a_layer_has_its_widths_and_computes_w_x_plus_b(make):
    layer = make()
    assert (layer.width, layer.inputs) == (2, 3)
    # small integers and a bias: 1*1 + 2*2 + 3*3 + 0.1 in one rounding each
    np.testing.assert_allclose(layer.affine(np.array([1.0, 2.0, 3.0])), [14.1, 32.2], rtol=4e-16)
    assert layer.affine(np.zeros((4, 5, 3))).shape == (4, 5, 2)


@pytest.mark.parametrize("make", WEIGHTED)
def test_a_layer_keeps_its_own_frozen_copy_of_the_weights(make):
    mine = np.array(W)
    layer = make(weight=mine)
    mine[0, 0] = 99.0
    assert layer.weight[0, 0] == 1.0
    assert layer.weight.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[0, 0] = 2.0
    with pytest.raises(FrozenInstanceError, match="weight"):
        layer.weight = mine


def test_each_kind_has_one_class():
    assert set(LAYER_TYPES) == {
        "linear",
        "scale",
        "layer_norm",
        "deviation",
        "relu",
        "activation",
        "glu",
        "pooling",
        "cmru",
        "first_quadrant_bmru",
        "alpha_cmru",
    }
    assert all(cls.kind == kind for kind, cls in LAYER_TYPES.items())


@pytest.mark.parametrize(("eps", "rest"), [(1.0, 0.0), (0.3, 0.0), (0.0, -1.0)])
def test_a_cell_starts_at_rest(eps, rest):
    assert_array_equal(cmru(eps=eps).initial, [rest, rest])


def test_a_first_quadrant_cell_starts_reset():
    assert_array_equal(first_quadrant().initial, [0.0, 0.0])


def test_levels_given_as_whole_floats_become_integers():
    layer = cmru(k_min=-2.0, k_max=np.int64(3))
    assert (layer.k_min, layer.k_max) == (-2, 3)
    assert type(layer.k_min) is int
    assert type(layer.k_max) is int


def test_a_ladder_may_be_open_at_either_end():
    assert (cmru(k_min=-2).k_max, cmru(k_max=2).k_min) == (None, None)


def test_a_threshold_is_constant_or_follows_the_input():
    x = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    assert_array_equal(cmru().thresholds(x), ONE)
    assert_array_equal(cmru(threshold_weight=W).thresholds(x), [[2.0, 5.0], [7.0, 13.0]])


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize(
    ("make", "owner"),
    [
        (linear, "Linear"),
        (cmru, "Cmru"),
        (first_quadrant, "FirstQuadrantBmru"),
        (alpha_cmru, "AlphaCmru"),
        (ReLU, "ReLU"),
        (Pooling, "Pooling"),
    ],
)
def test_a_name_that_could_not_name_a_circuit_element_is_refused(make, owner, name):
    message = rf"^{owner}\.name = .* is not a name: use 1 to 64 letters, digits and underscores, starting with a letter"
    with pytest.raises(ParameterError, match=message):
        make(name=name)


@pytest.mark.parametrize("name", ["a", "A_1", "x" * 64])
def test_letters_digits_and_underscores_make_a_name(name):
    assert linear(name=name).name == name


# ---------------------------------------------------------------- arrays


@pytest.mark.parametrize("make", WEIGHTED)
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (ONE, r"\.weight has shape \(2,\); expected \(any, any\)\."),
        (np.ones((0, 3)), r"\.weight has shape \(0, 3\); a layer has at least one in and out\."),
        (np.ones((2, 0)), r"\.weight has shape \(2, 0\); a layer has at least one in and out\."),
        ([["a", "b"]], r"\.weight is not an array of numbers; give shape \(any, any\)\."),
        (np.array(W) + 2j, r"\.weight is not an array of numbers; give shape \(any, any\)\."),
        (np.array(W) + 0j, r"\.weight is not an array of numbers; give shape \(any, any\)\."),
        ([[1.0], [1.0, 2.0]], r"\.weight is not an array of numbers; give shape \(any, any\)\."),
        (None, r"\.weight is not an array of numbers; give shape \(any, any\)\. It holds Python objects\."),
        (
            [[1.0, 2.0, np.nan], [1.0, 1.0, np.inf]],
            r"\.weight has 2 value\(s\) that are not finite, the first nan at \[0, 2\]; "
            "train again with gradient clipping, or mend the file",
        ),
        ([[1.0, 1.0], [-np.inf, 1.0]], r"\.weight has 1 value\(s\) that are not finite, the first -inf at \[1, 0\]"),
    ],
)
def test_a_weight_that_is_no_finite_matrix_is_refused(make, weight, message):
    with pytest.raises(ParameterError, match=rf"^{make().name}{message}"):
        make(weight=weight)


VECTORS = [
    (linear, "bias"),
    (cmru, "bias"),
    (cmru, "threshold"),
    (cmru, "alpha"),
    (cmru, "initial"),
    (first_quadrant, "b_lo"),
    (first_quadrant, "b_hi"),
    (first_quadrant, "alpha"),
    (first_quadrant, "initial"),
    (alpha_cmru, "threshold"),
    (alpha_cmru, "alpha_bias"),
]


@pytest.mark.parametrize(("make", "field"), VECTORS)
def test_a_vector_has_one_finite_value_a_unit(make, field):
    owner = rf"^{make().name}\.{field}"
    with pytest.raises(ParameterError, match=owner + r" has shape \(3,\); expected \(2,\)\."):
        make(**{field: [1.0, 1.0, 1.0]})
    with pytest.raises(ParameterError, match=owner + r" has shape \(\); expected \(2,\)\."):
        make(**{field: 1.0})
    with pytest.raises(ParameterError, match=owner + r" has 1 value\(s\) that are not finite, the first nan at \[1\]"):
        make(**{field: [1.0, np.nan]})
    with pytest.raises(ParameterError, match=owner + r" is not an array of numbers; give shape \(2,\)\."):
        make(**{field: ["a", "b"]})


@pytest.mark.parametrize(("make", "field"), [(cmru, "threshold_weight"), (alpha_cmru, "alpha_weight")])
def test_a_second_matrix_has_the_shape_of_the_first(make, field):
    with pytest.raises(ParameterError, match=rf"^cell\.{field} has shape \(3, 2\); expected \(2, 3\)\."):
        make(**{field: np.ones((3, 2))})
    with pytest.raises(ParameterError, match=rf"^cell\.{field} has 1 value\(s\) that are not finite.* at \[1, 2\]"):
        make(**{field: [[1, 1, 1], [1, 1, np.nan]]})


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize("make", [cmru, alpha_cmru])
@pytest.mark.parametrize("eps", [-0.1, 1.1, np.nan, np.inf])
def test_a_leak_lies_between_zero_and_one(make, eps):
    with pytest.raises(ParameterError, match=r"^cell\.eps = .* is outside \[0, 1\]\."):
        make(eps=eps)


@pytest.mark.parametrize("make", [cmru, alpha_cmru])
def test_a_leak_is_a_number(make):
    with pytest.raises(ParameterError, match=r"^cell\.eps = 'full' is not a number\."):
        make(eps="full")


@pytest.mark.parametrize("field", ["k_min", "k_max"])
@pytest.mark.parametrize("value", [0.5, True, "a", np.nan, np.inf, -np.inf])
def test_levels_are_counted_in_whole_numbers(field, value):
    message = rf"^cell\.{field} = {value!r} is not a whole number; levels are counted\."
    with pytest.raises(ParameterError, match=message):
        cmru(**{field: value})


@pytest.mark.parametrize(("k_min", "k_max"), [(1, 1), (2, -2)])
def test_a_ladder_has_at_least_two_levels(k_min, k_max):
    with pytest.raises(ParameterError, match=rf"^cell\.k_min = {k_min} is not below k_max = {k_max}\."):
        cmru(k_min=k_min, k_max=k_max)


@pytest.mark.parametrize("field", ["k_min", "k_max"])
@pytest.mark.parametrize("value", [-10_001, 10_001])
def test_a_ladder_of_absurd_length_is_refused(field, value):
    with pytest.raises(ParameterError, match=rf"^cell\.{field} = {value} is outside \[-10000, 10000\]\."):
        cmru(**{field: value})


@pytest.mark.parametrize(("k_min", "k_max"), [(0, 1), (-4, 0), (-4, 4), (-1, 2), (None, 2), (0, None)])
def test_at_a_leak_of_zero_there_are_the_levels_minus_one_and_one_only(k_min, k_max):
    """s = sign(c) takes no other value: other bounds would mean this to the recurrence and that to the ladder."""
    message = r"^cell: eps = 0 is the bistable unit with levels -1 and 1; leave k_min and k_max out, or train a first"
    with pytest.raises(ParameterError, match=message):
        cmru(eps=0.0, k_min=k_min, k_max=k_max)
    assert cmru(eps=0.0).k_min is None
    assert cmru(eps=0.0, k_min=-1, k_max=1).k_max == 1


@pytest.mark.parametrize(
    ("changed", "limits"),
    [
        ({"k_min": -1, "k_max": 1, "initial": [0, 2]}, r"\[-1, 1\]"),
        ({"k_min": 1, "k_max": 4}, r"\[1, 4\]"),
        ({"k_max": -1}, r"\[-inf, -1\]"),
        ({"k_min": 1}, r"\[1, inf\]"),
    ],
)
def test_a_cell_starts_on_its_ladder(changed, limits):
    with pytest.raises(
        ParameterError, match=rf"^cell\.initial\[\d\] = \S+ leaves the ladder {limits}; choose levels inside it\."
    ):
        cmru(**changed)


@pytest.mark.parametrize(("b_lo", "b_hi"), [([0.5, -0.1], ONE), ([0.5, 1.0], ONE), ([0.5, 2.0], ONE)])
def test_a_first_quadrant_window_is_open_and_not_negative(b_lo, b_hi):
    message = rf"^cell\.b_lo\[1\] = {b_lo[1]:g}, b_hi\[1\] = 1 is not 0 <= b_lo < b_hi\."
    with pytest.raises(ParameterError, match=message):
        first_quadrant(b_lo=b_lo, b_hi=b_hi)


def test_a_first_quadrant_cell_is_set_or_reset():
    with pytest.raises(ParameterError, match=r"^cell\.initial must be 0 or 1 in each unit\."):
        first_quadrant(initial=[0.0, 0.5])


@pytest.mark.parametrize("mode", ["max", "", None, "LAST"])
def test_pooling_takes_the_last_step_or_the_mean(mode):
    assert (Pooling("p").mode, Pooling("p", "mean").mode) == ("last", "mean")
    with pytest.raises(ParameterError, match=rf"^p\.mode = {mode!r} is unknown: use 'last', 'mean' or 'vote'\."):
        Pooling("p", mode)
