"""Decks of networks that are graphs: several cells, a ReLU layer between them, and skips, in ngspice."""

import numpy as np
import pytest

from analogrnn.agreement import AgreementSetup, check_agreement
from analogrnn.chip import draw_chip
from analogrnn.mapping import map_network
from analogrnn.network import forward
from analogrnn.simulate import simulate
from analogrnn.spice.ideal_network import network_deck
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.run_network import sliced
from analogrnn.spice.transistor_network import chip_setup, network_transistors
from tests.graphs import random_graph, small_skip, with_skip
from tests.helpers import TECHNOLOGY, inputs_of


@pytest.mark.ngspice
@pytest.mark.parametrize(("net", "seed"), [(with_skip(pooling="mean"), 1), (random_graph(2), 2)])
def test_an_ideal_deck_of_a_graph_is_the_network_at_every_step_and_stage(net, seed):
    x = inputs_of(net, 10, 1, seed=seed)
    design = map_network(net, TECHNOLOGY, input_bound=6.0)
    found = check_agreement(net, design, x, AgreementSetup(level="ideal"))
    assert found.failures == ()
    assert found.steps_equal == found.steps_checked == 10 * sum(ladder.width for ladder in design.ladders)
    states = forward(net, x).states
    assert sum((np.diff(level, axis=0) != 0).sum() for level in states.values()) > 5
    assert found.logit_error < 1e-3  # reltol of 1e-6 in a sum of some ten currents, with room


def test_a_graph_runs_as_one_deck():
    """A slice knows nothing of skips."""
    design = map_network(small_skip(), TECHNOLOGY, input_bound=3.0)
    assert not sliced(design, flat=False)


def test_a_ladder_behind_another_pulses_a_lead_after_it():
    design = map_network(with_skip(), TECHNOLOGY, input_bound=3.0)
    text = network_deck(design, np.zeros((2, 3))).text
    clocks = {name: line for line in text.splitlines() for name in ("low", "high") if line.startswith(f"Vclk_{name} ")}
    timing = design.timing
    first = (design.timing.reset_steps + design.preset_steps) * timing.period + timing.lead
    for name, lead in (("low", 0.0), ("high", timing.lead + timing.pulse)):
        assert float(clocks[name].split("PULSE(0 1 ")[1].split()[0]) == pytest.approx(first + lead)


@pytest.mark.pdk
def test_a_skip_places_mirrors_and_no_second_diode():
    """Each output has one diode, whose devices deviate as in the layer that reads it first."""
    design = map_network(small_skip(), TECHNOLOGY, input_bound=3.0)
    setup = chip_setup(design, 1, 3)
    text = network_transistors(design, np.zeros((2, 2)), find_pdk(), setup).text
    diodes = [line.split() for line in text.splitlines() if line.startswith("Xd_")]
    assert [line[1] for line in diodes] == ["in_0", "in_1", "h_low_0", "s_middle_0", "h_high_0"]
    first = setup.synapses["middle"]["input"].vth[0]  # low is read by middle first
    assert float(diodes[2][-2].removeprefix("vth=")) == pytest.approx(first)
    reads = [line for line in text.splitlines() if line.startswith("Xrow_sum_0 ")]
    assert reads[0].split()[1:3] == ["h_low_0", "h_high_0"]


@pytest.mark.ngspice
@pytest.mark.pdk
@pytest.mark.parametrize("stage", ["default", "standard"])
def test_a_mismatched_chip_of_a_graph_in_transistors_follows_its_model(stage):
    net = small_skip()
    design = map_network(net, TECHNOLOGY, stage=stage, input_bound=3.0)
    x = inputs_of(net, 4, 1, seed=5, near=0.2).clip(-2.5, 2.5)
    found = check_agreement(net, design, x, AgreementSetup(level="transistor", seed=1, chip=3))
    assert found.failures == ()
    assert found.steps_equal == found.steps_checked == 8
    # candidates of this chip deviate by more than what the model of it may miss
    model, trained = simulate(draw_chip(design, 1, 3), x), forward(net, x)
    assert max(np.abs(model.candidates[n] - trained.candidates[n]).max() for n in model.candidates) > 0.02
    assert found.candidate.largest < 0.05
    assert found.logit_error < 0.05
