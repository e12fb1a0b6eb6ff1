"""From a target (yield, noise margin, period, supply) to device size, unit current and capacitor; and the reverse.

A stage is good if its up threshold lies between hold x beta and the largest threshold that a pulse of move x beta
passes in time, and its down threshold likewise below zero; a ladder is good if all its stages are. Candidates of a
trained network that are smaller than hold x beta, or larger than move x beta, then do what the digital network does.

The figures come from the calibrated behavioural models: `mismatch.spread` with bias and input line, `noise`, the
ladder's inequalities, the switching times of a cell, and `supply`. A size becomes the options of `map_network`: those
of the standard stage with another device, unit current, pulse and capacitor, so that what meets a target can be mapped.

Not counted: spread of the weights and of the front end, corners and temperature (see the calibration's coefficients).
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from analogrnn import mismatch, supply
from analogrnn.bench_ladder import bench_ladders, digital_stages
from analogrnn.chip import draw_chip
from analogrnn.design import Design, Timing
from analogrnn.errors import MappingError, ParameterError, SpiceError, in_range
from analogrnn.mapping import MappingOptions
from analogrnn.mapping.inequalities import LEAST_READ, LEAST_SETTLE
from analogrnn.noise import candidate_noise
from analogrnn.schedule import READ_AT
from analogrnn.spice import transistor_ladder
from analogrnn.spice.engine import run_decks
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.reading import read_deck
from analogrnn.stimulus import Demand, climbs_and_holds
from analogrnn.technology import Technology

STANDARD = MappingOptions.standard(10e-3)  # its ratios are those of every size
LEAST_TAU, LEAST_C = 5e-12, 50e-15  # A, of the DPI's leak bias: leakage when hot; F, of its capacitor
SPARE = 1e-6  # relative, of the shortest period: the mapping's margins must be above zero
DIGITS = 4  # of what a designer types: the figures belong to the rounded values
LONGEST = 0.5  # of the longest channel: the input line's clamp doubles the length
SCALES = (0.3, 6.0)  # range of the search: device width and length over the calibrated device's
CALIBRATED_SUPPLY = 1.8  # V, of the calibration's decks
UNITS = (0.02e-9, 4e-9)  # A, range of the search
SIZE_HALVINGS, UNIT_HALVINGS = 18, 16  # of the searches: to 1e-5 and 1e-4 of the value, as DIGITS shows
STEPS = 40  # about, of the pattern that confirms a size in ngspice


@dataclass(frozen=True)
class Target:
    """What a designer asks for; hold, move and base in half windows.

    ladder_yield  least share of good ladders
    noise_margin  least distance of hold and move from the threshold, over the rms noise
    period        s, one step
    supply        V
    stages        of each ladder
    hold          largest candidate that must leave the level as it is
    move          smallest candidate that must move it by one
    cells         ladders of the network, for the yield of the network
    base          standing current of the input line: how far a down pulse reaches
    """

    ladder_yield: float = 0.99
    noise_margin: float = 6.0
    period: float = 10e-3
    supply: float = 1.8
    stages: int = 4
    hold: float = 0.5
    move: float = 1.5
    cells: int = 1
    base: float = STANDARD.base_ratio

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
class Achieved:
    """What a size gives. `limits` names each part of the target that is not met; empty if all of it is.

    ladder_yield and network_yield treat the thresholds of a ladder as normal and independent. They are correlated, so
    both are lower bounds: close to the yield of drawn ladders where it is high, well below it where it is low.
    """

    size: Size
    options: MappingOptions  # what `map_network` takes; the period is the target's, or the shortest if that is longer
    c_dpi: float  # F
    pulse: float  # s
    tau: float  # s
    ladder_yield: float
    network_yield: float  # of `cells` such ladders
    sigma: float  # of the widest threshold, in half windows
    noise_margin: float  # distance of hold and move to the threshold over the noise
    stage_power: float  # W, mean over the levels
    stage_area: float  # m^2, gates of a stage's precision devices
    shortest_period: float  # s
    limits: tuple[str, ...]


def evaluate(target: Target, size: Size, technology: Technology) -> Achieved:
    """What `size` gives under `target`. Raises MappingError if the circuit can't be built at all."""
    design = sized_ladders(target, size, technology)
    ladder, timing = design.ladders[0], design.timing
    beta = float(ladder.beta[0])
    ladder_yield, sigma = _threshold_yield(target, design)
    noise = min(1.0 - target.hold, target.move - 1.0) * beta / float(candidate_noise(design, ladder)[0])
    shortest = shortest_period(timing)
    power = target.supply * float(supply.stages_by_level(design, ladder).mean()) / target.stages
    limits = [f"yield {ladder_yield:.4f} < {target.ladder_yield:g}"] if ladder_yield < target.ladder_yield else []
    limits += [f"noise margin {noise:.3g} < {target.noise_margin:g}"] if noise < target.noise_margin else []
    limits += [f"period {target.period:g} s < {_rounded_up(shortest):g} s"] if target.period < shortest else []
    return Achieved(
        size,
        replace(sized_options(target, size, technology), period=timing.period),
        timing.c_dpi,
        timing.pulse,
        timing.tau,
        ladder_yield,
        ladder_yield**target.cells,
        sigma,
        noise,
        power,
        len(mismatch.STAGE_DEVICES) * size.w * size.l,
        shortest,
        tuple(limits),
    )


