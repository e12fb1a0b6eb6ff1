"""The circuits in transistors: every claim about them, measured with ngspice on the foundry's models."""

from validation.circuits import cell, insitu, ladders, mismatched, noise, power, predict, twins
from validation.circuits.topic import TOPIC

__all__ = ["TOPIC", "cell", "insitu", "ladders", "mismatched", "noise", "power", "predict", "twins"]
