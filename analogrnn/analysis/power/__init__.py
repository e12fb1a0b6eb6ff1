"""Power, area, latency and energy of a Design."""

from analogrnn.analysis.power.area import AreaReport, area_report
from analogrnn.analysis.power.report import PowerReport, analyze_power

__all__ = ["AreaReport", "PowerReport", "analyze_power", "area_report"]
