"""The comparison of levels: its counts, what it distinguishes, and its report when a simulator fails."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import clips_for, cmru, direct, inputs_of, mapped, network
from numpy.testing import assert_array_equal

from analogrnn.agreement import (
    Agreement,
    AgreementBound,
    AgreementSetup,
    Observed,
    check_agreement,
    compare,
    nominal_reference,
    thermometer,
)
from analogrnn.errors import MissingDependencyError, ParameterError, SpiceError
from analogrnn.network import forward
from analogrnn.spice.engine import find_ngspice
from analogrnn.spice.run_network import NetworkRun

NET = direct(4, d=2, k_min=-2)
DESIGN = mapped(NET)
LADDER = DESIGN.ladders[0]
X = clips_for(NET, 30, 3)
REFERENCE = forward(NET, X)
EXPECTED = nominal_reference(DESIGN, REFERENCE)


def expected_stages():
    return thermometer(REFERENCE.states["cell"], LADDER)


def compared(stages, run=None, bound=AgreementBound()):  # noqa: B008 (frozen)
    return compare("waveform", DESIGN, EXPECTED, Observed({"cell": stages}, run), bound)


def test_the_digital_stages_themselves_agree():
    found = compared(expected_stages())
    assert (found.steps_checked, found.steps_equal, found.thermometer_violations) == (180, 180, 0)
    assert found.first_errors == ()
    assert (found.clips, found.stages) == (3, 8)
    assert found.holds


@pytest.mark.parametrize("where", [(0, 0, 0, 0), (13, 1, 1, 2), (29, 2, 0, 3)])
def test_a_single_flipped_stage_is_found(where):
    stages = expected_stages()
    stages[where] ^= True
    found = compared(stages)
    step, clip, cell, _ = where
    assert not found.holds
    assert found.steps_equal == found.steps_checked - 1
    (error,) = found.first_errors
    assert (error.layer, error.cell, error.clip, error.step) == ("cell", cell, clip, step)
    assert error.digital == REFERENCE.states["cell"][step, clip, cell]
    assert error.candidate == X[step, clip, cell]
    assert_array_equal(error.stages, stages[step, clip, cell])


def test_the_level_of_another_code_with_as_many_stages_on_does_not_pass():
    """Two stages ON, but not the lowest two: the output current is right and the state is not."""
    stages = expected_stages()
    step, clip, cell = np.argwhere(REFERENCE.states["cell"] == 0)[0]
    stages[step, clip, cell] = [True, False, True, False]
    found = compared(stages)
    assert found.steps_equal == found.steps_checked - 1
    assert found.thermometer_violations == 1


def test_the_first_error_is_reported_separately_from_those_that_follow():
    """A missed step shifts a ladder for the rest of the clip: one cause, many wrong steps."""
    stages = expected_stages()
    stages[10:, 1, 0] = ~stages[10:, 1, 0]
    stages[25:, 2, 1] = ~stages[25:, 2, 1]
    found = compared(stages)
    assert [(m.clip, m.cell, m.step) for m in found.first_errors] == [(1, 0, 10), (2, 1, 25)]
    assert found.steps_equal == found.steps_checked - 20 - 5


def test_a_first_error_names_the_nearest_threshold_that_could_move_the_cell():
    """Inside the ladder both can; at its top only a candidate below the lower threshold can move it."""
    stages, states = expected_stages(), REFERENCE.states["cell"][:, 0, 0]
    before = np.concatenate([[NET.layers[0].initial[0]], states[:-1]])
    threshold = NET.layers[0].threshold[0]
    inside, top = np.argmax((np.abs(before) < 2) & (X[:, 0, 0] > 0.0)), np.argmax((before == 2) & (X[:, 0, 0] > 0.0))
    for step, expected in ((inside, threshold), (top, -threshold)):
        wrong = stages.copy()
        wrong[step, 0, 0, 0] ^= True
        (error,) = compared(wrong).first_errors
        assert error.threshold == expected
        assert error.distance == pytest.approx(abs(X[step, 0, 0] - expected) / threshold)


def test_a_level_too_low_from_the_start_names_the_preset_that_failed():
    """Two presets of twice the half window; on this chip the second stage sets just below that."""
    reference, half = nominal_reference(DESIGN, REFERENCE), NET.layers[0].threshold[0]
    up = EXPECTED.layers["cell"].up.copy()
    up[0, 1] = 1.97 * half
    far = np.full_like(EXPECTED.layers["cell"].candidates, -2.7 * half)
    layer = replace(reference.layers["cell"], up=up, candidates=far, states=np.full(far.shape, -1))
    reference = replace(reference, layers={"cell": layer})
    wrong = thermometer(layer.states, LADDER)
    wrong[:, 0, 0] = False
    (error,) = compare("waveform", DESIGN, reference, Observed({"cell": wrong})).first_errors
    assert (error.step, error.candidate, error.threshold) == (0, pytest.approx(2.0 * half), pytest.approx(1.97 * half))
    # a level that is too high does not come from a failed preset
    wrong[:, 0, 0] = True
    (error,) = compare("waveform", DESIGN, reference, Observed({"cell": wrong})).first_errors
    assert error.candidate == pytest.approx(-2.7 * half)


def observed_run(stages, **changes):
    """A run of the whole network that gave `stages` and, unless changed, the currents of the reference."""
    expected = EXPECTED.layers["cell"]
    given = {
        "ran": np.ones((3, 2), dtype=bool),
        "decided": np.ones(stages.shape, dtype=bool),
        "candidates": expected.candidates.copy(),
        "outputs": expected.outputs * DESIGN.unit_current,
    }
    given |= changes
    parts = ({"cell": given[name]} for name in ("decided", "candidates", "outputs", "ran"))
    return NetworkRun({"cell": stages}, *parts, np.empty((3, 0)))


def test_a_stage_that_is_neither_on_nor_off_is_not_equal():
    decided = np.ones(expected_stages().shape, dtype=bool)
    decided[5, 1, 0, 2] = False
    found = compared(expected_stages(), run=observed_run(expected_stages(), decided=decided))
    assert found.undecided == 1
    assert (found.steps_equal, found.stage_steps_equal) == (found.steps_checked - 1, found.stage_steps_checked - 1)
    assert found.first_errors[0].step == 5


def test_currents_are_compared_with_the_reference():
    """A tenth of the threshold on one candidate, a fiftieth of full scale on an output; a wrong level is excluded."""
    run = observed_run(expected_stages())
    half, full = NET.layers[0].threshold[1], DESIGN.ladders[0].i_alpha[1] * 4
    run.candidates["cell"][3, 0, 1] += 0.1 * half
    run.outputs["cell"][7, 2, 1] += 0.02 * full
    found = compared(expected_stages(), run=run)
    assert found.candidate.largest == pytest.approx(0.1)
    assert found.candidate.rms == pytest.approx(0.1 / np.sqrt(180))
    assert found.output.largest == pytest.approx(0.02)
    wrong = expected_stages()
    wrong[9, 1, 0] = ~wrong[9, 1, 0]
    run = observed_run(wrong)
    run.outputs["cell"][9, 1, 0] = 1.0
    assert compared(wrong, run=run).output.largest < 1e-12


def test_transistors_hold_within_their_bound_and_not_beyond():
    """One stage-step in 720 is within 0.99; a first error must lie near its threshold; classes count."""
    stages = expected_stages()
    stages[20:, 0, 0, 1] ^= True  # ten stage-steps of 720
    far = compared(stages, bound=AgreementBound(0.98, 0.0, np.inf))
    assert far.stage_steps_equal == far.stage_steps_checked - 10
    assert far.holds
    assert not compared(stages, bound=AgreementBound(0.99, 0.0, np.inf)).holds
    assert not compared(stages, bound=AgreementBound(0.98, 0.0, 0.99 * far.first_errors[0].distance)).holds
    by_classes = compared(stages, bound=AgreementBound(0.98, 1.0, np.inf))
    assert not replace(by_classes, classes_equal=2, classes_checked=3).holds


def test_cells_that_were_not_run_are_not_counted():
    stages = expected_stages()
    stages[:, 1, 0] = ~stages[:, 1, 0]
    ran = np.array([[True, True], [False, True], [True, True]])
    found = compared(stages, run=observed_run(stages, ran=ran))
    assert (found.steps_checked, found.steps_equal) == (150, 150)
    assert found.first_errors == ()
    assert found.holds


def test_an_empty_comparison_is_not_agreement():
    found = compared(expected_stages(), run=observed_run(expected_stages(), ran=np.zeros((3, 2), dtype=bool)))
    assert (found.steps_checked, found.steps_equal) == (0, 0)
    assert not found.holds


def test_no_clips_are_not_agreement():
    assert not check_agreement(NET, DESIGN, X[:, :0], AgreementSetup("waveform")).holds


def test_a_run_with_a_failure_does_not_hold_even_if_all_else_is_equal():
    assert not Agreement("ideal", 1, 4, 10, 10, 0, (), failures=("clip 0: gone",)).holds


def test_a_result_goes_into_json_and_says_whether_it_holds():
    stages = expected_stages()
    stages[4, 0, 1, 0] ^= True
    found = json.loads(json.dumps(compared(stages).as_dict()))
    assert found["holds"] is False
    assert found["first_errors"][0]["step"] == 4
    assert "readings" not in found


@pytest.mark.parametrize("level", ["digital", "transistors", ""])
def test_a_level_that_does_not_exist_is_refused(level):
    with pytest.raises(
        ParameterError, match=rf"AgreementSetup\.level = '{level}' is unknown; known: \['step', 'waveform',"
    ):
        AgreementSetup(level)


def test_the_step_level_has_nothing_to_break():
    with pytest.raises(
        ParameterError, match="AgreementSetup: the step level has no waveforms to break; use level 'waveform'"
    ):
        AgreementSetup("step", "no_dpi")


@pytest.mark.parametrize("level", ["waveform", "ideal"])
def test_a_control_that_does_not_exist_is_refused(level):
    with pytest.raises(ParameterError, match="control = 'no_luck' is unknown; known:"):
        check_agreement(NET, DESIGN, X, AgreementSetup(level, "no_luck"))


@pytest.mark.parametrize("level", ["step", "ideal"])
def test_inputs_that_the_circuit_can_t_carry_are_refused(level):
    x = X.copy()
    x[0, 0, 1] = -1000.0
    with pytest.raises(ParameterError, match=r"= -1000 is below -20: its current would be negative"):
        check_agreement(NET, DESIGN, x, AgreementSetup(level))


def test_a_run_without_steps_is_refused():
    with pytest.raises(ParameterError, match="x has no steps; give at least one"):
        check_agreement(NET, DESIGN, X[:0], AgreementSetup("waveform"))


def test_thermometer_codes_fill_from_the_bottom():
    assert_array_equal(thermometer(np.array([-2, -1, 2]), LADDER), [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]])
    bmru = mapped(network(cmru(eps=0.0, ladder=(-1, 1)))).ladders[0]
    assert_array_equal(thermometer(np.array([[-1], [1]]), bmru), [[[0]], [[1]]])


# ---------------------------------------------------------------- simulators that fail


def simulator(folder: Path, body: str) -> Path:
    """A program that gives its version as ngspice does and then runs `body`."""
    path = folder / "ngspice"
    path.write_text(f'#!/bin/sh\ncase "$1" in --version) echo "** ngspice-39 : a test"; exit 0;; esac\n{body}\n')
    path.chmod(0o700)
    return path


def test_a_missing_simulator_names_the_install_command(monkeypatch, tmp_path):
    monkeypatch.setenv("NGSPICE", str(tmp_path / "nowhere"))
    with pytest.raises(MissingDependencyError, match=r"nowhere' is not an executable; install it with `apt-get"):
        check_agreement(NET, DESIGN, X)


def test_a_simulator_that_fails_every_run_raises_with_the_first_of_them(monkeypatch, tmp_path):
    monkeypatch.setenv("NGSPICE", str(simulator(tmp_path, "echo 'singular matrix'; exit 1")))
    with pytest.raises(SpiceError, match=r"all 2 simulator runs failed; the first: clip 0, cell\[\d\]: ngspice"):
        check_agreement(NET, DESIGN, X[:, :1])


@pytest.mark.ngspice
def test_a_run_that_fails_is_reported_and_the_others_are_still_compared(monkeypatch, tmp_path):
    real = find_ngspice().executable
    # the deck of the second ladder of a clip is the only one that holds its subcircuit
    body = f'if grep -q xladder_cell_1.a1 deck.cir; then echo broken; exit 1; fi\nexec {real} "$@"'
    monkeypatch.setenv("NGSPICE", str(simulator(tmp_path, body)))
    found = check_agreement(NET, DESIGN, X[:, :2], AgreementSetup(workers=2))
    assert len(found.failures) == 2
    assert sorted(text.split(":")[0] for text in found.failures) == ["clip 0, cell[1]", "clip 1, cell[1]"]
    assert (found.steps_checked, found.steps_equal) == (60, 60)
    assert found.first_errors == ()
    assert not found.holds


@pytest.mark.ngspice
def test_progress_counts_every_deck():
    reports = []
    check_agreement(NET, DESIGN, X[:3], AgreementSetup(workers=2), progress=lambda done, of: reports.append((done, of)))
    assert reports == [(n, 6) for n in range(1, 7)]
    assert os.environ.get("NGSPICE") is None or find_ngspice()


@pytest.mark.ngspice
def test_the_number_of_workers_does_not_change_the_result():
    one, two = (check_agreement(NET, DESIGN, X[:6], AgreementSetup(workers=workers)) for workers in (1, 2))
    assert_array_equal(one.readings["cell"], two.readings["cell"])
    assert one.candidate_error == two.candidate_error


@pytest.mark.parametrize("level", ["step"])
def test_classes_and_logits_of_the_step_level_are_compared_too(level):
    net = network(cmru())
    found = check_agreement(net, mapped(net), inputs_of(net, 10, 4), AgreementSetup(level))
    assert (found.classes_equal, found.logit_error) == (4, 0.0)
