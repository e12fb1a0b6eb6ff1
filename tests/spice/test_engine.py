"""The ngspice engine: what counts as success, how each failure is told, and that nothing is left behind."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analogrnn.errors import DeckError, MissingDependencyError, ParameterError, SpiceError
from analogrnn.spice.engine import Job, Ngspice, find_ngspice, run_deck, run_decks, run_process

RC = "rc low-pass\nV1 in1 0 PULSE(0 1 0 1n 1n 1 2)\nR1 in1 out 1k\nC1 out 0 1n\n"
RC_RUN = RC + ".tran 10n 5u\n.end\n"
NO_CONVERGENCE = (
    "negative resistance that grows without bound\nV1 in1 0 PULSE(0 1 1u 1n 1n 1 2)\nR1 in1 a 1\n"
    "B1 a 0 I=(v(a)>0.5) ? -1e30*v(a) : 0\nC1 a 0 1e-30\n.tran 10n 5u\n.end\n"
)


@pytest.fixture
def fake(tmp_path: Path):
    """Return a function that makes a simulator of a shell script; `$raw` is where the raw file belongs."""

    def make(body: str) -> Ngspice:
        script = tmp_path / "ngspice"
        script.write_text(f"#!/bin/sh\nraw=$4\n{body}\n")
        script.chmod(0o755)
        return Ngspice(script, "39")

    return make


def is_running(pid: int) -> bool:
    """Tell whether `pid` is a process that has not ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(file: Path) -> int:
    """Return the number in `file`, as soon as it is there."""
    for _ in range(500):
        if file.exists() and file.read_text().endswith("\n"):
            return int(file.read_text())
        time.sleep(0.01)
    raise AssertionError(f"{file} was not written")


# ---------------------------------------------------------------- finding it


def test_a_missing_simulator_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setenv("NGSPICE", "/nowhere/ngspice")
    with pytest.raises(
        MissingDependencyError, match=r"/nowhere/ngspice.*is not an executable.*apt-get install ngspice"
    ):
        find_ngspice()


def test_a_program_that_is_not_ngspice_is_refused(fake):
    with pytest.raises(MissingDependencyError, match="does not report ngspice's version"):
        find_ngspice(str(fake("echo ngspice, or so I say").executable))


def test_the_environment_variable_names_the_simulator(fake, monkeypatch):
    simulator = fake('echo "** ngspice-44.2 : Circuit level simulation program"')
    monkeypatch.setenv("NGSPICE", str(simulator.executable))
    assert find_ngspice() == replace(simulator, version="44.2")


def test_a_simulator_that_vanished_is_missing():
    with pytest.raises(MissingDependencyError, match=r"can't be started: No such file.*apt-get install ngspice"):
        run_deck(RC_RUN, stop_time=5e-6, ngspice=Ngspice(Path("/nowhere/ngspice"), "39"))


@pytest.mark.ngspice
def test_the_installed_simulator_reports_its_version():
    assert int(find_ngspice().version.split(".")[0]) >= 30


# ---------------------------------------------------------------- success


@pytest.mark.ngspice
def test_an_rc_charges_as_the_formula_says():
    waves = run_deck(RC_RUN, stop_time=5e-6)
    t, tau = waves.axis, 1e-6
    # the 1 ns edge delays the step by half its length, to second order (1 ns/tau)^2/24 = 4e-8; the trapezoidal rule
    # adds t/tau (h/tau)^2/12 exp(-t/tau) <= (10 ns/1 us)^2 / (12 e) = 3e-6; reltol = 1e-3 bounds what its
    # control leaves on a smooth exponential, so 1e-4 is between the two
    late = t > 2e-9
    assert_allclose(waves["v(out)"][late], -np.expm1(-(t[late] - 0.5e-9) / tau), atol=1e-4)
    assert waves.plotname == "Transient Analysis"
    assert waves.axis_name == "time"


