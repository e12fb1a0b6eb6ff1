"""Device by device: how far a deviation of one transistor moves the thresholds, in ngspice and as it is composed."""

from functools import lru_cache

import numpy as np

from analogrnn.design import Design
from analogrnn.mismatch import (
    LADDER_DEVICES,
    STAGE_DEVICES,
    DeviceDraw,
    DeviceTypes,
    ladder_types,
    threshold_deviations,
)
from analogrnn.spice.transistor_ladder import TransistorOptions
from analogrnn.stimulus import Demand
from validation.bounds import Bound
from validation.circuits.bench import Case, good, ladder_design, measure, random_moves
from validation.circuits.topic import TOPIC
from validation.claims import Measured

STAGES, AT = 4, 1  # the stage whose own devices deviate
SIGMAS = 2.0  # to either side: a residual is then not the ramps' resolution
QUICK = ("rth", "mw")
# these move outputs, lower thresholds, and the shift into a stage that is ON already
SILENT = ("ralpha", "balpha", "m9", "mol", "rhyst", "bhyst", "m4")


@lru_cache(maxsize=2)
def sensitivities(quick: bool) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Device to (measured, composed): what one sigma of it adds to each stage's up threshold, beta; by ramps."""
    design = ladder_design(STAGES)
    types = ladder_types(design, design.ladders[0], 1)
    names = QUICK if quick else tuple(n for n in (*LADDER_DEVICES, *STAGE_DEVICES) if n not in SILENT)
    drawn = [(deviating(types, name, -SIGMAS), deviating(types, name, SIGMAS)) for name in names]
    pulses = random_moves(4, STAGES, 0, Demand(hold=0.0, move=2.0, most=2.2))
    found = good(
        measure([Case(design, pulses, TransistorOptions(draws=draws), ramps=True) for pair in drawn for draws in pair])
    )
    out = {}
    for name, pair, low, high in zip(names, drawn, found[::2], found[1::2], strict=True):
        below, above = (_composed(design, draws) for draws in pair)
        out[name] = (high.up - low.up) / (2.0 * SIGMAS), (above - below) / (2.0 * SIGMAS)
    return out


def deviating(types: DeviceTypes, device: str, sigmas: float) -> dict[str, DeviceDraw]:
    """A ladder without spread but for the threshold voltage of one device; of stage AT, if each stage has one."""
    draws = {}
    for (name, shape), sigma, efficiency in zip(types.shapes.items(), types.sigma_vth, types.efficiency, strict=True):
        vth = np.zeros(shape)
        if name == device:
            vth[(0,) if len(shape) == 1 else (0, AT)] = sigmas * float(np.max(sigma))
        draws[name] = DeviceDraw(vth, np.zeros(shape), -np.broadcast_to(efficiency, shape) * vth)
    return draws


def _composed(design: Design, draws: dict[str, DeviceDraw]) -> np.ndarray:
    ladder = design.ladders[0]
    one = {name: DeviceDraw(d.vth[None], d.beta[None], d.delta[None]) for name, d in draws.items()}
    return np.asarray(threshold_deviations(ladder, one)[0][0, 0] / ladder.beta[0])


def _of_a_stage(table: dict[str, np.ndarray], *, first: bool) -> float:
    """One threshold's part of the spread: its own devices, the ladder's, and the DPI of the stage below."""
    parts = [row[0 if first else AT] for name, row in table.items() if name in LADDER_DEVICES]
    parts += [row[AT] for name, row in table.items() if name in STAGE_DEVICES]
    if not first:
        parts += [row[AT + 1] for name, row in table.items() if name in STAGE_DEVICES]
    return float(np.sqrt(np.sum(np.square(parts))))


@TOPIC.measure(
    "devices-2x18um",
    "Residual of an up threshold's spread that the composition of device deviations leaves, one device after the "
    "other, compared with ngspice's ramps.",
)
def devices(quick: bool) -> Measured:
    """Independent devices: the errors of their shares add as squares to the residual of a threshold's spread."""
    table = sensitivities(quick)
    wrong = {name: seen - composed for name, (seen, composed) in table.items()}
    whole = {name: seen for name, (seen, _) in table.items()}
    left, spread = (max(_of_a_stage(part, first=first) for first in (True, False)) for part in (wrong, whole))
    share = {name: float(np.abs(wrong[name]).max() / np.abs(whole[name]).max()) for name in table}
    worst = max(share, key=lambda name: share[name])
    return Measured(
        left,
        "beta",
        Bound.at_most(0.015),
        {
            "device size": "2 x 18 um",
            "stages": STAGES,
            "devices": len(table),
            "spread": f"{spread:.3f} beta",
            "worst device": worst,
            "its error": f"{100 * share[worst]:.0f} % of its share",
        },
    )
