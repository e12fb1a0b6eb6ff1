"""What campaigns cost against chips, clips, steps and cells, and how they scale over cores and Dask workers.

./run validate montecarlo --only scaling        # on a machine that does nothing else; about two minutes
"""

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analogrnn.campaign import Checkpoint, Options, Workers, processes, using
from analogrnn.campaign import dask_cluster as cluster_of
from analogrnn.montecarlo import run_studies
from validation.claims import Measured
from validation.montecarlo.bench import NETWORK, TOPIC, benchmark, dask_cluster, study_of, temporary

AXES = {
    "chips": "chips of d = 32, 300 clips, 32 steps",
    "clips": "clips of 32 steps, d = 32",
    "steps": "steps, 300 clips, d = 32",
    "cells": "cells, 300 clips, 32 steps",
}


def _exponent(axis: str) -> None:
    @TOPIC.measure(f"scaling-{axis}")
    def exponent(quick: bool) -> Measured:
        found = benchmark("cost", quick)
        off = 0.4 if quick else 0.1
        bound = f"1 +- {off:g}"
        if "failed" in found:
            return Measured(math.nan, "exponent", bound, False, f"the benchmark failed: {found['failed']}")
        value, seconds = float(found[axis]["exponent"]), found[axis]["cpu_seconds"]
        sizes = [int(size) for size in seconds]
        return Measured(
            value,
            "exponent",
            bound,
            abs(value - 1.0) <= off,
            f"CPU time of one thread against {sizes[2]:,} to {sizes[-1]:,} {AXES[axis]}, mismatch and "
            f"noise on ({seconds[str(sizes[-1])]:.2f} s; with a fixed cost the exponent is "
            f"{found[axis]['exponent_of_small']:.2f} from {sizes[0]} to {sizes[1]})",
        )


for _axis in AXES:
    _exponent(_axis)


@TOPIC.measure("scaling-cores")
def cores(quick: bool) -> Measured:
    found, least = benchmark("cost", quick), 0.5 if quick else 1.8
    if "failed" in found:
        return Measured(0.0, "x", f">= {least:g}", False, f"the benchmark failed: {found['failed']}")
    found = found["cores"]
    seconds = ", ".join(f"{count} threads {value:.2f} s" for count, value in found["seconds"].items())
    return Measured(
        found["speedup"],
        "x",
        f">= {least:g}",
        found["speedup"] >= least,
        f"{found['chips']:,} chips of d = 32, 300 clips, two threads of one process over one ({seconds})",
    )


@dataclass(frozen=True)
class _Times:
    """The same campaign three ways, by the clock, least of each. The workers have read their kernels before."""

    chips: int
    one: float  # s, one Dask worker
    two: float  # two of them
    pool: float  # two processes of this machine
    differ: int  # answers that are not those of the first run


@lru_cache(maxsize=2)
def _campaigns(quick: bool) -> _Times:
    seconds, repeats = (0.3, 1) if quick else (13.0, 2)
    with ExitStack() as stack:
        addresses = [stack.enter_context(dask_cluster(stack.enter_context(temporary()), n))[0] for n in (1, 2)]
        pool = stack.enter_context(processes(2).open())
        ways = [*(cluster_of(address) for address in addresses), using(pool.executor, window=pool.window())]
        for way in ways:
            _run(128, way)
        chips = 512
        while (took := _run(chips, ways[0])[0]) < 0.8 * seconds:
            chips = round(chips * min(8.0, max(1.5, seconds / took)))
        least, differ, expected = [math.inf] * len(ways), 0, None
        for _ in range(repeats):
            for n, way in enumerate(ways):
                took, classes = _run(chips, way)
                expected = classes if expected is None else expected
                least[n] = min(least[n], took)
                differ += int((classes != expected).sum())
    return _Times(chips, *least, differ)


def _run(chips: int, workers: Workers) -> tuple[float, np.ndarray]:
    """Seconds from the first chunk handed out to the last one on the disk, as `analogrnn mc` keeps it; classes."""
    study = study_of(chips)
    with temporary() as folder, Checkpoint(folder) as checkpoint:
        started = time.perf_counter()
        (found,) = run_studies([study], Options(workers, checkpoint))
        return time.perf_counter() - started, found.classes


@TOPIC.measure("scaling-dask")
def dask(quick: bool) -> Measured:
    times, least = _campaigns(quick), 0.5 if quick else 1.8
    value = times.one / times.two
    return Measured(
        value,
        "x",
        f">= {least:g}",
        value >= least and times.differ == 0,
        f"{times.chips:,} chips of {NETWORK}, 300 clips, on a Dask scheduler with two workers of one "
        f"thread over one ({times.one:.1f} s and {times.two:.1f} s by the clock); {times.differ} answers "
        "differ",
    )


@TOPIC.measure("scaling-dask-overhead")
def dask_overhead(quick: bool) -> Measured:
    times, most = _campaigns(quick), 3.0 if quick else 0.1
    value = times.two / times.pool - 1.0
    return Measured(
        value,
        "of the time",
        f"< {most:g}",
        value < most,
        f"the same campaign on two Dask workers ({times.two:.1f} s) against two processes of this machine "
        f"({times.pool:.1f} s), all started before",
    )
