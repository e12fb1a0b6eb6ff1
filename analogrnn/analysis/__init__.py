"""What a designer asks before tape-out: fixed points, noise, bits, sensitivity, power.

Each analysis is a pure function over a Network, Design or Chip that returns a frozen record.
"""
