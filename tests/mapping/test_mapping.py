"""Network -> Design and back: what is conserved, what scales, what the circuit is."""

import math
from dataclasses import asdict, fields, replace

import hypothesis.strategies as st
import numpy as np
import pytest
from helpers import BOUND, TECHNOLOGY, cmru, direct, first_quadrant, inputs_of, kinds, mapped, network
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn import library
from analogrnn.bill_of_materials import transistors
from analogrnn.chip import nominal_chip
from analogrnn.design import Ladder, input_time_constants
from analogrnn.errors import MappingError, ParameterError
from analogrnn.mapping import (
    STAGES,
    MappingChanges,
    MappingOptions,
    check_ladders,
    ladder_margins,
    map_network,
    recover_network,
    stage_options,
)
from analogrnn.network import InputEncoding, Linear, forward
from analogrnn.network.files import load
from analogrnn.simulate import simulate

every_kind = pytest.mark.parametrize("kind", kinds())


# ---------------------------------------------------------------- what is conserved


@every_kind
def test_the_network_recovered_from_the_circuit_computes_the_same(kind):
    net = kinds()[kind]
    back = recover_network(mapped(net))
    x = inputs_of(net, 40, 3)
    mine, other = forward(net, x), forward(back, x)
    for name, states in mine.states.items():
        assert_array_equal(other.states[name], states)
    # sums of twenty terms, each through two more roundings, of inputs up to BOUND
    assert_allclose(other.logits, mine.logits, atol=1e-12)
    assert [layer.name for layer in back.layers] == [layer.name for layer in net.layers]


finite = st.floats(0.01, 50.0)


@given(
    st.lists(st.tuples(finite, finite, st.floats(0.3, 60.0), st.floats(0.05, 20.0)), min_size=1, max_size=4),
    st.sampled_from([(-2, 2), (0, 3), (-3, 1)]),
)
def test_mapping_and_back_returns_the_parameters_to_rounding(rows, ladder):
    a, b, threshold, alpha = (np.array(column) for column in zip(*rows, strict=True))
    cell = cmru(
        "cell",
        len(rows),
        2,
        ladder=ladder,
        weight=np.stack([a, -b], axis=1),
        bias=a - b,
        threshold=threshold,
        alpha=alpha,
    )
    design = mapped(network(cell))
    back = recover_network(design).layers[0]
    # products and sums of three, each rounded
    assert_allclose(back.weight, cell.weight, rtol=1e-15)
    assert_allclose(back.threshold, threshold, rtol=1e-15)
    assert_allclose(back.alpha, alpha, rtol=1e-15)
    # the offset of the inputs is subtracted and added again: its size sets the rounding
    assert np.abs(back.bias - cell.bias).max() <= 1e-15 * BOUND * np.abs(cell.weight).sum(axis=1).max() + 1e-15
    assert (back.eps, back.k_min, back.k_max) == (1.0, *ladder)
    assert_array_equal(back.initial, cell.initial)


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=8))
def test_the_octave_scale_brings_every_half_window_into_one_to_two_units(thresholds):
    d = len(thresholds)
    design = mapped(network(cmru("cell", d, 1, threshold=thresholds, weight=np.zeros((d, 1)))))
    ladder = design.ladders[0]
    beta = ladder.beta / design.unit_current
    # one rounding either side
    assert np.all((beta >= 1.0 - 1e-15) & (beta <= 2.0 + 1e-15))
    assert_array_equal(np.frexp(ladder.synapses.scale)[0], 0.5)


