"""A real Dask scheduler and workers, each a process of its own on the loopback interface, ended with the block."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PATHS = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]


class Cluster:
    """A scheduler at `address`; workers can be added and killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        found = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", str(found))
        end = time.monotonic() + 60.0
        while not found.exists() or not found.read_text():
            assert time.monotonic() < end, "no scheduler came up"
            assert self.scheduler.poll() is None, (folder / "scheduler.log").read_text()
            time.sleep(0.02)
        self.address: str = json.loads(found.read_text())["address"]

    def worker(self, threads: int = 1, paths: list[str] = PATHS) -> subprocess.Popen[bytes]:
        """Start a worker without a nanny, so that a killed one stays dead."""
        return self._start(
            "worker",
            self.address,
            "--nthreads",
            str(threads),
            "--no-nanny",
            "--local-directory",
            str(self._folder),
            paths=paths,
        )

    def _start(self, kind: str, *words: str, paths: list[str] = PATHS) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            f"distributed.cli.dask_{kind}",
            *words,
            "--host",
            "127.0.0.1",
            "--no-dashboard",
        ]
        with (self._folder / f"{kind}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self._folder,
            )
        self._running.append(process)
        return process

    def close(self) -> None:
        for process in reversed(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def dask(folder: Path) -> Iterator[Cluster]:
    started: list[Cluster] = []
    try:
        cluster = Cluster.__new__(Cluster)
        started.append(cluster)
        cluster.__init__(folder)  # type: ignore[misc]
        yield cluster
    finally:
        for one in started:
            one.close()
