"""What a process says of its devices: Pelgrom's law, weak inversion, the maps of its cells."""

import math
from dataclasses import fields, replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose

from analogrnn.errors import ParameterError
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.mismatch import spread, threshold_terms
from analogrnn.network import Cmru, Network
from analogrnn.noise import candidate_noise
from analogrnn.technology import CalibratedSize, CellMaps, Table, load_technology

GF180 = load_technology("gf180mcu")
CELL = Cmru(
    name="rec",
    weight=np.array([[1.0]]),
    bias=np.zeros(1),
    threshold=np.ones(1),
    alpha=np.full(1, 0.5),
    eps=1.0,
    k_min=0,
    k_max=4,
    initial=np.zeros(1),
)
LENGTHS = st.floats(0.3e-6, 100e-6)
polarities = pytest.mark.parametrize("polarity", ["n", "p"])

# ---------------------------------------------------------------- mismatch


@pytest.mark.parametrize(
    ("polarity", "w", "l", "sigma_mv", "sigma_beta_percent"),
    [
        # 0.7071 A / sqrt((W + 0.1)(L - 0.15)), A = 7.148 and 6.66 mV um, 0.7008 and 0.2833 % um; in decimal arithmetic
        ("n", 2e-6, 2e-6, 2.56431, 0.251408),
        ("p", 2e-6, 2e-6, 2.38924, 0.101632),
        ("n", 4e-6, 4e-6, 1.27217, 0.124725),
        ("n", 10e-6, 10e-6, 0.506742, 0.0496817),
        ("p", 10e-6, 10e-6, 0.472146, 0.0200839),
        ("n", 1e-6, 4e-6, 2.45606, 0.240795),
    ],
)
def test_pelgroms_law_gives_the_foundrys_numbers(polarity, w, l, sigma_mv, sigma_beta_percent):  # noqa: E741
    # five or six digits were written down
    assert_allclose(1e3 * GF180.sigma_vth(polarity, w, l), sigma_mv, rtol=1e-5)
    assert_allclose(1e2 * GF180.sigma_beta(polarity, w, l), sigma_beta_percent, rtol=1e-5)


@polarities
@given(w=LENGTHS, l=LENGTHS)
def test_mismatch_falls_with_the_root_of_the_effective_area(polarity, w, l):  # noqa: E741
    """sigma^2 (W + dW)(L + dL) is one constant a polarity, for threshold and gain factor."""
    area = (w + 0.1e-6) * (l - 0.15e-6)
    a_vt, a_beta = {"n": (7.148e-9, 0.7008e-8), "p": (6.66e-9, 0.2833e-8)}[polarity]
    # a handful of roundings; the subtraction of dL loses at most a factor of two
    assert_allclose(GF180.sigma_vth(polarity, w, l) ** 2 * area, (0.7071 * a_vt) ** 2, rtol=1e-14)
    assert_allclose(GF180.sigma_beta(polarity, w, l) ** 2 * area, (0.7071 * a_beta) ** 2, rtol=1e-14)


@pytest.mark.parametrize(("w", "l"), [(2e-6, 0.15e-6), (2e-6, 0.1e-6), (-0.1e-6, 2e-6), (-1e-6, -1e-6)])
def test_a_device_without_a_channel_is_refused(w, l):  # noqa: E741
    message = rf"^device of {w * 1e6:g} x {l * 1e6:g} um has no effective channel; enlarge it\."
    with pytest.raises(ParameterError, match=message):
        GF180.sigma_vth("n", w, l)
    with pytest.raises(ParameterError, match=message):
        GF180.sigma_beta("p", w, l)


@pytest.mark.parametrize("polarity", ["", "N", "nfet", None])
def test_a_device_is_n_or_p(polarity):
    for call in (GF180.sigma_vth, GF180.sigma_beta, lambda p, w, l: GF180.gm_over_i(p, 1e-9, w, l)):  # noqa: E741
        with pytest.raises(ParameterError, match=rf"^polarity = {polarity!r} is neither 'n' nor 'p'\."):
            call(polarity, 4e-6, 4e-6)


