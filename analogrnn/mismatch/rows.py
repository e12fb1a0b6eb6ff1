"""What the devices' deviations make of a row of weight mirrors: other weights, and another bias.

gm/I falls as a current rises, so a deviation of V_th is no fixed factor of a mirror. About the current I_0 that it
carries at rest, a mirror whose devices deviate by delta there makes of I

    I_0 e^delta + (I - I_0) e^((1 + fall) delta),    fall = d ln(gm/I) / d ln I,

which is a weight and a bias again. Rails carry the most and fall the most, at 5 nA in 2 x 18 um by 0.16: gm/I is then a
fifth less than at one unit current, and what the inputs add deviates by a sixth less than the whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analogrnn.design import Design, Synapses
from analogrnn.mismatch.devices import DeviceDraw, resting_inputs, resting_rails

SPAN = np.exp(0.5)  # `fall` is the slope of the chord from I_0 / SPAN to I_0 SPAN: inputs swing by about that much


@dataclass(frozen=True, eq=False)
class RowFactors:
    """Relative deviations of the devices of one layer's rows, of C chips: numbers that no weight or bias enters.

    gain    (C, d, D)  factor of what an input adds through its weight mirror
    rest    (C, d, D)  relative deviation of a weight mirror at the current of its diode at rest
    passed  (C, d)     factor of what a row's rail mirror passes on: positive weights and biases
    rail    (C, d)     relative deviation of the rail mirror at the current of the rail at rest
    bias    (C, d)     relative deviation of the bias current
    """

    gain: np.ndarray
    rest: np.ndarray
    passed: np.ndarray
    rail: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one layer as mismatch sees them; currents in units."""

    synapses: Synapses
    inputs: np.ndarray  # (D,) current of each input's diode at rest
    fall: np.ndarray  # (D,) of the mirrors on it
    rail: np.ndarray  # (d,) current of each row's rail at inputs of zero
    rail_fall: np.ndarray  # (d,)

    def factors(self, draws: Mapping[str, DeviceDraw]) -> RowFactors:
        """The relative deviations of many chips, for `draws` of `synapse_types`."""
        rail = draws["rail_out"].delta - draws["rail_in"].delta
        mirror = draws["weight"].delta - draws["input"].delta[:, None, :]
        return RowFactors(
            gain=np.exp((1.0 + self.fall) * mirror),
            rest=np.expm1(mirror),
            passed=np.exp((1.0 + self.rail_fall) * rail),
            rail=np.expm1(rail),
            bias=np.expm1(draws["bias"].delta),
        )

    def deviate(self, draws: Mapping[str, DeviceDraw]) -> tuple[np.ndarray, np.ndarray]:
        """Weights (C, d, D) and biases (C, d) of many chips, in the unit of the trained network.

        `draws` of `synapse_types`. A chip of no spread has exactly the trained numbers.
        """
        return self.applied(self.factors(draws))

    def applied(self, factors: RowFactors) -> tuple[np.ndarray, np.ndarray]:
        """Weights (C, d, D) and biases (C, d) of the chips with these relative deviations."""
        synapses = self.synapses
        # a positive weight passes the rail mirror of its row; a negative one sinks from the candidate node directly
        behind = np.where(synapses.ratio > 0, factors.passed[:, :, None], 1.0)
        # at an input of zero the diode carries the offset
        zero = self.inputs * factors.rest + (synapses.offset - self.inputs) * (factors.gain - 1.0)
        bias = synapses.bias * factors.bias * np.where(synapses.bias > 0, factors.passed, 1.0)
        error = (synapses.ratio * behind * zero).sum(axis=2) + bias + self.rail * factors.rail
        weight = synapses.weight + synapses.weight * (factors.gain * behind - 1.0)
        return weight, synapses.trained_bias + error / synapses.scale


def rows_of(design: Design, synapses: Synapses) -> Rows:
    """The rows of one of a Design's layers."""
    technology, size = design.technology, design.sizing.synapse

    def fall(polarity: str, units: np.ndarray) -> np.ndarray:
        low, high = (
            technology.gm_over_i(polarity, units * design.unit_current * factor, size.w, size.l)
            for factor in (1.0 / SPAN, SPAN)
        )
        return np.asarray(np.log(high / low))

    inputs, rail = resting_inputs(synapses), synapses.rails(synapses.offset)
    return Rows(synapses, inputs, fall("n", inputs), rail, fall("p", resting_rails(synapses)))
