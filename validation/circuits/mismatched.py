"""Mismatched chips in transistors: yield, spread of thresholds, chip-by-chip prediction, and which device fails."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import stats

from analogrnn import library
from analogrnn.chip import draw_chip
from analogrnn.design import Design
from analogrnn.errors import SpiceError
from analogrnn.mismatch import DeviceDraw, Term, draw_ladder, shift_devices, spread, threshold_terms
from analogrnn.spice.engine import run_deck
from analogrnn.spice.pdk import find_pdk, pdk_header
from analogrnn.spice.transistor import TransistorOptions
from analogrnn.technology import load_technology
from validation.circuits.bench import STANDARD, Case, Demand, Found, exercise, ladder_design, measure
from validation.circuits.topic import TOPIC
from validation.claims import Measured

SEED, STAGES, STEPS = 3, 4, 4
# same currents, 2.2 times the area, and a step that is as much longer
LARGE = replace(STANDARD, cell_w=4e-6, cell_l=20e-6, period=22.5e-3)
SIZES = {"2x18um": STANDARD, "4x20um": LARGE}
DEMAND = Demand(hold=0.0, move=2.0, most=2.2)


@dataclass(frozen=True, eq=False)
class Campaign:
    """Chips of one size: what ngspice found (up, down: (chips, N), beta), and what the draws predict."""

    design: Design
    follows: np.ndarray
    up: np.ndarray
    down: np.ndarray
    predicted_up: np.ndarray
    predicted_down: np.ndarray

    def holding(self, hold: float, move: float) -> int:
        """Chips whose simulated thresholds all lie within (hold, move)."""
        inside = [(t > hold) & (t < move) for t in (self.up, -self.down)]
        return int((inside[0] & inside[1]).all(axis=1).sum())


@lru_cache(maxsize=4)
def campaign(size: str, chips: int) -> Campaign:
    """Every device of stages, bias and input line drawn; the same draws in the deck and in the tables."""
    design = ladder_design(STAGES, SIZES[size])
    ladder = design.ladders[0]
    cases = [
        Case(design, exercise(STEPS, STAGES, index, DEMAND),
             TransistorOptions(draws=draw_ladder(design, ladder, SEED, index)), ramps=True)
        for index in range(chips)
    ]  # fmt: skip
    found = measure(cases)
    errors = [item for item in found if isinstance(item, SpiceError)]
    if len(errors) > 0.02 * chips:  # a chip on which ngspice gives up counts as failing; a deck that is wrong does not
        raise errors[0]
    nothing = np.full(STAGES, np.nan)
    up = np.array([f.up if isinstance(f, Found) else nothing for f in found])
    down = np.array([f.down if isinstance(f, Found) else nothing for f in found])
    tables = [draw_chip(design, SEED, index).ladders[0] for index in range(chips)]
    # a ramp has a threshold only if the pulses before it led to its level, and if the threshold is between 0 and 2 beta
    reached = np.isfinite(up).all(axis=1) & np.isfinite(down).all(axis=1)
    follows = np.array([isinstance(f, Found) and f.follows for f in found]) & reached
    return Campaign(design, follows, up, down,
                    np.array([t.up[0] for t in tables]), np.array([t.down[0] for t in tables]))  # fmt: skip


def _chips(quick: bool) -> int:
    return 4 if quick else 200


def _yield(size: str) -> None:
    @TOPIC.measure(f"yield-{size}")
    def measured(quick: bool) -> Measured:
        c = campaign(size, _chips(quick))
        followed, chips = int(c.follows.sum()), len(c.follows)
        low, high = stats.binomtest(followed, chips).proportion_ci(method="exact")
        wanted = size == "4x20um"
        share = followed / chips
        bounded = wanted and not quick
        return Measured(share, "of chips", ">= 0.99" if bounded else "reported", share >= 0.99 or not bounded,
                        f"yield of ladders of {STAGES}, {size} devices, all devices of stages, bias and input line "
                        f"drawn: {followed}/{chips} hold at 0 and move one level at 2 beta from every level, both "
                        f"ways (95 % interval {low:.3f} to {high:.3f}); thresholds all between 0.3 and 1.9 beta: "
                        f"{c.holding(0.3, 1.9)}/{chips}")  # fmt: skip


def _sigma(size: str) -> None:
    @TOPIC.measure(f"sigma-{size}")
    def measured(quick: bool) -> Measured:
        """Worst ratio over the first and an inner stage, both directions; a ramp's ends clip, so do the predictions."""
        c = campaign(size, _chips(quick))
        ladder, worst, words, mean = c.design.ladders[0], 0.0, [], []
        for upper, table in ((True, c.up), (False, c.down)):
            for stages in ((0,), tuple(range(1, STAGES))):
                values = table[:, stages]
                seen = np.sqrt(np.nanmean((values - np.nanmean(values, axis=0)) ** 2))
                _, sigma = spread(c.design, ladder, threshold_terms(ladder, stages[-1], upper=upper))
                expected = float(sigma[0] / ladder.beta[0])
                worst = max(worst, abs(seen / expected - 1.0))
                words.append(f"{seen:.3f}/{expected:.3f}")
                mean.append(np.nanmean(values))
            lost = int(np.isnan(c.up).sum() + np.isnan(c.down).sum())
        return Measured(worst, "relative", "reported" if quick else "< 0.15", worst < 0.15 or quick,
                        f"sigma of thresholds, ngspice/composed, {size}, {len(c.up)} chips, beta: up first stage "
                        f"{words[0]}, up inner {words[1]}, down first {words[2]}, down inner {words[3]}; largest "
                        f"error of a sigma; {lost} thresholds outside the ramp")  # fmt: skip


