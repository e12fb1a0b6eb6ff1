"""Classes and scores that manufactured chips give to a test set: the functions that a Monte Carlo campaign calls.

A chip's answers depend on the design, the clips, its own number and the seed alone: never on which other chips are
scored with it, in which order, or by how many workers.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from analogrnn.chip import ChipFactory, nominal_chip
from analogrnn.design import Design
from analogrnn.errors import ParameterError, in_range
from analogrnn.hybrid import HybridDesign, simulate_hybrid
from analogrnn.simulate import StepRun, simulate
from analogrnn.streams import chip_number

# chips drawn and stepped at once, the least and the most: tables of some ten megabytes, whatever the number of chips
_LEAST, _MOST = 16, 64
LITTLE = 2_000_000  # cell-steps that numpy takes less time for than the vector kernels take to load


@dataclass(frozen=True)
class Variability:
    """What varies. `scale` multiplies all mismatch (0 = none); `noise` adds each cell's noise to its candidates.

    >>> variability = ar.Variability(seed=1, noise=False)
    """

    seed: int = 1
    noise: bool = True
    scale: float = 1.0

    def __post_init__(self) -> None:
        in_range("Variability.scale", self.scale, 0.0, 100.0)


def score_chips(
    design: Design | HybridDesign, x: np.ndarray, chips: Sequence[int], variability: Variability, *, threads: int = 1
) -> np.ndarray:
    """Predicted classes (len(chips), S), int16, of the chips with these numbers on encoded clips x (T, S, D).

    Raises ParameterError if the design has no pooling, no chip is named, or x doesn't fit the design.
    """
    design.check_pooling()
    if len(chips) == 0:
        raise ParameterError("score_chips.chips names no chip; give at least one chip number.")
    workers = int(in_range("score_chips.threads", threads, 1, 1024))
    numbers = _numbers("score_chips.chips", chips)
    if isinstance(design, HybridDesign):
        classes = reduce_chips(design, x, chips, variability, lambda out: np.argmax(out, axis=-1), threads=threads)
        return classes.astype(np.int16)
    if not variability.noise and variability.scale == 0.0:  # every chip is the nominal one
        nominal = simulate(nominal_chip(design), x).classes.astype(np.int16)
        return np.repeat(nominal[None], len(numbers), axis=0)
    if _is_little(design, x, len(numbers)):
        return np.stack([run.classes for run in _simulated(design, x, numbers, variability)]).astype(np.int16)
    from analogrnn.simulate.chip_batch import ChipBatch  # noqa: PLC0415 (numba costs half a second)

    campaign = ChipBatch(design, x, variability.seed, variability.noise, variability.scale)
    return _in_batches(campaign.classes, numbers, workers).astype(np.int16)


def reduce_chips(
    design: Design | HybridDesign,
    x: np.ndarray,
    chips: Sequence[int],
    variability: Variability,
    reduce: Callable[[np.ndarray], np.ndarray],
    *,
    threads: int = 1,
) -> np.ndarray:
    """`reduce(outputs)` of each chip, stacked: (len(chips), ...). Outputs are (S, O), or (T, S, O) without pooling.

    Only the outputs of one chip per thread are in memory at the same time. For the classes of clips of a network with
    pooling, `score_chips` is faster. Raises ParameterError if no chip is named, or x doesn't fit the design.
    """
    if len(chips) == 0:
        raise ParameterError("reduce_chips.chips names no chip; give at least one chip number.")
    workers = int(in_range("reduce_chips.threads", threads, 1, 1024))
    numbers = _numbers("reduce_chips.chips", chips)
    if isinstance(design, HybridDesign):
        return _of_hybrid(design, x, numbers, variability, reduce, workers)
    if not variability.noise and variability.scale == 0.0:  # every chip is the nominal one
        nominal = reduce(simulate(nominal_chip(design), x).logits)
        return np.repeat(nominal[None], len(numbers), axis=0)
    if _is_little(design, x, len(numbers)):
        return np.stack([reduce(run.logits) for run in _simulated(design, x, numbers, variability)])
    from analogrnn.simulate.chip_batch import ChipBatch  # noqa: PLC0415 (numba costs half a second)

    campaign = ChipBatch(design, x, variability.seed, variability.noise, variability.scale)

    def some(batch: np.ndarray) -> np.ndarray:
        return np.stack([reduce(outputs) for outputs in campaign.outputs(batch)])

    return _in_batches(some, numbers, workers)


def _of_hybrid(
    design: HybridDesign,
    x: np.ndarray,
    numbers: np.ndarray,
    variability: Variability,
    reduce: Callable[[np.ndarray], np.ndarray],
    workers: int,
) -> np.ndarray:
    """`reduce_chips` of a hybrid network: each chip as its simulation runs it."""
    noise_seed = variability.seed if variability.noise else None
    if not variability.noise and variability.scale == 0.0:  # every chip is the nominal one
        nominal = reduce(simulate_hybrid(design, x, None).logits)
        return np.repeat(nominal[None], len(numbers), axis=0)
    factories = [ChipFactory(part, variability.seed, variability.scale) for part in design.designs]

    def some(batch: np.ndarray) -> np.ndarray:
        chips = [tuple(factory.chip(int(number)) for factory in factories) for number in batch]
        return np.stack([reduce(simulate_hybrid(design, x, one, noise_seed=noise_seed).logits) for one in chips])

    return _in_batches(some, numbers, workers, least=1)


def _numbers(owner: str, chips: Sequence[int]) -> np.ndarray:
    return np.array([chip_number(owner, n) for n in chips], dtype=np.uint64)


def _is_little(design: Design, x: np.ndarray, chips: int) -> bool:
    """Whether numpy is done before the vector kernels are loaded."""
    cells = sum(ladder.width for ladder in design.ladders)
    return chips * int(np.prod(np.shape(x)[:2])) * cells <= LITTLE


def _simulated(design: Design, x: np.ndarray, numbers: np.ndarray, variability: Variability) -> Iterator[StepRun]:
    """The chips one after the other, as `simulate` runs them."""
    factory, noise = ChipFactory(design, variability.seed, variability.scale), variability.seed
    for number in numbers:
        yield simulate(factory.chip(int(number)), x, noise_seed=noise if variability.noise else None)


def _in_batches(
    work: Callable[[np.ndarray], np.ndarray], numbers: np.ndarray, workers: int, least: int = _LEAST
) -> np.ndarray:
    """`work` on batches of at least `least` chips, in threads, joined."""
    size = min(max(-(-len(numbers) // (workers if workers == 1 else 2 * workers)), least), _MOST)
    batches = [numbers[j : j + size] for j in range(0, len(numbers), size)]
    if workers == 1 or len(batches) == 1:
        return np.concatenate([work(batch) for batch in batches])
    with ThreadPoolExecutor(workers) as pool:  # the kernels release the interpreter
        return np.concatenate(list(pool.map(work, batches)))
