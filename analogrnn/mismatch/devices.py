"""Device mismatch: one draw a device, composed into what a cell's thresholds, shifts and outputs become.

A device in weak inversion that should carry I carries I exp(delta), delta = -(gm/I) dV_th + dbeta/beta, both Gaussian
by Pelgrom's law. A threshold is a sum of mirrored currents, so it is a sum of terms I exp(+-delta_1 +-delta_2 ...). The
same list of terms gives the thresholds of one chip and, by the moments of a log-normal, their spread over all chips.

The draws are kept per device (dV_th in V, dbeta/beta), so that the same chip can be written into a transistor deck.

Source  Pelgrom et al., JSSC 24(5), 1989.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analogrnn.design import Design, Geometry, Ladder, Synapses
from analogrnn.kernels.draws import device_deviations, device_normals
from analogrnn.streams import chip_number, stream_key
from analogrnn.technology import Technology

# name: (polarity, the current it carries). Names are those of the transistor ladder's instances.
STAGE_DEVICES = {
    "m1": ("n", "i_th"), "m2": ("n", "i_th"), "m3": ("p", "i_th"), "m4": ("p", "i_hyst"), "m7": ("p", "i_on"),
    "m9": ("p", "i_alpha"), "mu": ("p", "i_base"), "md": ("n", "i_on"), "mw": ("n", "i_on"), "mi": ("n", "i_on"),
    "mt": ("n", "i_on"), "mtau": ("p", "i_tau"), "mol": ("p", "i_shift"), "mor": ("p", "i_shift"),
}  # fmt: skip
# bias diodes b*, the programmed sources r* that feed them, the input line u1..u3, the first stage's shift d0
LADDER_DEVICES = {
    "bth": ("p", "i_th"), "bhyst": ("p", "i_hyst"), "bon": ("p", "i_on"), "balpha": ("p", "i_alpha"),
    "btau": ("p", "i_tau"), "bgain": ("p", "i_gain"), "bs": ("p", "i_shift"), "d0": ("p", "i_shift"),
    "rth": ("n", "i_th"), "rhyst": ("n", "i_hyst"), "ron": ("n", "i_on"), "ralpha": ("n", "i_alpha"),
    "rtau": ("n", "i_tau"), "rgain": ("n", "i_gain"), "rs": ("n", "i_shift"), "rbase": ("n", "i_base"),
    "u1": ("n", "i_base"), "u2": ("n", "i_base"), "u3": ("p", "i_base"),
}  # fmt: skip

# which way each device moves a current; a diode counts against the mirror that follows it
_THRESHOLD = {"rth": 1, "bth": -1, "m3": 1, "m2": -1, "m1": 1}
_HYSTERESIS = {"rhyst": 1, "bhyst": -1, "m4": 1}
_COPY = {"u1": -1, "u2": 1, "u3": -1, "mu": 1}
_FIRST_SHIFT = {"rs": 1, "bs": -1, "d0": 1}
_DPI = {"ron": 1, "bon": -1, "m7": 1, "md": -1, "mw": 1, "mi": 1, "mt": -1, "rtau": -1, "btau": 1, "mtau": -1,
        "rgain": 1, "bgain": -1}  # fmt: skip
_OUTPUT = {"ralpha": 1, "balpha": -1, "m9": 1}


@dataclass(frozen=True, eq=False)
class DeviceDraw:
    """One device type of a block. All arrays (d,) for one a ladder, (d, N) for one a stage, (d, D) for synapses.

    Draws of many chips at once have an axis of chips before those.
    """

    vth: np.ndarray  # V
    beta: np.ndarray  # relative
    delta: np.ndarray  # log of the current


@dataclass(frozen=True)
class Term:
    """current exp(sum of sign delta(device)); devices that start with `prev.` belong to the stage before."""

    current: np.ndarray  # (d,) A, signed
    devices: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class DeviceTypes:
    """The device types of one block under one seed, ready to be drawn for any chip.

    `shapes` are those of one chip, keyed by device name; `efficiency` is gm/I in 1/V, broadcast to the shape.
    """

    shapes: Mapping[str, tuple[int, ...]]
    keys: np.ndarray  # (types, 2)
    sigma_vth: tuple[float | np.ndarray, ...]  # V; of a type, or of each of its elements in one row
    sigma_beta: tuple[float | np.ndarray, ...]
    efficiency: tuple[np.ndarray, ...]

    def draw(self, chips: np.ndarray, scale: float = 1.0) -> dict[str, DeviceDraw]:
        """Draw all devices of the chips (C,) uint64; every array gains a leading axis C. `scale` multiplies all."""
        sizes, sigma_vth, sigma_beta, efficiency = self._elements
        vth, beta, delta = np.empty((3, len(chips), len(efficiency)))
        device_normals(self.keys, sizes, chips, vth, beta)
        device_deviations(sigma_vth * scale, sigma_beta * scale, efficiency, vth, beta, delta)
        draws, start = {}, 0
        for size, (name, shape) in zip(sizes, self.shapes.items(), strict=True):
            part, start = slice(start, start + size), start + size
            draws[name] = DeviceDraw(*(a[:, part].reshape(-1, *shape) for a in (vth, beta, delta)))
        return draws

    @cached_property
    def _elements(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Elements of each type, and for each element in a row: spreads and efficiency."""
        shapes = list(self.shapes.values())
        sizes = np.array([math.prod(shape) for shape in shapes])

        def row(values: Sequence[float | np.ndarray]) -> np.ndarray:
            return np.concatenate([np.broadcast_to(np.asarray(value, dtype=float), (size,))
                                   for value, size in zip(values, sizes, strict=True)])  # fmt: skip

        efficiency = [np.broadcast_to(value, shape).ravel()
                      for value, shape in zip(self.efficiency, shapes, strict=True)]  # fmt: skip
        return sizes, row(self.sigma_vth), row(self.sigma_beta), row(efficiency)


