"""Analyses before tape-out: fixed points, noise, word lengths, sensitivity, power.

Each analysis is a pure function over a Network, Design or Chip that returns a frozen record.
"""
