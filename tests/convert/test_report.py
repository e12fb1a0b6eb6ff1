"""The table of what became of each operation: exact, within an error, digital or refused with the reason."""

import numpy as np
import pytest

from analogrnn.convert import convert_exact, ladder_from_data, report
from analogrnn.convert.report import layer_rows, refusal
from analogrnn.network import Activation, AlphaCmru, Cmru, Glu, LayerNorm, Linear, Network, Pooling, ReLU

EYE, ZERO, ONE = np.eye(2), np.zeros(2), np.ones(2)


def cmru(name="cell", **fields):
    return Cmru(name, EYE, ZERO, **{"threshold": ONE, "alpha": ONE, "k_min": -4, "k_max": 4} | fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ""),
        ({"eps": 0.0, "k_min": None, "k_max": None}, ""),
        ({"threshold_weight": EYE, "threshold_floor": ONE}, ""),
        ({"k_max": None}, "its ladder is unbounded: take its ends from data with ladder_from"),
        ({"threshold_weight": EYE}, "its threshold depends on the inputs and has no floor: choose one from data"),
        ({"threshold_weight": EYE, "threshold_floor": np.array([1.0, 0.0])}, "the floor of its threshold is 0 in some"),
        ({"threshold": np.array([1.0, 0.0])}, "a threshold is 0, and a window is above zero; drop the unit"),
        ({"initial": np.array([0.0, 0.5])}, "s_0 is no whole level, which is exact for an unbounded ladder only"),
        ({"initial": np.array([0.0, 0.5]), "k_min": None, "k_max": None}, "apply the exact conversion initial"),
        ({"eps": 0.0, "k_min": None, "k_max": None, "initial": ZERO}, "s_0 is no level of a BMRU, -1 or 1"),
    ],
)
def test_a_cell_is_refused_with_the_reason_and_a_way_out(fields, reason):
    assert (refusal(cmru(**fields)) == "") == (reason == "")
    assert reason in refusal(cmru(**fields))


def test_digital_layers_and_what_runs_with_them_are_labelled():
    front = Linear("front", EYE, ZERO), LayerNorm("norm", ONE, ZERO), ReLU("relu")
    middle = cmru(), Linear("between", np.ones((4, 2)), np.zeros(4)), Glu("gate"), Activation("gelu", "gelu")
    network = Network((*front, *middle, cmru("leaky", eps=0.5), Pooling("pool"), Linear("out", EYE, ZERO)))
    status = {row.operation: row.status for row in layer_rows(network)}
    assert [name for name, state in status.items() if state == "exact"] == [
        "layer cell (cmru)",
        "layer between (linear)",
    ]
    assert set(status.values()) == {"exact", "digital"}
    alpha = AlphaCmru("alpha", EYE, ZERO, threshold=ONE, alpha_weight=EYE, alpha_bias=ONE)
    assert [row.status for row in layer_rows(Network((alpha, Linear("out", EYE, ZERO))))] == ["digital", "digital"]


def test_every_change_has_a_row_and_an_approximate_one_states_its_measured_error():
    x = np.random.default_rng(1).normal(size=(20, 5, 2)) * 2.0
    source = Network((cmru(alpha=-ONE, k_min=None, k_max=None), Pooling("pool"), Linear("out", EYE, ZERO)))
    exact = convert_exact(source)
    rows = report(exact.then(ladder_from_data(exact.network, x)))
    assert [(row.operation, row.status) for row in rows] == [
        ("alpha of cell", "exact"),
        ("scale of cell_out", "exact"),
        ("scale of cell_out", "exact"),
        ("ladder of cell", "within an error"),
        ("layer cell (cmru)", "exact"),
        ("layer pool (pooling)", "exact"),
        ("layer out (linear)", "exact"),
    ]
    assert rows[3].text.endswith("100.000% of the unit-steps and 100.00% of the classes are equal, outputs within 0")
