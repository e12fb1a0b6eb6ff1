"""Network + Technology -> Design, and back.

The currents and times follow the inequalities of the thermometer ladder, each with a stated margin: see
`inequalities`. What a designer may choose is `MappingOptions`.
"""

from analogrnn.mapping.circuit import map_network
from analogrnn.mapping.exact import circuit_form
from analogrnn.mapping.inequalities import check_ladders, ladder_margins
from analogrnn.mapping.options import STAGES, MappingChanges, MappingOptions, chosen_options, stage_options
from analogrnn.mapping.recover import recover_network

__all__ = [
    "STAGES",
    "MappingChanges",
    "MappingOptions",
    "check_ladders",
    "chosen_options",
    "circuit_form",
    "ladder_margins",
    "map_network",
    "recover_network",
    "stage_options",
]
