"""Monte Carlo: workloads A (a network on clips), B (the recurrence alone) and C (waveforms) against their peers."""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from analogrnn.kernels.simd.lanes import vector_bits
from analogrnn.kernels.waveform_lanes import in_order
from analogrnn.montecarlo.score import Variability, score_chips
from benchmarks import bound, ours, wave_peers, workloads
from benchmarks.cost import cost
from benchmarks.peers import CONTESTANTS, THREADS, Core, Runner, by_level, missing, shared_core

FULL = {"a": (1000, 300), "b": (48, 100, 784, 64), "c": (64, 10_000), "repeats": 3}
SMALL = {"a": (6, 40), "b": (8, 40, 48, 16), "c": (16, 400), "repeats": 1}
SLOW = 3.0  # a peer that needs so many times as long as the fastest peer is timed once: it can't become the best
# torch takes ten seconds to compile, so the small run leaves that contestant to its own test
SMALL_WITHOUT = ("torch compiled",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements here")
    parser.add_argument("--small", action="store_true", help="tiny workloads, in seconds: shows that it all still runs")
    parser.add_argument("--only", choices=("A", "B", "C", "cost", "memory"), help="one part alone")
    parser.add_argument("--chips", type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    if args.chips is not None:  # the child of `memory`
        return _count_memory(args.chips)
    size = SMALL if args.small else FULL
    skip = SMALL_WITHOUT if args.small else ()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "A": lambda: classify(size, skip),
        "B": lambda: recurrence(size, skip),
        "C": lambda: waves(size),
        "cost": lambda: cost(args.small),
        "memory": lambda: memory(args.small),
    }
    found: dict[str, Any] = {"machine": machine(), "small": args.small}
    print(described(found["machine"]))
    for name, part in parts.items():
        if args.only in (None, name):
            print(f"\n{part_title(name)}", flush=True)
            found[name] = part() | {"machine": found["machine"]}
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def part_title(name: str) -> str:
    return {
        "A": "A: spoken digits, d = 32, |k| <= 4, mismatch everywhere, noise; chips drawn, stepped and classified",
        "B": "B: the recurrence alone, 8 levels, with mismatch and noise",
        "C": "C: waveforms, nonlinear DPI",
        "cost": "cost of A",
        "memory": "peak memory of A",
    }[name]


def classify(size: dict[str, Any], skip: tuple[str, ...]) -> dict[str, Any]:
    """Workload A. The peers get the tables of all chips for nothing; drawing them is part of ours."""
    work = workloads.classify(*size["a"])
    own = ours.classes(work)
    tables = workloads.tables_of(work, work.chips)
    core = _classify_core(work, tables)
    # a peer works through the chips in batches, as its candidates of all chips would not fit in memory
    batch = max(1, min(work.chips, 50))

    def peer(build: Callable[[Core, bool], Runner]) -> Runner:
        # equal batches, so that compiled peers compile once
        parts = [slice(start, start + batch) for start in range(0, work.chips - work.chips % batch, batch)]
        runners = [build(core.part(part), True) for part in parts]

        def run_all(seed: int) -> np.ndarray:
            return np.concatenate(
                [
                    _read_out(tables, part, runner(seed + j))
                    for j, (part, runner) in enumerate(zip(parts, runners, strict=True))
                ]
            )

        return run_all

    contestants = {name: partial(peer, build) for name, build in CONTESTANTS.items() if name not in skip}
    answer = compete(own, contestants, work.cell_steps, size["repeats"], agree=_same_classes)
    return answer | {
        "chips": work.chips,
        "clips": work.x.shape[1],
        "seconds": work.cell_steps / answer["rates"]["ours"],
    }


def _classify_core(work: workloads.Classify, tables: dict[str, np.ndarray]) -> Core:
    up, down = by_level(tables["up"], tables["down"])
    x = np.ascontiguousarray(work.x.transpose(0, 2, 1), dtype=np.float32)
    return Core(
        up,
        down,
        tables["sigma"].astype(np.float32)[:, None],
        tables["start"],
        x.shape[2],
        None,
        x,
        tables["weight"].astype(np.float32),
        tables["bias"].astype(np.float32),
    )


def _read_out(tables: dict[str, np.ndarray], part: slice, stages_on: np.ndarray) -> np.ndarray:
    output = np.take_along_axis(tables["output"][part][:, None], stages_on[..., None], axis=3)[..., 0]
    return np.argmax(output @ tables["readout"][part].transpose(0, 2, 1) + tables["offset"][part][:, None], axis=2)


def recurrence(size: dict[str, Any], skip: tuple[str, ...]) -> dict[str, Any]:
    """Workload B, with the bound of the machine and the scaling over cores."""
    work = workloads.recurrence(*size["b"])
    core = shared_core(work)
    contestants = {name: partial(build, core, True) for name, build in CONTESTANTS.items() if name not in skip}
    answer = compete(ours.recurrence(work), contestants, work.cell_steps, size["repeats"], agree=_same_levels)
    one = ours.recurrence(work, threads=1)
    one(0)
    single = work.cell_steps / min(_timed(one, seed) for seed in range(size["repeats"]))
    peak = bound.operations_per_second(THREADS, 0.05 if size is SMALL else 1.0)
    # a core reads the four bytes of a candidate from memory once for all of its chips
    memory_rate = bound.bytes_per_second(THREADS) * (len(work.up) / THREADS) / 4.0 if size is FULL else float("inf")
    limit = min(peak / bound.OPERATIONS, memory_rate)
    rate = answer["rates"]["ours"]
    print(
        f"  one core {single / 1e6:.0f} M/s, two {rate / 1e6:.0f} M/s; {rate / limit:.0%} of the bound, "
        f"{limit / 1e6:.0f} M/s = {peak / 1e9:.0f} G lane operations/s / {bound.OPERATIONS:.1f}"
    )
    return answer | {
        "fraction_of_bound": rate / limit,
        "bound_cell_steps_per_second": limit,
        "operations_per_second": peak,
        "operations_per_cell_step": bound.OPERATIONS,
        "memory_bound_cell_steps_per_second": memory_rate if np.isfinite(memory_rate) else None,
        "one_core_cell_steps_per_second": single,
        "speedup_of_two_cores": rate / single,
    }


def waves(size: dict[str, Any]) -> dict[str, Any]:
    """Workload C: stage-steps a second, and the largest difference to the plain kernel that ngspice confirms."""
    work = workloads.waves(*size["c"])
    contestants = {name: partial(build, work) for name, build in wave_peers.CONTESTANTS.items()}
    answer = compete(
        ours.waves(work),
        contestants,
        work.stage_steps,
        4 * size["repeats"],
        agree=_same_waves,
        other_models=wave_peers.OTHER_MODELS,
    )
    difference = float(np.abs(in_order(ours.waves(work)(0)) - ours.plain_waves(work)(0)).max())
    unlike = int(np.count_nonzero(ours.stages_on(work) != ours.plain_stages_on(work)))
    print(f"  to the plain kernel: {difference:.1e} of a DPI's set value, {unlike} of {work.stage_steps} states unlike")
    rates, double = answer["rates"], ours.waves(work, kind=np.float64)
    double(0)
    in_double = work.stage_steps / min(_timed(double, seed) for seed in range(size["repeats"]))
    print(f"  ours in double precision {in_double / 1e6:.0f} M steps/s")
    ratio = rates["ours"] / rates["rockpool dynapsim"] if "rockpool dynapsim" in rates else None
    return answer | {
        "stage_steps_per_second": answer["cell_steps_per_second"],
        "ratio_to_dynapsim": ratio,
        "stage_steps_per_second_in_double_precision": in_double,
        "error_to_plain_kernel": difference,
        "states_unlike_plain_kernel": unlike,
        "error_to_ngspice": _ngspice_error(),
    }


def _ngspice_error() -> dict[str, Any] | None:
    """What validation measured of the plain kernel against ngspice."""
    path = Path(__file__).parent.parent / "validation" / "results" / "contract.json"
    rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    rows = rows if isinstance(rows, list) else rows.get("rows", [])
    row = next((r for r in rows if r.get("id") == "contract-waveform-error"), None)
    return {key: row[key] for key in ("claim", "value", "unit")} if row else None


def compete(
    own: Runner,
    contestants: Mapping[str, Callable[[], Runner]],
    steps: int,
    repeats: int,
    *,
    agree: Callable[[np.ndarray, np.ndarray], str],
    other_models: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Time all in turn, `repeats` times each, and keep the best of each. A peer that is not installed is named.

    A peer far slower than the fastest in the first turn is not timed again. All but `other_models`, which maps a peer
    to what it is instead, must find what ours finds.
    """
    runners, absent, checks = {"ours": own}, {}, {}
    reference = own(1)  # the seed of the chips whose tables the peers are given
    for name, build in contestants.items():
        package = missing(name)
        if package is not None:
            absent[name] = f"{package} is not installed"
            continue
        runners[name] = build()
        checks[name] = other_models.get(name) or agree(reference, runners[name](2))
    seconds = {name: _timed(runner, 10) for name, runner in runners.items()}
    limit = SLOW * min(s for name, s in seconds.items() if name != "ours")
    again = [name for name, s in seconds.items() if s <= limit]
    for repeat in range(1, repeats):
        for name in again:
            seconds[name] = min(seconds[name], _timed(runners[name], 10 + repeat))
    rates = {name: steps / s for name, s in seconds.items()}
    peers = {name: rate for name, rate in rates.items() if name != "ours"}
    best = max(peers, key=lambda name: peers[name])
    for name, rate in rates.items():
        print(
            f"  {name:17} {rate / 1e6:10.1f} M steps/s   ours / it {rates['ours'] / rate:7.1f}   {checks.get(name, '')}"
        )
    for name, reason in absent.items():
        print(f"  {name:17} not measured: {reason}")
    return {
        "cell_steps_per_second": rates["ours"],
        "best_peer": best,
        "ratio_to_best_peer": rates["ours"] / peers[best],
        "ratio_to_numpy": rates["ours"] / rates["numpy"],
        "rates": rates,
        "checks": checks,
        "missing": absent,
        "best_of": {name: repeats if name in again else 1 for name in runners},
    }


def _timed(runner: Runner, seed: int) -> float:
    """Seconds of a run; of short ones the best of as many as fit a tenth of a second, as the first has to wake up."""
    begin, best = time.perf_counter(), float("inf")
    while True:
        start = time.perf_counter()
        runner(seed)
        end = time.perf_counter()
        best = min(best, end - start)
        if end - begin > 0.1:
            return best


def _same_levels(reference: np.ndarray, other: np.ndarray) -> str:
    """The mean level differs by this many standard errors; noises are independent, tables and candidates the same."""
    difference = (reference - other).astype(float)
    error = difference.std() / np.sqrt(difference.size)
    return _verdict(abs(difference.mean()) / error if error else 0.0)


def _same_classes(reference: np.ndarray, other: np.ndarray) -> str:
    """Means of class indices, chip by chip; the last chips of an unfinished batch are left out."""
    return _same_levels(reference[: len(other)], other)


def _same_waves(reference: np.ndarray, other: np.ndarray) -> str:
    """The part of all DPI outputs within 1e-3 of ours: an edge on a rounding of float32 moves by one point."""
    share = float(np.mean(np.abs(in_order(reference) - other) < 1e-3))
    if share < 0.99:
        raise SystemExit(f"a peer computes something else: only {share:.1%} of its outputs are ours")
    return f"{share:.2%} of outputs alike"


def _verdict(deviation: float) -> str:
    if deviation > 5.0:
        raise SystemExit(f"a peer computes something else: its mean is {deviation:.1f} standard errors off")
    return f"mean within {deviation:.1f} standard errors"


def memory(small: bool) -> dict[str, Any]:
    """Peak resident memory of campaigns of very different lengths, each in a process of its own."""
    found = {}
    for chips in (50, 500) if small else (1_000, 10_000, 100_000):
        child = [sys.executable, "-m", "benchmarks", "montecarlo", "--chips", str(chips)]
        answer = json.loads(subprocess.run(child, check=True, capture_output=True, text=True).stdout)
        print(f"  {chips:7} chips x 8 clips: {answer['megabytes']:.0f} MB, {answer['seconds']:.1f} s")
        found[str(chips)] = answer
    return found


def _count_memory(chips: int) -> int:
    work = workloads.classify(chips, 8)
    start = time.perf_counter()
    score_chips(work.design, work.x, range(chips), Variability(), threads=THREADS)
    seconds = time.perf_counter() - start
    # not getrusage: that remembers the parent's memory from before the new program was loaded
    used = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    print(json.dumps({"megabytes": int(used[1]) / 1024.0 if used else None, "seconds": seconds}))
    return 0


def machine() -> dict[str, Any]:
    return {
        "cpu": _cpu_name(),
        "vector_bits": vector_bits(),
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "load": os.getloadavg()[0],
    }


def described(found: dict[str, Any]) -> str:
    """The machine in one line: a rate means nothing without it."""
    return f"{found['cpu']}, {found['cores']} cores, vectors of {found['vector_bits']} bits, load {found['load']:.1f}"


def _cpu_name() -> str:
    """As Linux names it; elsewhere the kind of processor."""
    path = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*:\s*(.+)", path.read_text(encoding="utf-8")) if path.is_file() else []
    return names[0].strip() if names else platform.processor() or platform.machine()
