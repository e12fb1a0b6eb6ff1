"""How many bits a network needs: accuracy over word length, the shortest lengths within a bound, and warnings.

Word lengths are chosen on one set of clips and reported on another. For each group alone, with all other groups as
trained, the minimal word length ends an unbroken run of lengths within the bound, from the longest one down. The joint
search starts from these. It lengthens the word that reduces the error of the logits most, until all groups together
are within the bound. Then it shortens words where possible, the least harm to the logits first.

Accuracies are compared clip by clip: n10 clips are correct as trained and wrong when quantised, n01 the reverse. The
difference is (n01 - n10) / n with standard error sqrt(n01 + n10 - (n01 - n10)^2 / n) / n. A word length is within the
bound if the difference less 1.64 standard errors is (`sure` = 0.95). Without this margin, a search over hundreds of
word lengths finds those that happen to suit a few hundred clips. McNemar's exact test asks whether n01 and n10 could be
equal.

With another metric than accuracy, the scores of the clips are compared: the difference is the mean of the differences
per clip, with their standard error, and its sign follows the metric's direction.

Source  McNemar, Psychometrika 12(2), 1947 (test); the search is ours
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from analogrnn.analysis.bits.quantise import MAX_BITS, Convention, WordLengths, groups_of, least_bits, quantise
from analogrnn.analysis.bits.warnings import check_margins, warnings_of
from analogrnn.chip import nominal_chip
from analogrnn.datasets import Clips
from analogrnn.design import Design
from analogrnn.errors import ParameterError, in_range
from analogrnn.metrics import ACCURACY, Metric
from analogrnn.show import Rows, Shown, counted
from analogrnn.simulate import StepRun, simulate
from analogrnn.statistics import Paired, paired, paired_scores


@dataclass(frozen=True, eq=False)
class GroupBits:
    """Accuracy over the word length of one group, or of `all` groups; nan where the circuit can't be built.

    bits        (n,) word lengths
    validation  (n,) accuracy on the clips that choose
    test        (n,) accuracy on the clips that report
    test_error  (n,) standard error of the difference between `test` and the accuracy as trained
    refused     word length -> why the circuit can't be built
    minimal     the shortest word length within the bound; None if even the longest is not
    """

    group: str
    bits: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    test_error: np.ndarray
    refused: dict[int, str]
    minimal: int | None


@dataclass(frozen=True, eq=False, repr=False)
class BitsReport(Shown):
    """`word_lengths`: the joint choice; empty if no lengths up to the longest one are within the bound."""

    network: str
    convention: Convention
    within: float
    trained_validation: float
    trained_test: float
    groups: tuple[GroupBits, ...]
    together: GroupBits
    word_lengths: dict[str, int]
    validation: Paired | None
    test: Paired | None
    storage: int
    warnings: tuple[str, ...]
    metric: Metric = field(default=ACCURACY)

    def shown(self) -> tuple[str, Rows]:
        """The word lengths that were chosen, and their accuracy on the test clips."""
        chosen = ", ".join(f"{group} {bits}" for group, bits in self.word_lengths.items())
        if self.test is None:
            accuracy = f"none within {self.metric.text(self.within, 3)} of it"
            if self.metric.kind == "share":
                accuracy = f"none within {100 * self.within:.3g} % of it"
        else:
            sign = "+" if self.test.difference >= 0.0 else "-"
            change = f"{sign}{self.metric.text(abs(self.test.difference))} +- {self.metric.text(self.test.error)}"
            accuracy = f"{self.metric.text(self.test.accuracy)} ({change}), {counted(self.storage, 'bit')} of storage"
        rows = [("word lengths (bits)", chosen or "none"), ("quantised", accuracy)]
        return f"BitsReport of {self.network}: {self.metric.text(self.trained_test)} as trained", rows


def analyze_bits(
    design: Design,
    validation: Clips,
    test: Clips,
    convention: Convention | None = None,
    *,
    settings: "Settings | None" = None,
    progress: Callable[[int, int], None] | None = None,
) -> BitsReport:
    """Accuracy over the bits of each group and of all, the shortest word lengths, and which cells they disable.

    >>> found = ar.analyze_bits(design, ar.LabelledClips(x, labels), ar.LabelledClips(x, labels))

    Raises ParameterError for a bound or a word length out of range, an unknown group, or clips of another shape.
    """
    settings, convention = settings or Settings(), convention or Convention()
    trial = Trial(design, validation, test, convention, settings.metric)
    groups = settings.chosen(design)
    done = [0]

    def curve(label: str, members: Sequence[str]) -> GroupBits:
        found = _curve(trial, label, members, settings)
        done[0] += 1
        if progress:
            progress(done[0], len(groups) + 2)
        return found

    curves = tuple(curve(group, [group]) for group in groups)
    together = curve("all", groups)
    word_lengths = settings.word_lengths
    if word_lengths is None:
        word_lengths = choose_word_lengths(
            trial, {item.group: item.minimal or settings.longest for item in curves}, settings
        )
    if progress:
        progress(len(groups) + 2, len(groups) + 2)
    quantised = quantise(design, word_lengths, convention) if word_lengths else None
    return BitsReport(
        network=design.name,
        convention=convention,
        within=settings.within,
        trained_validation=trial.trained("validation"),
        trained_test=trial.trained("test"),
        groups=curves,
        together=together,
        word_lengths=dict(word_lengths),
        validation=trial.paired(word_lengths, "validation") if word_lengths else None,
        test=trial.paired(word_lengths, "test") if word_lengths else None,
        storage=quantised.storage() if quantised else 0,
        warnings=warnings_of(quantised, test.x)
        if quantised
        else (
            f"no word lengths up to {settings.longest} bits are within {settings.within:g} of the trained "
            f"{settings.metric.title}",
        ),
        metric=settings.metric,
    )


@dataclass(frozen=True)
class Settings:
    """Settings of the search. Raises ParameterError for a value out of range.

    within        accuracy that may be lost, as a fraction; or by how much an error may grow
    sure          one-sided confidence of staying within it on the validation clips
    longest       longest word length to try, bits
    groups        which groups to quantise; None for all
    word_lengths  if given, these are evaluated instead of a search
    metric        how clips are scored
    """

    within: float = 0.01
    sure: float = 0.95
    longest: int = 12
    groups: tuple[str, ...] | None = None
    word_lengths: WordLengths | None = None
    metric: Metric = field(default=ACCURACY)

    def __post_init__(self) -> None:
        in_range("Settings.within", self.within, 0.0, 1.0 if self.metric.kind == "share" else 1e300)
        in_range("Settings.sure", self.sure, 0.5, 0.9999)
        if in_range("Settings.longest", self.longest, 3, MAX_BITS, "bits") != int(self.longest):
            raise ParameterError(f"Settings.longest = {self.longest!r} is not a whole number.")

    @property
    def quantile(self) -> float:
        """Number of standard errors that are subtracted from the difference: 1.64 for `sure` = 0.95."""
        return float(stats.norm.ppf(self.sure))

    def chosen(self, design: Design) -> tuple[str, ...]:
        """The groups to quantise, in the order of GROUPS. Raises ParameterError for a group that is not there."""
        present = groups_of(design)
        if self.groups is None:
            return present
        unknown = sorted(set(self.groups) - set(present))
        if unknown or not self.groups:
            raise ParameterError(
                f"{design.name} has no group {unknown[0] if unknown else ''!r}; it has: {', '.join(present)}."
            )
        return tuple(group for group in present if group in self.groups)


_Key = tuple[tuple[str, int], ...]


def _key(word_lengths: WordLengths) -> _Key:
    return tuple(sorted(word_lengths.items()))


class Trial:
    """Evaluates word lengths on both sets of clips, and keeps the results."""

    def __init__(
        self, design: Design, validation: Clips, test: Clips, convention: Convention, metric: Metric = ACCURACY
    ) -> None:
        self.design, self.convention, self.metric = design, convention, metric
        self.sets = {"validation": validation, "test": test}
        if metric == ACCURACY:
            design.check_pooling()
        self._truth = {name: _truth(design, part, metric, name) for name, part in self.sets.items()}
        chip = nominal_chip(design)
        self._trained = {name: simulate(chip, part.x) for name, part in self.sets.items()}
        self._correct_by_lengths: dict[tuple[_Key, str], np.ndarray] = {}
        self._refusals: dict[_Key, str | None] = {}
        self._errors: dict[_Key, float] = {}
        self._spread = float(np.mean(np.var(self._trained["validation"].logits, axis=0)))

    def trained(self, part: str) -> float:
        """Accuracy, or score, as trained."""
        return float(np.mean(self._scores(self._trained[part], part)))

    def refusal(self, word_lengths: WordLengths) -> str | None:
        """Why no circuit can be built with these word lengths; None if one can."""
        key = _key(word_lengths)
        if key not in self._refusals:
            try:
                check_margins(quantise(self.design, word_lengths, self.convention))
            except ParameterError as refusal:
                self._refusals[key] = str(refusal)
            else:
                self._refusals[key] = None
        return self._refusals[key]

    def correct(self, word_lengths: WordLengths, part: str) -> np.ndarray:
        """(S,) which clips are classified correctly with these word lengths; or their scores, with another metric.

        Raises ParameterError if the circuit can't be built.
        """
        refusal = self.refusal(word_lengths)
        if refusal is not None:
            raise ParameterError(refusal)
        key = _key(word_lengths)
        if (key, part) not in self._correct_by_lengths:
            quantised = quantise(self.design, word_lengths, self.convention)
            run = simulate(quantised.chip(), quantised.inputs(self.sets[part].x))
            self._correct_by_lengths[key, part] = self._scores(run, part)
            if part == "validation":
                error = float(np.mean((run.logits - self._trained[part].logits) ** 2))
                self._errors[key] = error / self._spread if self._spread else error
        return self._correct_by_lengths[key, part]

    def accuracy(self, word_lengths: WordLengths, part: str) -> float:
        """Accuracy, or score, with these word lengths; nan if the circuit can't be built."""
        return float("nan") if self.refusal(word_lengths) else float(self.correct(word_lengths, part).mean())

    def logit_error(self, word_lengths: WordLengths) -> float:
        """Mean squared error of the logits on the validation clips over their variance; inf if it can't be built.

        The search minimises this error, because the accuracy on a few hundred clips is too coarse to rank candidates.
        """
        if self.refusal(word_lengths):
            return float("inf")
        self.correct(word_lengths, "validation")
        return self._errors[_key(word_lengths)]

    def within_bound(self, word_lengths: WordLengths, settings: "Settings") -> bool:
        """Whether the loss on the validation clips is within the bound with a confidence of `settings.sure`."""
        if self.refusal(word_lengths):
            return False
        seen = self.paired(word_lengths, "validation")
        gain = seen.difference if self.metric.higher_is_better else -seen.difference
        # 1e-12: round-off of a mean must not decide
        return gain - settings.quantile * seen.error >= -settings.within - 1e-12

    def paired(self, word_lengths: WordLengths, part: str) -> Paired:
        """Quantised against trained, clip by clip. Raises ParameterError if the circuit can't be built."""
        before, after = self._scores(self._trained[part], part), self.correct(word_lengths, part)
        return paired(before, after) if self.metric.has_classes else paired_scores(before, after)

    def _scores(self, run: StepRun, part: str) -> np.ndarray:
        """(S,) whether the class of each clip is its label, bool; or its score."""
        if self.metric.has_classes:
            return np.asarray(self.metric.classes(run.logits) == self._truth[part])
        return self.metric.per_clip(run.logits, self._truth[part])


