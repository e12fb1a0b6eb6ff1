"""Figures of one cell: the data that they show."""

import numpy as np
import pytest
from helpers import clips_for, direct, mapped

from analogrnn.agreement import AgreementSetup, check_agreement
from analogrnn.chip import nominal_chip
from analogrnn.figures import style
from analogrnn.figures.agreement import draw_agreement
from analogrnn.figures.ladder import View, draw_ladder
from analogrnn.network import forward

STEPS = 40


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn meanwhile."""
    figures = []
    monkeypatch.setattr(style, "as_png", lambda figure, dpi: figures.append(figure) or b"")
    return figures


def curve(axes, label):
    """Times in s and values of the curve with this label."""
    (line,) = [line for line in axes.lines if line.get_label() == label]
    return 1e-3 * line.get_xdata(), line.get_ydata()


def level_at(times, curve):
    """The level of a curve that holds each value until the next."""
    return curve[1][np.searchsorted(curve[0], times, side="right") - 1]


def test_the_digital_level_of_a_ladder_changes_with_the_pulses_of_the_circuit(tmp_path, drawn):
    net = direct(4, k_min=-2, initial=0.0)
    design, x = mapped(net), clips_for(net, STEPS, 1)
    chip = nominal_chip(design)
    draw_ladder(View(chip, chip.ladders[0], 0), forward(net, x), 0, tmp_path / "x.png")
    timing, steps = design.timing, np.arange(STEPS) * design.timing.period
    # right before each pulse and, once the ladder has moved, right after it
    times = np.concatenate([steps + 0.99 * timing.lead, steps + timing.lead + 1.5 * timing.pulse])
    _, middle, _ = drawn[0].axes
    digital, circuit = curve(middle, "digital"), curve(middle, "behavioural")
    assert np.ptp(level_at(times, digital)) > 1
    np.testing.assert_array_equal(level_at(times, circuit), level_at(times, digital))


def test_the_circuits_level_of_an_agreement_holds_from_its_pulse_to_the_next(tmp_path, drawn):
    net = direct(4, k_min=-2, initial=0.0)
    design, x, setup = mapped(net), clips_for(net, STEPS, 1), AgreementSetup("step")
    found = check_agreement(net, design, x, setup)
    draw_agreement(net, design, (x, np.arange(1)), setup, found, tmp_path / "x.png")
    timing = design.timing
    top, middle, _ = drawn[0].axes
    pulses, _ = curve(top, "digital")
    np.testing.assert_allclose(pulses, timing.lead + np.arange(STEPS) * timing.period, rtol=1e-12)
    digital, circuit = curve(middle, "digital"), curve(middle, "step")
    assert np.ptp(digital[1]) > 1
    times = pulses + 0.5 * timing.period
    np.testing.assert_array_equal(level_at(times, circuit), level_at(times, digital))
