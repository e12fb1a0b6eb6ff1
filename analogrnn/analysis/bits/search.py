"""How many bits a network needs: accuracy over word lengths, the shortest that stay within a bound, and warnings.

Words are chosen on one set of clips and reported on another. A group's minimal word is the shortest of an unbroken run
from the longest tried, each within the bound, with all other groups as trained. The joint choice starts there,
lengthens the word that lowers the logits' error most until all together are within the bound, then shortens whatever
may be shorter, the least harm to the logits first.

Accuracies are compared clip by clip: n10 clips are right as trained and wrong in words, n01 the reverse. The difference
is (n01 - n10) / n with standard error sqrt(n01 + n10 - (n01 - n10)^2 / n) / n. A word is within the bound if the
difference less 1.64 standard errors is (`sure` = 0.95): a search over hundreds of words would otherwise find those that
some hundred clips happen to like. McNemar's exact test asks whether n01 and n10 could be equal.

Source  McNemar, Psychometrika 12(2), 1947 (test); the search is ours.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analogrnn.analysis.bits.quantise import MOST, Convention, Words, groups_of, least_bits, quantise
from analogrnn.analysis.bits.warnings import check_margins, warnings_of
from analogrnn.chip import nominal_chip
from analogrnn.datasets import LabelledClips, class_labels
from analogrnn.design import Design
from analogrnn.errors import ParameterError, in_range
from analogrnn.simulate import StepRun, simulate
from analogrnn.statistics import Paired, paired


@dataclass(frozen=True, eq=False)
class GroupBits:
    """Accuracy over the word length of one group (or `all`); a word that can't be built has accuracy nan.

    bits (n,); validation and test (n,) accuracies, test_error (n,) standard errors of the difference to as trained;
    minimal: the shortest word within the bound, None if even the longest is not.
    """

    group: str
    bits: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    test_error: np.ndarray
    refused: dict[int, str]
    minimal: int | None


@dataclass(frozen=True, eq=False)
class BitsReport:
    """`words`: the joint choice; empty if no words up to the longest tried are within the bound."""

    network: str
    convention: Convention
    within: float
    trained_validation: float
    trained_test: float
    groups: tuple[GroupBits, ...]
    together: GroupBits
    words: dict[str, int]
    validation: Paired | None
    test: Paired | None
    storage: int
    warnings: tuple[str, ...]


def analyze_bits(
    design: Design,
    validation: LabelledClips,
    test: LabelledClips,
    convention: Convention | None = None,
    *,
    settings: "Settings | None" = None,
    progress: Callable[[int, int], None] | None = None,
) -> BitsReport:
    """Accuracy over bits of each group and of all, the minimal words, and what they would silence or pin.

    >>> found = ar.analyze_bits(design, ar.LabelledClips(x, labels), ar.LabelledClips(x, labels))

    Raises ParameterError for a bound or a word length out of range, an unknown group, or clips of another shape.
    """
    settings, convention = settings or Settings(), convention or Convention()
    trial = Trial(design, validation, test, convention)
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
    words = settings.words
    if words is None:
        words = choose_words(trial, {item.group: item.minimal or settings.longest for item in curves}, settings)
    if progress:
        progress(len(groups) + 2, len(groups) + 2)
    quantised = quantise(design, words, convention) if words else None
    return BitsReport(
        network=design.name,
        convention=convention,
        within=settings.within,
        trained_validation=trial.trained("validation"),
        trained_test=trial.trained("test"),
        groups=curves,
        together=together,
        words=dict(words),
        validation=trial.paired(words, "validation") if words else None,
        test=trial.paired(words, "test") if words else None,
        storage=quantised.storage() if quantised else 0,
        warnings=warnings_of(quantised, test.x)
        if quantised
        else (f"no words up to {settings.longest} bits are within {settings.within:g} of the trained accuracy",),
    )


@dataclass(frozen=True)
class Settings:
    """`within`: accuracy that may be lost; `sure`: of that, one-sided; `groups`: which to quantise, None for all.

    `words` are judged instead of a search, if given.
    """

    within: float = 0.01
    sure: float = 0.95
    longest: int = 12
    groups: tuple[str, ...] | None = None
    words: Words | None = None

    def __post_init__(self) -> None:
        in_range("Settings.within", self.within, 0.0, 1.0)
        in_range("Settings.sure", self.sure, 0.5, 0.9999)
        if in_range("Settings.longest", self.longest, 3, MOST, "bits") != int(self.longest):
            raise ParameterError(f"Settings.longest = {self.longest!r} is not a whole number.")

    @property
    def quantile(self) -> float:
        """How many standard errors of the difference count against the words."""
        return float(stats.norm.ppf(self.sure))

    def chosen(self, design: Design) -> tuple[str, ...]:
        """The groups to quantise, in the order of GROUPS."""
        present = groups_of(design)
        if self.groups is None:
            return present
        unknown = sorted(set(self.groups) - set(present))
        if unknown or not self.groups:
            raise ParameterError(
                f"{design.name} has no group {unknown[0] if unknown else ''!r}; it has: {', '.join(present)}."
            )
        return tuple(group for group in present if group in self.groups)


class Trial:
    """Runs words on both sets of clips, each once."""

    def __init__(self, design: Design, validation: LabelledClips, test: LabelledClips, convention: Convention) -> None:
        self.design, self.convention = design, convention
        self.sets = {"validation": validation, "test": test}
        for name, part in self.sets.items():
            class_labels(part.labels, len(part), design.classes, owner=f"{name}.labels")
        chip = nominal_chip(design)
        self._trained = {name: simulate(chip, part.x) for name, part in self.sets.items()}
        self._seen: dict[tuple[tuple[tuple[str, int], ...], str], np.ndarray | str] = {}
        self._errors: dict[tuple[tuple[str, int], ...], float] = {}
        self._spread = float(np.mean(np.var(self._trained["validation"].logits, axis=0)))

    def trained(self, part: str) -> float:
        """Accuracy as trained."""
        return float(np.mean(self._right(self._trained[part], part)))

    def right(self, words: Words, part: str) -> np.ndarray | str:
        """(S,) which clips are classified right in these words; or why the words can't be built."""
        key = (tuple(sorted(words.items())), part)
        if key not in self._seen:
            try:
                quantised = quantise(self.design, words, self.convention)
                check_margins(quantised)
            except ParameterError as refusal:
                self._seen[key] = str(refusal)
            else:
                run = simulate(quantised.chip(), quantised.inputs(self.sets[part].x))
                self._seen[key] = self._right(run, part)
                if part == "validation":
                    error = float(np.mean((run.logits - self._trained[part].logits) ** 2))
                    self._errors[key[0]] = error / self._spread if self._spread else error
        return self._seen[key]

    def accuracy(self, words: Words, part: str) -> float:
        """nan if the words can't be built."""
        right = self.right(words, part)
        return float("nan") if isinstance(right, str) else float(right.mean())

    def logit_error(self, words: Words) -> float:
        """Mean squared error of the logits on the validation clips over their variance; inf if not buildable.

        Smooth where the accuracy of some hundred clips is a matter of luck, so the search follows it.
        """
        if isinstance(self.right(words, "validation"), str):
            return float("inf")
        return self._errors[tuple(sorted(words.items()))]

    def good(self, words: Words, settings: "Settings") -> bool:
        """Whether the validation clips leave less than 1 - sure of doubt that the loss is within the bound."""
        if isinstance(self.right(words, "validation"), str):
            return False
        seen = self.paired(words, "validation")
        # the last bits of a mean must not decide
        return seen.difference - settings.quantile * seen.error >= -settings.within - 1e-12

    def paired(self, words: Words, part: str) -> Paired:
        """Words against as trained, clip by clip. Raises ParameterError if the words can't be built."""
        right = self.right(words, part)
        if isinstance(right, str):
            raise ParameterError(right)
        return paired(self._right(self._trained[part], part), right)

    def _right(self, run: StepRun, part: str) -> np.ndarray:
        return np.asarray(run.classes == self.sets[part].labels)


