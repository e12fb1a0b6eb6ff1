"""Which groups, devices and cells cost the accuracy of manufactured chips. Gradient-free: only chips are scored.

Variance by group uses Sobol's pick-and-freeze scheme on random fields. Chips A and B are independent; chip AB_g is chip
A with all devices of group g as on B. Groups are independent, so with V the variance of the score Y over chips,

    S_g = E[Y_B (Y_ABg - Y_A)] / V          variance that group g explains alone          (first order)
    T_g = E[(Y_A - Y_ABg)^2] / (2 V)        variance that remains if all but g are frozen (total)

T_g - S_g is the interaction of group g with others. SALib computes the indices and bootstrap intervals (by a normal
approximation).

Indices describe the spread over chips; losses are means. `by_cell` and `by_device` are the mean loss of chips on which
nothing else deviates. `recovered` is the mean gain of the same chips if one group alone is perfect.

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
from analogrnn.show import Rows, Shown, counted
from analogrnn.simulate import simulate

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SensitivityOptions:
    """Sample sizes and criteria. Raises ParameterError for a value out of range.

    seed        of the chips
    chips       chips of each kind (A, B and each AB_g)
    single      chips for each cell and for each device type
    margin      accuracy that a good chip may lose compared with the nominal chip, as a fraction
    confidence  of the intervals of the indices
    """

    seed: int = 1
    chips: int = 256
    single: int = 48
    margin: float = 0.05
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for name, low in (("chips", 8), ("single", 2)):
            if in_range(f"SensitivityOptions.{name}", getattr(self, name), low, 10**6) != int(getattr(self, name)):
                raise ParameterError(f"SensitivityOptions.{name} = {getattr(self, name)!r} is not a whole number.")
        in_range("SensitivityOptions.margin", self.margin, 0.0, 1.0)
        in_range("SensitivityOptions.confidence", self.confidence, 0.5, 0.9999)


@dataclass(frozen=True, eq=False)
class Indices:
    """Sobol' indices of one score, (groups,) each; an error is the half width of the confidence interval."""

    score: str
    variance: float
    first: np.ndarray
    first_error: np.ndarray
    total: np.ndarray
    total_error: np.ndarray


@dataclass(frozen=True, eq=False)
class Losses:
    """Accuracy lost (or recovered) for each name: mean over chips and its standard error, (n,) each."""

    names: tuple[str, ...]
    loss: np.ndarray
    error: np.ndarray

    def ranked(self) -> list[tuple[str, float, float]]:
        order = np.argsort(-self.loss, kind="stable")
        return [(self.names[i], float(self.loss[i]), float(self.error[i])) for i in order]


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity(Shown):
    """Indices of the accuracy and of whether a chip is good; losses by group, cell and device type; shares of area."""

    network: str
    options: SensitivityOptions
    nominal: float
    mean: float
    mean_error: float
    good: float
    groups: tuple[str, ...]
    area: np.ndarray  # (groups,) shares
    indices: tuple[Indices, ...]
    recovered: Losses  # by group: accuracy gained if this group alone is perfect, on the same chips
    by_cell: Losses
    by_device: Losses
    clips: int

    def shown(self) -> tuple[str, Rows]:
        """What mismatch costs, and the group with the largest share in it."""
        group = int(np.argmax(self.indices[0].total))
        share = f"{self.indices[0].total[group]:.2f} +- {self.indices[0].total_error[group]:.2f}"
        rows = [
            (
                "good chips",
                f"{100 * self.good:.1f} % (at most {100 * self.options.margin:.3g} % less than the nominal)",
            ),
            ("largest total index", f"{self.groups[group]}, {share} of the variance of the accuracy"),
        ]
        accuracy = f"{100 * self.nominal:.1f} % nominal, {100 * self.mean:.1f} % over chips"
        return f"Sensitivity of {self.network}: accuracy {accuracy}, {counted(self.clips, 'clip')}", rows


