"""Fixed points: the codes in which a ladder rests, by several routes; what pulses and upsets reach; eps."""

import re
from collections import Counter
from dataclasses import replace
from functools import lru_cache

import numpy as np

from analogrnn.analysis.fixed_points import (
    all_codes,
    count_rest_states,
    is_thermometer,
    rest_states,
    rests_by_rule,
)
from analogrnn.analysis.fixed_points_dynamics import (
    LadderBench,
    State,
    after_pulse,
    after_upset,
    at_rest,
    ladder_bench,
    reachable,
    settle,
    survivors,
)
from analogrnn.analysis.fixed_points_recurrence import readable_gap, recurrence_states
from analogrnn.analysis.fixed_points_report import AMPLITUDES, upsets
from analogrnn.analysis.fixed_points_spice import Starts, codes_equal, rest_by_ngspice, settled_starts
from analogrnn.chip import Chip, ChipLadder, draw_chip, nominal_chip
from analogrnn.design import Design
from analogrnn.errors import MappingError, SpiceError
from analogrnn.kernels.waveform import dpi_step
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, Network
from analogrnn.spice.engine import Job, run_decks
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.transistor import TransistorOptions
from analogrnn.technology import load_technology
from validation.claims import Measured, Topic, equal

TOPIC = Topic("fixed-points")
SEED = 20


def ladder(stages: int, options: MappingOptions | None = None) -> tuple[Design, Chip, ChipLadder]:
    """One ladder of one input with weight and threshold 1, from all-OFF."""
    layer = Cmru("rec", np.ones((1, 1)), np.zeros(1), threshold=np.ones(1), alpha=np.ones(1), k_min=0, k_max=stages)
    design = map_network(Network((layer,)), load_technology(), options or MappingOptions(input_bound=6.0))
    chip = nominal_chip(design)
    return design, chip, chip.ladders[0]


def bench(stages: int) -> LadderBench:
    _, chip, layer = ladder(stages)
    return ladder_bench(chip, layer, 0)


def with_ratios(stages: int, shift: float, base: float) -> tuple[Chip, ChipLadder]:
    """A ladder with any I_s and I_base in beta, also ones that the mapping refuses."""
    design, _, _ = ladder(stages)
    was = design.ladders[0]
    i_shift, i_base = shift * was.beta, base * was.beta
    now = replace(was, i_shift=i_shift, i_base=i_base, i_th=i_shift + i_base + was.beta)
    chip = nominal_chip(replace(design, layers=(now,)))
    return chip, chip.ladders[0]


@lru_cache(maxsize=8)
def by_ngspice(stages: int) -> np.ndarray:
    """(2^N, N) the code in which ngspice leaves each code."""
    design, _, _ = ladder(stages)
    return rest_by_ngspice(design, design.ladders[0], 0, settled_starts(design, all_codes(stages)))


@TOPIC.measure("routes-agree")
def routes(quick: bool) -> Measured:
    most, agree = 4 if quick else 8, 0
    for stages in range(1, most + 1):
        _, chip, layer = ladder(stages)
        codes, found = all_codes(stages), rest_states(chip, layer, 0).codes
        by_wave = codes[survivors(ladder_bench(chip, layer, 0), codes)]
        by_spice = codes[(by_ngspice(stages) == codes).all(axis=1)]
        by_rule = codes[rests_by_rule(codes, 1.8)] if stages > 1 else codes
        agree += len(found) == count_rest_states(stages) and all(
            codes_equal(found, other) for other in (by_rule, by_wave, by_spice)
        )
    return Measured(agree, "values of N", f"= {most}", agree == most,
                    f"N = 1..{most}: neighbour rule, the chip's currents, waveform model and ngspice (ideal "
                    f"cells, transient "
                    "from each of the 2^N codes) keep the same codes, as many as the recurrence for their "
                    "number says")  # fmt: skip


@TOPIC.measure("ngspice-ends")
def ends(quick: bool) -> Measured:
    same = total = 0
    for stages in range(1, 5 if quick else 9):
        item = bench(stages)
        wave = np.array([settle(item, at_rest(item, code)).on for code in all_codes(stages)])
        same += int((wave == by_ngspice(stages)).all(axis=1).sum())
        total += len(wave)
    return Measured(same / total, "of codes", "= 1", same == total,
                    f"waveform model and ngspice end in the same code from every code, those that don't hold included "
                    f"({total} codes)")  # fmt: skip


