"""Corners, temperature, supply and mismatch against a specification, as a datasheet states one.

`specs` reads the file, `bench` measures one condition in ngspice, `run` compares, `table` writes it down.
"""

from analogrnn.sweep.run import Row, SweepReport, run_sweep
from analogrnn.sweep.specs import PARAMETERS, Condition, Spec, SpecFile, read_specs

__all__ = ["PARAMETERS", "Condition", "Row", "Spec", "SpecFile", "SweepReport", "read_specs", "run_sweep"]
