"""From a wanted yield, noise margin, period and supply to device size, unit current and capacitor; and the reverse.

A stage is good if its up threshold lies between hold x beta and what a pulse of move x beta passes in time, and its
down threshold likewise below zero; a ladder is good if all its stages are. Candidates of a trained network that are
smaller than hold x beta, or larger than move x beta, then do what the digital network does. By the calibrated
behavioural models: `mismatch.spread` with bias and input line, `noise`, the ladder's inequalities, the law of switching
times and `supply`.

Not counted: spread of the weights and of the front end, corners and temperature (see the calibration's coefficients).
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from analogrnn import mismatch, supply
from analogrnn.bench_ladder import bench_ladders, digital_stages
from analogrnn.chip import draw_chip
from analogrnn.design import Design
from analogrnn.errors import MappingError, ParameterError, SpiceError, in_range
from analogrnn.mapping import MappingOptions
from analogrnn.mapping.inequalities import LEAST_PULSE
from analogrnn.noise import candidate_noise
from analogrnn.spice import transistor_ladder
from analogrnn.spice.engine import run_decks
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.reading import read_deck
from analogrnn.stimulus import Demand, climbs_and_holds
from analogrnn.technology import Technology

SHIFT, DRIVE, PULSE_RATIO = 2.2, 12.0, 0.25  # the standard stage: I_s in half windows; R; T_p / tau
TAU_PART, LEAST_TAU = 0.06, 5e-12  # DPI leak bias over the unit current, and its least value, A: leakage when hot
LEAST_C = 50e-15  # F
SETTLE = 4.0  # tau after the dead time, the ladder's inequality
LONGEST = 0.5  # of the longest channel: the input line's clamp doubles the length
SCALES = (0.3, 6.0)  # range of the search: device width and length over the calibrated device's
CALIBRATED_SUPPLY = 1.8  # V, of the calibration's decks
UNITS = (0.02e-9, 4e-9)  # A, range of the search
STEPS = 40  # about, of the pattern that confirms a size in ngspice


@dataclass(frozen=True)
class Target:
    """What is wanted. `cells`: ladders of the network; hold and move in half windows."""

    ladder_yield: float = 0.99
    noise_margin: float = 6.0
    period: float = 10e-3
    supply: float = 1.8
    stages: int = 4
    hold: float = 0.5
    move: float = 1.5
    cells: int = 1
    base: float = 1.8  # standing current of the line, half windows: the reach of a down pulse

    def __post_init__(self) -> None:
        in_range("Target.ladder_yield", self.ladder_yield, 0.01, 0.99999)
        in_range("Target.noise_margin", self.noise_margin, 0.0, 1e3)
        in_range("Target.period", self.period, 1e-6, 10.0, "s")
        in_range("Target.supply", self.supply, 1.0, 3.6, "V")
        in_range("Target.stages", self.stages, 2, 64)
        in_range("Target.hold", self.hold, 0.0, 0.99)
        in_range("Target.move", self.move, 1.01, 10.0)
        in_range("Target.cells", self.cells, 1, 1e6)
        in_range("Target.base", self.base, 1.05, 10.0)


@dataclass(frozen=True)
class Size:
    """What a designer sets. SI units."""

    w: float
    l: float  # noqa: E741
    unit_current: float


@dataclass(frozen=True)
class Outcome:
    """What a size gives. `limits` names what is missed; empty if the target is met."""

    size: Size
    c_dpi: float  # F
    pulse: float  # s
    tau: float  # s
    ladder_yield: float  # by the normal approximation of the thresholds' spread
    network_yield: float
    sigma: float  # of the widest threshold, in half windows
    noise_margin: float  # distance of hold and move to the threshold over the noise
    stage_power: float  # W, mean over the levels
    stage_area: float  # m^2, gates of a stage's precision devices
    shortest_period: float  # s
    limits: tuple[str, ...]


def evaluate(target: Target, size: Size, technology: Technology) -> Outcome:
    """What `size` gives under `target`. Raises MappingError if the circuit can't be built at all."""
    design = standard_design(target, size, technology)
    ladder, timing = design.ladders[0], design.timing
    beta = float(ladder.beta[0])
    stage_yield, sigma = _threshold_yield(target, design)
    noise = min(1.0 - target.hold, target.move - 1.0) * beta / float(candidate_noise(design, ladder)[0])
    shortest = timing.pulse + timing.rise_time(0.0) + SETTLE * timing.tau / (1.0 - 1.0 / timing.drive_ratio)
    power = target.supply * float(supply.stages_by_level(design, ladder).mean()) / target.stages
    limits = [f"yield {stage_yield:.4f} < {target.ladder_yield:g}"] if stage_yield < target.ladder_yield else []
    limits += [f"noise margin {noise:.3g} < {target.noise_margin:g}"] if noise < target.noise_margin else []
    # the last bits of a search must not decide
    limits += [f"period below {shortest:.3g} s"] if shortest > target.period * (1 + 1e-6) else []
    area = len(mismatch.STAGE_DEVICES) * size.w * size.l
    return Outcome(
        size,
        timing.c_dpi,
        timing.pulse,
        timing.tau,
        stage_yield,
        stage_yield**target.cells,
        sigma,
        noise,
        power,
        area,
        shortest,
        tuple(limits),
    )