@TOPIC.measure("count")
def count(quick: bool) -> Measured:
    most, right, told = 10 if quick else 12, 0, []
    for stages in range(1, most + 1):
        kept = int(survivors(bench(stages), all_codes(stages)).sum())
        right += kept == count_rest_states(stages)
        told.append(str(kept))
    return Measured(right, "values of N", f"= {most}", right == most,
                    f"codes that the waveform model keeps, exhaustively over 2^N, N = 1..{most}: {' '.join(told)}: as "
                    "a(N) = 2 a(N-1) - a(N-2) + a(N-4)")  # fmt: skip


@TOPIC.measure("regimes")
def regimes(quick: bool) -> Measured:
    right = total = 0
    for shift in (0.5, 0.95, 1.05, 1.3, 1.8, 3.0, 6.0):
        for base in (1.05, 1.6, 3.0):
            chip, layer = with_ratios(6, shift, base)
            codes = all_codes(6)
            kept = survivors(ladder_bench(chip, layer, 0), codes)
            right += bool((kept == rests_by_rule(codes, shift)).all())
            total += 1
    return Measured(right, "designs", f"= {total}", right == total,
                    "N = 6, I_s of 0.5 to 6 beta times a base of 1.05 to 3 beta: all 64 codes hold below I_s = "
                    "beta, 17 "
                    "above, whatever the base")  # fmt: skip


@TOPIC.measure("basin")
def basin(quick: bool) -> Measured:
    inside = outside = total = 0
    for stages in range(3, 9 if quick else 13):
        item = bench(stages)
        _, chip, layer = ladder(stages)
        codes = rest_states(chip, layer, 0).codes
        inside += int(survivors(item, codes, perturbation=0.999 * item.basin).sum())
        outside += int(survivors(item, codes, perturbation=1.001 * item.basin).sum())
        total += len(codes)
    return Measured(inside / total, "of codes", "= 1", inside == total and not outside,
                    f"every rest state survives any perturbation of all DPIs below 0.999 beta/I_s, none one of 1.001 "
                    f"beta/I_s ({outside} of {total}); the extremes of the box are run, the ladder is "
                    f"monotone")  # fmt: skip


@TOPIC.measure("basin-ngspice")
def basin_spice(quick: bool) -> Measured:
    stages = 4 if quick else 6
    design, chip, layer = ladder(stages)
    item, codes = bench(stages), rest_states(chip, layer, 0).codes
    kept = {}
    for part in (0.95, 1.3):
        off = part * item.basin
        raised, lowered = np.where(codes, 1.0, off), np.where(codes, 1.0 - off, item.floor)
        starts = Starts(np.vstack([codes, codes]), np.vstack([raised, lowered]))
        end = rest_by_ngspice(design, design.ladders[0], 0, starts)
        kept[part] = (end == starts.on).all(axis=1).reshape(2, -1).all(axis=0)
    return Measured(float(kept[0.95].mean()), "of codes", "= 1", bool(kept[0.95].all() and not kept[1.3].any()),
                    f"the same in ngspice, N = {stages}: 0.95 beta/I_s returns, 1.3 leaves in "
                    f"{int((~kept[1.3]).sum())} of "
                    f"{len(codes)}")  # fmt: skip


@TOPIC.measure("unreachable")
def unreachable(quick: bool) -> Measured:
    """Random designs that the mapping accepts: from the reset, by pulses of any amplitude."""
    rng = np.random.Generator(np.random.Philox(key=[SEED, 1]))
    wanted, done, wrong = (30 if quick else 300), 0, 0
    while done < wanted:
        options = MappingOptions(
            input_bound=12.0, shift_ratio=float(rng.uniform(1.2, 4.0)), base_ratio=float(rng.uniform(1.05, 4.0)),
            pulse_ratio=float(rng.uniform(0.03, 0.5)), pulse_settle=float(rng.uniform(8.1, 20.0)),
            drive_ratio=float(rng.uniform(8.0, 60.0)))  # fmt: skip
        try:
            _, chip, layer = ladder(int(rng.integers(2, 11)), options)
        except MappingError:
            continue
        item = ladder_bench(chip, layer, 0)
        found = reachable(item, np.concatenate([[-12.0], AMPLITUDES, [12.0]]) * item.beta)
        wrong += not (is_thermometer(found).all() and len(found) == item.stages + 1)
        done += 1
    return Measured(wrong, "designs", "= 0", wrong == 0,
                    f"of {done} random designs that the mapping accepts (N = 2..10): those in which pulses of "
                    f"any size lead "
                    "from the reset to anything but the N + 1 levels")  # fmt: skip


