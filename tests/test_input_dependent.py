"""Input-dependent thresholds |W_b x + b_b| through the house: mapping, chips, step level, decks, agreement."""

import numpy as np
import pytest
from helpers import cmru, inputs_of, linear, mapped, network
from helpers import gated as cell
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.agreement import AgreementSetup, check_agreement
from analogrnn.chip import ChipFactory, draw_chip, nominal_chip
from analogrnn.mapping import recover_network, stage_options
from analogrnn.mismatch import SOFT_DEVICES, draw_ladder, draw_synapses
from analogrnn.montecarlo.score import Variability, score_chips
from analogrnn.network import ReLU, forward
from analogrnn.noise import candidate_noise
from analogrnn.simulate import simulate
from analogrnn.spice.export import export_deck
from analogrnn.streams import stream

FLOOR = 0.6


def gated(d=3, inputs=2, seed=1, **changes):
    """A network of one CMRU whose thresholds reach several floors, with a readout."""
    draw = stream(seed, "test", "gated", d, inputs)
    cell = cmru(
        d=d,
        inputs=inputs,
        **{
            "ladder": (0, 3),
            "weight": 1.5 * draw.standard_normal((d, inputs)),
            "threshold": 1.0 + 0.3 * draw.standard_normal(d),
            "threshold_weight": 0.7 * draw.standard_normal((d, inputs)),
            "threshold_floor": np.full(d, FLOOR),
            "initial": np.zeros(d),
        }
        | changes,
    )
    return network(cell)


NETWORK = gated()
DESIGN = mapped(NETWORK)
X = np.clip(stream(3, "test", "gated").standard_normal((40, 25, 2)), -3.0, 3.0)


def test_the_thresholds_of_the_example_are_on_both_sides_of_the_floor():
    b = np.abs(X @ NETWORK.layers[0].threshold_weight.T + NETWORK.layers[0].threshold)
    assert 0.1 < np.mean(b < FLOOR) < 0.9
    assert b.max() > 4.0 * FLOOR


def test_the_nominal_chip_decides_every_step_as_the_digital_network():
    digital, run = forward(NETWORK, X), simulate(nominal_chip(DESIGN), X)
    assert np.mean(np.diff(digital.states["cell"], axis=0) != 0) > 0.1
    assert_array_equal(run.levels["cell"], digital.states["cell"])
    assert_allclose(run.logits, digital.logits, rtol=1e-12, atol=1e-12)


def test_a_constant_threshold_decides_otherwise():
    constant = gated(threshold_weight=None)
    other = forward(constant, X).states["cell"]
    assert np.mean(other != forward(NETWORK, X).states["cell"]) > 0.1


def test_the_rows_of_the_candidate_are_negated_and_share_scale_and_inputs_with_those_of_b():
    ladder = DESIGN.ladders[0]
    cell, scale = NETWORK.layers[0], np.abs(ladder.synapses.scale)
    assert_allclose(ladder.synapses.ratio, -cell.weight * scale[:, None], rtol=1e-15)
    assert_allclose(ladder.gate.ratio, cell.threshold_weight * scale[:, None], rtol=1e-15)
    assert_array_equal(ladder.gate.offset, ladder.synapses.offset)
    assert ladder.gate.name == "cell_b"
    assert_array_equal(ladder.threshold, np.stack([np.full(3, -FLOOR), np.full(3, FLOOR)], axis=1))
    assert_allclose(ladder.beta, FLOOR * DESIGN.candidate_units(ladder.synapses), rtol=1e-15)
    assert np.all(DESIGN.candidate_units(ladder.synapses) > 0.0)


def test_mapping_and_back_returns_weights_thresholds_and_floor():
    cell, back = NETWORK.layers[0], recover_network(DESIGN).layers[0]
    for name in ("weight", "bias", "threshold", "threshold_weight", "threshold_floor", "alpha"):
        assert_allclose(getattr(back, name), getattr(cell, name), rtol=1e-12, atol=1e-12, err_msg=name)


def test_a_floor_under_constant_thresholds_is_their_least_window():
    cell = gated(threshold_weight=None, threshold=np.array([0.2, -0.7, 1.0])).layers[0]
    design = mapped(network(cell))
    assert design.ladders[0].gate is None
    assert_array_equal(design.ladders[0].threshold[:, 1], [FLOOR, 0.7, 1.0])


def test_a_chip_of_no_spread_is_the_nominal_chip():
    nominal, still = nominal_chip(DESIGN), draw_chip(DESIGN, 1, 7, scale=0.0)
    assert_array_equal(simulate(still, X).candidates["cell"], simulate(nominal, X).candidates["cell"])
    assert_array_equal(still.ladders[0].gate.weight, nominal.ladders[0].gate.weight)


