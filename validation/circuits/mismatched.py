"""Mismatched chips in transistors: yield, spread of thresholds, chip-by-chip prediction, and which device fails."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import stats

from analogrnn import library
from analogrnn.chip import draw_chip
from analogrnn.design import Design, Ladder
from analogrnn.errors import SpiceError
from analogrnn.mapping import MappingOptions
from analogrnn.mismatch import DeviceDraw, Term, draw_ladder, shift_devices, spread, threshold_terms
from analogrnn.spice.deck import Deck
from analogrnn.spice.engine import run_deck
from analogrnn.spice.pdk import find_pdk, model_lines
from analogrnn.spice.transistor_ladder import TransistorOptions
from analogrnn.sweep.bench import BOUND
from analogrnn.technology import load_technology
from validation.bounds import Bound
from validation.circuits.bench import STANDARD, Case, Found, ladder_design, measure
from validation.circuits.topic import TOPIC
from validation.claims import Measured

SEED, STAGES = 3, 4
LARGE = replace(MappingOptions.large(), input_bound=BOUND)  # the same currents, 2.2 times the area and the step
SIZES = {"2x18um": STANDARD, "4x20um": LARGE}
WORDS = {"2x18um": "2 x 18 um", "4x20um": "4 x 20 um"}
# up through all levels, a hold, down, a hold, and back from the middle; in beta
WALK = np.array([2.0, 2.0, 2.0, 2.0, 0.0, -2.0, -2.0, -2.0, -2.0, 0.0, 2.0, 2.0, -2.0, -2.0])


@dataclass(frozen=True, eq=False)
class Campaign:
    """Chips of one size: thresholds by ramps in ngspice, and by their draws; (chips, N), beta."""

    design: Design
    up: np.ndarray
    down: np.ndarray
    predicted_up: np.ndarray
    predicted_down: np.ndarray


@lru_cache(maxsize=4)
def campaign(size: str, chips: int, stages: int) -> Campaign:
    """Every device of stages, bias and input line drawn; the same draws in the deck and in the tables."""
    design = ladder_design(stages, SIZES[size])
    found = _measured([replace(_case(design, index), candidates=np.zeros(2), ramps=True) for index in range(chips)])
    # a ramp has a threshold only if the pulses before it led to its level, and if the threshold is between 0 and 2 beta
    nothing = np.full(stages, np.nan)
    up = np.array([f.up if isinstance(f, Found) else nothing for f in found])
    down = np.array([f.down if isinstance(f, Found) else nothing for f in found])
    tables = [draw_chip(design, SEED, index).ladders[0] for index in range(chips)]
    return Campaign(design, up, down, np.array([t.up[0] for t in tables]), np.array([t.down[0] for t in tables]))


@lru_cache(maxsize=4)
def walked(size: str, chips: int) -> np.ndarray:
    """(chips,) which chips follow WALK at every step: hold at zero and move one level at 2 beta from every level."""
    design = ladder_design(STAGES, SIZES[size])
    return np.array([_follows(f) for f in _measured([_case(design, index) for index in range(chips)])])


def _case(design: Design, index: int) -> Case:
    draws = draw_ladder(design, design.ladders[0], SEED, index)
    return Case(design, WALK, TransistorOptions(draws=draws))


def _measured(cases: list[Case]) -> list[Found | SpiceError]:
    """All cases. A chip on which ngspice gives up counts as failing; a deck that is wrong raises its SpiceError."""
    found = measure(cases)
    errors = [item for item in found if isinstance(item, SpiceError)]
    if len(errors) > 0.02 * len(cases):
        raise errors[0]
    return found


def _follows(found: Found | SpiceError) -> bool:
    return isinstance(found, Found) and found.follows


def _chips(quick: bool) -> int:
    return 2 if quick else 200


def _ramped(size: str, quick: bool) -> Campaign:
    return campaign(size, 4, 2) if quick else campaign(size, _chips(quick), STAGES)


def _yield(size: str) -> None:
    @TOPIC.measure(
        f"yield-{size}",
        "Yield of four-level ladders under mismatch: each must hold at 0 and move one level at 2 beta, from "
        "every level, both ways.",
    )
    def measured(quick: bool) -> Measured:
        good = walked(size, _chips(quick))
        followed, chips = int(good.sum()), len(good)
        low, high = stats.binomtest(followed, chips).proportion_ci(method="exact")
        share, bounded = followed / chips, size == "4x20um" and not quick
        return Measured(
            share,
            "of chips",
            Bound.at_least(0.99) if bounded else Bound(),
            {
                "device size": WORDS[size],
                "stages": STAGES,
                "drawn": "all devices of stages, bias and input line",
                "chips": chips,
                "good chips": followed,
                "95 % interval": f"{low:.3f} to {high:.3f}",
            },
        )


def _sigma(size: str) -> None:
    @TOPIC.measure(
        f"sigma-{size}",
        "Standard deviation of ladder thresholds in ngspice, compared with the composed prediction: largest "
        "error over stages and directions.",
    )
    def measured(quick: bool) -> Measured:
        """Worst ratio over the first and an inner stage, both directions; a ramp's ends clip, so do the predictions."""
        c = _ramped(size, quick)
        ladder, worst, words, mean = c.design.ladders[0], 0.0, [], []
        for upper, table in ((True, c.up), (False, c.down)):
            for stages in ((0,), tuple(range(1, c.up.shape[1]))):
                values = table[:, stages]
                seen = np.sqrt(np.nanmean((values - np.nanmean(values, axis=0)) ** 2))
                _, sigma = spread(c.design, ladder, threshold_terms(ladder, stages[-1], upper=upper))
                expected = float(sigma[0] / ladder.beta[0])
                worst = max(worst, abs(seen / expected - 1.0))
                words.append(f"{seen:.3f}/{expected:.3f}")
                mean.append(np.nanmean(values))
            lost = int(np.isnan(c.up).sum() + np.isnan(c.down).sum())
        return Measured(
            worst,
            "relative",
            Bound() if quick else Bound.below(0.15),
            {
                "device size": WORDS[size],
                "chips": len(c.up),
                "up, first stage, ngspice/composed": f"{words[0]} beta",
                "up, inner": f"{words[1]} beta",
                "down, first": f"{words[2]} beta",
                "down, inner": f"{words[3]} beta",
                "thresholds outside the ramp": lost,
            },
        )


