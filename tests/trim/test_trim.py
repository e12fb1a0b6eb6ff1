"""Trimming: what the tester finds through inputs and outputs alone, on chips whose truth the test knows."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import cmru, first_quadrant, kinds, mapped, network
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.datasets import LabelledClips
from analogrnn.errors import ParameterError
from analogrnn.network import forward
from analogrnn.trim import StepDevice, TrimOptions, plan_trim, trim_chip, trim_chips
from analogrnn.trim.campaign import TrimClips, threshold_error
from analogrnn.trim.procedure import _search, candidate_input

SMALL = 2e-6
BOUND = 3.0  # inputs; few half windows, as a trained network has


@pytest.fixture(scope="module")
def net():
    # four inputs: two ladders that all inputs reach, with different thresholds
    return network(cmru(d=3, inputs=4, seed=5, threshold=np.array([0.7, 1.1, 1.4])))


@pytest.fixture(scope="module")
def plan(net):
    return plan_trim(mapped(net, cell_w=SMALL, cell_l=SMALL, input_bound=BOUND), TrimOptions(bits=8))


@pytest.fixture(scope="module")
def clips(net):
    x = np.random.default_rng(3).uniform(-2.0, 2.0, (6, 20, 4))
    return TrimClips(x, LabelledClips(x, forward(net, x).classes))


@pytest.fixture(scope="module")
def campaign(net, plan, clips):
    return trim_chips(plan, net, clips, range(4), seed=3)


class Bare:
    """A device of which nothing shows but what a tester has; counts the steps by itself."""

    def __init__(self, device, reset_steps, preset_steps):
        self._device, self._reset, self._preset, self.counted = device, reset_steps, preset_steps, 0

    @property
    def steps(self):
        return self._device.steps

    def program(self, codes):
        self._device.program(codes)

    def run(self, x, clocked, *, preset=False):
        self.counted += x.shape[1] * (len(x) + self._reset + (self._preset if preset else 0))
        return self._device.run(x, clocked, preset=preset)


def referred(chip):
    """Threshold errors (2 N d,) in half windows as the inputs meet them: weights' error in the test's direction out."""
    layer = chip.ladders[0]
    ladder, half = layer.ladder, layer.ladder.threshold[:, 1:]
    errors = []
    for i in range(ladder.width):
        rows = []
        for sign, table in ((1.0, layer.up), (-1.0, layer.down)):
            x = candidate_input_of(ladder, i, sign * half[i, 0])
            meets = layer.synapses.weight[i] @ x + layer.synapses.bias[i]
            rows.append((meets - table[i]) / half[i])
        errors.append(np.concatenate(rows))
    return np.concatenate(errors)


def candidate_input_of(ladder, cell, candidate):
    """The least input by the trained weights, derived anew: x parallel to the row."""
    weight, bias = ladder.synapses.weight[cell], ladder.synapses.trained_bias[cell]
    return weight * (candidate - bias) / (weight @ weight)


def test_a_chip_without_mismatch_at_middle_codes_is_the_nominal_chip(plan):
    still = StepDevice(plan, 1, 0, scale=0.0, noise=False).trimmed(plan.middle)
    nominal = nominal_chip(plan.design)
    # sums of four currents in another order: some roundings of numbers about 1
    assert_allclose(still.ladders[0].up, nominal.ladders[0].up, rtol=1e-12)
    assert_allclose(still.ladders[0].down, nominal.ladders[0].down, rtol=1e-12)
    assert_allclose(still.layers[1].synapses.bias, nominal.layers[1].synapses.bias, rtol=1e-12)
    assert_allclose(still.ladders[0].currents.i_lo, nominal.ladders[0].currents.i_lo, rtol=1e-12)


def test_a_chip_without_mismatch_and_noise_is_left_within_one_step_of_its_middle_codes(net, plan, clips):
    device = StepDevice(plan, 1, 0, scale=0.0, noise=False)
    codes = trim_chip(device, plan, clips.calibration, forward(net, clips.calibration).logits).codes
    for name in ("threshold", "width", "row", "readout"):
        assert np.abs(getattr(codes, name) - getattr(plan.middle, name)).max() <= 1, name


def test_thresholds_come_back_as_the_inputs_meet_them(plan, campaign):
    for chip in campaign.chips:
        before = StepDevice(plan, 3, chip.index, noise=False).trimmed(plan.middle)
        after = StepDevice(plan, 3, chip.index, noise=False).trimmed(chip.trimmed.codes)
        start, left = referred(before), referred(after)
        assert np.sqrt(np.mean(start[np.isfinite(start)] ** 2)) > 0.3
        # a majority of 3 with noise of 0.05 half windows errs by about 0.04, a step of 8 bits is 0.03 at most, and a
        # carry of the DAC misses one step now and then: three times their sum of squares
        assert np.sqrt(np.mean(left**2)) < 0.15


def test_at_rest_the_windows_lie_about_zero(plan, campaign):
    """The row DAC takes the inputs' offset, so that it is not trimmed into the thresholds, which act at rest too."""
    for chip in campaign.chips:
        layer = StepDevice(plan, 3, chip.index, noise=False).trimmed(chip.trimmed.codes).ladders[0]
        half = layer.ladder.threshold[:, 1:]
        assert np.abs((layer.up + layer.down) / 2.0 / half).max() < 0.35
        assert layer.up.min() > 0.0 > layer.down.max()


