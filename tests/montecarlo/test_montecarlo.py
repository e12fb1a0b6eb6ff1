"""Accuracy over chips: reproducible chip by chip, and nominal where nothing varies."""

import numpy as np
import pytest
import xarray as xr
from helpers import cmru, inputs_of, mapped, network
from numpy.testing import assert_array_equal

from analogrnn.campaign import Checkpoint, Failure, Options, processes
from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.errors import CheckpointError, OutputError, ParameterError, SpiceError, WorkerError
from analogrnn.montecarlo import (
    MonteCarlo,
    Study,
    Variability,
    class_effects,
    confusion,
    run_monte_carlo,
    run_studies,
    yield_above,
)
from analogrnn.montecarlo.dataset import Conditions, campaign_dataset, save_campaign
from analogrnn.network import forward
from analogrnn.simulate import simulate
from analogrnn.spice.transistor_chips import TransistorChips

NET = network(cmru("cell", 6, 3))
DESIGN = mapped(NET, cell_w=2e-6, cell_l=2e-6)  # small devices, so that chips differ
X = inputs_of(NET, 12, 60, near=0.0)
LABELS = forward(NET, X).classes


def test_without_variability_every_chip_is_the_digital_network():
    found = run_monte_carlo(DESIGN, X, LABELS, 3, Variability(noise=False, scale=0.0))
    assert_array_equal(found.accuracy, 1.0)
    assert found.clips == 60


def test_chip_j_scores_the_same_in_a_long_campaign_a_short_one_and_in_any_order():
    long = run_monte_carlo(DESIGN, X, LABELS, 8)
    some = run_monte_carlo(DESIGN, X, LABELS, [6, 1, 3])
    assert_array_equal(some.index, [6, 1, 3])
    assert_array_equal(some.accuracy, long.accuracy[[6, 1, 3]])
    assert len(np.unique(long.accuracy)) > 1


def test_a_score_is_the_part_of_the_clips_that_this_chip_classifies_as_labelled():
    found = run_monte_carlo(DESIGN, X, LABELS, [4], Variability(seed=9, noise=False))
    run = simulate(draw_chip(DESIGN, 9, 4), X)
    assert found.accuracy[0] == np.mean(run.classes == LABELS)


def test_noise_is_drawn_under_the_same_seed_by_chip():
    noisy = run_monte_carlo(DESIGN, X, LABELS, [2], Variability(seed=9))
    run = simulate(draw_chip(DESIGN, 9, 2), X, noise_seed=9)
    assert noisy.accuracy[0] == np.mean(run.classes == LABELS)


def test_seeds_and_scales_matter():
    one, two = (run_monte_carlo(DESIGN, X, LABELS, 8, Variability(seed=seed)).accuracy for seed in (1, 2))
    assert not np.array_equal(one, two)
    half = run_monte_carlo(DESIGN, X, LABELS, 8, Variability(scale=0.25)).accuracy
    assert half.mean() > one.mean()


def test_progress_goes_up_to_all_chips():
    reports = []
    run_monte_carlo(DESIGN, X[:, :2], LABELS[:2], [5, 7, 6], progress=lambda done, of: reports.append((done, of)))
    assert reports[0] == (0, 3)
    assert reports[-1] == (3, 3)
    assert reports == sorted(reports)


def answers(*right, clips=10, index=None, failures=()):
    """Chips that classify so many of the clips as labelled, 1, and the others as 2."""
    classes = np.full((len(right), clips), 2)
    for row, count in zip(classes, right, strict=True):
        row[:count] = 1
    index = np.arange(len(right)) if index is None else np.array(index)
    return MonteCarlo(index, classes, np.ones(clips, int), Variability(), failures)