@pytest.mark.parametrize("unit", [0.1e-9, 0.5e-9, 4e-9])
@every_kind
def test_scaling_every_current_leaves_the_logic_alone(kind, unit):
    """Weak inversion: only ratios of currents matter. Time goes with their inverse."""
    net = kinds()[kind]
    base, scaled = mapped(net), mapped(net, unit_current=unit, c_dpi=2e-12)
    for one, other in zip(base.ladders, scaled.ladders, strict=True):
        for name in ("i_th", "i_hyst", "i_base", "i_shift", "i_alpha", "i_preset"):
            assert_allclose(getattr(other, name), getattr(one, name) * unit / 1e-9, rtol=1e-14)
        assert_array_equal(other.synapses.ratio, one.synapses.ratio)
    assert scaled.timing.pulse == pytest.approx(base.timing.pulse * 1e-9 / unit, rel=1e-12)
    x = inputs_of(net, 30, 2)
    one, other = (simulate(nominal_chip(design), x) for design in (base, scaled))
    assert_array_equal(other.logits, one.logits)
    for name, levels in one.levels.items():
        assert_array_equal(other.levels[name], levels)


def test_permuting_the_cells_permutes_the_outputs():
    cell, order = cmru("cell", 5, 3), np.array([3, 0, 4, 1, 2])
    moved = replace(
        cell, **{name: getattr(cell, name)[order] for name in ("weight", "bias", "threshold", "alpha", "initial")}
    )
    nets = [network(cell, readout=False), network(moved, readout=False)]
    x = inputs_of(nets[0], 40, 3)
    one, other = (simulate(nominal_chip(mapped(net)), x) for net in nets)
    assert_array_equal(other.levels["cell"], one.levels["cell"][..., order])
    # a matrix product may add its terms in another order
    assert_allclose(other.candidates["cell"], one.candidates["cell"][..., order], atol=1e-13)
    assert_array_equal(other.logits, one.logits[..., order])


# ---------------------------------------------------------------- what the circuit is


def test_the_margins_of_the_defaults_are_positive_and_follow_from_the_options():
    design, options = mapped(network(cmru())), MappingOptions()
    margins = ladder_margins(design)
    assert min(margins.values()) > 0.0
    grip = 2.0 * math.exp(-options.pulse_ratio) - 1.0
    # worst over ladders whose ratios are equal by construction: rounding alone
    assert margins["shift"] == pytest.approx(options.shift_ratio * grip - 1.0, abs=1e-12)
    assert margins["base"] == pytest.approx(options.base_ratio - 1.0, abs=1e-12)
    assert margins["reset"] == pytest.approx(options.base_ratio - 1.0, abs=1e-12)
    assert margins["pulse"] == pytest.approx(options.pulse_settle - 8.0, abs=1e-9)
    # a DPI that is ON relaxes with tau R/(R-1), which the period already allows for
    assert margins["settle"] == pytest.approx(options.settle - 4.0, abs=1e-9)
    check_ladders(design)


@every_kind
def test_every_kind_maps_with_positive_margins(kind):
    assert min(ladder_margins(mapped(kinds()[kind])).values()) > 0.0


def test_the_window_of_a_stage_is_centred_where_its_lower_neighbour_shifts_it():
    for ladder in mapped(network(cmru(), cmru("high", 2, 2))).ladders:
        centre = ladder.i_th - ladder.i_hyst / 2.0
        assert_allclose(centre, ladder.i_base + ladder.i_shift, rtol=1e-15)
        assert_allclose(ladder.beta / ladder.synapses.scale / 1e-9, np.abs(ladder.threshold[:, 1]), rtol=1e-15)


def test_a_bmru_is_one_stage_without_a_dpi():
    ladder = mapped(kinds()["bmru"]).ladders[0]
    assert (ladder.stages, ladder.level_step) == (1, 2)
    assert_array_equal(np.stack([ladder.counts, ladder.k_min, ladder.k_max]), [[1, 1], [-1, -1], [1, 1]])
    assert not ladder.has_dpi
    assert_array_equal(ladder.i_shift, 0.0)
    assert_array_equal(ladder.levels, [[-1, 1], [-1, 1]])
    # H(c): one stage carries the whole swing from -alpha to alpha
    assert_allclose(ladder.i_alpha, 2.0 * ladder.alpha * 1e-9, rtol=1e-15)


