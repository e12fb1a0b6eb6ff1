"""Comparison of two levels of description at every step and every stage.

The digital recurrence gives the level of each cell. A ladder agrees at a step if its stages are exactly the thermometer
code of that level (stages 1..n ON, the others OFF). A wrong step shifts a ladder for the rest of a clip, so the first
error of each cell and clip is reported separately from the errors that follow. A mismatched chip is compared with the
behavioural model of the same chip.
"""

from analogrnn.agreement.check import LEVELS, AgreementSetup, Level, check_agreement, reference_of, simulation_of
from analogrnn.agreement.compare import (
    Agreement,
    AgreementBound,
    FirstError,
    Observed,
    Reference,
    ReferenceLayer,
    Spread,
    compare,
    thermometer,
)
from analogrnn.agreement.reference import chip_reference, nominal_reference
from analogrnn.spice.run_network import Progress

__all__ = [
    "LEVELS",
    "Agreement",
    "AgreementBound",
    "AgreementSetup",
    "FirstError",
    "Level",
    "Observed",
    "Progress",
    "Reference",
    "ReferenceLayer",
    "Spread",
    "check_agreement",
    "chip_reference",
    "compare",
    "nominal_reference",
    "reference_of",
    "simulation_of",
    "thermometer",
]
