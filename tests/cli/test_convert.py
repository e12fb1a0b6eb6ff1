"""`analogrnn convert`: exact conversions by name, and others with their measured error."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analogrnn.network import Cmru, Linear, Network, Pooling, forward, load_network, save_network

from .conftest import NETWORK

X = np.random.default_rng(30).normal(size=(15, 25, 3))


@pytest.fixture
def files(tmp_path):
    draw = np.random.default_rng(31)
    rows = draw.normal(size=(4, 3)), draw.normal(size=(4, 3)) * 0.3
    cell = Cmru(
        "cell", rows[0], np.zeros(4), np.full(4, 0.5), np.array([1.0, -0.5, 0.0, 2.0]), threshold_weight=rows[1]
    )
    source = Network((cell, Pooling("pool"), Linear("out", draw.normal(size=(2, 4)), np.zeros(2))))
    save_network(source, tmp_path / "n.npz")
    np.savez(tmp_path / "d.npz", x=X)
    return tmp_path


def test_a_published_cell_is_converted_to_one_that_maps(call, files):
    words = ["--ladder-from", files / "d.npz", "--floor", "5%", "--data", files / "d.npz", "--out", files / "m.npz"]
    said = call("convert", files / "n.npz", *words, "--json")
    assert said.code == 0
    rows = {row["operation"]: row for row in said.json["rows"]}
    assert rows["alpha of cell"]["status"] == rows["silent of cell"]["status"] == "exact"
    assert rows["floor of cell"]["status"] == rows["ladder of cell"]["status"] == "within an error"
    assert "|b(x)| is below it on 5." in rows["floor of cell"]["text"]
    cell = load_network(files / "m.npz").layer("cell")
    assert cell.width == 3
    assert np.all(np.isfinite(cell.bounds))
    assert said.json["before_and_after"]["steps_equal"] <= 1.0


def test_a_floor_by_value_a_mean_and_pruning(call, files):
    by_value = call("convert", files / "n.npz", "--floor", "0.2", "--data", files / "d.npz", "--out", files / "v.npz")
    assert by_value.code == 1, "the ladder is unbounded still"
    assert_array_equal(load_network(files / "v.npz").layer("cell").threshold_floor, 0.2)
    words = ["--mean-threshold", "--prune", "0.6", "--ladder-from", files / "d.npz", "--ladder-quantile", "0.95"]
    said = call("convert", files / "n.npz", *words, "--out", files / "m.npz", "--json")
    done = [row["operation"] for row in said.json["rows"] if row["status"] == "within an error"]
    assert done == ["mean-threshold of cell", "prune of cell", "prune of out", "ladder of cell"]
    assert load_network(files / "m.npz").layer("cell").threshold_weight is None


def test_single_conversions_are_switched_on_by_name(call, files):
    call("convert", files / "n.npz", "--exact", "silent,linear", "--out", files / "m.npz")
    cell = load_network(files / "m.npz").layer("cell")
    assert_array_equal(cell.alpha, [1.0, -0.5, 2.0])
    assert_array_equal(
        forward(load_network(files / "m.npz"), X).classes, forward(load_network(files / "n.npz"), X).classes
    )


def test_a_ladder_that_never_moves_is_refused_and_nothing_is_written(call, files):
    np.savez(files / "d.npz", x=np.zeros_like(X))
    said = call("convert", files / "n.npz", "--ladder-from", files / "d.npz", "--out", files / "m.npz")
    said.refused(2, "cell: units 0, 1, 2 never leave level 0 on these data", "give data that move it")
    assert not (files / "m.npz").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--floor", "0"], "--floor = 0 is outside [1e-06, 1e+06]"),
        (["--floor", "150%"], "--floor = 1.5 is outside [0, 1]"),
        (["--prune=-1"], "--prune = -1 is outside [0, 1e+06]"),
        (["--ladder-quantile", "0.2"], "--ladder-quantile = 0.2 is outside [0.5, 1]"),
    ],
)
def test_a_value_out_of_range_is_named_by_its_flag(call, files, words, message):
    out = ["--ladder-from", files / "d.npz", "--out", files / "m.npz"]
    call("convert", files / "n.npz", *words, *out).refused(2, message)
    assert not (files / "m.npz").exists()


def test_a_shipped_network_needs_no_conversion(call):
    said = call("convert", NETWORK, "--json")
    assert said.code == 0
    assert {row["status"] for row in said.json["rows"]} == {"exact"}
    assert len(said.json["rows"]) == 3