def _truth(design: Design, part: Clips, metric: Metric, name: str) -> np.ndarray:
    """The labels or targets of a set of clips, checked."""
    if part.truth is None:
        raise ParameterError(f"{name} has no labels and no targets; give LabelledClips or TargetClips.")
    return metric.checked(part.truth, design.output_shape(part.x), len(part.x), owner=f"{name}.")


def choose_word_lengths(trial: Trial, start: WordLengths, settings: Settings) -> dict[str, int]:
    """The joint choice, from each group's own minimal word length; empty if none up to the longest is within it."""
    word_lengths = dict(start)
    while not trial.within_bound(word_lengths, settings):
        longer = [word_lengths | {group: bits + 1} for group, bits in word_lengths.items() if bits < settings.longest]
        if not longer:
            return {}
        word_lengths = min(longer, key=trial.logit_error)
    while True:
        shorter = [word_lengths | {group: bits - 1} for group, bits in word_lengths.items() if bits > least_bits(group)]
        shorter = [item for item in shorter if trial.within_bound(item, settings)]
        if not shorter:
            return word_lengths
        word_lengths = min(shorter, key=trial.logit_error)


def _curve(trial: Trial, label: str, members: Sequence[str], settings: Settings) -> GroupBits:
    least = max(least_bits(group) for group in members)
    bits = np.arange(least, settings.longest + 1)
    trials = [dict.fromkeys(members, int(b)) for b in bits]
    refused = {
        int(b): why for b, lengths in zip(bits, trials, strict=True) if (why := trial.refusal(lengths)) is not None
    }
    errors = [
        trial.paired(lengths, "test").error if b not in refused else np.nan
        for b, lengths in zip(bits.tolist(), trials, strict=True)
    ]
    minimal = _unbroken(bits, [trial.within_bound(lengths, settings) for lengths in trials])
    accuracies = {
        part: np.array([trial.accuracy(lengths, part) for lengths in trials]) for part in ("validation", "test")
    }
    return GroupBits(label, bits, accuracies["validation"], accuracies["test"], np.array(errors), refused, minimal)


def _unbroken(bits: np.ndarray, good: Iterable[bool]) -> int | None:
    """The shortest length of the unbroken run within the bound that ends at the longest length."""
    minimal = None
    for b, fine in zip(bits[::-1].tolist(), list(good)[::-1], strict=True):
        if not fine:
            break
        minimal = b
    return minimal
