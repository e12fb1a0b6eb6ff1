"""The behavioural model compared with ngspice, nominal: thresholds, levels, the DPI's waveform, supply current."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analogrnn import library
from analogrnn.biases import achieved, bias_currents, maps_of
from analogrnn.calibrate.bench import OPTIONS
from analogrnn.kernels.waveform import dpi_step
from analogrnn.spice.deck import Deck, Tran, number
from analogrnn.spice.engine import run_deck
from analogrnn.spice.pdk import find_pdk, model_lines
from analogrnn.supply import branch_sum
from validation.bounds import Bound
from validation.circuits.bench import Case, Found, good, ladder_design, measure
from validation.circuits.topic import TOPIC
from validation.claims import Measured
from validation.display import listing

STAGES = 4


@dataclass(frozen=True, eq=False)
class Prediction:
    """By the block maps and the whole unit devices of the bias lines. A; thresholds in beta."""

    up: np.ndarray
    down: np.ndarray
    i_hi: float
    level: float  # output current of one level
    supply: np.ndarray  # (N + 1,) of the stages, by level


@lru_cache(maxsize=2)
def predicted() -> Prediction:
    """The standard ladder as its bias lines make it, rounding included."""
    design = ladder_design(STAGES)
    ladder = design.ladders[0]
    m, maps = achieved(design, ladder, 0, pulsed=False), maps_of(design, ladder, 0)
    first, inner = m.shift
    branches = {
        "th": m.currents["th"],
        "hyst": m.currents["hyst"],
        "alpha": m.currents["alpha"],
        "base": maps.into_cell(m.base, 0.0),
        "on": m.currents["on"],
        "shift": inner,
        "first": first,
    }
    up, down = (np.array([values[0]] + [values[1]] * (STAGES - 1)) for values in (m.up, m.down))
    return Prediction(up, down, m.high, m.currents["alpha"], branch_sum(branches, STAGES))


@lru_cache(maxsize=1)
def simulated() -> Found:
    """A walk over all levels, then ramps."""
    walk = np.array([0.0, 2.0, 2.0, 2.0, 2.0, -2.0, 0.2, -2.0, -2.0, -2.0])
    return good(measure([Case(ladder_design(STAGES), walk, ramps=True)]))[0]


@TOPIC.measure(
    "predict-threshold",
    "Predicted thresholds of every level (block maps, whole unit devices) compared with ramps in ngspice, over "
    "the cell's threshold current: worst.",
)
def thresholds(quick: bool) -> Measured:
    p, found = predicted(), simulated()
    error = np.abs(np.concatenate([found.up - p.up, found.down - p.down]))
    beta = float(ladder_design(STAGES).ladders[0].beta[0])
    value = float(error.max() * beta / p.i_hi)
    return Measured(value, "of I_hi", Bound.below(0.02), {"thresholds": len(error), "I_hi": f"{p.i_hi * 1e9:.3f} nA"})


@TOPIC.measure(
    "predict-threshold-beta",
    "The same predicted thresholds compared with ramps in ngspice, over the threshold beta of the candidate: worst.",
)
def thresholds_beta(quick: bool) -> Measured:
    p, found = predicted(), simulated()
    value = float(np.abs(np.concatenate([found.up - p.up, found.down - p.down])).max())
    return Measured(
        value,
        "of beta",
        Bound.below(0.02),
        {
            "ngspice, up": listing(found.up, 3),
            "ngspice, down": listing(found.down, 3),
            "predicted, up": listing(p.up, 3),
            "predicted, down": listing(p.down, 3),
        },
    )


@TOPIC.measure(
    "predict-output",
    "Predicted output current of every level into the next block's diode, compared with ngspice: worst level.",
)
def outputs(quick: bool) -> Measured:
    p, found = predicted(), simulated()
    levels = np.arange(1, STAGES + 1)
    value = float(np.abs(found.output[1:] / (p.level * levels) - 1.0).max())
    return Measured(
        value,
        "relative",
        Bound.below(0.02),
        {
            "levels": f"1 to {STAGES}",
            "one level, predicted": f"{p.level * 1e12:.1f} pA",
            "one level, ngspice": f"{found.output[-1] / 4e-12:.1f} pA",
        },
    )


@TOPIC.measure(
    "predict-supply",
    "Predicted supply current of the stages at rest, the sum of the branch currents, compared with ngspice: "
    "worst level.",
)
def supply(quick: bool) -> Measured:
    p, found = predicted(), simulated()
    seen = found.by_level / 1.8
    value = float(np.nanmax(np.abs(seen / p.supply - 1.0)))
    return Measured(
        value,
        "relative",
        Bound.below(0.05),
        {
            "stages": STAGES,
            "levels": f"0 to {STAGES}",
            "ngspice": f"{listing(seen * 1e9, 2)} nA",
            "predicted": f"{listing(p.supply * 1e9, 2)} nA",
        },
    )


@TOPIC.measure("predict-dpi", "NRMSE of a DPI's output current: the behavioural kernel compared with ngspice.")
def dpi(quick: bool) -> Measured:
    """A DPI with the standard stage's compensated biases: from OFF, 7 tau ON, then OFF."""
    design = ladder_design(STAGES)
    ladder, timing = design.ladders[0], design.timing
    wanted = bias_currents(design, ladder, 0)
    start, length = timing.tau, 7.0 * timing.tau
    size, pdk, edge = f"w={number(design.sizing.cell.w)} l={number(design.sizing.cell.l)}", find_pdk(), timing.tau / 100
    lines = (
        "Vdd vdd 0 1.8",
        f"Xt bt bt vdd vdd pfet {size}",
        f"It bt 0 {number(wanted['tau'])}",
        f"Xg bg bg vdd vdd pfet {size}",
        f"Ig bg 0 {number(wanted['gain'])}",
        f"Iw 0 w PULSE(0 {number(wanted['on'])} {number(start)} {number(edge)} {number(edge)} {number(length)} 1)",
        f"Xd w o1 o2 vdd 0 bt bg dpi {size} c={number(timing.c_dpi)}",
        "Vo1 o1 0 0.45",
        "Vo2 o2 0 0.45",
    )
    deck = Deck(
        "DPI",
        lines,
        Tran(edge, 2 * length),
        models=model_lines(pdk),
        blocks=tuple(library.circuit("gf180mcu", name).rstrip() for name in ("devices", "dpi")),
        options=OPTIONS,
        saves=("i(vo1)",),
    )
    waves = run_deck(deck.text, stop_time=2 * length, allowed_paths=pdk.paths)
    times = np.linspace(start + edge, 2 * length, 600)
    theirs = np.interp(times, waves.axis, waves["i(vo1)"]) / float(ladder.i_shift[0])
    d, ours, before = timing.i_floor, [], start
    for t in times:
        d = dpi_step(d, bool(t < start + length), t - before, timing.tau, timing.drive_ratio, timing.i_floor)
        before = t
        ours.append(d)
    value = float(np.sqrt(np.mean((np.array(ours) - theirs) ** 2)) / np.ptp(theirs))
    return Measured(
        value,
        "of range",
        Bound.below(0.05),
        {
            "ON after a long time OFF": "7 tau",
            "then OFF": "6 tau",
            "settled output over that of the design": f"{theirs.max():.3f}",
        },
    )
