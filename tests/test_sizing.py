"""Device sizes from targets: what is chosen meets the target and can be mapped; what is given is evaluated."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analogrnn import sizing
from analogrnn.bench_ladder import bench_ladders
from analogrnn.errors import ParameterError
from analogrnn.mapping import MappingOptions, ladder_margins, map_network
from analogrnn.network.files import load_network
from analogrnn.technology import load_technology

GF180 = load_technology()
STANDARD = sizing.Size(2e-6, 18e-6, 0.25e-9)


@lru_cache(maxsize=1)
def usual():
    """What the usual target costs."""
    return sizing.choose(sizing.Target(), GF180)


def test_what_is_chosen_meets_the_target_and_hardly_more():
    outcome = usual()
    assert outcome.limits == ()
    assert outcome.ladder_yield >= 0.99
    assert outcome.noise_margin >= 6.0
    # the searches end within 1e-4 of their bounds, and sizes are rounded to four digits
    assert_allclose(outcome.shortest_period, 10e-3, rtol=1e-3)
    # the yield itself may step: behind 0.99 the nearest calibrated device may be another
    size = outcome.size
    narrower = sizing.evaluate(sizing.Target(), replace(size, w=size.w * 0.999), GF180)
    assert narrower.limits[0].startswith("yield")
    assert outcome.network_yield == outcome.ladder_yield


def test_a_given_size_names_each_part_of_the_target_that_is_not_met():
    outcome = sizing.evaluate(sizing.Target(cells=3), STANDARD, GF180)
    assert [limit.split()[0] for limit in outcome.limits] == ["yield"]
    assert_allclose(outcome.network_yield, outcome.ladder_yield**3, rtol=1e-12)


def test_the_approximation_is_a_lower_bound_that_drawn_ladders_confirm():
    target = sizing.Target()
    for size in (STANDARD, usual().size):
        good, drawn = sizing.sampled_yield(target, size, GF180, 2000, 1)
        # thresholds of a ladder are correlated: as if independent counts too many failures. Three standard errors
        expected = sizing.evaluate(target, size, GF180).ladder_yield
        assert good / drawn > expected - 3 * np.sqrt(0.25 / drawn)


@pytest.mark.parametrize(
    ("change", "name", "grows"),
    [
        ({"ladder_yield": 0.999}, "stage_area", True),
        ({"period": 20e-3}, "stage_power", False),
        ({"hold": 0.55, "move": 1.45}, "stage_area", True),
    ],
)
def test_a_harder_target_costs_what_it_should(change, name, grows):
    easy, hard = usual(), sizing.choose(replace(sizing.Target(), **change), GF180)
    assert (getattr(hard, name) > getattr(easy, name)) == grows


def test_a_target_that_nothing_meets_is_refused():
    with pytest.raises(ParameterError, match=r"^no unit current up to 4e-09 A meets the target: period 0\.0001 s < "):
        sizing.choose(sizing.Target(period=1e-4), GF180)
    with pytest.raises(ParameterError, match=r"^Target\.ladder_yield = 0\.99 needs devices wider than 12 um: lower it"):
        sizing.choose(sizing.Target(hold=0.98, move=1.02), GF180)


def test_what_meets_a_target_can_be_mapped():
    achieved = usual()
    network = load_network("digits_d16_k2")
    design = map_network(network, GF180, achieved.options)
    assert min(ladder_margins(design).values()) > 0.0
    assert (design.timing.period, design.timing.pulse) == (10e-3, achieved.pulse)


def test_the_standard_stage_is_defined_once():
    options = sizing.sized_options(sizing.Target(), sizing.Size(2e-6, 18e-6, 0.24e-9), GF180)
    # the pulse is written out; it is that of the standard stage to the four digits of a sized one
    ladders = bench_ladders((0, 4), GF180, replace(MappingOptions.standard(10e-3), input_bound=3.5))
    assert_allclose(options.pulse, ladders.timing.pulse, rtol=5e-4)
    assert replace(options, pulse=None, period=10e-3) == MappingOptions.standard(10e-3)


@pytest.mark.parametrize("period", [1e-3, 10e-3, 300e-3])
def test_the_leak_bias_of_a_dpi_is_that_of_the_standard_stage_and_stays_above_the_leakage(period):
    unit = 0.24e-9 * 10e-3 / period
    design = sizing.sized_ladders(sizing.Target(period=period), sizing.Size(3e-6, 20e-6, unit), GF180)
    stage = bench_ladders((0, 4), GF180, replace(MappingOptions.standard(10e-3), input_bound=3.5))
    # the pulse and the capacitor have four digits, and devices add a part of the capacitance
    assert_allclose(
        design.timing.i_tau, max(stage.timing.i_tau * unit / stage.unit_current, sizing.LEAST_TAU), rtol=1e-3
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ladder_yield", 1.0),
        ("period", 0.0),
        ("supply", 0.1),
        ("stages", 1),
        ("hold", 1.0),
        ("move", 1.0),
        ("cells", 0),
    ],
)
def test_a_target_outside_its_range_is_refused(name, value):
    with pytest.raises(ParameterError, match=r"is outside \["):
        sizing.Target(**{name: value})


@pytest.mark.ngspice
@pytest.mark.pdk
def test_what_meets_the_usual_target_follows_in_ngspice():
    """Without mismatch, at the period and pulse that `map_network` is given; large devices need their capacitor."""
    exact = replace(GF180, a_vt_n=0.0, a_vt_p=0.0, a_beta_n=0.0, a_beta_p=0.0)
    assert sizing.confirm(sizing.Target(), usual().size, exact, 1, 1, 1) == 1


@pytest.mark.ngspice
@pytest.mark.pdk
def test_a_standard_ladder_without_mismatch_follows_in_ngspice():
    exact = replace(GF180, a_vt_n=0.0, a_vt_p=0.0, a_beta_n=0.0, a_beta_p=0.0)
    assert sizing.confirm(sizing.Target(stages=2), STANDARD, exact, 1, 1, 1) == 1
