"""Mismatched chips: chip 17 in ngspice against chip 17 of the fast model, thresholds, stages and classes."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analogrnn.agreement import Agreement, Bench, Reference, check_agreement, compare, thermometer
from analogrnn.agreement.reference import chip_reference
from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.design import Design
from analogrnn.errors import SpiceError
from analogrnn.mismatch import draw_ladder
from analogrnn.spice.biases import made
from analogrnn.spice.network import NetworkRun, Simulation, run_network
from analogrnn.spice.silicon import chip_silicon
from analogrnn.spice.transistor import TransistorOptions
from validation.circuits.bench import Case, Demand, Found, exercise, ladder_design, measure
from validation.claims import Measured
from validation.network.memory import memory_of
from validation.network.topic import TOPIC, WORKERS, digits, spread_clips

SEED, CHIPS, CLIPS = 1, 100, 2  # each chip hears clips of its own, spread evenly over the test set
FEW, MANY = 3, 20  # chips that hear more, the same clips each: what two clips say of one chip is little


@dataclass(frozen=True, eq=False)
class Heard:
    """One chip on some clips: both descriptions, and the labels."""

    chip: int
    clips: np.ndarray
    reference: Reference
    run: NetworkRun
    found: Agreement
    labels: np.ndarray


def given_to(heard: Heard, x: np.ndarray) -> np.ndarray:
    """The part of the encoded clips x (T, S, D) that a chip heard."""
    return x[: len(next(iter(heard.run.stages.values()))), heard.clips]


@lru_cache(maxsize=2)
def campaign(quick: bool) -> list[Heard]:
    """Every chip, whole, on clips of its own."""
    _, _, x, _ = digits("digits_d16_k2", quick=quick)
    return [hear(chip, x.shape[1] // CHIPS * chip + np.arange(1 if quick else CLIPS), quick=quick)
            for chip in range(1 if quick else CHIPS)]  # fmt: skip


def hear(chip: int, clips: np.ndarray, *, quick: bool) -> Heard:
    """One chip, whole, on these clips; quick: on their first steps."""
    _, design, x, labels = digits("digits_d16_k2", quick=quick)
    given = x[:6, clips] if quick else x[:, clips]
    silicon = chip_silicon(design, SEED, chip)
    run = run_network(design, given, Simulation(silicon, workers=WORKERS, memory=memory_of(quick)))
    reference = chip_reference(draw_chip(design, SEED, chip), given)
    found = compare("transistor", design, reference, run.stages, run)
    return Heard(chip, clips, reference, run, found, labels[clips])


@TOPIC.measure("chips-steps")
def steps(quick: bool) -> Measured:
    heard = campaign(quick)
    same, of = (sum(getattr(h.found, name) for h in heard) for name in ("stage_steps_equal", "stage_steps_checked"))
    right = sum(h.found.steps_equal for h in heard) / max(sum(h.found.steps_checked for h in heard), 1)
    worst = min(h.found.stage_steps_equal / h.found.stage_steps_checked for h in heard)
    failures = sum(len(h.found.failures) for h in heard)
    ladders = sum(int(ran.sum()) for h in heard for ran in h.run.ran.values())
    return Measured(same / max(of, 1), "of stage-steps", ">= 0.97", same >= 0.97 * of > 0,
                    f"{len(heard)} mismatched chips of digits_d16_k2, 2 x 18 um, all devices of weights and ladders "
                    f"drawn, {heard[0].labels.size} clips each, all ladders ({ladders:,} runs): stages in ngspice as "
                    f"in the fast model of the same chip, {same:,} of {of:,}; ladders right on every stage "
                    f"{100 * right:.2f} % of steps; worst chip {100 * worst:.1f} %; failed runs "
                    f"{failures}")  # fmt: skip


@TOPIC.measure("chips-against-digital")
def against_digital(quick: bool) -> Measured:
    """How far the same chips are from the digital network: what the fast model has to predict."""
    network, design, x, _ = digits("digits_d16_k2", quick=quick)
    bench = Bench("step", chip=0)
    heard = campaign(quick)
    far = []
    for h in heard[: 3 if quick else len(heard)]:
        nominal = check_agreement(network, design, given_to(h, x), Bench("step", bound=bench.wanted)).readings
        far += [np.mean((nominal[name] == h.run.stages[name])[:, h.run.ran[name]]) for name in nominal]
    return Measured(float(np.mean(far)), "of stage-steps", "reported", True,
                    "the same chips' stages in ngspice as in the digital network: mismatch at 36 um2")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Accuracies:
    """Of some chips, each on as many clips: by the fast model and in ngspice; and the clips of the same class."""

    told: np.ndarray
    seen: np.ndarray
    clips: int  # of each chip
    same: int

    @classmethod
    def of(cls, heard: list[Heard]) -> "Accuracies":
        told, seen = (np.array([np.mean(classes == h.labels) for h, classes in zip(heard, found, strict=True)])
                      for found in ([h.reference.classes for h in heard], [h.run.classes for h in heard]))  # fmt: skip
        return cls(
            told, seen, len(heard[0].labels), sum(int((h.reference.classes == h.run.classes).sum()) for h in heard)
        )


def _chance(accuracy: np.ndarray, clips: int) -> np.ndarray:
    """Two binomial errors of an accuracy that was told, on so many clips; never that of less than half a clip."""
    return np.asarray(2.0 * np.sqrt(np.maximum(accuracy * (1.0 - accuracy), 0.25 / clips) / clips))


@TOPIC.measure("chips-accuracy")
def accuracy(quick: bool) -> Measured:
    heard = [h for h in campaign(quick) if (h.run.classes >= 0).all()]
    found, (_, design, x, _) = Accuracies.of(heard), digits("digits_d16_k2", quick=quick)
    n, told, seen = found.clips * len(heard), found.told.mean(), found.seen.mean()
    gap, error = abs(float(told - seen)), float(_chance(told, n))
    nominal = np.concatenate([chip_reference(nominal_chip(design), given_to(h, x)).classes == h.labels for h in heard])
    as_told = int((found.told == found.seen).sum())
    return Measured(gap, "of clips", f"<= {error:.3f} (2 binomial errors)", gap <= error,
                    f"{len(heard)} whole chips with mismatch, {n} clips: accuracy {told:.3f} told, {seen:.3f} in "
                    f"ngspice, {nominal.mean():.3f} of a chip without mismatch; the class that was told on "
                    f"{found.same} clips; the accuracy that was told on {as_told} chips")  # fmt: skip


@TOPIC.measure("chips-alone")
def alone(quick: bool) -> Measured:
    """The accuracy of one chip, which takes many clips to see."""
    _, _, x, _ = digits("digits_d16_k2", quick=quick)
    clips = spread_clips(x.shape[1], 1 if quick else MANY)
    found = Accuracies.of([hear(chip, clips, quick=quick) for chip in range(1 if quick else FEW)])
    gap, error = np.abs(found.told - found.seen), _chance(found.told, found.clips)
    words = ", ".join(f"{t:.2f} told, {s:.2f} in ngspice" for t, s in zip(found.told, found.seen, strict=True))
    return Measured(float(gap.max()), "of clips", f"<= {error.min():.3f} (2 binomial errors)",
                    bool((gap <= error).all()),
                    f"accuracy of single chips, the first {len(gap)}, whole, {found.clips} clips each: {words}; the "
                    f"class that was told on {found.same} of {found.clips * len(gap)}")  # fmt: skip


@TOPIC.measure("chips-first-misses")
def first_misses(quick: bool) -> Measured:
    """A cell at the right level is no miss of a threshold: one of its state nodes was between high and low."""
    _, design, _, _ = digits("digits_d16_k2", quick=quick)
    heard = campaign(quick)
    found = [miss for h in heard for miss in h.found.first_misses]
    wrong = [miss for miss in found if any(thermometer(np.array(miss.digital), design.ladders[0]) != miss.stages)]
    # a chip's threshold may lie near zero: in half windows, not over the threshold
    half = _half_windows(design)
    far = np.array([abs(miss.candidate - miss.threshold) / half[miss.cell] for miss in wrong] or [0.0])
    undecided = sum(h.found.undecided for h in heard)
    return Measured(float(np.median(far)), "beta", "reported", True,
                    f"median distance of {len(wrong)} first misses of the fast model's chips from the threshold; 90 % "
                    f"within {np.quantile(far, 0.9):.3f}, {int((far > 0.1).sum())} beyond 0.1, the farthest "
                    f"{far.max():.3f}; {len(found) - len(wrong)} more are state nodes that rest between high and low "
                    f"({undecided} stage-steps)")  # fmt: skip


def _half_windows(design: Design) -> np.ndarray:
    """(d,) in units of the trained candidate."""
    ladder = design.ladders[0]
    return np.asarray(ladder.beta / (ladder.synapses.scale * design.unit_current))


@TOPIC.measure("chips-candidates")
def candidates(quick: bool) -> Measured:
    """What mismatch does to a row's candidates, and how much of that the fast model tells."""
    _, design, x, _ = digits("digits_d16_k2", quick=quick)
    ladder, heard = design.ladders[0], campaign(quick)
    half = _half_windows(design)
    nominal, wrong, moved = nominal_chip(design), [], []
    for h in heard:
        told, seen = h.reference.layers[ladder.name].candidates, h.run.candidates[ladder.name]
        wrong.append((told - seen) / half)
        moved.append((seen - chip_reference(nominal, given_to(h, x)).layers[ladder.name].candidates) / half)
    rms, whole = (float(np.sqrt(np.nanmean(np.square(part)))) for part in (wrong, moved))
    return Measured(rms, "beta", "reported", True,
                    f"rms error of the fast model's candidates on the same chips, where mismatch moves them by "
                    f"{whole:.3f} rms")  # fmt: skip


