"""The circuits in transistors: every claim about them, measured with ngspice on the foundry's models."""

from validation.circuits import cell, ladders, mismatched, noise, power, predict
from validation.circuits.topic import TOPIC

__all__ = ["TOPIC", "cell", "ladders", "mismatched", "noise", "power", "predict"]
