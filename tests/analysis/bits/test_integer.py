"""The integer model equals the float simulation with the same word lengths, and fxpmath, bit for bit; no overflow."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analogrnn import datasets, library
from analogrnn.analysis.bits.integer import IntegerNetwork, integer_network, run_integer, save_codes
from analogrnn.analysis.bits.quantise import Convention, groups_of, quantise
from analogrnn.errors import OutputError, ParameterError
from analogrnn.kernels.integer_steps import integer_affine, integer_ladder
from analogrnn.kernels.ladder_steps import ladder_steps
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network.files import load
from analogrnn.simulate import simulate
from analogrnn.streams import stream
from analogrnn.technology import load_technology
from tests.helpers import inputs_of, kinds, mapped
from validation.fixed_point_arithmetic import fixed_point_reference

SHIPPED = ("digits_d16_k2", "digits_d32_k4", "digits_bmru_d16")


def same_length_for_all(design, bits):
    return dict.fromkeys(groups_of(design), bits)


def shipped(name, part="test", clips=40):
    network = load(library.network_path(name))
    data = datasets.spoken_digits(part)
    return map_network(network, load_technology()), network.encoding(data.features[:clips])


def assert_equal_runs(quantised, x):
    model = integer_network(quantised)
    run, reference = run_integer(model, quantised.input_codes(x)), simulate(quantised.chip(), quantised.inputs(x))
    for name, levels in reference.levels.items():
        assert_array_equal(run.levels[name], levels)
    assert_array_equal(np.ldexp(run.logits.astype(float), model.logit_exponent), reference.logits)
    return model, run


def test_input_dependent_thresholds_are_not_quantised():
    design = mapped(kinds()["input_dependent"])
    with pytest.raises(ParameterError, match="cell has input-dependent thresholds, which quantisation does not treat"):
        quantise(design, same_length_for_all(design, 8))


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind != "input_dependent"])
@pytest.mark.parametrize(
    "convention",
    [Convention(), Convention(reference="row", bias="trained"), Convention(compensate=False)],
    ids=["layer", "row", "independent"],
)
def test_the_integer_model_equals_the_float_simulation_at_every_step_for_every_kind_of_network(kind, convention):
    """No tolerance: every float sum is a whole multiple of the accumulator's step, below 2^53 of them."""
    network = kinds()[kind]
    design, x = mapped(network, input_bound=6.0), np.clip(inputs_of(network, steps=30, clips=4), -6.0, 6.0)
    for bits in (7, 9, 11):
        assert_equal_runs(quantise(design, same_length_for_all(design, bits), convention), x)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_integer_model_equals_the_float_simulation_on_the_shipped_networks(name):
    design, x = shipped(name)
    for bits in (4, 7, 10, 16):
        model, _ = assert_equal_runs(quantise(design, same_length_for_all(design, bits)), x)
        assert model.layers[0].weight.dtype == (np.int8 if bits <= 8 else np.int16)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_integer_model_equals_fxpmath_on_the_shipped_networks(name):
    """fxpmath keeps its own word lengths: products and sums of full width, compared as fixed-point numbers."""
    design, x = shipped(name, clips=2)
    word_lengths = same_length_for_all(design, 7) | {"inputs": 5, "bias": 9, "threshold": 8, "readout_weights": 6}
    quantised = quantise(design, word_lengths)
    model = integer_network(quantised)
    levels, logits = fixed_point_reference(quantised, x)
    run = run_integer(model, quantised.input_codes(x))
    assert_array_equal(run.levels["cell"], levels)
    assert_array_equal(np.ldexp(run.logits.astype(float), model.logit_exponent), logits)


def test_the_bound_of_the_accumulator_is_reached_and_never_passed():
    design, _ = shipped("digits_d16_k2", clips=1)
    quantised = quantise(design, same_length_for_all(design, 6))
    model = integer_network(quantised)
    cell = model.layers[0]
    reach = []
    for i in range(len(cell.bias)):
        worst = np.sign(cell.weight[i].astype(int)) * model.input_limit * (1 if cell.bias[i] >= 0 else -1)
        run = run_integer(model, worst[None, None, :])
        reach.append(abs(int(run.accumulators["cell"][0, 0, i])))
    thresholds = int(max(np.abs(cell.up).max(), np.abs(cell.down).max()))
    assert max(reach) + thresholds == cell.bound
    assert 2 ** (cell.accumulator_bits - 2) <= cell.bound < 2 ** (cell.accumulator_bits - 1)
    random = stream(1, "test").integers(-model.input_limit, model.input_limit + 1, (50, 20, 14))
    for name, values in run_integer(model, random).accumulators.items():
        layer = next(item for item in model.layers if item.name == name)
        assert np.abs(values).max() <= layer.bound


