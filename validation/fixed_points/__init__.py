"""Fixed points: the codes in which a ladder rests, by several methods; what pulses and upsets reach; eps."""

from validation.fixed_points import pulses, recurrence, rest, transistors, upset
from validation.fixed_points.bench import TOPIC

__all__ = ["TOPIC", "pulses", "recurrence", "rest", "transistors", "upset"]
