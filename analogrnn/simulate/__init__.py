"""Behavioural simulation of a chip: the step level, for networks and Monte Carlo, and the waveform level."""

from analogrnn.schedule import CONTROLS
from analogrnn.simulate.steps import StepRun, run_ladder, simulate
from analogrnn.simulate.waveforms import Waveform, ladder_waveforms, simulate_waveforms

__all__ = ["CONTROLS", "StepRun", "Waveform", "ladder_waveforms", "run_ladder", "simulate", "simulate_waveforms"]
