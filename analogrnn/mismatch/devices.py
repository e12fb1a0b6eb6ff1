"""Device mismatch: one draw per device, and its effect on the current of the device.

A device that should carry I carries I exp(delta), delta = -(gm/I) dV_th + dbeta/beta, both Gaussian (Pelgrom);
gm/I is that of the current which the device carries in its circuit, where the network rests.

The draws are kept per device (dV_th in V, dbeta/beta), so that the same chip can be written into a transistor deck.

Source  Pelgrom et al., JSSC 24(5), 1989.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analogrnn.compilation import require_compiler
from analogrnn.design import Design, Geometry, Ladder, Synapses
from analogrnn.kernels import plain
from analogrnn.streams import chip_number, stream_key
from analogrnn.technology import Technology

# name: (polarity, the current it carries). Names are those of the transistor ladder's instances. A unit device of a
# programmed source r* has a quarter of a cell's width and carries a sixteenth of the reference, whatever its line does.
STAGE_DEVICES = {
    "m1": ("n", "i_th"),
    "m2": ("n", "i_th"),
    "m3": ("p", "i_th"),
    "m4": ("p", "i_hyst"),
    "m7": ("p", "i_on"),
    "m9": ("p", "i_alpha"),
    "mu": ("p", "i_base"),
    "md": ("n", "i_on"),
    "mw": ("n", "i_on"),
    "mi": ("n", "i_on"),
    "mt": ("n", "i_on"),
    "mtau": ("p", "i_tau"),
    "mol": ("p", "i_shift"),
    "mor": ("p", "i_shift"),
}
# bias diodes b*, the programmed sources r* that feed them, the input line u1..u3, the first stage's shift d0
LADDER_DEVICES = {
    "bth": ("p", "i_th"),
    "bhyst": ("p", "i_hyst"),
    "bon": ("p", "i_on"),
    "balpha": ("p", "i_alpha"),
    "btau": ("p", "i_tau"),
    "bgain": ("p", "i_gain"),
    "bs": ("p", "i_shift"),
    "d0": ("p", "i_shift"),
    "rth": ("n", "i_unit"),
    "rhyst": ("n", "i_unit"),
    "ron": ("n", "i_unit"),
    "ralpha": ("n", "i_unit"),
    "rtau": ("n", "i_unit"),
    "rgain": ("n", "i_unit"),
    "rs": ("n", "i_unit"),
    "rbase": ("n", "i_unit"),
    "u1": ("n", "i_base"),
    "u2": ("n", "i_base"),
    "u3": ("p", "i_base"),
}
# the soft threshold, subcircuit.element: sized as the cell, drawn at a current of delta, where a candidate decides; and
# the sink of delta
SOFT_DEVICES = {
    "absolute.mp": ("p", "beta"),
    "absolute.mn": ("n", "beta"),
    "absolute.d2": ("p", "beta"),
    "absolute.o2": ("p", "beta"),
    "absolute.d": ("n", "beta"),
    "soft_threshold.mp": ("p", "beta"),
    "soft_threshold.mn": ("n", "beta"),
    "soft_threshold.e1": ("n", "beta"),
    "soft_threshold.d1": ("n", "beta"),
    "soft_threshold.o1": ("n", "beta"),
    "soft_threshold.e2": ("n", "beta"),
    "soft_threshold.e3": ("p", "beta"),
    "soft_threshold.e4": ("p", "beta"),
    "soft_threshold.d2": ("p", "beta"),
    "soft_threshold.o2": ("p", "beta"),
    "delta": ("n", "i_unit"),
}
DEVICES = {**LADDER_DEVICES, **STAGE_DEVICES, **SOFT_DEVICES}
SOURCE_DENSITY = 0.25  # current of a programmed source's unit device over its width, relative to a cell's at one unit
# those that act on the voltage of a DPI's capacitor, and which way each moves its output
DPI_DEVICES = {
    "ron": 1,
    "bon": -1,
    "m7": 1,
    "md": -1,
    "mw": 1,
    "mi": 1,
    "mt": -1,
    "rtau": -1,
    "btau": 1,
    "mtau": -1,
    "rgain": 1,
    "bgain": -1,
}


@dataclass(frozen=True, eq=False)
class DeviceDraw:
    """One device type of a block. All arrays (d,) for one per ladder, (d, N) for one per stage, (d, D) for synapses.

    Draws of many chips at once have an axis of chips before those.
    """

    vth: np.ndarray  # V
    beta: np.ndarray  # relative
    delta: np.ndarray  # log of the current that it moves: its own, a DPI's output for those of DPI_DEVICES


@dataclass(frozen=True, eq=False)
class DeviceTypes:
    """The device types of one block under one seed, ready to be drawn for any chip.

    `shapes` are those of one chip, keyed by device name; `efficiency` is -d delta / dV_th, 1/V, broadcast to the shape.
    """

    shapes: Mapping[str, tuple[int, ...]]
    keys: np.ndarray  # (types, 2)
    sigma_vth: tuple[float | np.ndarray, ...]  # V; of a type, or of each of its elements in one row
    sigma_beta: tuple[float | np.ndarray, ...]
    efficiency: tuple[np.ndarray, ...]

    def draw(self, chips: np.ndarray, scale: float = 1.0) -> dict[str, DeviceDraw]:
        """Draw all devices of the chips (C,) uint64; every array gains a leading axis C. `scale` multiplies all.

        Raises MissingDependencyError for many chips at once where numba's compiler is switched off.
        """
        sizes, sigma_vth, sigma_beta, efficiency = self._elements
        vth, beta, delta = np.empty((3, len(chips), len(efficiency)))
        normals, deviations = plain.device_normals, plain.device_deviations
        if len(chips) > 1 or vth.size > plain.SMALL:  # one chip is for numpy, a campaign for the vector lanes
            require_compiler("mismatch of many chips at once")
            from analogrnn.kernels.draws import device_deviations, device_normals  # noqa: PLC0415 (numba costs 0.5 s)

            normals, deviations = device_normals, device_deviations
        normals(self.keys, sizes, chips, vth, beta)
        deviations(sigma_vth * scale, sigma_beta * scale, efficiency, vth, beta, delta)
        drawn, start = {}, 0
        for size, (name, shape) in zip(sizes, self.shapes.items(), strict=True):
            part, start = slice(start, start + size), start + size
            drawn[name] = DeviceDraw(*(a[:, part].reshape(-1, *shape) for a in (vth, beta, delta)))
        return drawn

    @cached_property
    def _elements(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Elements of each type, and for each element in a row: spreads and efficiency."""
        shapes = list(self.shapes.values())
        sizes = np.array([math.prod(shape) for shape in shapes])

        def row(values: Sequence[float | np.ndarray]) -> np.ndarray:
            return np.concatenate(
                [
                    np.broadcast_to(np.asarray(value, dtype=float), (size,))
                    for value, size in zip(values, sizes, strict=True)
                ]
            )

        efficiency = [
            np.broadcast_to(value, shape).ravel() for value, shape in zip(self.efficiency, shapes, strict=True)
        ]
        return sizes, row(self.sigma_vth), row(self.sigma_beta), row(efficiency)