def test_an_accumulator_of_too_few_bits_does_wrap():
    """So the bound is needed: the kernel adds in the type that it is given."""
    x, weight = np.full((1, 4), 30_000, np.int64), np.full((1, 4), 30_000, np.int16)
    narrow, wide = np.empty((1, 1), np.int32), np.empty((1, 1), np.int64)
    for out in (narrow, wide):
        integer_affine(x, weight, np.zeros(1, np.int64), np.zeros(1, out.dtype), False, out)
    assert wide[0, 0] == 4 * 30_000**2
    assert narrow[0, 0] != wide[0, 0]


def test_integer_ladders_decide_as_float_ladders_do():
    """Random thresholds, some of the wrong sign and some out of reach, with and without a return to zero."""
    rng = stream(3, "test", "ladders")
    for rest in (True, False):
        up = rng.integers(-3, 12, (50, 4))
        down = np.minimum(rng.integers(-12, 4, (50, 4)), up - 1)
        stuck = rng.random((50, 4)) < 0.1
        c = rng.integers(-15, 16, (60, 3, 50)).astype(np.int32)
        n, m = np.zeros((3, 50), np.int64), np.zeros((3, 50), np.int64)
        whole, real = np.empty(c.shape, np.int16), np.empty(c.shape, np.int16)
        integer_ladder(c, up, down, stuck, rest, n, whole)
        ladder_steps(c.astype(float), up.astype(float), np.where(stuck, -np.inf, down), rest, m, real)
        assert_array_equal(whole, real)
        assert_array_equal(n, m)
        assert len(np.unique(whole)) == 5


def test_kernels_compute_the_same_without_the_compiler():
    rng = stream(4, "test")
    x, w = rng.integers(-9, 10, (5, 3)), rng.integers(-9, 10, (4, 3)).astype(np.int8)
    bias, shift = rng.integers(-9, 10, 4).astype(np.int32), np.array([0, 1, 2, 3])
    a, b = np.empty((5, 4), np.int32), np.empty((5, 4), np.int32)
    integer_affine(x, w, shift, bias, True, a)
    getattr(integer_affine, "py_func", integer_affine)(x, w, shift, bias, True, b)
    assert_array_equal(a, b)
    assert_array_equal(a, np.maximum(((x @ w.T.astype(int)) << shift) + bias, 0))


def test_a_design_without_an_integer_model_is_refused_with_the_reason():
    design, x = shipped("digits_d16_k2", clips=2)
    word_lengths = same_length_for_all(design, 6)
    without = {group: bits for group, bits in word_lengths.items() if group != "bias"}
    with pytest.raises(ParameterError, match=r"\['bias'\] have no word length"):
        integer_network(quantise(design, without))
    with pytest.raises(ParameterError, match="not a power of two"):
        integer_network(quantise(design, word_lengths, Convention(grid="full")))
    quantised = quantise(design, word_lengths)
    model = integer_network(quantised)
    codes = quantised.input_codes(x)
    with pytest.raises(ParameterError, match="codes has shape"):
        run_integer(model, codes[0])
    with pytest.raises(ParameterError, match="no steps or no clips"):
        run_integer(model, codes[:0])
    with pytest.raises(ParameterError, match="is not a whole number within 24"):
        run_integer(model, codes + 0.5)
    with pytest.raises(ParameterError, match="is not a whole number within 24"):
        run_integer(model, np.full_like(codes, 25))


def test_an_accumulator_beyond_53_bits_is_refused():
    """A row of tiny weights beside a row of large ones, each with a reference of its own, needs a long accumulator."""
    network = kinds()["signed"]
    cell = network.layers[0]
    weight = cell.weight.copy()
    weight[0] *= 1e-2
    network = replace(
        network, layers=(replace(cell, weight=weight, threshold=np.array([0.01, 1e9])), *network.layers[1:])
    )
    technology = replace(load_technology(), ratio_min=0.0, i_min=0.0)
    design = map_network(network, technology, MappingOptions(input_bound=20.0))
    with pytest.raises(ParameterError, match="needs an accumulator of"):
        integer_network(quantise(design, same_length_for_all(design, 16), Convention(reference="row")))


def test_codes_are_written_and_read_back(tmp_path):
    design, _ = shipped("digits_d16_k2", clips=2)
    quantised = quantise(design, same_length_for_all(design, 6))
    save_codes(quantised, tmp_path / "codes.npz")
    with np.load(tmp_path / "codes.npz", allow_pickle=False) as data:
        assert_array_equal(data["cell.weights.code"], quantised.codes["cell", "weights"].code)
        assert data["integer.cell.weight"].dtype == np.int8
        assert data["integer.cell.bias"].dtype == np.int32
    with pytest.raises(OutputError, match="choose another folder"):
        save_codes(quantised, tmp_path / "missing" / "codes.npz")
    assert isinstance(integer_network(quantised), IntegerNetwork)
