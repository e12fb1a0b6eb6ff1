"""Where a ladder can rest, by four independent routes."""

from analogrnn.analysis.fixed_points.report import LadderFixedPoints, analyze_fixed_points

__all__ = ["LadderFixedPoints", "analyze_fixed_points"]
