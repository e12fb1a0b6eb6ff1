"""Whole networks in transistors: the contents of their decks, and that ngspice agrees with the models."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import BOUND, TECHNOLOGY, cmru, direct, first_quadrant, inputs_of, linear, network
from numpy.testing import assert_allclose

from analogrnn.agreement import AgreementBound, AgreementSetup, check_agreement
from analogrnn.biases import rail_gain
from analogrnn.chip import draw_chip
from analogrnn.errors import MappingError, ParameterError
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.mismatch import DeviceDraw, draw_ladder, draw_synapses, evaluate, threshold_terms
from analogrnn.network import ReLU
from analogrnn.simulate import simulate
from analogrnn.spice.engine import check_deck
from analogrnn.spice.pdk import Pdk
from analogrnn.spice.run_network import Simulation, run_network
from analogrnn.spice.transistor_chips import TransistorChips
from analogrnn.spice.transistor_network import (
    SETTINGS,
    TransistorSetup,
    chip_setup,
    ladder_slice,
    network_transistors,
    readout_deck,
)

PLAIN = Pdk(Path("design.ngspice"), Path("sm141064.ngspice"), "plain names", "")
NEAR = 0.05  # candidates nearer to their threshold are not drawn: twice the stated error of both
NET = network(cmru())


def standard(net, **options):
    return map_network(net, TECHNOLOGY, replace(MappingOptions.standard(), **{"input_bound": BOUND} | options))


def small(net):
    """Inputs up to 3 instead of 20: the rail's current, and its error, grow with the bound."""
    return standard(net, input_bound=3.0)


DESIGN = small(NET)
LADDER = DESIGN.ladders[0]
X = np.clip(inputs_of(NET, 4, 2, near=NEAR), -3.0, 3.0)


def block(text, name):
    return re.search(rf"(?ms)^\.subckt {name} .*?^\.ends {name}$", text)[0]


# ---------------------------------------------------------------- text


def test_a_deck_holds_a_circuit_and_no_trace_of_this_machine():
    text = network_transistors(DESIGN, X[:, 0], PLAIN).text
    check_deck(text, allowed_paths=(PLAIN.design, PLAIN.models))
    assert re.findall(r"(?m)^\.(?:include|lib) (.*)$", text) == ["design.ngspice", "sm141064.ngspice typical"]
    assert "Run it with: ngspice -b" in text.split("\n")[1]
    assert text.isascii()


def test_every_trained_parameter_is_an_instance_with_its_value_in_a_comment():
    text = network_transistors(DESIGN, X[:, 0], PLAIN).text
    for layer in DESIGN.layers:
        for row in range(layer.synapses.width):
            prefix = "ladder" if layer is LADDER else "row"
            body = block(text, f"{prefix}_{layer.name}_{row}")
            for j, weight in enumerate(layer.synapses.weight[row]):
                line = re.search(rf"(?m)^Xw_{j} .*$", body)[0]
                assert float(line.rpartition("trained ")[2]) == pytest.approx(weight, rel=1e-9)
                assert ("synapse_positive" in line) == (weight > 0)
            bias = re.search(r"(?m)^Xbrow .*$", body)[0]
            assert float(bias.rpartition("trained ")[2]) == pytest.approx(layer.synapses.trained_bias[row], rel=1e-9)
    for cell in range(2):
        assert f"alpha {LADDER.alpha[cell]:.10g}; " in block(text, f"ladder_cell_{cell}")


def test_positive_weights_compensate_for_the_pmos_mirror_and_negative_ones_do_not():
    text = network_transistors(DESIGN, X[:, 0], PLAIN).text
    for row in range(LADDER.width):
        body, synapses = block(text, f"ladder_{LADDER.name}_{row}"), LADDER.synapses
        for j, ratio in enumerate(synapses.ratio[row]):
            written = float(re.search(rf"(?m)^Xw_{j} .* ratio=(\S+)", body)[1])
            gain = rail_gain(DESIGN, synapses, row) if ratio > 0 else 1.0
            assert written * gain == pytest.approx(abs(ratio), rel=1e-9)
    # the error of the mirror grows with its current: 0.0002 at 1 nA, 0.001 at 4 nA
    wide = replace(LADDER.synapses, ratio=LADDER.synapses.ratio * 8.0)
    assert 1.0 < rail_gain(DESIGN, LADDER.synapses, 0) < rail_gain(DESIGN, wide, 0) < 1.02


