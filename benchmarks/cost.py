"""What campaigns cost: CPU time against chips, clips, steps and cells, and the clock over cores.

Each axis is measured at five sizes: three within a factor of four, which give the exponent, and two small ones, where
what a call costs at least shows. The work is chosen by time, so that a faster kernel gets more of it. One thread, all
sizes in turn, the least time of each.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analogrnn.library import network_path
from analogrnn.mapping import map_network
from analogrnn.network import Cmru, Linear
from analogrnn.network.files import load
from analogrnn.technology import load_technology
from benchmarks import ours, workloads
from benchmarks.peers import THREADS
from benchmarks.workloads import Classify

CLIPS, FRAMES, CELLS = 300, 32, 32
JUDGED = 3  # the largest sizes of each axis
# its threads would wait for each other on our clock, and a readout of many clips is large enough for them
ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Effort:
    """s of CPU that the largest size of an axis takes, how often each size is run, and the least number of chips."""

    seconds: float
    repeats: int
    batch: int


# `score_chips` takes 16 to 64 chips at once: fewer cost no less, so the axis of chips ends at 256 at least
FULL, SMALL = Effort(1.0, 5, 32), Effort(0.1, 3, 4)
Make = Callable[[int], Classify]


def cost(small: bool) -> dict[str, Any]:
    """CPU time of A against each size, with its exponent, and the clock's time on one core and on two."""
    child = [sys.executable, "-m", "benchmarks.cost", *(["--small"] if small else [])]
    done = subprocess.run(child, check=True, env=os.environ | ONE_BLAS_THREAD, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(effort: Effort) -> dict[str, Any]:
    """`cost` in a process whose BLAS has one thread."""
    chips = max(256, chips_of(workloads.classify(1, CLIPS, FRAMES), effort))
    axes: dict[str, tuple[list[int], Make]] = {
        "chips": ([chips // n for n in (32, 16, 4, 2, 1)], lambda n: workloads.classify(n, CLIPS, FRAMES)),
        "clips": ([CLIPS * n // 4 for n in (1, 4, 16, 32, 64)], lambda n: workloads.classify(1, n, FRAMES)),
        "steps": ([FRAMES * n // 4 for n in (1, 4, 16, 32, 64)], lambda n: workloads.classify(1, CLIPS, n)),
        "cells": ([CELLS * n // 4 for n in (1, 2, 8, 16, 32)], wide),
    }
    found = {name: _axis(name, sizes, make, effort) for name, (sizes, make) in axes.items()}
    return found | {"cores": _cores(effort)}


def wide(cells: int) -> Classify:
    """Workload A with the shipped network's ladders repeated, or the first of them."""
    network = load(network_path("digits_d32_k4"))
    cell, *others, readout = network.layers
    assert isinstance(cell, Cmru)
    assert isinstance(readout, Linear)
    take = np.arange(cells) % len(cell.threshold)
    assert cell.initial is not None
    repeated = replace(
        cell,
        weight=cell.weight[take],
        bias=cell.bias[take],
        threshold=cell.threshold[take],
        alpha=cell.alpha[take],
        initial=cell.initial[take],
    )
    layers = (repeated, *others, replace(readout, weight=readout.weight[:, take] * CELLS / cells))
    work = workloads.classify(1, CLIPS, FRAMES)
    return replace(work, design=map_network(replace(network, layers=layers), load_technology()))


def chips_of(work: Classify, effort: Effort) -> int:
    """How many chips take this much CPU: a multiple of the least number."""
    chips = effort.batch
    _cpu(replace(work, chips=chips), 0)  # compiles
    while (took := _cpu(replace(work, chips=chips), 0)) < effort.seconds / 4.0:
        chips *= 2
    return effort.batch * max(1, round(chips * effort.seconds / took / effort.batch))


def _axis(name: str, sizes: list[int], make: Make, effort: Effort) -> dict[str, Any]:
    works = {n: make(n) for n in sizes}
    if name != "chips":
        chips = chips_of(works[sizes[-1]], effort)
        works = {n: replace(work, chips=chips) for n, work in works.items()}
    least = dict.fromkeys(sizes, float("inf"))
    for seed in range(effort.repeats):
        for n, work in works.items():
            least[n] = min(least[n], _cpu(work, seed))
    large, few = _exponent(least, sizes[-JUDGED:]), _exponent(least, sizes[:-JUDGED])
    print(
        f"  {name:7} {'  '.join(f'{n}: {1e3 * t:.1f} ms' for n, t in least.items())}   exponent {large:.3f} "
        f"(of the two smallest {few:.2f})",
        file=sys.stderr,
    )
    return {
        "cpu_seconds": {str(n): t for n, t in least.items()},
        "exponent": large,
        "exponent_of_small": few,
        "chips": [work.chips for work in works.values()],
    }


def _exponent(least: dict[int, float], sizes: list[int]) -> float:
    """Of the power law through the times of these sizes."""
    return float(np.polyfit(np.log(sizes), np.log([least[n] for n in sizes]), 1)[0])


def _cpu(work: Classify, seed: int) -> float:
    """s of this thread, which a busy machine does not lengthen."""
    start = time.thread_time()
    ours.classes(work, threads=1)(seed)
    return time.thread_time() - start


def _cores(effort: Effort) -> dict[str, Any]:
    """By the clock, with one thread and with two, in turn."""
    work = workloads.classify(1, CLIPS, FRAMES)
    work = replace(work, chips=2 * chips_of(work, effort))
    least = dict.fromkeys((1, THREADS), float("inf"))
    for seed in range(effort.repeats):
        for threads in least:
            start = time.perf_counter()
            ours.classes(work, threads=threads)(seed)
            least[threads] = min(least[threads], time.perf_counter() - start)
    speedup = least[1] / least[THREADS]
    print(
        f"  cores   {'  '.join(f'{n}: {1e3 * t:.1f} ms' for n, t in least.items())}   {speedup:.3f} times as fast",
        file=sys.stderr,
    )
    return {"seconds": {str(n): t for n, t in least.items()}, "speedup": speedup, "chips": work.chips}


if __name__ == "__main__":
    print(json.dumps(measure(SMALL if "--small" in sys.argv else FULL)))
