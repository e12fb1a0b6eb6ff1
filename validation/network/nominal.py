"""Nominal networks: every stage at every step, classes, first misses; and that a flat deck gives what slices give."""

from functools import lru_cache

import numpy as np

from analogrnn.agreement import Agreement, Bench, check_agreement
from analogrnn.design import Design
from analogrnn.spice.run_network import NetworkRun, Simulation, run_network
from analogrnn.spice.transistor_network import Silicon
from validation.claims import Measured
from validation.network.memory import memory_of
from validation.network.topic import CALIBRATION, TOPIC, WORKERS, digits, spread_clips

# network, how many clips, the first of so many that are spread evenly over the test set
CASES = {"d16": ("digits_d16_k2", 100, 100), "d32": ("digits_d32_k4", 20, 20)}


@lru_cache(maxsize=4)
def agreement(case: str, quick: bool) -> Agreement:
    """A shipped network on held-out clips; quick: eight steps of one."""
    name, count, spread = CASES[case]
    network, design, x, _ = digits(name, quick=quick)
    given = x[:4, :1] if quick else x[:, spread_clips(x.shape[1], spread)[:count]]
    return check_agreement(network, design, given, Bench("transistor", workers=WORKERS, memory=memory_of(quick)))


def _rows(case: str) -> None:
    def told(a: Agreement) -> str:
        return f"{CASES[case][0]} in transistors, standard stage, nominal, {a.clips} held-out clips"

    @TOPIC.measure(f"{case}-steps")
    def steps(quick: bool) -> Measured:
        a = agreement(case, quick)
        share = a.stage_steps_equal / max(a.stage_steps_checked, 1)
        return Measured(
            share,
            "of stage-steps",
            ">= 0.99",
            share >= 0.99 and not a.failures,
            f"{told(a)}: stages equal to digital, {a.stage_steps_equal:,} of {a.stage_steps_checked:,}; "
            f"ladders right on every stage {a.steps_equal:,} of {a.steps_checked:,} steps; no thermometer "
            f"code {a.thermometer_violations}, undecided stages {a.undecided}, failed runs "
            f"{len(a.failures)}",
        )

    @TOPIC.measure(f"{case}-classes")
    def classes(quick: bool) -> Measured:
        a = agreement(case, quick)
        same, of = a.classes_equal or 0, a.classes_checked or 0
        error = float("nan") if a.logit_error is None else a.logit_error
        return Measured(
            same / max(of, 1),
            "of clips",
            ">= 0.99",
            same >= 0.99 * of > 0,
            f"{told(a)}: same class as digital on {same} of {of}; largest error of an output {error:.3f} units",
        )

    @TOPIC.measure(f"{case}-first-misses")
    def misses(quick: bool) -> Measured:
        a = agreement(case, quick)
        far = sorted((miss.distance for miss in a.first_misses), reverse=True)
        worst = far[0] if far else 0.0
        median = float(np.median(far)) if far else 0.0
        return Measured(
            worst,
            "of threshold",
            f"<= {CALIBRATION:g}",
            worst <= CALIBRATION,
            f"{told(a)}: distance of the farthest of {len(far)} first misses from its threshold; median "
            f"{100 * median:.2g} %; beyond 1 %: {sum(d > 0.01 for d in far)}; the bound is the stated "
            "error of thresholds",
        )

    @TOPIC.measure(f"{case}-currents")
    def currents(quick: bool) -> Measured:
        a = agreement(case, quick)
        assert a.candidate is not None
        assert a.output is not None
        return Measured(
            a.candidate.rms,
            "of threshold",
            "< 0.01",
            a.candidate.rms < 0.01,
            f"{told(a)}: rms error of the candidate currents, largest {100 * a.candidate.largest:.2g} %; "
            f"output currents of right cells {100 * a.output.rms:.2g} % of full scale rms, largest "
            f"{100 * a.output.largest:.2g} %",
        )


for _case in CASES:
    _rows(_case)


@lru_cache(maxsize=2)
def both_ways(quick: bool) -> tuple[Design, NetworkRun, NetworkRun]:
    """One clip as slices and as one flat deck."""
    _, design, x, _ = digits("digits_d16_k2", quick=quick)
    given = x[:3, :1] if quick else x[:, :1]
    slices, flat = (
        run_network(design, given, Simulation(Silicon(), flat=flat, workers=WORKERS, memory=memory_of(quick)))
        for flat in (False, True)
    )
    return design, slices, flat


@TOPIC.measure("flat-equals-slices")
def flat_equals_slices(quick: bool) -> Measured:
    design, slices, flat = both_ways(quick)
    same = checked = 0
    candidates, outputs = [], []
    for ladder in design.ladders:
        equal = slices.stages[ladder.name] == flat.stages[ladder.name]
        same, checked = same + int(equal.sum()), checked + equal.size
        half = ladder.beta / (ladder.synapses.scale * design.unit_current)
        candidates.append(np.abs(slices.candidates[ladder.name] - flat.candidates[ladder.name]) / half)
        full = ladder.i_alpha * ladder.stages
        outputs.append(np.abs(slices.outputs[ladder.name] - flat.outputs[ladder.name]) / full)
    logits = float(np.abs(slices.logits - flat.logits).max())
    return Measured(
        same / checked,
        "of stage-steps",
        "= 1",
        same == checked > 0,
        f"one flat deck of digits_d16_k2 and its slices, one clip, {checked:,} stage-steps; candidates "
        f"differ by {100 * np.max(candidates):.2g} % of a threshold at most, outputs by "
        f"{100 * np.max(outputs):.2g} % of full scale, logits by {logits:.3f}",
    )
