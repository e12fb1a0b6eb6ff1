"""Word lengths: codes, rounding, refusals, the search, and the warnings of silenced or saturated cells."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.analysis.bits.quantise import Convention, exponent_of, groups_of, least_bits, quantise, to_codes
from analogrnn.analysis.bits.search import Settings, Trial, analyze_bits, choose_word_lengths
from analogrnn.analysis.bits.warnings import warnings_of
from analogrnn.chip import nominal_chip
from analogrnn.datasets import LabelledClips
from analogrnn.errors import ParameterError
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, Linear, Network, Pooling
from analogrnn.simulate import simulate
from analogrnn.statistics import paired
from analogrnn.streams import stream
from analogrnn.technology import load_technology


def small(seed=0, d=4, k=2, inputs=3, classes=3):
    rng = stream(seed, "test", "bits")
    cell = Cmru(
        "cell",
        rng.normal(0, 0.6, (d, inputs)),
        rng.normal(0, 0.2, d),
        threshold=rng.uniform(0.4, 1.6, d),
        alpha=rng.uniform(0.4, 1.2, d),
        k_min=-k,
        k_max=k,
    )
    readout = Linear("readout", rng.normal(0, 0.7, (classes, d)), rng.normal(0, 0.3, classes))
    return Network((cell, Pooling("pool"), readout))


@pytest.fixture(scope="module")
def technology():
    return load_technology()


@pytest.fixture(scope="module")
def design(technology):
    return map_network(small(), technology, MappingOptions(input_bound=2.0))


@pytest.fixture(scope="module")
def clips():
    return np.clip(stream(1, "test", "clips").normal(0, 1.0, (20, 40, 3)), -2.0, 2.0)


def own_labels(design, x):
    return simulate(nominal_chip(design), x).classes


def test_codes_are_nearest_and_the_largest_value_is_within_half_a_step():
    value = stream(2, "test").normal(0, 1.0, 200)
    for bits in range(2, 12):
        for grid in ("binary", "full"):
            codes = to_codes(value, bits, signed=True, grid=grid)
            assert np.abs(codes.code).max() <= codes.limit == 2 ** (bits - 1) - 1
            # half a step: that is what nearest means; the sum code x lsb rounds once
            assert np.abs(codes.value - value).max() <= codes.lsb / 2 * (1 + 1e-12)


def test_a_binary_step_is_the_smallest_power_of_two_that_reaches_full_scale():
    for most in (0.9, 1.0, 1.49, 1.5, 1.51, 7.0, 7.5, 8.0):
        lsb = to_codes(np.array([most]), 4, signed=True).lsb
        assert most <= 7.5 * lsb
        assert most > 7.5 * lsb / 2
        assert exponent_of(lsb) == np.log2(lsb)


def test_unsigned_word_lengths_use_every_code():
    codes = to_codes(np.array([0.0, 0.5, 1.0]), 1, signed=False, grid="full")
    assert codes.code.tolist() == [0, 0, 1]  # ties to even
    assert codes.limit == 1


def test_a_reference_for_each_row_is_never_coarser_than_one_for_the_layer(design):
    ratio = design.layers[0].synapses.ratio
    layer, row = (to_codes(ratio, 5, signed=True, by_row=by_row) for by_row in (False, True))
    assert (row.lsb <= layer.lsb).all()
    assert row.lsb.shape == (4, 1)


def test_without_word_lengths_every_bit_stays_as_trained(design, clips):
    before, after = nominal_chip(design), quantise(design, {}).chip()
    a, b = (simulate(chip, clips) for chip in (before, after))
    assert_array_equal(a.logits, b.logits)
    assert_array_equal(a.levels["cell"], b.levels["cell"])


def test_long_word_lengths_come_close_to_the_trained_values(design):
    for convention in (
        Convention(),
        Convention("full"),
        Convention(reference="row"),
        Convention(bias="trained"),
        Convention(compensate=False),
    ):
        quantised = quantise(design, dict.fromkeys(groups_of(design), 16), convention).design
        for old, new in zip(design.layers, quantised.layers, strict=True):
            # 15 bits of magnitude of the largest ratio, bias or current of about ten: 3e-4, some of them summed
            assert_allclose(new.synapses.weight, old.synapses.weight, atol=1e-3)
            assert_allclose(new.synapses.trained_bias, old.synapses.trained_bias, atol=1e-2)
        assert_allclose(quantised.ladders[0].threshold, design.ladders[0].threshold, atol=1e-3)
        assert_allclose(quantised.ladders[0].alpha, design.ladders[0].alpha, atol=1e-3)


def test_the_quantised_design_agrees_with_its_own_currents(design):
    """A threshold is I_th - I_base - I_s in the unit of the row, whatever was rounded and in which order."""
    for word_lengths in (dict.fromkeys(groups_of(design), 6), {"base": 3}, {"threshold": 5, "shift": 4}, {"width": 4}):
        ladder = quantise(design, word_lengths).design.ladders[0]
        unit = design.candidate_units(ladder.synapses)
        up = (ladder.i_th - ladder.i_base - ladder.i_shift) / unit
        assert_allclose(ladder.threshold[:, 1], up, rtol=1e-12, atol=1e-12)
        assert_allclose(ladder.threshold[:, 0], up - ladder.i_hyst / unit, rtol=1e-12, atol=1e-12)


def test_compensation_keeps_the_window_where_only_shift_and_standing_current_are_rounded(design):
    word_lengths = {"shift": 3, "base": 3}
    kept = quantise(design, word_lengths).design.ladders[0].threshold
    moved = quantise(design, word_lengths, Convention(compensate=False)).design.ladders[0].threshold
    assert_array_equal(kept, design.ladders[0].threshold)
    assert np.abs(moved - kept).max() > 0.01


def test_quantised_inputs_never_ask_for_a_negative_current(design, clips):
    for bits in range(2, 9):
        quantised = quantise(design, {"inputs": bits})
        run = simulate(quantised.chip(), quantised.inputs(clips))  # refuses an input below its zero
        assert np.isfinite(run.logits).all()
        assert np.abs(quantised.input_codes(clips)).max() <= 2 ** (bits - 1) - 1


def test_a_window_of_width_zero_is_refused(technology):
    """0.505 and 1.01 share an octave's octave: at one bit of full scale 2 x 1.99, the narrower window rounds to 0."""
    network = small()
    cell = replace(network.layers[0], threshold=np.array([1.0, 1.0, 1.0, 1.999]))
    design = map_network(Network((cell, *network.layers[1:])), technology, MappingOptions(input_bound=2.0))
    with pytest.raises(ParameterError, match=r"cell.i_hyst\[0\] rounds to code 0 at 1 bits"):
        quantise(design, {"width": 1})