@pytest.mark.ngspice
@pytest.mark.parametrize(("analysis", "axis", "last"), [(".op", "point", 1.0), (".dc V1 0 2 0.5", "v(v-sweep)", 2.0)])
def test_analyses_without_time_need_no_stop_time(analysis, axis, last):
    waves = run_deck(f"divider\nV1 a 0 1\nR1 a b 1k\nR2 b 0 1k\n{analysis}\n.end\n", stop_time=None)
    assert waves.axis_name == axis
    # two equal resistors; gmin = 1e-12 S on 500 ohm is 5e-10, and reltol does not enter a linear circuit
    assert_allclose(waves["v(b)"][-1], last / 2, rtol=1e-9)


@pytest.mark.ngspice
def test_an_ac_analysis_is_complex():
    waves = run_deck("ac\nV1 a 0 ac 1\nR1 a b 1k\nC1 b 0 1n\n.ac dec 5 1k 1meg\n.end\n", stop_time=None)
    # closed form; gmin as above, and round-off
    assert_allclose(waves["v(b)"], 1 / (1 + 2j * np.pi * waves.axis * 1e-6), rtol=1e-9)
    assert waves.axis.dtype == np.float64


@pytest.mark.ngspice
def test_files_lie_beside_the_deck_by_their_plain_name():
    files = {"Load.spice": ".subckt load a b r=1k\nR1 a b {r}\n.ends load\n", "all.spice": '.include "Load.spice"\n'}
    deck = "files\nV1 a 0 1\nX1 a 0 load r=2k\n.include all.spice\n.op\n.end\n"
    waves = run_deck(deck, stop_time=None, files=files)
    # 1 V / 2 kohm; gmin as above
    assert_allclose(waves["i(v1)"], -0.5e-3, rtol=1e-9)


@pytest.mark.ngspice
@pytest.mark.parametrize("by_path", [True, False])
def test_an_allowed_file_is_read_in_place_by_path_or_by_name(tmp_path, by_path):
    library = tmp_path / "models.lib"
    library.write_text(".lib slow\n.param r=4k\n.endl slow\n.lib fast\n.param r=1k\n.endl fast\n")
    deck = f"library\n.lib '{library if by_path else library.name}' slow\nV1 a 0 1\nR1 a 0 {{r}}\n.op\n.end\n"
    waves = run_deck(deck, stop_time=None, allowed_paths=frozenset({library}))
    assert_allclose(waves["i(v1)"], -0.25e-3, rtol=1e-9)


@pytest.mark.ngspice
def test_a_title_or_node_called_aborted_is_no_abort():
    deck = "simulation interrupted, run aborted\nV1 aborted 0 1\nR1 aborted 0 1k\n.tran 1u 10u\n.end\n"
    assert run_deck(deck, stop_time=10e-6).title == "simulation interrupted, run aborted"


@pytest.mark.ngspice
def test_the_users_settings_files_are_not_read(tmp_path, monkeypatch):
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for place in (scripts / "spinit", tmp_path / ".spiceinit"):
        place.write_text(f"* settings\nshell touch {tmp_path}/ran\n")
    monkeypatch.setenv("SPICE_SCRIPTS", str(scripts))
    monkeypatch.setenv("SPICE_LIB_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    run_deck(RC_RUN, stop_time=5e-6)
    assert not (tmp_path / "ran").exists()


# ---------------------------------------------------------------- failures that ngspice tells


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("X1 in1 out nosuch", "unknown subcircuit in `x1 in1 out nosuch`; include the file that defines it"),
        ("M1 in1 out 0 0 nosuch", "no model named nosuch; include the file"),
        ("R7 out 0 {foo}", r"undefined parameter foo; give it a value with \.param"),
        (".ic v(out)=", "it can't compute line 5; mend its expression"),
        (".save v(zzz)", r"no signal in \.save exists; mend the names"),
        ("V7 in1 0 2", "the matrix is singular at v1#branch; look for a loop of sources"),
        ("Q 1", "it can't parse `q 1`; mend that line"),
        (".subckt s a b", r"it reported `Mismatch of \.subckt.*`; mend that in the deck"),
    ],
)
def test_a_faulty_deck_is_told_in_one_line_with_its_log(line, message):
    with pytest.raises(SpiceError, match=rf"ngspice \(exit 1\) failed: {message}") as caught:
        run_deck(f"{RC}{line}\n.tran 10n 5u\n.end\n", stop_time=5e-6)
    assert "\n" not in str(caught.value)
    assert caught.value.log


