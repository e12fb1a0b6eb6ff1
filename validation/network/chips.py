"""Mismatched chips: chip 17 in ngspice compared with its behavioural model: stages, candidates and classes."""

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

SEED, CHIPS, CLIPS = 1, 100, 2  # each chip is evaluated on clips of its own, spread evenly over the test set
FEW, MANY = 3, 20  # chips that are evaluated on more clips, all on the same: two clips say little about one chip


@dataclass(frozen=True, eq=False)
class Evaluated:
    """One chip on some clips: in ngspice, by the behavioural model, by that without mismatch; and the labels."""

    run: NetworkRun
    reference: Reference
    nominal: Reference
    found: Agreement
    labels: np.ndarray


@lru_cache(maxsize=2)
def campaign(quick: bool) -> list[Evaluated]:
    """Every chip, whole, on clips of its own."""
    _, _, x, _ = digits("digits_d16_k2", quick=quick)
    return [
        evaluate(chip, x.shape[1] // CHIPS * chip + np.arange(1 if quick else CLIPS), quick=quick)
        for chip in range(1 if quick else CHIPS)
    ]


def evaluate(chip: int, clips: np.ndarray, *, quick: bool) -> Evaluated:
    """One chip, whole, on these clips; quick: on their first steps."""
    _, design, x, labels = digits("digits_d16_k2", quick=quick)
    given = x[:6, clips] if quick else x[:, clips]
    setup = chip_setup(design, SEED, chip)
    run = run_network(design, given, Simulation(setup, workers=WORKERS, memory=memory_of(quick)))
    reference = chip_reference(draw_chip(design, SEED, chip), given)
    found = compare("transistor", design, reference, Observed.of(run))
    return Evaluated(run, reference, chip_reference(nominal_chip(design), given), found, labels[clips])


@TOPIC.measure(
    "chips-steps",
    "Stages of mismatched chips of digits_d16_k2 in ngspice equal to those that the behavioural model of the "
    "same chip predicts.",
)
def steps(quick: bool) -> Measured:
    evaluated = campaign(quick)
    same, of = (sum(getattr(h.found, name) for h in evaluated) for name in ("stage_steps_equal", "stage_steps_checked"))
    right = sum(h.found.steps_equal for h in evaluated) / max(sum(h.found.steps_checked for h in evaluated), 1)
    worst = min(h.found.stage_steps_equal / h.found.stage_steps_checked for h in evaluated)
    failures = sum(len(h.found.failures) for h in evaluated)
    ladders = sum(int(ran.sum()) for h in evaluated for ran in h.run.ran.values())
    return Measured(
        same / max(of, 1),
        "of stage-steps",
        Bound.at_least(0.97),
        {
            "chips": len(evaluated),
            "clips per chip": evaluated[0].labels.size,
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
    """How far the same chips are from a chip without mismatch, which is digital: what there is to predict."""
    _, design, _, _ = digits("digits_d16_k2", quick=quick)
    ladder, far = design.ladders[0], []
    for h in campaign(quick):
        same = thermometer(h.nominal.layers[ladder.name].states, ladder) == h.run.stages[ladder.name]
        far.append(np.mean(same[:, h.run.ran[ladder.name]]))
    return Measured(float(np.mean(far)), "of stage-steps", Bound(), {"device area": "36 um2"})


@dataclass(frozen=True, eq=False)
class Accuracies:
    """Of some chips, each on as many clips: predicted and in ngspice; and the number of clips of the same class."""

    predicted: np.ndarray
    seen: np.ndarray
    clips: int  # of each chip
    same: int

    @classmethod
    def of(cls, evaluated: list[Evaluated]) -> "Accuracies":
        predicted = np.array([np.mean(h.reference.classes == h.labels) for h in evaluated])
        seen = np.array([np.mean(h.run.classes == h.labels) for h in evaluated])
        same = sum(int((h.reference.classes == h.run.classes).sum()) for h in evaluated)
        return cls(predicted, seen, len(evaluated[0].labels), same)


def _chance(accuracy: np.ndarray, clips: int) -> np.ndarray:
    """Two binomial errors of a predicted accuracy, on so many clips; never that of less than half a clip."""
    return np.asarray(2.0 * np.sqrt(np.maximum(accuracy * (1.0 - accuracy), 0.25 / clips) / clips))


@TOPIC.measure(
    "chips-accuracy",
    "Mean accuracy of mismatched chips: difference between the prediction of the behavioural model and ngspice.",
)
def accuracy(quick: bool) -> Measured:
    evaluated = [h for h in campaign(quick) if (h.run.classes >= 0).all()]
    found = Accuracies.of(evaluated)
    n, predicted, seen = found.clips * len(evaluated), found.predicted.mean(), found.seen.mean()
    gap, error = abs(float(predicted - seen)), float(_chance(predicted, n))
    nominal = np.concatenate([h.nominal.classes == h.labels for h in evaluated])
    as_predicted = int((found.predicted == found.seen).sum())
    return Measured(
        gap,
        "of clips",
        Bound.at_most(error, note="2 binomial errors"),
        {
            "chips": len(evaluated),
            "clips": n,
            "predicted accuracy": f"{predicted:.3f}",
            "in ngspice": f"{seen:.3f}",
            "without mismatch": f"{nominal.mean():.3f}",
            "clips of the predicted class": found.same,
            "chips of the predicted accuracy": as_predicted,
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
    found = Accuracies.of([evaluate(chip, clips, quick=quick) for chip in range(1 if quick else FEW)])
    gap, error = np.abs(found.predicted - found.seen), _chance(found.predicted, found.clips)
    both = enumerate(zip(found.predicted, found.seen, strict=True))
    accuracies = {
        f"chip {chip}": f"{predicted:.2f} predicted, {seen:.2f} in ngspice" for chip, (predicted, seen) in both
    }
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
    evaluated = campaign(quick)
    found = [error for h in evaluated for error in h.found.first_errors]
    wrong = [error for error in found if any(thermometer(np.array(error.digital), design.ladders[0]) != error.stages)]
    # a chip's threshold may lie near zero: in half windows, not over the threshold
    half = design.ladders[0].threshold[:, 1]
    far = np.array([abs(error.candidate - error.threshold) / half[error.cell] for error in wrong] or [0.0])
    undecided = sum(h.found.undecided for h in evaluated)
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
    """What mismatch does to a row's candidates, and how much of that the behavioural model predicts."""
    _, design, _, _ = digits("digits_d16_k2", quick=quick)
    ladder, wrong, moved = design.ladders[0], [], []
    for h in campaign(quick):
        predicted, nominal = (reference.layers[ladder.name].candidates for reference in (h.reference, h.nominal))
        seen, half = h.run.candidates[ladder.name], ladder.threshold[:, 1]
        wrong.append((predicted - seen) / half)
        moved.append((seen - nominal) / half)
    rms, whole = (float(np.sqrt(np.nanmean(np.square(part)))) for part in (wrong, moved))
    return Measured(rms, "beta", Bound(), {"shift of candidates by mismatch": f"{whole:.3f} beta rms"})