def test_a_chip_draws_every_device_of_the_soft_threshold_and_both_rows_share_the_input_diodes():
    ladder = DESIGN.ladders[0]
    draws = draw_ladder(DESIGN, ladder, 1, 7)
    assert set(SOFT_DEVICES) <= set(draws)
    for name in SOFT_DEVICES:
        assert draws[name].vth.shape == (3,)
        assert np.all(draws[name].vth != 0.0)
    factory = ChipFactory(DESIGN, 1)
    table = factory.tables(np.array([7], dtype=np.uint64))[0]
    # e of a positive candidate: its copy e2 and the mirror e4 over the diodes d and e3
    delta = {name: draws[name].delta for name in draws}
    expected = (
        delta["soft_threshold.e2"] - delta["absolute.d"] + delta["soft_threshold.e4"] - delta["soft_threshold.e3"]
    )
    assert_allclose(np.log(table.soft.e_up[0]), expected, rtol=1e-12)
    # the deviation of a weight of b: its own device, less the diode of the input, which the candidate's row shares
    own, mirrors = draw_synapses(DESIGN, ladder.gate, 1, 7), draw_synapses(DESIGN, ladder.synapses, 1, 7)
    fall = factory._gates[0][0].fall
    i, j = (int(n) for n in np.argwhere(ladder.gate.ratio < 0)[0])
    moved = np.log(table.gate[0][0, i, j] / ladder.gate.weight[i, j]) / (1.0 + fall[j])
    assert_allclose(moved, own["weight"].delta[i, j] - mirrors["input"].delta[j], rtol=1e-9)


def test_other_ladders_draw_what_they_drew_without_soft_thresholds():
    plain = mapped(gated(threshold_weight=None))
    ours, theirs = (draw_ladder(design, design.ladders[0], 1, 7) for design in (DESIGN, plain))
    assert set(theirs) == set(ours) - set(SOFT_DEVICES)
    assert_array_equal(ours["m1"].vth, theirs["m1"].vth)


def test_a_soft_threshold_adds_the_noise_of_its_mirrors():
    plain = mapped(gated(threshold_weight=None, threshold=np.full(3, FLOOR)))
    ours, theirs = (candidate_noise(design, design.ladders[0]) for design in (DESIGN, plain))
    # at I_th = 4.4 delta the comparator has the shot noise of 29 deltas, the soft threshold that of 15
    assert_allclose(ours / theirs, np.sqrt(44.0 / 29.0), rtol=0.02)


def test_a_campaign_classifies_chips_with_soft_thresholds_as_simulate_does():
    chips, many = range(3), np.tile(X, (1, 300, 1))  # enough for the vector kernels, which don't serve these ladders
    found = score_chips(DESIGN, many, chips, Variability(seed=2))
    for row, number in enumerate(chips):
        assert_array_equal(found[row], simulate(draw_chip(DESIGN, 2, number), many, noise_seed=2).classes)


@pytest.mark.parametrize("cell", [None, ("cell", 1)])
def test_a_deck_without_soft_thresholds_has_none_of_their_elements(cell):
    for design, present in ((DESIGN, True), (mapped(gated(threshold_weight=None)), False)):
        text = export_deck(design, X[:5, 0], cell=cell).text
        assert (".subckt soft_threshold" in text) == present
        assert ("Xabsolute" in text) == present


def test_the_waveform_level_agrees_behind_the_soft_threshold():
    found = check_agreement(NETWORK, DESIGN, X[:, :4], AgreementSetup(level="waveform"))
    assert found.steps_equal == found.steps_checked == 40 * 4 * 3


@pytest.mark.ngspice
@pytest.mark.parametrize("flat", [False, True])
def test_ideal_subcircuits_agree_on_every_step(flat):
    found = check_agreement(NETWORK, DESIGN, X[:20, :2], AgreementSetup(level="ideal", flat=flat))
    assert found.steps_equal == found.steps_checked == 20 * 2 * 3
    assert found.candidate.largest < 1e-6  # solver tolerance, 1e-6 of the currents
    assert found.logit_error is None or found.logit_error < 1e-4


OTHERS = {
    "two layers with rectified rows between": (cell(), linear("front", 3, 2), ReLU("relu"), cell("two", 2, 3)),
    "two layers": (cell(), cell("two", 2, 2)),
    "BMRU": (cell(eps=0.0, k_min=-1, k_max=1, initial=np.array([-1.0, 1.0])),),
    "ladders of two lengths": (cell(k_min=-2, k_max=np.array([2, 1]), initial=np.array([0.0, 1.0])),),
}


@pytest.mark.ngspice
@pytest.mark.parametrize("layers", OTHERS.values(), ids=OTHERS.keys())
def test_other_networks_agree_at_the_waveform_level_and_in_ideal_subcircuits(layers):
    net = network(*layers)
    design, x = mapped(net, input_bound=3.0), np.clip(inputs_of(net, 20, 1), -3.0, 3.0)
    for level in ("waveform", "ideal"):
        found = check_agreement(net, design, x, AgreementSetup(level=level, flat=True))
        assert found.steps_equal == found.steps_checked > 0, level


@pytest.mark.ngspice
@pytest.mark.pdk
def test_nominal_transistors_agree_and_read_the_candidate_behind_the_soft_threshold():
    design = mapped(NETWORK, **vars(stage_options("standard")) | {"input_bound": 3.0})
    found = check_agreement(NETWORK, design, X[:12, :1], AgreementSetup(level="transistor"))
    assert found.steps_equal == found.steps_checked == 12 * 3
    # mirrors without a cascode at the output: 1 % of candidates of up to 20 floors
    assert found.candidate.rms < 0.1
