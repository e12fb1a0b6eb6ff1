"""The power model: branch currents computed by hand, scaling, and comparison with ngspice."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flat_deck import flat_transistors
from helpers import TECHNOLOGY, cmru, first_quadrant, kinds, mapped, network
from numpy.testing import assert_allclose

from analogrnn.analysis.power.area import area_report
from analogrnn.analysis.power.report import analyze_power, stage_currents
from analogrnn.analysis.power.scaling import random_network, scale_levels, scale_states, slope
from analogrnn.analysis.power.spice import network_power, slice_power
from analogrnn.biases import achieved, bias_units
from analogrnn.errors import ParameterError
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.spice.pdk import Pdk
from analogrnn.spice.transistor_network import network_transistors

STANDARD = replace(MappingOptions.standard(), input_bound=3.0)


@pytest.fixture(scope="module")
def net():
    return network(cmru(d=2, inputs=3, threshold=np.array([0.8, 1.3])))


@pytest.fixture(scope="module")
def design(net):
    return map_network(net, TECHNOLOGY, STANDARD)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).uniform(-2.0, 2.0, (10, 3, 3))


def test_front_end_and_readout_are_the_sums_of_their_positive_currents_twice(design, x):
    """A positive weight's current flows through the rail's diode and again through its copy."""
    report = analyze_power(design, x)
    ladder, readout = design.layers
    s = ladder.synapses
    total = 0.0
    for t in range(x.shape[0]):
        for clip in range(x.shape[1]):
            for i in range(s.width):
                total += sum(max(s.ratio[i, j], 0.0) * (x[t, clip, j] + s.offset[j]) for j in range(s.inputs))
                total += max(s.bias[i], 0.0)
    expected = 2.0 * total / (x.shape[0] * x.shape[1]) * design.unit_current
    assert report.blocks["weights"] == pytest.approx(expected, rel=1e-12)
    assert report.blocks["inputs"] == pytest.approx((x + 3.0).sum(axis=-1).mean() * design.unit_current, rel=1e-12)
    assert report.blocks["readout"] > 0.0
    assert readout.synapses.width == 3


def test_bias_lines_are_counted_by_their_diodes(design, x):
    report = analyze_power(design, x)
    for cell in range(2):
        line = achieved(design, design.ladders[0], cell).currents
        expected = sum(k * line[name] for name, (_, k) in bias_units(design, design.ladders[0], cell).items())
        assert report.ladders[0].bias[cell] == pytest.approx(expected, rel=1e-12)


def test_each_stage_that_is_on_draws_more(design):
    for cell in range(2):
        assert np.all(np.diff(stage_currents(design, design.ladders[0], cell)) > 0.0)


def test_a_ladder_that_stays_at_its_lowest_level_draws_the_current_of_that_level(net):
    """With all inputs at zero the initial level holds for ever."""
    still = replace(net.layers[0], bias=np.zeros(2), initial=np.full(2, -2.0))
    design = map_network(network(still), TECHNOLOGY, STANDARD)
    report = analyze_power(design, np.zeros((5, 1, 3)))
    assert_allclose(report.ladders[0].occupancy, [[1, 0, 0, 0, 0]] * 2)
    assert_allclose(report.ladders[0].stages, report.ladders[0].by_level[:, 0])


def test_blocks_add_up_and_energy_follows(design, x):
    report = analyze_power(design, x)
    assert report.total == pytest.approx(design.technology.supply * sum(report.blocks.values()))
    rest = report.supply * report.blocks["reference"]
    assert report.recurrent + report.feedforward + rest == pytest.approx(report.total)
    assert report.energy == pytest.approx(report.energy_step * report.steps)
    assert report.steps == design.timing.reset_steps + design.preset_steps + 10
    assert report.latency == pytest.approx(10 * design.timing.period)


def test_occupancy_is_a_distribution(design, x):
    occupancy = analyze_power(design, x).ladders[0].occupancy
    assert occupancy.min() >= 0.0
    assert_allclose(occupancy.sum(axis=1), 1.0)


def test_power_is_in_proportion_to_the_currents(net, x):
    """Weak inversion: all currents a tenth, all times tenfold, a tenth of the power and the same energy per step."""
    settings = [replace(MappingOptions.standard(period), input_bound=3.0) for period in (10e-3, 100e-3)]
    fast, slow = (analyze_power(map_network(net, TECHNOLOGY, options), x) for options in settings)
    # the maps of the blocks change by some per cent over a decade of current, see the calibration's tables
    assert fast.total / slow.total == pytest.approx(10.0, rel=0.05)
    assert fast.energy_step == pytest.approx(slow.energy_step, rel=0.05)


def test_the_recurrence_grows_linearly_and_the_feedforward_quadratically():
    found = scale_states(TECHNOLOGY, STANDARD, (16, 32, 64))
    # d rows of d weights of a given size; the spread of a sum of 256 half-normal weights is 0.75 / 16 = 5 %, over a
    # factor of four in size 0.07 / log 4 = 0.05 in the exponent, three of them
    assert found.recurrent_slope == pytest.approx(1.0, abs=0.15)
    assert found.feedforward_slope == pytest.approx(2.0, abs=0.15)


def test_normalised_weights_grow_by_half_a_power_less():
    found = scale_states(TECHNOLOGY, STANDARD, (16, 32, 64), normalised=True)
    assert found.feedforward_slope == pytest.approx(1.5, abs=0.15)


def test_each_further_stage_draws_more():
    found = scale_levels(TECHNOLOGY, STANDARD, (2, 4, 8), states=4)
    steps = np.diff(found.recurrent) / np.diff(found.size)
    assert steps.min() > 0.0
    assert len(found.size) == 3


def test_the_slope_of_a_power_law_is_its_exponent():
    size = np.array([2.0, 4.0, 8.0])
    assert slope(size, 3.0 * size**1.7) == pytest.approx(1.7)


def test_area_is_counted_by_hand(net, design):
    area = area_report(design)
    cell = 2e-6 * 18e-6
    assert area.gates["stages"] == pytest.approx(2 * 4 * (14 * cell + 3 * 0.25e-12))
    # eight capacitors of 0.5 pF at 2 fF/um2
    assert area.capacitors == pytest.approx(8 * 250e-12)
    assert area.total == pytest.approx(2.5 * (sum(area.gates.values()) + area.capacitors))
    assert area_report(design, density=1e-3).capacitors == pytest.approx(8 * 500e-12)


@pytest.mark.parametrize("kind", kinds())
def test_the_gates_are_those_of_the_deck(kind):
    """Cascodes of the biases and diodes of rectified outputs included."""
    net = kinds()[kind]
    design = mapped(net)
    models = Pdk(Path("design.ngspice"), Path("sm141064.ngspice"), "test", "0" * 64)
    flat = flat_transistors(network_transistors(design, np.zeros((1, net.inputs)), models).text)
    # a deck writes ten digits
    assert sum(area_report(design).gates.values()) == pytest.approx(sum(t.w * t.l * t.units for t in flat), rel=1e-9)


def test_a_bare_stage_has_six_devices_and_two_switches():
    """It has no output device of its own, and so no switch for one."""
    design = mapped(kinds()["bmru"])
    cell = design.sizing.cell.area
    assert area_report(design).gates["stages"] == pytest.approx(2 * (6 * cell + 2 * 0.25e-12))


def test_a_ladder_of_one_stage_has_no_capacitor():
    assert area_report(mapped(kinds()["bmru"])).capacitors == 0.0
    assert analyze_power(mapped(kinds()["bmru"]), np.zeros((3, 1, 3))).total > 0.0


def test_layers_before_the_ladder_count_as_weights(x):
    rectified = mapped(kinds()["rectified"])
    report = analyze_power(rectified, x)
    assert report.blocks["weights"] > 0.0
    assert report.recurrent > 0.0


def test_a_line_without_a_clock_is_refused():
    with pytest.raises(ParameterError, match="takes its candidates without a clock: its line's power is not modelled"):
        analyze_power(mapped(network(first_quadrant())), np.zeros((3, 1, 3)))


@pytest.mark.parametrize("density", [0.0, float("nan")])
def test_an_invalid_density_is_refused(design, density):
    with pytest.raises(ParameterError, match=r"density = .* F/m.2 is outside"):
        area_report(design, density=density)


def test_an_overhead_below_one_is_refused(design):
    with pytest.raises(ParameterError, match=r"overhead = 0.5 is outside"):
        area_report(design, overhead=0.5)


def test_scaling_over_one_size_is_refused():
    with pytest.raises(ParameterError, match="scaling needs two or more sizes"):
        scale_states(TECHNOLOGY, STANDARD, (4,))


def test_a_cell_that_does_not_exist_is_refused(design, x):
    with pytest.raises(ParameterError, match=r"cells \[2\] of cell: name some from 0 to 1"):
        slice_power(design, x[:, 0], [2])


def test_a_layer_without_ladders_at_the_input_is_refused():
    with pytest.raises(ParameterError, match="the inputs drive no ladder"):
        slice_power(mapped(kinds()["rectified"]), np.zeros((2, 3)), [0])


@pytest.mark.ngspice
@pytest.mark.pdk
def test_a_ladder_in_ngspice_draws_the_predicted_current(design, x):
    for one in slice_power(design, x[:5, 0], [0, 1], 1):
        assert one.same_levels
        assert one.total_predicted == pytest.approx(one.total, rel=0.05)
        # the model is of stages at rest: after a move a DPI's two outputs, a sixth of a stage that is ON, come and go
        # some tenths of a step late, and these candidates move at most steps
        assert one.stages_predicted == pytest.approx(one.stages, rel=0.1)


@pytest.mark.ngspice
@pytest.mark.pdk
def test_the_whole_network_in_ngspice_draws_the_predicted_current(design, x):
    seen, predicted = network_power(design, x[:2, 0])
    assert predicted == pytest.approx(seen, rel=0.05)


def test_random_networks_can_be_mapped_whatever_their_size():
    for states in (1, 5):
        design = map_network(random_network(states, 2, 1), TECHNOLOGY, STANDARD)
        assert design.ladders[0].width == states
