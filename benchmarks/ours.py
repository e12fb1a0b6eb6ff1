"""Ours on the three workloads, with the same arrays and shape of results as the peers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from analogrnn.kernels.noisy_ladder import campaign_work, ladder_campaign
from analogrnn.kernels.simd.lanes import aligned
from analogrnn.kernels.waveform import ladder_waveform
from analogrnn.kernels.waveform_lanes import LONGEST, ladders_waveform, rise_polynomials, side_by_side
from analogrnn.montecarlo.score import Variability, score_chips
from analogrnn.simulate.steps import noise_keys
from benchmarks.peers import Runner
from benchmarks.workloads import Classify, Recurrence, Waves


def classes(work: Classify, *, noisy: bool = True, threads: int = 2) -> Runner:
    """Workload A through `score_chips`: chips drawn, stepped, read out and classified. (C, S)."""

    def run(seed: int) -> np.ndarray:
        return score_chips(work.design, work.x, range(work.chips), Variability(seed, noisy), threads=threads)

    return run


def recurrence(work: Recurrence, *, noisy: bool = True, threads: int = 2) -> Runner:
    """Workload B: stages ON (C, S, d) after the last step; chips split over the threads."""
    steps, samples, cells = work.candidates.shape
    width = -(-samples // 16) * 16
    lanes = aligned((1, cells, steps, width), np.float32)
    lanes[0, :, :, :samples] = work.candidates.transpose(2, 0, 1)
    reach = np.abs(work.candidates).max(axis=(0, 1))
    chips = len(work.up)
    pieces = np.array_split(np.arange(chips), min(threads, chips))

    def piece(part: np.ndarray, seed: int) -> np.ndarray:
        last = np.empty((len(part), samples, cells), dtype=np.int16)
        ladder_campaign(
            lanes,
            work.candidates,
            True,
            (np.zeros((len(part), cells, 0)), np.zeros((len(part), cells))),
            (work.up[part], work.down[part]),
            (work.sigma, np.zeros((0, cells)), reach),
            np.array([True, False, noisy]),
            noise_keys(seed, "cell"),
            part.astype(np.uint64),
            campaign_work(lanes, cells, noisy, shared=True),
            last,
            np.empty((0, 0, 0, 0), dtype=np.int16),
            np.zeros(len(part), dtype=np.bool_),
        )
        return last

    def run(seed: int) -> np.ndarray:
        with ThreadPoolExecutor(threads) as pool:
            return np.concatenate(list(pool.map(lambda part: piece(part, seed), pieces)))

    return run


def waves(work: Waves, *, kind: Any = np.float32, threads: int = 2) -> Runner:
    """Workload C: DPI outputs in sets of ladders (C/W, P, N, W), float32; sets split over the threads.

    In lanes of single precision, as all peers but one, or of double. Like the NumPy and numba peers, it writes to an
    array that is made once: new pages would take half of the time.
    """
    step, sets = _wave_lanes(work, kind)
    width = work.line.shape[1] // sets
    ends = np.linspace(0, sets, threads + 1).astype(np.int64)
    on = np.empty((0, work.stage.shape[1], work.line.shape[1] // 8), dtype=np.uint8)
    d = aligned((sets, len(work.line), work.stage.shape[1], width), np.float32)
    pool = ThreadPoolExecutor(threads)

    def run(_: int) -> np.ndarray:
        others = [pool.submit(step, ends[j : j + 2], on, d) for j in range(1, threads)]
        step(ends[:2], on, d)
        for other in others:
            other.result()
        return d

    return run


def stages_on(work: Waves, kind: Any = np.float32) -> np.ndarray:
    """Workload C: which stages are ON (P, N, C), bool, at every point."""
    points, (_, stages, cells) = len(work.line), work.stage.shape
    on = np.empty((points, stages, cells // 8), dtype=np.uint8)
    step, sets = _wave_lanes(work, kind)
    step(np.array([0, sets]), on, np.empty((sets, 0, stages, cells // sets), dtype=np.float32))
    return np.unpackbits(on, axis=2, bitorder="little").astype(bool)


def _wave_lanes(work: Waves, kind: Any) -> tuple[Callable[[np.ndarray, np.ndarray, np.ndarray], None], int]:
    """A function of (part, on, d) that runs a part of the sets of ladders from rest, and the number of sets."""
    points, cells = work.line.shape
    h, place = work.dt / work.tau, np.arange(points)
    count = np.array([max(1, int(np.ceil(h * (work.ratio - 1.0) / LONGEST)))])
    line, follow = work.line.astype(kind), np.full((1, cells), -np.expm1(-work.dt / work.t_in), dtype=kind)
    rise, fade = rise_polynomials(h / count, work.ratio), np.exp([-h])
    kinds, scalars = np.zeros(points, dtype=np.int64), np.array([work.ratio, work.floor, 0.0])
    state = np.zeros((3, *work.stage.shape[1:]))
    state[1] = work.floor
    rest, ladders = (side_by_side(work.stage, state, kind) for _ in range(2))

    def step(part: np.ndarray, on: np.ndarray, d: np.ndarray) -> None:
        own = slice(*part)
        ladders[own] = rest[own]
        ladders_waveform(line, place, kinds, follow, fade, count, rise, scalars, part, ladders, place, on, d)

    return step, len(ladders)


def plain_waves(work: Waves) -> Runner:
    """The plain numba loop: `ladder_waveform`, ladder after ladder, on both cores. Doubles (P, N, C)."""
    run = _plain_waves(work)
    return lambda _: run()[1]


def plain_stages_on(work: Waves) -> np.ndarray:
    """The plain numba loop: which stages are ON (P, N, C), bool, at every point."""
    return _plain_waves(work)()[0].astype(bool)


def _plain_waves(work: Waves) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    points, (_, stages, cells) = len(work.line), work.stage.shape
    scalars = np.array([work.t_in, work.tau, work.ratio, work.floor, 0.0])
    on, d, i_in = (np.empty((cells, points, stages), kind) for kind in (np.uint8, float, float))

    def one(c: int) -> None:
        state = np.zeros((3, stages))
        state[1] = work.floor
        ladder_waveform(
            np.ascontiguousarray(work.line[:, c]),
            np.zeros(points),
            np.full(points, work.dt),
            np.ascontiguousarray(work.stage[:, :, c]),
            scalars,
            state,
            on[c],
            d[c],
            i_in[c],
        )

    def run() -> tuple[np.ndarray, np.ndarray]:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, range(cells)))
        return on.transpose(1, 2, 0), d.transpose(1, 2, 0)

    return run
