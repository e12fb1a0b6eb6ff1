"""`analogrnn spice`: from a deck to its signals, and the messages for simulators and decks that fail."""

import os
import time

import numpy as np
import pytest

TAU, STOP = 1e-6, 1e-5
RC = f"""* charging a capacitor
V1 in 0 DC 1
R1 in out 1e3
C1 out 0 1e-9 ic=0
.save v(out) i(V1)
.tran 1e-8 {STOP} uic
.end
"""


@pytest.fixture
def deck(tmp_path):
    """Write a deck and return its path."""

    def write(text=RC):
        (tmp_path / "deck.spice").write_text(text, encoding="utf-8")
        return tmp_path / "deck.spice"

    return write


# ---------------------------------------------------------------- with ngspice


@pytest.mark.ngspice
def test_a_capacitor_charges_as_the_formula_predicts(call, deck, tmp_path):
    answer = call("spice", deck(), "--out", tmp_path / "rc.npz", "--json").json
    assert set(answer) == {"ngspice", "plot", "points", "last"}
    assert answer["plot"] == "Transient Analysis"
    assert set(answer["last"]) == {"v(out)", "i(v1)"}
    with np.load(tmp_path / "rc.npz") as data:
        assert len(data["time"]) == answer["points"]
        # trapezoidal steps of at most h = tau/100 lag by t/tau exp(-t/tau) h^2/12, which is largest at t = tau;
        # the choice of steps, which start at h/100, adds less than that again
        np.testing.assert_allclose(data["v(out)"], 1.0 - np.exp(-data["time"] / TAU), atol=2 / np.e * 0.01**2 / 12)
        assert data["v(out)"][-1] == answer["last"]["v(out)"]


@pytest.mark.ngspice
def test_the_terminal_shows_signals_with_their_units(call, deck):
    said = call("spice", deck())
    assert said.code == 0
    assert said.err == ""
    assert "Transient Analysis: " in said.out
    assert "time to 10 us\n" in said.out
    rows = {line.split()[0]: line.rstrip() for line in said.out.splitlines()[1:]}
    assert rows["v(out)"].endswith(" V")
    assert rows["i(v1)"].endswith("A")


@pytest.mark.ngspice
def test_an_operating_point_and_an_ac_sweep_need_no_stop_time(call, deck):
    point = call("spice", deck("* divider\nV1 a 0 DC 3\nR1 a b 1e3\nR2 b 0 2e3\n.op\n.end\n"), "--json").json
    # gmin (1e-12 S) against 1e-3 S, and the solver's reltol of 1e-3 is not used up by a linear circuit
    assert point["last"]["v(b)"] == pytest.approx(2.0, rel=1e-8)
    sweep = "* low pass\nV1 a 0 DC 0 AC 1\nR1 a b 1e3\nC1 b 0 1e-9\n.ac dec 5 1e3 1e6\n.end\n"
    gain = call("spice", deck(sweep), "--json").json["last"]["v(b)"]
    assert gain == pytest.approx(1.0 / np.hypot(1.0, 2 * np.pi * 1e6 * TAU), rel=1e-6)


@pytest.mark.ngspice
def test_a_stop_time_with_a_suffix_must_be_given_in_si(call, deck):
    path = deck(RC.replace(f"1e-8 {STOP}", "10n 10u"))
    call("spice", path).refused(2, ".tran ends at '10u'", "give --stop-time")
    assert call("spice", path, "--stop-time", "10us", "--json").json["plot"] == "Transient Analysis"


@pytest.mark.ngspice
def test_a_run_that_ends_elsewhere_is_a_failure(call, deck):
    said = call("spice", deck(), "--stop-time", "20us")
    said.refused(4, "ended at t = 1e-05 s, not at --stop-time = 2e-05 s")
    assert said.out == ""


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("* loop\nV1 a 0 1\nV2 a 0 2\n.tran 1e-8 1e-5 uic\n.end\n", "singular"),
        ("* missing\nX1 a 0 nothing\n.tran 1e-8 1e-5\n.end\n", "unknown subcircuit"),
        ("* no analysis\nV1 a 0 1\nR1 a 0 1\n.end\n", "out.raw"),
    ],
)
def test_a_circuit_that_can_not_be_simulated_is_exit_code_4(call, deck, text, reason):
    call("spice", deck(text)).refused(4, reason)


# ---------------------------------------------------------------- decks that are refused before anything runs


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("* x\n.control\nshell touch owned\n.endc\n.end\n", "makes ngspice run commands"),
        ("* x\n.include /etc/passwd\n.end\n", "may not be read"),
        ("* x\nV1 a 0 `id`\n.end\n", "printable ASCII"),
        ("* µ\nV1 a 0 1\n.end\n", "not plain ASCII"),
        ("", "it is empty"),
    ],
)
def test_a_deck_that_could_do_more_than_simulate_is_refused(call, simulator, deck, tmp_path, text, reason):
    simulator(f"touch {tmp_path}/started")
    call("spice", deck(text)).refused(2, reason)
    assert not (tmp_path / "started").exists()


