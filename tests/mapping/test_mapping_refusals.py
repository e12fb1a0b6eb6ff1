"""Networks and options that have no circuit are refused in words that say what to do."""

import math
import re
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from helpers import TECHNOLOGY, cmru, first_quadrant, gated, linear, mapped, network
from numpy.testing import assert_array_equal

from analogrnn.errors import MappingError, ParameterError
from analogrnn.mapping import MappingOptions, map_network, stage_options
from analogrnn.network import AlphaCmru, Cmru, Network, ReLU


def refused(net, message, error=MappingError, **options):
    with pytest.raises(error, match=message):
        mapped(net, **options)


@pytest.mark.parametrize("eps", [1e-9, 0.3, 0.999])
def test_a_leaking_update_is_refused(eps):
    refused(
        network(cmru(eps=eps, initial=np.zeros(2))),
        rf"cell\.eps = {eps:g} has no circuit: the state leaves the ladder.*or 0 \(BMRU\)",
    )


def test_an_input_dependent_threshold_without_a_floor_is_refused():
    refused(
        network(cmru(threshold_weight=np.ones((2, 3)))),
        r"cell has an input-dependent threshold without a floor, .* set Cmru\.threshold_floor, .*chooses it from data",
    )


def test_an_input_dependent_threshold_beyond_weak_inversion_is_refused():
    # a floor of 0.01 is 1.28 unit currents of 1 nA, so a threshold of 1 is 128 nA
    refused(
        network(gated(inputs=3, threshold=np.array([0.1, 1.0]), threshold_floor=np.full(2, 0.01))),
        r"cell\.threshold\[1\] = 1 is a current of 1\.28e-07 A, above 1e-07 A \(weak inversion\), since its floor of "
        r"0\.01 is at least one unit current: raise the floor, or lower unit_current, now 1e-09 A\.",
    )


def test_a_layer_with_the_name_of_the_rows_of_a_threshold_is_refused():
    refused(
        network(gated(), cmru("Cell_b", 2, 2)),
        "cell_b is the name of a layer and of the rows of cell's thresholds; rename the layer",
    )


def test_an_alpha_cmru_is_refused():
    cell = AlphaCmru("cell", np.ones((2, 3)), np.zeros(2), np.ones(2), np.ones((2, 3)), np.zeros(2))
    refused(network(cell), "cell is an alphaCMRU: its states are not quantised, .* train a CMRU")


@pytest.mark.parametrize("ladder", [(None, 2), (-2, None), (None, None)])
def test_a_ladder_without_an_end_is_refused(ladder):
    low, high = ladder
    refused(
        network(cmru(k_min=low, k_max=high, initial=np.zeros(2))),
        "cell has no k_min and k_max: a ladder is finite. Choose both ends from data with `analogrnn convert",
    )


def test_an_initial_state_between_levels_is_refused():
    refused(
        network(cmru(initial=[0.0, 1.0000001])),
        r"cell\.initial\[1\] = 1\.0000001 is not exactly a level .*-1, 0, 1.*round it",
    )
    # the BMRU has no level 0
    refused(
        network(cmru(eps=0.0, ladder=(-1, 1), initial=[1.0, 0.0])),
        r"cell\.initial\[1\] = 0\.0 is not exactly a level of the ladder \[-1, 1\]",
    )


@pytest.mark.parametrize("threshold", [0.0, 9e-4, -9e-4])
def test_a_threshold_near_zero_is_refused(threshold):
    refused(
        network(cmru(threshold=[1.0, threshold])),
        rf"cell\.threshold\[1\] = {threshold:g} leaves no window \(half width below 0\.001\);",
    )


@pytest.mark.parametrize("weight", [201.0, -5e3, 9e-5, -1e-7])
def test_a_weight_that_no_mirror_makes_is_named(weight):
    cell = linear(d=2, inputs=2)
    values = np.array(cell.weight)
    values[1, 0] = weight
    front = replace(cell, name="front", weight=values)
    refused(
        network(front, ReLU("relu"), cmru("cell", 2, 2)),
        re.escape(f"front.weight[1,0] = {weight:g} needs a mirror ratio of {abs(weight):.3g}, outside [0.0001, "),
    )


def test_a_weight_of_zero_needs_no_mirror():
    weight = np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.0]])
    design = mapped(network(cmru(weight=weight)))
    assert_array_equal(design.ladders[0].synapses.ratio == 0.0, weight == 0.0)


def test_a_network_without_a_recurrent_layer_is_refused():
    refused(Network((linear(),), metadata={"name": "flat"}), "flat has no recurrent layer; the ladder circuits need a")


def test_inputs_of_unknown_range_are_refused():
    with pytest.raises(MappingError, match=r"random has no encoding, .* input currents is unknown; give input_bound"):
        map_network(network(cmru()), TECHNOLOGY)


def test_a_clock_that_breaks_an_inequality_is_refused():
    net = network(cmru())
    refused(net, r"random: the ladder's 'settle' margin is -.*lengthen the period \(now 0\.002 s\)", period=2e-3)
    refused(net, r"'pulse' margin is -.*lengthen the pulse \(now 1e-05 s\), or use smaller devices", pulse=1e-5)
    refused(net, r"'shift' margin is -.*raise shift_ratio or shorten the pulse", pulse_ratio=0.5)
    refused(net, r"'(base|reset)' margin is 0, not above 0: raise base_ratio", base_ratio=1.0, unit_current=2.0**-30)


