"""The numpy functions for little work give what the compiled kernels give, to the last bit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analogrnn.kernels import draws, ladder_steps, noise_draws, plain
from analogrnn.streams import stream

KEYS = np.array([[1, 2], [3, 2**32 - 1], [2**32 - 5, 6]], dtype=np.uint64)


def test_mismatch_is_that_of_the_vector_lanes_to_the_last_bit():
    sizes, chips = np.array([37, 1, 4000]), np.array([0, 7, 2**32 - 2], dtype=np.uint64)
    found, wanted = np.empty((2, 2, len(chips), sizes.sum()))
    plain.device_normals(KEYS, sizes, chips, *found)
    draws.device_normals(KEYS, sizes, chips, *wanted)
    assert_array_equal(found, wanted)
    spread = stream(1, "test", "plain").uniform(0.1, 2.0, (3, sizes.sum()))
    delta = np.empty((2, *found[0].shape))
    plain.device_deviations(*spread, *found, delta[0])
    draws.device_deviations(*spread, *wanted, delta[1])
    assert_array_equal(found, wanted)
    assert_array_equal(delta[0], delta[1])


def test_noise_is_that_of_the_kernel_to_the_last_bit():
    """39,000 normals, so that both ends of the quantile's middle part and its tail occur; the far tail is below."""
    found, wanted = np.empty((2, 39, 50, 20))
    plain.noise_normals(KEYS[:2], np.uint64(3), found)
    noise_draws.noise_normals(KEYS[:2], np.uint64(3), wanted)
    assert_array_equal(found, wanted)


def test_the_quantile_of_both_is_the_same_in_the_middle_the_tail_and_far_out():
    # r = sqrt(-ln p) passes 5 at p = 1.4e-11, m = 6e4
    m = np.concatenate([np.arange(200), 2 ** np.arange(8, 52), stream(1, "test", "far").integers(0, 2**52, 2000)])
    m = np.concatenate([m, (1 << 52) - 1 - m]).astype(np.uint64)
    assert_array_equal(plain.quantile(m), [noise_draws.quantile(int(v)) for v in m])


@pytest.mark.parametrize("rest", [True, False], ids=["rest", "no rest"])
@pytest.mark.parametrize("spread", [0.0, 0.2, 2.0])
def test_ladders_step_as_the_kernel(spread, rest):
    """Tables in order, overlapping and drifting; candidates on a threshold, thresholds that nothing reaches."""
    draw = stream(1, "test", "plain ladders", str(spread))
    up, down = (sign + spread * draw.normal(size=(5, 7)) for sign in (1.0, -1.0))
    down[0, 3] = -np.inf
    c = draw.normal(0.0, 1.5, (60, 11, 5))
    c[::5] = up[:, 2]
    start = draw.integers(0, 8, (2, 11, 5))
    start[1] = start[0]
    levels = np.empty((2, *c.shape), dtype=np.int16)
    plain.ladder_steps(c, up, down, rest, start[0], levels[0])
    ladder_steps.ladder_steps(c, up, down, rest, start[1], levels[1])
    assert_array_equal(*levels)
    assert_array_equal(*start)
    assert len(np.unique(levels)) == 8
