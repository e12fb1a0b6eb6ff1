"""Chips with changed devices, variance by group, and the allocation of area."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.analysis.sensitivity.allocation import (
    Round,
    allocate_area,
    confirm,
    next_scale,
    predicted_loss,
    spread_factors,
)
from analogrnn.analysis.sensitivity.changed_chips import Change, changed_chips, device_groups, group_areas, groups_of
from analogrnn.analysis.sensitivity.indices import ChipScorer, SensitivityOptions, analyze_sensitivity, sobol_indices
from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.cli.main import main
from analogrnn.datasets import LabelledClips
from analogrnn.errors import MissingDependencyError, ParameterError
from analogrnn.mismatch import LADDER_DEVICES, STAGE_DEVICES
from analogrnn.network import Network, Pooling
from analogrnn.simulate import simulate
from analogrnn.streams import stream
from tests.helpers import cmru, inputs_of, kinds, linear, mapped, network

SMALL = {"cell_w": 2e-6, "cell_l": 2e-6}


@pytest.fixture(scope="module")
def design():
    return mapped(network(cmru(d=3)), input_bound=6.0, **SMALL)


@pytest.fixture(scope="module")
def examples(design):
    x = np.clip(inputs_of(network(cmru(d=3)), steps=15, clips=40), -6.0, 6.0)
    return LabelledClips(x, simulate(nominal_chip(design), x).classes)


def tables(chip):
    cell, out = chip.layers[0], chip.layers[-1]
    return [
        cell.synapses.weight,
        cell.synapses.bias,
        cell.up,
        cell.down,
        cell.output,
        out.synapses.weight,
        out.synapses.bias,
    ]


def test_an_empty_change_is_the_chip_as_drawn(design):
    for index in (0, 5):
        for a, b in zip(
            tables(changed_chips(design, 3, Change()).chip(index)), tables(draw_chip(design, 3, index)), strict=True
        ):
            assert_array_equal(a, b)


def test_a_swapped_group_is_drawn_again_and_nothing_else_changes(design):
    moves = {
        "weights": [0, 1],
        "rails": [0, 1],
        "bias": [1],
        "threshold": [2, 3],
        "hysteresis": [3],
        "dpi": [2, 3],
        "line": [2, 3],
        "output": [4],
        "bias lines": [2, 3, 4],
        "readout": [5, 6],
    }
    assert set(moves) == set(groups_of(design))
    plain = tables(draw_chip(design, 1, 2))
    for group, expected in moves.items():
        changed = tables(changed_chips(design, 1, Change(swapped=frozenset({group}))).chip(2))
        different = [j for j, (a, b) in enumerate(zip(plain, changed, strict=True)) if not np.array_equal(a, b)]
        assert different == expected, group


def test_swapping_all_groups_gives_an_independent_chip(design):
    """Pick-freeze needs B independent of A: correlation of thresholds over 400 chips within 4 standard errors of 0.

    B has the same spread as A, so its devices are independent of each other: the standard error of a ratio of two
    sample deviations is 1 / sqrt(400).
    """
    a, b = (
        np.array([changed_chips(design, 1, change).tables(np.arange(400, dtype=np.uint64))[0].up[:, 0, 1]]).ravel()
        for change in (Change(), Change(swapped=frozenset(groups_of(design))))
    )
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(400)
    assert b.std() / a.std() == pytest.approx(1.0, abs=4 / np.sqrt(400))


def test_a_factor_scales_the_deviations_of_its_group_alone(design):
    nominal, plain = tables(nominal_chip(design)), tables(draw_chip(design, 1, 0))
    none = tables(changed_chips(design, 1, Change(rest=0.0)).chip(0))
    for a, b in zip(none, nominal, strict=True):
        assert_array_equal(a, b)
    small = tables(changed_chips(design, 1, Change(factor={"output": 1e-3})).chip(0))
    assert_array_equal(small[2], plain[2])
    # output currents are alpha e^delta, cumulated; a thousandth of the deviation is a thousandth of the error to
    # second order in delta, which the bias lines still add
    alone = tables(changed_chips(design, 1, Change(factor={"cell.m9": 1.0}, rest=0.0)).chip(0))
    faint = tables(changed_chips(design, 1, Change(factor={"cell.m9": 1e-3}, rest=0.0)).chip(0))
    assert_allclose(faint[4] - nominal[4], 1e-3 * (alone[4] - nominal[4]), atol=1e-3 * 0.05)


def test_only_one_ladder_deviates(design):
    nominal = nominal_chip(design).ladders[0]
    chip = changed_chips(design, 1, Change(cell=("cell", 1))).chip(4)
    cell = chip.ladders[0]
    for name in ("up", "down", "output"):
        same = (getattr(cell, name) == getattr(nominal, name)).all(axis=1)
        assert same.tolist() == [True, False, True]
    assert (cell.synapses.weight == nominal.synapses.weight).all(axis=1).tolist() == [True, False, True]
    assert_array_equal(chip.layers[-1].synapses.weight, nominal_chip(design).layers[-1].synapses.weight)


def test_changes_that_name_nothing_are_refused(design):
    with pytest.raises(ParameterError, match="has no group or device 'wights'"):
        changed_chips(design, 1, Change(factor={"wights": 0.0}))
    with pytest.raises(ParameterError, match=r"has no ladder cell\[9\]"):
        changed_chips(design, 1, Change(cell=("cell", 9)))


@pytest.mark.parametrize("kind", kinds())
def test_every_device_has_one_group_and_areas_add_up(kind):
    design = mapped(kinds()[kind])
    groups, areas = device_groups(design), group_areas(design)
    assert set(groups.values()) == set(areas) == set(groups_of(design))
    assert min(areas.values()) > 0.0
    if all(ladder.has_dpi for ladder in design.ladders):
        cell, ladders = design.sizing.cell.area, design.ladders
        memory = sum(lad.width * (len(LADDER_DEVICES) + lad.stages * len(STAGE_DEVICES)) for lad in ladders) * cell
        mirrors = ("weights", "rails", "bias", "soft thresholds", "readout")
        assert sum(area for name, area in areas.items() if name not in mirrors) == pytest.approx(memory)


def test_a_ladder_of_one_stage_has_no_integrator_devices():
    groups = device_groups(mapped(kinds()["bmru"]))
    assert "dpi" not in groups.values()
    assert "cell.bgain" not in groups
    assert "cell.bth" in groups


def test_indices_of_a_known_function_are_found():
    """Y = 2 a + b + a c of independent normals: V = 6, first order 4/6, 1/6, 0; total 5/6, 1/6, 1/6.

    The interval is 1.96 standard errors: allow four of these.
    """
    rng = stream(1, "test", "sobol")
    a, b = rng.standard_normal((2, 3, 3000))

    def y(p):
        return 2 * p[0] + p[1] + p[0] * p[2]

    mixed = np.stack([y(np.where(np.arange(3)[:, None] == g, b, a)) for g in range(3)])
    found = sobol_indices("y", ("a", "b", "c"), y(a), y(b), mixed, SensitivityOptions())
    assert found.variance == pytest.approx(6.0, rel=0.15)
    assert np.all(np.abs(found.first - [4 / 6, 1 / 6, 0]) < 4 / 1.96 * found.first_error)
    assert np.all(np.abs(found.total - [5 / 6, 1 / 6, 1 / 6]) < 4 / 1.96 * found.total_error)
    assert found.total_error.max() < 0.1


def test_salib_computes_the_estimators_that_we_state():
    rng = stream(2, "test", "sobol")
    plain, other = rng.random((2, 50))
    mixed = rng.random((4, 50))
    found = sobol_indices("y", ("a", "b", "c", "d"), plain, other, mixed, SensitivityOptions())
    variance, centre = np.var(np.concatenate([plain, other])), np.concatenate([plain, other, *mixed]).mean()
    for j in range(4):
        first = np.mean((other - centre) * (mixed[j] - plain)) / variance
        total = np.mean((plain - mixed[j]) ** 2) / (2 * variance)
        assert found.first[j] == pytest.approx(first, rel=1e-9, abs=1e-12)
        assert found.total[j] == pytest.approx(total, rel=1e-9)


def test_chips_that_never_differ_have_no_indices():
    same = np.full(10, 0.9)
    found = sobol_indices("y", ("a",), same, same, same[None], SensitivityOptions())
    assert found.variance == 0.0
    assert found.total.tolist() == [0.0]


def test_without_salib_the_error_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "SALib.analyze", None)
    rng = stream(3, "test")
    with pytest.raises(MissingDependencyError, match="pip install 'SALib"):
        sobol_indices("y", ("a",), rng.random(9), rng.random(9), rng.random((1, 9)), SensitivityOptions())


def test_the_report_holds_every_group_cell_and_device(design, examples):
    calls = []
    found = analyze_sensitivity(
        design, examples, SensitivityOptions(chips=16, single=4), progress=lambda n, m: calls.append((n, m))
    )
    assert found.nominal == 1.0  # the labels are the nominal classes
    assert found.by_cell.names == ("cell[0]", "cell[1]", "cell[2]")
    assert set(found.by_device.names) == set(device_groups(design))
    assert found.area.sum() == pytest.approx(1.0)
    assert calls[-1] == (calls[-1][1], calls[-1][1])
    assert np.all(found.by_cell.loss >= 0.0)
    again = analyze_sensitivity(design, examples, SensitivityOptions(chips=16, single=4))
    assert_array_equal(found.indices[0].total, again.indices[0].total)
    # with no mismatch at all nothing is lost
    assert ChipScorer(design, examples, 1).scores(Change(rest=0.0), 3).tolist() == [1.0] * 3


def test_the_share_of_area_of_the_best_allocation_is_that_of_the_elasticity():
    """L = sum of V_g / s_g has its minimum at shares in proportion to sqrt(V_g A_g), from any start in one step."""
    v, area = np.array([4.0, 1.0, 0.5]), np.array([1.0, 2.0, 5.0])
    for raw in (np.ones(3), np.array([2.0, 1.5, 0.6])):
        start = raw * area.sum() / (area * raw).sum()
        found = next_scale(area, start, v / start)
        best = np.sqrt(v / area)
        best *= area.sum() / (area * best).sum()
        assert_allclose(found, best, rtol=1e-12)
        assert (v / found).sum() <= (v / start).sum()
    rng = stream(4, "test")
    for _ in range(200):  # no other allocation of the same area is better
        other = rng.uniform(0.2, 3.0, 3)
        other *= area.sum() / (area * other).sum()
        assert (v / found).sum() <= (v / other).sum() + 1e-12


def test_an_allocation_keeps_the_area_and_its_limits():
    area = np.array([1.0, 1.0, 1e-4])
    scale = next_scale(area, np.ones(3), np.array([1e-9, 1.0, 50.0]))
    assert (area * scale).sum() == pytest.approx(area.sum())
    assert scale[2] == 16.0
    assert scale.min() >= 1.0 / 16.0
    # a group whose elasticity came out negative by chance keeps some area
    assert next_scale(np.ones(2), np.ones(2), np.array([-0.1, 1.0]))[0] >= 0.09


def test_the_predicted_loss_is_exact_for_a_power_law():
    v, scale = np.array([4.0, 1.0]), np.array([1.5, 0.5])

    def loss(s):
        return 0.03 * ((v / s).sum()) ** 0.7

    elasticity = 0.7 * loss(np.ones(2)) * v / v.sum()
    seen = Round(np.ones(2), elasticity, np.zeros(2), loss(np.ones(2)))
    assert predicted_loss(seen, scale) == pytest.approx(loss(scale), rel=1e-12)


def test_spread_over_area_is_that_of_the_technology(design):
    factors = spread_factors(design, {"threshold": 4.0, "weights": 1.0})
    size = design.sizing.cell
    sigma = [design.technology.sigma_vth("n", k * size.w, k * size.l) for k in (1, 2)]
    assert factors["threshold"] == pytest.approx(sigma[1] / sigma[0])
    assert factors["weights"] == 1.0
    assert 0.4 < factors["threshold"] < 0.6  # about a half for four times the area


def test_an_allocation_on_chips_gains_where_one_group_has_too_little(design, examples):
    """The threshold devices at a sixteenth of their area: any allocation must give them more, and gain."""
    options = SensitivityOptions(chips=24)
    found = allocate_area(design, examples, examples, options, rounds=1)
    assert (found.share_before.sum(), found.share_after.sum()) == (pytest.approx(1.0), pytest.approx(1.0))
    assert set(found.sizes) == set(found.groups)
    size = found.sizes["dpi"]
    assert size.area == pytest.approx(design.sizing.cell.area * found.scale[found.groups.index("dpi")])
    scorer = ChipScorer(design, examples, 1)
    many = SensitivityOptions(chips=96)  # a loss of 0.08 by 96 chips is five of its standard errors
    starved = confirm(scorer, {"threshold": 1.0 / 16.0}, many)
    assert starved.accuracy_gain < -3 * starved.accuracy_error
    assert_array_equal(starved.scores[0], scorer.scores(Change(), 96, 96))
    assert found.confirmed.accuracy_gain > -3 * found.confirmed.accuracy_error


def test_an_allocation_without_any_loss_is_refused(examples):
    large = mapped(network(cmru(d=3)), input_bound=6.0)
    quiet = dict.fromkeys(("a_vt_n", "a_vt_p", "a_beta_n", "a_beta_p"), 1e-18)
    calm = replace(large, technology=replace(large.technology, **quiet))
    with pytest.raises(ParameterError, match="mismatch changes no class"):
        allocate_area(calm, examples, examples, SensitivityOptions(chips=8), rounds=1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"chips": 2}, r"SensitivityOptions\.chips"),
        ({"chips": 9.5}, "not a whole number"),
        ({"margin": -1}, r"SensitivityOptions\.margin"),
        ({"single": 0}, r"SensitivityOptions\.single"),
        ({"confidence": 1.0}, r"SensitivityOptions\.confidence"),
    ],
)
def test_invalid_options_are_refused(values, message):
    with pytest.raises(ParameterError, match=message):
        SensitivityOptions(**values)


def test_a_network_without_classes_is_refused(examples):
    with pytest.raises(ParameterError, match="has no pooling"):
        ChipScorer(mapped(kinds()["not_pooled"]), examples, 1)


def test_the_command_writes_its_results(tmp_path, capsys):
    arguments = [
        "analyze",
        "sensitivity",
        "digits_d16_k2",
        "--cell-size",
        "3um",
        "--clips",
        "8",
        "--chips",
        "8",
        "--single",
        "2",
        "--out",
        str(tmp_path),
        "--json",
    ]
    assert main(arguments) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == json.loads((tmp_path / "sensitivity.json").read_text())
    assert len(answer["by_cell"]) == 16
    assert sum(answer["area_share"].values()) == pytest.approx(1.0)
    assert sum(g["share_after"] for g in answer["allocation"]["groups"].values()) == pytest.approx(1.0)
    for name in ("sensitivity.png", "allocation.png"):
        assert (tmp_path / name).stat().st_size > 10_000


def test_a_network_of_one_output_has_no_class_that_mismatch_could_change():
    net = Network((cmru(), Pooling("pool"), linear(d=1)))
    clips = LabelledClips(np.zeros((4, 2, 3)), np.zeros(2))
    with pytest.raises(ParameterError, match=r"one output, so every clip has the same class .* two or more outputs"):
        analyze_sensitivity(mapped(net), clips)
