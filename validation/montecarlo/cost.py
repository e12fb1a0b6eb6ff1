"""In bounded time and memory. A quick run measures the times but judges none: it runs on busy machines."""

import os
import resource
import subprocess
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from analogrnn.montecarlo.study import cpus
from validation.bounds import Bound
from validation.claims import Measured
from validation.montecarlo.bench import (
    NETWORK,
    TOPIC,
    chunk_files,
    environment,
    mc_command,
    run,
    running,
    temporary,
    wait,
)


@dataclass(frozen=True)
class _Cost:
    seconds: float  # by the clock
    cpu: float  # s of all threads
    bytes: float


@lru_cache(maxsize=1)
def _compile() -> None:
    """Fill the cache of the kernels, by a campaign that is too large to do without them."""
    with temporary() as folder:
        run([word for word in mc_command(folder, 64) if word not in ("--cell-size", "4um")])


@lru_cache(maxsize=8)
def _cost(chips: int) -> _Cost:
    """Of `analogrnn mc` on all test clips, mismatch and noise on, at the default size, file and pictures included."""
    _compile()  # it takes memory and time of its own
    with temporary() as folder, (folder / "log").open("wb") as log:
        command = [word for word in mc_command(folder, chips) if word not in ("--cell-size", "4um")]
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environment(), stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError((folder / "log").read_text())
        seconds = time.perf_counter() - started
        return _Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024.0)


@TOPIC.measure("cold-start", "Time to the first result on disk with an empty numba cache, compilation included.")
def cold_start(quick: bool) -> Measured:
    """Until the first chunk is on the disk, with an empty numba cache."""
    with temporary() as folder:
        cache = {"NUMBA_CACHE_DIR": str(folder / "numba")}
        started = time.perf_counter()
        with running(mc_command(folder / "out", 10000), folder / "log", cache) as process:
            wait(lambda: chunk_files(folder / "out") >= 1 or process.poll() is not None, "the first chunk")
            seconds = time.perf_counter() - started
            arrived = chunk_files(folder / "out") >= 1
            cpu = _cpu_of(process.pid)
    return Measured(
        seconds,
        "s",
        Bound() if quick else Bound.below(10.0),
        {"CPU time": f"{cpu:.1f} s"},
        also={"a chunk arrives": arrived},
    )


def _cpu_of(pid: int) -> float:
    """s of CPU that a running process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@TOPIC.measure("warm-start", "Time of `analogrnn mc` with a warm cache, least of several runs.")
def warm_start(quick: bool) -> Measured:
    """The least of three: what the command costs when nothing else wants the CPU."""
    with temporary() as folder:
        command = [word for word in mc_command(folder, 2) if word not in ("--out", str(folder))]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        runs = 1 if quick else 3
        seconds = min(run(command) for _ in range(runs))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / runs
    return Measured(
        seconds,
        "s",
        Bound() if quick else Bound.below(2.0),
        {"chips": 2, "clips": 300, "runs": runs, "CPU time": f"{cpu:.1f} s"},
    )


@TOPIC.measure("ten-thousand-chips", "Time of a campaign of 10,000 chips with mismatch and noise on all test clips.")
def ten_thousand_chips(quick: bool) -> Measured:
    chips = 1500 if quick else 10000
    cost = _cost(chips)
    seconds, cpu = cost.seconds * 10000 / chips, cost.cpu * 10000 / chips
    return Measured(
        seconds,
        "s",
        Bound() if quick else Bound.below(300.0),
        {"network": NETWORK, "clips": 300, "CPUs": cpus(), "CPU time": f"{cpu:.0f} s", "chips run": chips},
    )


@TOPIC.measure("memory", "Peak memory of a campaign of 100,000 chips; quick runs extrapolate.")
def memory(quick: bool) -> Measured:
    """Resident memory at its peak; quick runs go on from two shorter ones, linearly. Compiling would take more."""
    if quick:
        few, many = _cost(500), _cost(1500)
        peak, run_chips = many.bytes + max(0.0, many.bytes - few.bytes) / 1000 * 98500, "500 and 1,500"
    else:
        peak, run_chips = _cost(100000).bytes, "100,000"
    return Measured(peak / 1e9, "GB", Bound.below(2), {"network": NETWORK, "clips": 300, "chips run": run_chips})
