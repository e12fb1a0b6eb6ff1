"""What the devices' deviations make of a cell's thresholds, shifts and outputs.

A threshold is a sum of mirrored currents, so it is a sum of terms I exp(+-delta_1 +-delta_2 ...). The same list of
terms gives the thresholds of one chip and, by the moments of a log-normal, their spread over all chips.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analogrnn.design import Design, Ladder
from analogrnn.mismatch.devices import DPI_DEVICES, STAGE_DEVICES, DeviceDraw, ladder_sigma
from analogrnn.soft_threshold import SoftGains

# which way each device moves a current; a diode counts against the mirror that follows it
_THRESHOLD = {"rth": 1, "bth": -1, "m3": 1, "m2": -1, "m1": 1}
_HYSTERESIS = {"rhyst": 1, "bhyst": -1, "m4": 1}
_COPY = {"u1": -1, "u2": 1, "u3": -1, "mu": 1}
_FIRST_SHIFT = {"rs": 1, "bs": -1, "d0": 1}
_OUTPUT = {"ralpha": 1, "balpha": -1, "m9": 1}
# the mirrors of a soft threshold. Its row is inverted, so that e1, d1 and o1 act where the candidate is negative. The
# pairs mp and mn pass their current, whatever their thresholds
_SOFT = {
    "rail": {"absolute.o2": 1, "absolute.d2": -1},
    "floor": {"delta": 1},
    "e_up": {"soft_threshold.e2": 1, "absolute.d": -1, "soft_threshold.e4": 1, "soft_threshold.e3": -1},
    "e_down": {"soft_threshold.e1": 1, "absolute.d": -1},
    "u_up": {"soft_threshold.o2": 1, "soft_threshold.d2": -1},
    "u_down": {"soft_threshold.o1": 1, "soft_threshold.d1": -1},
}


@dataclass(frozen=True)
class Term:
    """current exp(sum of sign delta(device)); devices that start with `prev.` belong to the stage before."""

    current: np.ndarray  # (d,) A, signed
    devices: Mapping[str, int]


def threshold_terms(ladder: Ladder, stage: int, *, upper: bool) -> list[Term]:
    """The candidate current at which stage `stage` (from 0) sets (`upper`) or resets, as terms.

    u = (I_hi [- I_hyst] - I_shift d_{j-1}) / copy - I_base,   with d_{j-1} = 1 and d_{j+1} = 0.
    """
    shift = shift_devices("mor") if stage else _FIRST_SHIFT
    shift = {f"prev.{name}" if name in STAGE_DEVICES else name: sign for name, sign in shift.items()}
    terms = [Term(ladder.i_th, _over_copy(_THRESHOLD)), Term(-ladder.i_base, {"rbase": 1})]
    if ladder.has_dpi:
        terms.append(Term(-ladder.i_shift, _over_copy(shift)))
    if not upper:
        terms.append(Term(-ladder.i_hyst, _over_copy(_HYSTERESIS)))
    return terms


def stage_terms(ladder: Ladder) -> dict[str, Term]:
    """The currents of one stage as terms: i_th, i_hyst, copy (1), left_out and right_out of its DPI, i_alpha."""
    one = np.ones(ladder.width)
    return {
        "i_th": Term(ladder.i_th, _THRESHOLD),
        "i_hyst": Term(ladder.i_hyst, _HYSTERESIS),
        "copy": Term(one, _COPY),
        "first_shift": Term(ladder.i_shift, _FIRST_SHIFT),
        "left_out": Term(ladder.i_shift, shift_devices("mol")),
        "right_out": Term(ladder.i_shift, shift_devices("mor")),
        "base": Term(ladder.i_base, {"rbase": 1}),
        "i_alpha": Term(ladder.i_alpha, _OUTPUT),
    }


def shift_devices(output: str) -> dict[str, int]:
    """The devices between the bias currents and one output (`mol`, `mor`) of a stage's DPI."""
    return {**DPI_DEVICES, output: 1}


