"""How long a level holds in noise, and when an analog state would be better."""
