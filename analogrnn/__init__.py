"""From a trained bistable or cumulative recurrent network to analog silicon."""

__version__ = "0.1.0"