def choose(target: Target, technology: Technology) -> Outcome:
    """The smallest devices and unit current that meet a target, at the calibrated device's shape.

    Where the length ends, devices get wider. The area follows from the yield; the unit current, and with it the power,
    from the period. Raises ParameterError if no size within the search range meets it.
    """

    def sized(unit: float) -> Outcome:
        low, high = (math.log(scale) for scale in SCALES)
        if _at(target, math.exp(high), unit, technology).ladder_yield < target.ladder_yield:
            raise ParameterError(
                f"Target.ladder_yield = {target.ladder_yield:g} needs devices wider than "
                f"{SCALES[1] * technology.standard.w * 1e6:g} um: lower it, or set hold and move "
                "further apart."
            )
        for _ in range(24):
            middle = (low + high) / 2.0
            good = _at(target, math.exp(middle), unit, technology).ladder_yield >= target.ladder_yield
            low, high = (low, middle) if good else (middle, high)
        return _at(target, math.exp(high), unit, technology)

    low, high = (math.log(unit) for unit in UNITS)
    if limits := sized(UNITS[1]).limits:
        raise ParameterError(
            f"no unit current up to {UNITS[1]:g} A meets the target: {'; '.join(limits)}; lengthen the "
            "period, or set hold and move further apart."
        )
    for _ in range(16):
        middle = (low + high) / 2.0
        low, high = (middle, high) if sized(math.exp(middle)).limits else (low, middle)
    return sized(math.exp(high))


def standard_design(target: Target, size: Size, technology: Technology, cells: int = 1) -> Design:
    """`cells` equal standard ladders of threshold 1, each with one input of weight 1, at the shortest pulse allowed."""
    pulse = shortest_pulse(target, size, technology)
    tau, i_tau = pulse / PULSE_RATIO, max(TAU_PART * size.unit_current, LEAST_TAU)
    parasitic = technology.map_parasitic * size.w * size.l
    charge = technology.dpi_tau * technology.thermal_voltage / (technology.kappa * tau)
    options = MappingOptions(
        unit_current=size.unit_current,
        cell_w=size.w,
        cell_l=size.l,
        base_ratio=target.base,
        shift_ratio=SHIFT,
        pulse_ratio=PULSE_RATIO,
        pulse=pulse,
        drive_ratio=DRIVE,
        c_dpi=max(i_tau / charge - parasitic, LEAST_C),
        input_bound=target.move + 2.0,  # no input current near zero: its mirror would be slower than a pulse
    )
    supplied = replace(technology, supply=target.supply)
    design = bench_ladders((0, target.stages), supplied, options, (1.0,) * cells)
    period = max(target.period, design.timing.pulse * 1.01)
    lead = design.timing.lead / design.timing.period * period
    return replace(design, timing=replace(design.timing, period=period, lead=lead))


def shortest_pulse(target: Target, size: Size, technology: Technology) -> float:
    """s; the input node follows, and both moves complete: t = delay W L / I_c + slew W / (u - beta).

    A down pulse can't exceed the standing current of the unipolar line.
    """
    centre = (SHIFT + target.base) * size.unit_current
    area, times = size.w * size.l, [1.001 * LEAST_PULSE * technology.input_charge_density * size.w * size.l / centre]
    for delay, slew, reach in (
        (technology.switch_delay_up, technology.switch_slew_up, target.move),
        (technology.switch_delay_down, technology.switch_slew_down, min(target.move, target.base)),
    ):
        times.append(delay * area / centre + slew * size.w / ((reach - 1.0) * size.unit_current))
    return max(times)


