"""SPICE: decks as text, the simulators that run them in processes of their own, and the waveforms that come back."""
