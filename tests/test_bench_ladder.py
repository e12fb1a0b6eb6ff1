"""Bench ladders: their thresholds, and the digital CMRU on the same candidates."""

import numpy as np
from helpers import TECHNOLOGY
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.bench_ladder import bench_ladders, digital_stages
from analogrnn.mapping import MappingOptions
from analogrnn.stimulus import Demand, climbs_and_holds

OPTIONS = MappingOptions(input_bound=6.0)


def test_each_ladder_has_its_own_threshold_and_starts_off():
    (ladder,) = bench_ladders((-1, 3), TECHNOLOGY, OPTIONS, (1.0, 1.9)).ladders
    assert (ladder.width, ladder.stages, ladder.synapses.inputs) == (2, 4, 1)
    assert_array_equal(ladder.initial, [-1.0, -1.0])
    assert_allclose(ladder.beta / OPTIONS.unit_current, [1.0, 1.9], rtol=1e-12)


def test_the_digital_ladder_moves_one_stage_at_its_threshold_and_stops_at_its_ends():
    design = bench_ladders((0, 2), TECHNOLOGY, OPTIONS)
    candidates = np.array([0.99, 1.0, 5.0, 5.0, -0.99, -1.0, -1.0, -5.0])
    assert_array_equal(digital_stages(design, candidates).sum(axis=1), [0, 1, 2, 2, 2, 1, 0, 0])
    # ON are always the lowest stages
    assert not (~digital_stages(design, candidates)[:, 0] & digital_stages(design, candidates)[:, 1]).any()


def test_climbs_and_holds_visit_every_level_and_meet_the_demand():
    demand = Demand(hold=0.4, move=1.5)
    candidates = climbs_and_holds(demand, 4, 40, seed=3)
    assert set(np.abs(candidates)) == {0.4, 1.5}
    stages = digital_stages(bench_ladders((0, 4), TECHNOLOGY, OPTIONS), candidates)
    assert set(stages.sum(axis=1)) == set(range(5))
