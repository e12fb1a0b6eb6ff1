"""Spread of thresholds: exact moments against plain sampling, against error propagation by hand, and against chips."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from helpers import cmru, direct, first_quadrant, mapped, network
from numpy.testing import assert_allclose, assert_array_equal

from analogrnn import library, mismatch
from analogrnn.chip import ChipFactory, draw_chip, nominal_chip
from analogrnn.design import Geometry
from analogrnn.errors import ParameterError
from analogrnn.mismatch import LADDER_DEVICES, STAGE_DEVICES, spread, threshold_terms
from analogrnn.mismatch.devices import SOFT_DEVICES
from analogrnn.streams import stream, stream_key

CHIPS = 2000
both = pytest.mark.parametrize("upper", [True, False], ids=["up", "down"])
stages = pytest.mark.parametrize("stage", [0, 2])


def design_of(size=20e-6, **options):
    """One ladder of four stages, half width 1 unit. 20 um devices: no threshold comes near the end of the line."""
    return mapped(direct(4, d=1, threshold=1.0, initial=0), cell_w=size, cell_l=size, **options)


DESIGN = design_of()
LADDER = DESIGN.ladders[0]


def efficiency(name, design=DESIGN, ladder=LADDER):
    """gm/I of one device where it works; a DPI's devices act on its output, which follows them compressed."""
    polarity, current = {**LADDER_DEVICES, **STAGE_DEVICES}[name]
    technology, cell = design.technology, design.sizing.cell
    if current == "i_unit":  # a sixteenth of the reference in a quarter of the width
        amperes = design.unit_current / 4.0
    else:
        amperes = getattr(design.timing, current) if current in ("i_on", "i_tau") else getattr(ladder, current)[0]
    maps = technology.block_maps(cell.w, cell.l, design.unit_current, ladder.beta[0])
    power = 1.0 + maps.shift_slope / maps.shift if name in OF_THE_DPI else 1.0
    return power * float(technology.gm_over_i(polarity, amperes, cell.w, cell.l))


def deviation(name, design=DESIGN, ladder=LADDER):
    """sigma of delta = dbeta/beta - (gm/I) dVth for one device, by the laws of the technology."""
    polarity = {**LADDER_DEVICES, **STAGE_DEVICES}[name][0]
    technology, cell = design.technology, design.sizing.cell
    gm = efficiency(name, design, ladder)
    vth, beta = (law(polarity, cell.w, cell.l) for law in (technology.sigma_vth, technology.sigma_beta))
    return math.hypot(gm * vth, beta)


# The composition of a threshold, written out from the schematic: each current's way through the mirrors.
I_TH = ("rth", "bth", "m3", "m2", "m1")
I_HYST = ("rhyst", "bhyst", "m4")
COPY = ("u1", "u2", "u3", "mu")
FIRST_SHIFT = ("rs", "bs", "d0")
SHIFT = ("ron", "bon", "m7", "md", "mw", "mi", "mt", "rtau", "btau", "mtau", "rgain", "bgain", "mor")
OF_THE_DPI = set(SHIFT) - {"mor"}
OWN_OF_THE_BLOCK = {
    "rth",
    "bth",
    "rhyst",
    "bhyst",
    "u1",
    "u2",
    "u3",
    "rs",
    "bs",
    "d0",
    "ron",
    "bon",
    "rtau",
    "btau",
    "rgain",
    "bgain",
}
POSITIVE = {"rth", "m3", "m1", "rhyst", "m4", "u2", "mu", "rs", "d0", "ron", "m7", "mw", "mi", "btau", "rgain", "mor"}


def sign(name):
    return 1 if name in POSITIVE else -1


def sampled(stage, upper, count, seed=1):
    """Thresholds of `count` independent cells, A: u = (I_hi [- I_hyst] - I_shift d) / copy - I_base."""
    draw = stream(seed, "test", "plain", stage, str(upper))
    own, before = {}, {}

    def delta(name, store):
        if name not in store:
            store[name] = deviation(name) * draw.standard_normal(count)
        return store[name]

    def current(value, names, store):
        return value * np.exp(sum(sign(name) * delta(name, store) for name in names))

    window = current(LADDER.i_th[0], I_TH, own)
    if not upper:
        window = window - current(LADDER.i_hyst[0], I_HYST, own)
    if stage == 0:
        window = window - current(LADDER.i_shift[0], FIRST_SHIFT, own)
    else:
        # devices of the stage below are other ones than this stage's; the bias diodes are common to both
        before.update({name: delta(name, own) for name in SHIFT if name in OWN_OF_THE_BLOCK})
        window = window - current(LADDER.i_shift[0], SHIFT, before)
    return window / current(1.0, COPY, own) - current(LADDER.i_base[0], ("rbase",), own)


