"""The circuits in transistors: every claim about them, measured with ngspice on the foundry's models."""

from validation.circuits import mismatched
from validation.circuits.topic import TOPIC

__all__ = ["TOPIC", "mismatched"]
