"""`analogrnn map`: the design in numbers, its options as an engineer types them, its bill of materials."""

import csv

import pytest

from analogrnn import bill_of_materials, library
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network.files import load
from analogrnn.technology import load_technology

from .conftest import NETWORK

KEYS = {
    "network",
    "technology",
    "unit_current_A",
    "stages",
    "transistors",
    "transistors_by_block",
    "period_s",
    "pulse_s",
    "tau_s",
    "c_dpi_F",
    "i_tau_A",
    "i_on_A",
    "reset_steps",
    "preset_steps",
    "cell_device_m",
    "synapse_device_m",
    "margins",
    "ladders",
    "mirror_ratios",
}


def design(**options):
    return map_network(load(library.network_path(NETWORK)), load_technology(), MappingOptions(**options))


def test_the_json_is_the_summary_of_the_default_design(call):
    answer = call("map", NETWORK, "--json").json
    assert set(answer) >= KEYS
    expected = bill_of_materials.summary(design())
    assert answer["transistors"] == sum(answer["transistors_by_block"].values())
    for key in ("unit_current_A", "stages", "transistors", "period_s", "tau_s", "margins"):
        assert answer[key] == expected[key]


def test_a_person_reads_quantities_with_units(call):
    said = call("map", NETWORK)
    assert said.code == 0
    assert said.err == ""
    lines = {line[:40].strip(): line[40:].strip() for line in said.out.splitlines() if len(line) > 40}
    assert "1 nA" in lines["unit current"]
    assert "10 x 10 um" in lines["devices of the cells"]
    assert lines["memory stages"] == "64"


def test_quantities_are_typed_with_their_units(call):
    answer = call(
        "map",
        NETWORK,
        "--unit-current",
        "10nA",
        "--period",
        "1.5ms",
        "--cell-size",
        "4um",
        "--synapse-size",
        "2umx10um",
        "--c-dpi",
        "2.5 pF",
        "--json",
    ).json
    assert answer["unit_current_A"] == 10e-9
    assert answer["period_s"] == 1.5e-3
    assert answer["cell_device_m"] == [4e-6, 4e-6]
    assert answer["synapse_device_m"] == [2e-6, 10e-6]
    assert answer["c_dpi_F"] == 2.5e-12


def test_all_mapping_options_reach_the_design(call):
    words = "--shift-ratio 2.4 --base-ratio 1.5 --settle 14 --input-bound 3.5 --pulse 0.3ms"
    answer = call("map", NETWORK, *words.split(), "--json").json
    wanted = design(shift_ratio=2.4, base_ratio=1.5, settle=14.0, input_bound=3.5, pulse=0.3e-3)
    assert answer["margins"] == bill_of_materials.summary(wanted)["margins"]
    assert answer["pulse_s"] == 0.3e-3
    assert answer["margins"] != bill_of_materials.summary(design())["margins"]


def test_a_named_stage_sets_what_is_not_typed(call):
    answer = call("map", NETWORK, "--stage", "standard", "--period", "30ms", "--c-dpi", "0.6pF", "--json").json
    assert answer["cell_device_m"] == [2e-6, 18e-6]
    assert answer["period_s"] == 30e-3
    assert answer["unit_current_A"] == pytest.approx(0.08e-9, rel=1e-12)
    assert answer["c_dpi_F"] == 0.6e-12


def test_a_bare_number_is_in_si_units(call):
    assert call("map", NETWORK, "--unit-current", "2e-9", "--json").json["unit_current_A"] == 2e-9


@pytest.mark.parametrize("way_out", ["--period 12ms", "--unit-current 0.3nA", "--cell-size 1.8umx16um"])
def test_the_ways_out_of_a_period_too_short_work(call, way_out):
    words = ["map", NETWORK, "--stage", "standard", "--period", "10ms", "--unit-current", "0.2nA"]
    call(*words).refused(2, "'settle' margin", "lengthen the period (now 0.01 s)", "a larger --unit-current or smaller")
    flag, value = way_out.split()
    assert call(*words, flag, value).code == 0