def test_a_slice_is_the_flat_decks_ladder():
    flat = network_transistors(DESIGN, X[:, 0], PLAIN).text
    for cell in range(2):
        alone = ladder_slice(DESIGN, LADDER, [cell], X[:, 0], PLAIN).text
        assert block(alone, f"ladder_cell_{cell}") == block(flat, f"ladder_cell_{cell}")
        sources = re.findall(r"(?m)^(?:Iin_|Vclk|Vrun|Vpreset).*(?:\n\+.*)*", alone)
        assert all(source in flat for source in sources)
        assert len(sources) >= 5


def test_a_chips_deck_carries_the_draws_of_the_same_chip_of_the_behavioural_model():
    """Every device of ladder, bias, line and weights, by name, to the last written digit."""
    text = network_transistors(DESIGN, X[:, 0], PLAIN, chip_setup(DESIGN, 7, 17)).text
    ladder, synapses = draw_ladder(DESIGN, LADDER, 7, 17), draw_synapses(DESIGN, LADDER.synapses, 7, 17)
    body = block(text, "ladder_cell_1").replace("\n+", "")
    written = {m[1]: float(m[2]) for m in re.finditer(r"(\w+)=(\S+)", re.search(r"(?m)^Xs3 .*$", body)[0])}
    for device in ("m1", "m4", "m9", "mu", "mtau", "mor"):
        assert written[f"vth_{device}"] == pytest.approx(ladder[device].vth[1, 2], rel=1e-9)
        assert written[f"beta_{device}"] == pytest.approx(ladder[device].beta[1, 2], rel=1e-9)
    for name, index in (("weight", (1, 0)), ("bias", (1,))):
        line = re.search(r"(?m)^X(?:w_0|brow) .*$" if name == "weight" else r"(?m)^Xbrow .*$", body)[0]
        assert f" vth={synapses[name].vth[index]:.10g} beta={synapses[name].beta[index]:.10g}" in line
    assert f"vth={synapses['input'].vth[2]:.10g} " in re.search(r"(?m)^Xd_in_2 .*$", text)[0]
    readout = draw_synapses(DESIGN, DESIGN.layers[-1].synapses, 7, 17)
    assert f"vth={readout['input'].vth[1]:.10g} " in re.search(r"(?m)^Xd_h_cell_1 .*$", text)[0]
    assert f"vth={readout['weight'].vth[2, 1]:.10g} " in block(text, "row_out_2")
    nominal = network_transistors(DESIGN, X[:, 0], PLAIN).text
    assert "delvto" in nominal
    assert not re.search(r"(?m)^(?:X|\+).* vth(?:_\w+)?=[1-9-]", nominal.split("* supply, one reference")[1])
    assert " ".join(SETTINGS) in text


def test_chips_scaled_by_zero_have_no_deviation():
    scaled = ladder_slice(DESIGN, LADDER, [0], X[:, 0], PLAIN, chip_setup(DESIGN, 7, 17, scale=0.0)).text
    values = re.findall(r"\b(?:vth|beta)_?\w*=(\S+)", block(scaled, "ladder_cell_0"))
    assert len(values) > 100
    assert {float(value) for value in values} == {0.0}


def test_a_layer_fed_by_another_is_not_a_slice():
    stacked = small(network(cmru("low", 2, 3), cmru("high", 2, 2)))
    with pytest.raises(MappingError, match="high is fed by another layer, not by the inputs; run the whole network"):
        ladder_slice(stacked, stacked.ladders[1], [0], np.zeros((2, 2)), PLAIN)


def test_a_first_quadrant_cell_that_starts_on_is_refused():
    net = network(first_quadrant(initial=np.array([1.0, 0.0])))
    with pytest.raises(MappingError, match="cell has no clock and therefore no preset pulse; train it to start"):
        network_transistors(small(net), np.zeros((2, 3)), PLAIN)


def test_a_network_without_readout_is_refused():
    with pytest.raises(ParameterError, match="random has no layer after its last ladder"):
        readout_deck(small(network(cmru(), readout=False)), np.zeros((1, 2)), PLAIN)


def test_a_readout_takes_the_outputs_of_its_ladders_which_no_input_bound_limits():
    """Only inputs of the network are bounded by their offset; outputs of ladders are not."""
    offset = DESIGN.layers[1].synapses.offset
    deck = readout_deck(DESIGN, np.tile((2.0 * offset + 1.0) * DESIGN.unit_current, (3, 1)), PLAIN)
    assert len(deck.logits) == DESIGN.layers[1].synapses.width


