"""Propagated level probabilities against the noiseless kernel, against a chain by hand, and against sampling."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.kernels.ladder_steps import ladder_steps
from analogrnn.kernels.level_chain import level_probabilities
from analogrnn.kernels.noise_draws import noise_normals
from analogrnn.streams import stream

PLAIN = getattr(level_probabilities, "py_func", level_probabilities)
both = pytest.mark.parametrize("kernel", [level_probabilities, PLAIN], ids=["compiled", "plain"])


def chain(kernel, c, sigma, up, down, *, rest=True):
    p = np.zeros((up.shape[0], up.shape[1] + 1))
    p[:, 0] = 1.0
    out = np.empty((*c.shape, up.shape[1] + 1))
    kernel(c, np.full(len(up), sigma), up, down, rest, p, out)
    assert_array_equal(p, out[-1])
    return out


def tables(name, cells, stages, spread):
    draw = stream(1, "test", "chain", name)
    return (
        1.0 + spread * draw.normal(size=(cells, stages)),
        -1.0 + spread * draw.normal(size=(cells, stages)),
        draw.normal(0.0, 1.2, (60, cells)),
    )


@both
@pytest.mark.parametrize("spread", [0.1, 0.8], ids=["regular", "overlapping and drifting"])
def test_without_noise_the_chain_is_the_recurrence(kernel, spread):
    up, down, c = tables("quiet", 40, 5, spread)
    n, out = np.zeros((1, 40), dtype=np.int64), np.empty((60, 1, 40), dtype=np.int16)
    ladder_steps(c[:, None], up, down, True, n, out)
    assert_array_equal(np.argmax(chain(kernel, c, 0.0, up, down), axis=2), out[:, 0])


@both
def test_one_step_moves_with_the_probability_of_the_normal_law(kernel):
    up, down = np.array([[1.0, 1.5]]), np.array([[-1.0, -0.5]])
    p = chain(kernel, np.array([[1.1], [-0.4]]), 0.2, up, down)[:, 0]
    risen = 0.5 * math.erfc(-0.5 / math.sqrt(2.0))
    assert_allclose(p[0], [1.0 - risen, risen, 0.0], rtol=1e-15)
    # from level 1, at -0.4: down where z <= (-1 + 0.4) / 0.2
    fallen = 0.5 * math.erfc(3.0 / math.sqrt(2.0))
    assert p[1, 0] == pytest.approx((1.0 - risen) + risen * fallen, rel=1e-12)


@both
def test_probabilities_sum_to_one(kernel):
    up, down, c = tables("sum", 20, 6, 0.8)
    # 60 steps of a few roundings each
    assert_allclose(chain(kernel, c, 0.3, up, down).sum(axis=2), 1.0, rtol=1e-13)


@pytest.mark.parametrize("spread", [0.1, 0.8], ids=["regular", "overlapping and drifting"])
def test_sampled_levels_follow_the_propagated_law(spread):
    """Chi-square of the last level of each cell, 4,000 samples; a probability of 1e-7 is five sigma and a half."""
    samples = 4000
    up, down, c = tables("sampled", 12, 5, spread)
    z = np.empty((len(c), samples, 12))
    noise_normals(np.array([[5, 6], [7, 8]], dtype=np.uint64), np.uint64(0), z)
    n = np.zeros((samples, 12), dtype=np.int64)
    ladder_steps(c[:, None] + 0.3 * z, up, down, True, n, np.empty(z.shape, dtype=np.int16))
    distribution = chain(level_probabilities, c, 0.3, up, down)[-1]
    total, freedom = 0.0, 0
    for i in range(12):
        wanted, seen = samples * distribution[i], np.bincount(n[:, i], minlength=6)
        usual = wanted > 10.0
        total += np.sum((seen[usual] - wanted[usual]) ** 2 / wanted[usual])
        freedom += usual.sum() - 1
    # a chi-square of k degrees is below k + 2 sqrt(k x) + 2 x but with probability exp(-x) (Laurent & Massart 2000)
    assert freedom >= 12
    assert total < freedom + 2.0 * math.sqrt(freedom * 16.0) + 32.0