def ladder_types(design: Design, ladder: Ladder, seed: int) -> DeviceTypes:
    """All devices of a ladder: one a ladder (d,), or one a stage (d, N)."""
    rows = []
    for table, shape in ((LADDER_DEVICES, (ladder.width,)), (STAGE_DEVICES, (ladder.width, ladder.stages))):
        for name, (polarity, current) in table.items():
            level = _device_current(design, ladder, current)
            rows.append((name, polarity, shape, level if len(shape) == 1 else level[:, None]))
    return _types(design.technology, design.sizing.cell, (seed, "mismatch", ladder.name), rows)


def synapse_types(design: Design, synapses: Synapses, seed: int) -> DeviceTypes:
    """The weight mirrors: `input` diodes (D,), `weight` devices (d, D), `bias` (d,), `rail` mirrors (d,).

    A mirror of ratio r keeps the unit device's area (W sqrt(r), L / sqrt(r)), and with it its spread.
    """
    unit, width = np.array(design.unit_current), (synapses.width,)
    rows: list[_Row] = [("input", "n", (synapses.inputs,), unit), ("weight", "n", synapses.ratio.shape, unit),
            ("bias", "n", width, unit), ("rail_in", "p", width, unit), ("rail_out", "p", width, unit)]  # fmt: skip
    return _types(design.technology, design.sizing.synapse, (seed, "mismatch", synapses.name, "synapse"), rows)


def draw_ladder(design: Design, ladder: Ladder, seed: int, chip: int) -> dict[str, DeviceDraw]:
    """Draw every device of a ladder for chip number `chip`. Raises ParameterError for a number or seed below zero."""
    return _one(ladder_types(design, ladder, seed), chip)


def draw_synapses(design: Design, synapses: Synapses, seed: int, chip: int) -> dict[str, DeviceDraw]:
    """Draw the weight mirrors of a layer for chip number `chip`; see `synapse_types`."""
    return _one(synapse_types(design, synapses, seed), chip)


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
    return {**_DPI, output: 1}


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


def spread(design: Design, ladder: Ladder, terms: list[Term]) -> tuple[np.ndarray, np.ndarray]:
    """(d,) mean and standard deviation of a sum of terms over all chips, exact for independent Gaussian devices.

    E[c e^X] = c e^{v/2};  Cov(c_1 e^X, c_2 e^Y) = c_1 c_2 e^{(v_X + v_Y)/2} (e^{Cov(X, Y)} - 1).
    """
    sigma2 = {name: _sigma_delta(design, ladder, name.removeprefix("prev.")) ** 2
              for term in terms for name in term.devices}  # fmt: skip
    own = [np.asarray(sum(sigma2[name] for name in term.devices), dtype=float) for term in terms]
    mean = sum(term.current * np.exp(v / 2.0) for term, v in zip(terms, own, strict=True))
    variance = np.zeros(ladder.width)
    for (a, v_a), (b, v_b) in itertools.product(zip(terms, own, strict=True), repeat=2):
        shared = sum(a.devices[name] * b.devices[name] * sigma2[name] for name in a.devices.keys() & b.devices.keys())
        variance += a.current * b.current * np.exp((v_a + v_b) / 2.0) * np.expm1(np.asarray(shared, dtype=float))
    return np.asarray(mean), np.sqrt(variance)


def _over_copy(devices: Mapping[str, int]) -> dict[str, int]:
    return {**devices, **{name: -sign for name, sign in _COPY.items()}}


def _device_current(design: Design, ladder: Ladder, name: str) -> np.ndarray:
    if name in ("i_on", "i_tau"):
        return np.full(ladder.width, getattr(design.timing, name))
    return np.asarray(getattr(ladder, name))


def _sigma_delta(design: Design, ladder: Ladder, device: str) -> np.ndarray:
    polarity, current = {**LADDER_DEVICES, **STAGE_DEVICES}[device]
    technology, cell = design.technology, design.sizing.cell
    efficiency = technology.gm_over_i(polarity, _device_current(design, ladder, current), cell.w, cell.l)
    vth = technology.sigma_vth(polarity, cell.w, cell.l)
    return np.hypot(efficiency * vth, technology.sigma_beta(polarity, cell.w, cell.l))


_Row = tuple[str, str, tuple[int, ...], np.ndarray]  # name, polarity, shape, current


def _types(
    technology: Technology, size: Geometry, path: tuple[int, *tuple[str, ...]], rows: Sequence[_Row]
) -> DeviceTypes:
    return DeviceTypes(
        shapes={name: shape for name, _, shape, _ in rows},
        keys=np.stack([stream_key(*path, name) for name, *_ in rows]),
        sigma_vth=tuple(technology.sigma_vth(polarity, size.w, size.l) for _, polarity, *_ in rows),
        sigma_beta=tuple(technology.sigma_beta(polarity, size.w, size.l) for _, polarity, *_ in rows),
        efficiency=tuple(technology.gm_over_i(polarity, level, size.w, size.l) for _, polarity, _, level in rows),
    )


def _one(types: DeviceTypes, chip: int) -> dict[str, DeviceDraw]:
    draws = types.draw(np.array([chip_number("chip", chip)], dtype=np.uint64))
    return {name: DeviceDraw(draw.vth[0], draw.beta[0], draw.delta[0]) for name, draw in draws.items()}
