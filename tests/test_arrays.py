"""Arrays that come in: plain numbers are widened, and what would lose something on the way is refused by name."""

import warnings

import numpy as np
import pytest
from helpers import kinds, mapped
from numpy.testing import assert_array_equal

from analogrnn.chip import nominal_chip
from analogrnn.datasets import LabelledClips
from analogrnn.errors import ParameterError, in_range, plain_array
from analogrnn.montecarlo import run_monte_carlo
from analogrnn.network import Linear, forward
from analogrnn.simulate import simulate

PLAIN = [1.0, -2.5, 0.0]
WIDER = np.dtype(np.longdouble).itemsize > 8  # not on every machine


@pytest.mark.parametrize("kind", ["f8", "f4", "f2", ">f8", "i8", "i1", "u2"])
def test_plain_numbers_are_widened_exactly(kind):
    values = np.array([1, 2, 3], kind)
    assert_array_equal(plain_array("x", values), [1.0, 2.0, 3.0])
    assert plain_array("x", values).dtype == np.float64
    assert_array_equal(plain_array("x", [list(values), (1, 2.5, 3)]), [[1, 2, 3], [1, 2.5, 3]])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.ma.masked_array(PLAIN, [0, 1, 0]), "is a masked array; replace what is masked"),
        ([np.ma.masked_array(PLAIN, [0, 1, 0])], "is a masked array"),
        ([1.0, np.ma.masked], "is a masked array"),
        (np.array(PLAIN) + 0j, r"It is complex \(complex128\); take the part that is meant"),
        ([1.0, 2j], "It is complex"),
        (np.array(["2026-01-01"], "M8[D]"), r"It holds dates \(datetime64\[D\]\)"),
        (np.array([1, 2], "m8[s]"), r"It holds durations \(timedelta64\[s\]\)"),
        (np.array([1.0, None], object), "It holds Python objects"),
        (np.array(["1", "2"]), "It holds text"),
        (["1", "2"], "It holds text"),
        (np.array([b"1"]), "It holds text"),
        (np.zeros(2, [("a", "f8")]), "convert it to float32"),
        (None, "It holds Python objects"),
        ([[1.0], [1.0, 2.0]], "is not an array of numbers"),
        (np.array([2**60 + 1]), "has values of type int64 that float64 can't hold"),
        (np.array([2**64 - 1], np.uint64), "has values of type uint64 that float64 can't hold"),
    ],
)
def test_what_is_no_array_of_plain_numbers_is_refused_by_name(value, reason):
    with pytest.raises(ParameterError, match=rf"^front\.weight .*{reason}"):
        plain_array("front.weight", value)


@pytest.mark.skipif(not WIDER, reason="long double is double here")
def test_a_number_finer_than_float64_is_refused():
    with pytest.raises(ParameterError, match="that float64 can't hold; round them first"):
        plain_array("x", np.array([1], np.longdouble) / 3)
    assert_array_equal(plain_array("x", np.array([1, np.nan], np.longdouble)), [1.0, np.nan])


def test_a_sparse_matrix_is_refused():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(ParameterError, match=r"^x is sparse; call its \.toarray\(\)"):
        plain_array("x", scipy_sparse.eye(3))


def test_a_foreign_array_that_fails_on_its_own_is_refused():
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("on another machine")

    with pytest.raises(ParameterError, match=r"^x is not an array of numbers \(RuntimeError\)"):
        plain_array("x", Broken())


def test_bfloat16_of_jax_is_widened():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    assert_array_equal(plain_array("x", np.array(PLAIN, ml_dtypes.bfloat16)), PLAIN)
    with pytest.raises(ParameterError, match="It has type float8_e4m3fn; convert it to float32"):
        plain_array("x", np.array(PLAIN, ml_dtypes.float8_e4m3fn))


@pytest.mark.torch
def test_tensors_of_torch_are_widened_or_refused_with_what_they_are():
    import torch

    plain = torch.tensor(PLAIN)
    for tensor in (plain, plain.bfloat16(), plain.half(), plain.double(), torch.nn.Parameter(plain), [plain, plain]):
        assert_array_equal(plain_array("x", tensor), np.broadcast_to(PLAIN, np.shape(plain_array("x", tensor))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that some of these are young, and others old
        refused = {
            "is quantised": torch.quantize_per_tensor(plain, 0.5, 0, torch.qint8),
            r"is sparse \(torch\.sparse_coo\); call its \.to_dense": plain.to_sparse(),
            r"is sparse \(torch\.sparse_csr\)": torch.eye(2).to_sparse_csr(),
            "is on the device 'meta', which holds no values": torch.empty(3, device="meta"),
            "has type float8_e4m3fn, whose scale is kept elsewhere": plain.to(torch.float8_e4m3fn),
            "It is complex": torch.tensor([1j]).conj(),
        }
    for reason, tensor in refused.items():
        with pytest.raises(ParameterError, match=rf"^fc\.weight .*{reason}"):
            plain_array("fc.weight", tensor)


@pytest.mark.parametrize(
    "value", ["0.5", "1_0", b"1", 1j, np.complex128(1), True, np.ma.masked, None, np.timedelta64(1)]
)
def test_a_number_in_a_range_is_a_real_number(value):
    with pytest.raises(ParameterError, match=r"^Cell\.eps = .* is not a number"):
        in_range("Cell.eps", value, 0.0, 1.0)


BAD = np.ma.masked_array(np.zeros((4, 2, 3)), np.ones((4, 2, 3)))


@pytest.mark.parametrize("x", [BAD, np.zeros((4, 2, 3), complex), np.zeros((4, 2, 3), "m8[s]")])
def test_every_way_in_refuses_such_inputs(x):
    network = kinds()["signed"]
    with pytest.raises(ParameterError, match=r"^x is "):
        forward(network, x)
    with pytest.raises(ParameterError, match=r"^x is "):
        simulate(nominal_chip(mapped(network)), x)
    with pytest.raises(ParameterError, match=r"^fc\.weight is "):
        Linear("fc", x[0], np.zeros(2))
    with pytest.raises(ParameterError, match=r"^x is "):
        LabelledClips(x, np.zeros(2, int))
    with pytest.raises(ParameterError, match=r"^x is "):
        run_monte_carlo(mapped(network), x, np.zeros(2, int), chips=2)


def test_nested_lists_of_numbers_are_clips():
    clips = LabelledClips([[[1, 2.5]], [[0, -1]]], [0])
    assert clips.x.dtype == np.float64
    assert clips.x.shape == (2, 1, 2)
