"""Mismatched chips: chip 17 in ngspice against chip 17 of the fast model, thresholds, stages and classes."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analogrnn.agreement import Agreement, Bench, Reference, check_agreement, compare
from analogrnn.agreement.reference import chip_reference
from analogrnn.chip import draw_chip
from analogrnn.errors import SpiceError
from analogrnn.mismatch import draw_ladder
from analogrnn.spice.biases import made
from analogrnn.spice.network import NetworkRun, Simulation, run_network
from analogrnn.spice.silicon import chip_silicon
from analogrnn.spice.transistor import TransistorOptions
from validation.circuits.bench import Case, Demand, Found, exercise, ladder_design, measure
from validation.claims import Measured
from validation.network.memory import memory_of
from validation.network.topic import TOPIC, WORKERS, digits

SEED, CHIPS = 1, 100
WHOLE, PART = 8, 2  # chips of which every ladder runs, so that they give a class; of the others so many of 16


@dataclass(frozen=True, eq=False)
class Heard:
    """One chip on some clips: both descriptions, and the labels."""

    chip: int
    reference: Reference
    run: NetworkRun
    found: Agreement
    labels: np.ndarray


def clips_of(chip: int, clips: int) -> np.ndarray:
    """The clip that a chip hears."""
    return np.array([3 * chip % clips])


@lru_cache(maxsize=2)
def campaign(quick: bool) -> list[Heard]:
    """Every chip on one clip of its own: all its ladders, or two that change from chip to chip."""
    _, design, x, labels = digits("digits_d16_k2", quick=quick)
    heard = []
    for chip in range(1 if quick else CHIPS):
        clips = clips_of(chip, x.shape[1])
        width = design.ladders[0].width
        cells = None if chip < WHOLE else tuple((PART * chip + n) % width for n in range(PART))
        given = x[:6, clips] if quick else x[:, clips]
        silicon = chip_silicon(design, SEED, chip)
        run = run_network(design, given, Simulation(silicon, cells=cells, workers=WORKERS, memory=memory_of(quick)))
        reference = chip_reference(draw_chip(design, SEED, chip), given)
        found = compare("transistor", design, reference, run.stages, run)
        heard.append(Heard(chip, reference, run, found, labels[clips]))
    return heard


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
                    f"drawn, one clip each, {ladders} ladders ({WHOLE} chips whole): stages in ngspice as in the fast "
                    f"model of the same chip, {same:,} of {of:,}; ladders right on every stage {100 * right:.2f} % of "
                    f"steps; worst chip {100 * worst:.1f} %; failed runs {failures}")  # fmt: skip


@TOPIC.measure("chips-against-digital")
def against_digital(quick: bool) -> Measured:
    """How far the same chips are from the digital network: what the fast model has to predict."""
    network, design, x, _ = digits("digits_d16_k2", quick=quick)
    bench = Bench("step", chip=0)
    heard = campaign(quick)
    far = []
    for h in heard[: 3 if quick else len(heard)]:
        given = x[: len(next(iter(h.run.stages.values()))), clips_of(h.chip, x.shape[1])]
        nominal = check_agreement(network, design, given, Bench("step", bound=bench.wanted)).readings
        far += [np.mean((nominal[name] == h.run.stages[name])[:, h.run.ran[name]]) for name in nominal]
    return Measured(float(np.mean(far)), "of stage-steps", "reported", True,
                    "the same chips' stages in ngspice as in the digital network: mismatch at 36 um2")  # fmt: skip


@TOPIC.measure("chips-accuracy")
def accuracy(quick: bool) -> Measured:
    """Each whole chip gives one class: the fast model must give the same right and wrong ones, but for chance."""
    heard = [h for h in campaign(quick) if (h.run.classes >= 0).all()]
    told = np.concatenate([h.reference.classes for h in heard])
    seen = np.concatenate([h.run.classes for h in heard])
    labels = np.concatenate([h.labels for h in heard])
    n = len(labels)
    predicted, simulated = float(np.mean(told == labels)), float(np.mean(seen == labels))
    error = 2.0 * float(np.sqrt(max(predicted * (1.0 - predicted), 0.25 / n) / n))
    gap = abs(predicted - simulated)
    return Measured(gap, "of clips", f"<= {error:.3f} (2 binomial errors)", gap <= error,
                    f"{n} whole chips with mismatch, one clip each: accuracy {predicted:.3f} told, {simulated:.3f} "
                    f"in ngspice; the same class on {int((told == seen).sum())} of {n}")  # fmt: skip


@TOPIC.measure("chips-first-misses")
def first_misses(quick: bool) -> Measured:
    far = [miss.distance for h in campaign(quick) for miss in h.found.first_misses]
    value = float(np.median(far)) if far else 0.0
    beyond = sum(d > 0.1 for d in far)
    return Measured(value, "of threshold", "reported", True,
                    f"median distance of {len(far)} first misses of the fast model's chips from the threshold; "
                    f"90 % within {np.quantile(far, 0.9) if far else 0.0:.3f}; {beyond} beyond 0.1")  # fmt: skip


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