@pytest.mark.parametrize(
    ("word_lengths", "message"),
    [
        ({"wights": 4}, "has no group 'wights'"),
        ({"weights": 1}, r"bits of weights = 1 bits is outside \[2, 16\]"),
        ({"weights": 17}, "outside"),
        ({"weights": 4.5}, "not a whole number"),
        ({"weights": float("nan")}, "outside"),
    ],
)
def test_invalid_word_lengths_are_refused(design, word_lengths, message):
    with pytest.raises(ParameterError, match=message):
        quantise(design, word_lengths)


def test_a_convention_or_setting_that_does_not_exist_is_refused(design):
    with pytest.raises(ParameterError, match=r"Convention\.grid = 'ternary'"):
        Convention(grid="ternary")
    with pytest.raises(ParameterError, match=r"Settings\.within"):
        Settings(within=-0.1)
    with pytest.raises(ParameterError, match=r"Settings\.longest"):
        Settings(longest=40)
    with pytest.raises(ParameterError, match=r"Settings\.sure"):
        Settings(sure=1.0)
    with pytest.raises(ParameterError, match="has no group 'foo'"):
        Settings(groups=("foo",)).chosen(design)
    with pytest.raises(ParameterError, match="the inputs have no word length"):
        quantise(design, {"weights": 4}).input_codes(np.zeros(3))
    with pytest.raises(ParameterError, match="labels has shape"):
        LabelledClips(np.zeros((3, 2, 3)), np.zeros(3, int))


def test_groups_are_those_that_the_circuit_has(technology):
    one = small(k=2)
    bmru = Network((replace(one.layers[0], eps=0.0, k_min=None, k_max=None, initial=None), *one.layers[1:]))
    found = groups_of(map_network(bmru, technology, MappingOptions(input_bound=2.0)))
    assert "shift" not in found
    assert "base" in found
    assert least_bits("weights") == 2
    assert least_bits("threshold") == 1


def test_paired_error_is_that_of_the_difference():
    rng = stream(5, "test")
    before, after = rng.random(400) < 0.9, rng.random(400) < 0.8
    seen, difference = paired(before, after), after.astype(float) - before
    assert seen.difference == pytest.approx(difference.mean())
    assert seen.error == pytest.approx(difference.std() / np.sqrt(400))
    assert seen.p_value < 0.01
    assert paired(before, before).p_value == 1.0


