"""Rows of weight mirrors on a mismatched chip, against mirrors that follow gm/I at every current."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import cmru, mapped, network
from numpy.testing import assert_allclose, assert_array_equal
from scipy.interpolate import PchipInterpolator

from analogrnn.design import Geometry
from analogrnn.mismatch import DeviceDraw, rows_of, synapse_types

SIZE = Geometry(2e-6, 18e-6)
BOUND = 3.0  # units: inputs from -3 to 3 on lines that stand at 3
STEP = 0.003  # V, the spread of such a device


def row(weights, bias=0.0):
    """The design of one row of mirrors."""
    cell = cmru("cell", 1, len(weights), weight=[weights], bias=[bias], threshold=[1.0])
    return mapped(network(cell, readout=False), unit_current=0.24e-9, cell_w=SIZE.w, cell_l=SIZE.l, input_bound=BOUND)


def drawn(design, **vth):
    """One chip, axis C = 1, whose named device types all deviate by that threshold voltage, V."""
    types = synapse_types(design, design.ladders[0].synapses, 1)
    draws = {}
    for (name, shape), efficiency in zip(types.shapes.items(), types.efficiency, strict=True):
        v = np.full((1, *shape), vth.get(name, 0.0))
        draws[name] = DeviceDraw(v, 0.0 * v, -np.broadcast_to(efficiency, shape) * v)
    return draws


def device(design, polarity):
    """Gate voltage of a current and back, by integrating dV = d log I / (gm/I) of the technology."""
    log = np.linspace(np.log(1e-13), np.log(1e-7), 4001)
    slope = 1.0 / design.technology.gm_over_i(polarity, np.exp(log), SIZE.w, SIZE.l)
    gate = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2.0 * np.diff(log))])
    voltage, current = PchipInterpolator(log, gate), PchipInterpolator(gate, log)
    return lambda i, shift: np.exp(current(voltage(np.log(i)) + shift))


def candidates(design, draws, x):
    """(C, T) what the rows' weights and biases make of inputs x (T, D), in units."""
    weight, bias = rows_of(design, design.ladders[0].synapses).deviate(draws)
    return (x @ weight[0, 0] + bias[0, 0]) * design.ladders[0].synapses.scale[0]


@pytest.mark.parametrize(("device_type", "sign"), [("input", 1.0), ("weight", -1.0)])
def test_a_negative_weight_is_the_mirror_of_its_devices(device_type, sign):
    design = row([-2.0])
    unit, x = design.unit_current, np.linspace(-0.5 * BOUND, 0.5 * BOUND, 9)[:, None]
    mirror = device(design, "n")
    line = (x[:, 0] + BOUND) * unit
    exact = -2.0 * (mirror(line, sign * STEP) - line) / unit
    found = candidates(design, drawn(design, **{device_type: STEP}), x) - x @ [-2.0]
    # gm/I falls by a twentieth over these currents: its curvature is a small part of that
    assert_allclose(found, exact, atol=0.01 * np.abs(exact).max())


@pytest.mark.parametrize(("device_type", "sign"), [("rail_in", 1.0), ("rail_out", -1.0)])
def test_a_rail_is_the_mirror_of_its_devices_at_the_sum_of_its_currents(device_type, sign):
    design = row([2.0, 3.0])
    unit = design.unit_current
    x = np.linspace(-0.5 * BOUND, 0.5 * BOUND, 9)[:, None] * np.ones(2)
    rail = (x + BOUND) @ np.array([2.0, 3.0]) * unit
    exact = (device(design, "p")(rail, sign * STEP) - rail) / unit
    found = candidates(design, drawn(design, **{device_type: STEP}), x) - x @ [2.0, 3.0]
    # 15 units at rest: gm/I falls by a sixth over these currents; a straight line leaves a tenth of that
    assert_allclose(found, exact, atol=0.025 * np.abs(exact).max())
    # as if gm/I were that of one unit, the error of the largest current would be off by more than a quarter
    one = np.expm1(-sign * -STEP * float(design.technology.gm_over_i("p", unit, SIZE.w, SIZE.l)))
    assert abs(one * rail[-1] / unit) > 1.25 * abs(exact[-1])