def test_a_shorter_pulse_is_a_way_out_of_a_period_too_short(call):
    words = ["map", NETWORK, "--period", "11ms"]
    answer = call("map", NETWORK, "--json").json
    call(*words).refused(2, "'settle' margin", "or shorten the pulse (now")
    assert call(*words, "--pulse", str(0.8 * answer["pulse_s"])).code == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--unit-current", "10mV"], "--unit-current = '10mV' is in V, not in A"),
        (["--unit-current", "much"], "--unit-current = 'much' is not a quantity in A"),
        (["--unit-current", ""], "--unit-current = '' is not a quantity in A"),
        (["--unit-current", "nan"], "--unit-current = 'nan' is not finite"),
        (["--unit-current", "inf"], "--unit-current = 'inf' is not finite"),
        (["--unit-current=-1nA"], "-1e-09 A is outside [1e-12, 1e-06] A"),
        (["--unit-current", "10"], "10 A is outside [1e-12, 1e-06] A"),
        (["--period", "2nF"], "--period = '2nF' is in F, not in s"),
        (["--period", "1us"], "lengthen the period"),
        (["--pulse", "1us"], "timing.i_on"),
        (["--c-dpi", "1nA"], "--c-dpi = '1nA' is in A, not in F"),
        (["--cell-size", "2umx3umx4um"], "write W or WxL, as in 4um or 2umx10um"),
        (["--cell-size", "4umx"], "--cell-size = '' is not a quantity in m"),
        (["--cell-size", "0um"], "--cell-size = 0 m is outside"),
        (["--synapse-size", "1mm"], "--synapse-size = 0.001 m is outside"),
        (["--settle", "0"], "settle = 0 tau is outside"),
        (["--input-bound", "0"], "--input-bound = 0 is outside"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(call, words, reason):
    said = call("map", NETWORK, *words)
    said.refused(2, reason)
    assert said.out == ""


def test_a_ratio_that_is_no_number_is_bad_input(call):
    said = call("map", NETWORK, "--shift-ratio", "two")
    assert said.code == 2
    assert said.err.splitlines()[-1].endswith(
        "'two' is not a number; write it with a decimal point, as in 1.5 or 2e-3."
    )


def test_the_bill_of_materials_has_a_row_for_every_trained_parameter(call, tmp_path):
    said = call("map", NETWORK, "--out", tmp_path / "parts.csv")
    assert said.code == 0
    network = load(library.network_path(NETWORK))
    cell, _, readout = network.layers
    weights = cell.weight.size + readout.weight.size
    per_unit = 4 * cell.width  # bias, threshold (one row a window edge), alpha, initial level
    with (tmp_path / "parts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    parameters = {row["parameter"] for row in rows}
    assert len(parameters) == len(rows) >= weights + per_unit + readout.width
    assert set(rows[0]) == {"parameter", "trained", "ideal_element", "transistor_element", "quantity", "value", "unit"}
    assert f"{len(rows)} trained parameters" in said.out
    trained = {row["parameter"]: float(row["trained"]) for row in rows}
    # ten significant digits are printed, so half a unit in the tenth is the error
    assert trained["cell.weight[3,5]"] == pytest.approx(cell.weight[3, 5], rel=1e-9)


def test_json_stays_json_when_a_file_is_written_too(call, tmp_path):
    answer = call("map", NETWORK, "--json", "--out", tmp_path / "parts.csv").json
    assert answer["network"] == NETWORK
    assert (tmp_path / "parts.csv").is_file()


@pytest.mark.parametrize(
    ("path", "reason"), [("/dev/full", "No space left"), ("/proc/x.csv", "No such file"), ("/", "Is a directory")]
)
def test_a_place_that_can_not_be_written_is_exit_code_5(call, path, reason):
    call("map", NETWORK, "--out", path).refused(5, path, reason, "choose another")


def test_a_path_under_a_file_is_exit_code_5(call, blocked):
    call("map", NETWORK, "--out", blocked).refused(5, "Not a directory")