@pytest.mark.ngspice
def test_non_convergence_says_when():
    # the source rises through 0.5 V at 1 us + 0.5 ns
    with pytest.raises(
        SpiceError, match=r"did not converge at t = 1\.0005e-06 s \(timestep too small\); soften"
    ) as error:
        run_deck(NO_CONVERGENCE, stop_time=5e-6)
    assert 'trouble with node "a"' in error.value.log


@pytest.mark.ngspice
def test_a_run_that_ends_at_another_time_is_no_success():
    with pytest.raises(SpiceError, match=r"ngspice ended at t = 5e-06 s, not at stop_time = 6e-06 s"):
        run_deck(RC_RUN, stop_time=6e-6)


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("cards", "stop_time", "message"),
    [
        (".op\n.dc V1 0 1 0.5\n", None, "The deck ran 2 analyses; give it one"),
        (".op\n", 5e-6, "The deck ran 0 transient analyses; give it one"),
        (".tran 1n 1u\n.tran 1n 5u\n", 5e-6, "The deck ran 2 transient analyses; give it one"),
        ("", None, r"out\.raw can't be read: No such file or directory; give the deck one analysis"),
    ],
)
def test_a_deck_runs_one_analysis(cards, stop_time, message):
    with pytest.raises(SpiceError, match=message):
        run_deck(f"{RC}{cards}.end\n", stop_time=stop_time)


@pytest.mark.ngspice
def test_a_raw_file_beyond_the_limit_ends_the_run():
    simulator = replace(find_ngspice(), max_file=50_000)
    with pytest.raises(SpiceError, match=r"wrote more than max_file allows; save fewer signals"):
        run_deck(RC + ".tran 1n 50u\n.end\n", stop_time=50e-6, ngspice=simulator)


@pytest.mark.ngspice
def test_a_simulator_without_memory_fails():
    simulator = replace(find_ngspice(), max_memory=1 << 20)
    with pytest.raises(SpiceError, match=r"ngspice (\(exit \d+\)|was killed by)"):
        run_deck(RC + ".tran 1n 50u\n.end\n", stop_time=50e-6, ngspice=simulator)


@pytest.mark.ngspice
def test_an_endless_run_ends_at_the_timeout():
    start = time.monotonic()
    with pytest.raises(SpiceError, match=r"did not finish within timeout = 0\.5 s; raise it"):
        run_deck(RC + ".tran 1p 5\n.end\n", stop_time=5, timeout=0.5)
    # a machine with every core busy takes seconds to start a process, not tens of them
    assert time.monotonic() - start < 20


# ---------------------------------------------------------------- failures of the process


def test_a_hanging_simulator_is_killed_with_its_children(fake, tmp_path):
    simulator = fake(f"sleep 60 &\necho $! > {tmp_path}/child\necho $$ > {tmp_path}/self\nwait")
    with pytest.raises(SpiceError, match=r"did not finish within timeout = 1 s"):
        run_deck(RC_RUN, stop_time=5e-6, ngspice=simulator, timeout=1)
    for name in ("self", "child"):
        pid = wait_for(tmp_path / name)
        for _ in range(500):
            if not is_running(pid):
                break
            time.sleep(0.01)
        assert not is_running(pid)


def test_a_simulator_that_closes_its_output_and_hangs_is_killed(fake):
    with pytest.raises(SpiceError, match=r"did not finish within timeout = 0\.5 s"):
        run_deck(RC_RUN, stop_time=5e-6, ngspice=fake("exec >&- 2>&-\nexec sleep 60"), timeout=0.5)