def _predicted(size: str) -> None:
    @TOPIC.measure(f"chipwise-{size}")
    def measured(quick: bool) -> Measured:
        c = campaign(size, _chips(quick))
        seen = np.concatenate([c.up, c.down], axis=1)
        told = np.concatenate([c.predicted_up, c.predicted_down], axis=1)
        r = [np.corrcoef(seen[ok, k], told[ok, k])[0, 1] for k in range(seen.shape[1])
             for ok in [np.isfinite(seen[:, k]) & np.isfinite(told[:, k])]]  # fmt: skip
        error = seen - told
        error = error - np.nanmean(np.where(np.isfinite(error), error, np.nan), axis=0)
        rms = float(np.sqrt(np.nanmean(np.where(np.isfinite(error), error, np.nan) ** 2)))
        least = float(min(r))
        return Measured(least, "correlation", "reported" if quick else "> 0.95", least > 0.95 or quick,
                        f"thresholds of the same chip, tables of the draw against ngspice, {size}, {len(seen)} chips: "
                        f"least correlation of {len(r)} thresholds; rms error {rms:.3f} beta")  # fmt: skip


def _attributed(size: str) -> None:
    @TOPIC.measure(f"failures-{size}")
    def measured(quick: bool) -> Measured:
        c = campaign(size, _chips(quick))
        failing = np.flatnonzero(~c.follows)
        blamed = [culprit(c, int(index)) for index in failing]
        found = Counter(name for name in blamed if name)
        share = sum(found.values()) / len(failing) if len(failing) else 1.0
        listing = ", ".join(f"{name} {count}" for name, count in found.most_common(8)) or "none"
        return Measured(share, "of failures", "= 1", share == 1.0,
                        f"failing chips, {size}, {len(failing)} of {len(c.follows)}, explained by a threshold out of "
                        f"range or a second stage that moves too, by the device that adds most: {listing}")  # fmt: skip


def culprit(c: Campaign, index: int) -> str:
    """The device that moves the most violated limit most, or '' if none is violated by the chip's draw.

    Limits of each threshold: zero, and the pulse. And of its neighbour: while one stage moves, the next must not,
    though their DPI lets go by exp(-x) during the pulse.
    """
    ladder, slip = c.design.ladders[0], float(np.exp(-c.design.timing.x))
    draws = draw_ladder(c.design, ladder, SEED, index)
    # predictions are good to some per cent of beta, and a pulse must exceed a threshold by 0.2 beta to switch in time
    worst, name = 0.2, ""
    for upper, told in ((True, c.predicted_up[index]), (False, c.predicted_down[index])):
        for stage in range(STAGES):
            terms = threshold_terms(ladder, stage, upper=upper)
            size = told[stage] if upper else -told[stage]
            margins = [(size, terms, False), (DEMAND.move - size, terms, True)]
            neighbour = stage - 1 if upper else stage + 1
            if 0 <= neighbour < STAGES:
                output = {f"prev.{k}" if upper else f"next.{k}": v
                          for k, v in shift_devices("mor" if upper else "mol").items()}  # fmt: skip
                held = Term((1.0 if upper else -1.0) * slip * ladder.i_shift, output)
                value = _deviations(draws, [held], stage)
                spare = size + (slip * ladder.i_shift[0] + _sign(upper) * sum(value.values())) / ladder.beta[0]
                margins.append((float(spare) - DEMAND.move, [*terms, held], False))
            for margin, parts, above in margins:
                if margin < worst:
                    worst, name = float(margin), _largest(draws, parts, stage, push=_sign(upper) * _sign(above))
    return name


