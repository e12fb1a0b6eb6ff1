"""Named random streams: a draw depends on its seed and its name, not on other draws."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_array_equal
from scipy import stats

from analogrnn.errors import ParameterError
from analogrnn.streams import chip_number, stream, stream_key

SEEDS = st.integers(0, 2**64)
# a separator or a digit in a name must not make two names alike
PARTS = st.text("ab1:|is", max_size=4) | st.integers(-20, 20)
PATHS = st.lists(PARTS, min_size=1, max_size=4).map(tuple)


def first(seed, *path, count=4):
    return stream(seed, *path).integers(0, 2**63, count).tolist()


@given(SEEDS, PATHS)
def test_a_stream_is_the_same_at_each_call(seed, path):
    assert first(seed, *path) == first(seed, *path)


@given(SEEDS, PATHS, PATHS)
def test_two_names_share_no_draws(seed, one, other):
    def kinds(path):
        return [(type(part), part) for part in path]

    assert (first(seed, *one) == first(seed, *other)) == (kinds(one) == kinds(other))


@given(SEEDS, SEEDS, PATHS)
def test_two_seeds_share_no_draws(one, other, path):
    assert (first(one, *path) == first(other, *path)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", 1), ("a", "1")),
        (("ab",), ("a", "b")),
        (("a", 1), ("a1",)),
        (("a",), ("a", "")),
        (("a|s1:b",), ("a", "b")),
        (("a", "b"), ("b", "a")),
        ((12,), (1, 2)),
        ((-1,), (1,)),
        (("é",), ("e\u0301",)),
    ],
)
def test_names_that_look_alike_differ(one, other):
    assert first(1, *one) != first(1, *other)


def test_a_chip_is_the_same_whatever_else_was_drawn():
    alone = stream(1, "mismatch", 7).normal(size=100)
    for campaign in (range(10), range(9, -1, -1), (3, 7, 7)):
        chips = {}
        for chip in campaign:
            chips[chip] = stream(1, "mismatch", chip).normal(size=100)
            stream(1, "noise", chip).normal(size=chip)
            np.random.default_rng(chip).normal(size=chip)
        assert_array_equal(chips[7], alone)


def test_a_longer_draw_starts_with_a_shorter_one():
    assert_array_equal(stream(1, "x").normal(size=1000)[:10], stream(1, "x").normal(size=10))


@pytest.mark.parametrize("width", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_a_numpy_integer_of_any_width_is_as_good_as_an_int(width):
    assert first(width(3), "chip", width(7)) == first(3, "chip", 7)


def test_the_draws_are_those_of_the_first_release():
    """Every stored seed depends on these; a change here belongs under 'Numbers changed'."""
    assert first(1, "mismatch", 7, count=2) == [6403006278119464011, 4473609710806541861]
    # one rounding may differ between builds of numpy
    np.testing.assert_allclose(stream(0, "a").normal(size=2), [-1.0767422, -0.08473719], atol=1e-7)


NEIGHBOURS = [((1, "chip", i), (1, "chip", i + 1)) for i in range(6)] + [
    ((1, "a"), (2, "a")),
    ((0, "a"), (1, "a")),
    ((1, "a", 1), (1, "a", "1")),
    ((1, "a"), (1, "b")),
    ((1, "mismatch", 3, "cell", "m1"), (1, "mismatch", 3, "cell", "m2")),
]


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS)
def test_neighbouring_streams_are_uncorrelated(one, other):
    n = 20_000
    a, b = stream(*one).normal(size=n), stream(*other).normal(size=n)
    # the correlation of independent normals has a standard deviation of 1/sqrt(n); allow five of them, at each lag
    for lag in range(5):
        assert abs(np.mean(a[: n - lag] * b[lag:])) < 5 / np.sqrt(n - lag)


def test_the_first_draws_of_ten_thousand_streams_are_uniform():
    """A Monte Carlo campaign takes a few numbers from each of many streams."""
    draws = np.array([stream(1, "chip", i).random() for i in range(10_000)])
    # Kolmogorov-Smirnov: 2.7 / sqrt(n) is passed by chance once in 10^6
    assert stats.kstest(draws, "uniform").statistic < 2.7 / np.sqrt(10_000)
    assert abs(np.mean((draws[1:] - 0.5) * (draws[:-1] - 0.5)) * 12) < 5 / np.sqrt(9_999)


@pytest.mark.parametrize(("distribution", "draw"), [("uniform", "random"), ("norm", "standard_normal")])
def test_the_draws_of_one_stream_follow_their_distribution(distribution, draw):
    n = 100_000
    values = getattr(stream(1, "distribution"), draw)(n)
    # as above: by chance once in 10^6
    assert stats.kstest(values, distribution).statistic < 2.7 / np.sqrt(n)
    mean, std = (0.5, 1 / np.sqrt(12)) if distribution == "uniform" else (0.0, 1.0)
    assert abs(values.mean() - mean) < 5 * std / np.sqrt(n)
    # the sample std of n normals has a standard deviation of sigma / sqrt(2 n); of uniforms a smaller one
    assert abs(values.std() - std) < 5 * std / np.sqrt(2 * n)


@pytest.mark.parametrize("seed", [-1, 1.0, "1", None, True, False, np.float64(1.0), [1], np.bool_(True)])
def test_a_seed_is_a_whole_number_from_zero_up(seed):
    with pytest.raises(ParameterError, match=r"^seed = .* is not a whole number >= 0; give for example 1\."):
        stream(seed, "a")


def test_a_stream_has_a_name():
    with pytest.raises(ParameterError, match=r"^stream\(\) has no name; name what the draws are for, as in stream\("):
        stream(1)


def test_a_key_is_two_words_of_the_name_s_hash():
    key = stream_key(1, "mismatch", "cell", "m1")
    assert key.dtype == np.uint64
    assert key.shape == (2,)
    assert np.all(key < 2**32)
    assert_array_equal(stream_key(1, "mismatch", "cell", "m1"), key)
    others = [(1, "mismatch", "cell", "m2"), (1, "mismatch", "low", "m1"), (2, "mismatch", "cell", "m1")]
    assert len({tuple(stream_key(*path)) for path in others} | {tuple(key)}) == 4


def test_the_keys_are_those_of_the_first_release():
    """Every drawn chip depends on these; a change here belongs under 'Numbers changed'."""
    assert_array_equal(stream_key(1, "mismatch", "cell", "m1"), [1523610380, 1550523608])


@pytest.mark.parametrize("number", [0, 7, np.uint32(7), np.int64(2**31 - 1)])
def test_a_chip_number_is_one_word_of_a_counter(number):
    assert chip_number("chip", number) == int(number)


@pytest.mark.parametrize("number", [-1, 2**31, 2**32 - 1, 1.0, "3", None, True])
def test_an_invalid_chip_number_is_refused(number):
    with pytest.raises(
        ParameterError, match=r"chip = .* is not a chip number: give a whole number from 0 to 2147483647"
    ):
        chip_number("chip", number)