def sampled_yield(target: Target, size: Size, technology: Technology, ladders: int, seed: int) -> tuple[int, int]:
    """(good, drawn) ladders among mismatched ones: the check of the normal approximation."""
    design = standard_design(target, size, technology, ladders)
    layer = draw_chip(design, seed, 0).ladders[0]
    shift = _supply_shift(target, design)
    up, down = layer.up + shift, layer.down + shift
    top, bottom = (_reach(target, design, upper=upper) for upper in (True, False))
    good = (up > target.hold) & (up < top) & (down < -target.hold) & (down > -bottom)
    return int(good.all(axis=1).sum()), ladders


def confirm(
    target: Target, size: Size, technology: Technology, ladders: int, seed: int, workers: int | None = None
) -> int:
    """How many of `ladders` mismatched ladders follow the digital unit in ngspice, at every step of a random pattern.

    Raises MissingDependencyError without ngspice or the models.
    """
    design = standard_design(target, size, technology)
    ladder, pdk = design.ladders[0], find_pdk()
    candidates = climbs_and_holds(Demand(target.hold, target.move), target.stages, STEPS, seed)
    expected = digital_stages(design, candidates)
    decks = [
        transistor_ladder.ladder_transistors(
            design,
            ladder,
            0,
            candidates[:, None],
            pdk,
            transistor_ladder.TransistorOptions(draws=mismatch.draw_ladder(design, ladder, seed, chip)),
        )
        for chip in range(ladders)
    ]
    follow = 0
    for index, waves in run_decks([deck.job() for deck in decks], workers):
        if isinstance(waves, SpiceError):
            raise waves
        try:
            states = read_deck(decks[index], waves, strict=True).stages[decks[index].cell]
        except SpiceError:  # a stage between ON and OFF has not followed
            continue
        follow += int(np.array_equal(states, expected))
    return follow


def _at(target: Target, scale: float, unit: float, technology: Technology) -> Outcome:
    device = technology.standard
    length = min(scale * device.l, LONGEST * technology.l_max)
    size = Size(scale**2 * device.w * device.l / length, length, unit)
    try:
        return evaluate(target, size, technology)
    except MappingError as error:
        return Outcome(size, 0.0, 0.0, 0.0, 0.0, 0.0, math.inf, 0.0, math.inf, 0.0, math.inf, (str(error),))


def _threshold_yield(target: Target, design: Design) -> tuple[float, float]:
    """(yield of a ladder, largest sigma in half windows); as if thresholds were independent: a lower bound."""
    from scipy.special import ndtr  # noqa: PLC0415 (scipy costs 0.3 s)

    ladder, good, widest = design.ladders[0], 1.0, 0.0
    shift = _supply_shift(target, design)
    for stage in range(ladder.stages):
        missed = 0.0
        for upper in (True, False):
            high = _reach(target, design, upper=upper)
            mean, sigma = mismatch.spread(design, ladder, mismatch.threshold_terms(ladder, stage, upper=upper))
            beta = float(ladder.beta[0])
            at, spread = (float(mean[0]) / beta + shift) * (1 if upper else -1), float(sigma[0]) / beta
            missed += float(ndtr((target.hold - at) / spread) + ndtr((at - high) / spread))
            widest = max(widest, spread)
        good *= max(1.0 - missed, 0.0)
    return good, widest


def _reach(target: Target, design: Design, *, upper: bool) -> float:
    """The largest threshold, in half windows, that a pulse of `move` passes in time: u - slew W / (unit (T_p - delay)).

    A down pulse can't exceed the standing current of the line.
    """
    technology, cell = design.technology, design.sizing.cell
    way, most = ("up", target.move) if upper else ("down", min(target.move, target.base))
    delay = getattr(technology, f"switch_delay_{way}") * cell.area / ((SHIFT + target.base) * design.unit_current)
    slew = getattr(technology, f"switch_slew_{way}") * cell.w / design.unit_current
    left = design.timing.pulse - delay
    return float(most - slew / left) if left > 0.0 else 0.0


def _supply_shift(target: Target, design: Design) -> float:
    """How far the thresholds move with the supply, in half windows; the calibration's supply is the standard one."""
    technology, ladder = design.technology, design.ladders[0]
    change = technology.threshold_supply * (target.supply - CALIBRATED_SUPPLY)
    return float(change * ladder.i_th[0] / ladder.beta[0])
