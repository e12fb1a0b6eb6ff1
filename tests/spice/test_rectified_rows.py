"""Rectified currents must settle: the model of their time against transistors, and what the mapping does."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analogrnn.agreement import AgreementSetup, check_agreement
from analogrnn.chip import nominal_chip
from analogrnn.errors import MappingError
from analogrnn.mapping import MappingOptions, circuit, ladder_margins, map_network
from analogrnn.mapping.lowering import lower
from analogrnn.mapping.settling import LINE_CHARGE, RAIL_CHARGE
from analogrnn.network import Linear, Network, ReLU, forward
from analogrnn.simulate import simulate
from analogrnn.spice.engine import run_deck
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.transistor_network import network_transistors
from analogrnn.streams import stream
from tests.helpers import TECHNOLOGY, cmru, linear, network

WEIGHT, THRESHOLD = 8.0, 0.5


def loaded(cells=1, weight=WEIGHT, threshold=THRESHOLD):
    """One rectified row that drives large mirrors; the candidate is `weight` times its current."""
    front = Linear("front", np.array([[1.0]]), np.zeros(1))
    cell = cmru(
        "cell",
        cells,
        1,
        eps=0.0,
        ladder=(-1, 1),
        weight=np.full((cells, 1), weight),
        bias=np.zeros(cells),
        threshold=np.full(cells, threshold),
        initial=-np.ones(cells),
    )
    return network(front, ReLU("relu"), cell)


@pytest.mark.ngspice
@pytest.mark.pdk
@pytest.mark.parametrize(("cells", "weight"), [(1, 1.0), (4, 1.0)])
def test_a_rectified_current_takes_the_time_of_the_model(cells, weight):
    design = map_network(loaded(cells, weight, 1.0), TECHNOLOGY, stage="standard", input_bound=3.0)
    design = replace(design, timing=replace(design.timing, period=10e-3, lead=6e-3))
    values = [-1.0, 0.3, -1.0, 1.0]
    deck = network_transistors(design, np.array(values)[:, None], find_pdk())
    waves = run_deck(deck)
    candidate = waves["i(v.xladder_cell_0.vcand)"] / design.unit_current / weight
    starts = deck.schedule.starts()[deck.schedule.first_frame :]
    area = design.sizing.synapse.area
    charge = area * (LINE_CHARGE * (1.0 + cells * weight) + RAIL_CHARGE / weight)
    for start, value in zip(starts, values, strict=True):
        if value > 0.0:
            inside = (waves.axis >= start) & (candidate > 0.95 * value)
            took = waves.axis[inside][0] - start
            assert took == pytest.approx(charge / (value * design.unit_current), rel=0.3)  # as `settling` states


def test_the_mapping_makes_rectified_currents_larger():
    """A power of two, so that the same numbers come out."""
    net = loaded()
    design = map_network(net, TECHNOLOGY, stage="standard", input_bound=3.0)
    gain = design.layers[0].synapses.ratio[0, 0]
    assert design.timing.period == 10e-3
    assert gain in (2.0, 4.0, 8.0, 16.0)
    assert ladder_margins(design)["rectify"] > 0.0
    x = stream(1, "test", "gain").uniform(-3.0, 3.0, (20, 3, 1))
    assert_array_equal(simulate(nominal_chip(design), x).logits, forward(net, x).logits)


def test_rectified_outputs_keep_their_current():
    """Their value is the answer."""
    net = Network((linear("a", 2, 3), ReLU("ra"), cmru("cell", 2, 2), linear("out", 3, 2), ReLU("last")))
    lowered = lower(net, TECHNOLOGY, MappingOptions.standard(), 3.0, 4.0)
    assert_array_equal(lowered.layers[0].synapses.weight, 4.0 * net.layers[0].weight)
    assert_array_equal(lowered.layers[1].synapses.weight, 0.25 * net.layers[2].weight)
    assert_array_equal(lowered.layers[2].synapses.weight, net.layers[3].weight)


LARGE = {"synapse_w": 10e-6, "synapse_l": 50e-6}  # rails of such devices take longer, whatever the row carries


def test_the_mapping_lengthens_a_period_that_was_not_asked_for():
    design = map_network(loaded(), TECHNOLOGY, stage="standard", input_bound=3.0, **LARGE)
    assert design.timing.period > 10e-3
    # 1 % more than needed
    assert 0.0 < ladder_margins(design)["rectify"] < 0.05


def test_a_period_that_was_asked_for_is_refused():
    with pytest.raises(
        MappingError,
        match=r"random: the ladder's 'rectify' margin is -0\.\d+, not above 0: smaller synapse devices \(synapse_w, "
        r"synapse_l\), a larger unit_current, or a longer period with the same unit_current let .* now period "
        r"\(now 0\.01 s\), unit_current 2\.4e-10 A\.",
    ):
        map_network(loaded(), TECHNOLOGY, stage="standard", period=10e-3, input_bound=3.0, **LARGE)


def test_the_ways_out_map():
    longer = {"period": 0.25, "unit_current": 0.24e-9}
    assert map_network(loaded(), TECHNOLOGY, stage="standard", input_bound=3.0, **longer, **LARGE)
    assert map_network(loaded(), TECHNOLOGY, stage="standard", input_bound=3.0, period=10e-3)


def test_a_network_without_rectified_rows_has_no_such_margin():
    assert "rectify" not in ladder_margins(map_network(network(cmru()), TECHNOLOGY, input_bound=3.0))


def test_rectified_layers_in_a_row_need_the_sum_of_their_times():
    one = network(linear("a", 2, 3), ReLU("ra"), cmru("cell", 2, 2))
    two = network(linear("a", 2, 3), ReLU("ra"), Linear("b", np.eye(2), np.zeros(2)), ReLU("rb"), cmru("cell", 2, 2))
    margins = [
        ladder_margins(map_network(net, TECHNOLOGY, input_bound=3.0, period=0.03))["rectify"] for net in (one, two)
    ]
    assert margins[1] < margins[0]


@pytest.mark.ngspice
@pytest.mark.pdk
def test_currents_that_do_not_settle_fail_and_larger_ones_follow(monkeypatch):
    """0.1 units charge the line in 17 ms by the model; at 10 ms per step the pulse comes after 6 ms."""
    net = loaded()
    larger = map_network(net, TECHNOLOGY, stage="standard", input_bound=3.0)
    monkeypatch.setattr(circuit, "MOST_GAIN", 1.0)
    stretched = map_network(net, TECHNOLOGY, stage="standard", input_bound=3.0)
    hasty = replace(stretched, timing=larger.timing)
    x = np.array([-1.0, 0.1])[:, None, None]
    setup = AgreementSetup(level="transistor")
    for design in (larger, stretched):
        found = check_agreement(net, design, x, setup)
        assert found.steps_equal == found.steps_checked == 2
    assert check_agreement(net, hasty, x, setup).steps_equal == 1
