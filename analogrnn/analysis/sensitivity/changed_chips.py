"""Chips on which chosen devices deviate more, less, not at all, or as on another chip.

A change acts on the spreads and the random streams of devices only. A device without a change equals, bit for bit, the
same device of `draw_chip` with that chip number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from analogrnn.chip import ChipFactory
from analogrnn.design import Design, Ladder
from analogrnn.errors import ParameterError
from analogrnn.mismatch import LADDER_DEVICES, SOFT_DEVICES, STAGE_DEVICES, DeviceTypes
from analogrnn.streams import stream_key

GROUPS = {
    "weights": "weight mirrors of the ladders",
    "rails": "input diodes and rail mirrors of the weights",
    "bias": "bias mirrors of the candidates",
    "threshold": "comparators m1, m2, m3",
    "hysteresis": "m4",
    "dpi": "integrators and their two outputs",
    "line": "input line u1, u2, u3 and its copies mu",
    "output": "output devices m9",
    "bias lines": "programmed sources and bias diodes",
    "soft thresholds": "all mirrors of input-dependent thresholds",
    "readout": "all mirrors of the feed-forward layers",
}
_STAGE = {"m1": "threshold", "m2": "threshold", "m3": "threshold", "m4": "hysteresis", "mu": "line", "m9": "output"}
_LADDER = {"u1": "line", "u2": "line", "u3": "line"}
_SYNAPSE = {"weight": "weights", "bias": "bias", "input": "rails", "rail_in": "rails", "rail_out": "rails"}
_DPI_ONLY = {"bon", "btau", "bgain", "bs", "d0", "ron", "rtau", "rgain", "rs"}  # absent in a ladder of one stage


@dataclass(frozen=True)
class Change:
    """Which deviations differ from the chip as drawn. An empty Change is the chip as drawn.

    swapped  groups that are drawn as on another chip, which is independent of this one
    factor   factor on all deviations of a group, or of a device (`cell.m1`, `readout.weight`); a device's own factor
             overrides that of its group
    rest     factor on all deviations that `factor` does not name
    cell     (layer, i): only this ladder and its row of weights deviate
    """

    swapped: frozenset[str] = frozenset()
    factor: Mapping[str, float] = field(default_factory=dict)
    rest: float = 1.0
    cell: tuple[str, int] | None = None


def groups_of(design: Design) -> tuple[str, ...]:
    """The groups that a Design has, in the order of GROUPS."""
    found = set(device_groups(design).values())
    return tuple(group for group in GROUPS if group in found)


def device_groups(design: Design) -> dict[str, str]:
    """The group of each device type of the circuit, by `layer.device`."""
    found = {}
    for layer in design.layers:
        for device, group in _SYNAPSE.items():
            found[f"{layer.name}.{device}"] = group if isinstance(layer, Ladder) else "readout"
        if isinstance(layer, Ladder):
            for device in (*LADDER_DEVICES, *STAGE_DEVICES):
                if layer.has_dpi or not _in_dpi(device):
                    found[f"{layer.name}.{device}"] = _group(device)
        if isinstance(layer, Ladder) and layer.gate is not None:
            # the input diodes are those of the candidate's rows
            rows = [f"{layer.gate.name}.{device}" for device in _SYNAPSE if device != "input"]
            found |= dict.fromkeys([*rows, *(f"{layer.name}.{device}" for device in SOFT_DEVICES)], "soft thresholds")
    return found


def group_areas(design: Design) -> dict[str, float]:
    """Drawn gate area of each group, m^2. A mirror of any ratio counts as one unit device."""
    areas = dict.fromkeys(groups_of(design), 0.0)
    groups = device_groups(design)
    for layer in design.layers:
        for synapses in layer.rows if isinstance(layer, Ladder) else (layer.synapses,):
            counts = {
                "weight": int(np.count_nonzero(synapses.ratio)),
                "bias": int(np.count_nonzero(synapses.bias)),
                "input": synapses.inputs
                - sum(source.stop - source.start for source, _ in design.wiring.borrowed(layer.name)),
                "rail_in": synapses.width,
                "rail_out": synapses.width,
            }
            for device, count in counts.items():
                group = groups.get(f"{synapses.name}.{device}")
                if group is not None:
                    areas[group] += count * design.sizing.synapse.area
        if isinstance(layer, Ladder):
            stages = int(layer.counts.sum())
            for table, count in ((LADDER_DEVICES, layer.width), (STAGE_DEVICES, stages), (SOFT_DEVICES, layer.width)):
                for device in table:
                    group = groups.get(f"{layer.name}.{device}")
                    if group is not None:
                        areas[group] += count * design.sizing.cell.area
    return areas


def changed_chips(design: Design, seed: int, change: Change) -> ChipFactory:
    """The chips of `design` under `seed` with a Change.

    Raises ParameterError for a group, device or cell that the design does not have.
    """
    groups = device_groups(design)
    unknown = sorted((change.swapped | set(change.factor)) - set(groups) - set(groups.values()))
    if unknown:
        raise ParameterError(
            f"{design.name} has no group or device {unknown[0]!r}; its groups are {', '.join(groups_of(design))}."
        )
    if change.cell is not None:
        name, number = change.cell
        if not any(lad.name == name and 0 <= number < lad.width for lad in design.ladders):
            raise ParameterError(f"{design.name} has no ladder {name}[{number}].")

    def adjust(layer: str, types: DeviceTypes) -> DeviceTypes:
        keys, vth, beta = types.keys.copy(), list(types.sigma_vth), list(types.sigma_beta)
        for j, (device, shape) in enumerate(types.shapes.items()):
            name = f"{layer}.{device}"
            group = groups.get(name, "")
            if group in change.swapped:
                keys[j] = stream_key(seed, "sensitivity", "other chip", layer, device)
            factor = change.factor.get(name, change.factor.get(group, change.rest))
            mask = 1.0 if change.cell is None else _mask(change.cell, layer, device, shape)
            vth[j], beta[j] = vth[j] * factor * mask, beta[j] * factor * mask
        return replace(types, keys=keys, sigma_vth=tuple(vth), sigma_beta=tuple(beta))

    return ChipFactory(design, seed, adjust=adjust)


def _group(device: str) -> str:
    return _STAGE.get(device) or _LADDER.get(device) or ("dpi" if device in STAGE_DEVICES else "bias lines")


def _in_dpi(device: str) -> bool:
    return _group(device) == "dpi" or device in _DPI_ONLY


def _mask(cell: tuple[str, int], layer: str, device: str, shape: tuple[int, ...]) -> np.ndarray:
    """1 for the elements of the cell, else 0, flattened; input diodes serve all cells, so they are 0.

    The rows of an input-dependent threshold have the name of their layer with `_b`.
    """
    mask = np.zeros(shape)
    if layer in (cell[0], f"{cell[0]}_b") and device != "input":
        mask[cell[1]] = 1.0
    return mask.ravel()