def test_the_first_quadrant_cell_has_its_trained_window_and_no_standing_current():
    cell = first_quadrant()
    ladder = mapped(network(cell)).ladders[0]
    unit = ladder.synapses.scale * 1e-9
    assert_allclose(ladder.i_th / unit, cell.b_hi, rtol=1e-15)
    # a difference of two numbers of size b_hi
    assert_allclose((ladder.i_th - ladder.i_hyst) / unit, cell.b_lo, atol=4e-16 * cell.b_hi.max())
    assert_array_equal(ladder.i_base, 0.0)
    assert not ladder.return_to_zero


def test_no_input_of_any_layer_is_a_negative_current():
    """Inputs are lifted by their bound, a ladder's output by its lowest level; the next bias absorbs it."""
    low, high = cmru("low", 2, 3, ladder=(-2, 2)), cmru("high", 2, 2, ladder=(0, 3))
    design = mapped(network(low, high))
    assert_array_equal(design.layers[0].synapses.offset, BOUND)
    assert_allclose(design.layers[1].synapses.offset, 2.0 * low.alpha, rtol=1e-15)
    assert_array_equal(design.layers[2].synapses.offset, 0.0)
    for layer in design.layers:
        synapses = layer.synapses
        # with every line at zero the node carries what the network forms at -offset
        wanted = (synapses.trained_bias - synapses.weight @ synapses.offset) * synapses.scale
        assert_allclose(synapses.bias, wanted, rtol=1e-15)


def test_the_encoding_gives_the_range_of_the_inputs():
    encoding = InputEncoding(np.zeros(3), np.ones(3), clip=2.5, ramp=False)
    net = replace(network(cmru()), encoding=encoding)
    assert_array_equal(map_network(net, TECHNOLOGY).layers[0].synapses.offset, 2.5)
    assert_array_equal(mapped(net, input_bound=4.0).layers[0].synapses.offset, 4.0)


def test_a_period_and_a_pulse_that_are_given_are_kept():
    design = mapped(network(cmru()), period=0.1, pulse=1e-3)
    assert (design.timing.period, design.timing.pulse) == (0.1, 1e-3)
    assert design.timing.x == pytest.approx(MappingOptions().pulse_ratio, rel=1e-15)


def test_the_slowest_cell_sets_the_pulse():
    design = mapped(network(cmru()), cell_w=5e-6, cell_l=5e-6)
    slowest = max(input_time_constants(la, design.sizing.cell, TECHNOLOGY).max() for la in design.ladders)
    assert design.timing.pulse == pytest.approx(MappingOptions().pulse_settle * slowest, rel=1e-15)
    # a quarter of the area is a quarter of the charge
    assert mapped(network(cmru())).timing.pulse == pytest.approx(4.0 * design.timing.pulse, rel=1e-12)


@pytest.mark.parametrize("stages", [2, 30, 100])
def test_the_reset_lasts_until_the_stages_let_go_one_by_one(stages):
    """Each waits for the DPI of its upper neighbour to decay below I_lo / I_s - 1 = (1.8 + 1.6 - 1)/1.8 - 1 = 1/3."""
    timing = mapped(network(cmru("long", 2, 3, ladder=(0, stages)), cmru("short", 2, 2, ladder=(0, 1)))).timing
    assert timing.reset_steps == 1 + math.ceil((stages * math.log(3.0) + MappingOptions().settle) / timing.y)


def test_without_a_dpi_the_reset_is_that_of_one_stage():
    timing = mapped(kinds()["bmru"]).timing
    assert timing.reset_steps == 1 + math.ceil((math.log(1.0 / 0.9) + MappingOptions().settle) / timing.y)