@TOPIC.measure("one-level")
def one_level(quick: bool) -> Measured:
    right = total = 0
    for stages in range(1, 9):
        item = bench(stages)
        for level in range(stages + 1):
            start = at_rest(item, np.arange(stages) < level)
            for a in AMPLITUDES:
                want = int(np.clip(level + (np.sign(a) if abs(a) > 1.0 else 0.0), 0, stages))
                right += bool((after_pulse(item, start, float(a * item.beta)).on == (np.arange(stages) < want)).all())
                total += 1
    return equal(right, total, "each level, N = 1..8, moves by exactly one on pulses of 1.001 to 6 beta, by none up to "
                 "0.999 beta: which transitions are possible")  # fmt: skip


@TOPIC.measure("reachable-broken")
def broken(quick: bool) -> Measured:
    """Negative control: with a pulse as long as tau the theorem's condition fails, and so must its conclusion."""
    item = bench(8)
    item = replace(item, pulse=float(item.scalars[1]) * 1.2)
    start = at_rest(item, np.zeros(8, dtype=bool))
    on = int(after_pulse(item, start, 6.0 * item.beta).on.sum())
    return Measured(on, "levels", "> 1", on > 1,
                    "control: one pulse of 6 beta that lasts 1.2 tau, I_s (2 exp(-x) - 1) < beta, moves more "
                    "than one level")  # fmt: skip


@TOPIC.measure("upsets-brief")
def brief(quick: bool) -> Measured:
    heals = total = islands = 0
    for stages in range(2, 9):
        for upset in upsets(bench(stages)):
            islands += upset.brief.startswith("island")
            if not {upset.level - 1, upset.level} & set(upset.stages):
                total += 1
                heals += upset.brief == "heals"
    return Measured(heals / total, "of upsets", "= 1", heals == total and not islands,
                    f"one or two stages away from the wall forced for a pulse's length heal, N = 2..8 ({total} "
                    f"upsets); "
                    f"no upset of that length ends on an island ({islands})")  # fmt: skip


@TOPIC.measure("upsets-long")
def long(quick: bool) -> Measured:
    told = Counter(upset.long.split()[0] for upset in upsets(bench(8)))
    total = sum(told.values())
    return Measured(told["island"] / total, "of upsets", "reported", True,
                    f"N = 8, one or two stages forced until the DPIs have followed: of {total} upsets "
                    f"{told['heals']} heal, "
                    f"{told['moves']} move the level, {told['island']} end on an island")  # fmt: skip


@TOPIC.measure("upset-duration")
def duration(quick: bool) -> Measured:
    """Two OFF stages far above the wall: forced ON for long enough that each holds the other, d > 1 - beta/I_s."""
    item = bench(6)
    code, forced = np.zeros(6, dtype=bool), {3: True, 4: True}
    low, high = 0.0, 4.0 * item.rise
    while high - low > 1e-3 * item.rise:
        middle = (low + high) / 2.0
        if is_thermometer(after_upset(item, code, forced, middle).on):
            low = middle
        else:
            high = middle
    d, t, dt = item.floor, 0.0, item.rise / 4000.0
    while d < 1.0 - item.beta / item.shift:
        d, t = dpi_step(d, True, dt, float(item.scalars[1]), float(item.scalars[2]), item.floor), t + dt
    return Measured(high / t, "of predicted", "1 +- 0.05", abs(high / t - 1.0) < 0.05,
                    f"least time for which two neighbours must be forced ON to become an island, "
                    f"{high / item.pulse:.1f} pulses"
                    f" ({high * 1e3:.2f} ms): the DPI's rise to 1 - beta/I_s")  # fmt: skip


