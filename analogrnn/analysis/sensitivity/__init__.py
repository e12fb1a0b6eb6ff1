"""Which devices cost the accuracy over chips, and where area pays."""

from analogrnn.analysis.sensitivity.allocation import Allocation, allocate_area
from analogrnn.analysis.sensitivity.indices import Sensitivity, Study, analyze_sensitivity

__all__ = ["Allocation", "Sensitivity", "Study", "allocate_area", "analyze_sensitivity"]
