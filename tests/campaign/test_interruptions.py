"""Runs that end by kill -9, a signal or a full disk, in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analogrnn.campaign import Checkpoint, Options, run_campaign

from .work import plain, same, series

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import os, sys
from pathlib import Path
from analogrnn.campaign import Checkpoint, Options, processes, run_campaign, serial
from campaign.work import Slow, series

if __name__ == "__main__":
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    with Checkpoint(folder / "c") as checkpoint:
        crew = processes(workers) if workers else serial()
        run_campaign([series(work=Slow(folder / "notes", 0.05))], Options(crew, checkpoint, chunk=2))
"""


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def members(group):
    """Processes of a session that are not zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue  # it ended while we looked
        if int(session) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.fixture
def start(tmp_path):
    """Start the script with a number of worker processes; the test kills any that remain."""
    running = []

    def begin(workers):
        (tmp_path / "notes").mkdir()
        (tmp_path / "script.py").write_text(SCRIPT)
        paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        process = subprocess.Popen(
            [sys.executable, tmp_path / "script.py", tmp_path, str(workers)],
            env=os.environ | {"PYTHONPATH": paths},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        wait_for(lambda: len(list((tmp_path / "c" / "one").glob("*.chunk"))) >= 2)
        return process

    yield begin
    for process in running:
        for pid in members(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


def resume(folder):
    with Checkpoint(folder / "c", resume=True) as checkpoint:
        return run_campaign([series()], Options(checkpoint=checkpoint))


@pytest.mark.parametrize(
    ("workers", "how"), [(0, signal.SIGKILL), (2, signal.SIGKILL), (2, signal.SIGTERM), (2, signal.SIGINT)]
)
def test_a_run_that_is_stopped_leaves_no_process_and_is_finished_later(start, tmp_path, workers, how):
    process = start(workers)
    process.send_signal(how)
    process.communicate(timeout=20)
    # the workers notice that their parent is gone, and give a running task three seconds to clean up
    wait_for(lambda: not members(process.pid), 10.0)
    found = resume(tmp_path)
    assert 4 <= found[0].restored < 40
    same(found, plain(series()))
    # chunks that were begun and not kept were in flight: two workers, and one chunk waiting for each
    begun = len(list((tmp_path / "notes").iterdir()))
    assert begun - found[0].restored <= 2 * max(1, 2 * workers)


def test_the_session_of_a_terminal_gets_ctrl_c_and_only_the_parent_prints_a_traceback(start, tmp_path):
    process = start(2)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert said.count("Traceback") == 1
    assert said.rstrip().endswith("KeyboardInterrupt")
    wait_for(lambda: not members(process.pid), 10.0)
    same(resume(tmp_path), plain(series()))


def test_a_killed_run_releases_its_folder(start, tmp_path):
    process = start(2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with Checkpoint(tmp_path / "c", resume=True):  # its orphans are still leaving
        pass