def test_the_search_finds_word_lengths_within_the_bound_and_none_of_them_can_be_shorter(design, clips):
    labels = own_labels(design, clips)  # as trained is always right, so a loss is a class that changed
    examples = LabelledClips(clips, labels)
    settings = Settings(within=0.1, longest=8)
    report = analyze_bits(design, examples, examples, settings=settings)
    trial = Trial(design, examples, examples, Convention())
    assert trial.within_bound(report.word_lengths, settings)
    for group, bits in report.word_lengths.items():
        if bits > least_bits(group):
            assert not trial.within_bound(report.word_lengths | {group: bits - 1}, settings)
    assert report.test.difference >= -0.1
    assert report.storage == sum(
        bits * {"weights": 12, "readout_weights": 12, "readout_bias": 3, "inputs": 0}.get(group, 4)
        for group, bits in report.word_lengths.items()
    )


def test_a_bound_that_no_word_lengths_meet_is_reported(design, clips):
    examples = LabelledClips(clips, own_labels(design, clips))
    trial = Trial(design, examples, examples, Convention())
    settings = Settings(within=0.0, longest=3)
    assert choose_word_lengths(trial, dict.fromkeys(groups_of(design), 3), settings) == {}
    report = analyze_bits(design, examples, examples, settings=settings)
    assert report.word_lengths == {}
    assert "no word lengths up to 3 bits" in report.warnings[0]


def test_a_longer_word_length_loses_no_more_than_a_short_one(design, clips):
    examples = LabelledClips(clips, own_labels(design, clips))
    report = analyze_bits(design, examples, examples, settings=Settings(longest=10))
    for group in report.groups:
        assert group.test[-1] >= np.nanmin(group.test)
        assert group.test[-1] >= 0.9  # 10 bits: a step of a five-hundredth of full scale


def test_a_cell_whose_weights_round_away_is_called_silenced(technology, clips):
    network = small()
    cell = network.layers[0]
    weight, bias, threshold = cell.weight.copy(), np.zeros(4), cell.threshold.copy()
    weight[1] = [0.5, 0.02, 0.02]  # one weight and its threshold far below those of the others
    weight[0] = 4.0
    threshold[:] = [1.0, 0.5, 1.0, 1.0]
    network = Network((replace(cell, weight=weight, bias=bias, threshold=threshold), *network.layers[1:]))
    design = map_network(network, technology, MappingOptions(input_bound=2.0))
    quantised = quantise(design, {"weights": 2})
    found = warnings_of(quantised, clips)
    assert "cell[1] is silenced" in " ".join(found)
    assert "cell row 1 has only zero weights at 2 bits" in found


def test_a_threshold_of_the_wrong_sign_is_called_a_drift_and_the_ladder_saturated(design, clips):
    quantised = quantise(design, {})
    ladder = quantised.design.ladders[0]
    threshold = ladder.threshold.copy()
    threshold[2, 1] = -0.2
    broken = replace(
        quantised,
        design=replace(quantised.design, layers=(replace(ladder, threshold=threshold), quantised.design.layers[1])),
    )
    found = " ".join(warnings_of(broken, clips))
    assert "cell[2] drifts to the top at zero input" in found
    assert "cell[2] is saturated at the top" in found


def test_a_design_as_trained_gives_no_warning(design, clips):
    assert warnings_of(quantise(design, {}), clips) == ()


def test_broken_inequalities_are_refused_in_the_search_and_named_in_a_warning(design, clips):
    examples = LabelledClips(clips, own_labels(design, clips))
    trial = Trial(design, examples, examples, Convention())
    assert trial.refusal({}) is None
    assert "inequality" in (trial.refusal({"threshold": 2}) or "")
    with pytest.raises(ParameterError, match="inequality"):
        trial.paired({"threshold": 2}, "test")
    assert "margin" in warnings_of(quantise(design, {"threshold": 2}), clips)[0]


def test_bits_of_a_design_without_classes_are_refused(technology, clips):
    network = small()
    design = map_network(Network(network.layers[:1]), technology, MappingOptions(input_bound=2.0))
    examples = LabelledClips(clips, np.zeros(40, int))
    with pytest.raises(ParameterError, match="has no pooling"):
        analyze_bits(design, examples, examples)
