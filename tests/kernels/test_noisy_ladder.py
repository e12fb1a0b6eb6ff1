"""The campaign kernel decides as plain double precision with per-step Gaussians, to the last level."""

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.special import ndtr

from analogrnn.kernels import noisy_lanes
from analogrnn.kernels.ladder_steps import ladder_steps
from analogrnn.kernels.noise_draws import noise_normals
from analogrnn.kernels.noisy_ladder import campaign_work, ladder_campaign
from analogrnn.kernels.simd.compiled import compiled
from analogrnn.kernels.simd.lanes import aligned, load, store
from analogrnn.streams import stream

KEYS = np.array([[1, 2], [3, 4]], dtype=np.uint64)
CHIPS = np.array([5, 2], dtype=np.uint64)


def case(name, *, stages=8, spread=0.1, steps=37, samples=21, cells=6):
    """Shared candidates and the tables of two chips."""
    draw = stream(1, "test", "noisy", name, stages)
    c = draw.normal(0.0, 1.0, (steps, samples, cells))
    up, down = (sign + spread * draw.normal(size=(2, cells, stages)) for sign in (1.0, -1.0))
    return c, up, down


def tiles(c):
    """Shared candidates as the kernel reads them, in one tile."""
    steps, samples, cells = c.shape
    lanes = aligned((1, cells, steps, -(-samples // 16) * 16), np.float32)
    lanes[0, :, :, :samples] = c.transpose(2, 0, 1)
    return lanes


def run(c, tables, sigma, rules, chips, every):
    """Levels of all chips, and whether rounding could have decided them."""
    (up, down), lanes, count = tables, tiles(c), len(chips)
    last, doubtful = np.empty((count, *c.shape[1:]), dtype=np.int16), np.zeros(count, dtype=np.bool_)
    each = np.empty((count, *c.shape) if every else (0, 0, 0, 0), dtype=np.int16)
    ladder_campaign(
        lanes,
        c,
        True,
        (np.zeros((count, c.shape[2], 0)), np.zeros((count, c.shape[2]))),
        (up[:count], down[:count]),
        (np.full(c.shape[2], sigma), np.zeros((0, c.shape[2])), np.abs(c).max(axis=(0, 1))),
        np.array(rules),
        KEYS,
        chips,
        campaign_work(lanes, c.shape[2], rules[2], shared=True),
        last,
        each,
        doubtful,
    )
    if every:
        assert_array_equal(each[:, -1], last)
    return each if every else last, doubtful


def campaign(c, up, down, sigma, **options):
    noisy, rest, every, chips = ({"noisy": True, "rest": True, "every": True, "chips": CHIPS} | options).values()
    levels, doubtful = run(c, (up, down), sigma, [rest, False, noisy], chips, every)
    assert not doubtful.any()
    return levels


def plain(c, up, down, sigma, *, rest=True, chips=CHIPS):
    """Every step in double precision, one Gaussian each."""
    out = np.empty((len(chips), *c.shape), dtype=np.int16)
    for r, chip in enumerate(chips):
        z = np.empty(c.shape)
        noise_normals(KEYS, chip, z)
        ladder_steps(c + sigma * z, up[r], down[r], rest, np.zeros(c.shape[1:], dtype=np.int64), out[r])
    return out


@pytest.mark.parametrize("stages", [1, 3, 8, 15, 16, 31, 32, 40])
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


@pytest.mark.parametrize("samples", [1, 16, 33])
@pytest.mark.parametrize("inputs", [1, 5])
def test_lanes_with_candidates_of_their_own_are_those_of_plain_double_precision(samples, inputs):
    """Weights by chip, 11 cells in groups of eight, a third of them on the general path, 19 steps, a floor at 0."""
    draw = stream(1, "test", "own", samples, inputs)
    x, cells = draw.normal(0.0, 1.0, (19, samples, inputs)), 11
    weight, bias = draw.normal(0.0, 1.0, (2, cells, inputs)), draw.normal(0.0, 0.5, (2, cells))
    up, down = (sign * 0.4 + 0.05 * draw.normal(size=(2, cells, 8)) for sign in (2.0, 1.0))
    up[:, ::3] += 0.5 * draw.normal(size=up[:, ::3].shape)
    for floor in (False, True):
        lanes = aligned((-(-samples // 16), 20, inputs, 16), np.float32)
        for v, part in enumerate(lanes):
            some = x[:, 16 * v : 16 * v + 16]
            part[:19, :, : some.shape[1]] = some.transpose(0, 2, 1)
        last, doubtful = np.empty((2, samples, cells), dtype=np.int16), np.zeros(2, dtype=np.bool_)
        every = np.empty((2, 19, samples, cells), dtype=np.int16)
        preset = np.full((3, cells), 2.5)
        cell_tables = (np.full(cells, 0.05), preset, np.abs(x).max(axis=(0, 1)))
        ladder_campaign(
            lanes,
            x,
            False,
            (weight, bias),
            (up, down),
            cell_tables,
            np.array([False, floor, True]),
            KEYS,
            CHIPS,
            campaign_work(lanes, cells, True),
            last,
            every,
            doubtful,
        )
        for r in range(2):
            c = x @ weight[r].T + bias[r]
            z, levels = np.empty(c.shape), np.empty((22, samples, cells), dtype=np.int16)
            noise_normals(KEYS, CHIPS[r], z)
            c = np.concatenate([np.full((3, samples, cells), 2.5), (np.maximum(c, 0.0) if floor else c) + 0.05 * z])
            ladder_steps(c, up[r], down[r], False, np.zeros((samples, cells), dtype=np.int64), levels)
            assert_array_equal(every[r], levels[3:])
            assert_array_equal(last[r], levels[-1])
        assert not doubtful.any()
        assert len(np.unique(every)) > 3


def test_chips_in_another_order_give_the_same_levels_in_that_order():
    c, up, down = case("order")
    turned = campaign(c, up[::-1].copy(), down[::-1].copy(), 0.05, chips=CHIPS[::-1].copy())
    assert_array_equal(turned[::-1], campaign(c, up, down, 0.05))


def test_a_candidate_on_its_threshold_is_left_to_the_plain_way():
    """Rounding could decide it: without noise the candidate's last bit does."""
    c, up, down = case("tie", stages=2, spread=0.0)
    c[3] = 1.0
    _, doubtful = run(c, (up, down), 0.0, [True, False, False], CHIPS[:1], False)
    assert doubtful[0]


@compiled()
def beyond(byte, a, normal, out):
    for j in range(0, len(a), 16):
        store(out, j, noisy_lanes._beyond(load(byte, j), load(a, j), normal))


def test_the_polynomial_of_the_normal_law_keeps_its_stated_error():
    def phi(a):
        """256 (Phi(a) - 1/2) as the lanes have it, for a multiple of 16 values."""
        scaled = np.asarray(a, dtype=np.float32) * np.float32(noisy_lanes.SLOPE)
        out, normal = np.empty_like(scaled), aligned((16 * len(noisy_lanes.NORMAL),), np.float32)
        normal[:] = np.repeat(noisy_lanes.NORMAL, 16)
        beyond(np.zeros_like(scaled), scaled, normal, out)
        return -out

    # single precision: ten roundings of values up to 256, half a unit in the last place (7.6e-6) each
    margin = noisy_lanes.PHI_ERROR + 2e-4
    inside, outside = np.linspace(-2.66, 2.66, 4000), np.linspace(2.66, 8.22, 512)
    assert np.abs(phi(inside) - 256.0 * (ndtr(inside.astype(np.float32).astype(float)) - 0.5)).max() < margin
    # beyond, 256 U may be anything from 255 on, so no byte but the last may be decided wrongly ...
    for side in (1.0, -1.0):
        tail, expected = side * phi(side * outside), 256.0 * (ndtr(outside) - 0.5)
        assert np.abs(tail - np.clip(tail, expected, 128.0))[expected < 127.0].max(initial=0.0) < margin
        assert tail.min() > 127.0 - margin
        # ... and the last not while a normal that can be drawn reaches the threshold
        assert tail.max() < 128.0 + margin
    # far away nothing is left in doubt
    assert phi(np.full(16, 8.75))[0] > 128.0 + noisy_lanes.PHI_ERROR
    assert phi(np.full(16, 20.0))[0] > 128.0 + noisy_lanes.MOST_MARGIN


def transitions(sigma, seed):
    """Moves of 400,000 cell-steps by class of the overdrive (tenths of the true sigma), counted and expected."""
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
    moved, expected = (levels != before).astype(float), ndtr(overdrive)
    tried = np.bincount(bins[free], minlength=60)
    return (
        np.bincount(bins[free], moved[free], 60),
        np.bincount(bins[free], expected[free], 60),
        np.bincount(bins[free], (expected * (1.0 - expected))[free], 60),
        tried,
    )


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
