"""Metrics: their values, their direction, what they refuse; and campaigns that are scored with them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.campaign import Checkpoint, Options, processes
from analogrnn.chip import draw_chip
from analogrnn.errors import CheckpointError, ParameterError
from analogrnn.metrics import ACCURACY, MAE, METRICS, MSE, STEP_ACCURACY, VOTE, Goal, find_metric, usual_metric
from analogrnn.montecarlo import Study, Variability, run_monte_carlo, run_studies, yield_above
from analogrnn.montecarlo.score import reduce_chips, score_chips
from analogrnn.network import Network, Pooling
from analogrnn.simulate import simulate
from tests.helpers import cmru, linear, mapped, network

RNG = np.random.default_rng(2)
STEPS, CLIPS, WIDTH = 6, 5, 3
PER_CLIP = RNG.normal(size=(CLIPS, WIDTH))
PER_STEP = RNG.normal(size=(STEPS, CLIPS, WIDTH))


def test_accuracy_is_the_share_of_clips_whose_largest_output_is_their_label():
    labels = PER_CLIP.argmax(axis=1)
    labels[0] = (labels[0] + 1) % WIDTH
    assert ACCURACY.score(PER_CLIP, labels) == 0.8
    assert_array_equal(ACCURACY.per_clip(PER_CLIP, labels), [0, 1, 1, 1, 1])


def test_step_accuracy_counts_steps_and_takes_labels_per_clip_for_every_step():
    labels = PER_STEP.argmax(axis=2)
    labels[:3, 1] = (labels[:3, 1] + 1) % WIDTH
    assert_array_equal(STEP_ACCURACY.per_clip(PER_STEP, labels), [1, 0.5, 1, 1, 1])
    assert STEP_ACCURACY.score(PER_STEP, labels) == 0.9
    constant = np.zeros((STEPS, CLIPS, WIDTH))
    constant[..., 2] = 1.0
    assert STEP_ACCURACY.score(constant, np.array([2, 2, 2, 2, 0])) == 0.8


def test_a_vote_takes_the_class_of_most_steps_and_of_equals_the_lower_number():
    winners = np.array([[0, 2], [2, 1], [2, 1], [1, 2]])  # votes of clip 1: two for each of 1 and 2
    outputs = np.eye(3)[winners]
    assert_array_equal(VOTE.classes(outputs), [2, 1])
    assert VOTE.score(outputs, np.array([2, 2])) == 0.5


@pytest.mark.parametrize(("metric", "power"), [(MAE, 1), (MSE, 2)])
def test_an_error_is_the_mean_over_clips_outputs_and_the_steps_of_targets(metric, power):
    per_clip, per_step = RNG.normal(size=(CLIPS, WIDTH)), RNG.normal(size=(STEPS, CLIPS, WIDTH))
    cases = ((PER_CLIP, per_clip, PER_CLIP), (PER_STEP, per_step, PER_STEP), (PER_STEP, per_clip, PER_STEP[-1]))
    for outputs, targets, compared in cases:
        # means of means of equal sizes differ from the mean by round-off alone
        assert_allclose(metric.score(outputs, targets), np.mean(np.abs(compared - targets) ** power), rtol=1e-14)
        assert metric.per_clip(outputs, targets).shape == (CLIPS,)


def test_the_direction_decides_what_is_better():
    assert [name for name, metric in METRICS.items() if metric.higher_is_better] == [
        "accuracy",
        "step_accuracy",
        "vote",
    ]
    assert (ACCURACY.loss(0.8, 0.9), MAE.loss(0.3, 0.1)) == (pytest.approx(0.1), pytest.approx(0.2))
    scores = np.array([0.2, 0.5, 0.8])
    assert_array_equal(ACCURACY.reaches(scores, 0.5, 10), [False, True, True])
    assert_array_equal(MAE.reaches(scores, 0.5), [True, True, False])
    assert (ACCURACY.text(0.5), MAE.text(0.5)) == ("50.0 %", "0.5")


def test_the_usual_metric_follows_the_truth():
    assert usual_metric(np.zeros(3, dtype=int)) is ACCURACY
    assert usual_metric(np.zeros((4, 3), dtype=int)) is STEP_ACCURACY
    assert usual_metric(np.zeros((3, 1))) is MAE
    assert Goal.of(np.zeros(3)).metric is ACCURACY
    assert Goal(np.zeros((3, 1)), "mse").metric is MSE


POOLED, STEPPED = (CLIPS, WIDTH), (STEPS, CLIPS, WIDTH)


@pytest.mark.parametrize(
    ("metric", "truth", "shape", "message"),
    [
        (
            ACCURACY,
            np.zeros(CLIPS),
            STEPPED,
            "accuracy needs one class per clip, .* choose the metric vote or step_acc",
        ),
        (VOTE, np.zeros(CLIPS), POOLED, "vote needs outputs at every step, .* choose the metric accuracy"),
        (STEP_ACCURACY, np.zeros((STEPS, CLIPS)), POOLED, "step_accuracy needs outputs at every step"),
        (STEP_ACCURACY, np.zeros((CLIPS, STEPS)), STEPPED, r"mine labels has shape \(5, 6\), but x holds 6 steps of 5"),
        (STEP_ACCURACY, np.full((STEPS, CLIPS), 3), STEPPED, r"labels\[0, 0\] = 3 is not a class \(0 to 2\)"),
        (VOTE, np.zeros((STEPS, CLIPS)), STEPPED, r"labels has shape \(6, 5\), but x holds 5 clips; give one label"),
        (MAE, np.zeros((CLIPS, 2)), POOLED, r"mine targets has shape \(5, 2\), .* give targets \(5, 3\) per clip"),
        (MAE, np.zeros((STEPS, CLIPS, WIDTH)), POOLED, "a value per step, but the network pools its outputs"),
        (MSE, np.full(POOLED, np.nan), POOLED, r"targets\[0, 0\] = nan is not finite"),
    ],
)
def test_truth_that_does_not_fit_the_metric_is_refused(metric, truth, shape, message):
    with pytest.raises(ParameterError, match=message):
        metric.checked(truth, shape, STEPS, owner="mine ")


def test_an_unknown_metric_is_refused_with_the_known_ones():
    with pytest.raises(ParameterError, match="there is no metric 'r2'; known: accuracy, step_accuracy, vote, mae, mse"):
        find_metric("r2")


# ------------------------------------------------------------------ campaigns

X = RNG.uniform(-2.0, 2.0, (STEPS, CLIPS, 3))
POOLING = mapped(network(cmru()), cell_w=3e-6, cell_l=3e-6, input_bound=3.0)
EACH_STEP = mapped(network(cmru(), linear(), readout=False), cell_w=3e-6, cell_l=3e-6, input_bound=3.0)
TRUTH = {
    "step_accuracy": (EACH_STEP, RNG.integers(0, WIDTH, (STEPS, CLIPS))),
    "vote": (EACH_STEP, RNG.integers(0, WIDTH, CLIPS)),
    "mae": (POOLING, RNG.normal(size=POOLED)),
    "mse": (EACH_STEP, RNG.normal(size=STEPPED)),
}


def study(name, chips=6, **changes):
    design, truth = TRUTH[name]
    words = {"truth": truth, "index": np.arange(chips), "variability": Variability(), "metric": METRICS[name]}
    return Study("a", design, X, **(words | changes))


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("name", TRUTH)
def test_a_campaign_scores_each_chip_as_its_simulation_does(name, noise):
    design, truth = TRUTH[name]
    found = run_studies([study(name, variability=Variability(noise=noise))])[0]
    for number, score in zip(found.index, found.score, strict=True):
        run = simulate(draw_chip(design, 1, int(number)), X, noise_seed=1 if noise else None)
        assert score == METRICS[name].score(run.logits, truth)
    assert len(np.unique(found.score)) > 1


@pytest.mark.parametrize("name", TRUTH)
def test_scores_do_not_depend_on_chunks_threads_or_processes(name):
    expected = run_studies([study(name)])[0].answers
    for options, threads in ((Options(chunk=1), 2), (Options(processes(2), chunk=4), 1)):
        assert_array_equal(run_studies([study(name, threads=threads)], options)[0].answers, expected)


def test_a_checkpoint_of_another_metric_or_other_targets_is_not_taken(tmp_path):
    with Checkpoint(tmp_path) as checkpoint:
        run_studies([study("mse", 2)], Options(checkpoint=checkpoint))
    targets = TRUTH["mse"][1]
    for changes in ({"metric": MAE}, {"truth": targets + 1.0}):
        with (
            Checkpoint(tmp_path, resume=True) as checkpoint,
            pytest.raises(CheckpointError, match=r"differs in .*(metric|truth)"),
        ):
            run_studies([study("mse", 2, **changes)], Options(checkpoint=checkpoint))


def test_the_fingerprint_of_an_accuracy_is_that_without_metrics():
    """So a checkpoint from before there were metrics resumes."""
    design = POOLING
    depends_on = Study("a", design, X, np.zeros(CLIPS), np.arange(2), Variability()).series().depends_on
    assert {"metric", "truth"} & set(depends_on) == set()


def test_an_error_has_its_worst_chips_at_the_top_and_its_yield_below_the_threshold():
    found = run_studies([study("mae")])[0]
    s = found.statistics()
    assert s["max"] == found.score.max() == found.worst(1)[0][1]
    assert found.index[found.score.argmax()] == s["worst_chip"]
    assert s["mean"] <= s["p95"] <= s["max"]
    middle = float(np.sort(found.score)[2])
    assert yield_above(found, middle).good == 3
    assert "mean absolute error" in str(found.shown())
    with pytest.raises(ParameterError, match=r"the metric mae is no accuracy; see MonteCarlo\.score"):
        _ = found.accuracy
    with pytest.raises(ParameterError, match="mae gives a clip no class"):
        _ = found.classes
    with pytest.raises(ParameterError, match=r"yield_above\.threshold = -1 is outside .*: a mean absolute error"):
        yield_above(found, -1.0)


def test_a_goal_is_taken_where_labels_are():
    targets = TRUTH["mae"][1]
    found = run_monte_carlo(POOLING, X, Goal(targets, "mae"), 6)
    assert_array_equal(found.score, run_studies([study("mae")])[0].score)


def test_the_reduced_classes_are_those_of_the_campaign_kernel():
    for variability in (Variability(), Variability(noise=False), Variability(noise=False, scale=0.0)):
        reduced = reduce_chips(POOLING, X, range(4), variability, ACCURACY.classes)
        assert_array_equal(reduced, score_chips(POOLING, X, range(4), variability))
    with pytest.raises(ParameterError, match=r"reduce_chips\.chips names no chip"):
        reduce_chips(POOLING, X, [], Variability(), ACCURACY.classes)


def parts(name):
    """Designs whose outputs follow from the last step of their ladders, from every step, or from two layers of them."""
    front, high = cmru(), cmru("high", 3, 2)
    net = {
        "last": network(front),
        "each step": network(front, linear(), readout=False),
        "mean": Network((front, linear(), Pooling("pool", "mean"))),
        "vote": Network((front, linear(), Pooling("pool", "vote"))),
        "stacked": network(front, high, linear("out", 3, 3), readout=False),
    }[name]
    return mapped(net, cell_w=3e-6, cell_l=3e-6, input_bound=20.0)


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("name", ["last", "each step", "mean", "vote", "stacked"])
def test_the_vector_kernel_gives_the_outputs_of_the_simulation_to_the_last_bit(name, noise, monkeypatch):
    design, variability = parts(name), Variability(noise=noise)
    x = RNG.uniform(-2.0, 2.0, (STEPS, 21, 3))
    few = reduce_chips(design, x, range(40), variability, lambda outputs: outputs)
    monkeypatch.setattr("analogrnn.montecarlo.score.LITTLE", 0)
    for threads in (1, 2):
        many = reduce_chips(design, x, range(40), variability, lambda outputs: outputs, threads=threads)
        assert_array_equal(many, few)
