"""The BMRU cell by itself, for the table beside the published one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from analogrnn import library
from analogrnn.calibrate.bench import OPTIONS
from analogrnn.spice.deck import Deck, Tran
from analogrnn.spice.engine import run_deck
from analogrnn.spice.pdk import find_pdk, model_lines
from analogrnn.spice.raw import Waveforms
from validation.bounds import Bound
from validation.circuits.bench import STANDARD
from validation.circuits.topic import TOPIC
from validation.claims import Measured
from validation.display import listing

SUPPLY = 1.8
SIZE = f"w={STANDARD.cell_w:g} l={STANDARD.cell_l:g}"
RAMP = 4.0  # s, up and as long down
THRESHOLDS = (0.1e-9, 0.2e-9, 0.5e-9, 1e-9, 2e-9, 5e-9, 10e-9)
WIDTHS = (0.1, 0.2, 0.4, 0.6, 0.8)  # of a threshold of 1.2 nA


@dataclass(frozen=True)
class Cell:
    """Bias currents, A."""

    i_th: float
    i_hyst: float
    i_on: float


@dataclass(frozen=True, eq=False)
class Loops:
    """What slow ramps gave, A, one per cell: thresholds and the output current while ON."""

    i_hi: np.ndarray
    i_lo: np.ndarray
    i_out: np.ndarray


def loops(cells: Sequence[Cell], temperature: float = 27.0) -> Loops:
    """Ramp the input of each cell to 1.3 times its threshold and back."""
    lines = []
    for k, cell in enumerate(cells):
        lines += [*_cell(k, cell), f"Ii{k} 0 n{k} PWL(0 0 {RAMP} {1.3 * cell.i_th} {2 * RAMP} 0)"]
    saved = [f"{kind}{k})" for k in range(len(cells)) for kind in ("v(a", "i(vo")]
    waves = _run(lines, saved, Tran(RAMP / 1000, 2 * RAMP, RAMP / 500), temperature)
    found = []
    for k, cell in enumerate(cells):
        low = waves[f"v(a{k})"] < SUPPLY / 2
        moments = waves.axis[np.flatnonzero(low[1:] != low[:-1]) + 1]
        hi, lo = moments[0] / RAMP, (2 * RAMP - moments[-1]) / RAMP
        found.append((1.3 * cell.i_th * hi, 1.3 * cell.i_th * lo, np.interp(RAMP, waves.axis, waves[f"i(vo{k})"])))
    return Loops(*np.array(found).T)


def _cell(k: int, cell: Cell) -> list[str]:
    lines = []
    for name, current in (("th", cell.i_th), ("hy", cell.i_hyst), ("on", cell.i_on)):
        lines += [f"Xb{name}{k} b{name}{k} b{name}{k} vdd vdd pfet {SIZE}", f"Ib{name}{k} b{name}{k} 0 {current}"]
    return [*lines, f"Xc{k} n{k} a{k} o{k} vc 0 bth{k} bhy{k} bon{k} bmru_cell {SIZE}", f"Vo{k} o{k} 0 0.5"]


def _run(lines: Sequence[str], saved: Sequence[str], analysis: Tran, temperature: float = 27.0) -> Waveforms:
    pdk = find_pdk()
    deck = Deck(
        "cells",
        (f"Vdd vdd 0 {SUPPLY}", "Vc vdd vc 0", *lines),
        analysis,
        models=model_lines(pdk),
        temperature=temperature,
        blocks=tuple(library.circuit("gf180mcu", name).rstrip() for name in ("devices", "bmru_cell")),
        options=OPTIONS,
        saves=tuple(saved),
    )
    return run_deck(deck.text, stop_time=deck.stop_time, timeout=300, allowed_paths=pdk.paths)


def bend(x: np.ndarray, y: np.ndarray) -> float:
    """Largest deviation from the least-squares straight line, over the largest y."""
    slope, offset = np.polyfit(x, y, 1)
    return float(np.abs(y - slope * x - offset).max() / y.max())


@lru_cache(maxsize=1)
def _by_threshold() -> Loops:
    return loops([Cell(i, 0.4 * i, 0.5 * i) for i in THRESHOLDS])


@TOPIC.measure(
    "cell-threshold", "Set threshold versus its bias current: largest deviation from a straight line over full scale."
)
def threshold_linearity(quick: bool) -> Measured:
    found, ratio = _by_threshold(), _by_threshold().i_hi / np.array(THRESHOLDS)
    return Measured(
        100 * bend(np.array(THRESHOLDS), found.i_hi),
        "%",
        Bound(),
        {
            "bias current": f"{THRESHOLDS[0] * 1e9:g} to {THRESHOLDS[-1] * 1e9:g} nA",
            "I_hi/I_th": f"{ratio.min():.4f} to {ratio.max():.4f}",
        },
    )


@TOPIC.measure(
    "cell-width", "Window width versus its bias current: largest deviation from a straight line over full scale."
)
def width_linearity(quick: bool) -> Measured:
    currents = np.array(WIDTHS) * 1.2e-9
    found = loops([Cell(1.2e-9, float(i), 0.6e-9) for i in currents])
    width = found.i_hi - found.i_lo
    return Measured(
        100 * bend(currents, width),
        "%",
        Bound(),
        {
            "bias current": f"{currents[0] * 1e9:.2f} to {currents[-1] * 1e9:.2f} nA",
            "I_th": "1.2 nA",
            "shift of the threshold": f"{100 * np.ptp(found.i_hi) / found.i_hi.mean():.2f} %",
        },
    )


@TOPIC.measure(
    "cell-gain", "Output current versus its bias current: largest deviation from a straight line over full scale."
)
def gain_linearity(quick: bool) -> Measured:
    found, bias = _by_threshold(), 0.5 * np.array(THRESHOLDS)
    return Measured(
        100 * bend(bias, found.i_out),
        "%",
        Bound(),
        {
            "bias current": f"{bias[0] * 1e9:g} to {bias[-1] * 1e9:g} nA",
            "I_out/I_on": f"{(found.i_out / bias).min():.4f} to {(found.i_out / bias).max():.4f}",
        },
    )


@lru_cache(maxsize=1)
def _switching() -> tuple[float, float, float, float]:
    """Seconds to set and to reset, watts OFF and ON at rest; I_th 1.2 nA, inputs half the window beyond."""
    cell, step = Cell(1.2e-9, 0.48e-9, 0.6e-9), 5e-3
    high, low, rest = 1.2e-9 * 0.968 + 0.24e-9, 0.7e-9 - 0.24e-9, 0.93e-9
    # from zero, where only OFF is stable
    inputs = [(0, 0.0), (step, rest), (2 * step, high), (3 * step, rest), (4 * step, low)]
    corners = " ".join(f"{at} {before} {at + 1e-7} {after}" for (_, before), (at, after) in pairwise(inputs))
    lines = [*_cell(0, cell), f"Ii0 0 n0 PWL(0 0 {corners})"]
    waves = _run(lines, ("v(a0)", "i(vc)", "i(vo0)"), Tran(1e-6, 5 * step, 5e-6))
    a, t = waves["v(a0)"], waves.axis
    set_at = t[np.flatnonzero((a < SUPPLY / 2) & (t > 2 * step))[0]] - 2 * step
    reset_at = t[np.flatnonzero((a > SUPPLY / 2) & (t > 4 * step))[0]] - 4 * step
    off, on = (SUPPLY * float(np.interp(at * step, t, waves["i(vc)"])) for at in (1.98, 3.98))
    return float(set_at), float(reset_at), off, on


@TOPIC.measure(
    "cell-switching",
    "Time in which a cell sets or resets with its input half a window beyond the threshold; it is inversely "
    "proportional to the currents.",
)
def switching(quick: bool) -> Measured:
    up, down, _, _ = _switching()
    return Measured(
        1e6 * max(up, down),
        "us",
        Bound(),
        {
            "device size": "2 x 18 um",
            "I_th": "1.2 nA",
            "sets in": f"{up * 1e6:.0f} us",
            "resets in": f"{down * 1e6:.0f} us",
        },
    )


@TOPIC.measure(
    "cell-power",
    "Power of a cell that is ON, output current included and bias diodes excluded, with its input in the window.",
)
def static_power(quick: bool) -> Measured:
    _, _, off, on = _switching()
    return Measured(
        1e9 * on,
        "nW",
        Bound(),
        {
            "supply": "1.8 V",
            "I_th": "1.2 nA",
            "output current": "0.6 nA",
            "OFF": f"{off * 1e9:.2f} nW",
            "ON": f"{on * 1e9:.2f} nW",
        },
    )


@TOPIC.measure("cell-temperature", "Drift of the set threshold over temperature with constant bias currents.")
def drift(quick: bool) -> Measured:
    """Over -20 to 85 C, with constant bias currents."""
    cell = Cell(1.2e-9, 0.48e-9, 0.6e-9)
    found = [loops([cell], temperature) for temperature in (-20.0, 27.0, 85.0)]
    hi = np.array([float(f.i_hi[0]) for f in found])
    width = np.array([float(f.i_hi[0] - f.i_lo[0]) for f in found])
    value = 1e6 * float(np.ptp(hi)) / hi[1] / 105.0
    return Measured(
        value,
        "ppm/K",
        Bound(),
        {
            "temperature": "-20, 27, 85 C",
            "threshold": f"{listing(hi * 1e9, 4)} nA",
            "width": f"{listing(width * 1e9, 4)} nA",
        },
    )


@TOPIC.measure(
    "cell-transistors",
    "Number of transistors of our cell; the published cell has nine, at 1.8 V in 180 nm as well, with currents "
    "from pA to nA.",
)
def transistors(quick: bool) -> Measured:
    text = library.circuit("gf180mcu", "bmru_cell")
    count = sum(line.startswith("Xm") for line in text.splitlines())
    return Measured(count, "transistors")
