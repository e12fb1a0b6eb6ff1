"""Rows on transistors that several networks share: stages at every step, classes, and first errors."""

from collections.abc import Callable

import numpy as np

from analogrnn.agreement import Agreement
from validation.bounds import Bound
from validation.claims import Figures, Measured
from validation.networks.bench import CALIBRATION, TOPIC

Run = Callable[[bool], Agreement]


def transistor_rows(prefix: str, network: str, conditions: Figures, run: Run) -> None:
    """Add rows on a nominal network in transistors; `run` takes `quick`."""

    @TOPIC.measure(
        f"{prefix}-steps", f"Stages of {network} in transistors, nominal, equal to those of the digital network."
    )
    def steps(quick: bool) -> Measured:
        a = run(quick)
        return Measured(
            a.stage_steps_equal / max(a.stage_steps_checked, 1),
            "of stage-steps",
            Bound.at_least(0.99),
            {
                **conditions,
                "clips": a.clips,
                "equal stage-steps": f"{a.stage_steps_equal:,} of {a.stage_steps_checked:,}",
                "ladder-steps right on every stage": f"{a.steps_equal:,} of {a.steps_checked:,}",
                "stages outside a thermometer code": a.thermometer_violations,
                "undecided stages": a.undecided,
                "failed runs": len(a.failures),
            },
            also={"no failed runs": not a.failures},
        )

    @TOPIC.measure(
        f"{prefix}-classes",
        f"Clips to which {network} in transistors, nominal, assigns the class of the digital network.",
    )
    def classes(quick: bool) -> Measured:
        a = run(quick)
        same, of = a.classes_equal or 0, a.classes_checked or 0
        error = float("nan") if a.logit_error is None else a.logit_error
        return Measured(
            same / max(of, 1),
            "of clips",
            Bound() if quick else Bound.at_least(0.95),  # a few steps or units decide no class
            {**conditions, "same class": f"{same} of {of}", "largest error of an output": f"{error:.3f} units"},
        )

    @TOPIC.measure(
        f"{prefix}-first-errors",
        f"Distance of the candidate from the threshold at the first error of a cell of {network}, worst: "
        "the bound is the stated error of thresholds.",
    )
    def first_errors(quick: bool) -> Measured:
        a = run(quick)
        far = sorted((error.distance for error in a.first_errors), reverse=True)
        return Measured(
            far[0] if far else 0.0,
            "of threshold",
            Bound.at_most(CALIBRATION),
            {
                **conditions,
                "first errors": len(far),
                "median": f"{100 * float(np.median(far)) if far else 0.0:.2g} %",
                "beyond 2 %": sum(d > CALIBRATION for d in far),
            },
        )
