"""Monte Carlo campaigns: exact, never lost, in bounded time and memory, and fast."""

from validation.montecarlo import cost, exact, kept, scaling, speed
from validation.montecarlo.bench import TOPIC

__all__ = ["TOPIC", "cost", "exact", "kept", "scaling", "speed"]