def ladder_types(design: Design, ladder: Ladder, seed: int) -> DeviceTypes:
    """All devices of a ladder: one per ladder (d,), or one per stage (d, N)."""
    rows: list[_Row] = []
    soft = {} if ladder.gate is None else SOFT_DEVICES
    for table, shape in (
        (LADDER_DEVICES, (ladder.width,)),
        (STAGE_DEVICES, (ladder.width, ladder.stages)),
        (soft, (ladder.width,)),
    ):
        for name, (polarity, _) in table.items():
            efficiency = ladder_efficiency(design, ladder, name)
            rows.append((name, polarity, shape, efficiency if len(shape) == 1 else efficiency[:, None]))
    return _types(design.technology, design.sizing.cell, (seed, "mismatch", ladder.name), rows)


def synapse_types(design: Design, synapses: Synapses, seed: int) -> DeviceTypes:
    """The weight mirrors: `input` diodes (D,), `weight` devices (d, D), `bias` (d,), `rail` mirrors (d,).

    A mirror of ratio r keeps the unit device's area (W sqrt(r), L / sqrt(r)), and with it its spread.
    """
    size, width = design.sizing.synapse, (synapses.width,)

    def efficiency(polarity: str, units: np.ndarray) -> np.ndarray:
        return design.technology.gm_over_i(polarity, units * design.unit_current, size.w, size.l)

    line, rail = efficiency("n", resting_inputs(synapses)), efficiency("p", resting_rails(synapses))
    source = efficiency("n", np.array(SOURCE_DENSITY))
    rows: list[_Row] = [
        ("input", "n", (synapses.inputs,), line),
        ("weight", "n", synapses.ratio.shape, line),
        ("bias", "n", width, source),
        ("rail_in", "p", width, rail),
        ("rail_out", "p", width, rail),
    ]
    return _types(design.technology, size, (seed, "mismatch", synapses.name, "synapse"), rows)


def resting_inputs(synapses: Synapses) -> np.ndarray:
    """(D,) current of each input's diode at an input of zero, in units; 1 where a rectifier leaves none."""
    return np.where(synapses.offset > 0.0, synapses.offset, 1.0)


def resting_rails(synapses: Synapses) -> np.ndarray:
    """(d,) current of each row's rail with its inputs at rest, in units; 1 for a row without a rail."""
    current = synapses.rails(resting_inputs(synapses))
    return np.where(current > 0.0, current, 1.0)


