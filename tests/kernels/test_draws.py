"""Counter-based draws: published test vectors, accuracy of the normals, and independence of everything around."""

import hashlib

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import special, stats

from analogrnn.kernels import draws, noise_draws
from analogrnn.kernels.philox import philox
from analogrnn.kernels.simd.compiled import compiled
from analogrnn.kernels.simd.lanes import load, store
from analogrnn.streams import stream

# counter, key -> words: the known-answer tests of the authors' library Random123, philox4x32 with 10 rounds
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
LONG = np.longdouble
PI = LONG("3.14159265358979323846264338327950288")
KEYS = np.array([[1, 2], [3, 4]], dtype=np.uint64)
GOLDEN = "cc53e14fcda8a6b8847105f168e3c4ce3d0cb7c4acd2cd5ec0f6a80e5b3a2eb6"


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_published_words(counter, key, words):
    assert philox(*map(np.uint64, (*counter, *key))) == words


@compiled()
def pairs_of(words, z):
    """Normals (2, n) of four rows of n words, n a multiple of 8."""
    for i in range(0, words.shape[1], 8):
        x, y = draws.normal_pairs(load(words, (0, i)), load(words, (1, i)), load(words, (2, i)), load(words, (3, i)))
        store(z, (0, i), x)
        store(z, (1, i), y)


def test_a_pair_of_normals_is_box_muller_to_the_last_bits():
    """The angle's quarter turn is taken from the lowest two bits of the fourth word."""
    words = stream(1, "test", "pairs").integers(0, 2**32, (4, 304)).astype(np.uint64)
    words[0, :3] = 0, 1, 2**32 - 1
    z = np.empty(words.shape)
    pairs_of(words, z)
    for j in range(words.shape[1]):
        a, b, c, d = (int(v) for v in words[:, j])
        radius = np.sqrt(-2 * np.log((LONG((a << 20) | (b >> 12)) + LONG(0.5)) / LONG(2**52)))
        part = LONG(((c << 20) | (d >> 12)) & (2**52 - 1)) / LONG(2**52) - LONG(0.5)
        angle = (part + (d & 3)) * PI / 2
        # series of a dozen products in double precision: a few roundings of 1.1e-16 each
        assert abs(z[0, j] - radius * np.cos(angle)) < 1e-15 * radius
        assert abs(z[1, j] - radius * np.sin(angle)) < 1e-15 * radius


def test_chip_4711_draws_what_it_always_drew():
    """A golden hash of all bits: the numbers of a chip are part of what is published about it."""
    z = normals([0, 4711])
    assert hashlib.sha256(z.tobytes()).hexdigest() == GOLDEN


def test_the_quantile_is_the_inverse_of_the_normal_law():
    m = np.concatenate([stream(2, "test", "m").integers(0, 2**52, 3000), 2 ** np.arange(52), [0, 2**52 - 1]])
    low = m < 2**51
    p = (np.where(low, m, 2**52 - 1 - m) + 0.5) * 2.0**-52  # exact, from the nearer end
    wanted = np.where(low, 1.0, -1.0) * special.ndtri(p)
    got = np.array([noise_draws.quantile(int(v)) for v in m])
    # AS 241 states 1e-16 of the value; scipy's own error adds to it
    assert np.max(np.abs(got - wanted) / np.abs(wanted)) < 3e-15
    assert np.abs(got).max() < noise_draws.REACH


def normals(chips, sizes=(3000, 50)):
    z = np.empty((2, len(chips), sum(sizes)))
    draws.device_normals(KEYS, np.array(sizes), np.array(chips, dtype=np.uint64), z[0], z[1])
    return z


def test_mismatch_draws_are_independent_standard_normals():
    z = normals(range(40))
    n = z[0].size
    for part in z:
        # Kolmogorov-Smirnov: 2.7 / sqrt(n) is passed by chance once in 10^6
        assert stats.kstest(part.ravel(), "norm").statistic < 2.7 / np.sqrt(n)
    # correlations of independent normals: 1 / sqrt(n) each; five of them
    pairs = [(z[0], z[1]), (z[0][1:], z[0][:-1]), (z[0][:, 1:3000], z[0][:, :2999]), (z[0] ** 2 - 1, z[1] ** 2 - 1)]
    for a, b in pairs:
        assert abs(np.mean(a * b)) < 5.0 * np.std(a * b) / np.sqrt(a.size)


def test_a_device_draws_the_same_in_any_company():
    alone, many, longer = normals([7]), normals([3, 7, 9]), normals([7], sizes=(3001, 50))
    assert_array_equal(many[:, 1], alone[:, 0])
    assert_array_equal(longer[:, 0, :3000], alone[:, 0, :3000])
    assert_array_equal(longer[:, 0, 3001:], alone[:, 0, 3000:])


def test_noise_of_a_longer_run_starts_with_that_of_a_shorter_one():
    """And of more samples, of more cells: each normal is a function of where it acts."""
    small, large = np.empty((17, 5, 3)), np.empty((40, 9, 4))
    for out in (small, large):
        noise_draws.noise_normals(KEYS, np.uint64(3), out)
    assert_array_equal(large[:17, :5, :3], small)


def test_noise_draws_are_independent_standard_normals():
    z = np.empty((64, 60, 40))
    noise_draws.noise_normals(KEYS, np.uint64(3), z)
    assert stats.kstest(z.ravel(), "norm").statistic < 2.7 / np.sqrt(z.size)
    for axis in range(3):  # neighbours in step, sample and cell
        a, b = np.moveaxis(z, axis, 0)[1:], np.moveaxis(z, axis, 0)[:-1]
        assert abs(np.mean(a * b)) < 5.0 / np.sqrt(a.size)
