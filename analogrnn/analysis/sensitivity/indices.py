"""Which devices, groups and cells cost the accuracy of manufactured chips. Gradient-free: only chips are scored.

Groups, by Sobol's pick-freeze scheme on random fields: chips A and B are independent, chip AB_g is A with all devices
of group g as on B. Since groups are independent, with V the variance of the score over chips,

    S_g = E[Y_B (Y_ABg - Y_A)] / V          variance that group g explains alone          (first order)
    T_g = E[(Y_A - Y_ABg)^2] / (2 V)        variance that remains if all but g are frozen (total)

The indices and the normal approximation of their bootstrap intervals are SALib's. T_g - S_g is what a group does with
others. Indices say what spreads chips apart, losses what they lose on average: `by_cell` and `by_device` have the loss
of chips on which nothing else deviates, `recovered` what the same chips win if one group alone is perfect.

Source  Saltelli et al., Comput. Phys. Commun. 181(2), 2010 (S_g, and T_g after Jansen, CPC 117, 1999);
        Gamboa, Janon, Klein & Lagnoux, Electron. J. Stat. 8, 2014 (pick-freeze for any random input, vectors included);
        Herman & Usher, JOSS 2(9), 2017 (SALib)
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analogrnn.analysis.sensitivity.changed_chips import Change, changed_chips, device_groups, group_areas, groups_of
from analogrnn.chip import nominal_chip
from analogrnn.datasets import LabelledClips, class_labels
from analogrnn.design import Design
from analogrnn.errors import MissingDependencyError, ParameterError, in_range
from analogrnn.simulate import simulate

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Study:
    """chips of each kind; `margin`: accuracy that a good chip may lose against nominal."""

    seed: int = 1
    chips: int = 256
    single: int = 48  # chips for each cell and each device type
    margin: float = 0.05
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for name, low in (("chips", 8), ("single", 2)):
            if in_range(f"Study.{name}", getattr(self, name), low, 10**6) != int(getattr(self, name)):
                raise ParameterError(f"Study.{name} = {getattr(self, name)!r} is not a whole number.")
        in_range("Study.margin", self.margin, 0.0, 1.0)
        in_range("Study.confidence", self.confidence, 0.5, 0.9999)


@dataclass(frozen=True, eq=False)
class Indices:
    """Sobol' indices of one score, (groups,) each; the errors are half widths of the confidence interval."""

    score: str
    variance: float
    first: np.ndarray
    first_error: np.ndarray
    total: np.ndarray
    total_error: np.ndarray


@dataclass(frozen=True, eq=False)
class Losses:
    """Accuracy lost (or recovered), mean over chips and its standard error, (n,) each."""

    names: tuple[str, ...]
    loss: np.ndarray
    error: np.ndarray

    def ranked(self) -> list[tuple[str, float, float]]:
        order = np.argsort(-self.loss, kind="stable")
        return [(self.names[i], float(self.loss[i]), float(self.error[i])) for i in order]


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """`indices` of the accuracy and of whether a chip is good; losses; the share of area that each group has."""

    network: str
    study: Study
    nominal: float
    mean: float
    mean_error: float
    good: float
    groups: tuple[str, ...]
    area: np.ndarray  # (groups,) shares
    indices: tuple[Indices, ...]
    recovered: Losses  # groups: accuracy won where the group alone is perfect, on the same chips
    by_cell: Losses
    by_device: Losses
    clips: int


def analyze_sensitivity(
    design: Design, examples: LabelledClips, study: Study | None = None, *, progress: Progress | None = None
) -> Sensitivity:
    """Score chips of `design` on labelled clips, and say what their spread and their loss come from.

    >>> found = ar.analyze_sensitivity(design, ar.LabelledClips(x, labels))

    Raises ParameterError for a design without pooling or clips that don't fit, MissingDependencyError without SALib.
    """
    study = study or Study()
    groups, devices = groups_of(design), tuple(device_groups(design))
    cells = [(layer.name, i) for layer in design.ladders for i in range(layer.width)]
    bench = Bench(design, examples, study.seed)
    total = (2 + 2 * len(groups)) * study.chips + (len(cells) + len(devices)) * study.single
    bench.report(progress, total)
    plain = bench.accuracy(Change(), study.chips)
    other = bench.accuracy(Change(swapped=frozenset(groups)), study.chips)
    mixed = np.stack([bench.accuracy(Change(swapped=frozenset({group})), study.chips) for group in groups])
    least = bench.nominal - study.margin - 1e-12
    good = [(y >= least).astype(float) for y in (plain, other, mixed)]
    indices = (
        sobol_indices("accuracy", groups, plain, other, mixed, study),
        sobol_indices("good", groups, good[0], good[1], good[2], study),
    )
    frozen = [bench.accuracy(Change(factor={group: 0.0}), study.chips) for group in groups]
    alone = [bench.accuracy(Change(cell=cell), study.single) for cell in cells]
    single = [bench.accuracy(Change(factor={device: 1.0}, rest=0.0), study.single) for device in devices]
    areas = group_areas(design)
    return Sensitivity(
        network=design.name,
        study=study,
        nominal=bench.nominal,
        mean=float(plain.mean()),
        mean_error=standard_error(plain),
        good=float(good[0].mean()),
        groups=groups,
        area=np.array([areas[group] for group in groups]) / sum(areas.values()),
        indices=indices,
        recovered=Losses(
            groups,
            np.array([(y - plain).mean() for y in frozen]),
            np.array([standard_error(y - plain) for y in frozen]),
        ),
        by_cell=losses([f"{layer}[{i}]" for layer, i in cells], alone, bench.nominal),
        by_device=losses(devices, single, bench.nominal),
        clips=len(examples),
    )