def test_currents_outside_weak_inversion_are_named():
    net = network(cmru())
    refused(
        net,
        r"cell\.i_\w+\[\d\] = \S+ A is outside \[1e-12, 1e-07\] A \(weak inversion\): change unit_current",
        unit_current=1e-12,
    )
    refused(net, r"cell\.i_\w+\[\d\] = \S+ A is outside .* now 9e-07 A", unit_current=9e-7)
    refused(network(cmru(alpha=[1.0, 200.0])), r"cell\.i_alpha\[1\] = 2e-07 A is outside")
    refused(net, r"timing\.i_tau = \S+ A is outside .*: change c_dpi \(now 2e-12 F\) or the pulse", pulse=1.0)
    refused(net, r"timing\.i_on = \S+ A is outside .*: change c_dpi \(now 2e-10 F\) or", c_dpi=2e-10, drive_ratio=100.0)


NUMBERS = (
    "unit_current",
    "cell_w",
    "cell_l",
    "synapse_w",
    "synapse_l",
    "shift_ratio",
    "base_ratio",
    "pulse_ratio",
    "pulse_settle",
    "settle",
    "drive_ratio",
    "c_dpi",
    "period",
    "pulse",
    "input_bound",
    "lead",
)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [0.0, -1e-9, math.nan, math.inf])
def test_options_out_of_range_are_named_with_their_limits(name, value):
    with pytest.raises(ParameterError, match=rf"MappingOptions\.{name} = {value:g}\b.* is outside \["):
        MappingOptions(**{name: value})


LIMITS = {
    "unit_current": (1e-12, 1e-6, " A"),
    # the smallest device of the 3.3 V process of GF180MCU is 0.22 um wide and 0.28 um long
    "cell_w": (0.22e-6, 100e-6, " m"),
    "cell_l": (0.28e-6, 50e-6, " m"),
    "synapse_w": (0.22e-6, 100e-6, " m"),
    "synapse_l": (0.28e-6, 50e-6, " m"),
    # a ratio of 1 leaves a margin of zero
    "shift_ratio": (1.0, 20.0, ""),
    "base_ratio": (1.0, 20.0, ""),
    # 2 exp(-x) > 1 up to x = ln 2 = 0.693
    "pulse_ratio": (1e-3, 0.69, ""),
    "pulse_settle": (8.0, 1e4, ""),
    "settle": (4.0, 100.0, " tau"),
    "drive_ratio": (2.0, 1e4, ""),
    "c_dpi": (1e-15, 1e-9, " F"),
    "period": (1e-9, 1e3, " s"),
    "pulse": (1e-9, 1e3, " s"),
    "input_bound": (1e-6, 1e6, ""),
    "lead": (0.01, 0.95, " of the period"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_an_option_may_lie_on_its_limits_and_not_beyond(name):
    low, high, unit = LIMITS[name]
    for limit, beyond in ((low, np.nextafter(low, 0.0)), (high, np.nextafter(high, np.inf))):
        assert getattr(MappingOptions(**{name: limit}), name) == limit
        limits = re.escape(f"{unit} is outside [{low:g}, {high:g}]{unit}.")
        with pytest.raises(ParameterError, match=rf"^MappingOptions\.{name} = \S+{limits}$"):
            MappingOptions(**{name: float(beyond)})


def test_options_can_not_be_changed_past_their_check():
    with pytest.raises(FrozenInstanceError):
        MappingOptions().settle = 1.0


def test_an_option_that_is_no_number_is_named():
    with pytest.raises(ParameterError, match=r"MappingOptions\.settle = 'long' is not a number"):
        MappingOptions(settle="long")


def test_a_stage_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(ParameterError, match=r"stage = 'tiny' is unknown; known: \['default', 'standard', 'large'\]"):
        stage_options("tiny")


def test_a_pulse_too_late_to_be_read_is_refused():
    refused(network(cmru()), r"the ladder's 'read' margin is \S+, not above 0: .*make lead a smaller part", lead=0.95)


def test_a_kind_of_layer_without_a_circuit_is_refused():
    class Gru(Cmru.__base__):
        kind = "gru"

    gru = Gru("cell", np.ones((2, 3)), np.zeros(2))
    with pytest.raises(MappingError, match=r"^cell is a Gru, a kind of layer that has no circuit; train a Cmru or a"):
        map_network(Network((gru,)), TECHNOLOGY, input_bound=1.0)


def test_an_unclocked_cell_in_front_of_a_rectified_layer_needs_no_deadline():
    """It follows its inputs at all times: the rectified rows behind it have until the next clocked layer."""
    net = network(first_quadrant("front", 2, 3), linear("rows", 2, 2), ReLU("relu"), cmru("cell", 2, 2))
    design = mapped(net)
    assert [ladder.return_to_zero for ladder in design.ladders] == [False, True]
    assert design.timing.period > 0.0
