"""Trim codes for the bias DACs of one chip, found through its inputs and outputs alone.

`knobs` says which DACs there are; `device` is the simulated chip behind the `ChipUnderTest` interface; `procedure` is
what the tester does; `campaign` scores many chips before and after.
"""

from analogrnn.trim.campaign import TrimCampaign, TrimmedScore, chip_trimmed, trim_chips
from analogrnn.trim.device import StepDevice
from analogrnn.trim.knobs import Codes, Dac, TrimOptions, TrimPlan, plan_trim
from analogrnn.trim.procedure import ChipUnderTest, Trimmed, trim_chip

__all__ = [
    "ChipUnderTest",
    "Codes",
    "Dac",
    "StepDevice",
    "TrimCampaign",
    "TrimOptions",
    "TrimPlan",
    "Trimmed",
    "TrimmedScore",
    "chip_trimmed",
    "plan_trim",
    "trim_chip",
    "trim_chips",
]
