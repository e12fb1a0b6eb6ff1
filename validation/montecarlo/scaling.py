"""What campaigns cost as a function of chips, clips, steps and cells, and how they scale over cores and Dask workers.

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
from validation.bounds import Bound
from validation.claims import Measured
from validation.montecarlo.bench import NETWORK, TOPIC, benchmark, dask_cluster, study_of, temporary

AXES = {
    "chips": {"d": 32, "clips": 300, "steps": 32},
    "clips": {"d": 32, "steps": 32},
    "steps": {"d": 32, "clips": 300},
    "cells": {"clips": 300, "steps": 32},
}


def _exponent(axis: str) -> None:
    @TOPIC.measure(
        f"scaling-{axis}",
        f"CPU time of one thread is proportional to the number of {axis}, mismatch and noise on: exponent.",
    )
    def exponent(quick: bool) -> Measured:
        found = benchmark("cost", quick)
        off = 0.4 if quick else 0.1
        bound = Bound.near(1.0, off)
        if "failed" in found:
            return Measured(math.nan, "exponent", bound, {"failure": f"the benchmark failed: {found['failed']}"})
        value, seconds = float(found[axis]["exponent"]), found[axis]["cpu_seconds"]
        sizes = [int(size) for size in seconds]
        return Measured(
            value,
            "exponent",
            bound,
            {
                axis: f"{sizes[2]:,} to {sizes[-1]:,}",
                **AXES[axis],
                "longest run": f"{seconds[str(sizes[-1])]:.2f} s",
                "exponent of small campaigns, with the fixed cost": f"{found[axis]['exponent_of_small']:.2f}",
                f"{axis} of small campaigns": f"{sizes[0]} to {sizes[1]}",
            },
        )


for _axis in AXES:
    _exponent(_axis)


@TOPIC.measure("scaling-cores", "Speed of two threads of one process over one thread.")
def cores(quick: bool) -> Measured:
    found, least = benchmark("cost", quick), 0.5 if quick else 1.8
    if "failed" in found:
        return Measured(0.0, "-fold", Bound.at_least(least), {"failure": f"the benchmark failed: {found['failed']}"})
    found = found["cores"]
    seconds = {f"{count} thread{'s' * (count != '1')}": f"{value:.2f} s" for count, value in found["seconds"].items()}
    return Measured(
        found["speedup"], "-fold", Bound.at_least(least), {"chips": found["chips"], "d": 32, "clips": 300, **seconds}
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
    one, two, both = least
    return _Times(chips, one, two, both, differ)


def _run(chips: int, workers: Workers) -> tuple[float, np.ndarray]:
    """Seconds from the first chunk handed out to the last one on the disk, as `analogrnn mc` keeps it; classes."""
    study = study_of(chips)
    with temporary() as folder, Checkpoint(folder) as checkpoint:
        started = time.perf_counter()
        (found,) = run_studies([study], Options(workers, checkpoint))
        return time.perf_counter() - started, found.classes


@TOPIC.measure("scaling-dask", "Speed of a Dask scheduler with two workers of one thread over one worker.")
def dask(quick: bool) -> Measured:
    times, least = _campaigns(quick), 0.5 if quick else 1.8
    value = times.one / times.two
    return Measured(
        value,
        "-fold",
        Bound.at_least(least),
        {
            "network": NETWORK,
            "chips": times.chips,
            "clips": 300,
            "one worker": f"{times.one:.1f} s",
            "two workers": f"{times.two:.1f} s",
            "answers that differ": times.differ,
        },
        also={"the same answers": times.differ == 0},
    )


@TOPIC.measure(
    "scaling-dask-overhead",
    "Overhead of two Dask workers over two processes of this machine on the same campaign, all started before.",
)
def dask_overhead(quick: bool) -> Measured:
    times, most = _campaigns(quick), 3.0 if quick else 0.1
    value = times.two / times.pool - 1.0
    return Measured(
        value,
        "of the time",
        Bound.below(most),
        {"Dask workers": f"{times.two:.1f} s", "processes": f"{times.pool:.1f} s"},
    )
