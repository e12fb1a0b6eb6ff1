"""An error of the library names its parameter; the command line names the flag that sets it."""

import argparse

import pytest

from analogrnn.cli.flags import in_flags
from analogrnn.errors import AnalogrnnError
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network.files import load_network
from analogrnn.technology import load_technology

from .conftest import NETWORK

PARSER = argparse.ArgumentParser()
for flag in (
    "--unit-current",
    "--cell-size",
    "--period",
    "--eps",
    "--seed",
    "--c-dpi",
    "--input-bound",
    "--clip",
    "--chip",
):
    PARSER.add_argument(flag)
PARSER.add_argument("--yield", dest="ladder_yield")
PARSER.add_argument("--slice", "--cell", dest="cell")
PARSER.add_argument("network")
TYPED = argparse.Namespace(parser=PARSER)


@pytest.mark.parametrize(
    ("library", "shown"),
    [
        ("MappingOptions.unit_current = 1 A is outside", "--unit-current = 1 A is outside"),
        ("MappingOptions.cell_w = 1 m is outside", "--cell-size = 1 m is outside"),
        ("Target.ladder_yield = 2 is outside", "--yield = 2 is outside"),
        ("Study.cell = 9 is outside", "--slice = 9 is outside"),
        ("draw_chip.index = -1 is not", "--chip = -1 is not"),
        ("seed = -1 is not a whole number", "--seed = -1 is not a whole number"),
        ("shorten tau with a smaller c_dpi.", "shorten tau with a smaller --c-dpi."),
        ("change unit_current, now 1e-09 A", "change --unit-current, now 1e-09 A"),
        ("clip the inputs; or map with a larger input_bound.", "clip the inputs; or map with a larger --input-bound."),
    ],
)
def test_a_parameter_bears_the_name_of_its_flag(library, shown):
    assert in_flags(library, TYPED) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Variability.scale = 200 is outside",  # no flag of this verb sets it
        "the network has no unit_step",
        "cell.eps = 0.5 has no circuit",  # a layer's, from the network file
        "net.npz: encoding.clip = 200 is outside",
        "my_cell.eps = 0.5 has no circuit",
        "can't read unit_current.npz; give another path",
        "can't read /data/unit_current/x.npz",
        "networks/ holds no 'unit_current'",
        "--period = 1 is shorter than the pulse; lengthen the period",
        "a network = a chain of layers",  # an argument without a flag
        "x_chip[0] = 3",
    ],
)
def test_what_is_no_parameter_of_a_flag_stays_as_it_is(text):
    assert in_flags(text, TYPED) == text


@pytest.mark.parametrize(
    ("words", "keywords", "flag"),
    [
        (("--unit-current", "1mA"), {"unit_current": 1e-3}, "--unit-current = 0.001 A is outside"),
        (("--cell-size", "1m"), {"cell_w": 1.0, "cell_l": 1.0}, "--cell-size = 1 m is outside"),
        (("--shift-ratio", "1.1"), {"shift_ratio": 1.1}, "raise --shift-ratio"),
    ],
)
def test_one_refusal_names_the_parameter_in_python_and_the_flag_in_the_shell(call, words, keywords, flag):
    with pytest.raises(AnalogrnnError) as refusal:
        map_network(load_network(NETWORK), load_technology(), **keywords)
    assert "--" not in str(refusal.value)
    said = call("map", NETWORK, *words)
    said.refused(2, flag)
    assert not any(f"{name} = " in said.err for name in MappingOptions.__dataclass_fields__)


@pytest.mark.parametrize(
    "words", [("map", NETWORK, "--unit", "1nA"), ("size", "--stage", "4"), ("mc", NETWORK, "--chip", "3")]
)
def test_a_flag_is_never_abbreviated(call, words):
    """`size --stage` would else be read as --stages, and `mc --chip` as --chips."""
    said = call(*words)
    assert said.code == 2
    assert f"unrecognized arguments: {words[-2]}" in said.err


def test_a_flag_of_an_analysis_is_never_abbreviated_and_its_errors_name_it(call):
    said = call("analyze", "fixed-points", NETWORK, "--lay", "cell")
    assert said.code == 2
    assert "unrecognized arguments: --lay" in said.err
    call("analyze", "fixed-points", NETWORK, "--unit-current", "1mA").refused(2, "--unit-current = 0.001 A is outside")
