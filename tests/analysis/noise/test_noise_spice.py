"""Flips of cells under noise in ngspice, compared with the predicted rate."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analogrnn.analysis.noise.spice import FlipBench, TransistorCell, ideal_flips, transistor_window
from analogrnn.design import Geometry
from analogrnn.errors import ParameterError, SpiceError
from analogrnn.spice.pdk import find_pdk

FAST = FlipBench(1e-9, 0.3e-9, 1e-5, 0.2e-9, 0.5e-6, cells=16, seconds=2e-3)


def sampled(bench: FlipBench, steps: int, seed: int) -> tuple[float, np.ndarray]:
    """Time between flips, and the noise behind the input node (steps, 64): the exact response to interpolated noise."""
    rng, r = np.random.default_rng(seed), bench.sample / bench.t_in
    rho, share = math.exp(-r), (1.0 - math.exp(-r)) / r
    w = bench.source_rms * rng.standard_normal((steps + 1, 64))
    x, on, out = np.zeros(64), np.zeros(64, dtype=bool), np.empty((steps, 64))
    flips = 0
    for k in range(steps):
        x = rho * x + (share - rho) * w[k] + (1.0 - share) * w[k + 1]
        now = np.where(on, x > -bench.beta, x >= bench.beta)
        flips, on, out[k] = flips + int((now != on).sum()), now, x
    return steps * 64 * bench.sample / flips, out


def test_the_source_makes_the_stated_rms_behind_the_input_node():
    for sample in (0.5e-6, 2e-4):
        bench = replace(FAST, sample=sample)
        _, x = sampled(bench, 4000, 1)
        # 4000 * 64 values, one independent in 40 at the fast sample: five times 0.9 %
        assert_allclose(x[200:].std(), bench.rms, rtol=0.045)


@pytest.mark.parametrize("distance", [1.5, 2.5])
def test_the_prediction_for_fast_noise_is_that_of_the_sampled_process(distance):
    bench = replace(FAST, rms=FAST.beta / distance)
    mean, _ = sampled(bench, 30_000 if distance < 2 else 60_000, 2)
    # about 3,000 and 1,500 flips: 1.8 and 2.6 %; the constant for sampling is good to 0.06 of a step: 5 % of the time
    assert_allclose(mean, bench.predicted(), rtol=0.14)


def test_the_prediction_for_slow_noise_is_one_trial_per_sample():
    bench = replace(FAST, sample=3e-4, rms=FAST.beta / 1.5)
    mean, _ = sampled(bench, 4000, 3)
    # 17,000 flips; a thirtieth of a sample passes before the input node has followed
    assert_allclose(mean, bench.predicted(), rtol=0.06)


@pytest.mark.ngspice
def test_ideal_cells_in_ngspice_flip_at_the_predicted_rate():
    bench = replace(FAST, seconds=15 * FAST.predicted())
    seen = ideal_flips(bench)
    assert seen.count > 100
    # five standard errors of a count above 100 would be a half: the rate spans decades, so this can still fail
    assert_allclose(seen.mean, bench.predicted(), rtol=5 / math.sqrt(seen.count))


@pytest.mark.ngspice
def test_a_run_without_flips_is_reported():
    with pytest.raises(SpiceError, match="no cell flipped twice; simulate for longer, or with more noise"):
        ideal_flips(replace(FAST, rms=FAST.beta / 20.0, seconds=2e-4))


@pytest.mark.pdk
@pytest.mark.ngspice
def test_the_window_of_a_transistor_cell_is_near_its_bias_currents():
    cell = TransistorCell(Geometry(2e-6, 18e-6), 1.25e-9, 0.48e-9, find_pdk())
    low, high = transistor_window(cell, 2.0)
    # docs/circuits.md: I_hi/I_th 0.961 to 0.979, the window some per cent short of its bias
    assert 0.95 < high / cell.i_th < 0.99
    assert 0.85 < (high - low) / cell.i_hyst < 1.0


@pytest.mark.pdk
@pytest.mark.ngspice
def test_a_transistor_cell_that_never_resets_on_its_ramp_is_refused():
    cell = TransistorCell(Geometry(2e-6, 18e-6), 1.2e-9, 1.6e-9, find_pdk())
    with pytest.raises(SpiceError, match="the cell didn't set and reset on its ramp"):
        transistor_window(cell, 0.5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"beta": 2e-9}, "FlipBench.beta = 2e-09 A is outside .*half a window can't exceed its middle"),
        ({"sample": 1e-5}, "FlipBench.sample = 1e-05 s is neither fast .* nor slow"),
        ({"sample": math.nan}, "FlipBench.sample = nan s is neither fast"),
        ({"cells": 0}, "FlipBench.cells = 0 is outside"),
    ],
)
def test_invalid_benches_are_refused(change, reason):
    with pytest.raises(ParameterError, match=reason):
        replace(FAST, **change)