def _predicted(size: str) -> None:
    @TOPIC.measure(
        f"chipwise-{size}",
        "Thresholds of the same chip from the tables of its draw and in ngspice: least correlation over chips.",
    )
    def measured(quick: bool) -> Measured:
        c = _ramped(size, quick)
        seen = np.concatenate([c.up, c.down], axis=1)
        predicted = np.concatenate([c.predicted_up, c.predicted_down], axis=1)
        r = [
            np.corrcoef(seen[ok, k], predicted[ok, k])[0, 1]
            for k in range(seen.shape[1])
            for ok in [np.isfinite(seen[:, k]) & np.isfinite(predicted[:, k])]
        ]
        error = seen - predicted
        error = error - np.nanmean(np.where(np.isfinite(error), error, np.nan), axis=0)
        rms = float(np.sqrt(np.nanmean(np.where(np.isfinite(error), error, np.nan) ** 2)))
        least, bound = float(min(r)), 0.8 if quick else 0.95
        return Measured(
            least,
            "correlation",
            Bound.above(bound),
            {"device size": WORDS[size], "chips": len(seen), "thresholds": len(r), "rms error": f"{rms:.3f} beta"},
        )


def _attributed(size: str) -> None:
    @TOPIC.measure(
        f"failures-{size}",
        "Failing chips that pass in ngspice once the deviation of one device, or of a few, is taken away.",
    )
    def measured(quick: bool) -> Measured:
        good = walked(size, _chips(quick))
        failing = [int(index) for index in np.flatnonzero(~good)]
        blamed = [blame(ladder_design(STAGES, SIZES[size]), index) for index in failing]
        explained = [names for names in blamed if names]
        alone = Counter(names[0] for names in explained if len(names) == 1)
        listing = ", ".join(f"{name} {count}" for name, count in alone.most_common(12)) or "none"
        more = "; ".join("+".join(names) for names in explained if len(names) > 1) or "none"
        share = len(explained) / len(failing) if failing else 1.0
        return Measured(
            share,
            "of failures",
            Bound.equals(1),
            {
                "device size": WORDS[size],
                "failing chips": f"{len(failing)} of {len(good)}",
                "one device": listing,
                "several devices": more,
            },
        )


Device = tuple[str, int | None]  # name, and stage of a stage's device
MOST = 6  # devices that are tried, the most effective by the composed model first


def blame(design: Design, index: int) -> list[str]:
    """The devices without whose deviation chip `index` follows in ngspice: one if one is enough; or none."""
    ladder = design.ladders[0]
    draws = draw_ladder(design, ladder, SEED, index)
    ranked = _ranked(ladder, draws)[:MOST]

    def passing(tried: list[list[Device]]) -> list[bool]:
        options = [TransistorOptions(draws=_without(draws, devices)) for devices in tried]
        return [_follows(found) for found in measure([Case(design, WALK, option) for option in options])]

    singles = [[device] for device in ranked]
    together = [ranked[:k] for k in range(2, MOST + 1)]
    for tried in (singles, together):
        for devices, good in zip(tried, passing(tried), strict=True):
            if good:
                return [name if stage is None else f"{name}[{stage + 1}]" for name, stage in devices]
    return []