def test_the_statistics_name_the_worst_chip_by_its_number():
    found = answers(9, 5, 7, index=[10, 20, 30]).statistics()
    assert found["worst_chip"] == 20
    assert (found["min"], found["median"], found["chips"]) == (0.5, 0.7, 3)
    assert found["mean"] == pytest.approx(0.7, rel=1e-15)
    # squares 0.04, 0.04 and 0 over n - 1 = 2
    assert found["std"] == pytest.approx(0.2, rel=1e-14)
    # linear interpolation: a tenth of the way from the least to the middle one
    assert found["p05"] == pytest.approx(0.52, rel=1e-14)


def test_one_chip_has_no_spread():
    assert answers(9).statistics()["std"] == 0.0


def test_a_chip_without_an_answer_counts_nowhere():
    found = answers(9, 0, 7, failures=(Failure(1, "no convergence"),))
    assert_array_equal(found.accuracy, [0.9, np.nan, 0.7])
    assert found.statistics()["chips"] == 2
    assert found.statistics()["min"] == 0.7
    assert found.worst() == [(2, 0.7), (0, 0.9)]
    assert (yield_above(found, 0.9).good, yield_above(found, 0.9).chips) == (1, 2)
    assert_array_equal(confusion(found, 3)[1], [0.0, 0.8, 0.2])


def test_the_worst_chips_are_listed_worst_first_and_of_equals_the_lower_number():
    assert answers(9, 5, 5, 7, index=[3, 8, 2, 1]).worst(3) == [(2, 0.5), (8, 0.5), (1, 0.7)]


# ------------------------------------------------------------------ yield


def test_a_chip_exactly_at_the_threshold_is_good():
    """0.9 of 300 clips is 270, whatever 0.9 * 300 is in binary."""
    for clips in (10, 30, 50, 70, 300, 1000):
        exact = 9 * clips // 10
        found = yield_above(answers(exact, exact - 1, exact + 1, clips=clips), 0.9)
        assert (found.good, found.chips) == (2, 3)


def test_no_good_chip_and_nothing_but_good_chips_have_one_sided_bounds():
    none, every = yield_above(answers(*[0] * 20), 0.5), yield_above(answers(*[10] * 20), 0.5)
    assert (none.low, every.high) == (0.0, 1.0)
    # (1 - p)^20 = 0.025
    assert none.high == pytest.approx(1.0 - 0.025 ** (1 / 20), rel=1e-12)
    assert every.low == pytest.approx(0.025 ** (1 / 20), rel=1e-12)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), "x"])
def test_a_threshold_that_is_no_accuracy_is_refused(threshold):
    with pytest.raises(ParameterError, match=r"yield_above\.threshold = .*: an accuracy such as 0\.9"):
        yield_above(answers(3), threshold)


# ------------------------------------------------------------------ classes


def test_class_effects_and_confusion_count_what_was_answered():
    labels = np.array([0, 0, 2, 2])
    classes = np.array([[0, 0, 2, 1], [0, 2, 1, 1]])
    found = MonteCarlo(np.array([4, 7]), classes, labels, Variability())
    table = confusion(found, 3)
    assert_array_equal(table[0], [0.75, 0.0, 0.25])
    assert_array_equal(table[2], [0.0, 0.75, 0.25])
    assert np.isnan(table[1]).all()
    zero, two = class_effects(found, np.array([0, 0, 2, 0]), 3)
    assert (zero.label, zero.clips, zero.digital, zero.mean, zero.worst_chip) == (0, 2, 1.0, 0.75, 7)
    assert (zero.taken_for, zero.taken) == (2, 0.25)
    assert (two.label, two.digital, two.mean, two.taken_for, two.taken) == (2, 0.5, 0.25, 1, 0.75)
    # chips recall 0.5 and 0 of class 2: a twentieth of the way up from the least
    assert two.p05 == pytest.approx(0.025, rel=1e-12)


# ------------------------------------------------------------------ as a campaign


def study(chips=24, **changes):
    words = {
        "name": "a",
        "design": DESIGN,
        "x": X,
        "truth": LABELS,
        "index": np.arange(chips),
        "variability": Variability(),
    }
    return Study(**words | changes)