def test_chips_without_a_class_are_refused():
    with pytest.raises(ParameterError, match="random has no pooling, so a clip has no class; add pooling 'last'"):
        TransistorChips(small(network(cmru(), readout=False)), X)


# ---------------------------------------------------------------- ngspice on the foundry's models


@pytest.mark.ngspice
@pytest.mark.pdk
@pytest.mark.parametrize(
    "net",
    [
        NET,
        network(cmru(eps=0.0, ladder=(-1, 1))),
        network(first_quadrant()),
        network(linear("front", 3, 3), ReLU("relu"), cmru("cell", 1, 3)),
    ],
    ids=["signed", "bmru", "first_quadrant", "rectified"],
)
def test_a_whole_network_in_one_deck_agrees_with_the_digital_one(net):
    """Away from thresholds every stage is right; classes too; candidates and outputs within 2 %."""
    design = small(net)
    x = np.clip(inputs_of(net, 4, 1, near=NEAR), -3.0, 3.0)
    found = check_agreement(net, design, x, AgreementSetup("transistor", flat=True, bound=AgreementBound()))
    assert found.steps_equal == found.steps_checked > 0
    assert found.undecided == 0
    assert found.classes_equal == found.classes_checked == 1
    assert found.output.largest < 0.02


@pytest.mark.ngspice
@pytest.mark.pdk
def test_slices_and_the_deck_of_the_whole_network_agree():
    slices, flat = (run_network(DESIGN, X[:3, :1], Simulation(TransistorSetup(), flat=flat)) for flat in (False, True))
    assert np.array_equal(slices.stages["cell"], flat.stages["cell"])
    assert_allclose(slices.logits, flat.logits, atol=0.02)  # units; the cells' outputs end in equal diodes
    assert slices.ran["cell"].all()


@pytest.mark.ngspice
@pytest.mark.pdk
@pytest.mark.parametrize(("device", "vth"), [("m3", 0.0015), ("m2", 0.0015), ("u3", -0.004)])
def test_a_deviation_set_by_hand_moves_the_threshold_as_predicted(device, vth):
    """One device of a ladder of one stage. Candidates stand 6 % of the threshold to either side of the prediction.

    The prediction is first order in dVth and takes gm/I from the technology: a tenth of a shift of 0.2 beta is 2 %.
    """
    net = direct(2, d=1, threshold=1.0, initial=0.0)
    design = small(net)
    ladder = design.ladders[0]
    gone = {
        name: DeviceDraw(0.0 * d.vth, 0.0 * d.beta, 0.0 * d.delta)
        for name, d in draw_ladder(design, ladder, 1, 1).items()
    }
    polarity = "n" if device in ("m2",) else "p"
    current = (ladder.i_th if device.startswith("m") else ladder.i_base)[0]
    cell = design.sizing.cell
    delta = -float(design.technology.gm_over_i(polarity, np.array(current), cell.w, cell.l)) * vth
    shape = gone[device].vth.shape
    draws = gone | {device: DeviceDraw(np.full(shape, vth), np.zeros(shape), np.full(shape, delta))}
    unit = float(ladder.synapses.scale[0]) * design.unit_current
    predicted = sum(float(evaluate(term, draws, 0)[0]) for term in threshold_terms(ladder, 0, upper=True)) / unit
    assert abs(predicted - 1.0) > 0.12
    x = np.array([predicted - 0.06, predicted + 0.06])[:, None]
    run = run_network(design, x[:, None], Simulation(TransistorSetup(ladders={"cell": draws})))
    assert run.stages["cell"][:, 0, 0, 0].tolist() == [False, True]


@pytest.mark.ngspice
@pytest.mark.pdk
def test_chip_17_in_ngspice_is_chip_17_of_the_behavioural_model():
    """Currents of a mismatched chip: 2 % of full scale where the nominal chip would differ by more."""
    setup, chip = chip_setup(DESIGN, 1, 17), draw_chip(DESIGN, 1, 17)
    run = run_network(DESIGN, X[:3, :1], Simulation(setup))
    predicted, nominal = simulate(chip, X[:3, :1]), simulate(draw_chip(DESIGN, 1, 17, scale=0.0), X[:3, :1])
    half = LADDER.threshold[:, 1]
    error = np.abs(run.candidates["cell"] - predicted.candidates["cell"]) / half
    without = np.abs(run.candidates["cell"] - nominal.candidates["cell"]) / half
    assert error.max() < 0.1 * without.max()
    classes = TransistorChips(DESIGN, X[:3, :1])(np.array([17]))["classes"]
    assert classes.tolist() == [run.classes.tolist()]
