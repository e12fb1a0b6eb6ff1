"""The codes in which a ladder rests, by several routes; how far from them it comes back; other ratios, mismatch."""

import numpy as np

from analogrnn.analysis.fixed_points.dynamics import at_rest, ladder_bench, settle, survivors
from analogrnn.analysis.fixed_points.rest_states import all_codes, count_rest_states, rest_states, rests_by_rule
from analogrnn.analysis.fixed_points.spice import Starts, codes_equal, rest_by_ngspice
from analogrnn.chip import draw_chip
from analogrnn.mapping import MappingOptions
from validation.claims import Measured
from validation.fixed_points.bench import SEED, TOPIC, bench, by_ngspice, ladder, with_ratios


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
    return Measured(
        agree,
        "values of N",
        f"= {most}",
        agree == most,
        f"N = 1..{most}: neighbour rule, the chip's currents, waveform model and ngspice (ideal "
        f"cells, transient "
        "from each of the 2^N codes) keep the same codes, as many as the recurrence for their "
        "number says",
    )


@TOPIC.measure("ngspice-ends")
def ends(quick: bool) -> Measured:
    same = total = 0
    for stages in range(1, 5 if quick else 9):
        item = bench(stages)
        wave = np.array([settle(item, at_rest(item, code)).on for code in all_codes(stages)])
        same += int((wave == by_ngspice(stages)).all(axis=1).sum())
        total += len(wave)
    return Measured(
        same / total,
        "of codes",
        "= 1",
        same == total,
        f"waveform model and ngspice end in the same code from every code, those that don't hold included "
        f"({total} codes)",
    )


@TOPIC.measure("count")
def count(quick: bool) -> Measured:
    most, right, told = 10 if quick else 12, 0, []
    for stages in range(1, most + 1):
        kept = int(survivors(bench(stages), all_codes(stages)).sum())
        right += kept == count_rest_states(stages)
        told.append(str(kept))
    return Measured(
        right,
        "values of N",
        f"= {most}",
        right == most,
        f"codes that the waveform model keeps, exhaustively over 2^N, N = 1..{most}: {' '.join(told)}: as "
        "a(N) = 2 a(N-1) - a(N-2) + a(N-4)",
    )


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
    return Measured(
        right,
        "designs",
        f"= {total}",
        right == total,
        "N = 6, I_s of 0.5 to 6 beta times a base of 1.05 to 3 beta: all 64 codes hold below I_s = "
        "beta, 17 "
        "above, whatever the base",
    )


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
    return Measured(
        inside / total,
        "of codes",
        "= 1",
        inside == total and not outside,
        f"every rest state survives any perturbation of all DPIs below 0.999 beta/I_s, none one of 1.001 "
        f"beta/I_s ({outside} of {total}); the extremes of the box are run, the ladder is "
        f"monotone",
    )


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
    return Measured(
        float(kept[0.95].mean()),
        "of codes",
        "= 1",
        bool(kept[0.95].all() and not kept[1.3].any()),
        f"the same in ngspice, N = {stages}: 0.95 beta/I_s returns, 1.3 leaves in "
        f"{int((~kept[1.3]).sum())} of "
        f"{len(codes)}",
    )


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
    return Measured(
        levels / chips,
        "of chips",
        "reported",
        True,
        f"ladders of 8 in 10 um devices, {chips} chips: all nine levels hold; {same / chips:.3f} "
        f"have exactly the "
        "nominal 45 codes",
    )
