"""The circuits in transistors: every claim about them, measured with ngspice on the foundry's models."""

from validation.circuits import cell, devices, insitu, ladders, mismatched, noise, power, predict, sizes, twins
from validation.circuits.topic import TOPIC

__all__ = ["TOPIC", "cell", "devices", "insitu", "ladders", "mismatched", "noise", "power", "predict", "sizes", "twins"]