# ---------------------------------------------------------------- transconductance


def test_the_thermal_voltage_is_that_of_27_degrees():
    assert_allclose(GF180.thermal_voltage, 25.865e-3, rtol=2e-5)  # five digits from any table


def law_of(polarity):
    """Slope factor, specific current and table of gm/I of one polarity."""
    return tuple(getattr(GF180, f"{name}_{polarity}") for name in ("slope", "i_spec", "table_efficiency"))


def law_alone(polarity):
    """The process without what its devices add to EKV."""
    return replace(GF180, **{f"table_efficiency_{polarity}": Table((1e-12, 1e-6), (1.0, 1.0))})


@polarities
def test_in_deep_weak_inversion_gm_over_i_is_constant_and_below_one_over_u_t(polarity):
    """EKV: the loss from the limit is IC to first order. No barrier is steeper than kT/q: n is at least 1."""
    slope, i_spec, table = law_of(polarity)
    limit = table.value[0] / (slope * GF180.thermal_voltage)
    assert limit < 1.0 / GF180.thermal_voltage
    assert_allclose(GF180.gm_over_i(polarity, 0.0, 4e-6, 4e-6), limit, rtol=1e-15)
    assert_allclose(GF180.gm_over_i(polarity, 1e-15, 4e-6, 4e-6), limit, rtol=1.1 * 1e-15 / i_spec)


@polarities
def test_in_strong_inversion_gm_over_i_falls_with_the_root_of_the_current(polarity):
    """EKV: gm/I sqrt(IC) n U_T = 1 - 1 / (2 sqrt(IC)) to first order; IC is above 10^5 here."""
    currents = np.array([1e-2, 4e-2])
    wide, four_times = GF180.gm_over_i(polarity, currents, 4e-6, 4e-6)
    assert_allclose(wide / four_times, 2.0, rtol=1 / math.sqrt(1e5))


@polarities
def test_at_the_specific_current_gm_over_i_has_fallen_to_the_golden_section(polarity):
    """IC = 1: 1 / (1/2 + sqrt(5)/2) = 0.618 of the limit by EKV; the devices' own part stands in the table."""
    _, i_spec, table = law_of(polarity)
    golden = 2.0 / (1.0 + math.sqrt(5.0))
    for process, factor in ((law_alone(polarity), 1.0), (GF180, table(i_spec) / table.value[0])):
        ratio = process.gm_over_i(polarity, i_spec, 4e-6, 4e-6) / process.gm_over_i(polarity, 0.0, 4e-6, 4e-6)
        assert_allclose(ratio, golden * factor, rtol=1e-14)  # rounding


@polarities
def test_the_table_multiplies_the_law_at_the_current_a_square(polarity):
    _, _, table = law_of(polarity)
    alone = law_alone(polarity)
    # 2 x 18 um carries a ninth of what a square one does; rounding of the logarithm
    for current, factor in zip(table.at, table.value, strict=True):
        pair = [process.gm_over_i(polarity, current / 9.0, 2e-6, 18e-6) for process in (GF180, alone)]
        assert_allclose(pair[0] / pair[1], factor, rtol=1e-12)
    # a polarity's table is not the other's
    other = {"n": "p", "p": "n"}[polarity]
    assert alone.gm_over_i(other, 1e-8, 4e-6, 4e-6) == GF180.gm_over_i(other, 1e-8, 4e-6, 4e-6)


@polarities
def test_the_table_reaches_all_currents_of_the_standard_device(polarity):
    """What a line of it carries: 5 pA to 12 nA."""
    _, _, table = law_of(polarity)
    squares = GF180.standard.l / GF180.standard.w
    assert table.at[0] <= 5e-12 * squares
    assert table.at[-1] >= 12e-9 * squares