def analyze_sensitivity(
    design: Design,
    examples: LabelledClips,
    options: SensitivityOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Sensitivity:
    """Score chips of `design` on labelled clips, and attribute their spread and their loss to devices.

    >>> found = ar.analyze_sensitivity(design, ar.LabelledClips(x, labels))

    Raises ParameterError for a design without pooling or clips that don't fit, MissingDependencyError without SALib.
    """
    options = options or SensitivityOptions()
    groups, devices = groups_of(design), tuple(device_groups(design))
    cells = [(layer.name, i) for layer in design.ladders for i in range(layer.width)]
    scorer = ChipScorer(design, examples, options.seed)
    total = (2 + 2 * len(groups)) * options.chips + (len(cells) + len(devices)) * options.single
    scorer.report(progress, total)
    plain = scorer.accuracy(Change(), options.chips)
    other = scorer.accuracy(Change(swapped=frozenset(groups)), options.chips)
    mixed = np.stack([scorer.accuracy(Change(swapped=frozenset({group})), options.chips) for group in groups])
    least = scorer.nominal - options.margin - 1e-12
    good = [(y >= least).astype(float) for y in (plain, other, mixed)]
    indices = (
        sobol_indices("accuracy", groups, plain, other, mixed, options),
        sobol_indices("good", groups, good[0], good[1], good[2], options),
    )
    frozen = [scorer.accuracy(Change(factor={group: 0.0}), options.chips) for group in groups]
    alone = [scorer.accuracy(Change(cell=cell), options.single) for cell in cells]
    single = [scorer.accuracy(Change(factor={device: 1.0}, rest=0.0), options.single) for device in devices]
    areas = group_areas(design)
    return Sensitivity(
        network=design.name,
        options=options,
        nominal=scorer.nominal,
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
        by_cell=losses([f"{layer}[{i}]" for layer, i in cells], alone, scorer.nominal),
        by_device=losses(devices, single, scorer.nominal),
        clips=len(examples),
    )


class ChipScorer:
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
        """Call `progress(done, total)` after every chip from now on."""
        self._progress, self.done, self.total = progress, 0, total

    def accuracy(self, change: Change, chips: int, first: int = 0) -> np.ndarray:
        """(chips,) accuracy of the changed chips first, first + 1, ..."""
        return self._score(change, range(first, first + chips), self.examples.labels)

    def agreement(self, change: Change, chips: int, first: int = 0) -> np.ndarray:
        """(chips,) share of clips with the same class as on the nominal chip."""
        return self._score(change, range(first, first + chips), self.classes)

    def _score(self, change: Change, numbers: range, target: np.ndarray) -> np.ndarray:
        factory, found = changed_chips(self.design, self.seed, change), np.empty(len(numbers))
        for j, number in enumerate(numbers):
            found[j] = np.mean(simulate(factory.chip(number), self.examples.x).classes == target)
            self.done += 1
            if self._progress:
                self._progress(self.done, self.total)
        return found


def sobol_indices(
    score: str,
    groups: tuple[str, ...],
    plain: np.ndarray,
    other: np.ndarray,
    mixed: np.ndarray,
    options: SensitivityOptions,
) -> Indices:
    """Sobol' indices, by SALib, of scores plain (chips,) of A, other (chips,) of B and mixed (groups, chips) of AB_g.

    All are zero if no chip differs from another. Raises MissingDependencyError without SALib.
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
        conf_level=options.confidence,
        seed=options.seed,
    )
    return Indices(score, float(np.var(both)), *(np.asarray(found[key]) for key in ("S1", "S1_conf", "ST", "ST_conf")))


def losses(names: tuple[str, ...] | list[str], scores: list[np.ndarray], nominal: float) -> Losses:
    """Mean loss of accuracy and its standard error for each name; scores are accuracies of chips."""
    loss = np.array([nominal - float(y.mean()) for y in scores])
    return Losses(tuple(names), loss, np.array([standard_error(y) for y in scores]))


def standard_error(y: np.ndarray) -> float:
    """Standard error of the mean of y (n,); 0 for n = 1."""
    return float(y.std(ddof=1) / np.sqrt(len(y))) if len(y) > 1 else 0.0
