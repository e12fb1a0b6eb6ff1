"""gm/I of single devices: the fit of a sweep, and the committed tables compared with the simulator."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analogrnn.calibrate import ladders
from analogrnn.calibrate.bench import CalibrationBench, Setup
from analogrnn.calibrate.statics import EFFICIENCY_CURRENTS, device_probe, efficiency_fit
from analogrnn.design import Geometry
from analogrnn.errors import SpiceError
from analogrnn.spice.engine import find_ngspice, run_decks
from analogrnn.spice.pdk import Pdk, find_pdk
from analogrnn.technology import Table, load_technology

PDK = Pdk(Path("design.ngspice"), Path("sm141064.ngspice"), "test", "0" * 64)
GF180 = load_technology("gf180mcu")
DEVICE = Geometry(2e-6, 18e-6)
AT = np.array(EFFICIENCY_CURRENTS)
U_T, STEP = 25.865e-3, 5e-3
SLOPE, I_SPEC = 1.4, 5e-8  # of a square device
# the error of a central difference is STEP^2 / 6 times the third derivative of log I, which is about (27 / V)^2 times
# the first, times the change of gm/I per factor e, a fifth: 25e-6 V^2 / 6 x (27 / V)^2 x 0.2
DIFFERENCE = 6e-4


def equation(square):
    return 1.0 / (SLOPE * U_T) / (0.5 + np.sqrt(0.25 + square / I_SPEC))


def swept(efficiency, low=1e-12, high=5e-7):
    """Gate and current of `DEVICE` whose gm/I is `efficiency` at a current per square: V = integral dI / (I gm/I)."""
    logs = np.linspace(np.log(low), np.log(high), 200_001)
    slope = 1.0 / efficiency(np.exp(logs))
    gate = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2.0 * np.diff(logs))])
    at = np.arange(0.0, gate[-1], STEP)
    return at, np.exp(np.interp(at, gate, logs)) * DEVICE.w / DEVICE.l


def product(found, square):
    """Fitted equation x table."""
    table = Table(EFFICIENCY_CURRENTS, tuple(found["table"])).over(square)
    return table / (found["slope"] * U_T) / (0.5 + np.sqrt(0.25 + square / found["i_spec"]))


def test_the_parameters_of_a_device_that_follows_the_equation_are_recovered():
    found = efficiency_fit(*swept(equation), DEVICE, U_T)
    # the fit stops early, when steps of the small parameter no longer matter: 0.2 % and 7 % from the true values. The
    # table takes up the residual, so that the product is exact
    assert_allclose(found["slope"], SLOPE, rtol=5e-3)
    assert_allclose(found["i_spec"], I_SPEC, rtol=0.1)
    assert_allclose(product(found, AT), equation(AT), rtol=DIFFERENCE)
    # linear interpolation over 13 points is accurate where the table is nearly one
    assert found["table_error"] < DIFFERENCE


def test_equation_and_table_together_reproduce_the_device():
    """The equation can't follow a ripple of eight per cent; the table does."""

    def real(square):
        return equation(square) * (1.0 + 0.08 * np.sin(np.log(square / 1e-9) / 1.5))

    found = efficiency_fit(*swept(real), DEVICE, U_T)
    # between two points of the sweep, 0.13 apart: 0.08 (0.13 / 1.5)^2 / 8 = 8e-5
    assert_allclose(product(found, AT), real(AT), rtol=DIFFERENCE + 1e-4)
    assert found["error"] > 0.02
    # interpolation between the table's points: 0.08 h^2 / (8 x 1.5^2) over the longest, h = ln 8, is 1.9 %
    assert 1e-3 < found["table_error"] < 0.02
    # the stated error is the largest between the points
    between = np.geomspace(AT[0], AT[-1], 5000)
    assert_allclose(found["table_error"], np.abs(product(found, between) / real(between) - 1.0).max(), rtol=0.05)


@pytest.mark.parametrize(("low", "high"), [(6e-12, 5e-7), (1e-12, 1e-7)])
def test_a_sweep_that_does_not_cover_the_tables_currents_is_an_error(low, high):
    """Otherwise the table would end in a value that was not measured."""
    with pytest.raises(
        SpiceError, match=r"^calibration: a gate sweep covers .* A per square, but .*; widen the sweep\."
    ):
        efficiency_fit(*swept(equation, low, high), DEVICE, U_T)


def test_the_check_of_mismatch_uses_the_tables_of_its_own_run():
    table = Table(EFFICIENCY_CURRENTS, (0.9,) * len(EFFICIENCY_CURRENTS))
    technology = ladders.bench_technology(Setup(PDK), {"table_efficiency_p": table, "slope_p": 1.5})
    assert technology.table_efficiency_p == table
    assert technology.slope_p == 1.5
    assert technology.table_efficiency_n != table


@pytest.mark.ngspice
@pytest.mark.pdk
@pytest.mark.parametrize("polarity", ["n", "p"])
def test_the_committed_gm_over_i_is_that_of_the_simulators_sweep(polarity):
    """And a square device has the same gm/I at the same current per square, to 1 % up to 108 nA."""
    setup = Setup(find_pdk())
    square = replace(setup, device=Geometry(10e-6, 10e-6))
    stated = GF180.provenance[f"table_efficiency_{polarity}"].uncertainty
    jobs = [device_probe(CalibrationBench(each), polarity).job for each in (setup, square)]
    for index, waves in run_decks(jobs, 1, find_ngspice()):
        assert not isinstance(waves, SpiceError)
        device = (setup, square)[index].device
        current = np.abs(waves["i(vd)"])
        measured = np.gradient(np.log(current), waves.axis)
        covered = (current * device.l / device.w > 5e-12) & (current * device.l / device.w < 1.08e-7)
        assert covered.sum() > 70
        found = GF180.gm_over_i(polarity, current[covered], device.w, device.l)
        # the file has five digits
        assert_allclose(found, measured[covered], rtol=(stated + 5e-5, 0.01)[index])