def standard_error(x):
    """Of the sample standard deviation, with the sample's own fourth moment: sd sqrt((kurtosis - 1) / 4n)."""
    centred = x - x.mean()
    kurtosis = (centred**4).mean() / (centred**2).mean() ** 2
    return x.std() * math.sqrt((kurtosis - 1.0) / (4.0 * len(x)))


@both
@stages
def test_the_exact_moments_are_those_of_plain_sampling(stage, upper):
    mean, sigma = spread(DESIGN, LADDER, threshold_terms(LADDER, stage, upper=upper))
    x = sampled(stage, upper, 200_000)
    assert abs(x.mean() - mean[0]) < 5.0 * x.std() / math.sqrt(len(x))
    assert abs(x.std() - sigma[0]) < 5.0 * standard_error(x)


@pytest.mark.parametrize("name", sorted({*I_TH, *I_HYST, *COPY, *SHIFT, "rbase"}))
def test_more_current_in_a_device_moves_a_threshold_the_way_of_the_schematic(name):
    """In all devices of that name: thresholds rise with the threshold current, and fall with what joins the input."""
    draws = {
        n: replace(d, delta=np.full_like(d.delta, 0.01 * (n == name)))
        for n, d in mismatch.draw_ladder(DESIGN, LADDER, 1, 0).items()
    }
    down = [
        sum(float(mismatch.evaluate(term, draws, 2)[0]) for term in threshold_terms(LADDER, 2, upper=False))
        for draws in (draws, {n: replace(d, delta=0.0 * d.delta) for n, d in draws.items()})
    ]
    raises = sign(name) if name in I_TH else -sign(name)
    if name == "rbase":
        raises = -1
    assert np.sign(down[0] - down[1]) == raises


@both
@stages
def test_the_spread_is_that_of_first_order_error_propagation(stage, upper):
    """d u = sum of (sensitivity of u to each device) x (its deviation), all devices independent."""
    i_th, i_hyst, i_shift, i_base = (getattr(LADDER, n)[0] for n in ("i_th", "i_hyst", "i_shift", "i_base"))
    sensitivity = {}
    parts = [(i_th, I_TH), (-i_shift, SHIFT if stage else FIRST_SHIFT)] + ([] if upper else [(-i_hyst, I_HYST)])
    for current, names in parts:
        for name in names:
            sensitivity[name] = sensitivity.get(name, 0.0) + current
    for name in COPY:  # the whole bracket is divided by the copy
        sensitivity[name] = sum(current for current, _ in parts)
    sensitivity["rbase"] = i_base
    by_hand = math.sqrt(sum((s * deviation(name)) ** 2 for name, s in sensitivity.items()))
    _, sigma = spread(DESIGN, LADDER, threshold_terms(LADDER, stage, upper=upper))
    # the next terms of the exponentials are smaller by the variance of a path of fifteen devices
    path = 15 * max(deviation(name) for name in SHIFT) ** 2
    assert path < 0.05
    assert sigma[0] == pytest.approx(by_hand, rel=path)


@pytest.fixture(scope="module")
def chips():
    """up, down (CHIPS, 4) in units; in the unit of the candidate, 1 nA."""
    table = ChipFactory(DESIGN, 3).tables(np.arange(CHIPS, dtype=np.uint64))[0]
    last = draw_chip(DESIGN, 3, CHIPS - 1).ladders[0]
    assert_array_equal(table.up[-1], last.up)  # many chips at once are those that are drawn one by one
    return {"up": table.up[:, 0], "down": table.down[:, 0], "output": table.output[:, 0]}


@both
@stages
def test_the_thresholds_of_two_thousand_chips_spread_as_the_moments_say(chips, stage, upper):
    x = chips["up" if upper else "down"][:, stage]
    assert np.isfinite(x).all()
    mean, sigma = (m[0] / 1e-9 for m in spread(DESIGN, LADDER, threshold_terms(LADDER, stage, upper=upper)))
    assert abs(x.mean() - mean) < 5.0 * sigma / math.sqrt(CHIPS)
    assert abs(x.std(ddof=1) - sigma) < 5.0 * standard_error(x)


