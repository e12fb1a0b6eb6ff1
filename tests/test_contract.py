"""The contract between the levels of description: equal at every step, on every stage, and failing where it must.

Digital (0), step (1), waveform (2) and ideal ngspice (3) are driven by the same candidates. A candidate in the history
band [beta, beta + I_s exp(-y)], or within NEAR of a threshold, is never drawn: there the neighbours' DPIs, which are
only exp(-y) from settled, and the solver's tolerance decide, not the ladder.
"""

from dataclasses import replace

import numpy as np
import pytest
from helpers import BOUND, NEAR, clips_for, cmru, direct, first_quadrant, inputs_of, kinds, mapped, network
from numpy.testing import assert_array_equal

from analogrnn.agreement import AgreementSetup, check_agreement, thermometer
from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.design import Ladder, input_time_constants
from analogrnn.errors import MappingError, ParameterError
from analogrnn.mapping import check_ladders, ladder_margins
from analogrnn.network import forward
from analogrnn.schedule import READ_AT
from analogrnn.simulate import CONTROLS, ladder_waveforms, run_ladder, simulate_waveforms
from analogrnn.spice.engine import run_deck
from analogrnn.spice.ideal_network import ladder_deck
from analogrnn.streams import stream

TOP = 8.0  # largest candidate of the patterns, in thresholds
BROKEN = [control for control in CONTROLS if control != "none"]
fast = pytest.mark.parametrize("level", ["step", "waveform"])
ngspice = pytest.mark.ngspice


def holds(net, design, x, *, steps=None, **bench):
    """Check agreement, and that it was checked on `steps` steps at least and always on a thermometer code."""
    found = check_agreement(net, design, x, AgreementSetup(**bench))
    assert found.failures == ()
    assert found.first_errors == ()
    assert found.thermometer_violations == 0
    assert found.steps_equal == found.steps_checked == x.shape[0] * x.shape[1] * sum(la.width for la in design.ladders)
    assert steps is None or found.steps_checked >= steps
    assert found.holds
    return found


# ---------------------------------------------------------------- levels 1 and 2