@pytest.mark.parametrize("name", ["SEGV", "KILL", "ABRT"])
def test_a_crash_names_the_signal(fake, name):
    with pytest.raises(SpiceError, match=f"ngspice was killed by SIG{name}; run the deck alone") as error:
        run_deck(RC_RUN, stop_time=5e-6, ngspice=fake(f"echo about to crash\nkill -{name} $$"))
    assert error.value.log == "about to crash\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("exit 3", r"ngspice \(exit 3\) stopped early without a reason it names"),
        ("echo run 'simulation(s)' aborted", r"\(exit 0\) stopped early"),
        ("echo no simulations run", r"\(exit 0\) stopped early"),
        ("echo Error: flux capacitor; exit 1", r"\(exit 1\) failed: it reported `flux capacitor`"),
        ("echo Warning: rawfile write error '!!'; echo run simulation interrupted", "the disk is full; free space"),
        ("echo No space left on device; exit 1", "the disk is full; free space in TMPDIR"),
        ("echo 'Error: Could not find include file x.inc'; exit 1", r"x\.inc is not beside the deck; hand it over"),
        ("echo malloc: can\\'t allocate 8 bytes; exit 1", "it ran out of memory; save fewer signals"),
        (": > $raw", r"out\.raw is empty: the simulator ran no analysis"),
        ("printf 'Title: t\\nPlotname: Tran' > $raw", r"out\.raw is truncated: its header ends early"),
    ],
)
def test_what_a_simulator_says_and_leaves_decides(fake, body, message):
    with pytest.raises(SpiceError, match=message):
        run_deck(RC_RUN, stop_time=5e-6, ngspice=fake(body))


RAW_HEAD = (
    "Title: t\\nPlotname: Transient Analysis\\nFlags: real\\nNo. Variables: 2\\nNo. Points: 2\\n"
    "Variables:\\n\\t0\\ttime\\ttime\\n\\t1\\tv(a)\\tvoltage\\nValues:\\n"
)


@pytest.mark.parametrize(
    ("value", "status", "message"),
    [
        ("nan", 0, r"values that are not finite in v\(a\)"),
        ("1", 1, r"ngspice \(exit 1\) stopped early"),
    ],
)
def test_good_looking_waveforms_are_not_enough(fake, value, status, message):
    body = f"printf '{RAW_HEAD}0 0\\n{value}\\n1 5e-6\\n1\\n' > $raw; exit {status}"
    with pytest.raises(SpiceError, match=message):
        run_deck(RC_RUN, stop_time=5e-6, ngspice=fake(body))


def test_a_talkative_simulator_leaves_both_ends_of_its_log(fake, tmp_path):
    body = "echo first\ni=0; while [ $i -lt 3000 ]; do echo '" + "x" * 99 + "'; i=$((i+1)); done\necho last\nexit 1"
    outcome = run_process([str(fake(body).executable)], tmp_path, timeout=60)
    assert outcome.returncode == 1
    assert outcome.log.startswith("first\n")
    assert outcome.log.endswith("last\n")
    assert len(outcome.log) == 65_536  # two parts of 32 KiB of 300 kB


def test_a_full_disk_is_told(fake, monkeypatch):
    def full(*_args: object, **_kwargs: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(SpiceError, match=r"deck can't be written: No space left on device; set TMPDIR"):
        run_deck(RC_RUN, stop_time=5e-6, ngspice=Ngspice(Path("/bin/true"), "39"))


def test_no_folder_is_left_behind(fake, tmp_path, monkeypatch):
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(private))
    with pytest.raises(SpiceError, match="exit 1"):
        run_deck(RC_RUN, stop_time=5e-6, ngspice=fake("exit 1"))
    assert list(private.iterdir()) == []


def test_ngspice_gets_one_thread_and_no_settings(fake, tmp_path, monkeypatch):
    for name in ("SPICE_SCRIPTS", "SPICE_LIB_DIR", "NGSPICE_INPUT_DIR", "SECRET"):
        monkeypatch.setenv(name, "x")
    with pytest.raises(SpiceError, match="exit 1"):
        run_deck(RC_RUN, stop_time=5e-6, ngspice=fake(f"env > {tmp_path}/env\nexit 1"))
    given = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    assert given["OMP_THREAD_LIMIT"] == "1"
    assert not {"SPICE_SCRIPTS", "SPICE_LIB_DIR", "NGSPICE_INPUT_DIR", "SECRET"} & set(given)
    assert given["HOME"] == given["TMPDIR"] != os.environ.get("HOME")


