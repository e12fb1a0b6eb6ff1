"""Classes and scores that manufactured chips give to a test set: the functions that a Monte Carlo campaign calls.

A chip's answers depend on the design, the clips, its own number and the seed alone: never on which other chips are
scored with it, in which order, or by how many workers.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from analogrnn.chip import ChipFactory, nominal_chip
from analogrnn.design import Design
from analogrnn.errors import ParameterError, in_range
from analogrnn.hybrid import HybridDesign, simulate_hybrid
from analogrnn.simulate import simulate
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
    numbers = np.array([chip_number("score_chips.chips", n) for n in chips], dtype=np.uint64)
    if isinstance(design, HybridDesign):
        classes = reduce_chips(design, x, chips, variability, lambda out: np.argmax(out, axis=-1), threads=threads)
        return classes.astype(np.int16)
    if not variability.noise and variability.scale == 0.0:  # every chip is the nominal one
        nominal = simulate(nominal_chip(design), x).classes.astype(np.int16)
        return np.repeat(nominal[None], len(numbers), axis=0)
    cells = sum(ladder.width for ladder in design.ladders)
    if len(numbers) * int(np.prod(np.shape(x)[:2])) * cells <= LITTLE:
        factory, noise = ChipFactory(design, variability.seed, variability.scale), variability.seed
        runs = [simulate(factory.chip(int(n)), x, noise_seed=noise if variability.noise else None) for n in numbers]
        return np.stack([run.classes for run in runs]).astype(np.int16)
    from analogrnn.simulate.chip_batch import ChipBatch  # noqa: PLC0415 (numba costs half a second)

    campaign = ChipBatch(design, x, variability.seed, variability.noise, variability.scale)
    size = min(max(-(-len(numbers) // (workers if workers == 1 else 2 * workers)), _LEAST), _MOST)
    batches = [numbers[j : j + size] for j in range(0, len(numbers), size)]
    if workers == 1 or len(batches) == 1:
        found = [campaign.classes(batch) for batch in batches]
    else:
        with ThreadPoolExecutor(workers) as pool:  # the kernels release the interpreter
            found = list(pool.map(campaign.classes, batches))
    return np.concatenate(found).astype(np.int16)


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
    numbers = [chip_number("reduce_chips.chips", n) for n in chips]
    outputs = _outputs_of(design, x, variability)
    if not variability.noise and variability.scale == 0.0:  # every chip is the nominal one
        return np.repeat(reduce(outputs(None))[None], len(numbers), axis=0)

    def one(number: int) -> np.ndarray:
        return reduce(outputs(number))

    if workers == 1 or len(numbers) == 1:
        return np.stack([one(number) for number in numbers])
    with ThreadPoolExecutor(min(workers, len(numbers))) as pool:  # the kernels release the interpreter
        return np.stack(list(pool.map(one, numbers)))


def _outputs_of(
    design: Design | HybridDesign, x: np.ndarray, variability: Variability
) -> Callable[[int | None], np.ndarray]:
    """The outputs of a chip by its number; of the nominal chip for None."""
    noise_seed = variability.seed if variability.noise else None
    if isinstance(design, HybridDesign):
        factories = [ChipFactory(part, variability.seed, variability.scale) for part in design.designs]

        def hybrid(number: int | None) -> np.ndarray:
            chips = None if number is None else tuple(factory.chip(number) for factory in factories)
            return simulate_hybrid(design, x, chips, noise_seed=noise_seed).logits

        return hybrid
    factory = ChipFactory(design, variability.seed, variability.scale)

    def plain(number: int | None) -> np.ndarray:
        chip = nominal_chip(design) if number is None else factory.chip(number)
        return simulate(chip, x, noise_seed=noise_seed).logits

    return plain
