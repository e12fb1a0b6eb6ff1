"""The codes in which a ladder rests, by several methods; from how far it returns to them; other ratios, mismatch."""

import numpy as np

from analogrnn.analysis.fixed_points.dynamics import at_rest, settle, survivors, waveform_ladder
from analogrnn.analysis.fixed_points.rest_states import all_codes, count_rest_states, rest_states, rests_by_rule
from analogrnn.analysis.fixed_points.spice import Starts, codes_equal, rest_by_ngspice
from analogrnn.chip import draw_chip
from analogrnn.mapping import MappingOptions
from validation.bounds import Bound
from validation.claims import Measured
from validation.fixed_points.bench import SEED, TOPIC, bench, by_ngspice, ladder, with_ratios


@TOPIC.measure(
    "routes-agree",
    "Neighbour rule, currents of the chip, waveform model and ngspice (ideal cells, every start code) keep the "
    "same codes, as many as the recurrence counts.",
)
def routes(quick: bool) -> Measured:
    most, agree = 4 if quick else 8, 0
    for stages in range(1, most + 1):
        _, chip, layer = ladder(stages)
        codes, found = all_codes(stages), rest_states(chip, layer, 0).codes
        by_wave = codes[survivors(waveform_ladder(chip, layer, 0), codes)]
        by_spice = codes[(by_ngspice(stages) == codes).all(axis=1)]
        by_rule = codes[rests_by_rule(codes, 1.8)] if stages > 1 else codes
        agree += len(found) == count_rest_states(stages) and all(
            codes_equal(found, other) for other in (by_rule, by_wave, by_spice)
        )
    return Measured(agree, "values of N", Bound.equals(most), {"N": f"1 to {most}", "start codes": "all 2^N"})


@TOPIC.measure(
    "ngspice-ends",
    "The waveform model and ngspice end in the same code from every start code, including codes that do not hold.",
)
def ends(quick: bool) -> Measured:
    same = total = 0
    for stages in range(1, 5 if quick else 9):
        item = bench(stages)
        wave = np.array([settle(item, at_rest(item, code)).on for code in all_codes(stages)])
        same += int((wave == by_ngspice(stages)).all(axis=1).sum())
        total += len(wave)
    return Measured(same / total, "of codes", Bound.equals(1), {"codes": total})


@TOPIC.measure(
    "count",
    "The number of codes that the waveform model keeps, over all 2^N codes, is a(N) = 2 a(N-1) - a(N-2) + a(N-4).",
)
def count(quick: bool) -> Measured:
    most, right, counts = 10 if quick else 12, 0, []
    for stages in range(1, most + 1):
        kept = int(survivors(bench(stages), all_codes(stages)).sum())
        right += kept == count_rest_states(stages)
        counts.append(str(kept))
    return Measured(
        right, "values of N", Bound.equals(most), {"N": f"1 to {most}", "kept codes": f"{' '.join(counts)}"}
    )


@TOPIC.measure(
    "regimes",
    "All codes hold if I_s is below beta, and only those of the neighbour rule above it, whatever the base current.",
)
def regimes(quick: bool) -> Measured:
    right = total = 0
    for shift in (0.5, 0.95, 1.05, 1.3, 1.8, 3.0, 6.0):
        for base in (1.05, 1.6, 3.0):
            chip, layer = with_ratios(6, shift, base)
            codes = all_codes(6)
            kept = survivors(waveform_ladder(chip, layer, 0), codes)
            right += bool((kept == rests_by_rule(codes, shift)).all())
            total += 1
    return Measured(
        right,
        "designs",
        Bound.equals(total),
        {
            "N": 6,
            "I_s": "0.5 to 6 beta",
            "base": "1.05 to 3 beta",
            "codes for I_s below beta": 64,
            "codes above it": 17,
        },
    )


@TOPIC.measure(
    "basin",
    "Every rest state survives any perturbation of all DPIs just below beta / I_s and none survives one just "
    "above (extremes of the box; the ladder is monotone).",
)
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
        Bound.equals(1),
        {"below": "0.999 beta/I_s", "above": "1.001 beta/I_s", "survivors above": f"{outside} of {total}"},
        also={"no survivors above": not outside},
    )


@TOPIC.measure(
    "basin-ngspice", "In ngspice, too, rest states survive perturbations below beta / I_s and leave above it."
)
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
        Bound.equals(1),
        {
            "N": stages,
            "survived": "0.95 beta/I_s",
            "left": "1.3 beta/I_s",
            "codes that leave": f"{int((~kept[1.3]).sum())} of {len(codes)}",
        },
        also={"all leave above": not kept[1.3].any()},
    )


@TOPIC.measure("mismatched", "Mismatched ladders in which all levels hold.")
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
        Bound(),
        {
            "stages": 8,
            "device size": "10 um",
            "chips": chips,
            "levels": 9,
            "share with exactly the 45 nominal codes": f"{same / chips:.3f}",
        },
    )
