"""Scores chips of a design, as a campaign: any executor, checkpoints, and the same result however it runs."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analogrnn import __version__
from analogrnn.campaign import Options, Series, run_campaign
from analogrnn.design import Design
from analogrnn.errors import ParameterError, SpiceError, WorkerError, in_range, plain_array
from analogrnn.hybrid import HybridDesign
from analogrnn.metrics import ACCURACY, Goal, Metric, find_metric
from analogrnn.montecarlo.score import Variability, reduce_chips, score_chips
from analogrnn.montecarlo.statistics import MonteCarlo

LEVELS = ("step", "transistor")


@dataclass(frozen=True, eq=False)
class StepScorer:
    """The work of a campaign at the step level: chip numbers (m,) -> predicted classes (m, S)."""

    design: Design | HybridDesign
    x: np.ndarray
    variability: Variability
    threads: int = 1

    def __call__(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        return {"classes": score_chips(self.design, self.x, numbers.tolist(), self.variability, threads=self.threads)}


@dataclass(frozen=True, eq=False)
class MetricScorer:
    """The work of a campaign with another metric: chip numbers (m,) -> classes (m, S) or scores of clips (m, S)."""

    design: Design | HybridDesign
    x: np.ndarray
    variability: Variability
    metric: Metric
    truth: np.ndarray
    threads: int = 1

    def __call__(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        work = self.design, self.x, numbers.tolist(), self.variability
        if self.metric.has_classes:
            found = reduce_chips(*work, self.metric.classes, threads=self.threads)
            return {"classes": found.astype(np.int16)}
        return {"scores": reduce_chips(*work, self._scores, threads=self.threads)}

    def _scores(self, outputs: np.ndarray) -> np.ndarray:
        return self.metric.per_clip(outputs, self.truth)


@dataclass(frozen=True, eq=False)
class Study:
    """Chips `index` (n,) of one design on encoded clips x (T, S, D) with labels (S,), or with what the metric needs.

    truth    labels or targets, as the metric takes them
    name     of its part of the checkpoint
    threads  that one chunk may use, in its process; changes no result
    level    "step", or "transistor": every chip in ngspice on foundry models, clip by clip; a chip whose simulation
             fails is recorded with its log, and the others go on
    metric   how a chip is scored: a name or a record of `analogrnn.metrics`
    """

    name: str
    design: Design | HybridDesign
    x: np.ndarray
    truth: np.ndarray
    index: np.ndarray
    variability: Variability
    threads: int = 1
    level: str = "step"
    metric: Metric = field(default=ACCURACY)

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ParameterError(f"Study.level = {self.level!r} is none of {', '.join(LEVELS)}.")
        if self.level == "transistor" and self.variability.noise:
            raise ParameterError(
                "Study.variability: transistor decks carry no noise; turn it off, or take level 'step'."
            )
        if self.level == "transistor" and isinstance(self.design, HybridDesign):
            raise ParameterError(
                f"Study.design: {self.design.name} runs digitally in parts, so no deck holds all of it; take level "
                "'step', or compare its circuits one by one."
            )
        if type(self.x) is not np.ndarray or self.x.dtype != np.float64:
            object.__setattr__(self, "x", plain_array("x", self.x))
        if self.x.ndim != 3:
            raise ParameterError(f"x has shape {self.x.shape}; give x (T, S, D).")
        object.__setattr__(self, "metric", find_metric(self.metric))
        if self.metric == ACCURACY:
            self.design.check_pooling()
        shape = self.design.output_shape(self.x)
        object.__setattr__(self, "truth", self.metric.checked(self.truth, shape, len(self.x)))

    def series(self) -> Series:
        """The campaign of this study. Raises MissingDependencyError for transistors without ngspice or their models."""
        depends_on: dict[str, Any] = {
            "network": self.design.name,
            "technology": self.design.technology.name,
            "design": self.design,
            "inputs": self.x,
            "seed": self.variability.seed,
            "noise": self.variability.noise,
            "mismatch_scale": self.variability.scale,
            "level": self.level,
            "analogrnn": __version__,
        }
        if self.metric != ACCURACY:  # the classes of accuracy depend on no label
            depends_on["metric"] = self.metric.name
        if not self.metric.has_classes:
            depends_on["truth"] = self.truth
        if self.level == "transistor" and isinstance(self.design, Design):
            from analogrnn.spice.engine import find_ngspice  # noqa: PLC0415 (a small campaign starts without SPICE)
            from analogrnn.spice.pdk import find_pdk  # noqa: PLC0415
            from analogrnn.spice.transistor_chips import TransistorChips  # noqa: PLC0415

            ngspice, pdk = find_ngspice(), find_pdk()
            depends_on |= {"ngspice": ngspice.version, "models": pdk.sha256}
            chips = TransistorChips(
                self.design, self.x, self.variability.seed, self.variability.scale, metric=self.metric, truth=self.truth
            )
            return Series(self.name, self.index, chips, depends_on, recorded=(SpiceError,))
        if self.metric == ACCURACY:
            work = StepScorer(self.design, self.x, self.variability, self.threads)
            return Series(self.name, self.index, work, depends_on)
        scorer = MetricScorer(self.design, self.x, self.variability, self.metric, self.truth, self.threads)
        return Series(self.name, self.index, scorer, depends_on)


def run_studies(studies: Sequence[Study], options: Options | None = None) -> list[MonteCarlo]:
    """Run studies as one campaign; see `campaign.Options` for workers, checkpoint and progress.

    Raises what `campaign.run_campaign` raises, and WorkerError if not one chip of a study gave an answer.
    """
    gathered = run_campaign([study.series() for study in studies], options)
    found = []
    for study, part in zip(studies, gathered, strict=True):
        if not part.done.any():
            first = part.failures[0]
            raise WorkerError(
                f"{study.name}: all {len(part.items)} chips failed; chip {first.item} said: {first.message}"
            )
        answers = part.arrays["classes" if study.metric.has_classes else "scores"]
        found.append(
            MonteCarlo(part.items, answers, study.truth, study.variability, part.failures, metric=study.metric)
        )
    return found


def run_monte_carlo(
    design: Design | HybridDesign,
    x: np.ndarray,
    truth: np.ndarray | Goal,
    chips: int | Iterable[int] = 100,
    variability: Variability | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> MonteCarlo:
    """Score chips 0..chips-1, or the chip numbers given, on encoded clips x (T, S, D) with labels (S,).

    >>> study = ar.run_monte_carlo(design, x, labels, chips=8)

    `truth` are the labels; or with another metric a `metrics.Goal`, as in Goal(targets, "mae").
    In this process, without a checkpoint; `run_studies` does the rest.
    Raises ParameterError if a label is not the number of a class, the design has no pooling and the metric needs it, or
    no chip is asked for.
    """
    goal = Goal.of(truth)
    study = Study(
        "chips",
        design,
        x,
        goal.truth,
        chip_numbers("run_monte_carlo.chips", chips),
        variability or Variability(),
        threads=cpus(),
        metric=goal.metric,
    )
    return run_studies([study], Options(progress=progress))[0]


def chip_numbers(owner: str, chips: int | Iterable[int]) -> np.ndarray:
    """0..chips-1, or the numbers given. Raises ParameterError if there is none, or one is no chip number."""
    if isinstance(chips, int | np.integer):
        return np.arange(int(in_range(owner, chips, 1, 10**7)))
    index = np.array(list(chips))
    if len(index) == 0 or not np.issubdtype(index.dtype, np.integer):
        raise ParameterError(f"{owner} must be a number of chips or chip numbers; name at least one.")
    return index


def cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
