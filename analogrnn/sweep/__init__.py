"""Checks a ladder over corner, temperature, supply and mismatch against a specification, as in a datasheet.

`specs` reads the specification, `bench` measures one condition in ngspice, `run` compares, `table` writes the
datasheet.
"""

from analogrnn.sweep.run import Row, SweepReport, run_sweep
from analogrnn.sweep.specs import PARAMETERS, Condition, Spec, SpecFile, read_specs

__all__ = ["PARAMETERS", "Condition", "Row", "Spec", "SpecFile", "SweepReport", "read_specs", "run_sweep"]
