"""Calibration: runs the transistor blocks in ngspice and writes what the behavioural models read.

`campaign` decides and keeps; `bench` says what a measurement is; one module a kind of measurement.
"""