def test_ctrl_c_kills_the_simulator(fake, tmp_path):
    simulator = fake(f"echo $$ > {tmp_path}/self\nexec sleep 60")

    def interrupt() -> None:
        wait_for(tmp_path / "self")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_deck(RC_RUN, stop_time=5e-6, ngspice=simulator)
    thread.join()
    assert not is_running(wait_for(tmp_path / "self"))


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stop_time": 0.0}, r"run_deck\.stop_time = 0 s is outside \[1e-15, 1e\+09\] s"),
        ({"stop_time": float("nan")}, r"run_deck\.stop_time = nan s is outside"),
        ({"timeout": 0}, r"run_deck\.timeout = 0 s is outside \[0\.001, 1e\+07\] s"),
    ],
)
def test_times_must_be_positive(arguments, message):
    with pytest.raises(ParameterError, match=message):
        run_deck(RC_RUN, **{"stop_time": 5e-6, "ngspice": Ngspice(Path("/bin/true"), "39")} | arguments)


def test_an_empty_deck_is_refused():
    with pytest.raises(DeckError, match="deck: it is empty; give it a title"):
        run_deck("\n \n", stop_time=None, ngspice=Ngspice(Path("/bin/true"), "39"))


# ---------------------------------------------------------------- several at once


@pytest.mark.ngspice
def test_many_decks_come_back_with_their_index_and_a_failure_stops_nobody():
    decks = [f"divider\nV1 a 0 {k}\nR1 a 0 1k\n.op\n.end\n" for k in range(1, 9)]
    decks[3] = "no such\nV1 a 0 1\nX1 a 0 nosuch\n.op\n.end\n"
    results = dict(run_decks([Job(deck, None) for deck in decks], workers=2))
    assert sorted(results) == list(range(8))
    for index, result in results.items():
        if index == 3:
            assert isinstance(result, SpiceError)
            assert "unknown subcircuit" in str(result)
        else:
            assert_allclose(result["v(a)"], index + 1, rtol=1e-9)  # an ideal source: round-off only


def test_results_come_in_order_of_completion(fake):
    # deck 0 waits until deck 1 has ended
    body = "if grep -q slow deck.cir; then sleep 1; fi; exit 1"
    jobs = [Job("slow\nR1 a 0 1\n.op\n", None), Job("fast\nR1 a 0 1\n.op\n", None)]
    assert [index for index, _ in run_decks(jobs, workers=2, ngspice=fake(body))] == [1, 0]


def test_closing_the_results_kills_what_runs(fake, tmp_path):
    simulator = fake(f"if grep -q fast deck.cir; then exit 1; fi\necho $$ > {tmp_path}/slow\nexec sleep 60")
    jobs = [Job("slow\nR1 a 0 1\n.op\n", None), Job("fast\nR1 a 0 1\n.op\n", None)]
    results = run_decks(jobs, workers=2, ngspice=simulator)
    assert next(results)[0] == 1
    pid = wait_for(tmp_path / "slow")
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 20  # it would sleep for 60 s
    assert not is_running(pid)


def test_ctrl_c_kills_every_simulator(fake, tmp_path):
    simulator = fake(f"echo $$ > {tmp_path}/$$.pid\nexec sleep 60")

    def interrupt() -> None:
        while len(list(tmp_path.glob("*.pid"))) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        list(run_decks([Job(RC_RUN, 5e-6)] * 5, workers=2, ngspice=simulator))
    thread.join()
    started = [int(file.stem) for file in tmp_path.glob("*.pid")]
    assert len(started) == 2
    assert not any(is_running(pid) for pid in started)


def test_a_deck_that_may_not_run_stops_the_campaign():
    jobs = [Job("title\n.control\n.endc\n", None)]
    with pytest.raises(DeckError, match=r"deck line 2: '\.control' makes ngspice run commands"):
        list(run_decks(jobs, ngspice=Ngspice(Path("/bin/true"), "39")))


def test_no_jobs_give_no_results():
    assert list(run_decks([], ngspice=Ngspice(Path("/bin/true"), "39"))) == []


def test_workers_are_counted_from_one():
    with pytest.raises(ParameterError, match=r"run_decks\.workers = -1 is outside \[1, 1024\]"):
        list(run_decks([], workers=-1, ngspice=Ngspice(Path("/bin/true"), "39")))