def test_the_floor_of_the_dpis_is_the_leakage_over_the_smallest_shift():
    design = mapped(network(cmru(threshold=[1.0, 1.9]), cmru("high", 2, 2, threshold=[1.5, 1.2])))
    smallest = 1.8 * 1.0e-9  # shift_ratio times the half window of one unit, after scaling to octaves
    assert min(ladder.i_shift.min() for ladder in design.ladders) == pytest.approx(smallest, rel=1e-15)
    assert design.timing.i_floor == pytest.approx(TECHNOLOGY.i_leak / smallest, rel=1e-14)


def test_what_a_rectifier_passes_needs_no_offset():
    design = mapped(kinds()["rectified"])
    assert [np.ptp(layer.synapses.offset) for layer in design.layers] == [0.0, 0.0, np.ptp(design.ladders[0].alpha) * 2]
    assert [layer.synapses.offset[0] for layer in design.layers[:2]] == [BOUND, 0.0]


def test_the_slowest_cell_sets_the_margin_of_the_pulse():
    design = mapped(network(cmru(threshold=[1.0, 1.9]), cmru("high", 2, 2, threshold=[1.9, 1.9])))
    slowest, fastest = (
        pick(input_time_constants(ladder, design.sizing.cell, TECHNOLOGY).max() for ladder in design.ladders)
        for pick in (max, min)
    )
    assert slowest > 1.2 * fastest
    # the pulse was made for the slowest: rounding alone
    assert ladder_margins(design)["pulse"] == pytest.approx(MappingOptions().pulse_settle - 8.0, abs=1e-9)


@pytest.mark.parametrize(("shift", "base"), [(1.8, 1.6), (10.0, 5.0)])
def test_the_recovery_margin_is_the_worst_cell_s_better_way(shift, base):
    """A stage is not reset at all (decides at 1.8 and 1.6), or it sets again in time (at 10 and 5)."""
    net = network(cmru(threshold=[1.0, 1.9]), cmru("high", 2, 2, threshold=[1.2, 1.5]))
    design = mapped(net, shift_ratio=shift, base_ratio=base)
    timing, worst = design.timing, math.inf
    for ladder in design.ladders:
        for t_in in input_time_constants(ladder, design.sizing.cell, TECHNOLOGY):
            stays = shift * math.exp(-timing.x) - base + 1.0
            again = max(
                shift * (2.0 * math.exp(-timing.x - t * t_in / timing.tau) - 1.0) - base * math.exp(-t) - 1.0
                for t in np.arange(0.0, 40.0, 0.01)
            )
            assert (again > stays) == (shift == 10.0)
            worst = min(worst, max(stays, again))
    # the search steps by 0.1 t_in: at most 0.05 from the top of a curve whose second derivative is below `base`
    assert ladder_margins(design)["recovery"] == pytest.approx(worst, abs=base * 0.05**2 / 2.0)


def test_mirror_ratios_may_lie_on_the_limits_of_the_technology():
    cell = cmru(threshold=[1.0, 1.0], weight=[[TECHNOLOGY.ratio_max, 1.0, 0.0], [-TECHNOLOGY.ratio_min, 1.0, 0.0]])
    # a half window of one unit has the scale 1
    assert_array_equal(mapped(network(cell)).ladders[0].synapses.ratio, cell.weight)


def test_a_current_may_be_the_smallest_of_the_technology():
    unit = 2.0**-30  # A: products with it are exact
    least = TECHNOLOGY.i_min / unit
    assert mapped(network(cmru(alpha=[1.0, least])), unit_current=unit).ladders[0].i_alpha[1] == TECHNOLOGY.i_min
    with pytest.raises(MappingError, match=r"cell\.i_alpha\[1\] = 1e-12 A is outside"):
        mapped(network(cmru(alpha=[1.0, np.nextafter(least, 0.0)])), unit_current=unit)


def test_input_dependent_thresholds_of_zero_are_constant_ones():
    cell = cmru()
    ladder = mapped(network(replace(cell, threshold_weight=np.zeros((2, 3))))).ladders[0]
    assert_array_equal(ladder.i_th, mapped(network(cell)).ladders[0].i_th)


