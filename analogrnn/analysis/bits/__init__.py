"""How many bits weights, biases and thresholds need."""

from analogrnn.analysis.bits.quantise import Convention, Quantised, quantise
from analogrnn.analysis.bits.search import BitsReport, Settings, analyze_bits

__all__ = ["BitsReport", "Convention", "Quantised", "Settings", "analyze_bits", "quantise"]
