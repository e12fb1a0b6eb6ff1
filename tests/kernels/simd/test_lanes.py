"""Vector lanes do what numpy does, lane by lane, on this CPU and on a plain one."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numba.core.errors import TypingError
from numpy.testing import assert_array_equal

from analogrnn.kernels.simd.compiled import compiled
from analogrnn.kernels.simd.functions import (
    any_of,
    bits_of,
    divided,
    first_of,
    floor,
    fused,
    least,
    magnitude,
    most,
    rotated,
    signed,
    square_root,
    where,
)
from analogrnn.kernels.simd.lanes import aligned, converted, lane, load, ramp, reinterpreted, splat, spread, store, take
from analogrnn.streams import stream

DRAW = stream(1, "test", "lanes")


@compiled()
def floats(x, y, out):
    a, b = load(x, 0), load(y, 0)
    store(out, (0, 0), a + b * 2.0)
    store(out, (1, 0), (a - b) / (1.0 + b))
    store(out, (2, 0), least(a, b))
    store(out, (3, 0), most(a, 0.5))
    store(out, (4, 0), where((a < b) & ~(b > 0.9), -a, b))
    store(out, (5, 0), square_root(magnitude(floor(a * 8.0))))
    store(out, (6, 0), signed(a, b - 0.5))
    a += spread(y, 3)
    store(out, (7, 0), a)
    store(out, (8, 0), fused(a, b, splat(lane(b, 5), np.float64)))


@pytest.mark.parametrize("count", [8])
def test_arithmetic_of_lanes_is_that_of_numpy_to_the_last_bit(count):
    """And `fused` rounds once or twice: within half a unit in the last place of the exact result, or a whole one."""
    x, y = DRAW.uniform(0.0, 1.0, (2, count))
    out = np.empty((9, count))
    floats(x, y, out)
    wanted = [
        x + y * 2.0,
        (x - y) / (1.0 + y),
        np.minimum(x, y),
        np.maximum(x, 0.5),
        np.where((x < y) & ~(y > 0.9), -x, y),
        np.sqrt(np.abs(np.floor(x * 8.0))),
        np.copysign(x, y - 0.5),
        x + y[3],
    ]
    assert_array_equal(out[:8], wanted)
    assert np.abs(out[8] - ((x + y[3]) * y + y[5])).max() <= 4.5e-16  # values below 4


@compiled()
def integers(x, y, index, table, out):
    a, b = load(x, 0), load(y, 0)
    store(out, (0, 0), (a ^ b) + (a & 255) * 3)
    store(out, (1, 0), (a >> 3) | (b << 2))
    store(out, (2, 0), rotated(a, b & 31))
    store(out, (3, 0), take(load(table, 0), converted(load(index, 0), np.int32)))
    signs = reinterpreted(a, np.int32) >> 31
    store(out, (4, 0), reinterpreted(signs, np.uint32) + ramp(np.uint32))
    store(out, (5, 0), converted(converted(a, np.float64), np.uint32))
    return bits_of(a > b)


def test_whole_numbers_wrap_shift_turn_and_look_up():
    x, y = DRAW.integers(0, 2**32, (2, 16)).astype(np.uint32)
    index, table = DRAW.integers(0, 16, 16).astype(np.uint8), DRAW.integers(0, 2**32, 16).astype(np.uint32)
    out = np.empty((6, 16), dtype=np.uint32)
    bits = integers(x, y, index, table, out)
    turn = (y & 31).astype(np.uint64)
    twice = x.astype(np.uint64) << np.uint64(32) | x
    wanted = [
        (x ^ y) + (x & 255) * np.uint32(3),
        (x >> 3) | (y << 2),
        (twice >> turn).astype(np.uint32),
        table[index],
        (x.view(np.int32) >> 31).view(np.uint32) + np.arange(16, dtype=np.uint32),
        x,
    ]
    assert_array_equal(out, wanted)
    assert bits == sum(1 << j for j in range(16) if x[j] > y[j])


@compiled()
def found(x, least_of):
    mask = load(x, 0) > least_of
    return first_of(bits_of(mask)) if any_of(mask) else -1


def test_a_mask_says_whether_and_where_it_is_set():
    x = np.zeros(16, dtype=np.float32)
    assert found(x, 0.5) == -1
    x[[6, 9]] = 1.0
    assert found(x, 0.5) == 6


@compiled()
def quotients(x, divisor, out):
    for j in range(0, len(x), 8):
        store(out, j, divided(load(x, j), divisor))


@pytest.mark.parametrize("divisor", [6.0, 42.0, 110.0, 182.0, 210.0, 240.0, 0.1, 1.7e5])
def test_division_by_fused_corrections_is_the_correctly_rounded_quotient(divisor):
    x = DRAW.normal(size=80_000) * 10.0 ** DRAW.uniform(-30.0, 30.0, 80_000)
    out = np.empty_like(x)
    quotients(x, divisor, out)
    assert_array_equal(out, x / divisor)


def test_aligned_arrays_start_a_vector():
    for shape in [(3,), (5, 7), (2, 1, 33)]:
        assert aligned(shape, np.float32).ctypes.data % 64 == 0
        assert not aligned(shape, np.int16).any()


@compiled()
def wrong_store(x, out):
    store(out, 0, load(x, 0))


def test_lanes_of_another_kind_and_slices_with_gaps_are_refused_when_compiled():
    x = np.zeros(32, dtype=np.float32)
    with pytest.raises(TypingError, match=r"store: Lanes\(float32, 16\) doesn't go into"):
        wrong_store(x, np.zeros(16))
    with pytest.raises(TypingError, match="no C-contiguous array"):
        wrong_store(x[::2], x)


CHECK = """
import hashlib, sys
import numpy as np
sys.path[:0] = ["tests/kernels"]
import test_noisy_ladder as ladder, test_draws as draws
found = []
for stages, spread in ((8, 0.1), (17, 0.1), (8, 1.0)):
    c, up, down = ladder.case("cpu", stages=stages, spread=spread)
    found.append(ladder.campaign(c, up, down, 0.05).tobytes())
found.append(draws.normals([0, 4711]).tobytes())
print(hashlib.sha256(b"".join(found)).hexdigest())
"""


@pytest.mark.slow
def test_a_cpu_of_any_age_gives_the_same_levels_and_the_same_chips(tmp_path):
    """`generic` has vectors of 128 bits and no fused products; `host` is whatever this machine has."""

    def answer(cpu):
        other = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)} if cpu else {}
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | other
        child = [sys.executable, "-c", CHECK]
        return subprocess.run(child, env=environment, check=True, capture_output=True, text=True).stdout

    assert answer("generic") == answer(None)
