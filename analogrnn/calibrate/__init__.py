"""Calibration: runs the transistor blocks in ngspice and writes what the behavioural models read.

`campaign` selects the measurements, runs them and keeps their results. `bench` defines what a measurement is. The other
modules each hold one kind of measurement.
"""