def _ranked(ladder: Ladder, draws: Mapping[str, DeviceDraw]) -> list[Device]:
    """Devices by how far they move any threshold of a stage, the current into it, or its copy of a shift."""
    effect: dict[Device, float] = {}
    for stage in range(STAGES):
        terms = [term for upper in (True, False) for term in threshold_terms(ladder, stage, upper=upper)]
        terms += [Term(ladder.i_shift, {f"next.{name}": sign for name, sign in shift_devices("mol").items()})] * (
            stage < STAGES - 1
        )
        for term in terms:
            for device, sign in term.devices.items():
                name = device.removeprefix("prev.").removeprefix("next.")
                delta = draws[name].delta
                at = None if delta.ndim == 1 else stage - device.startswith("prev.") + device.startswith("next.")
                value = float(delta[0] if at is None else delta[0, at])
                size = abs(float(term.current[0]) * sign * value)
                effect[name, at] = max(effect.get((name, at), 0.0), size)
    return sorted(effect, key=lambda device: -effect[device])


def _without(draws: Mapping[str, DeviceDraw], devices: list[Device]) -> dict[str, DeviceDraw]:
    """The draws with the deviations of `devices` taken away."""
    out = dict(draws)
    for name, stage in devices:
        parts = [part.copy() for part in (out[name].vth, out[name].beta, out[name].delta)]
        for part in parts:
            part[(0,) if stage is None else (0, stage)] = 0.0
        out[name] = DeviceDraw(*parts)
    return out


for _size in SIZES:
    for _row in (_yield, _sigma, _predicted, _attributed):
        _row(_size)


@TOPIC.measure(
    "foundry-switch",
    "Standard deviation of a cell's set current from our draws, over that of the foundry's statistical switch.",
)
def foundry_switch(quick: bool) -> Measured:
    """The error of a cell's set current, I_m3 - I_m2 at the state node, over cells."""
    cells = 200 if quick else 1500
    ours, theirs = _set_errors(cells, foundry=False), _set_errors(cells, foundry=True)
    ratio = float(ours.std(ddof=1) / theirs.std(ddof=1))
    p = float(stats.ks_2samp(ours - ours.mean(), theirs - theirs.mean()).pvalue)
    # the ratio of two sample sigmas has a standard error of 1/sqrt(n); allow three
    bound = 3.0 / np.sqrt(cells)
    return Measured(
        ratio,
        "1",
        Bound.near(1.0, float(bound)),
        {
            "device size": "2 x 18 um",
            "cells": cells,
            "our draws": f"{100 * ours.std(ddof=1):.2f} %",
            "foundry": f"{100 * theirs.std(ddof=1):.2f} %",
            "Kolmogorov-Smirnov p": f"{p:.2f}",
        },
    )


def _set_errors(cells: int, *, foundry: bool) -> np.ndarray:
    """(cells,) (I_m3 - I_m2)/I_th with the state node held at 1.5 V, where the cell is OFF."""
    technology, pdk, threshold = load_technology(), find_pdk(), 1.2e-9
    w, length = STANDARD.cell_w, STANDARD.cell_l
    rng = np.random.Generator(np.random.Philox(key=[11, cells]))
    lines = ["Vdd vdd 0 1.8"]
    # gate lines by devices without a draw
    for name, current in (("bth", threshold), ("bhyst", 0.5e-9), ("bon", 0.5e-9)):
        lines += [f"M{name} {name} {name} vdd vdd pfet_03v3 w={w:g} l={length:g}", f"I{name} {name} 0 {current:g}"]
    for k in range(cells):
        lines += [f"Ii{k} 0 n{k} {0.968 * threshold:g}", f"Va{k} a{k} 0 1.5", f"Vo{k} o{k} 0 0.5"]
        lines.append(f"Xc{k} n{k} a{k} o{k} vdd 0 bth bhyst bon bmru_cell w={w:g} l={length:g}")
        if not foundry:
            for device, polarity in (("m1", "n"), ("m2", "n"), ("m3", "p")):
                vth = technology.sigma_vth(polarity, w, length) * rng.standard_normal()
                beta = technology.sigma_beta(polarity, w, length) * rng.standard_normal()
                lines[-1] += f"\n+ vth_{device}={vth:.6g} beta_{device}={beta:.6g}"
    names = [f"i(va{k})" for k in range(cells)]
    deck = Deck(
        "cells with their state node held",
        tuple(lines),
        ".op",
        models=model_lines(pdk, mismatch=foundry),
        blocks=tuple(
            library.circuit("gf180mcu", name).rstrip()
            for name in ("devices_foundry" if foundry else "devices", "bmru_cell")
        ),
        options=("gmin=1e-16", "abstol=1e-15", "reltol=1e-5", "seed=7"),
        saves=tuple(names),
    )
    waves = run_deck(deck.text, stop_time=None, timeout=600, allowed_paths=pdk.paths)
    return np.array([float(waves[name][0]) for name in names]) / threshold
