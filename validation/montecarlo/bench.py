"""What the rows of this topic share: a study, the command as a process, and a Dask cluster on the loopback."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from analogrnn import datasets, library
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.montecarlo import Study, Variability
from analogrnn.network.files import load
from analogrnn.technology import load_technology
from validation.claims import Topic

TOPIC = Topic("montecarlo")
NETWORK = "digits_d16_k2"
ROOT = Path(__file__).resolve().parents[2]
Process = subprocess.Popen[bytes]
LOOPBACK = "127.0.0.1"


@lru_cache(maxsize=4)
def study_of(chips: int, clips: int = 300, size: float = 4e-6) -> Study:
    network = load(library.network_path(NETWORK))
    data = datasets.spoken_digits("test")
    assert network.encoding is not None
    design = map_network(network, load_technology(), MappingOptions(cell_w=size, cell_l=size))
    x = network.encoding(data.features)[:, :clips]
    return Study("4um", design, x, data.labels[:clips], np.arange(chips), Variability(1))


@contextmanager
def temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="analogrnn-validation-") as name:
        yield Path(name)


def mc_command(folder: Path, chips: int, *words: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "analogrnn",
        "mc",
        NETWORK,
        "--chips",
        str(chips),
        "--cell-size",
        "4um",
        "--sweep",
        "0",
        "--json",
        "--out",
        str(folder),
        *words,
    ]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def run(command: list[str]) -> float:
    """Seconds that a command takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, env=environment(), stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


@contextmanager
def running(command: list[str], log: Path, changes: Mapping[str, str] = MappingProxyType({})) -> Iterator[Process]:
    """A process in a session of its own, all of which ends with the block."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command, env=environment() | dict(changes), stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield process
    finally:
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()


def children(parent: int) -> list[int]:
    """Processes that `parent` has started and that compute for it: Python's resource tracker does not."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            mine = int(path.read_text().rpartition(")")[2].split()[1]) == parent
            if mine and b"spawn_main" in (path.parent / "cmdline").read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue  # ended while we looked
    return found


def wait(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"validation montecarlo: {what} did not happen within {seconds:g} s.")
        time.sleep(0.01)


def benchmark(part: str, quick: bool) -> dict[str, Any]:
    """What `python -m benchmarks montecarlo` measures of a part, or why it `failed`. Quick: all parts at once, tiny."""
    found = _benchmark("--small") if quick else _benchmark("--only", part)
    return found if "failed" in found else dict(found[part])


@lru_cache(maxsize=8)
def _benchmark(*words: str) -> dict[str, Any]:
    with temporary() as folder:
        path = folder / "bench.json"
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", "montecarlo", "--json", str(path), *words],
            check=False,
            env=environment(),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            return {"failed": (done.stderr.strip() or "no message").splitlines()[-1]}
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found


def chunk_files(folder: Path) -> int:
    return len(list(folder.glob("checkpoint/*/*.chunk")))


def result_file(folder: Path) -> bytes:
    return (folder / "monte_carlo.nc").read_bytes()


# Dask's own bookkeeping takes 4 to 5 % of a busy core for each process: samples of the stack, ticks of the event loop
DASK = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "5s",
}


@contextmanager
def dask_cluster(folder: Path, workers: int = 2) -> Iterator[tuple[str, list[Process]]]:
    """A scheduler and workers of one thread, each a process: its address, and the workers. Without Dask's profiler."""
    shared = ["--host", LOOPBACK, "--no-dashboard"]
    start = [sys.executable, "-m"]
    where = folder / "scheduler.json"
    scheduler = [*start, "distributed.cli.dask_scheduler", "--port", "0", "--scheduler-file", str(where), *shared]
    with running(scheduler, folder / "dask.log", DASK):
        wait(lambda: where.exists() and bool(where.read_text()), "the scheduler")
        address = json.loads(where.read_text())["address"]
        worker = [
            *start,
            "distributed.cli.dask_worker",
            address,
            "--nthreads",
            "1",
            "--no-nanny",
            "--local-directory",
            str(folder),
            *shared,
        ]
        with ExitStack() as stack:
            yield address, [stack.enter_context(running(worker, folder / "dask.log", DASK)) for _ in range(workers)]
