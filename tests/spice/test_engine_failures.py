"""The ngspice engine: how it reports each failure, and that it leaves no process or folder behind."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from processes import RC, RC_RUN, is_running, wait_for

from analogrnn.errors import SpiceError
from analogrnn.spice.engine import Ngspice, find_ngspice, run_deck, run_process

NO_CONVERGENCE = (
    "negative resistance that grows without bound\nV1 in1 0 PULSE(0 1 1u 1n 1n 1 2)\nR1 in1 a 1\n"
    "B1 a 0 I=(v(a)>0.5) ? -1e30*v(a) : 0\nC1 a 0 1e-30\n.tran 10n 5u\n.end\n"
)

# ---------------------------------------------------------------- failures that ngspice reports


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("X1 in1 out nosuch", "unknown subcircuit in `x1 in1 out nosuch`; include the file that defines it"),
        ("M1 in1 out 0 0 nosuch", "no model named nosuch; include the file"),
        ("R7 out 0 {foo}", r"undefined parameter foo; give it a value with \.param"),
        (".ic v(out)=", "it can't compute line 5; correct its expression"),
        (".save v(zzz)", r"no signal in \.save exists; correct the names"),
        ("V7 in1 0 2", "the matrix is singular at v1#branch; look for a loop of sources"),
        ("Q 1", "it can't parse `q 1`; correct that line"),
        (".subckt s a b", r"it reported `Mismatch of \.subckt.*`; correct that in the deck"),
    ],
)
def test_a_faulty_deck_is_reported_in_one_line_with_its_log(line, message):
    with pytest.raises(SpiceError, match=rf"ngspice \(exit 1\) failed: {message}") as caught:
        run_deck(f"{RC}{line}\n.tran 10n 5u\n.end\n", stop_time=5e-6)
    assert "\n" not in str(caught.value)
    assert caught.value.log


@pytest.mark.ngspice
def test_non_convergence_is_reported_with_its_time():
    # the source rises through 0.5 V at 1 us + 0.5 ns
    with pytest.raises(
        SpiceError, match=r"did not converge at t = 1\.0005e-06 s \(timestep too small\); slow"
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
        (".op\n.dc V1 0 1 0.5\n", None, "The deck ran 2 analyses; give it exactly one"),
        (".op\n", 5e-6, "The deck ran 0 transient analyses; give it exactly one"),
        (".tran 1n 1u\n.tran 1n 5u\n", 5e-6, "The deck ran 2 transient analyses; give it exactly one"),
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
        ("exit 3", r"ngspice \(exit 3\) stopped early without stating a reason"),
        ("echo run 'simulation(s)' aborted", r"\(exit 0\) stopped early"),
        ("echo no simulations run", r"\(exit 0\) stopped early"),
        ("echo Error: flux capacitor; exit 1", r"\(exit 1\) failed: it reported `flux capacitor`"),
        ("echo Warning: rawfile write error '!!'; echo run simulation interrupted", "the disk is full; free space"),
        ("echo No space left on device; exit 1", "the disk is full; free space in TMPDIR"),
        ("echo 'Error: Could not find include file x.inc'; exit 1", r"x\.inc is not beside the deck; give it in"),
        ("echo malloc: can\\'t allocate 8 bytes; exit 1", "it ran out of memory; save fewer signals"),
        (": > $raw", r"out\.raw is empty: the simulator ran no analysis"),
        ("printf 'Title: t\\nPlotname: Tran' > $raw", r"out\.raw is truncated: its header ends early"),
    ],
)
def test_the_log_and_the_raw_file_decide(fake, body, message):
    with pytest.raises(SpiceError, match=message):
        run_deck(RC_RUN, stop_time=5e-6, ngspice=fake(body))


RAW_HEAD = (
    "Title: t\\nPlotname: Transient Analysis\\nFlags: real\\nNo. Variables: 2\\nNo. Points: 2\\n"
    "Variables:\\n\\t0\\ttime\\ttime\\n\\t1\\tv(a)\\tvoltage\\nValues:\\n"
)


@pytest.mark.parametrize(
    ("value", "status", "message"),
    [("nan", 0, r"values that are not finite in v\(a\)"), ("1", 1, r"ngspice \(exit 1\) stopped early")],
)
def test_plausible_waveforms_are_not_sufficient(fake, value, status, message):
    body = f"printf '{RAW_HEAD}0 0\\n{value}\\n1 5e-6\\n1\\n' > $raw; exit {status}"
    with pytest.raises(SpiceError, match=message):
        run_deck(RC_RUN, stop_time=5e-6, ngspice=fake(body))


def test_a_long_log_keeps_both_ends(fake, tmp_path):
    body = "echo first\ni=0; while [ $i -lt 3000 ]; do echo '" + "x" * 99 + "'; i=$((i+1)); done\necho last\nexit 1"
    outcome = run_process([str(fake(body).executable)], tmp_path, timeout=60)
    assert outcome.returncode == 1
    assert outcome.log.startswith("first\n")
    assert outcome.log.endswith("last\n")
    assert len(outcome.log) == 65_536  # two parts of 32 KiB of 300 kB


def test_a_full_disk_is_reported(fake, monkeypatch):
    def full(*_args: object, **_kwargs: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(SpiceError, match=r"deck can't be written: No space left on device; set TMPDIR"):
        run_deck(RC_RUN, stop_time=5e-6, ngspice=Ngspice(Path("/bin/true"), "39"))


def test_no_folder_remains_after_a_run(fake, tmp_path, monkeypatch):
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
