"""What our blocks make of their bias currents: the measured maps of one ladder."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

DRIVE_AT, GAIN_AT = 0.85, 0.29  # unit currents: a DPI's drive and gain for which CellMaps.shift is stated


@dataclass(frozen=True)
class CellMaps:
    """What the blocks make of their bias currents in one ladder; see the entries size.* of the calibration."""

    bias: float  # current of a bias line over its unit ratio, at one unit current
    bias_slope: float  # and what it gains for each factor e in the line's current
    threshold: float  # I_hi / I_th
    width: float  # I_hi - I_lo = width I_hyst - width_loss I_th
    width_loss: float
    copy: float  # current into a cell over the current into the line, at the standing current
    copy_slope: float  # and what it gains for each factor e in the line's current
    base: float  # standing current of the line over its bias line
    clamp: float  # the clamp adds clamp base^2 / line to the line
    first_shift: float  # shift of stage 1 over its bias line
    shift: float  # DPI output over that of the Design's dpi_gain, at the currents DRIVE_AT and GAIN_AT
    shift_slope: float  # and what it gains for each factor e in its gain current
    shift_drive: float  # and in its drive and leak together
    tau: float  # DPI time constant over (C + C_par) U_T / (kappa I_tau)
    parasitic: float  # C_par of a DPI over the area of one device, F/m^2
    pulse_up: float  # half windows by which a pulse of 8 input time constants must pass the threshold
    pulse_down: float
    trim_up: float  # half windows: residual error of the up thresholds
    trim_down: float
    trim_first: float

    def line(self, base: float, candidate: float) -> float:
        """A, what the input line carries: standing current, candidate and what its clamp adds."""
        wanted = base + candidate
        return (wanted + math.sqrt(wanted**2 + 4.0 * self.clamp * base**2)) / 2.0

    def into_cell(self, base: float, candidate: float) -> float:
        """A, the copy of the line that a stage receives."""
        line = self.line(base, candidate)
        return line * (self.copy + (self.copy_slope * math.log(line / base) if base else 0.0))

    def dpi(self, on: ArrayLike, gain: ArrayLike, unit: float) -> np.ndarray:
        """DPI output over that of the Design's dpi_gain, at a drive and a gain current, A."""
        slope = self.shift_slope * np.log(np.asarray(gain) / (GAIN_AT * unit))
        return np.asarray(self.shift + slope + self.shift_drive * np.log(np.asarray(on) / (DRIVE_AT * unit)))

    def over_units(self, current: float, unit: float) -> float:
        """Current of a bias line, near `current` A, over its unit ratio times the unit current."""
        return self.bias + self.bias_slope * math.log(current / unit)