def test_threshold_errors_and_accuracy_improve(campaign):
    assert all(chip.error_after < 0.5 * chip.error_before for chip in campaign.chips)
    assert campaign.after.mean() > campaign.before.mean()


def test_the_procedure_needs_no_more_than_a_tester_has(net, plan, clips):
    wanted = forward(net, clips.calibration).logits
    device = StepDevice(plan, 3, 1)
    bare = Bare(StepDevice(plan, 3, 1), plan.design.timing.reset_steps, plan.design.preset_steps)
    open_, closed = trim_chip(device, plan, clips.calibration, wanted), trim_chip(bare, plan, clips.calibration, wanted)
    for name in ("threshold", "width", "row", "readout"):
        assert np.array_equal(getattr(open_.codes, name), getattr(closed.codes, name))
    assert closed.steps == bare.counted == open_.steps > 0


def test_the_waveform_level_leads_to_the_same_codes(net, plan, clips):
    """Within the inequalities both levels decide by the same currents; exp(-12) of a pulse is below a DAC's step."""
    wanted = forward(net, clips.calibration).logits
    few = replace(plan, options=replace(plan.options, repeats=1))
    step, wave = (
        trim_chip(StepDevice(few, 3, 0, noise=False, waveform=waveform), few, clips.calibration, wanted).codes
        for waveform in (False, True)
    )
    assert np.abs(step.threshold - wave.threshold).max() <= 1
    assert np.abs(step.width - wave.width).max() <= 1
    assert np.abs(step.row - wave.row).max() <= 1


def test_a_chip_has_the_same_codes_in_any_company(net, plan, clips, campaign):
    alone = trim_chips(plan, net, clips, [2], seed=3).chips[0]
    assert np.array_equal(alone.trimmed.codes.threshold, campaign.chips[2].trimmed.codes.threshold)
    assert alone.after == campaign.chips[2].after


def test_parked_ladders_change_no_output(plan):
    device = StepDevice(plan, 3, 0, noise=False)
    device.program(replace(plan.middle, parked=np.array([True, True, True])))
    x = np.full((4, 1, 4), 2.5)
    seen = device.run(x, np.ones(4, dtype=bool))
    assert np.ptp(seen, axis=0).max() == 0.0
    device.program(replace(plan.middle, parked=np.array([True, False, True])))
    x = np.repeat(candidate_input(plan, 1, 2.5)[None, None], 4, axis=0)
    assert np.ptp(device.run(x, np.ones(4, dtype=bool)), axis=0).max() > 0.0


def test_without_the_clock_a_candidate_does_nothing(plan):
    device = StepDevice(plan, 1, 0, scale=0.0, noise=False)
    x = np.repeat(candidate_input(plan, 0, 1.4)[None, None], 3, axis=0)
    off, on = (np.ptp(device.run(x, np.full(3, clocked)), axis=0).max() for clocked in (False, True))
    assert off == 0.0 < on


def test_a_step_of_a_dac_is_of_the_chips_own_making(plan):
    """The code changes the current through mismatched devices; without mismatch it is the nominal step."""
    up = []
    for scale in (0.0, 1.0):
        device = StepDevice(plan, 3, 0, scale=scale, noise=False)
        more = replace(plan.middle, threshold=plan.middle.threshold + 1)
        moved = device.trimmed(more).ladders[0].up - device.trimmed(plan.middle).ladders[0].up
        nominal = plan.threshold.lsb / plan.design.unit_current / plan.ladder.synapses.scale
        up.append(moved / nominal[:, None])
    assert_allclose(up[0], 1.0, rtol=1e-9)  # a difference of numbers about 1, of 0.03: some 1e-14 relative
    assert up[1].std() > 0.01


def test_the_width_dac_moves_the_down_threshold_alone(plan):
    device = StepDevice(plan, 3, 0, noise=False)
    wide = device.trimmed(replace(plan.middle, width=plan.middle.width + 20)).ladders[0]
    same = device.trimmed(plan.middle).ladders[0]
    assert_allclose(wide.up, same.up, rtol=0)
    assert (wide.down <= same.down).all()
    assert (wide.down < same.down).any()


