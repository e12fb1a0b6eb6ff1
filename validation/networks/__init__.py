"""Networks from elsewhere: imported, converted, mapped, and compared with plain evaluations, chips and transistors."""

from validation.networks import imports, large, losses, published
from validation.networks.bench import TOPIC

__all__ = ["TOPIC", "imports", "large", "losses", "published"]