def test_the_answers_are_the_same_whatever_the_chunks_threads_and_processes():
    expected = run_studies([study()])[0].classes
    assert len(np.unique(expected, axis=0)) > 1
    for options, threads in ((Options(chunk=1), 1), (Options(chunk=5), 2), (Options(processes(2), chunk=3), 1)):
        found = run_studies([study(threads=threads)], options)[0]
        assert found.classes.dtype == expected.dtype
        assert_array_equal(found.classes, expected)


def test_a_campaign_that_was_cut_goes_on_to_the_same_answers(tmp_path):
    class CutError(Exception):
        pass

    def cut(done, of):
        if done >= 8:
            raise CutError

    with Checkpoint(tmp_path) as checkpoint, pytest.raises(CutError):
        run_studies([study()], Options(checkpoint=checkpoint, chunk=4, progress=cut))
    with Checkpoint(tmp_path, resume=True) as checkpoint:
        found = run_studies([study()], Options(checkpoint=checkpoint, chunk=7))[0]
    assert_array_equal(found.classes, run_studies([study()])[0].classes)


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"variability": Variability(seed=2)}, r"seed \(1, now 2\)"),
        ({"variability": Variability(noise=False)}, r"noise \(True, now False\)"),
        ({"variability": Variability(scale=0.5)}, r"mismatch_scale \(1\.0, now 0\.5\)"),
        ({"design": mapped(NET, cell_w=4e-6, cell_l=2e-6)}, "design"),
        ({"x": X * 0.5}, "inputs"),
    ],
)
def test_a_checkpoint_of_other_conditions_is_not_taken(tmp_path, changes, differs):
    with Checkpoint(tmp_path) as checkpoint:
        run_studies([study(2)], Options(checkpoint=checkpoint))
    with (
        Checkpoint(tmp_path, resume=True) as checkpoint,
        pytest.raises(CheckpointError, match=f"differs in .*{differs}"),
    ):
        run_studies([study(2, **changes)], Options(checkpoint=checkpoint))


def test_labels_may_change_without_a_chip_scored_again(tmp_path):
    with Checkpoint(tmp_path) as checkpoint:
        first = run_studies([study(4)], Options(checkpoint=checkpoint))[0]
    with Checkpoint(tmp_path, resume=True) as checkpoint:
        again = run_studies([study(4, truth=(LABELS + 1) % 3)], Options(checkpoint=checkpoint))[0]
    assert_array_equal(again.classes, first.classes)
    assert again.accuracy.mean() < first.accuracy.mean()


# ------------------------------------------------------------------ transistors


def test_a_level_that_there_is_not_is_refused():
    with pytest.raises(ParameterError, match=r"Study\.level = 'wave' is none of step, transistor\."):
        study(level="wave")


def test_transistors_with_noise_are_refused():
    with pytest.raises(ParameterError, match=r"Study\.variability: transistor decks carry no noise; turn it off, or"):
        study(level="transistor")


@pytest.mark.ngspice
@pytest.mark.pdk
def test_a_chip_whose_simulation_fails_is_recorded_and_the_others_answer(monkeypatch):
    def fake(self, numbers):
        if 2 in numbers:
            raise SpiceError("chip 2: timestep too small", log="what ngspice said")
        return {"classes": np.repeat(LABELS[None], len(numbers), axis=0).astype(np.int16)}

    monkeypatch.setattr(TransistorChips, "__call__", fake)
    some = study(4, level="transistor", variability=Variability(noise=False))
    found = run_studies([some])[0]
    assert [(failure.item, failure.log) for failure in found.failures] == [(2, "what ngspice said")]
    assert_array_equal(found.accuracy, [1.0, 1.0, np.nan, 1.0])
    with pytest.raises(WorkerError, match=r"a: all 1 chips failed; chip 2 said: chip 2: timestep too small"):
        run_studies([study(1, level="transistor", index=np.array([2]), variability=Variability(noise=False))])


# ------------------------------------------------------------------ the file


