"""What the pictures show, before it is drawn."""

import numpy as np
from helpers import clips_for, direct, mapped

from analogrnn.agreement import AgreementSetup, check_agreement
from analogrnn.chip import nominal_chip
from analogrnn.figures import pictures, plots
from analogrnn.network import forward


def level_at(trace, times):
    """The level of a trace that holds each value until the next."""
    return trace.value[np.searchsorted(trace.time, times, side="right") - 1]


def test_the_digital_level_of_a_picture_changes_with_the_pulses_of_the_circuit(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(plots, "ladder_waveforms", lambda picture, path: seen.append(picture))
    net = direct(4, k_min=-2, initial=0.0)
    design, x = mapped(net), clips_for(net, 40, 1)
    chip = nominal_chip(design)
    pictures.draw_ladder(pictures.View(chip, chip.ladders[0], 0), forward(net, x), 0, tmp_path / "x.png")
    timing, steps = design.timing, np.arange(40) * design.timing.period
    # right before each pulse and, once the ladder has moved, right after it
    times = np.concatenate([steps + 0.99 * timing.lead, steps + timing.lead + 1.5 * timing.pulse])
    digital, circuit = seen[0].digital, seen[0].sources["behavioural"][0]
    assert np.ptp(level_at(digital, times)) > 1
    np.testing.assert_array_equal(level_at(circuit, times), level_at(digital, times))


def test_the_circuits_level_of_an_agreement_holds_from_its_pulse_to_the_next(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(plots, "cell_agreement", lambda picture, path: seen.append(picture))
    net = direct(4, k_min=-2, initial=0.0)
    design, x, bench = mapped(net), clips_for(net, 40, 1), AgreementSetup("step")
    found = check_agreement(net, design, x, bench)
    pictures.draw_agreement(net, design, (x, np.arange(1)), bench, found, tmp_path / "x.png")
    picture, timing = seen[0], design.timing
    np.testing.assert_allclose(picture.pulses, timing.lead + np.arange(40) * timing.period, rtol=1e-12)
    assert np.ptp(picture.levels) > 1
    np.testing.assert_array_equal(level_at(picture.found, picture.pulses + 0.5 * timing.period), picture.levels)
