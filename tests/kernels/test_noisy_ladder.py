"""The campaign kernel decides as plain double precision with per-step Gaussians, to the last level."""

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.special import ndtr

from analogrnn.kernels import noisy_ladder
from analogrnn.kernels.ladder_steps import ladder_steps
from analogrnn.kernels.noisy_ladder import byte_ends, campaign_work, ladder_campaign, noise_normals
from analogrnn.streams import stream

KEYS = np.array([[1, 2], [3, 4]], dtype=np.uint64)
CHIPS = np.array([5, 2], dtype=np.uint64)


def case(name, *, stages=8, spread=0.1, steps=37, samples=21, cells=6):
    """Shared candidates and the tables of two chips."""
    draw = stream(1, "test", "noisy", name, stages)
    c = draw.normal(0.0, 1.0, (steps, samples, cells))
    up, down = (sign + spread * draw.normal(size=(2, cells, stages)) for sign in (1.0, -1.0))
    return c, up, down


def campaign(c, up, down, sigma, **options):
    noisy, rest, every, chips = ({"noisy": True, "rest": True, "every": True, "chips": CHIPS} | options).values()
    steps, samples, cells = c.shape
    width = -(-samples // 8) * 8
    lanes = np.zeros((1, cells, -(-steps // 4) * 4, width), dtype=np.float32)
    lanes[0, :, :steps, :samples] = c.transpose(2, 0, 1)
    ends = np.zeros((2, 256))
    if noisy:
        byte_ends(ends)
    last, doubtful = np.empty((len(chips), samples, cells), dtype=np.int16), np.zeros(len(chips), dtype=np.bool_)
    each = np.empty((len(chips), *c.shape) if every else (0, 0, 0, 0), dtype=np.int16)
    ladder_campaign(
        lanes, c, True, (np.zeros((len(chips), cells, 0)), np.zeros((len(chips), cells))), (up, down),
        (np.full(cells, sigma), np.zeros((0, cells)), np.abs(c).max(axis=(0, 1))), np.array([rest, False, noisy]), KEYS,
        chips, ends, campaign_work(steps, width, 0, noisy), last, each, doubtful,
    )  # fmt: skip
    assert not doubtful.any()
    if every:
        assert_array_equal(each[:, -1], last)
    return each if every else last


def plain(c, up, down, sigma, *, rest=True, chips=CHIPS):
    """Every step in double precision, one Gaussian each."""
    out = np.empty((len(chips), *c.shape), dtype=np.int16)
    for r, chip in enumerate(chips):
        z = np.empty(c.shape)
        noise_normals(KEYS, chip, z)
        ladder_steps(c + sigma * z, up[r], down[r], rest, np.zeros(c.shape[1:], dtype=np.int64), out[r])
    return out


@pytest.mark.parametrize("stages", [1, 3, 4, 5, 8, 9, 16, 17])
def test_every_level_is_that_of_plain_double_precision(stages):
    c, up, down = case("levels", stages=stages)
    assert_array_equal(campaign(c, up, down, 0.05), plain(c, up, down, 0.05))


@pytest.mark.parametrize("sigma", [1e-12, 1e-6, 1e-3, 0.02, 0.3, 2.0])
@pytest.mark.parametrize("spread", [0.02, 0.3, 1.0])
def test_no_table_and_no_noise_is_decided_otherwise(sigma, spread):
    """From thresholds in order to ones that overlap and drift, from no noise to one wider than the window."""
    c, up, down = case("wild", spread=spread)
    assert_array_equal(campaign(c, up, down, sigma), plain(c, up, down, sigma))


@pytest.mark.parametrize("spread", [0.1, 0.8])
def test_zero_noise_is_the_noiseless_ladder(spread):
    c, up, down = case("quiet", spread=spread)
    assert_array_equal(campaign(c, up, down, 0.05, noisy=False), plain(c, up, down, 0.0))


def test_a_line_that_holds_does_not_drift():
    c, up, down = case("held", spread=0.8)
    assert_array_equal(campaign(c, up, down, 0.05, rest=False), plain(c, up, down, 0.05, rest=False))


def test_the_last_levels_alone_are_the_last_of_all():
    """The short way takes four steps at once; 37 is no multiple of it."""
    c, up, down = case("last")
    assert_array_equal(campaign(c, up, down, 0.05, every=False), plain(c, up, down, 0.05)[:, -1])


def test_chips_in_another_order_give_the_same_levels_in_that_order():
    c, up, down = case("order")
    turned = campaign(c, up[::-1].copy(), down[::-1].copy(), 0.05, chips=CHIPS[::-1].copy())
    assert_array_equal(turned[::-1], campaign(c, up, down, 0.05))


def test_a_candidate_on_its_threshold_is_left_to_the_plain_way():
    """Rounding could decide it: without noise the candidate's last bit does."""
    c, up, down = case("tie", stages=2, spread=0.0)
    c[3] = 1.0
    doubtful = np.zeros(1, dtype=np.bool_)
    steps, samples, cells = c.shape
    lanes = np.zeros((1, cells, 40, 24), dtype=np.float32)
    lanes[0, :, :steps, :samples] = c.transpose(2, 0, 1)
    ladder_campaign(
        lanes, c, True, (np.zeros((1, cells, 0)), np.zeros((1, cells))), (up[:1], down[:1]),
        (np.zeros(cells), np.zeros((0, cells)), np.abs(c).max(axis=(0, 1))), np.array([True, False, False]), KEYS,
        CHIPS[:1], np.zeros((2, 256)), campaign_work(steps, 24, 0, False), np.empty((1, samples, cells), np.int16),
        np.empty((0, 0, 0, 0), np.int16), doubtful,
    )  # fmt: skip
    assert doubtful[0]


def test_the_polynomial_of_the_normal_law_keeps_its_stated_error():
    def phi(a):
        return np.array([noisy_ladder._phi(np.float32(v)) for v in a]) + 128.0

    inside, outside = np.linspace(-3.0, 3.0, 4001), np.linspace(3.0, 8.22, 500)
    # single precision: ten roundings of values up to 256, half a unit in the last place (7.6e-6) each
    slack = 2e-4
    error = np.abs(phi(inside) - 256.0 * ndtr(inside.astype(np.float32).astype(float)))
    assert error.max() < noisy_ladder.PHI_ERROR + slack
    # a normal that can be drawn is never ruled out: with the least margin, the line is still inside [0, 256] there
    assert phi(outside).max() + slack < 256.0 + noisy_ladder.LEAST_MARGIN
    assert phi(-outside).min() - slack > -noisy_ladder.LEAST_MARGIN
    assert phi(outside).min() > 255.0
    # and far away nothing is left in doubt
    assert phi([25.0])[0] > 256.0 + noisy_ladder.MOST_MARGIN


def transitions(sigma, seed):
    """Moves of 400,000 cell-steps, as counts by class of the overdrive in tenths of the true sigma, and their law."""
    true, steps, samples, cells = 0.05, 64, 250, 25
    draw = stream(seed, "test", "transitions")
    side = draw.choice([-1.0, 1.0], (steps, samples, cells))
    c = side * (1.0 + true * draw.uniform(-3.0, 3.0, (steps, samples, cells)))
    up, down = np.ones((1, cells, 8)), -np.ones((1, cells, 8))
    levels = campaign(c, up, down, sigma, chips=np.array([seed], dtype=np.uint64))[0].astype(int)
    before = np.concatenate([np.zeros((1, samples, cells), dtype=int), levels[:-1]])
    free = np.where(side > 0, before < 8, before > 0)
    overdrive = (side * c - 1.0) / true
    bins = np.floor((overdrive + 3.0) / 0.1).astype(int)
    moved, law = (levels != before).astype(float), ndtr(overdrive)
    tried = np.bincount(bins[free], minlength=60)
    return (np.bincount(bins[free], moved[free], 60), np.bincount(bins[free], law[free], 60),
            np.bincount(bins[free], (law * (1.0 - law))[free], 60), tried)  # fmt: skip


def chi_square(sigma):
    """The chi-square statistic of the moves against per-step Gaussians, in standard deviations above its mean.

    60 classes of the overdrive, 5 x 400,000 cell-steps: mean 60, standard deviation sqrt(120).
    """
    seen, wanted, variance, _ = (np.sum([transitions(sigma, seed)[k] for seed in range(5)], axis=0) for k in range(4))
    return (np.sum((seen - wanted) ** 2 / variance) - 60.0) / math.sqrt(120.0)


def test_transitions_follow_per_step_gaussians_and_a_sigma_of_two_percent_more_is_told():
    assert abs(chi_square(0.05)) < 5.0
    assert chi_square(0.05 * 1.02) > 5.0
    assert chi_square(0.05 * 0.98) > 5.0
