"""Statistics: the interval of a proportion, and the comparison of two networks on the same clips."""

import math
from dataclasses import dataclass

import numpy as np

from analogrnn.errors import in_range

FEW = 50  # trials whose binomial probabilities are summed sooner than scipy loads


@dataclass(frozen=True)
class Paired:
    """Comparison of a changed network with the original one on the same clips.

    accuracy    of the changed network; with another metric, its score
    difference  its accuracy, or score, less that of the original
    error       standard error of the difference
    p_value     of McNemar's exact test; for scores, of the paired t-test
    clips       number of clips

    Source  McNemar 1947, Psychometrika 12(2):153
    """

    accuracy: float
    difference: float
    error: float
    p_value: float
    clips: int


def paired(before: np.ndarray, after: np.ndarray) -> Paired:
    """Compare two classifiers on the same clips; before, after (S,) bool: True where a clip is classified correctly."""
    from scipy.special import bdtr  # noqa: PLC0415 (scipy costs 0.3 s)

    n, lost, won = len(before), int((before & ~after).sum()), int((~before & after).sum())
    error = float(np.sqrt(max(lost + won - (won - lost) ** 2 / n, 0.0)) / n)
    # both tails of the binomial distribution with probability 1/2
    p_value = min(1.0, 2.0 * float(bdtr(min(won, lost), won + lost, 0.5)))
    return Paired(float(after.mean()), (won - lost) / n, error, p_value, n)


def paired_scores(before: np.ndarray, after: np.ndarray) -> Paired:
    """Compare two networks by their scores (S,) of the same clips; before, after are real numbers."""
    from scipy.special import stdtr  # noqa: PLC0415 (scipy costs 0.3 s)

    n, change = len(before), after - before
    difference = float(change.mean())
    error = float(change.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    # both tails of Student's distribution
    p_value = 2.0 * float(stdtr(n - 1, -abs(difference) / error)) if error > 0.0 else 1.0
    return Paired(float(after.mean()), difference, error, p_value, n)


def proportion_interval(good: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval of a proportion of `good` in `count`; its coverage is at least `confidence`.

    Raises ParameterError for a confidence outside (0, 1) or `good` outside 0 to `count`.

    Source  Clopper & Pearson 1934, Biometrika 26(4):404; as quantiles of beta distributions
    """
    in_range("proportion_interval.confidence", confidence, 1e-9, 1.0 - 1e-9)
    in_range("proportion_interval.good", good, 0, count)
    tail = (1.0 - confidence) / 2.0
    low = _least_probability(good, count, tail) if good > 0 else 0.0
    high = 1.0 - _least_probability(count - good, count, tail) if good < count else 1.0
    return low, high


def _least_probability(good: int, count: int, tail: float) -> float:
    """The probability of success at which at least `good` of `count` trials succeed with probability `tail`."""
    if count > FEW:
        from scipy.special import betaincinv  # noqa: PLC0415 (scipy costs 0.3 s)

        return float(betaincinv(good, count - good + 1, tail))
    weights = [(j, math.comb(count, j)) for j in range(good, count + 1)]
    low, high = 0.0, 1.0
    while low < (middle := 0.5 * (low + high)) < high:  # the probability rises with that of one success
        if math.fsum(ways * middle**j * (1.0 - middle) ** (count - j) for j, ways in weights) < tail:
            low = middle
        else:
            high = middle
    return middle
