"""`analogrnn agree`: exit code 0 for agreement, 1 for disagreement; broken ladders must be found."""

import pytest

from analogrnn.spice.engine import find_ngspice

from .conftest import NETWORK

KEYS = {
    "level",
    "clips",
    "stages",
    "steps_checked",
    "steps_equal",
    "stage_steps_checked",
    "stage_steps_equal",
    "thermometer_violations",
    "undecided",
    "first_errors",
    "candidate_error",
    "candidate",
    "output",
    "logit_error",
    "classes_equal",
    "classes_checked",
    "failures",
    "bound",
    "holds",
}
CONTROLS = ("no_dpi", "no_return_to_zero", "no_reset", "forward_only")


@pytest.mark.parametrize("level", ["step", "waveform"])
def test_the_behavioural_levels_agree_at_every_step(call, level):
    answer = call("agree", NETWORK, "--level", level, "--clips", "5", "--json").json
    # the waveform level stops at the stages, so it has no classes
    assert set(answer) == KEYS | ({"accuracy", "accuracy_reference"} if level == "step" else set())
    assert answer["level"] == level
    assert (answer["clips"], answer["stages"]) == (5, 64)
    assert answer["steps_equal"] == answer["steps_checked"] == 5 * 32 * 16  # clips, steps, ladders
    assert answer["thermometer_violations"] == 0
    assert answer["first_errors"] == answer["failures"] == []
    assert answer["holds"] is True


@pytest.mark.ngspice
def test_every_ladder_agrees_in_ngspice(call, inputs):
    said = call("agree", NETWORK, "--inputs", inputs, "--clips", "1", "--json")
    assert said.code == 0
    answer = said.json
    assert answer["level"] == "ideal"
    assert answer["steps_equal"] == answer["steps_checked"] == 6 * 16
    assert answer["holds"] is True
    assert answer["logit_error"] is None  # one deck per ladder has no readout


@pytest.mark.ngspice
def test_the_whole_network_in_one_deck_agrees_up_to_its_readout(call, inputs):
    answer = call("agree", NETWORK, "--inputs", inputs, "--clips", "0,", "--flat", "--json").json
    assert answer["steps_equal"] == answer["steps_checked"] == 6 * 16
    assert answer["classes_equal"] == 1
    assert answer["logit_error"] is not None


@pytest.mark.parametrize("control", CONTROLS)
def test_a_broken_ladder_is_reported_with_its_first_error(call, control):
    words = ("agree", NETWORK, "--level", "waveform", "--clips", "2", "--control", control)
    said = call(*words, "--json")
    assert said.code == 1
    answer = said.json
    assert answer["holds"] is False
    assert answer["steps_equal"] < answer["steps_checked"]
    first = answer["first_errors"][0]
    assert set(first) == {
        "layer",
        "cell",
        "clip",
        "clip_index",
        "step",
        "digital",
        "stages",
        "candidate",
        "threshold",
        "distance",
        "measured",
    }
    shown = call(*words)
    assert shown.code == 1
    assert shown.err == ""
    assert f"{NETWORK}: DISAGREES" in shown.out
    assert f"first error of cell[{first['cell']}], clip" in shown.out


@pytest.mark.ngspice
@pytest.mark.parametrize("control", ["no_dpi", "no_reset"])
def test_ngspice_finds_a_broken_ladder(call, inputs, control):
    said = call("agree", NETWORK, "--inputs", inputs, "--clips", "1", "--control", control)
    assert said.code == 1
    assert "DISAGREES" in said.out


def test_a_clip_is_named_by_its_number_in_the_set(call):
    said = call("agree", NETWORK, "--level", "waveform", "--clips", "250,", "--control", "no_dpi")
    assert ", clip 250" in said.out


def test_first_errors_beyond_those_shown_are_counted(call):
    said = call("agree", NETWORK, "--level", "waveform", "--clips", "2", "--control", "no_dpi")
    assert said.out.count("first error of") == 10
    assert "more first errors" in said.out


def test_without_a_simulator_only_the_levels_that_need_none_run(call, inputs, no_simulator):
    call("agree", NETWORK, "--inputs", inputs).refused(3, no_simulator, "apt-get install ngspice")
    for level in ("step", "waveform"):
        assert call("agree", NETWORK, "--inputs", inputs, "--level", level).code == 0


@pytest.mark.parametrize(("words", "runs"), [([], 16), (["--flat"], 1)])
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_simulator_that_fails_on_every_run_is_exit_code_4_and_one_line(call, inputs, simulator, words, runs, as_json):
    simulator("kill -SEGV $$")
    said = call("agree", NETWORK, "--inputs", inputs, "--clips", "1", *words, *as_json)
    said.refused(4, f"all {runs} simulator runs failed; the first: clip 0", "killed by SIGSEGV")
    assert said.out == ""


@pytest.mark.ngspice
def test_failed_runs_are_reported_and_their_cells_are_not_counted(call, inputs, simulator):
    """Two of sixteen ladders crash; the other fourteen are compared, and the verdict is still disagreement."""
    real = find_ngspice().executable
    simulator(f"if grep -qiE '^xladder_cell_(3|11) ' deck.cir; then kill -SEGV $$; fi\nexec {real} \"$@\"")
    words = ("agree", NETWORK, "--inputs", inputs, "--clips", "1")
    said = call(*words, "--json")
    assert said.code == 1
    answer = said.json
    assert answer["holds"] is False
    assert answer["steps_equal"] == answer["steps_checked"] == 6 * 14
    assert answer["first_errors"] == []
    assert answer["thermometer_violations"] == 0
    failures = sorted(answer["failures"])
    assert [failure.split(":")[0] for failure in failures] == ["clip 0, cell[11]", "clip 0, cell[3]"]
    assert all("killed by SIGSEGV" in failure for failure in failures)
    shown = call(*words)
    assert shown.code == 1
    assert f"{NETWORK}: DISAGREES" in shown.out
    assert "84 of 84" in shown.out
    assert "cell[11]" in shown.out


def test_the_step_level_has_nothing_to_break(call, inputs):
    said = call("agree", NETWORK, "--inputs", inputs, "--level", "step", "--control", "no_dpi")
    said.refused(2, "the step level has no waveforms to break")


@pytest.mark.parametrize("workers", ["-1", "1025"])
def test_an_invalid_number_of_workers_is_refused(call, inputs, simulator, workers):
    simulator("exit 1")
    call("agree", NETWORK, "--inputs", inputs, f"--workers={workers}").refused(2, "workers", "is outside [1, 1024]")


@pytest.mark.parametrize("words", [["--level", "silicon"], ["--control", "no_power"]])
def test_an_unknown_level_or_control_lists_the_known_ones(call, words):
    said = call("agree", NETWORK, *words)
    assert said.code == 2
    assert "choose from" in said.err.splitlines()[-1]