def test_synapses_may_have_their_own_size():
    sizing = mapped(network(cmru()), synapse_w=3e-6).sizing
    assert (sizing.synapse.w, sizing.synapse.l) == (3e-6, MappingOptions().cell_l)


def test_presets_lead_from_all_off_to_the_initial_level():
    for kind, wanted in {"signed": lambda s: s + 2, "offset": lambda s: s + 1, "bmru": lambda s: (s + 1) / 2}.items():
        net = kinds()[kind]
        ladder = mapped(net).ladders[0]
        assert_array_equal(ladder.preset_pulses, wanted(net.layers[0].initial))


def test_transistors_grow_with_the_stages_and_count_every_weight():
    counts = [transistors(mapped(direct(stages, d=2))) for stages in (2, 4, 8)]
    # 17 per stage, in two ladders
    assert_array_equal(np.diff([count["memory stages"] for count in counts]), [17 * 2 * 2, 17 * 4 * 2])
    assert len({count["weights and biases"] for count in counts}) == 1
    dense = transistors(mapped(network(cmru("cell", 4, 3))))["weights and biases"]
    sparse = network(cmru("cell", 4, 3, weight=np.eye(4, 3)))
    # 12 weights against 3; a row whose weights are all zero keeps its bias
    assert dense > transistors(mapped(sparse))["weights and biases"]


def test_the_design_keeps_the_metadata_and_knows_its_ladders():
    net = replace(network(cmru()), metadata={"name": "mine", "accuracy": 0.9})
    design = mapped(net)
    assert (design.name, design.metadata["accuracy"], design.stages) == ("mine", 0.9, 8)
    assert all(isinstance(ladder, Ladder) for ladder in design.ladders)
    assert isinstance(recover_network(design).layers[-1], Linear)


# ---------------------------------------------------------------- named stages, lead, parasitic capacitance


@pytest.mark.parametrize("stage", STAGES)
def test_a_named_stage_maps_the_shipped_networks(stage):
    for name in ("digits_d16_k2", "digits_d32_k4"):
        design = map_network(load(library.network_path(name)), TECHNOLOGY, stage_options(stage))
        assert min(ladder_margins(design).values()) > 0.0


def test_the_standard_stage_scales_its_currents_with_the_step_time():
    fast, slow = (
        map_network(network(cmru()), TECHNOLOGY, replace(MappingOptions.standard(t), input_bound=BOUND))
        for t in (10e-3, 30e-3)
    )
    assert slow.unit_current == pytest.approx(fast.unit_current / 3.0, rel=1e-12)
    assert slow.timing.pulse == pytest.approx(3.0 * fast.timing.pulse, rel=1e-12)
    # the same charges in three times the time
    for name in ("i_th", "i_shift", "i_gain"):
        assert_allclose(getattr(slow.ladders[0], name), getattr(fast.ladders[0], name) / 3.0, rtol=1e-12)
    assert slow.timing.i_tau == pytest.approx(fast.timing.i_tau / 3.0, rel=1e-12)


def test_the_leak_of_a_dpi_counts_the_capacitance_of_its_own_devices():
    for size in (4e-6, 10e-6):
        design = mapped(network(cmru()), cell_w=size, cell_l=size)
        timing, c = design.timing, design.timing.c_dpi + TECHNOLOGY.map_parasitic * size**2
        assert timing.c_dpi + timing.c_parasitic == pytest.approx(c, rel=1e-12)
        tau = TECHNOLOGY.dpi_tau * c * TECHNOLOGY.thermal_voltage / (TECHNOLOGY.kappa * timing.i_tau)
        assert tau == pytest.approx(timing.tau, rel=1e-12)