@TOPIC.measure("chips-threshold-correlation")
def thresholds(quick: bool) -> Measured:
    """Ramps of every level of one ladder of four a chip, with the draws of that chip."""
    stages, chips = (2, 3) if quick else (4, CHIPS)
    design = ladder_design(stages)
    ladder = design.ladders[0]
    cases = [Case(design, exercise(4, stages, chip, Demand(hold=0.0, move=2.0, most=2.2)),
                  TransistorOptions(draws=draw_ladder(design, ladder, SEED, chip)), ramps=True)
             for chip in range(chips)]  # fmt: skip
    found = measure(cases)
    nothing = np.full(2 * stages, np.nan)
    seen = np.array([nothing if isinstance(f, SpiceError) else np.concatenate([f.up, f.down]) for f in found])
    tables = [draw_chip(design, SEED, chip).ladders[0] for chip in range(chips)]
    # the tables are for pulses; a ramp finds the thresholds of a slow line
    slow, pulsed = (made(design, ladder, 0, pulsed=p) for p in (False, True))
    extra = [np.subtract(getattr(slow, way), getattr(pulsed, way))[[0] + [1] * (stages - 1)] for way in ("up", "down")]
    told = np.array([np.concatenate([t.up[0], t.down[0]]) for t in tables]) + np.concatenate(extra)
    correlations, errors = [], []
    for k in range(2 * stages):
        ok = np.isfinite(seen[:, k]) & np.isfinite(told[:, k])
        if ok.sum() > 2:
            correlations.append(float(np.corrcoef(seen[ok, k], told[ok, k])[0, 1]))
            errors.append(seen[ok, k] - told[ok, k])
    error = np.concatenate(errors) if errors else np.zeros(1)
    least = min(correlations, default=0.0)
    lost = int((~np.isfinite(seen)).sum())
    gave_up = sum(not isinstance(f, Found) for f in found)
    return Measured(least, "correlation", "reported" if quick else ">= 0.98", least >= 0.98 or quick,
                    f"thresholds of {chips} chips, ladder of {stages}, 2 x 18 um, predicted and in ngspice, "
                    f"least of {2 * stages} correlations; rms error {np.sqrt(np.mean(error**2)):.4f} beta, mean "
                    f"{error.mean():+.4f}; outside the ramps {lost}, runs given up {gave_up}")  # fmt: skip