@TOPIC.measure("windows")
def windows(quick: bool) -> Measured:
    """Thresholds of each level by bisection over the pulse's amplitude."""
    stages, worst = 4, 0.0
    item = bench(stages)
    for level in range(stages + 1):
        start = at_rest(item, np.arange(stages) < level)
        for sign in (1.0, -1.0):
            if 0 <= level + sign <= stages:
                low, high = 0.5, 1.5
                for _ in range(20):
                    middle = (low + high) / 2.0
                    moved = int(after_pulse(item, start, sign * middle * item.beta).on.sum()) != level
                    low, high = (low, middle) if moved else (middle, high)
                worst = max(worst, abs(high - 1.0))
    return Measured(worst, "beta", "< 1e-3", worst < 1e-3,
                    "thresholds of every level of a ladder of 4 in the waveform model against +-beta, largest "
                    "deviation: "
                    "every level has the window of a single cell")  # fmt: skip


@TOPIC.measure("mismatched")
def mismatched(quick: bool) -> Measured:
    design, chip, layer = ladder(8, MappingOptions(input_bound=6.0, cell_w=10e-6, cell_l=10e-6))
    nominal = rest_states(chip, layer, 0).codes
    chips, same, levels = (40 if quick else 400), 0, 0
    for index in range(chips):
        one = draw_chip(design, SEED, index)
        found = rest_states(one, one.ladders[0], 0)
        same += codes_equal(found.codes, nominal)
        levels += int(found.thermometer.sum()) == 9
    return Measured(levels / chips, "of chips", "reported", True,
                    f"ladders of 8 in 10 um devices, {chips} chips: all nine levels hold; {same / chips:.3f} "
                    f"have exactly the "
                    "nominal 45 codes")  # fmt: skip


@TOPIC.measure("eps")
def eps(quick: bool) -> Measured:
    worst = 0.0
    for leak in (0.0, 0.25, 0.5, 0.9, 0.99):
        state = recurrence_states(leak, 1)
        s = np.zeros(1)
        for _ in range(4000):
            s = 1.0 + leak * s
        worst = max(worst, abs(state.attract[1] - float(s[0])))
    bistable, leaky, cumulative = (recurrence_states(e, 8) for e in (0.0, 0.5, 1.0))
    right = bistable.reached.tolist() == [-1.0, 1.0] and leaky.attract == (-2.0, 2.0)
    right = right and cumulative.reached.tolist() == list(range(-8, 9)) and cumulative.attract == (-np.inf, np.inf)
    return Measured(worst, "levels", "< 1e-9", worst < 1e-9 and right,
                    "published fixed points: -1 and 1 at eps 0, every whole number at eps 1; at 0.5 updates "
                    "lead to -2 and 2; "
                    "error of +-1/(1 - eps) against 4,000 updates")  # fmt: skip


@TOPIC.measure("eps-apart")
def apart(quick: bool) -> Measured:
    worst = 0.0
    for leak in (0.1, 0.25, 0.4, 0.45):
        for updates in (2, 5, 9):
            seen = recurrence_states(leak, updates, initial=1.0 / (1.0 - leak)).gap
            worst = max(worst, readable_gap(leak, updates - 1) / seen)
    gaps = [recurrence_states(e, 10).gap for e in (0.0, 0.5, 0.8, 1.0)]
    holds = worst <= 1.0 and gaps[0] == 2.0 and gaps[3] == 1.0 and max(gaps[1:3]) < 2e-2
    return Measured(worst, "of gap", "<= 1", holds,
                    f"least gap between states within 10 updates: {gaps[0]:g} at eps 0, {gaps[1]:.2g} at 0.5, "
                    f"{gaps[2]:.2g} at "
                    f"0.8, {gaps[3]:g} at 1; below 0.5 it is at least 2 eps^m (1 - 2 eps)/(1 - eps)")  # fmt: skip


@TOPIC.measure("restoring")
def restoring(quick: bool) -> Measured:
    """The recurrence holds any state as it is; the ladder brings it back."""
    item = bench(4)
    code = np.array([True, True, False, False])
    end = settle(item, State(code, np.where(code, 0.6, 0.4)))
    left = float(np.abs(end.d - np.where(code, 1.0, item.floor)).max())
    return Measured(left, "levels", "< 1e-3", left < 1e-3 and bool((end.on == code).all()),
                    "what is left of an error of 0.4 level in every DPI once the ladder is at rest; in the "
                    "recurrence a held "
                    "error stays (slope 1)")  # fmt: skip