def choose(target: Target, technology: Technology) -> Achieved:
    """The smallest devices and unit current that meet a target, at the calibrated device's shape.

    Where the length ends, devices get wider. The area follows from the yield; the unit current, and with it the power,
    from the period. Raises ParameterError if no size within the search range meets it.
    """

    def sized(unit: float) -> Achieved:
        low, high = (math.log(scale) for scale in SCALES)
        best = _at(target, math.exp(high), unit, technology)
        if best.ladder_yield < target.ladder_yield:
            raise ParameterError(
                f"Target.ladder_yield = {target.ladder_yield:g} needs devices wider than "
                f"{SCALES[1] * technology.standard.w * 1e6:g} um: lower it, or set hold and move "
                "further apart."
            )
        for _ in range(SIZE_HALVINGS):
            middle = (low + high) / 2.0
            tried = _at(target, math.exp(middle), unit, technology)
            if tried.ladder_yield >= target.ladder_yield:
                high, best = middle, tried
            else:
                low = middle
        return best

    low, high = (math.log(unit) for unit in UNITS)
    best = sized(UNITS[1])
    if best.limits:
        raise ParameterError(
            f"no unit current up to {UNITS[1]:g} A meets the target: {'; '.join(best.limits)}; lengthen the "
            "period, or set hold and move further apart."
        )
    for _ in range(UNIT_HALVINGS):
        middle = (low + high) / 2.0
        tried = sized(math.exp(middle))
        if tried.limits:
            low = middle
        else:
            high, best = middle, tried
    return best


def sized_options(target: Target, size: Size, technology: Technology) -> MappingOptions:
    """The standard stage with this size, at the shortest pulse allowed; as for `STANDARD`, no input bound.

    The capacitor gives the DPI a leak bias that is the same part of the unit current as in the standard stage: with
    0.03 of it, ladders of large devices don't follow in ngspice; with 0.045, as in the large stage, they do.
    """
    pulse = _rounded(shortest_pulse(target, size, technology))
    i_tau = max(_standard_leak(technology) * size.unit_current, LEAST_TAU)
    parasitic = technology.map_parasitic * size.w * size.l
    return replace(
        STANDARD,
        unit_current=size.unit_current,
        cell_w=size.w,
        cell_l=size.l,
        base_ratio=target.base,
        pulse=pulse,
        c_dpi=max(_rounded(i_tau / _leak_per_farad(pulse, technology) - parasitic), LEAST_C),
        period=None,
    )


def sized_ladders(target: Target, size: Size, technology: Technology, cells: int = 1) -> Design:
    """`cells` equal ladders of threshold 1, each with one input of weight 1; the period is at least the shortest.

    Raises MappingError if the circuit can't be built.
    """
    # no input current near zero: its mirror would be slower than a pulse
    options = replace(sized_options(target, size, technology), input_bound=target.move + 2.0)
    supplied = replace(technology, supply=target.supply)
    draft = bench_ladders((0, target.stages), supplied, options)
    period = max(target.period, _rounded_up(shortest_period(draft.timing)))
    return bench_ladders((0, target.stages), supplied, replace(options, period=period), (1.0,) * cells)


def shortest_period(timing: Timing) -> float:
    """s; the DPI settles before the next pulse, and one layer of ladders is read in time; see `ladder_margins`.

    Half windows of a mapped network are 1 to 2 units, those of the sized ladders 1: a larger shift starts from a floor
    that is relatively lower, and its dead time is longer.
    """
    lowest = replace(timing, i_floor=timing.i_floor / 2.0)
    settled = timing.pulse + lowest.rise_time(0.0) + LEAST_SETTLE * timing.tau / (1.0 - 1.0 / timing.drive_ratio)
    read = (LEAST_READ + 1.0) * timing.pulse / (READ_AT - STANDARD.lead)
    return max(settled, read) * (1.0 + SPARE)