def choose_words(trial: Trial, start: Words, settings: Settings) -> dict[str, int]:
    """The joint choice, from each group's own minimal word; empty if none up to the longest is within the bound."""
    words = dict(start)
    while not trial.good(words, settings):
        longer = [words | {group: bits + 1} for group, bits in words.items() if bits < settings.longest]
        if not longer:
            return {}
        words = min(longer, key=trial.logit_error)
    while True:
        shorter = [words | {group: bits - 1} for group, bits in words.items() if bits > least_bits(group)]
        shorter = [item for item in shorter if trial.good(item, settings)]
        if not shorter:
            return words
        words = min(shorter, key=trial.logit_error)


def _curve(trial: Trial, label: str, members: Sequence[str], settings: Settings) -> GroupBits:
    least = max(least_bits(group) for group in members)
    bits = np.arange(least, settings.longest + 1)
    trials = [dict.fromkeys(members, int(b)) for b in bits]
    refused = {
        int(b): why
        for b, words in zip(bits, trials, strict=True)
        if isinstance(why := trial.right(words, "validation"), str)
    }
    errors = [
        trial.paired(words, "test").error if b not in refused else np.nan
        for b, words in zip(bits.tolist(), trials, strict=True)
    ]
    minimal = _unbroken(bits, [trial.good(words, settings) for words in trials])
    accuracies = {part: np.array([trial.accuracy(words, part) for words in trials]) for part in ("validation", "test")}
    return GroupBits(label, bits, accuracies["validation"], accuracies["test"], np.array(errors), refused, minimal)


def _unbroken(bits: np.ndarray, good: Iterable[bool]) -> int | None:
    """The shortest word of the run of good ones that ends at the longest."""
    minimal = None
    for b, fine in zip(bits[::-1].tolist(), list(good)[::-1], strict=True):
        if not fine:
            break
        minimal = b
    return minimal