def evaluate(term: Term, draws: Mapping[str, DeviceDraw], stage: int) -> np.ndarray:
    """(d,) the value of a term in one chip, for stage `stage`."""
    exponent = np.zeros_like(term.current)
    for name, sign in term.devices.items():
        delta = draws[name.removeprefix("prev.")].delta
        exponent = exponent + sign * (delta if delta.ndim == 1 else delta[:, stage - name.startswith("prev.")])
    return np.asarray(term.current * np.exp(exponent))


def log_ratio(devices: Mapping[str, int], draws: Mapping[str, DeviceDraw]) -> np.ndarray:
    """(C, d, N) or (C, d, 1) the exponent of a term's current over its nominal value, for all chips and stages at once.

    The `prev.` devices of stage 0 don't exist: 0 stands there.
    """
    total: np.ndarray | float = 0.0
    for name, sign in devices.items():
        delta = draws[name.removeprefix("prev.")].delta
        if name.startswith("prev."):
            delta = np.concatenate([np.zeros_like(delta[:, :, :1]), delta[:, :, :-1]], axis=2)
        total = total + sign * (delta if delta.ndim == 3 else delta[:, :, None])
    return np.asarray(total)


def threshold_deviations(ladder: Ladder, draws: Mapping[str, DeviceDraw]) -> tuple[np.ndarray, np.ndarray]:
    """(C, d, N) how far the up and the down thresholds of all chips lie above their nominal values, A.

    The sum of `threshold_terms` over all stages at once, each term as I expm1(exponent): zero for a chip of no spread.
    """

    def moved(current: np.ndarray, exponent: np.ndarray) -> np.ndarray:
        return current[:, None] * np.expm1(exponent)

    copy = log_ratio(_COPY, draws)
    up = moved(ladder.i_th, log_ratio(_THRESHOLD, draws) - copy) - moved(ladder.i_base, log_ratio({"rbase": 1}, draws))
    if ladder.has_dpi:
        shift = log_ratio({f"prev.{n}" if n in STAGE_DEVICES else n: s for n, s in shift_devices("mor").items()}, draws)
        shift[:, :, :1] = log_ratio(_FIRST_SHIFT, draws)
        up = up - moved(ladder.i_shift, shift - copy)
    return up, up - moved(ladder.i_hyst, log_ratio(_HYSTERESIS, draws) - copy)


def soft_gains(draws: Mapping[str, DeviceDraw]) -> SoftGains:
    """The gains (C, d) of the soft thresholds of many chips, from the draws of their ladders."""
    return SoftGains(**{name: np.exp(log_ratio(devices, draws)[:, :, 0]) for name, devices in _SOFT.items()})


def spread(design: Design, ladder: Ladder, terms: list[Term]) -> tuple[np.ndarray, np.ndarray]:
    """(d,) mean and standard deviation of a sum of terms over all chips, exact for independent Gaussian devices.

    E[c e^X] = c e^{v/2};  Cov(c_1 e^X, c_2 e^Y) = c_1 c_2 e^{(v_X + v_Y)/2} (e^{Cov(X, Y)} - 1).
    """
    names = {name for term in terms for name in term.devices}
    sigma2 = {name: ladder_sigma(design, ladder, name.removeprefix("prev.")) ** 2 for name in names}
    own = [np.asarray(sum(sigma2[name] for name in term.devices), dtype=float) for term in terms]
    mean = sum(term.current * np.exp(v / 2.0) for term, v in zip(terms, own, strict=True))
    variance = np.zeros(ladder.width)
    for (a, v_a), (b, v_b) in itertools.product(zip(terms, own, strict=True), repeat=2):
        shared = sum(a.devices[name] * b.devices[name] * sigma2[name] for name in a.devices.keys() & b.devices.keys())
        variance += a.current * b.current * np.exp((v_a + v_b) / 2.0) * np.expm1(np.asarray(shared, dtype=float))
    return np.asarray(mean), np.sqrt(variance)


def _over_copy(devices: Mapping[str, int]) -> dict[str, int]:
    return {**devices, **{name: -sign for name, sign in _COPY.items()}}
