"""Networks from elsewhere: imported, converted, mapped, and compared with plain evaluations, chips and transistors."""

from validation.networks import hardware, imports, kinds, large, losses, published, tasks, thresholds
from validation.networks.bench import TOPIC

__all__ = ["TOPIC", "hardware", "imports", "kinds", "large", "losses", "published", "tasks", "thresholds"]

thresholds.register(TOPIC)
