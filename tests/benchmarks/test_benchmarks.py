"""The contestants of the benchmarks compute the same thing: a comparison of speed means nothing otherwise."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.kernels.waveform_lanes import in_order
from benchmarks import bound, montecarlo, ours, wave_peers, workloads
from benchmarks.__main__ import main
from benchmarks.peers import CONTESTANTS, missing, shared_core

WORK = workloads.recurrence(3, 16, 24, 5, stages=4)
# compiling takes torch ten seconds; the step that it compiles is the eager one
PEERS = [name for name in CONTESTANTS if name != "torch compiled" and missing(name) is None]


@pytest.mark.parametrize("name", PEERS)
def test_without_noise_every_peer_finds_the_same_levels(name):
    # no candidate lies within single precision of a threshold: 1e-7 of 2,000 thresholds against 2,000 candidates
    assert_array_equal(CONTESTANTS[name](shared_core(WORK), False)(0), ours.recurrence(WORK, noisy=False)(0))


@pytest.mark.parametrize("name", PEERS)
def test_with_noise_every_peer_has_the_same_mean_level(name):
    other = CONTESTANTS[name](shared_core(WORK), True)
    difference = np.concatenate([(ours.recurrence(WORK)(seed) - other(100 + seed)).ravel() for seed in range(5)])
    assert difference.std() > 0.0
    assert abs(difference.mean()) < 5.0 * difference.std() / np.sqrt(difference.size)


WAVE_PEERS = [name for name in wave_peers.CONTESTANTS if missing(name) is None]


@pytest.mark.parametrize("name", [name for name in WAVE_PEERS if name not in wave_peers.OTHER_MODELS])
def test_every_peer_draws_the_same_waveforms(name):
    work = workloads.waves(16, 2000, stages=3)
    found, wanted = wave_peers.CONTESTANTS[name](work)(0), in_order(ours.waves(work)(0))
    # an edge that float32 moves by one point is an eighth of t_in late: allow a percent of the points
    assert np.mean(np.abs(found - wanted) < 1e-3) > 0.99
    # the plain kernel's Runge-Kutta steps of 0.15: 0.15^5/120 of d each, 0.15^-1 ln(1/floor) of them, and some more;
    # single precision stalls 0.5 eps tau/dt = 1e-5 below one
    assert_allclose(ours.plain_waves(work)(0), wanted, rtol=5e-5)
    for kind in (np.float32, np.float64):
        assert_array_equal(ours.plain_stages_on(work), ours.stages_on(work, kind))
    assert wanted.max() > 0.5  # something is switched on


def test_a_peer_of_another_model_gives_as_many_waveforms():
    """Of those that are installed."""
    work = workloads.waves(8, 300, stages=3)
    for name in set(WAVE_PEERS) & set(wave_peers.OTHER_MODELS):
        found = wave_peers.CONTESTANTS[name](work)(0)
        assert found.shape == (300, 24)
        # currents of neurons that are driven, each in its own way
        assert found.min() > 0.0
        assert len(np.unique(found[-1])) == 24


def test_the_threads_share_the_ladders():
    work = workloads.waves(48, 500, stages=3)
    assert_array_equal(ours.waves(work, threads=1)(0), ours.waves(work, threads=2)(0))


def test_a_peer_of_another_model_is_not_asked_for_our_outputs():
    runner = ours.recurrence(WORK)
    contestants = {
        "numpy": lambda: CONTESTANTS["numpy"](shared_core(WORK), True),
        "other": lambda: lambda _: np.zeros(3),
    }
    answer = montecarlo.compete(
        runner, contestants, WORK.cell_steps, 1, agree=montecarlo._same_levels, other_models={"other": "another model"}
    )
    assert answer["checks"]["other"] == "another model"
    assert set(answer["rates"]) == {"ours", "numpy", "other"}


def test_a_peer_that_computes_something_else_is_found_out():
    with pytest.raises(SystemExit, match=r"a peer computes something else: its mean is .* standard errors off"):
        montecarlo._same_levels(np.zeros(1000), np.random.default_rng(1).integers(0, 2, 1000))


def test_a_peer_that_is_not_installed_is_named(monkeypatch, capsys):
    monkeypatch.setattr(montecarlo, "missing", lambda name: "atool" if name == "absent" else None)
    runner = ours.recurrence(WORK)
    contestants = {"numpy": lambda: CONTESTANTS["numpy"](shared_core(WORK), True), "absent": lambda: runner}
    answer = montecarlo.compete(runner, contestants, WORK.cell_steps, 1, agree=montecarlo._same_levels)
    assert answer["missing"] == {"absent": "atool is not installed"}
    assert "atool is not installed" in capsys.readouterr().out
    assert answer["best_peer"] == "numpy"


def test_the_machine_s_peak_is_more_than_the_kernel_takes():
    """The bound is what it says: nothing runs faster than the operations that it counts."""
    assert bound.operations_per_second(1, 0.02) > 0.0
    assert bound.ARITHMETIC == 30
    assert bound.OPERATIONS > bound.ARITHMETIC


def test_the_command_writes_the_figures_of_a_workload(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(montecarlo, "SMALL", {"a": (2, 8), "b": (2, 8, 16, 4), "c": (16, 100), "repeats": 1})
    only = {"numpy": CONTESTANTS["numpy"]}
    monkeypatch.setattr(montecarlo, "CONTESTANTS", only)
    monkeypatch.setattr(wave_peers, "CONTESTANTS", {"numpy": wave_peers.numpy_waves})
    for part in "ABC":
        assert main(["montecarlo", "--small", "--only", part, "--json", str(tmp_path / "out.json")]) == 0
        found = json.loads((tmp_path / "out.json").read_text())[part]
        wanted = {"ratio_to_best_peer", "best_peer", "ratio_to_numpy", "cell_steps_per_second", "rates", "missing"}
        assert wanted <= set(found)
        assert found["best_peer"] == "numpy"
        assert found["machine"]["vector_bits"] in {128, 256, 512}
        assert found["machine"]["cpu"] in capsys.readouterr().out
    # part C came last; the error is that of the plain kernel's Runge-Kutta steps, as above
    assert 0.0 < found["error_to_plain_kernel"] < 5e-5
    assert found["states_unlike_plain_kernel"] == 0
    assert found["ratio_to_dynapsim"] is None