def shortest_pulse(target: Target, size: Size, technology: Technology) -> float:
    """s; the input node follows, and both moves complete: t = delay W L / I_c + slew W / (u - beta).

    A down pulse can't exceed the standing current of the unipolar line.
    """
    area, centre = size.w * size.l, (STANDARD.shift_ratio + target.base) * size.unit_current
    times = [STANDARD.pulse_settle * technology.input_charge_density * area / centre]
    for delay, slew, reach in (
        (technology.switch_delay_up, technology.switch_slew_up, target.move),
        (technology.switch_delay_down, technology.switch_slew_down, min(target.move, target.base)),
    ):
        times.append(delay * area / centre + slew * size.w / ((reach - 1.0) * size.unit_current))
    return max(times)


def sampled_yield(target: Target, size: Size, technology: Technology, ladders: int, seed: int) -> tuple[int, int]:
    """(good, drawn) ladders among mismatched ones: the check of the normal approximation."""
    design = sized_ladders(target, size, technology, ladders)
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
    design = sized_ladders(target, size, technology)
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


def _at(target: Target, scale: float, unit: float, technology: Technology) -> Achieved:
    device = technology.standard
    length = _rounded(min(scale * device.l, LONGEST * technology.l_max))
    size = Size(_rounded(scale**2 * device.w * device.l / length), length, _rounded(unit))
    try:
        return evaluate(target, size, technology)
    except MappingError as error:
        options = sized_options(target, size, technology)
        return Achieved(size, options, 0.0, 0.0, 0.0, 0.0, 0.0, math.inf, 0.0, math.inf, 0.0, math.inf, (str(error),))


def _leak_per_farad(pulse: float, technology: Technology) -> float:
    """A/F; I_tau over the DPI's capacitance, as `map_network` sets it."""
    tau = pulse / STANDARD.pulse_ratio
    return technology.dpi_tau * technology.thermal_voltage / (technology.kappa * tau)


def _standard_leak(technology: Technology) -> float:
    """I_tau over the unit current in the standard stage, for half windows of one unit."""
    area, centre = STANDARD.cell_w * STANDARD.cell_l, STANDARD.shift_ratio + STANDARD.base_ratio
    pulse = STANDARD.pulse_settle * technology.input_charge_density * area / (centre * STANDARD.unit_current)
    capacitance = STANDARD.c_dpi + technology.map_parasitic * area
    return _leak_per_farad(pulse, technology) * capacitance / STANDARD.unit_current


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS - 1}e}")


def _rounded_up(value: float) -> float:
    """`value` with DIGITS digits, not below it."""
    near = _rounded(value)
    step = 10.0 ** (math.floor(math.log10(abs(value))) - DIGITS + 1) if value else 0.0
    return near if near >= value else _rounded(near + step)


def _threshold_yield(target: Target, design: Design) -> tuple[float, float]:
    """(yield of a ladder, largest sigma in half windows), with the thresholds taken as independent: a lower bound."""
    from scipy.special import ndtr  # noqa: PLC0415 (scipy costs 0.3 s)

    ladder, good, widest = design.ladders[0], 1.0, 0.0
    shift, beta = _supply_shift(target, design), float(design.ladders[0].beta[0])
    for stage, count in ((0, 1), (1, ladder.stages - 1)):  # all stages but the first have the same devices
        bad = 0.0
        for upper in (True, False):
            high = _reach(target, design, upper=upper)
            mean, sigma = mismatch.spread(design, ladder, mismatch.threshold_terms(ladder, stage, upper=upper))
            at, spread = (float(mean[0]) / beta + shift) * (1 if upper else -1), float(sigma[0]) / beta
            bad += float(ndtr((target.hold - at) / spread) + ndtr((at - high) / spread))
            widest = max(widest, spread)
        good *= max(1.0 - bad, 0.0) ** count
    return good, widest


def _reach(target: Target, design: Design, *, upper: bool) -> float:
    """The largest threshold, in half windows, that a pulse of `move` passes in time: u - slew W / (unit (T_p - delay)).

    A down pulse can't exceed the standing current of the line.
    """
    technology, cell = design.technology, design.sizing.cell
    way, most = ("up", target.move) if upper else ("down", min(target.move, target.base))
    delay = (
        getattr(technology, f"switch_delay_{way}")
        * cell.area
        / ((STANDARD.shift_ratio + target.base) * design.unit_current)
    )
    slew = getattr(technology, f"switch_slew_{way}") * cell.w / design.unit_current
    slewing = design.timing.pulse - delay
    return float(most - slew / slewing) if slewing > 0.0 else 0.0


def _supply_shift(target: Target, design: Design) -> float:
    """How far the thresholds move with the supply, in half windows; the calibration's supply is the standard one."""
    technology, ladder = design.technology, design.ladders[0]
    change = technology.threshold_supply * (target.supply - CALIBRATED_SUPPLY)
    return float(change * ladder.i_th[0] / ladder.beta[0])
