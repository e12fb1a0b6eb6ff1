"""How much power, how large, how fast."""