@TOPIC.measure("transistors")
def transistors(quick: bool) -> Measured:
    """A ladder of 4 on foundry models: stages 3 and 4 forced ON by a current, briefly and for long, then left alone."""
    from validation.circuits.bench import Case, build, ladder_design  # noqa: PLC0415 (needs the foundry models)

    design = ladder_design(4)
    timing, beta = design.timing, float(design.ladders[0].beta[0])
    candidates = np.zeros(4)
    ends = []
    for length in (timing.pulse, timing.period):
        at, height = 0.3 * timing.period, 6.0 * beta
        edge = timing.pulse / 100.0
        first = (design.timing.reset_steps) * timing.period + at
        wave = f"PULSE(0 {height:g} {first:g} {edge:g} {edge:g} {length:g} 1e3)"
        case = Case(
            design, candidates, edits=((r"(?m)^Vstages ", f"In3 vss n3 {wave}\\nIn4 vss n4 {wave}\\nVstages "),)
        )
        deck, _, job = build(case)
        waves = _one(job)
        nodes = [
            np.interp(deck.schedule.read_times(), waves.axis, waves[f"v({deck.instance}.a{j + 1})"]) for j in range(4)
        ]
        ends.append("".join("1" if node[-1] < deck.supply / 2 else "0" for node in nodes))
    return Measured(float(ends == ["0000", "0011"]), "1", "= 1", ends == ["0000", "0011"],
                    f"N = 4 on foundry models at the lowest level, stages 3 and 4 forced ON: for a pulse's "
                    f"length it heals "
                    f"({ends[0]}), for a period it rests on the island ({ends[1]}) that the rule predicts")  # fmt: skip


def _operating_point(design: Design, level: int) -> tuple[int, float]:
    """Stages of a ladder in transistors that `.op` finds as they are at the end of a transient; V, largest difference.

    The operating point starts from the node voltages of a transient that pulses led to this level.
    """
    from validation.circuits.bench import Case, build  # noqa: PLC0415 (needs the foundry models)

    stages = design.ladders[0].stages
    deck, _, job = build(Case(design, np.array([2.0] * level + [0.0])))
    waves = _one(replace(job, deck=re.sub(r"(?m)^\.save .*\n", "", job.deck)))
    volts = {name: float(waves[name][-1]) for name in waves.signals if name.startswith("v(")}
    # a deck that is never reset: its sources at time zero are those at rest
    _, _, job = build(Case(design, np.zeros(1), TransistorOptions(control="no_reset")))
    sets = [f"{name}={volt:.9g}" for name, volt in volts.items()]
    lines = "\n".join(".nodeset " + " ".join(sets[i : i + 6]) for i in range(0, len(sets), 6))
    found = _one(replace(job, deck=re.sub(r"(?m)^\.tran .*$", lines + "\n.op", job.deck), stop_time=None))
    nodes = [f"v({deck.instance}.a{j + 1})" for j in range(stages)]
    error = np.array([abs(float(np.real(found[node][-1])) - volts[node]) for node in nodes])
    on = [float(np.real(found[node][-1])) < deck.supply / 2 for node in nodes]
    return int(np.sum(np.array(on) == (np.arange(stages) < level))), float(error.max())


def _one(job: Job) -> Waveforms:
    result = next(iter(run_decks([job], workers=1)))[1]
    if isinstance(result, SpiceError):
        raise result
    return result


@TOPIC.measure("transistors-op")
def operating_points(quick: bool) -> Measured:
    from validation.circuits.bench import ladder_design  # noqa: PLC0415 (needs the foundry models)

    right = total = 0
    worst = 0.0
    for stages in (2,) if quick else range(1, 9):
        for level in range(stages + 1):
            same, error = _operating_point(ladder_design(stages), level)
            right, total, worst = right + same, total + stages, max(worst, error)
    return Measured(
        right / total,
        "of stages",
        "= 1",
        right == total and worst < 0.05,
        "transistor ladders, N = 1..8 (quick: 2): .op from every thermometer code, started at a transient's "
        f"node voltages, stays there ({total} stages; largest change of a state node {worst * 1e3:.2f} mV)",
    )