@polarities
def test_gm_over_i_falls_all_the_way(polarity):
    """A rise would make a larger current less certain in volts, of a device or of the interpolation."""
    currents = np.concatenate([np.geomspace(1e-15, 1e-3, 20_000), law_of(polarity)[2].at])
    assert np.all(np.diff(GF180.gm_over_i(polarity, np.sort(currents), 4e-6, 4e-6)) <= 0.0)
    # below the table the step of the law, IC, is lost in rounding; inside it is not
    inside = np.geomspace(5e-12, 1.1e-7, 20_000)
    assert np.all(np.diff(GF180.gm_over_i(polarity, inside, 4e-6, 4e-6)) < 0.0)


@polarities
@given(w=LENGTHS, l=LENGTHS, current=st.floats(1e-13, 1e-5))
def test_gm_over_i_depends_on_the_current_a_square_and_never_rises(polarity, w, l, current):  # noqa: E741
    here = GF180.gm_over_i(polarity, current, w, l)
    # the same current a square, on a device of another size: rounding only
    assert_allclose(GF180.gm_over_i(polarity, current * 2.0, 2.0 * w, l), here, rtol=1e-15)
    assert GF180.gm_over_i(polarity, current * 1.1, w, l) < here


def test_gm_over_i_takes_currents_of_any_shape():
    currents = np.array([[0.0, 1e-12, 1e-10], [1e-9, 1e-8, 1e-6]])
    found = GF180.gm_over_i("n", currents, 4e-6, 4e-6)
    assert found.shape == (2, 3)
    assert GF180.gm_over_i("n", 1e-9, 4e-6, 4e-6).shape == ()
    for one, current in zip(found.flat, currents.flat, strict=True):
        # arrays and single numbers may take different instructions: a rounding or two
        assert_allclose(GF180.gm_over_i("n", float(current), 4e-6, 4e-6), one, rtol=1e-15)


def test_a_small_nfet_mirror_at_10_na_spreads_by_8_8_percent():
    """Two 2/2 um devices: sqrt(2) hypot(gm/I sigma(V_th), sigma(beta)), worked out from the file's constants by hand.

    n U_T = 1.4531 x 25.865 mV = 37.58 mV; IC = 10 / 178.4; gm/I = 0.9613 x 26.61 / 1.0532 = 24.28 / V;
    sqrt(2) x hypot(24.28 x 2.5643 mV, 0.2514 %) = 8.81 %.
    """
    spread = math.hypot(
        GF180.gm_over_i("n", 10e-9, 2e-6, 2e-6) * GF180.sigma_vth("n", 2e-6, 2e-6), GF180.sigma_beta("n", 2e-6, 2e-6)
    )
    assert_allclose(math.sqrt(2.0) * spread, 0.0881, rtol=1e-3)


def test_the_spread_of_that_mirror_is_the_one_the_foundrys_own_monte_carlo_gives():
    """ngspice, sw_stat_mismatch = 1, typical, 27 C, drain at 0.6 V: 2,500 mirrors, std of log(I) 8.82 % +- 0.12 %."""
    sigma = math.hypot(
        GF180.gm_over_i("n", 10e-9, 2e-6, 2e-6) * GF180.sigma_vth("n", 2e-6, 2e-6), GF180.sigma_beta("n", 2e-6, 2e-6)
    )
    # two standard errors of those 2,500; the law alone gives 9.17 %
    assert_allclose(math.sqrt(2.0) * sigma, 0.0882, rtol=2.0 / math.sqrt(2 * 2500))


# ---------------------------------------------------------------- curves, and what the models make of the file


def test_a_curve_is_linear_in_the_logarithm_and_flat_outside():
    curve = Table((1e-10, 1e-9, 1e-8), (1.0, 2.0, 4.0))
    # rounding of two logarithms
    assert_allclose([curve(1e-10), curve(math.sqrt(1e-19)), curve(1e-8)], [1.0, 1.5, 4.0], rtol=1e-12)
    assert (curve(1e-12), curve(1.0)) == (1.0, 4.0)
    with pytest.raises(ParameterError, match=r"^Table: x = 0\.0 is not above zero; give a current or a ratio\."):
        curve(0.0)


