"""SPICE: writes decks, runs each in its own simulator process, and reads the waveforms."""
