"""A network of one ladder layer and a readout in fixed point, by fxpmath: the reference for the integer model."""

import numpy as np
from fxpmath.objects import Fxp

from analogrnn.analysis.bits.quantise import Quantised


def _fxp(value: np.ndarray | int, bits: int, fraction: int) -> Fxp:
    """A signed number of `bits`, `fraction` of them behind the point; fxpmath carries no types."""
    return Fxp(value, signed=True, n_word=bits, n_frac=fraction, rounding="around")  # type: ignore[no-untyped-call]


def fixed(value: np.ndarray, lsb: np.ndarray | float, bits: int) -> Fxp:
    """A signed fixed-point number of `bits` and step `lsb` = 2^-n_frac, rounded to nearest by fxpmath; no overflow."""
    number = _fxp(value, bits, -round(np.log2(float(lsb))))
    assert number.status is not None
    assert not number.status["overflow"]
    return number


def fixed_point_reference(quantised: Quantised, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levels (T, S, d) and logits (S, classes) by fxpmath: it rounds, adds and compares. Only least steps are given.

    An unsigned word has a bit more here, for fxpmath's sign.
    """
    ladder, readout = quantised.original.ladders[0], quantised.original.layers[1]
    codes = {group: item for (_, group), item in quantised.codes.items()}
    scale, unit = ladder.synapses.scale, quantised.original.unit_current
    inputs = fixed(x, quantised.input_lsb, quantised.word_lengths["inputs"])
    weight = fixed(ladder.synapses.ratio, codes["weights"].lsb, codes["weights"].bits)
    offset = np.full(x.shape[2], quantised.input_limit * quantised.input_lsb)
    carried = (weight() / scale[:, None]) @ offset
    bias = fixed((ladder.synapses.trained_bias - carried) * scale, codes["bias"].lsb, codes["bias"].bits)
    currents: dict[str, Fxp] = {}
    moved = np.zeros(len(scale))
    for group in [name for name in ("base", "shift") if name in codes]:
        ideal = getattr(ladder, f"i_{group}") / unit
        currents[group] = fixed(ideal, codes[group].lsb, codes[group].bits + 1)
        moved = moved + (currents[group]() - ideal)
    threshold = fixed(ladder.i_th / unit + moved, codes["threshold"].lsb, codes["threshold"].bits + 1)
    error = threshold() - ladder.i_th / unit - moved
    width = fixed(ladder.i_hyst / unit + error, codes["width"].lsb, codes["width"].bits + 1)
    up = threshold - currents["base"] if "base" in codes else threshold - 0.0
    up = up - currents["shift"] if "shift" in codes else up
    down = up - width
    offset_current = (weight * fixed(offset, quantised.input_lsb, 16)).get_val().sum(axis=1)
    level = np.broadcast_to(ladder.initial, x.shape[1:2] + scale.shape).astype(int).copy()
    levels = np.empty((*x.shape[:2], len(scale)), int)
    for t in range(len(x)):
        for s in range(x.shape[1]):
            total = bias + fixed(offset_current, 2.0**-24, 48)
            for j in range(x.shape[2]):
                total = total + weight[:, j] * inputs[t, s, j]  # grows as it must
            on = (level[s] - ladder.k_min) // ladder.level_step
            rise = (on < ladder.stages) & (total() >= up())
            fall = (on > 0) & (total() <= down())
            level[s] += ladder.level_step * (rise.astype(int) - fall)
            levels[t, s] = level[s]
    # at eps = 0 a stage's current is two levels
    alpha = fixed(ladder.alpha, codes["output"].lsb / ladder.level_step, codes["output"].bits + 1)
    mirrors = fixed(readout.synapses.ratio, codes["readout_weights"].lsb, codes["readout_weights"].bits)
    zero = mirrors() @ (-alpha() * ladder.k_min)
    last = fixed(readout.synapses.trained_bias - zero, codes["readout_bias"].lsb, codes["readout_bias"].bits)
    logits = np.empty((x.shape[1], readout.synapses.width))
    for s in range(x.shape[1]):
        total = last + fixed(zero, 2.0**-24, 48)
        for i in range(len(scale)):
            total = total + mirrors[:, i] * (alpha[i] * _fxp(int(levels[-1, s, i]), 8, 0))
        logits[s] = total()
    return levels, logits
