"""Numba loops on bare arrays, time first. Nothing here knows a record, a file or a unit system."""
