"""What a soft threshold makes of its currents: the fit, and the committed values compared with the simulator."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analogrnn.calibrate.bench import CalibrationBench, Setup, others
from analogrnn.calibrate.soft_thresholds import operating_points, soft_entries, soft_probe
from analogrnn.soft_threshold import soft_candidates
from analogrnn.spice.engine import run_decks
from analogrnn.spice.pdk import Pdk, find_pdk
from analogrnn.technology import load_technology

SETUP = Setup(Pdk("design.ngspice", "sm141064.ngspice", "test", "0" * 64))
PARTS = {"gain": 1.0, "loss": 1.0, "offset": 0.0}
B, C = np.array(operating_points()).T


def fitted(u):
    found = soft_entries(SETUP, {"soft_threshold": {"u": u.tolist()}})
    return {name.removeprefix("size.standard.soft_"): entry.value for name, entry in found.items()}


def test_an_exact_soft_threshold_has_gains_of_one_and_no_offset():
    found = fitted(soft_candidates(C[:, None], B[:, None], np.ones(1))[:, 0])
    for part, value in PARTS.items():
        for sign in ("up", "down"):
            assert found[f"{part}_{sign}"] == pytest.approx(value, abs=1e-12)


def test_gain_loss_and_offset_are_told_apart_by_sign():
    e = np.maximum(np.abs(B) - 1.0, 0.0)
    u = np.where(C > 0, 1.02 * C - 0.99 * e + 0.01, 0.97 * C + 1.01 * e - 0.02)
    found = fitted(u)
    expected = {"gain_up": 1.02, "loss_up": 0.99, "offset_up": 0.01}
    expected |= {"gain_down": 0.97, "loss_down": 1.01, "offset_down": 0.02}
    assert found.keys() == expected.keys()
    assert_allclose([found[name] for name in expected], list(expected.values()), rtol=1e-12)


@pytest.mark.parametrize("setup", [SETUP, *others(SETUP)], ids=lambda setup: setup.name)
def test_the_committed_errors_are_below_a_hundredth_of_half_a_window(setup):
    size = next(size for size in load_technology().sizes if size.name == setup.name)
    for part, value in PARTS.items():
        for sign in ("up", "down"):
            assert abs(getattr(size, f"soft_{part}_{sign}") - value) < 0.01


@pytest.mark.ngspice
@pytest.mark.pdk
def test_the_committed_values_are_those_of_a_run():
    setup, provenance = replace(SETUP, pdk=find_pdk()), load_technology().provenance
    probe = soft_probe(CalibrationBench(setup))
    ((_, waves),) = run_decks([probe.job], 1)
    numbers = probe.read(waves)
    # the mirrors at work: at most what the fits leave
    assert_allclose(numbers["u"], soft_candidates(C[:, None], B[:, None], np.ones(1))[:, 0], atol=0.005)
    for name, entry in soft_entries(setup, {probe.key: numbers}).items():
        assert getattr(load_technology().standard, name.rsplit(".", 1)[1]) == pytest.approx(entry.value, abs=2e-4)
        assert provenance[name].count == entry.count == 18