@fast
@pytest.mark.parametrize("stages", range(1, 17))
def test_every_stage_follows_the_digital_ladder_over_random_patterns(stages, level):
    """16 lengths x 800 steps: 12,800 a level."""
    net = direct(stages, d=2, k_min=-(stages // 2))
    design = mapped(net)
    # the history band lies inside what is not drawn
    assert design.ladders[0].i_shift.max() / design.ladders[0].beta.min() * np.exp(-(READ_AT * design.timing.y)) < NEAR
    x = clips_for(net, 80, 5, top=TOP)
    holds(net, design, x, level=level, steps=800)


def test_the_patterns_reach_both_ends_reverse_hold_and_leave_the_range():
    """What the test above would not prove if its patterns were tame."""
    for stages in (1, 4, 16):
        net = direct(stages, d=2, k_min=-(stages // 2))
        cell, x = net.layers[0], clips_for(net, 80, 5, top=TOP)
        states = forward(net, x).states["cell"]
        ratio = x / cell.threshold
        assert set(np.unique(states)) >= {cell.k_min, cell.k_max}
        assert (np.abs(ratio) > 3.0).sum() > 50
        assert ((np.abs(ratio) > 0.0) & (np.abs(ratio) < 1.0)).sum() > 50
        assert ((ratio[1:] > 1.0) & (ratio[:-1] < -1.0)).sum() > 10
        still = np.all([ratio[k : len(ratio) - 5 + k] == 0.0 for k in range(6)], axis=0)
        assert still.sum() > 5


@fast
@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_network_agrees(kind, level):
    net = kinds()[kind]
    found = holds(net, mapped(net), inputs_of(net, 60, 4), level=level)
    if level == "step":
        # one chain of float64 sums on both sides
        assert found.logit_error == 0.0


def test_the_step_level_needs_no_distance_from_the_threshold():
    """Bit-equal: c >= b and c - b >= 0 are the same statement in floating point."""
    net = direct(6, d=2)
    b = net.layers[0].threshold
    edges = np.stack([b, np.nextafter(b, 0), np.nextafter(b, 9), -b, -np.nextafter(b, 0), -np.nextafter(b, 9)])
    x = edges[stream(1, "test", "edges").integers(0, 6, 500)][:, None, :]
    holds(net, mapped(net), x, level="step")


def test_the_waveform_level_agrees_wherever_the_inequalities_hold():
    """Random clocks, shifts and DPIs: whatever the mapping accepts must follow."""
    draw, designs, steps = stream(5, "test", "options"), 0, 0
    for k in range(300):
        options = {
            "shift_ratio": draw.uniform(1.1, 5.0),
            "base_ratio": draw.uniform(1.01, 4.0),
            "pulse_ratio": draw.uniform(0.02, 0.6),
            "settle": draw.uniform(4.0, 12.0),
            "drive_ratio": draw.uniform(2.0, 60.0),
            "pulse_settle": draw.uniform(8.0, 14.0),
        }
        net = direct(int(draw.integers(2, 13)), d=1, seed=k)
        try:
            design = mapped(net, **options)
        except MappingError:
            continue
        # the history band, twice for both neighbours, and what the input node lacks of the pulse
        near = 2.0 * options["shift_ratio"] * np.exp(-4.0 - ladder_margins(design)["settle"])
        near = max(NEAR, near + 10.0 * np.exp(-options["pulse_settle"]))
        if near > 0.3:
            continue
        x = clips_for(net, 60, 1, seed=k, near=near, top=TOP)
        steps += holds(net, design, x, level="waveform").steps_checked
        designs += 1
    assert designs > 75
    assert steps == 60 * designs


def clocked(design, **timing):
    return replace(design, timing=replace(design.timing, **timing))


@pytest.mark.parametrize("y", [1.0, 1.5])
def test_the_waveform_level_fails_where_the_dpis_have_no_time_to_settle(y):
    net = direct(4)
    design = mapped(net)
    short = clocked(design, period=y * design.timing.tau)
    with pytest.raises(MappingError, match=r"'settle' margin is -\d.*lengthen the period"):
        check_ladders(short)
    found = check_agreement(net, short, clips_for(net, 80, 5), AgreementSetup("waveform"))
    assert not found.holds
    assert found.steps_equal < 0.9 * found.steps_checked


def reshifted(design, ratio):
    """The same ladders with I_s = ratio beta; the window stays centred on I_base + I_s."""

    def change(ladder):
        i_shift = ratio * ladder.beta
        return replace(ladder, i_shift=i_shift, i_th=i_shift + ladder.i_base + ladder.beta)

    return replace(design, layers=tuple(change(la) if isinstance(la, Ladder) else la for la in design.layers))


@pytest.mark.parametrize(("ratio", "x"), [(1.0, 0.15), (1.2, 0.15), (1.8, 0.5)])
def test_the_waveform_level_fails_where_the_shift_does_not_outlast_the_pulse(ratio, x):
    """I_s (2 exp(-x) - 1) < beta: after a large pulse the neighbours don't fall back.

    The standing current is raised, so that a down pulse can reset stages in the middle of the ladder at all.
    """
    net = direct(4)
    design = reshifted(mapped(net, base_ratio=3.0), ratio)
    design = clocked(design, tau=design.timing.pulse / x, period=design.timing.y * design.timing.pulse / x)
    with pytest.raises(MappingError, match=r"'shift' margin is -0\.\d+, not above 0: raise shift_ratio or shorten"):
        check_ladders(design)
    assert not check_agreement(net, design, clips_for(net, 80, 5), AgreementSetup("waveform")).holds


def test_the_waveform_level_fails_where_a_down_pulse_meets_the_end_of_the_line():
    """I_base < beta: the line can't go low enough to reset the top stage."""
    net = direct(4)
    design = mapped(net)
    low = replace(design.ladders[0], i_base=0.8 * design.ladders[0].beta)
    design = replace(design, layers=(replace(low, i_th=low.i_shift + low.i_base + low.beta),))
    with pytest.raises(MappingError, match=r"'(reset|base)' margin is -0\.2, not above 0: raise base_ratio"):
        check_ladders(design)
    assert not check_agreement(net, design, clips_for(net, 80, 5), AgreementSetup("waveform")).holds


def test_the_waveform_level_fails_where_the_pulse_is_too_short_for_the_input_node():
    net = direct(4)
    design = mapped(net)
    t_in = input_time_constants(design.ladders[0], design.sizing.cell, design.technology).max()
    short = clocked(design, pulse=float(t_in))
    with pytest.raises(MappingError, match=r"'pulse' margin is -7, not above 0: lengthen the pulse"):
        check_ladders(short)
    assert not check_agreement(net, short, clips_for(net, 80, 5), AgreementSetup("waveform")).holds


@pytest.mark.parametrize("control", BROKEN)
@pytest.mark.parametrize("stages", [2, 4, 8])
def test_the_checker_fails_every_broken_ladder_in_every_clip(stages, control):
    net = direct(stages, d=1, initial=0)
    found = check_agreement(net, mapped(net), clips_for(net, 60, 3), AgreementSetup("waveform", control))
    assert not found.holds
    assert found.steps_equal < found.steps_checked - 3
    assert len(found.first_errors) == 3


@pytest.mark.parametrize(("stages", "index"), [(1, 0), (2, 1), (4, 2), (8, 3), (16, 4)])
def test_one_draw_of_mismatch_drives_the_tables_and_the_waveforms_alike(stages, index):
    """The tables of a chip are what its currents do in continuous time, chip by chip and not only in distribution."""
    net = direct(stages, d=2)
    chip = draw_chip(mapped(net), 1, index)
    layer = chip.ladders[0]
    c = clips_for(net, 60, 3, seed=index)
    # none near the thresholds of any stage of this chip, nor a chip that drifts
    assert layer.up.min() > 0.0 > layer.down.max()
    edges = np.concatenate([layer.up, layer.down], axis=1)
    near = (np.abs(c[..., None] - edges) < 5 * NEAR * np.abs(edges)).any(axis=-1)
    c = np.where(near, 0.0, c)
    levels = run_ladder(layer, c)
    # the draw matters: the nominal chip takes other steps
    assert stages == 1 or not np.array_equal(levels, run_ladder(nominal_chip(chip.design).ladders[0], c))
    on = np.arange(stages) < levels[..., None]
    assert_array_equal(simulate_waveforms(chip, layer, c), on)


def test_unknown_controls_and_candidates_that_are_not_finite_are_refused():
    chip = nominal_chip(mapped(direct(2, d=1)))
    layer = chip.ladders[0]
    with pytest.raises(ParameterError, match="control = 'no_power' is unknown; known:"):
        ladder_waveforms(chip, layer, 0, np.zeros(3), control="no_power")
    with pytest.raises(
        ParameterError, match=r"candidates has 1 value\(s\) that are not finite, the first nan at \[1\]"
    ):
        ladder_waveforms(chip, layer, 0, np.array([0.0, np.nan]))
    with pytest.raises(ParameterError, match=r"candidates has shape \(3, 1\); expected \(any, any, 1\)"):
        simulate_waveforms(chip, layer, np.zeros((3, 1)))
    with pytest.raises(ParameterError, match="control = 'no_power' is unknown; known:"):
        ladder_deck(chip.design, chip.design.ladders[0], 0, np.zeros((3, 1)), control="no_power")


# ---------------------------------------------------------------- level 3


@ngspice
@pytest.mark.parametrize(("stages", "steps", "clips"), [(1, 75, 4), (2, 75, 4), (4, 75, 4), (8, 75, 2), (16, 75, 1)])
def test_ngspice_follows_the_digital_ladder_at_every_step(stages, steps, clips):
    """2,250 steps over the five lengths."""
    net = direct(stages, d=2, k_min=-(stages // 2))
    found = holds(net, mapped(net), clips_for(net, steps, clips, seed=2, top=TOP), level="ideal")
    # a node's error is a reltol of 1e-6 of its solution at most; the inputs stand BOUND above zero
    assert found.candidate_error < 1e-6 * BOUND


@ngspice
@pytest.mark.parametrize("kind", kinds())
def test_the_flat_deck_of_every_kind_of_network_agrees(kind):
    net = kinds()[kind]
    design = mapped(net)
    found = holds(net, design, inputs_of(net, 20, 2), level="ideal", flat=True)
    assert found.candidate_error < 1e-6 * BOUND
    if net.layers[-1].name == "out" and design.pooling:
        # a state node is ON or OFF to 1e-6 (1 ohm or 1e12 against 1e6), and so is the current of its stage
        outputs = sum(abs(la.alpha * la.level_step).max() * la.stages * la.width for la in design.ladders)
        weight = max(1.0, np.abs(net.layers[-1].weight).max())
        assert found.logit_error < 3e-6 * outputs * weight
        assert found.classes_equal == 2


@ngspice
@pytest.mark.parametrize(
    "cell", [cmru(), cmru(eps=0.0, ladder=(-1, 1)), first_quadrant()], ids=["cmru", "bmru", "first quadrant"]
)
def test_slices_say_the_same_as_the_flat_deck(cell):
    """Ladders share no feedback."""
    net = network(cell)
    design, x = mapped(net), inputs_of(net, 25, 2, seed=3)
    sliced, flat = (holds(net, design, x, level="ideal", flat=flat) for flat in (False, True))
    assert_array_equal(sliced.readings["cell"], flat.readings["cell"])


@ngspice
@pytest.mark.parametrize("control", BROKEN)
def test_ngspice_fails_every_broken_ladder_as_the_waveform_level_does(control):
    net = direct(4, d=1, k_min=-2, initial=0)
    design, x = mapped(net), clips_for(net, 40, 1)
    for level in ("waveform", "ideal"):
        found = check_agreement(net, design, x, AgreementSetup(level, control))
        assert found.failures == ()
        assert not found.holds
        assert found.steps_equal < 0.6 * found.steps_checked


@ngspice
@pytest.mark.parametrize("stages", [1, 2, 4])
def test_the_waveforms_of_ngspice_are_those_of_the_kernel(stages):
    """The current into the lowest cell, over the whole run, within 0.4 % of its range (normalised rms error)."""
    net = direct(stages, d=1, threshold=1.0, initial=0)
    design, x = mapped(net), clips_for(net, 25, 1)
    chip = nominal_chip(design)
    wave = ladder_waveforms(chip, chip.ladders[0], 0, x[:, 0, 0])
    deck = ladder_deck(design, design.ladders[0], 0, x[:, 0])
    waves = run_deck(deck.text, stop_time=deck.schedule.duration)
    current = np.interp(wave.time, waves.axis, waves[f"v({deck.probe.instance}.n1)"]) * 1e-9
    error, length = current - wave.i_in[:, 0], np.diff(wave.time, prepend=0.0)
    # the deck's edges last T_p/100 = 0.12 t_in, so they are 0.06 t_in late, and the kernel switches half an interval
    # late, 0.06 t_in: an edge displaced by 0.12 t_in errs by 0.12 A exp(-t/t_in) for a swing A; two in a period of
    # about 88 x 12 t_in have the rms 0.12 A / sqrt(88 x 12) = 0.4 % of A
    rms = np.sqrt((error**2 * length).sum() / length.sum())
    assert rms / np.ptp(wave.i_in[:, 0]) < 4e-3


@ngspice
def test_the_dpi_of_ngspice_rises_and_falls_as_the_kernel_s():
    """Stage 2's view of stage 1 while its DPI rises from the floor and decays again."""
    net = direct(2, d=1, threshold=1.0, initial=0)
    design = mapped(net)
    ladder, chip, timing = design.ladders[0], nominal_chip(design), design.timing
    candidates = np.array([0.0, 2.0, 0.0, -2.0, 0.0])
    wave = ladder_waveforms(chip, chip.ladders[0], 0, candidates, points_per_t_in=32)
    deck = ladder_deck(design, ladder, 0, candidates[:, None])
    waves = run_deck(deck.text, stop_time=deck.schedule.duration)
    # outside the pulses the second stage's input is base + I_s d_1, later by the input node's t_in
    t_in = float(input_time_constants(ladder, design.sizing.cell, design.technology)[0])
    phase = waves.axis % timing.period
    quiet = (phase > 3 * timing.pulse) & (phase < timing.lead) | (phase > timing.lead + 2.75 * timing.pulse)
    calm = (waves.axis > timing.reset_steps * timing.period) & quiet
    found = (waves[f"v({deck.probe.instance}.n2)"] * 1e-9 - ladder.i_base[0]) / ladder.i_shift[0]
    wanted = np.interp(waves.axis - t_in, wave.time, wave.d[:, 0])
    assert np.ptp(wanted[calm]) > 0.5
    # both move with rate 1/tau at most, and start within 0.12 t_in = 0.12 x 0.15/12 tau of each other (see above);
    # the kernel's intervals are tau/20 at most, over which a line differs from an exponential by 0.05^2/8
    assert np.abs(found - wanted)[calm].max() < 0.0015 + 0.0003


def test_thermometer_codes_of_a_ladder_with_an_offset():
    ladder = mapped(network(cmru(ladder=(-1, 2)))).ladders[0]
    assert_array_equal(thermometer(np.array([-1, 0, 2]), ladder), [[0, 0, 0], [1, 0, 0], [1, 1, 1]])
