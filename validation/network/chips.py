"""Mismatched chips: chip 17 in ngspice against chip 17 of the fast model, stages, candidates and classes."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analogrnn.agreement import Agreement, Observed, Reference, compare, thermometer
from analogrnn.agreement.reference import chip_reference
from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.spice.run_network import NetworkRun, Simulation, run_network
from analogrnn.spice.transistor_network import chip_setup
from validation.bounds import Bound
from validation.claims import Measured
from validation.network.memory import memory_of
from validation.network.topic import TOPIC, WORKERS, digits, spread_clips

SEED, CHIPS, CLIPS = 1, 100, 2  # each chip hears clips of its own, spread evenly over the test set
FEW, MANY = 3, 20  # chips that hear more, the same clips each: what two clips say of one chip is little


@dataclass(frozen=True, eq=False)
class Heard:
    """One chip on some clips: in ngspice, by the fast model, by that of a chip without mismatch; and the labels."""

    run: NetworkRun
    reference: Reference
    nominal: Reference
    found: Agreement
    labels: np.ndarray


@lru_cache(maxsize=2)
def campaign(quick: bool) -> list[Heard]:
    """Every chip, whole, on clips of its own."""
    _, _, x, _ = digits("digits_d16_k2", quick=quick)
    return [
        hear(chip, x.shape[1] // CHIPS * chip + np.arange(1 if quick else CLIPS), quick=quick)
        for chip in range(1 if quick else CHIPS)
    ]


def hear(chip: int, clips: np.ndarray, *, quick: bool) -> Heard:
    """One chip, whole, on these clips; quick: on their first steps."""
    _, design, x, labels = digits("digits_d16_k2", quick=quick)
    given = x[:6, clips] if quick else x[:, clips]
    setup = chip_setup(design, SEED, chip)
    run = run_network(design, given, Simulation(setup, workers=WORKERS, memory=memory_of(quick)))
    reference = chip_reference(draw_chip(design, SEED, chip), given)
    found = compare("transistor", design, reference, Observed.of(run))
    return Heard(run, reference, chip_reference(nominal_chip(design), given), found, labels[clips])


@TOPIC.measure(
    "chips-steps",
    "Stages of mismatched chips of digits_d16_k2 in ngspice equal to those that the behavioural model of the "
    "same chip predicts.",
)
def steps(quick: bool) -> Measured:
    heard = campaign(quick)
    same, of = (sum(getattr(h.found, name) for h in heard) for name in ("stage_steps_equal", "stage_steps_checked"))
    right = sum(h.found.steps_equal for h in heard) / max(sum(h.found.steps_checked for h in heard), 1)
    worst = min(h.found.stage_steps_equal / h.found.stage_steps_checked for h in heard)
    failures = sum(len(h.found.failures) for h in heard)
    ladders = sum(int(ran.sum()) for h in heard for ran in h.run.ran.values())
    return Measured(
        same / max(of, 1),
        "of stage-steps",
        Bound.at_least(0.97),
        {
            "chips": len(heard),
            "clips per chip": heard[0].labels.size,
            "device size": "2 x 18 um",
            "drawn": "all devices of weights and ladders",
            "ladder runs": ladders,
            "equal stage-steps": f"{same:,} of {of:,}",
            "steps right on every stage of a ladder": f"{100 * right:.2f} %",
            "worst chip": f"{100 * worst:.1f} %",
            "failed runs": failures,
        },
    )


@TOPIC.measure(
    "chips-against-digital",
    "Stages of the same mismatched chips in ngspice equal to those of the digital network, which knows no mismatch.",
)
def against_digital(quick: bool) -> Measured:
    """How far the same chips are from a chip without mismatch, which is digital: what the fast model has to predict."""
    _, design, _, _ = digits("digits_d16_k2", quick=quick)
    ladder, far = design.ladders[0], []
    for h in campaign(quick):
        same = thermometer(h.nominal.layers[ladder.name].states, ladder) == h.run.stages[ladder.name]
        far.append(np.mean(same[:, h.run.ran[ladder.name]]))
    return Measured(float(np.mean(far)), "of stage-steps", Bound(), {"device area": "36 um2"})


@dataclass(frozen=True, eq=False)
class Accuracies:
    """Of some chips, each on as many clips: by the fast model and in ngspice; and the clips of the same class."""

    told: np.ndarray
    seen: np.ndarray
    clips: int  # of each chip
    same: int

    @classmethod
    def of(cls, heard: list[Heard]) -> "Accuracies":
        told = np.array([np.mean(h.reference.classes == h.labels) for h in heard])
        seen = np.array([np.mean(h.run.classes == h.labels) for h in heard])
        same = sum(int((h.reference.classes == h.run.classes).sum()) for h in heard)
        return cls(told, seen, len(heard[0].labels), same)


def _chance(accuracy: np.ndarray, clips: int) -> np.ndarray:
    """Two binomial errors of an accuracy that was told, on so many clips; never that of less than half a clip."""
    return np.asarray(2.0 * np.sqrt(np.maximum(accuracy * (1.0 - accuracy), 0.25 / clips) / clips))


@TOPIC.measure(
    "chips-accuracy",
    "Mean accuracy of mismatched chips: difference between the prediction of the behavioural model and ngspice.",
)
def accuracy(quick: bool) -> Measured:
    heard = [h for h in campaign(quick) if (h.run.classes >= 0).all()]
    found = Accuracies.of(heard)
    n, told, seen = found.clips * len(heard), found.told.mean(), found.seen.mean()
    gap, error = abs(float(told - seen)), float(_chance(told, n))
    nominal = np.concatenate([h.nominal.classes == h.labels for h in heard])
    as_told = int((found.told == found.seen).sum())
    return Measured(
        gap,
        "of clips",
        Bound.at_most(error, note="2 binomial errors"),
        {
            "chips": len(heard),
            "clips": n,
            "predicted accuracy": f"{told:.3f}",
            "in ngspice": f"{seen:.3f}",
            "without mismatch": f"{nominal.mean():.3f}",
            "clips of the predicted class": found.same,
            "chips of the predicted accuracy": as_told,
        },
    )


@TOPIC.measure(
    "chips-alone",
    "Accuracy of single mismatched chips: largest difference between the prediction of the behavioural model and "
    "ngspice.",
)
def alone(quick: bool) -> Measured:
    """The accuracy of one chip, which takes many clips to see."""
    _, _, x, _ = digits("digits_d16_k2", quick=quick)
    clips = spread_clips(x.shape[1], 1 if quick else MANY)
    found = Accuracies.of([hear(chip, clips, quick=quick) for chip in range(1 if quick else FEW)])
    gap, error = np.abs(found.told - found.seen), _chance(found.told, found.clips)
    both = enumerate(zip(found.told, found.seen, strict=True))
    accuracies = {f"chip {chip}": f"{told:.2f} predicted, {seen:.2f} in ngspice" for chip, (told, seen) in both}
    return Measured(
        float(gap.max()),
        "of clips",
        Bound.at_most(float(error.min()), note="2 binomial errors"),
        {
            "chips": len(gap),
            "clips per chip": found.clips,
            **accuracies,
            "clips of the predicted class": f"{found.same} of {found.clips * len(gap)}",
        },
    )


@TOPIC.measure(
    "chips-first-errors",
    "Median distance of the candidate from the threshold at the first error of the behavioural model of a "
    "mismatched chip.",
)
def first_errors(quick: bool) -> Measured:
    """A cell at the right level is no error of a threshold: one of its state nodes was between high and low."""
    _, design, _, _ = digits("digits_d16_k2", quick=quick)
    heard = campaign(quick)
    found = [error for h in heard for error in h.found.first_errors]
    wrong = [error for error in found if any(thermometer(np.array(error.digital), design.ladders[0]) != error.stages)]
    # a chip's threshold may lie near zero: in half windows, not over the threshold
    half = design.ladders[0].threshold[:, 1]
    far = np.array([abs(error.candidate - error.threshold) / half[error.cell] for error in wrong] or [0.0])
    undecided = sum(h.found.undecided for h in heard)
    return Measured(
        float(np.median(far)),
        "beta",
        Bound(),
        {
            "first errors": len(wrong),
            "90 % within": f"{np.quantile(far, 0.9):.3f} beta",
            "beyond 0.1 beta": int((far > 0.1).sum()),
            "farthest": f"{far.max():.3f} beta",
            "state nodes at rest between high and low": len(found) - len(wrong),
            "their stage-steps": undecided,
        },
    )


@TOPIC.measure(
    "chips-candidates", "Rms error of the candidates that the behavioural model predicts for mismatched chips."
)
def candidates(quick: bool) -> Measured:
    """What mismatch does to a row's candidates, and how much of that the fast model tells."""
    _, design, _, _ = digits("digits_d16_k2", quick=quick)
    ladder, wrong, moved = design.ladders[0], [], []
    for h in campaign(quick):
        told, nominal = (reference.layers[ladder.name].candidates for reference in (h.reference, h.nominal))
        seen, half = h.run.candidates[ladder.name], ladder.threshold[:, 1]
        wrong.append((told - seen) / half)
        moved.append((seen - nominal) / half)
    rms, whole = (float(np.sqrt(np.nanmean(np.square(part)))) for part in (wrong, moved))
    return Measured(rms, "beta", Bound(), {"shift of candidates by mismatch": f"{whole:.3f} beta rms"})