def test_the_centre_of_the_window_moves_more_than_its_width(chips):
    """Both thresholds share the threshold current, the shift and the base; only the hysteresis differs."""
    centre, width = (chips["up"] + chips["down"]) / 2.0, (chips["up"] - chips["down"]) / 2.0
    assert np.all(centre.std(axis=0) > 2.0 * width.std(axis=0))
    # log-normal and positive: the hysteresis current is
    assert np.all(width > 0.0)


def test_the_window_of_a_small_cell_stays_open_too():
    small = design_of(2e-6)
    table = ChipFactory(small, 3).tables(np.arange(300, dtype=np.uint64))[0]
    assert np.all(table.up > table.down)


def test_stages_of_one_chip_share_their_bias_but_not_their_devices(chips):
    correlation = np.corrcoef(chips["up"].T)
    # common bias diodes and input line: positive, far from one. 5 standard errors of a correlation of 2,000 = 0.11
    assert np.all(correlation[np.triu_indices(4, 1)] > 0.11)
    assert np.all(correlation[np.triu_indices(4, 1)] < 0.9)


def test_the_outputs_of_a_chip_rise_with_the_level(chips):
    assert np.all(np.diff(chips["output"], axis=1) > 0.0)
    assert_array_equal(chips["output"][:, 0], 0.0)


@pytest.mark.parametrize("upper", [True, False])
def test_twice_the_width_and_length_halve_the_spread(upper):
    one, two = (design_of(size) for size in (20e-6, 40e-6))
    sigmas = [spread(d, d.ladders[0], threshold_terms(d.ladders[0], 1, upper=upper))[1][0] for d in (one, two)]
    # the corrections of the area, 0.1 and -0.15 um in 20 um, are 0.4 % of it; the second order is 5 % of sigma at most
    assert sigmas[0] / sigmas[1] == pytest.approx(2.0, rel=0.02)


def test_every_device_is_drawn_with_its_own_deviation():
    ones = np.ones(120)
    wide = mapped(network(cmru("cell", 120, 1, ladder=(0, 16), weight=np.zeros((120, 1)), threshold=ones, alpha=ones)))
    ladder = wide.ladders[0]
    draws = mismatch.draw_ladder(wide, ladder, 1, 0)
    assert set(draws) == {*LADDER_DEVICES, *STAGE_DEVICES}
    for name, draw in draws.items():
        n = draw.delta.size
        assert draw.delta.shape == ((120, 16) if name in STAGE_DEVICES else (120,))
        # Gaussian: a sample standard deviation has the relative standard error 1/sqrt(2n); 48 devices, five of them
        assert draw.delta.std() == pytest.approx(deviation(name, wide, ladder), rel=5.0 / math.sqrt(2.0 * n))
        # the current follows from the two parts that a transistor deck is given
        assert_allclose(draw.delta, draw.beta - efficiency(name, wide, ladder) * draw.vth, rtol=1e-12)


def test_no_two_devices_share_their_draws():
    draws = mismatch.draw_ladder(DESIGN, LADDER, 1, 0)
    assert len({float(draw.vth.flat[0]) for draw in draws.values()}) == len(draws)
    assert not np.array_equal(draws["m1"].vth, mismatch.draw_ladder(DESIGN, LADDER, 1, 1)["m1"].vth)
    assert not np.array_equal(draws["m1"].vth, mismatch.draw_ladder(DESIGN, LADDER, 2, 0)["m1"].vth)


def test_synapses_are_drawn_by_weight_row_and_input():
    design = mapped(network(cmru("cell", 2, 3)))
    draws = mismatch.draw_synapses(design, design.ladders[0].synapses, 1, 0)
    shapes = {name: draw.delta.shape for name, draw in draws.items()}
    assert shapes == {"input": (3,), "weight": (2, 3), "bias": (2,), "rail_in": (2,), "rail_out": (2,)}


def test_a_stage_s_own_devices_never_shift_it():
    """The shift of a stage comes from the one below: its devices are other ones than those of the stage."""
    terms = threshold_terms(LADDER, 2, upper=True)
    before = {name for term in terms for name in term.devices if name.startswith("prev.")}
    assert {name.removeprefix("prev.") for name in before} <= set(STAGE_DEVICES)
    assert "prev.mor" in before
    assert not {"m7", "mor", "mw"} & {name for term in terms for name in term.devices}


