"""Mismatched chips in transistors: yield, spread of thresholds, chip-by-chip prediction, and which device fails."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import stats

from analogrnn import library
from analogrnn.chip import draw_chip
from analogrnn.design import Design
from analogrnn.mismatch import DeviceDraw, draw_ladder, spread, threshold_terms
from analogrnn.spice.engine import run_deck
from analogrnn.spice.pdk import find_pdk, pdk_header
from analogrnn.spice.transistor import TransistorOptions
from analogrnn.technology import load_technology
from validation.circuits.bench import STANDARD, Case, Demand, Found, exercise, ladder_design, measure
from validation.circuits.topic import TOPIC
from validation.claims import Measured

SEED, STAGES = 3, 4
HALF_AREA = replace(STANDARD, cell_l=9e-6)
SIZES = {"2x18um": STANDARD, "2x9um": HALF_AREA}
DEMAND = Demand(hold=0.0, move=2.0, most=2.2)
# trapezoidal with a looser step control: a quarter less time, thresholds within 0.03 beta of the tight run
FAST = ((r"(?m)^\.options .*$", ".options gmin=1e-16 abstol=1e-15 chgtol=1e-17 reltol=1e-3 method=trap trtol=20"),)


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
    cases = [Case(design, exercise(16, STAGES, index, DEMAND),
                  TransistorOptions(draws=draw_ladder(design, ladder, SEED, index)), ramps=True, edits=FAST) for index in range(chips)]  # fmt: skip
    found = measure(cases)
    nothing = np.full(STAGES, np.nan)
    up = np.array([f.up if isinstance(f, Found) else nothing for f in found])
    down = np.array([f.down if isinstance(f, Found) else nothing for f in found])
    tables = [draw_chip(design, SEED, index).ladders[0] for index in range(chips)]
    return Campaign(design, np.array([isinstance(f, Found) and f.follows for f in found]), up, down,
                    np.array([t.up[0] for t in tables]), np.array([t.down[0] for t in tables]))  # fmt: skip


def _chips(quick: bool) -> int:
    return 6 if quick else 200


def _yield(size: str) -> None:
    @TOPIC.measure(f"yield-{size}")
    def measured(quick: bool) -> Measured:
        c = campaign(size, _chips(quick))
        followed, chips = int(c.follows.sum()), len(c.follows)
        low, high = stats.binomtest(followed, chips).proportion_ci(method="exact")
        wanted = size == "2x18um"
        share = followed / chips
        return Measured(share, "of chips", ">= 0.99" if wanted else "reported", share >= 0.99 or not wanted,
                        f"yield of ladders of {STAGES}, {size} devices, all devices of stages, bias and input line "
                        f"drawn: {followed}/{chips} follow 16 steps of holds at 0 and moves of 2 beta (95 % interval "
                        f"{low:.3f} to {high:.3f}); thresholds all between 0.3 and 1.9 beta: "
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
        bound = 0.15
        lost = int(np.isnan(c.up).sum() + np.isnan(c.down).sum())
        return Measured(worst, "relative", "< 0.15", worst < bound or quick,
                        f"sigma of thresholds, ngspice/composed, {size}, {len(c.up)} chips, beta: up first stage "
                        f"{words[0]}, up inner {words[1]}, down first {words[2]}, down inner {words[3]}; largest "
                        f"error of a sigma; {lost} thresholds outside the ramp (not bounded in a quick run)")  # fmt: skip


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
        return Measured(least, "correlation", "> 0.95", least > 0.95,
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
        listing = ", ".join(f"{name} {count}" for name, count in found.most_common(8)) or "none failed"
        return Measured(share, "of failures", "= 1", share == 1.0,
                        f"failing chips, {size}, {len(failing)} of {len(c.follows)}, with a threshold out of range and "
                        f"the device that moves it most: {listing}")  # fmt: skip


def culprit(c: Campaign, index: int) -> str:
    """The device whose deviation moves the most violated threshold most, or '' if no threshold is violated."""
    ladder = c.design.ladders[0]
    draws = draw_ladder(c.design, ladder, SEED, index)
    worst, name = 0.1, ""  # predictions are good to about 0.1 beta
    for upper, seen, told in ((True, c.up, c.predicted_up), (False, c.down, c.predicted_down)):
        for stage in range(STAGES):
            # of what ngspice saw and what the draw predicts, the one nearer to a limit
            values = [abs(v[index, stage]) for v in (seen, told) if np.isfinite(v[index, stage])]
            values = values or [np.inf]
            signed = told[index, stage] * (1 if upper else -1)
            margin = min(*(min(v, DEMAND.move - v) for v in values), signed, DEMAND.move - signed)
            if margin < worst:
                worst, name = margin, _largest(c.design, draws, stage, upper=upper, above=signed > 1.0)
    return name


def _largest(design: Design, draws: dict[str, DeviceDraw], stage: int, *, upper: bool, above: bool) -> str:
    """The device that pushes the threshold's magnitude furthest, up if `above`."""
    ladder, shares = design.ladders[0], Counter[str]()
    for term in threshold_terms(ladder, stage, upper=upper):
        for device, sign in term.devices.items():
            own, before = device.removeprefix("prev."), device.startswith("prev.")
            delta = draws[own].delta
            value = delta[0] if delta.ndim == 1 else delta[0, stage - before]
            shares[own] += float(term.current[0] * sign * value)
    push = (1.0 if upper else -1.0) * (1.0 if above else -1.0)
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
