"""The analyses of networks that are graphs, with ladders of different lengths: they count what the decks have."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.analysis.bits.integer import integer_network, save_codes
from analogrnn.analysis.bits.quantise import quantise
from analogrnn.analysis.fixed_points import analyze_fixed_points
from analogrnn.analysis.noise import analyze_noise
from analogrnn.analysis.power import analyze_power, area_report
from analogrnn.analysis.power.spice import network_power
from analogrnn.analysis.sensitivity.changed_chips import group_areas
from analogrnn.bill_of_materials import bill_of_materials, devices, summary_rows, transistors
from analogrnn.chip import nominal_chip
from analogrnn.errors import ParameterError
from analogrnn.mapping import map_network
from analogrnn.mismatch import LADDER_DEVICES, STAGE_DEVICES
from analogrnn.network import Linear, Network, Pooling
from analogrnn.simulate import simulate
from analogrnn.spice.ideal_network import network_deck
from analogrnn.spice.pdk import Pdk
from analogrnn.spice.transistor_network import network_transistors
from analogrnn.trim import plan_trim
from tests.flat_deck import flat_transistors
from tests.graphs import random_graph, small_skip, with_skip
from tests.helpers import TECHNOLOGY, cmru, inputs_of, linear, mapped, network

PDK = Pdk(Path("design.ngspice"), Path("sm141064.ngspice"), "test", "0" * 64)
WORDS = dict.fromkeys(("inputs", "weights", "bias", "threshold", "width", "base", "shift", "output"), 10) | {
    "readout_weights": 10,
    "readout_bias": 12,
}


def lengths(**changes):
    """A network of ladders of different lengths."""
    return network(cmru("cell", 3, 3, k_min=[-2, 0, -1], k_max=[2, 1, 0], initial=np.zeros(3), **changes))


NETS = {"skips": with_skip(), "small": small_skip(), "lengths": lengths(), "random": random_graph(6)}


@pytest.mark.parametrize("name", NETS)
def test_the_count_of_transistors_is_that_of_the_deck(name):
    design = mapped(NETS[name])
    deck = network_transistors(design, np.zeros((1, NETS[name].inputs)), PDK)
    count = sum(transistors(design).values())
    assert count == len(flat_transistors(deck.text)) == sum(group.count for group in devices(design))


@pytest.mark.parametrize("name", NETS)
def test_every_element_of_the_bill_of_materials_stands_in_the_ideal_deck(name):
    design = mapped(NETS[name])
    text = network_deck(design, np.zeros((1, NETS[name].inputs))).text.lower()
    placed = {line.split()[0] for line in text.splitlines() if line and line[0] in "xibrv"}
    for part in bill_of_materials(design):
        if part.ideal_element != "none":
            assert part.ideal_element.split(".")[-1] in placed
    assert summary_rows(design)


@pytest.mark.parametrize("name", ["skips", "lengths"])
def test_the_analyses_of_a_ladder_run_on_a_graph(name):
    net = NETS[name]
    design, x = mapped(net), inputs_of(net, 8, 2)
    chip = nominal_chip(design)
    assert [found.name for found in analyze_noise(chip, x)] == [ladder.name for ladder in design.ladders]
    assert area_report(design).total > 0.0
    for layer in chip.ladders:
        for cell in range(layer.ladder.width):
            found = analyze_fixed_points(chip, layer, cell)
            assert len(found.windows.level) == layer.ladder.counts[cell] + 1
            assert_array_equal(found.windows.level[[0, -1]], [layer.ladder.k_min[cell], layer.ladder.k_max[cell]])


def test_a_missing_stage_draws_no_current():
    """The same network with all ladders as long as the longest draws more, by its additional stages."""
    x = inputs_of(lengths(), 8, 2)
    short = analyze_power(mapped(lengths()), x).ladders[0]
    assert_allclose(short.occupancy.sum(axis=1), 1.0)
    assert_array_equal(short.by_level[1:, 2:], 0.0)
    alone = analyze_power(mapped(network(cmru("cell", 3, 3, ladder=(-2, 2), initial=np.zeros(3)))), x).ladders[0]
    assert (short.stages[1:] < alone.stages[1:]).all()


@pytest.mark.ngspice
@pytest.mark.pdk
def test_the_power_of_a_graph_is_that_in_transistors():
    net = small_skip()
    design = map_network(net, TECHNOLOGY, stage="standard", input_bound=3.0)
    measured, predicted = network_power(design, inputs_of(net, 4, 1, seed=5, near=0.2)[:, 0].clip(-2.5, 2.5))
    assert measured == pytest.approx(predicted, rel=0.1)


@pytest.mark.parametrize("name", ["skips", "lengths"])
def test_groups_count_a_shared_diode_once_and_no_missing_stage(name):
    design = mapped(NETS[name])
    widths = [design.layers[0].synapses.inputs, *(layer.width for layer in design.layers[:-1])]
    mirrors = sum(widths)  # one diode for each output that is read
    for layer in design.layers:
        synapses = layer.synapses
        mirrors += np.count_nonzero(synapses.ratio) + np.count_nonzero(synapses.bias) + 2 * synapses.width
    ladders = sum(len(LADDER_DEVICES) * ladder.width for ladder in design.ladders)
    expected = mirrors * design.sizing.synapse.area
    expected += (ladders + len(STAGE_DEVICES) * design.stages) * design.sizing.cell.area
    assert sum(group_areas(design).values()) == pytest.approx(expected)


def test_a_graph_is_quantised_but_has_no_integer_model(tmp_path):
    design, x = mapped(with_skip()), inputs_of(with_skip(), 8, 2)
    found = quantise(design, WORDS)
    near = simulate(found.chip(), found.inputs(x)).logits
    assert_allclose(near, simulate(nominal_chip(design), x).logits, atol=0.2)  # ten bits of weights of order one
    with pytest.raises(ParameterError, match=r"skips has layers that read more than the layer before them, for which"):
        integer_network(found)
    save_codes(found, tmp_path / "codes.npz")
    assert not [name for name in np.load(tmp_path / "codes.npz") if name.startswith("integer.")]


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (lengths(), "random has ladders of different lengths in one layer, for which there is no integer model"),
        (Network((cmru(), linear(), Pooling("pool", "mean"))), "network pools by mean, for which there is no integer"),
    ],
)
def test_what_has_no_integer_model_is_named(net, message):
    with pytest.raises(ParameterError, match=message):
        integer_network(quantise(mapped(net), WORDS))


def test_trim_refuses_a_readout_that_reads_more_than_the_ladders():
    skip = Linear("skip", np.ones((3, 3)), np.zeros(3), sources=("input",))
    net = Network((cmru(), linear(), skip, Pooling("pool", sources=("out", "skip"))))
    with pytest.raises(ParameterError, match=r"reads more than cell; trim needs a readout of the ladders alone"):
        plan_trim(mapped(net))
    with pytest.raises(ParameterError, match=r"cell has ladders of different lengths; trim measures ladders of one"):
        plan_trim(mapped(lengths()))