def test_the_named_stages_are_the_ones_that_the_documentation_describes():
    standard = MappingOptions(
        unit_current=0.24e-9,
        cell_w=2e-6,
        cell_l=18e-6,
        shift_ratio=2.2,
        base_ratio=2.0,
        pulse_ratio=0.2,
        pulse_settle=8.01,
        drive_ratio=12.0,
        c_dpi=0.5e-12,
        period=10e-3,
        stretch=True,
    )
    large = replace(standard, cell_w=4e-6, cell_l=20e-6, period=22.5e-3)
    default = MappingOptions(
        unit_current=1e-9,
        cell_w=10e-6,
        cell_l=10e-6,
        shift_ratio=1.8,
        base_ratio=1.6,
        pulse_ratio=0.15,
        pulse_settle=12.0,
        settle=12.0,
        drive_ratio=25.0,
        c_dpi=2e-12,
        lead=0.6,
    )
    for stage, wanted in {"default": default, "standard": standard, "large": large}.items():
        found, values = asdict(stage_options(stage)), {k: v for k, v in asdict(wanted).items() if v is not None}
        # the currents are scaled by the step time: two roundings
        assert {name: found[name] for name in values} == pytest.approx(values, rel=1e-14)
        assert {found[name] for name in found.keys() - values.keys()} == {None}
    assert stage_options("default", 0.5) == MappingOptions(period=0.5)


def test_layers_share_the_time_before_their_pulses():
    one = mapped(network(cmru()))
    two = mapped(network(cmru("a", 2, 3), cmru("b", 2, 2)))
    assert one.timing.lead == pytest.approx(0.6 * one.timing.period, rel=1e-12)
    assert two.timing.lead == pytest.approx(0.3 * two.timing.period, rel=1e-12)


# ---------------------------------------------------------------- options by keyword


def test_keywords_map_as_the_options_that_they_name():
    net = network(cmru())
    for keywords, options in (
        ({"stage": "standard"}, stage_options("standard")),
        ({"stage": "standard", "period": 20e-3}, stage_options("standard", 20e-3)),
        ({"stage": "large", "c_dpi": 1e-12}, replace(stage_options("large"), c_dpi=1e-12)),
        ({"cell_w": 4e-6}, MappingOptions(cell_w=4e-6)),
    ):
        ours = map_network(net, TECHNOLOGY, input_bound=BOUND, **keywords)
        theirs = map_network(net, TECHNOLOGY, replace(options, input_bound=BOUND))
        assert asdict(ours.timing) == asdict(theirs.timing)
        assert ours.sizing == theirs.sizing
        assert ours.unit_current == theirs.unit_current
    changed = map_network(net, TECHNOLOGY, stage_options("standard"), input_bound=BOUND, cell_l=20e-6)
    assert (changed.sizing.cell.w, changed.sizing.cell.l) == (2e-6, 20e-6)


def test_every_field_of_the_options_is_a_keyword_of_the_same_type():
    assert {item.name: item.type for item in fields(MappingOptions)} == MappingChanges.__annotations__


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"stage": "small"}, r"^stage = 'small' is unknown; known: \['default', 'standard', 'large'\]\.$"),
        ({"cell_size": 4e-6}, r"^map_network has no parameter 'cell_size'; it takes the fields of MappingOptions\.$"),
        ({"options": MappingOptions(), "stage": "large"}, r"^map_network takes options or a stage, not both; "),
        ({"stage": "standard", "cell_w": 1.0}, r"^MappingOptions\.cell_w = 1 m is outside"),
    ],
)
def test_a_keyword_that_names_no_option_is_refused(keywords, message):
    with pytest.raises(ParameterError, match=message):
        map_network(network(cmru()), TECHNOLOGY, **keywords)


def test_zero_threshold_weights_are_constant_thresholds():
    net = network(cmru())
    zero = network(cmru(threshold_weight=np.zeros((2, 3))))
    assert_array_equal(mapped(zero).ladders[0].i_hyst, mapped(net).ladders[0].i_hyst)
