"""Accuracy over manufactured chips: one draw of mismatch a chip, optionally with noise, on a labelled test set."""

from analogrnn.montecarlo.statistics import (
    ClassEffect,
    MonteCarlo,
    Yield,
    class_effects,
    confusion,
    proportion_interval,
    yield_above,
)
from analogrnn.montecarlo.study import Study, run_monte_carlo, run_studies
from analogrnn.score import Variability

__all__ = [
    "ClassEffect",
    "MonteCarlo",
    "Study",
    "Variability",
    "Yield",
    "class_effects",
    "confusion",
    "proportion_interval",
    "run_monte_carlo",
    "run_studies",
    "yield_above",
]
