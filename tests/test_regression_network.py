"""A network with real targets, per clip and per step, through trim, the analyses and the comparison of levels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn.agreement import AgreementSetup, check_agreement
from analogrnn.analysis.bits.search import Settings, Trial, analyze_bits
from analogrnn.analysis.noise.report import accuracy_under_noise
from analogrnn.analysis.sensitivity import SensitivityOptions, allocate_area, analyze_sensitivity
from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.datasets import Clips, TargetClips
from analogrnn.errors import ParameterError
from analogrnn.figures.bits import draw_accuracy_over_bits
from analogrnn.metrics import MAE, MSE, Goal
from analogrnn.montecarlo import Study, Variability, run_studies
from analogrnn.network import Network, Pooling, forward
from analogrnn.simulate import simulate
from analogrnn.spice.run_network import Simulation, run_network
from analogrnn.statistics import paired_scores
from analogrnn.trim import TrimOptions, plan_trim, trim_chips
from analogrnn.trim.campaign import TrimClips
from tests.helpers import cmru, linear, mapped, network

X = np.random.default_rng(3).uniform(-2.0, 2.0, (6, 20, 4))
CELL = cmru(d=3, inputs=4, seed=5, threshold=np.array([0.7, 1.1, 1.4]))
NETS = {
    "per clip": network(CELL, seed=1),
    "per step": network(CELL, linear(inputs=3), readout=False),
    "mean": Network((CELL, linear(inputs=3), Pooling("pool", "mean")), metadata={"name": "mean"}),
}
OPTIONS = {"cell_w": 2e-6, "cell_l": 2e-6, "input_bound": 3.0}
DESIGNS = {name: mapped(net, **OPTIONS) for name, net in NETS.items()}


def clips_of(name):
    """Clips whose targets are what the digital network answers, so that its own error is zero."""
    return TargetClips(X, forward(NETS[name], X).logits)


@pytest.mark.parametrize("name", NETS)
def test_trimming_reduces_the_error_of_chips(name):
    clips = clips_of(name)
    plan = plan_trim(DESIGNS[name], TrimOptions(bits=8))
    found = trim_chips(plan, NETS[name], TrimClips(X, clips, Goal(clips.targets, "mae")), range(4), seed=3)
    assert found.digital == 0.0
    before = [
        MAE.score(simulate(draw_chip(DESIGNS[name], 3, n), X, noise_seed=3).logits, clips.targets) for n in range(4)
    ]
    assert_array_equal(found.before, before)
    assert found.after.mean() < 0.6 * found.before.mean()
    good = found.good(float(np.sort(found.after)[1]))
    assert good["after"][0] == 2
    assert good["before"][0] <= 2


def test_trim_without_labels_or_a_goal_is_refused():
    plan = plan_trim(DESIGNS["per clip"], TrimOptions())
    with pytest.raises(ParameterError, match=r"TrimClips\.test has no labels; give LabelledClips, or a goal"):
        trim_chips(plan, NETS["per clip"], TrimClips(X, Clips(X)), [0])


@pytest.mark.parametrize("name", ["per clip", "per step"])
def test_word_lengths_are_chosen_by_the_error(name, tmp_path):
    clips = clips_of(name)
    settings = Settings(within=0.05, longest=8, metric=MAE)
    found = analyze_bits(DESIGNS[name], clips.take(slice(0, 10)), clips.take(slice(10, None)), settings=settings)
    assert found.metric is MAE
    # the nominal chip repeats the digital network up to the rounding of its mirrors' tables
    assert found.trained_test < 1e-9
    assert found.word_lengths
    assert found.validation.difference <= 0.05
    assert found.test.accuracy == pytest.approx(found.trained_test + found.test.difference, abs=1e-12)
    # long words err less than short ones
    assert found.together.test[-1] < np.nanmax(found.together.test)
    assert "%" not in found.shown()[0]
    # groups have curves of different lengths: not every word has a sign
    draw_accuracy_over_bits(found, "errors", tmp_path / "bits.png")
    assert (tmp_path / "bits.png").stat().st_size > 10_000


def test_the_paired_difference_of_scores_has_the_error_of_its_mean():
    before, after = np.random.default_rng(1).normal(size=(2, 40))
    found = paired_scores(before, after)
    assert_allclose(found.difference, (after - before).mean(), rtol=1e-13)
    assert_allclose(found.error, (after - before).std(ddof=1) / np.sqrt(40), rtol=1e-13)
    assert 0.0 < found.p_value <= 1.0
    assert paired_scores(before, before).p_value == 1.0
    assert paired_scores(before, before + 1.0 + 1e-3 * after).p_value < 1e-30


def test_bits_of_clips_without_truth_are_refused():
    design, clips = DESIGNS["per clip"], clips_of("per clip")
    from analogrnn.analysis.bits.quantise import Convention

    with pytest.raises(ParameterError, match="validation has no labels and no targets"):
        Trial(design, Clips(X), clips, Convention(), MAE)


@pytest.mark.parametrize("name", ["per clip", "per step"])
def test_sensitivity_attributes_the_error_to_groups(name):
    clips, options = clips_of(name), SensitivityOptions(chips=8, single=2, margin=0.1, metric=MAE)
    found = analyze_sensitivity(DESIGNS[name], clips, options)
    assert found.nominal < 1e-9
    assert found.mean > 0.0
    assert found.indices[0].score == "mae"
    errors = np.array([MAE.score(simulate(draw_chip(DESIGNS[name], 1, n), X).logits, clips.targets) for n in range(8)])
    assert_allclose(found.mean, errors.mean(), rtol=1e-12)
    assert found.good == np.mean(errors <= found.nominal + 0.1)
    # what is lost is an error, and a perfect group gives some of it back
    assert found.by_device.loss.min() >= 0.0
    assert found.recovered.loss.max() > 0.0
    assert "more than the nominal" in str(found.shown())


def test_area_is_allocated_for_the_least_error():
    clips = clips_of("per clip")
    found = allocate_area(DESIGNS["per clip"], clips, clips, SensitivityOptions(chips=24, metric=MSE), rounds=1)
    assert found.confirmed.metric is MSE
    assert_allclose((found.share_after).sum(), 1.0, rtol=1e-12)
    before, after = (float(scores.mean()) for scores in found.confirmed.scores)
    assert_allclose(found.confirmed.accuracy_gain, before - after, rtol=1e-12)


@pytest.mark.parametrize("name", ["per clip", "per step"])
def test_noise_adds_to_the_error(name):
    clips = clips_of(name)
    chip = nominal_chip(DESIGNS[name])
    found = accuracy_under_noise(chip, X, Goal(clips.targets, "mae"), np.array([0.0, 0.5, 2.0]), repeats=2)
    assert found.accuracy[0] == found.without < 1e-9
    assert found.accuracy[0] < found.accuracy[1] < found.accuracy[2]
    assert found.error[0] < found.error[2]
    assert found.metric is MAE


@pytest.mark.parametrize("name", NETS)
def test_the_comparison_of_levels_has_the_scores_of_both(name):
    clips = clips_of(name)
    found = check_agreement(NETS[name], DESIGNS[name], X, AgreementSetup(level="step"))
    assert found.holds
    reference, chip = found.scores(Goal(clips.targets, "mse"))
    assert reference == 0.0
    assert chip < 1e-20
    decisions = X.shape[1] * (len(X) if name == "per step" else 1)
    assert found.classes_equal == found.classes_checked == decisions
    assert "outputs" not in found.as_dict()


@pytest.mark.ngspice
@pytest.mark.parametrize("name", NETS)
def test_ngspice_gives_the_outputs_that_the_metric_needs(name):
    """Ideal subcircuits, whole decks: outputs of every step without pooling, one set per clip with it."""
    x = X[:, :2]
    run = run_network(DESIGNS[name], x, Simulation(flat=True))
    digital = forward(NETS[name], x).logits
    assert run.logits.shape == digital.shape
    # ngspice's reltol of 1e-4 on currents of a few units
    assert_allclose(run.logits, digital, atol=2e-3)
    assert_array_equal(run.classes.shape, digital.shape[:-1])


@pytest.mark.pdk
@pytest.mark.ngspice
@pytest.mark.slow
def test_a_campaign_in_transistors_scores_real_outputs():
    net, few = NETS["per step"], X[:2, :1]
    design, targets = mapped(net, input_bound=3.0), forward(net, few).logits
    study = Study("a", design, few, targets, np.arange(1), Variability(noise=False), level="transistor", metric=MAE)
    found = run_studies([study])[0]
    step = MAE.score(simulate(draw_chip(design, 1, 0), few).logits, targets)
    # calibrated mirrors carry outputs of up to 3 units with errors of up to 0.5 %
    assert abs(found.score[0] - step) < 0.015
