"""Accuracy over manufactured chips: one draw of mismatch a chip, optionally with noise, on a labelled test set."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from analogrnn.chip import draw_chip
from analogrnn.design import Design
from analogrnn.errors import ParameterError, in_range
from analogrnn.simulate import simulate_steps


@dataclass(frozen=True)
class Variability:
    """What varies. `scale` multiplies all mismatch (0 = none); `noise` adds each cell's noise to its candidates."""

    seed: int = 1
    noise: bool = True
    scale: float = 1.0

    def __post_init__(self) -> None:
        in_range("Variability.scale", self.scale, 0.0, 100.0)


@dataclass(frozen=True, eq=False)
class MonteCarlo:
    """accuracy (chips,) of each chip; chip j is draw number index[j] under the seed of `variability`."""

    accuracy: np.ndarray
    index: np.ndarray
    variability: Variability
    clips: int

    def statistics(self) -> dict[str, float | int]:
        """Mean, standard deviation (n - 1), least, 5th percentile and median over the chips."""
        a = self.accuracy
        return {
            "mean": float(a.mean()),
            "std": float(a.std(ddof=1)) if len(a) > 1 else 0.0,
            "min": float(a.min()),
            "p05": float(np.quantile(a, 0.05)),
            "median": float(np.median(a)),
            "chips": len(a),
            "worst_chip": int(self.index[np.argmin(a)]),
        }


def run_monte_carlo(
    design: Design,
    x: np.ndarray,
    labels: np.ndarray,
    chips: int | Iterable[int] = 100,
    variability: Variability | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> MonteCarlo:
    """Score chips 0..chips-1, or the chip numbers given, on encoded clips x (T, S, D) with labels (S,).

    Raises ParameterError if the labels don't fit the clips or no chip is asked for.
    """
    variability = variability or Variability()
    if isinstance(chips, int | np.integer):
        index = np.arange(int(in_range("run_monte_carlo.chips", chips, 1, 10**7)))
    else:
        index = np.array(list(chips))
    if len(index) == 0 or not np.issubdtype(index.dtype, np.integer):
        raise ParameterError("run_monte_carlo.chips must be a number of chips or chip numbers; name at least one.")
    if not design.pooling:
        raise ParameterError(f"{design.name} has no pooling, so a clip has no class; add pooling 'last'.")
    labels = np.asarray(labels)
    if labels.shape != (x.shape[1],):
        raise ParameterError(f"labels has shape {labels.shape}; x holds {x.shape[1]} clips.")
    accuracy = np.empty(len(index))
    noise_seed = variability.seed if variability.noise else None
    for j, number in enumerate(index):
        chip = draw_chip(design, variability.seed, int(number), scale=variability.scale)
        accuracy[j] = np.mean(simulate_steps(chip, x, noise_seed=noise_seed).classes == labels)
        if progress:
            progress(j + 1, len(index))
    return MonteCarlo(accuracy, index, variability, len(labels))