def test_a_bias_deviates_as_its_source_does_and_a_positive_one_passes_the_rail():
    for bias, passes in ((4.0, True), (-20.0, False)):
        design = row([1.0], bias)
        synapses = design.ladders[0].synapses
        assert (synapses.bias[0] > 0.0) == passes
        eps = 1e-6  # V
        one, both = (
            candidates(design, drawn(design, bias=eps, **more), np.zeros((1, 1))) for more in ({}, {"rail_in": STEP})
        )
        quiet, rail = (candidates(design, drawn(design, **more), np.zeros((1, 1))) for more in ({}, {"rail_in": STEP}))
        gm = float(design.technology.gm_over_i("n", design.unit_current / 4.0, SIZE.w, SIZE.l))
        assert_allclose(one - quiet, -gm * eps * synapses.bias[0], rtol=1e-3)
        ratio = ((both - rail) / (one - quiet))[0]
        assert (ratio > 1.05) if passes else (ratio == pytest.approx(1.0, rel=1e-6))


def test_behind_a_rectifier_a_mirror_is_at_rest_at_one_unit():
    """Inputs without an offset: at one unit the deviation is the whole factor, at none only the line's small rest."""
    design = row([-2.0])
    bare = replace(design.ladders[0].synapses, offset=np.zeros(1))
    draws = {
        name: DeviceDraw(np.zeros((1, *shape)), np.zeros((1, *shape)), np.full((1, *shape), 0.1))
        for name, shape in synapse_types(design, bare, 1).shapes.items()
        if name != "bias"
    }
    draws["weight"] = replace(draws["weight"], delta=np.full((1, 1, 1), 0.3))  # over a diode of 0.1: 0.2
    draws["bias"] = replace(draws["input"], delta=np.zeros((1, 1)))
    rows = rows_of(design, bare)
    weight, bias = rows.deviate(draws)
    at_one = weight[0, 0, 0] * bare.scale[0] + (bias[0, 0] - bare.trained_bias[0]) * bare.scale[0]
    assert_allclose(at_one, -2.0 * np.exp(0.2), rtol=1e-12)
    assert_allclose(weight[0, 0, 0] * bare.scale[0], -2.0 * np.exp(0.2 * (1.0 + rows.fall[0])), rtol=1e-12)
    assert rows.fall[0] < 0.0


def test_each_row_of_each_chip_deviates_on_its_own():
    """Positive weights, added up mirror by mirror: the rail carries what they add, and its own mirror follows."""
    cell = cmru("cell", 2, 2, weight=[[2.0, 3.0], [1.0, 0.5]], bias=[9.0, 5.0], threshold=[1.0, 1.0])
    design = mapped(network(cell, readout=False), input_bound=BOUND)
    synapses, rng = design.ladders[0].synapses, np.random.default_rng(3)
    shapes = synapse_types(design, synapses, 1).shapes
    delta = {name: 0.1 * rng.standard_normal((2, *shape)) for name, shape in shapes.items()}
    rows = rows_of(design, synapses)
    _, bias = rows.deviate({name: DeviceDraw(0.0 * d, 0.0 * d, d) for name, d in delta.items()})
    bias_current = cell.bias - cell.weight.sum(axis=1) * BOUND  # the offset of the inputs is taken off again
    for chip in range(2):
        for i in range(2):
            rail = delta["rail_out"][chip, i] - delta["rail_in"][chip, i]
            mirrors = delta["weight"][chip, i] - delta["input"][chip]
            more = sum(cell.weight[i] * BOUND * np.expm1(mirrors))
            source = bias_current[i] * np.expm1(delta["bias"][chip, i])
            passed = np.exp((1.0 + rows.rail_fall[i]) * rail)
            more = more * passed + source * (passed if bias_current[i] > 0.0 else 1.0) + rows.rail[i] * np.expm1(rail)
            # sums of four terms of up to 15 units
            assert bias[chip, i] - cell.bias[i] == pytest.approx(more, abs=1e-13)


def test_a_chip_without_spread_has_the_trained_numbers_to_the_last_bit():
    rng = np.random.default_rng(5)
    cell = cmru("cell", 3, 4, weight=rng.standard_normal((3, 4)), bias=rng.standard_normal(3))
    for design in (mapped(network(cell)), mapped(network(cell), input_bound=7.3)):
        for layer in design.layers:
            synapses = layer.synapses
            weight, bias = rows_of(design, synapses).deviate(synapse_types(design, synapses, 1).draw(np.arange(2), 0.0))
            assert_array_equal(weight, np.broadcast_to(synapses.weight, weight.shape))
            assert_array_equal(bias, np.broadcast_to(synapses.trained_bias, bias.shape))