@pytest.mark.parametrize(("sharing", "threshold", "width"), [("width", False, True), ("ladder", True, True)])
def test_stages_that_share_a_dac_have_one_code(net, plan, clips, sharing, threshold, width):
    shared = plan_trim(plan.design, TrimOptions(bits=6, sharing=sharing))
    codes = trim_chip(StepDevice(shared, 3, 0), shared, clips.calibration, forward(net, clips.calibration).logits).codes
    assert (np.ptp(codes.threshold, axis=1) == 0).all() == threshold
    assert (np.ptp(codes.width, axis=1) == 0).all() == width


def test_more_dacs_bring_thresholds_closer(net, plan, clips):
    errors = [
        np.mean(
            [
                chip.error_after
                for chip in trim_chips(
                    plan_trim(plan.design, TrimOptions(bits=7, sharing=sharing)), net, clips, range(3), seed=3
                ).chips
            ]
        )
        for sharing in ("ladder", "stage")
    ]
    assert errors[1] < 0.7 * errors[0]


def test_the_ranges_are_four_standard_deviations_of_what_they_trim(plan):
    layers = [draw_chip(plan.design, 11, j).ladders[0] for j in range(120)]
    unit = layers[0].unit
    offset = np.std([layer.synapses.bias for layer in layers], axis=0) * unit
    up = np.max(np.std([layer.up for layer in layers], axis=0), axis=1) * unit
    # the spread of 120 draws is known to 1 / sqrt(240) = 6.5 %; three of them, and second order in 8 % devices
    assert_allclose(plan.row.lsb * plan.row.middle / offset, 4.0, rtol=0.25)
    assert_allclose(plan.threshold.lsb * plan.threshold.middle / up, 4.0, rtol=0.25)


@given(bits=st.integers(1, 10), data=st.data())
def test_the_search_finds_the_last_code_that_holds(bits, data):
    last = data.draw(st.integers(0, 2**bits - 1))
    asked = []
    assert _search(bits, lambda code: asked.append(code) or code <= last) == last
    assert len(asked) == bits


def test_the_hardware_is_counted_by_hand(plan):
    # three ladders of four stages, three outputs: 3 x (4 thresholds + 4 widths + 1 row) + 3
    assert plan.dacs == 30
    assert plan.bits_total == 30 * 8 + 3
    fewer = plan_trim(plan.design, TrimOptions(bits=8, sharing="ladder"))
    assert fewer.dacs == 3 * 3 + 3
    # 255 devices of 1 um2, 8 switches of 1 um2, 8 latches of 40 um2 a DAC; 3 park latches
    assert plan.area == pytest.approx((30 * (255 + 8 + 320) + 3 * 40) * 1e-12)


def test_the_threshold_error_of_a_nominal_chip_is_zero(plan):
    assert threshold_error(nominal_chip(plan.design)) == 0.0
    assert threshold_error(draw_chip(plan.design, 1, 0)) > 0.3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 0}, r"TrimOptions.bits = 0 is outside \[1, 12\]"),
        ({"bits": float("nan")}, "TrimOptions.bits = nan is outside"),
        ({"repeats": 2}, "repeats = 2 is even; a majority needs an odd number"),
        ({"clips": 0}, "TrimOptions.clips = 0 is outside"),
        ({"sharing": "none"}, "sharing = 'none' is unknown; known: .'stage', 'width', 'ladder'."),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        TrimOptions(**options)


@pytest.mark.parametrize("kind", ["stacked", "rectified", "not_pooled"])
def test_ladders_that_can_not_be_seen_from_outside_are_refused(kind):
    with pytest.raises(ParameterError, match="ladders that the inputs drive and one linear readout shows"):
        plan_trim(mapped(kinds()[kind]))


def test_input_dependent_thresholds_are_refused():
    with pytest.raises(ParameterError, match="cell has input-dependent thresholds, which trim does not treat yet; use"):
        plan_trim(mapped(kinds()["input_dependent"]))


def test_cells_without_a_clock_are_refused():
    with pytest.raises(ParameterError, match="takes its candidates without a clock; trim needs one to stop"):
        plan_trim(mapped(network(first_quadrant())))


def test_a_ladder_that_changes_no_output_is_named(net, plan, clips):
    blind = plan.readout.weight.copy()
    blind[:, 1] = 0.0
    changed = replace(plan, readout=replace(plan.readout, weight=blind))
    with pytest.raises(ParameterError, match=r"cell\[1\] changes no output of the readout"):
        trim_chip(StepDevice(plan, 1, 0), changed, clips.calibration, forward(net, clips.calibration).logits)


def test_a_candidate_out_of_the_inputs_reach_is_refused(plan):
    with pytest.raises(ParameterError, match=r"cell\[0\]: inputs within the range give candidates of .* not 1e\+03"):
        candidate_input(plan, 0, 1000.0)


def test_no_chip_is_refused(net, plan, clips):
    with pytest.raises(ParameterError, match="names no chip"):
        trim_chips(plan, net, clips, [])
