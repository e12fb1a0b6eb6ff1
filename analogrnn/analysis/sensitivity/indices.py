"""Which groups, devices and cells cost the accuracy of manufactured chips. Gradient-free: only chips are scored.

Variance by group uses Sobol's pick-and-freeze scheme on random fields. Chips A and B are independent; chip AB_g is chip
A with all devices of group g as on B. Groups are independent, so with V the variance of the score Y over chips,

    S_g = E[Y_B (Y_ABg - Y_A)] / V          variance that group g explains alone          (first order)
    T_g = E[(Y_A - Y_ABg)^2] / (2 V)        variance that remains if all but g are frozen (total)

T_g - S_g is the interaction of group g with others. SALib computes the indices and bootstrap intervals (by a normal
approximation).

Indices describe the spread over chips; losses are means. `by_cell` and `by_device` are the mean loss of chips on which
nothing else deviates. `recovered` is the mean gain of the same chips if one group alone is perfect.

The score is the accuracy, or another metric; losses and gains follow its direction.

Source  Saltelli et al., Comput. Phys. Commun. 181(2), 2010 (S_g, and T_g after Jansen, CPC 117, 1999);
        Gamboa, Janon, Klein & Lagnoux, Electron. J. Stat. 8, 2014 (pick-freeze for any random input, vectors included);
        Herman & Usher, JOSS 2(9), 2017 (SALib)
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from analogrnn.analysis.sensitivity.changed_chips import Change, changed_chips, device_groups, group_areas, groups_of
from analogrnn.chip import nominal_chip
from analogrnn.datasets import Clips
from analogrnn.design import Design
from analogrnn.errors import MissingDependencyError, ParameterError, in_range
from analogrnn.metrics import ACCURACY, Metric
from analogrnn.show import Rows, Shown, counted
from analogrnn.simulate import simulate

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SensitivityOptions:
    """Sample sizes and criteria. Raises ParameterError for a value out of range.

    seed        of the chips
    chips       chips of each kind (A, B and each AB_g)
    single      chips for each cell and for each device type
    margin      accuracy that a good chip may lose compared with the nominal chip, as a fraction; or growth of an error
    confidence  of the intervals of the indices
    metric      how a chip is scored
    """

    seed: int = 1
    chips: int = 256
    single: int = 48
    margin: float = 0.05
    confidence: float = 0.95
    metric: Metric = field(default=ACCURACY)

    def __post_init__(self) -> None:
        for name, low in (("chips", 8), ("single", 2)):
            if in_range(f"SensitivityOptions.{name}", getattr(self, name), low, 10**6) != int(getattr(self, name)):
                raise ParameterError(f"SensitivityOptions.{name} = {getattr(self, name)!r} is not a whole number.")
        in_range("SensitivityOptions.margin", self.margin, 0.0, 1.0 if self.metric.kind == "share" else 1e300)
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
    """Accuracy, or score, lost (or recovered) for each name: mean over chips and its standard error, (n,) each."""

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
        group, metric = int(np.argmax(self.indices[0].total)), self.options.metric
        share = f"{self.indices[0].total[group]:.2f} +- {self.indices[0].total_error[group]:.2f}"
        rows = [
            ("good chips", f"{100 * self.good:.1f} % (at most {self.margin_text} than the nominal)"),
            ("largest total index", f"{self.groups[group]}, {share} of the variance of the {metric.title}"),
        ]
        scores = f"{metric.text(self.nominal)} nominal, {metric.text(self.mean)} over chips"
        return f"Sensitivity of {self.network}: {metric.title} {scores}, {counted(self.clips, 'clip')}", rows

    @property
    def margin_text(self) -> str:
        """What a good chip may lose, as in `5 % less`."""
        margin = self.options.margin
        return f"{100 * margin:.3g} % less" if self.options.metric.kind == "share" else f"{margin:.3g} more"


def analyze_sensitivity(
    design: Design, examples: Clips, options: SensitivityOptions | None = None, *, progress: Progress | None = None
) -> Sensitivity:
    """Score chips of `design` on labelled clips, and attribute their spread and their loss to devices.

    >>> found = ar.analyze_sensitivity(design, ar.LabelledClips(x, labels))

    Raises ParameterError for a design without pooling or clips that don't fit, MissingDependencyError without SALib.
    """
    options = options or SensitivityOptions()
    groups, devices = groups_of(design), tuple(device_groups(design))
    cells = [(layer.name, i) for layer in design.ladders for i in range(layer.width)]
    scorer, metric = ChipScorer(design, examples, options.seed, options.metric), options.metric
    total = (2 + 2 * len(groups)) * options.chips + (len(cells) + len(devices)) * options.single
    scorer.report(progress, total)
    plain = scorer.scores(Change(), options.chips)
    other = scorer.scores(Change(swapped=frozenset(groups)), options.chips)
    mixed = np.stack([scorer.scores(Change(swapped=frozenset({group})), options.chips) for group in groups])
    least = metric.worse_by(scorer.nominal, options.margin + 1e-12)
    good = [metric.reaches(y, least).astype(float) for y in (plain, other, mixed)]
    indices = (
        sobol_indices(metric.name, groups, plain, other, mixed, options),
        sobol_indices("good", groups, good[0], good[1], good[2], options),
    )
    frozen = [scorer.scores(Change(factor={group: 0.0}), options.chips) for group in groups]
    alone = [scorer.scores(Change(cell=cell), options.single) for cell in cells]
    single = [scorer.scores(Change(factor={device: 1.0}, rest=0.0), options.single) for device in devices]
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
            np.array([metric.gain(plain, y).mean() for y in frozen]),
            np.array([standard_error(y - plain) for y in frozen]),
        ),
        by_cell=losses([f"{layer}[{i}]" for layer, i in cells], alone, scorer.nominal, metric),
        by_device=losses(devices, single, scorer.nominal, metric),
        clips=len(examples),
    )


class ChipScorer:
    """Scores changed chips of one design on one set of clips, without noise."""

    def __init__(self, design: Design, examples: Clips, seed: int, metric: Metric = ACCURACY) -> None:
        if metric == ACCURACY:
            design.check_pooling()
        if examples.truth is None:
            raise ParameterError("examples has no labels and no targets; give LabelledClips or TargetClips.")
        shape = design.output_shape(examples.x)
        self.truth = metric.checked(examples.truth, shape, len(examples.x))
        if metric.kind == "share" and shape[-1] < 2:
            raise ParameterError(
                f"{design.name} has one output, so every clip has the same class and mismatch changes none; "
                "give a network with two or more outputs."
            )
        self.design, self.examples, self.seed, self.metric = design, examples, seed, metric
        self._outputs = simulate(nominal_chip(design), examples.x).logits
        self._spread = float(self._outputs.std()) or 1.0
        self.nominal = metric.score(self._outputs, self.truth)
        self._progress: Progress | None = None
        self.done = self.total = 0

    def report(self, progress: Progress | None, total: int) -> None:
        """Call `progress(done, total)` after every chip from now on."""
        self._progress, self.done, self.total = progress, 0, total

    def scores(self, change: Change, chips: int, first: int = 0) -> np.ndarray:
        """(chips,) accuracy, or score, of the changed chips first, first + 1, ..."""
        return self._of_each(change, range(first, first + chips), lambda y: self.metric.score(y, self.truth))

    def agreement(self, change: Change, chips: int, first: int = 0) -> np.ndarray:
        """(chips,) share of clips (per step: of steps) with the same class as on the nominal chip.

        For an error of real outputs: one less their mean distance from those of the nominal chip, over the standard
        deviation of the latter.
        """
        return self._of_each(change, range(first, first + chips), self._same)

    def _same(self, outputs: np.ndarray) -> float:
        if self.metric.has_classes:
            return float(np.mean(self.metric.classes(outputs) == self.metric.classes(self._outputs)))
        if self.metric.kind == "share":
            return float(np.mean(outputs.argmax(axis=-1) == self._outputs.argmax(axis=-1)))
        return 1.0 - float(np.mean(np.abs(outputs - self._outputs))) / self._spread

    def _of_each(self, change: Change, numbers: range, value: Callable[[np.ndarray], float]) -> np.ndarray:
        factory, found = changed_chips(self.design, self.seed, change), np.empty(len(numbers))
        for j, number in enumerate(numbers):
            found[j] = value(simulate(factory.chip(number), self.examples.x).logits)
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


def losses(
    names: tuple[str, ...] | list[str], scores: list[np.ndarray], nominal: float, metric: Metric = ACCURACY
) -> Losses:
    """Mean loss of accuracy, or score, and its standard error for each name; scores are those of chips."""
    loss = np.array([metric.loss(float(y.mean()), nominal) for y in scores])
    return Losses(tuple(names), loss, np.array([standard_error(y) for y in scores]))


def standard_error(y: np.ndarray) -> float:
    """Standard error of the mean of y (n,); 0 for n = 1."""
    return float(y.std(ddof=1) / np.sqrt(len(y))) if len(y) > 1 else 0.0
