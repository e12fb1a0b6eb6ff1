"""How many bits weights, biases and thresholds need."""
