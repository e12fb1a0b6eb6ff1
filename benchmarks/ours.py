"""Ours on the three workloads, with the same arrays and shape of results as the peers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from analogrnn.kernels.noisy_ladder import byte_ends, campaign_work, ladder_campaign
from analogrnn.kernels.waveform import ladder_waveform, ladders_waveform
from analogrnn.score import Variability, score_chips
from analogrnn.simulate.campaign import Lanes
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
    tiles = Lanes.of(work.candidates).tiles[:, :, :cells].transpose(0, 2, 1, 3)
    lanes = np.zeros((len(tiles), cells, -(-steps // 4) * 4, tiles.shape[3]), dtype=np.float32)
    lanes[:, :, :steps] = tiles
    reach, ends = np.abs(work.candidates).max(axis=(0, 1)), np.zeros((2, 256))
    if noisy:
        byte_ends(ends)
    chips = len(work.up)
    pieces = np.array_split(np.arange(chips), min(threads, chips))

    def piece(part: np.ndarray, seed: int) -> np.ndarray:
        last = np.empty((len(part), samples, cells), dtype=np.int16)
        ladder_campaign(
            lanes, work.candidates, True, (np.zeros((len(part), cells, 0)), np.zeros((len(part), cells))),
            (work.up[part], work.down[part]), (work.sigma, np.zeros((0, cells)), reach),
            np.array([True, False, noisy]), noise_keys(seed, "cell"), part.astype(np.uint64), ends,
            campaign_work(steps, lanes.shape[3], 0, noisy), last, np.empty((0, 0, 0, 0), dtype=np.int16),
            np.zeros(len(part), dtype=np.bool_),
        )  # fmt: skip
        return last

    def run(seed: int) -> np.ndarray:
        with ThreadPoolExecutor(threads) as pool:
            return np.concatenate(list(pool.map(lambda part: piece(part, seed), pieces)))

    return run


def waves(work: Waves, *, threads: int = 2) -> Runner:
    """Workload C: DPI outputs (P, N, C), float64, at every point; ladders split over the threads."""
    points, cells = work.line.shape
    stages = work.stage.shape[1]
    count = np.array([max(1, int(np.ceil(work.dt * (work.ratio - 1.0) / work.tau / 0.25)))])
    pieces = [slice(int(p[0]), int(p[-1]) + 1) for p in np.array_split(np.arange(cells), threads)]

    def piece(part: slice) -> np.ndarray:
        line, stage = np.ascontiguousarray(work.line[:, part]), np.ascontiguousarray(work.stage[:, :, part])
        width = line.shape[1]
        state = np.zeros((3, stages, width))
        state[1] = work.floor
        on, d = np.empty((points, stages, width), dtype=np.uint8), np.empty((points, stages, width))
        ladders_waveform(
            line, np.zeros(points, dtype=np.int64), np.full((1, width), -np.expm1(-work.dt / work.t_in)),
            np.exp([-work.dt / work.tau]), work.dt / work.tau / count, count, stage,
            np.array([work.ratio, work.floor, 0.0]), state, np.arange(points), on, d,
        )  # fmt: skip
        return d

    def run(_: int) -> np.ndarray:
        with ThreadPoolExecutor(threads) as pool:
            return np.concatenate(list(pool.map(piece, pieces)), axis=2)

    return run


def plain_waves(work: Waves) -> Runner:
    """The plain numba loop: `ladder_waveform`, ladder after ladder, on both cores."""
    points, cells = work.line.shape
    stages = work.stage.shape[1]
    scalars = np.array([work.t_in, work.tau, work.ratio, work.floor, 0.0])

    def one(c: int) -> np.ndarray:
        state = np.zeros((3, stages))
        state[1] = work.floor
        on, d, i_in = (np.empty((points, stages), kind) for kind in (np.uint8, float, float))
        ladder_waveform(np.ascontiguousarray(work.line[:, c]), np.zeros(points), np.full(points, work.dt),
                        np.ascontiguousarray(work.stage[:, :, c]), scalars, state, on, d, i_in)  # fmt: skip
        return d

    def run(_: int) -> np.ndarray:
        with ThreadPoolExecutor(2) as pool:
            return np.stack(list(pool.map(one, range(cells))), axis=2)

    return run