def conditions(**changes):
    return Conditions(**{"clips": np.arange(100, 160), "digital": LABELS, "classes": 3} | changes)


def test_the_dataset_comes_back_with_axes_units_and_provenance(tmp_path):
    both = [study(5), study(5, name="b", design=mapped(NET, cell_w=4e-6, cell_l=2e-6))]
    results = run_studies(both)
    save_campaign(campaign_dataset(both, results, conditions(options={"period": "1ms"})), tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc") as data:
        assert data.predicted.dims == ("device_size", "chip", "sample")
        assert_array_equal(data.predicted.sel(device_size="b"), results[1].classes)
        assert_array_equal(data.accuracy.sel(device_size="a", chip=3), results[0].accuracy[3])
        assert_array_equal(data.label, LABELS)
        assert_array_equal(data.sample, np.arange(100, 160))
        assert_array_equal(data.device_w, [2e-6, 4e-6])
        assert_array_equal(data.confusion.sel(device_size="a"), confusion(results[0], 3))
        for name in (*data.data_vars, "chip", "sample", "device_w", "device_l", "class", "answer"):
            assert data[name].attrs["units"] == ("m" if name.startswith("device_") else "1")
            assert data[name].attrs["long_name"]
        assert {"network", "technology", "seed", "noise", "mismatch_scale", "analogrnn", "fingerprint"} <= set(
            data.attrs
        )
        assert (data.attrs["seed"], data.attrs["noise"], data.attrs["options"]) == ("1", "on", '{"period": "1ms"}')


def test_a_chip_without_an_answer_is_minus_one_and_not_a_number(tmp_path):
    some = study(3)
    result = run_studies([some])[0]
    failed = MonteCarlo(result.index, result.classes, LABELS, some.variability, (Failure(1, "no convergence"),))
    data = campaign_dataset([some], [failed], conditions())
    assert_array_equal(data.predicted[0, 1], -1)
    assert np.isnan(data.accuracy[0, 1])
    assert_array_equal(data.predicted[0, [0, 2]], result.classes[[0, 2]])


def test_studies_of_other_chips_do_not_fit_one_file():
    both = [study(2), study(3, name="b")]
    with pytest.raises(ParameterError, match="the studies differ in their chips or variability; write one file each"):
        campaign_dataset(both, run_studies(both), conditions())


def test_a_full_disk_leaves_no_half_of_a_file(tmp_path):
    (tmp_path / "a.nc.new").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"can't write .*a\.nc: No space left on device; free the disk"):
        save_campaign(campaign_dataset([study(2)], run_studies([study(2)]), conditions()), tmp_path / "a.nc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("labels", [LABELS[:-1], LABELS[:, None], LABELS[0]])
def test_labels_that_do_not_fit_the_clips_are_refused(labels):
    with pytest.raises(ParameterError, match=r"labels has shape \(.*\), but x holds 60 clips"):
        run_monte_carlo(DESIGN, X, labels, 2)


@pytest.mark.parametrize("chips", [0, -3])
def test_a_campaign_of_no_chips_is_refused(chips):
    with pytest.raises(ParameterError, match=rf"run_monte_carlo\.chips = {chips} is outside \[1, 1e\+07\]"):
        run_monte_carlo(DESIGN, X, LABELS, chips)


def test_an_empty_list_of_chips_is_refused():
    with pytest.raises(ParameterError, match=r"chips must be a number of chips or chip numbers; name at least one"):
        run_monte_carlo(DESIGN, X, LABELS, [])


def test_a_negative_seed_is_refused():
    with pytest.raises(ParameterError, match="seed = -1 is not a whole number >= 0"):
        run_monte_carlo(DESIGN, X, LABELS, 1, Variability(seed=-1))


def test_the_nominal_chip_is_none_of_the_campaign():
    nominal = simulate(nominal_chip(DESIGN), X).logits
    assert not np.array_equal(simulate(draw_chip(DESIGN, 1, 0), X).logits, nominal)