def dpi_compression(design: Design) -> float:
    """What a DPI's output gains for each factor in its gain current, as a power: below 1.

    All its devices act through the voltage of its capacitor, at the gate of the output devices, which carry the most.
    """
    size = design.sizing.cell
    maps = design.technology.block_maps(size.w, size.l, design.unit_current, design.unit_current)
    return 1.0 + maps.shift_slope / maps.shift


def ladder_efficiency(design: Design, ladder: Ladder, device: str) -> np.ndarray:
    """(d,) -d delta / dV_th of one of a ladder's devices, 1/V."""
    polarity, current = DEVICES[device]
    size = design.sizing.cell
    own = design.technology.gm_over_i(polarity, _device_current(design, ladder, current), size.w, size.l)
    return own * dpi_compression(design) if device in DPI_DEVICES else own


def ladder_sigma(design: Design, ladder: Ladder, device: str) -> np.ndarray:
    """(d,) standard deviation of delta of one of a ladder's devices."""
    polarity, _ = DEVICES[device]
    technology, size = design.technology, design.sizing.cell
    vth = ladder_efficiency(design, ladder, device) * technology.sigma_vth(polarity, size.w, size.l)
    return np.hypot(vth, technology.sigma_beta(polarity, size.w, size.l))


def draw_ladder(design: Design, ladder: Ladder, seed: int, chip: int) -> dict[str, DeviceDraw]:
    """Draw every device of a ladder for chip number `chip`. Raises ParameterError for a number or seed below zero."""
    return _one(ladder_types(design, ladder, seed), chip)


def draw_synapses(design: Design, synapses: Synapses, seed: int, chip: int) -> dict[str, DeviceDraw]:
    """Draw the weight mirrors of a layer for chip number `chip`; see `synapse_types`."""
    return _one(synapse_types(design, synapses, seed), chip)


def draw_layers(design: Design, seed: int, chip: int) -> dict[str, dict[str, DeviceDraw]]:
    """Name of rows -> draws of their mirrors for chip number `chip`; layers that read one source share its diodes."""
    diodes: dict[str, DeviceDraw] = {}
    found = {}
    for layer in design.layers:
        drawn = draw_synapses(design, layer.synapses, seed, chip)
        drawn["input"] = diodes[layer.name] = shared_diodes(design, layer.name, drawn["input"], diodes)
        found[layer.name] = drawn
        if isinstance(layer, Ladder) and layer.gate is not None:  # its rows hang on the same diodes
            found[layer.gate.name] = {**draw_synapses(design, layer.gate, seed, chip), "input": drawn["input"]}
    return found


def shared_diodes(design: Design, layer: str, own: DeviceDraw, diodes: Mapping[str, DeviceDraw]) -> DeviceDraw:
    """The draw (..., D) of the diodes that a layer reads: its `own`, or that of the layer which reads a source first.

    diodes  layer -> this function's result, of the layers before it
    """
    for source, first in design.wiring.borrowed(layer):
        there = slice(first.start, first.start + source.stop - source.start)
        parts = [(getattr(own, name).copy(), getattr(diodes[first.name], name)) for name in ("vth", "beta", "delta")]
        for mine, theirs in parts:
            mine[..., source.columns] = theirs[..., there]
        own = DeviceDraw(*(mine for mine, _ in parts))
    return own


def _device_current(design: Design, ladder: Ladder, name: str) -> np.ndarray:
    if name == "i_unit":
        return np.full(ladder.width, SOURCE_DENSITY * design.unit_current)
    if name in ("i_on", "i_tau"):
        return np.full(ladder.width, getattr(design.timing, name))
    return np.asarray(getattr(ladder, name))


_Row = tuple[str, str, tuple[int, ...], np.ndarray]  # name, polarity, shape, efficiency


def _types(
    technology: Technology, size: Geometry, path: tuple[int, *tuple[str, ...]], rows: Sequence[_Row]
) -> DeviceTypes:
    return DeviceTypes(
        shapes={name: shape for name, _, shape, _ in rows},
        keys=np.stack([stream_key(*path, name) for name, *_ in rows]),
        sigma_vth=tuple(technology.sigma_vth(polarity, size.w, size.l) for _, polarity, *_ in rows),
        sigma_beta=tuple(technology.sigma_beta(polarity, size.w, size.l) for _, polarity, *_ in rows),
        efficiency=tuple(efficiency for *_, efficiency in rows),
    )


def _one(types: DeviceTypes, chip: int) -> dict[str, DeviceDraw]:
    drawn = types.draw(np.array([chip_number("chip", chip)], dtype=np.uint64))
    return {name: DeviceDraw(draw.vth[0], draw.beta[0], draw.delta[0]) for name, draw in drawn.items()}
