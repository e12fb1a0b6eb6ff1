"""Nominal networks: every stage at every step, classes, first errors; and that a flat deck gives what slices give."""

from functools import lru_cache

import numpy as np

from analogrnn.agreement import Agreement, AgreementSetup, check_agreement
from analogrnn.design import Design
from analogrnn.spice.run_network import NetworkRun, Simulation, run_network
from analogrnn.spice.transistor_network import TransistorSetup
from validation.bounds import Bound
from validation.claims import Figures, Measured
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
    return check_agreement(
        network, design, given, AgreementSetup("transistor", workers=WORKERS, memory=memory_of(quick))
    )


def conditions(a: Agreement) -> Figures:
    """What all rows of a nominal network share."""
    return {"stage": "standard", "clips": a.clips}


def _rows(case: str) -> None:
    network = CASES[case][0]

    @TOPIC.measure(
        f"{case}-steps", f"Stages of {network} in transistors, nominal, equal to those of the digital network."
    )
    def steps(quick: bool) -> Measured:
        a = agreement(case, quick)
        share = a.stage_steps_equal / max(a.stage_steps_checked, 1)
        return Measured(
            share,
            "of stage-steps",
            Bound.at_least(0.99),
            {
                **conditions(a),
                "equal stage-steps": f"{a.stage_steps_equal:,} of {a.stage_steps_checked:,}",
                "ladder-steps right on every stage": f"{a.steps_equal:,} of {a.steps_checked:,}",
                "stages outside a thermometer code": a.thermometer_violations,
                "undecided stages": a.undecided,
                "failed runs": len(a.failures),
            },
            also={"no failed runs": not a.failures},
        )

    @TOPIC.measure(
        f"{case}-classes",
        f"Clips to which {network} in transistors, nominal, assigns the class of the digital network.",
    )
    def classes(quick: bool) -> Measured:
        a = agreement(case, quick)
        same, of = a.classes_equal or 0, a.classes_checked or 0
        error = float("nan") if a.logit_error is None else a.logit_error
        return Measured(
            same / max(of, 1),
            "of clips",
            Bound.at_least(0.99),
            {**conditions(a), "same class": f"{same} of {of}", "largest error of an output": f"{error:.3f} units"},
        )

    @TOPIC.measure(
        f"{case}-first-errors",
        f"Distance of the candidate from the threshold at the first error of a cell of {network}, worst; the "
        "bound is the stated error of thresholds.",
    )
    def first_errors(quick: bool) -> Measured:
        a = agreement(case, quick)
        far = sorted((error.distance for error in a.first_errors), reverse=True)
        worst = far[0] if far else 0.0
        median = float(np.median(far)) if far else 0.0
        return Measured(
            worst,
            "of threshold",
            Bound.at_most(CALIBRATION),
            {
                **conditions(a),
                "first errors": len(far),
                "median": f"{100 * median:.2g} %",
                "beyond 1 %": sum(d > 0.01 for d in far),
            },
        )

    @TOPIC.measure(f"{case}-currents", f"Rms error of the candidate currents of {network} in transistors, nominal.")
    def currents(quick: bool) -> Measured:
        a = agreement(case, quick)
        assert a.candidate is not None
        assert a.output is not None
        return Measured(
            a.candidate.rms,
            "of threshold",
            Bound.below(0.01),
            {
                **conditions(a),
                "largest": f"{100 * a.candidate.largest:.2g} %",
                "output currents of right cells, rms": f"{100 * a.output.rms:.2g} % of full scale",
                "their largest error": f"{100 * a.output.largest:.2g} %",
            },
        )


for _case in CASES:
    _rows(_case)


@lru_cache(maxsize=2)
def both_ways(quick: bool) -> tuple[Design, NetworkRun, NetworkRun]:
    """One clip as slices and as one flat deck."""
    _, design, x, _ = digits("digits_d16_k2", quick=quick)
    given = x[:3, :1] if quick else x[:, :1]
    slices, flat = (
        run_network(design, given, Simulation(TransistorSetup(), flat=flat, workers=WORKERS, memory=memory_of(quick)))
        for flat in (False, True)
    )
    return design, slices, flat


@TOPIC.measure("flat-equals-slices", "One flat deck of digits_d16_k2 gives the same stages as its slices.")
def flat_equals_slices(quick: bool) -> Measured:
    design, slices, flat = both_ways(quick)
    same = checked = 0
    candidates, outputs = [], []
    for ladder in design.ladders:
        equal = slices.stages[ladder.name] == flat.stages[ladder.name]
        same, checked = same + int(equal.sum()), checked + equal.size
        half = ladder.beta / design.candidate_units(ladder.synapses)
        candidates.append(np.abs(slices.candidates[ladder.name] - flat.candidates[ladder.name]) / half)
        full = ladder.i_alpha * ladder.stages
        outputs.append(np.abs(slices.outputs[ladder.name] - flat.outputs[ladder.name]) / full)
    logits = float(np.abs(slices.logits - flat.logits).max())
    return Measured(
        same / checked,
        "of stage-steps",
        Bound.equals(1),
        {
            "clips": 1,
            "stage-steps": checked,
            "candidates differ by at most": f"{100 * np.max(candidates):.2g} % of a threshold",
            "outputs": f"{100 * np.max(outputs):.2g} % of full scale",
            "logits": f"{logits:.3f}",
        },
    )