def test_a_missing_deck_is_refused(call, tmp_path):
    call("spice", tmp_path / "absent.spice").refused(2, "absent.spice: No such file or directory")
    call("spice", tmp_path).refused(2, f"{tmp_path} is not a file")


def test_a_device_and_a_pipe_are_no_decks_and_are_not_read(call, tmp_path):
    """Reading either would never end."""
    os.mkfifo(tmp_path / "pipe.spice")
    for path in ("/dev/zero", tmp_path / "pipe.spice"):
        call("spice", path).refused(2, f"{path} is not a file of at most 67108864 bytes")


def test_a_file_too_large_for_a_deck_is_not_read(call, tmp_path):
    with (tmp_path / "large.spice").open("wb") as file:
        file.truncate((64 << 20) + 1)
    call("spice", tmp_path / "large.spice").refused(2, "is not a file of at most 67108864 bytes")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--stop-time", "5V"], "--stop-time = '5V' is in V, not in s"),
        (["--timeout", "soon"], "--timeout = 'soon' is not a quantity in s"),
        (["--timeout", "0s"], "timeout = 0 s is outside"),
        (["--timeout=-1s"], "timeout = -1 s is outside"),
        (["--stop-time=-1us"], "--stop-time = -1e-06 s is outside"),
    ],
)
def test_a_bad_time_is_one_line_that_names_it(call, simulator, deck, words, reason):
    simulator("exit 0")
    call("spice", deck(), *words).refused(2, reason)


# ---------------------------------------------------------------- simulators that are missing or fail


def test_without_a_simulator_the_line_says_how_to_get_one(call, deck, no_simulator):
    call("spice", deck()).refused(3, no_simulator, "apt-get install ngspice", "set NGSPICE")


def test_a_program_that_is_not_ngspice_is_no_simulator(call, simulator, deck):
    simulator("exit 0", version="hello")
    call("spice", deck()).refused(3, "set NGSPICE")


def test_a_file_that_can_not_be_executed_is_no_simulator(call, simulator, deck):
    simulator("exit 0").chmod(0o644)
    call("spice", deck()).refused(3, "is not an executable")


def test_a_simulator_that_hangs_is_ended_in_time(call, simulator, deck):
    simulator("sleep 60")
    started = time.perf_counter()
    call("spice", deck(), "--timeout", "300ms").refused(4, "did not finish within timeout = 0.3 s")
    assert time.perf_counter() - started < 10.0  # nowhere near the sixty seconds that it would take


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("kill -SEGV $$", "killed by SIGSEGV"),
        ("exit 7", "exit 7"),
        ("exit 0", "out.raw can't be read"),
        ("echo garbage > out.raw", "not a SPICE raw file"),
        ("head -c 4096 /dev/zero > out.raw", "out.raw"),
        ("echo 'Title: x' > out.raw", "out.raw"),
        ("echo 'doAnalyses: TRAN:  Timestep too small; time = 1e-9, timestep = 1e-21'; exit 1", "timestep too small"),
    ],
)
def test_a_simulator_that_fails_is_exit_code_4(call, simulator, deck, body, reason):
    simulator(body)
    said = call("spice", deck())
    said.refused(4, reason)
    assert said.out == ""


@pytest.mark.ngspice
def test_a_path_under_a_file_is_exit_code_5(call, deck, blocked):
    call("spice", deck(), "--out", f"{blocked}.npz").refused(5, "Not a directory", "choose another place")


@pytest.mark.ngspice
@pytest.mark.parametrize(("path", "reason"), [("/proc/signals.npz", "No such file"), ("/dev/full", "No space left")])
def test_a_place_that_can_not_be_written_is_exit_code_5(call, deck, path, reason):
    call("spice", deck(), "--out", path).refused(5, path, reason, "choose another place")


@pytest.mark.ngspice
def test_a_deck_reads_files_of_an_allowed_folder_and_what_these_include(call, deck, tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "parts.inc").write_text("* parts\n.include values.inc\nR1 in out {r}\n")
    (folder / "values.inc").write_text("* values\n.param r=1k\n")
    (folder / "not_named.inc").write_text("* .control\n")
    path = tmp_path / "d.cir"
    path.write_text("* deck\n.include parts.inc\nV1 in 0 DC 2\nR2 out 0 1k\n.tran 1e-6 1e-5\n.end\n")
    call("spice", path).refused(2, "may not be read; allowed: no files")
    answer = call("spice", path, "--allow", folder, "--json").json
    assert answer["last"]["v(out)"] == pytest.approx(1.0, rel=1e-6)  # half of 2 V, at reltol 1e-3 of a linear circuit
    call("spice", path, "--allow", tmp_path / "none").refused(2, "--allow", "is not a folder")


def test_noise_is_refused_as_a_card(call, tmp_path):
    path = tmp_path / "n.cir"
    path.write_text("* n\nV1 in 0 AC 1\nR1 in out 1k\nC1 out 0 1u\n.noise v(out) V1 dec 5 1 1meg\n.end\n")
    call("spice", path).refused(2, "deck line 5: .noise gives two plots, and a run has one")
