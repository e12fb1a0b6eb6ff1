"""Noise: wrong moves, flips in hold, noise rejection, and where an analog memory does better."""

from validation.noise import crossover, flips, moves
from validation.noise.bench import TOPIC

__all__ = ["TOPIC", "crossover", "flips", "moves"]