def _sign(positive: bool) -> float:
    return 1.0 if positive else -1.0


def _deviations(draws: dict[str, DeviceDraw], terms: list[Term], stage: int) -> dict[str, float]:
    """Device to what its deviation adds to the sum of `terms`, A, to first order."""
    shares: dict[str, float] = {}
    for term in terms:
        for device, sign in term.devices.items():
            own = device.removeprefix("prev.").removeprefix("next.")
            delta = draws[own].delta
            at = stage - device.startswith("prev.") + device.startswith("next.")
            value = float(delta[0] if delta.ndim == 1 else delta[0, at])
            shares[own] = shares.get(own, 0.0) + float(term.current[0]) * sign * value
    return shares


def _largest(draws: dict[str, DeviceDraw], terms: list[Term], stage: int, *, push: float) -> str:
    """The device that moves the sum of `terms` furthest in the direction of `push`."""
    shares = _deviations(draws, terms, stage)
    return max(shares, key=lambda device: push * shares[device])


for _size in SIZES:
    for _row in (_yield, _sigma, _predicted, _attributed):
        _row(_size)


@TOPIC.measure("foundry-switch")
def foundry_switch(quick: bool) -> Measured:
    """The error of a cell's set current, I_m3 - I_m2 at the state node, over cells."""
    cells = 200 if quick else 1500
    ours, theirs = _set_errors(cells, foundry=False), _set_errors(cells, foundry=True)
    ratio = float(ours.std(ddof=1) / theirs.std(ddof=1))
    p = float(stats.ks_2samp(ours - ours.mean(), theirs - theirs.mean()).pvalue)
    # the ratio of two sample sigmas has a standard error of 1/sqrt(n); allow three
    bound = 3.0 / np.sqrt(cells)
    return Measured(ratio, "1", f"1 +- {bound:.2f}", abs(ratio - 1.0) < bound,
                    f"sigma of a 2x18 um cell's set current, our draws over the foundry's statistical switch, {cells} "
                    f"cells each: {100 * ours.std(ddof=1):.2f} % and {100 * theirs.std(ddof=1):.2f} % "
                    f"(Kolmogorov-Smirnov p = {p:.2f})")  # fmt: skip


def _set_errors(cells: int, *, foundry: bool) -> np.ndarray:
    """(cells,) (I_m3 - I_m2)/I_th with the state node held at 1.5 V, where the cell is OFF."""
    technology, pdk, threshold = load_technology(), find_pdk(), 1.2e-9
    w, length = STANDARD.cell_w, STANDARD.cell_l
    rng = np.random.Generator(np.random.Philox(key=[11, cells]))
    lines = ["* cells with their state node held", pdk_header(pdk).rstrip()]
    if foundry:
        lines.append(".param sw_stat_mismatch=1 sw_stat_global=0")
    lines += [library.circuit("gf180mcu", "devices_foundry" if foundry else "devices").rstrip(),
              library.circuit("gf180mcu", "bmru_cell").rstrip(), "Vdd vdd 0 1.8"]  # fmt: skip
    # gate lines by devices without a draw
    for name, current in (("bth", threshold), ("bhyst", 0.5e-9), ("bon", 0.5e-9)):
        lines += [f"M{name} {name} {name} vdd vdd pfet_03v3 w={w:g} l={length:g}", f"I{name} {name} 0 {current:g}"]
    for k in range(cells):
        lines += [f"Ii{k} 0 n{k} {0.968 * threshold:g}", f"Va{k} a{k} 0 1.5", f"Vo{k} o{k} 0 0.5",
                  f"Xc{k} n{k} a{k} o{k} vdd 0 bth bhyst bon bmru_cell w={w:g} l={length:g}"]  # fmt: skip
        if not foundry:
            for device, polarity in (("m1", "n"), ("m2", "n"), ("m3", "p")):
                vth = technology.sigma_vth(polarity, w, length) * rng.standard_normal()
                beta = technology.sigma_beta(polarity, w, length) * rng.standard_normal()
                lines.append(f"+ vth_{device}={vth:.6g} beta_{device}={beta:.6g}")
    names = [f"i(va{k})" for k in range(cells)]
    lines += [f".save {' '.join(names[i : i + 8])}" for i in range(0, cells, 8)]
    lines += [".options gmin=1e-16 abstol=1e-15 reltol=1e-5 seed=7", ".op", ".end", ""]
    waves = run_deck("\n".join(lines), stop_time=None, timeout=600, allowed_paths=pdk.paths)
    return np.array([float(waves[name][0]) for name in names]) / threshold
