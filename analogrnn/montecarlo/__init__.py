"""Accuracy over manufactured chips: one draw of mismatch per chip, optionally with noise, on a labelled test set."""

from analogrnn.montecarlo.score import Variability
from analogrnn.montecarlo.statistics import ClassEffect, MonteCarlo, Yield, class_effects, confusion, yield_above
from analogrnn.montecarlo.study import Study, run_monte_carlo, run_studies

__all__ = [
    "ClassEffect",
    "MonteCarlo",
    "Study",
    "Variability",
    "Yield",
    "class_effects",
    "confusion",
    "run_monte_carlo",
    "run_studies",
    "yield_above",
]
