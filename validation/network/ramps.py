"""Thresholds of mismatched ladders by ramps in ngspice, compared with the tables of the same chips."""

import numpy as np

from analogrnn.biases import achieved
from analogrnn.chip import draw_chip
from analogrnn.errors import SpiceError
from analogrnn.mismatch import draw_ladder
from analogrnn.spice.transistor_ladder import TransistorOptions
from analogrnn.stimulus import Demand
from validation.bounds import Bound
from validation.circuits.bench import Case, Found, ladder_design, measure, random_moves
from validation.claims import Measured
from validation.network.chips import CHIPS, SEED
from validation.network.topic import TOPIC


@TOPIC.measure(
    "chips-threshold-correlation",
    "Thresholds of mismatched chips, predicted and by ramps in ngspice: least correlation over chips.",
)
def thresholds(quick: bool) -> Measured:
    """Ramps of every level of one ladder of four per chip, with the draws of that chip."""
    stages, chips = (2, 3) if quick else (4, CHIPS)
    design = ladder_design(stages)
    ladder = design.ladders[0]
    cases = [
        Case(
            design,
            random_moves(4, stages, chip, Demand(hold=0.0, move=2.0, most=2.2)),
            TransistorOptions(draws=draw_ladder(design, ladder, SEED, chip)),
            ramps=True,
        )
        for chip in range(chips)
    ]
    found = measure(cases)
    nothing = np.full(2 * stages, np.nan)
    seen = np.array([nothing if isinstance(f, SpiceError) else np.concatenate([f.up, f.down]) for f in found])
    tables = [draw_chip(design, SEED, chip).ladders[0] for chip in range(chips)]
    # the tables are for pulses; a ramp finds the thresholds of a slow line
    slow, pulsed = (achieved(design, ladder, 0, pulsed=p) for p in (False, True))
    extra = [np.subtract(getattr(slow, way), getattr(pulsed, way))[[0] + [1] * (stages - 1)] for way in ("up", "down")]
    predicted = np.array([np.concatenate([t.up[0], t.down[0]]) for t in tables]) + np.concatenate(extra)
    correlations, errors = [], []
    for k in range(2 * stages):
        ok = np.isfinite(seen[:, k]) & np.isfinite(predicted[:, k])
        if ok.sum() > 2:
            correlations.append(float(np.corrcoef(seen[ok, k], predicted[ok, k])[0, 1]))
            errors.append(seen[ok, k] - predicted[ok, k])
    error = np.concatenate(errors) if errors else np.zeros(1)
    least = min(correlations, default=0.0)
    lost = int((~np.isfinite(seen)).sum())
    gave_up = sum(not isinstance(f, Found) for f in found)
    return Measured(
        least,
        "correlation",
        Bound() if quick else Bound.at_least(0.98),
        {
            "chips": chips,
            "stages": stages,
            "device size": "2 x 18 um",
            "thresholds": 2 * stages,
            "rms error": f"{np.sqrt(np.mean(error**2)):.4f} beta",
            "mean error": f"{error.mean():+.4f} beta",
            "outside the ramps": lost,
            "runs given up": gave_up,
        },
    )