class Bench:
    """Scores changed chips of one design on one set of clips, without noise."""

    def __init__(self, design: Design, examples: LabelledClips, seed: int) -> None:
        class_labels(examples.labels, len(examples), design.classes)
        if design.classes < 2:
            raise ParameterError(
                f"{design.name} has one output, so every clip has the same class and mismatch changes none; "
                "give a network with two or more outputs."
            )
        self.design, self.examples, self.seed = design, examples, seed
        self.classes = simulate(nominal_chip(design), examples.x).classes
        self.nominal = float(np.mean(self.classes == examples.labels))
        self._progress: Progress | None = None
        self.done = self.total = 0

    def report(self, progress: Progress | None, total: int) -> None:
        """Tell `progress` of every chip from now on, out of `total`."""
        self._progress, self.done, self.total = progress, 0, total

    def accuracy(self, change: Change, chips: int, first: int = 0) -> np.ndarray:
        """(chips,) accuracy of the changed chips first, first + 1, ..."""
        return self._score(change, range(first, first + chips), self.examples.labels)

    def agreement(self, change: Change, chips: int, first: int = 0) -> np.ndarray:
        """(chips,) share of clips that get the nominal chip's class."""
        return self._score(change, range(first, first + chips), self.classes)

    def _score(self, change: Change, numbers: range, wanted: np.ndarray) -> np.ndarray:
        factory, found = changed_chips(self.design, self.seed, change), np.empty(len(numbers))
        for j, number in enumerate(numbers):
            found[j] = np.mean(simulate(factory.chip(number), self.examples.x).classes == wanted)
            self.done += 1
            if self._progress:
                self._progress(self.done, self.total)
        return found


def sobol_indices(
    score: str, groups: tuple[str, ...], plain: np.ndarray, other: np.ndarray, mixed: np.ndarray, study: Study
) -> Indices:
    """Indices of scores plain (chips,) of chips A, other (chips,) of B, mixed (groups, chips) of AB_g, by SALib.

    All zero if no chip differs from another. Raises MissingDependencyError without SALib.
    """
    zero = np.zeros(len(groups))
    both = np.concatenate([plain, other])
    if np.ptp(both) == 0.0:
        return Indices(score, 0.0, zero, zero, zero, zero)
    try:
        from SALib.analyze import sobol  # noqa: PLC0415 (an extra)
    except ImportError:
        raise MissingDependencyError("SALib is not installed; install it with: pip install 'SALib>=1.5'") from None
    rows = np.column_stack([plain, *mixed, other]).ravel()
    found = sobol.analyze(
        {"num_vars": len(groups), "names": list(groups)},
        rows,
        calc_second_order=False,
        num_resamples=400,
        conf_level=study.confidence,
        seed=study.seed,
    )
    return Indices(score, float(np.var(both)), *(np.asarray(found[key]) for key in ("S1", "S1_conf", "ST", "ST_conf")))


def losses(names: tuple[str, ...] | list[str], scores: list[np.ndarray], nominal: float) -> Losses:
    """Mean loss of accuracy and its standard error for each name; scores are accuracies of chips."""
    loss = np.array([nominal - float(y.mean()) for y in scores])
    return Losses(tuple(names), loss, np.array([standard_error(y) for y in scores]))


def standard_error(y: np.ndarray) -> float:
    """Of a mean."""
    return float(y.std(ddof=1) / np.sqrt(len(y))) if len(y) > 1 else 0.0
