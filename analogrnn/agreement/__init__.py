"""Do two levels of description agree? At every step, on every stage, or not at all.

The digital recurrence gives each cell's level; a ladder agrees at a step if its stages show exactly that level as a
thermometer code (stages 1..n ON, the others OFF). A missed step shifts a ladder for the rest of a clip, so the first
miss of each cell and clip is told apart from what follows it. A mismatched chip is held against the behavioural model
of the same chip.
"""

from analogrnn.agreement.check import LEVELS, Bench, check_agreement, reference_of, simulation_of
from analogrnn.agreement.compare import Agreement, Bound, Miss, Reference, Spread, Wanted, compare, thermometer
from analogrnn.agreement.reference import chip_reference, nominal_reference
from analogrnn.spice.run_network import Progress

__all__ = [
    "LEVELS",
    "Agreement",
    "Bench",
    "Bound",
    "Miss",
    "Progress",
    "Reference",
    "Spread",
    "Wanted",
    "check_agreement",
    "chip_reference",
    "compare",
    "nominal_reference",
    "reference_of",
    "simulation_of",
    "thermometer",
]