def test_cells_without_neighbours_have_no_shift_to_vary():
    for cell in (cmru(eps=0.0, ladder=(-1, 1)), first_quadrant()):
        design = mapped(network(cell))
        terms = threshold_terms(design.ladders[0], 0, upper=True)
        assert len(terms) == 2
        mean, sigma = spread(design, design.ladders[0], terms)
        assert np.all(sigma > 0.0)
        # the mean of a log-normal of sigma 5 % or so is 0.1 % high; the base is subtracted from twice its size
        assert_allclose(mean / design.ladders[0].synapses.scale / 1e-9, design.ladders[0].threshold[:, 1], rtol=0.02)


def test_a_chip_s_draw_scales_with_its_deviation():
    """Half the deviation is half the shift, to second order."""
    nominal = nominal_chip(DESIGN).ladders[0].up
    whole, half = (draw_chip(DESIGN, 1, 5, scale=s).ladders[0].up - nominal for s in (0.02, 0.01))
    # second order: 1 % of a path's deviation of some 10 %
    assert_allclose(whole, 2.0 * half, atol=2e-3 * np.abs(whole).max())


def test_devices_are_sized_by_the_cell_alone():
    other = mapped(direct(4, d=1, threshold=1.0, initial=0), cell_w=20e-6, cell_l=20e-6, synapse_w=2e-6)
    assert other.sizing.synapse == Geometry(2e-6, 20e-6)
    assert_array_equal(draw_chip(other, 1, 0).ladders[0].up, draw_chip(DESIGN, 1, 0).ladders[0].up)


@pytest.mark.parametrize("stages", [1, 4])
def test_all_thresholds_at_once_are_the_sums_of_their_terms(stages):
    """The batch evaluates c expm1(x) where a term says c exp(x): a few roundings of the currents apart."""
    design = mapped(direct(stages, d=3, threshold=1.0), cell_w=4e-6, cell_l=4e-6)
    ladder = design.ladders[0]
    types = mismatch.ladder_types(design, ladder, 2)
    found = mismatch.threshold_deviations(ladder, types.draw(np.array([6, 1], dtype=np.uint64)))
    for row, chip in enumerate((6, 1)):
        draws = mismatch.draw_ladder(design, ladder, 2, chip)
        for upper, deviation in zip((True, False), found, strict=True):
            for j in range(stages):
                terms = threshold_terms(ladder, j, upper=upper)
                wanted = sum(mismatch.evaluate(term, draws, j) - term.current for term in terms)
                assert_allclose(deviation[row, :, j], wanted, rtol=0, atol=1e-14 * ladder.i_th.max())


@pytest.mark.parametrize("chip", [-1, 0.5, None])
def test_a_draw_needs_a_chip_number(chip):
    with pytest.raises(ParameterError, match=r"chip = .* is not a chip number: give a whole number from 0"):
        mismatch.draw_ladder(DESIGN, LADDER, 1, chip)


def test_every_device_draws_from_the_stream_of_its_name():
    """Another name would give other chips under the same seed: chip 7 of today must be chip 7 of next year."""
    blocks = {
        ("mismatch", LADDER.name): mismatch.ladder_types(DESIGN, LADDER, 5),
        ("mismatch", LADDER.name, "synapse"): mismatch.synapse_types(DESIGN, LADDER.synapses, 5),
    }
    for path, types in blocks.items():
        assert_array_equal(types.keys, [stream_key(5, *path, name) for name in types.shapes])


def test_the_polarity_of_every_device_is_that_of_its_instance_in_the_circuit():
    """Those of the soft threshold are named by subcircuit and element; its sink of delta is a source of the bias."""
    plain, soft = {}, {}
    for path in (library.folder("circuits") / "gf180mcu").glob("*.spice"):
        block = ""
        for line in path.read_text().splitlines():
            block = line.split()[1] if line.startswith(".subckt ") else block
            if found := re.match(r"X\S+ .* ([np])fet .*vth=\{vth_(\w+)\}", line):
                where, name = (soft, f"{block}.{found[2]}") if path.stem == "soft_threshold" else (plain, found[2])
                where.setdefault(name, set()).add(found[1])
    for name, (polarity, _) in {**LADDER_DEVICES, **STAGE_DEVICES}.items():
        assert plain[name] == {polarity}, name
    drawn = {name: {polarity} for name, (polarity, _) in SOFT_DEVICES.items() if name != "delta"}
    assert {name: kinds for name, kinds in soft.items() if name in drawn or name.split(".")[0] != "soft_bias"} == drawn
