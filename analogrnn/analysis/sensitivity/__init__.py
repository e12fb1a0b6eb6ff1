"""Which devices cost accuracy over chips, and how gate area is best allocated."""

from analogrnn.analysis.sensitivity.allocation import Allocation, allocate_area
from analogrnn.analysis.sensitivity.indices import Sensitivity, SensitivityOptions, analyze_sensitivity

__all__ = ["Allocation", "Sensitivity", "SensitivityOptions", "allocate_area", "analyze_sensitivity"]
