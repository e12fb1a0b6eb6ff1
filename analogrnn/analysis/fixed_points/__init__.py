"""Rest states of a ladder, by independent routes: rule, chip currents, waveform model and ngspice."""

from analogrnn.analysis.fixed_points.report import LadderFixedPoints, analyze_fixed_points

__all__ = ["LadderFixedPoints", "analyze_fixed_points"]