def test_a_curve_over_an_array_has_its_shape_and_begins_at_zero():
    curve = Table((1e-10, 1e-9, 1e-8), (1.0, 2.0, 4.0))
    assert_allclose(curve.over(np.array([[0.0, 1e-10], [1e-9, 1.0]])), [[1.0, 1.0], [2.0, 4.0]], rtol=1e-12)
    assert (curve.over(3e-9).shape, float(curve.over(3e-9))) == ((), curve(3e-9))
    # what is not a number stays none
    assert np.isnan(curve.over(np.nan))


def test_the_maps_of_a_ladder_are_those_of_its_device_size():
    standard = GF180.block_maps(2e-6, 18e-6, 0.25e-9, 0.25e-9)
    bare = GF180.block_maps(2e-6, 18e-6, 0.25e-9, 0.25e-9, bare=True)
    # a ladder of one stage has values of its own for its pulses and trims, and shares the others
    own = {item.name.removeprefix("bare_") for item in fields(CalibratedSize) if item.name.startswith("bare_")}
    assert own == {"pulse_up", "pulse_down", "trim_up", "trim_down"}
    for item in fields(CellMaps):
        of_size = getattr(GF180.standard, f"bare_{item.name}") if item.name in own else getattr(standard, item.name)
        assert getattr(bare, item.name) == of_size
    # the curves pass through the standard unit current
    at = GF180.standard.threshold.at.index(0.25e-9)
    assert_allclose(standard.threshold, GF180.standard.threshold.value[at], rtol=1e-12)
    assert GF180.block_maps(2e-6, 18e-6, 1e-9, 1e-9).shift < standard.shift
    # a wider half window moves the cell's maps, but not the drive of the DPIs
    wide = GF180.block_maps(2e-6, 18e-6, 0.25e-9, 0.5e-9)
    assert wide.threshold > standard.threshold
    assert wide.shift == standard.shift


def test_the_maps_are_those_of_the_nearest_calibrated_device_at_the_same_current_a_square():
    of_standard, of_square, of_large = GF180.sizes
    square = GF180.block_maps(10e-6, 10e-6, 1e-9, 1e-9)
    assert square.trim_down == of_square.trim_down
    assert GF180.block_maps(4e-6, 20e-6, 0.25e-9, 0.25e-9).trim_down == of_large.trim_down
    assert GF180.block_maps(8e-6, 8e-6, 1e-9, 1e-9) == square  # a square has one square
    assert GF180.block_maps(5e-6, 20e-6, 0.25e-9, 0.25e-9).bias == of_large.bias(0.25e-9 * 4.0 / 5.0)
    assert GF180.block_maps(2e-6, 16e-6, 0.25e-9, 0.25e-9).bias == of_standard.bias(0.25e-9 * 8.0 / 9.0)


def test_the_simulation_follows_the_calibration():
    """Twice a value in the file moves what the models derive from it, in the way that each law says."""

    def design(**changes):
        return map_network(Network((CELL,)), replace(GF180, **changes), MappingOptions(input_bound=6.0))

    plain = design()
    ladder = plain.ladders[0]
    louder = design(noise_density=2 * GF180.noise_density)
    assert_allclose(candidate_noise(louder, louder.ladders[0]), 2 * candidate_noise(plain, ladder), rtol=1e-12)
    slower = design(input_charge_density=2 * GF180.input_charge_density)
    assert_allclose(slower.timing.pulse, 2 * plain.timing.pulse, rtol=1e-12)
    assert slower.timing.period > 1.9 * plain.timing.period
    assert_allclose(design(dpi_tau=2 * GF180.dpi_tau).timing.i_tau, 2 * plain.timing.i_tau, rtol=1e-12)
    assert_allclose(design(dpi_gain=GF180.dpi_gain / 2).ladders[0].i_gain, 2 * ladder.i_gain, rtol=1e-12)
    # a higher floor shortens the dead time of a rise
    assert design(i_leak=1e3 * GF180.i_leak).timing.period < plain.timing.period
    wider = design(a_vt_n=2 * GF180.a_vt_n)
    terms = threshold_terms(ladder, 0, upper=True)
    assert spread(wider, wider.ladders[0], terms)[1] > 1.3 * spread(plain, ladder, terms)[1]
