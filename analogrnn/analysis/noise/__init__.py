"""How long a level holds in noise, and when an analog state would be better."""

from analogrnn.analysis.noise.report import LayerNoise, accuracy_under_noise, analyze_noise

__all__ = ["LayerNoise", "accuracy_under_noise", "analyze_noise"]
