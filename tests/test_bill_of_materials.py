"""The bill of materials: one row per trained parameter, naming an element of each exported deck."""

import csv
import io
import math
import re
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analogrnn import library
from analogrnn.biases import REFERENCE_UNITS, bias_units, rail_gain
from analogrnn.bill_of_materials import (
    Part,
    bill_of_materials,
    summary,
    summary_rows,
    write_bill_of_materials,
    write_parts,
)
from analogrnn.design import Ladder
from analogrnn.errors import OutputError
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import Cmru, FirstQuadrantBmru, Linear, Network, Pooling, ReLU
from analogrnn.network.files import load
from analogrnn.spice.ideal_network import network_deck
from analogrnn.spice.pdk import Pdk
from analogrnn.spice.transistor_network import network_transistors
from analogrnn.streams import stream
from analogrnn.technology import load_technology

INPUTS, BOUND = 3, 2.0


def weights(seed, *shape):
    """Signed, some of them zero: no mirror is placed for those."""
    draw = stream(seed, "test")
    w = draw.uniform(0.1, 2.0, shape) * draw.choice([-1.0, 1.0], shape)
    w[draw.random(shape) < 0.2] = 0.0
    w[(0,) * len(shape)] = 0.0
    return w


def readout(inputs):
    return Linear("readout", weights(3, 2, inputs), weights(4, 2))


def cmru(inputs):
    thresholds, alpha = np.array([0.3, 1.0, -1.9, 7.0]), np.array([0.5, 1.0, 0.1, 2.0])
    return Cmru(
        "cell",
        weights(1, 4, inputs),
        weights(2, 4),
        thresholds,
        alpha,
        k_min=-2,
        k_max=2,
        initial=np.array([0.0, -2.0, 1.0, 2.0]),
    )


def soft(inputs):
    """The CMRU with thresholds that depend on its inputs."""
    given = vars(cmru(inputs)) | {"threshold_weight": weights(7, 4, inputs), "threshold_floor": np.full(4, 0.4)}
    return Cmru(**given)


def bmru(inputs):
    return Cmru(
        "Cell_B",
        weights(1, 3, inputs),
        weights(2, 3),
        np.array([0.3, 1.0, 1.9]),
        np.ones(3),
        eps=0.0,
        initial=np.array([1.0, -1.0, 1.0]),
    )


def first_quadrant(inputs):
    b_lo, b_hi = np.array([0.5, 1.0]), np.array([1.5, 4.0])
    return FirstQuadrantBmru("cell", weights(1, 2, inputs), weights(2, 2), b_lo, b_hi, np.array([1.0, 0.5]))


NETWORKS = {
    "cmru": (cmru(INPUTS), Pooling("pool"), readout(4)),
    "input-dependent thresholds": (soft(INPUTS), Pooling("pool"), readout(4)),
    "bmru": (bmru(INPUTS), Pooling("pool"), readout(3)),
    "first quadrant": (first_quadrant(INPUTS), Pooling("pool"), readout(2)),
    "cmru behind a rectified layer": (
        Linear("fc", weights(5, 5, INPUTS), weights(6, 5)),
        ReLU("relu"),
        cmru(5),
        Pooling("pool"),
        readout(4),
    ),
    "two cells": (cmru(INPUTS), bmru(4), readout(3)),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    return Network(NETWORKS[request.param], metadata={"name": "demo"})


@pytest.fixture
def design(network):
    return map_network(network, load_technology(), MappingOptions(input_bound=BOUND))


def trained(network):
    """Every number that was trained, by the name of its parameter; of an eps = 0 cell, its one threshold."""
    found = {}
    for layer in network.layers:
        for item in fields(layer):
            value = getattr(layer, item.name)
            if isinstance(value, np.ndarray):
                found |= {
                    f"{layer.name}.{item.name}[{','.join(map(str, at))}]": float(value[at])
                    for at in np.ndindex(*value.shape)
                }
    return found


def elements(deck):
    """The elements of a deck by hierarchical name, in lower case, as ngspice reads them."""
    inside, scope = {"": {}}, ""
    for line in deck.replace("\n+ ", " ").lower().splitlines():
        words = line.split(";")[0].split()
        if not words or words[0].startswith("*"):
            continue
        if words[0] == ".subckt":
            scope = words[1]
            inside[scope] = {}
        elif words[0] == ".ends":
            scope = ""
        elif not words[0].startswith("."):
            assert words[0] not in inside[scope], f"two elements named {words[0]} in {scope or 'the deck'}"
            inside[scope][words[0]] = words[1:]

    def below(scope, path):
        for name, words in inside[scope].items():
            yield f"{path}{name}", words
            called = next((word for word in reversed(words) if "=" not in word), "")
            if name.startswith("x") and called in inside:
                yield from below(called, f"{path}{name}.")

    return dict(below("", ""))


def transistor_elements(design):
    models = Pdk(Path("design.ngspice"), Path("sm141064.ngspice"), "test", "0" * 64)
    return elements(network_transistors(design, np.zeros((2, INPUTS)), models).text)


def parameter(words, name):
    return float(next(word for word in words if word.startswith(f"{name}=")).partition("=")[2])


# ---------------------------------------------------------------- the rows


def test_there_is_one_row_for_each_trained_parameter(network, design):
    parts = list(bill_of_materials(design))
    names = [part.parameter for part in parts]
    expected = trained(network)
    assert len(names) == len(set(names)) == len(expected)
    assert set(names) == set(expected)
    for part in parts:
        # mirrored thresholds: the sign of b plays no part in H(|c| - |b|)
        mirrored = ".threshold[" in part.parameter and part.quantity != "bias current"
        trained_value = abs(expected[part.parameter]) if mirrored else expected[part.parameter]
        assert part.trained == trained_value, part.parameter


def test_the_trained_numbers_follow_from_the_values_of_the_circuit(network, design):
    """By the meaning of each quantity: a mirror's ratio, a bias over the unit current, half a hysteresis."""
    parts = {part.parameter: part for part in bill_of_materials(design)}
    unit = design.unit_current
    for layer, synapses in rows_of(design):
        name, own = layer.name, synapses is layer.synapses
        for i in range(synapses.width):
            array = "weight" if own else "threshold_weight"
            ratios = [parts[f"{name}.{array}[{i},{j}]"] for j in range(synapses.inputs)]
            signed = [-p.value if p.quantity.endswith("negative rail") else p.value for p in ratios]
            rtol = 8 * np.finfo(float).eps  # a few roundings
            assert_allclose(signed, [p.trained * synapses.scale[i] for p in ratios], rtol=rtol)
            # the standing currents of the inputs, which the bias takes away again
            standing = math.fsum(w * o for w, o in zip(signed, synapses.offset, strict=True))
            bias = parts[f"{name}.{'bias' if own else 'threshold'}[{i}]"]
            size = abs(bias.value / unit) + sum(abs(w * o) for w, o in zip(signed, synapses.offset, strict=True))
            assert_allclose((bias.value / unit + standing) / synapses.scale[i], bias.trained, rtol=0, atol=rtol * size)
            if isinstance(layer, Ladder) and own:
                check_ladder_row(parts, layer, i, unit * abs(synapses.scale[i]), unit)
    assert len(parts) == len(trained(network))


def rows_of(design):
    """Each layer with each of its sets of rows."""
    return [(layer, rows) for layer in design.layers for rows in getattr(layer, "rows", (layer.synapses,))]


def check_ladder_row(parts, ladder, i, scaled_unit, unit):
    rtol, name = 8 * np.finfo(float).eps, ladder.name
    alpha = parts[f"{name}.alpha[{i}]"]
    assert_allclose(alpha.value / (unit * ladder.level_step), alpha.trained, rtol=rtol)
    initial = parts[f"{name}.initial[{i}]"]
    assert ladder.k_min[i] + ladder.level_step * initial.value == initial.trained
    if ladder.return_to_zero:
        threshold = parts[f"{name}.threshold{'' if ladder.gate is None else '_floor'}[{i}]"]
        assert_allclose(threshold.value / (2.0 * scaled_unit), threshold.trained, rtol=rtol)
    else:
        b_hi, b_lo = parts[f"{name}.b_hi[{i}]"], parts[f"{name}.b_lo[{i}]"]
        assert_allclose(b_hi.value / scaled_unit, b_hi.trained, rtol=rtol)
        # a difference of two currents: rounded on the scale of the larger
        assert_allclose((b_hi.value - b_lo.value) / scaled_unit, b_lo.trained, atol=rtol * b_hi.trained)


def test_every_element_named_is_in_the_ideal_deck_and_carries_its_value(design):
    deck = elements(network_deck(design, np.zeros((2, INPUTS))).text)
    for part in bill_of_materials(design):
        if part.ideal_element == "none":
            continue
        words = deck[part.ideal_element]
        # decks carry ten significant digits
        if part.unit == "A":
            assert float(words[words.index("dc") + 1]) == pytest.approx(part.value, rel=1e-9, abs=0)
        elif "mirror ratio" in part.quantity:
            assert float(words[-1].removeprefix("ratio=")) == pytest.approx(part.value, rel=1e-9, abs=0)
            rail = "synapse_negative" if "negative" in part.quantity else "synapse_positive"
            assert rail in words
        else:
            # four breakpoints per pulse, or none
            corners = re.findall(r"[^\s()]+", " ".join(words[2:]).removeprefix("pwl"))
            assert max(len(corners) // 2 - 1, 0) == 4 * part.value


def test_every_element_named_is_in_the_deck_of_transistors(design):
    deck = transistor_elements(design)
    for part in bill_of_materials(design):
        if part.transistor_element == "none":
            assert part.value == 0.0
        else:
            assert part.transistor_element in deck, part


def test_the_elements_of_the_deck_of_transistors_carry_the_values(design):
    """But for what the blocks' known deviations need: a rail's gain, exactly, and the maps of a bias line."""
    deck = transistor_elements(design)
    for layer in design.layers:
        rows = [part for part in bill_of_materials(design) if part.parameter.startswith(f"{layer.name}.")]
        for part in (part for part in rows if part.transistor_element != "none"):
            words, row = deck[part.transistor_element], int(re.search(r"\[(\d+)", part.parameter)[1])
            of_b = ".threshold" in part.parameter and getattr(layer, "gate", None) is not None
            gain = rail_gain(design, layer.gate if of_b else layer.synapses, row)
            if "mirror ratio" in part.quantity:
                positive = "positive" in part.quantity
                assert f"synapse_{'positive' if positive else 'negative'}_cascode" in words
                # decks carry ten significant digits
                made = parameter(words, "ratio") * (gain if positive else 1.0)
                assert made == pytest.approx(part.value, rel=1e-9, abs=0)
            elif part.quantity == "bias current":
                made = parameter(words, "p") / REFERENCE_UNITS * design.unit_current * (gain if part.value > 0 else -1)
                assert made == pytest.approx(part.value, rel=1e-9, abs=0)
            elif part.unit == "A":
                owner, line = part.transistor_element.rpartition(".")[0], part.transistor_element.rpartition(".xr")[2]
                p, k = bias_units(design, layer, row)[line]
                assert (parameter(deck[owner], f"p_{line}"), parameter(deck[owner], f"k_{line}")) == (p, k)
                # copies of the reference are 3 to 4 % high by their drain voltage, and the blocks lose 1 to 6 % of it
                assert p / k / REFERENCE_UNITS * design.unit_current == pytest.approx(part.value, rel=0.1)
            else:
                # a first point, and four corners per pulse
                corners = re.findall(r"[^\s()]+", " ".join(words[2:]).removeprefix("pwl"))
                assert len(corners) // 2 - 1 == 4 * part.value


def test_a_weight_of_zero_places_no_device(network, design):
    none = {part.parameter for part in bill_of_materials(design) if part.ideal_element == "none"}
    assert none == {name for name, value in trained(network).items() if "weight[" in name and value == 0.0}
    assert none
    for part in bill_of_materials(design):
        if part.parameter in none:
            assert (part.transistor_element, part.quantity, part.value) == ("none", "no device", 0.0)


def test_no_two_parameters_share_an_element(design):
    """But for the preset's clock line in the deck of transistors."""
    parts = list(bill_of_materials(design))
    own = [part.transistor_element for part in parts if not part.transistor_element.startswith("vpreset_")]
    for names in ([part.ideal_element for part in parts], own):
        named = [name for name in names if name != "none"]
        assert len(named) == len(set(named))


def test_every_mirror_and_bias_of_the_deck_is_in_the_bill(design):
    deck = elements(network_deck(design, np.zeros((2, INPUTS))).text)
    placed = {name for name in deck if re.search(r"(^|\.)(xwb?_\d|ibb?_\d)[^.]*$", name)}
    named = {part.ideal_element for part in bill_of_materials(design)}
    assert placed <= named
    placed = {name for name in transistor_elements(design) if re.search(r"\.(xwb?_\d+|xbrowb?)$", name)}
    assert placed == {
        p.transistor_element for p in bill_of_materials(design) if re.search("mirror|bias current", p.quantity)
    } - {"none"}


# ---------------------------------------------------------------- as a table


def test_the_table_holds_what_the_rows_hold(design, tmp_path):
    path = tmp_path / "bill of materials.csv"
    parts = list(bill_of_materials(design))
    assert write_bill_of_materials(design, path) == len(parts)
    content = path.read_bytes()
    assert b"\r" not in content
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert list(rows[0]) == ["parameter", "trained", "ideal_element", "transistor_element", "quantity", "value", "unit"]
    for row, part in zip(rows, parts, strict=True):
        names = ("parameter", "ideal_element", "transistor_element", "quantity", "unit")
        assert [row[name] for name in names] == [getattr(part, name) for name in names]
        # ten significant digits
        assert (float(row["trained"]), float(row["value"])) == pytest.approx(
            (part.trained, part.value), rel=1e-9, abs=0
        )


def test_a_table_without_parts_is_its_heading():
    file = io.StringIO()
    assert write_parts([], file) == 0
    assert file.getvalue() == "parameter,trained,ideal_element,transistor_element,quantity,value,unit\n"
    assert (
        write_parts([Part("a.bias[0]", 1 / 3, "ib_0_a", "xrow_a_0.xbrow", "bias current", 1e-9, "A")], io.StringIO())
        == 1
    )


def test_a_table_that_can_not_be_written_is_an_output_error(tmp_path):
    design = map_network(Network(NETWORKS["cmru"]), load_technology(), MappingOptions(input_bound=BOUND))
    message = r"^can't write .*bom\.csv: No such file or directory; choose another folder\."
    with pytest.raises(OutputError, match=message):
        write_bill_of_materials(design, tmp_path / "nowhere" / "bom.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"^can't write .*bom\.csv: Not a directory; choose another folder\."):
        write_bill_of_materials(design, tmp_path / "file" / "bom.csv")


# ---------------------------------------------------------------- summaries


def test_the_summary_is_plain_json_in_si_units(design):
    import json

    content = json.loads(json.dumps(summary(design), allow_nan=False))
    assert content["network"] == "demo"
    assert content["technology"] == "gf180mcu"
    assert content["unit_current_A"] == design.unit_current
    assert content["stages"] == sum(ladder.width * ladder.stages for ladder in design.ladders)
    assert content["transistors"] == sum(content["transistors_by_block"].values())
    assert set(content["ladders"]) == {ladder.name for ladder in design.ladders}
    assert all(margin > 0 for margin in content["margins"].values())
    for ladder in design.ladders:
        assert content["ladders"][ladder.name]["i_th"] == [ladder.i_th.min(), ladder.i_th.max()]
        assert ("i_shift" in content["ladders"][ladder.name]) == (ladder.stages > 1)
    for layer in design.layers:
        ratios = content["mirror_ratios"][layer.name]
        assert ratios["count"] == np.count_nonzero(layer.synapses.ratio)
        assert 0 < ratios["min"] <= ratios["max"]


def test_the_summary_for_a_terminal_names_every_margin_and_every_ladder(design):
    rows = summary_rows(design)
    assert all(isinstance(text, str) and text for row in rows for text in row)
    labels = [label for label, _ in rows]
    assert len(labels) == len(set(labels))
    assert {f"margin '{name}'" for name in summary(design)["margins"]} <= set(labels)
    assert {f"{ladder.name}.i_th" for ladder in design.ladders} <= set(labels)
    assert dict(rows)["unit current"] == "1 nA"
    assert dict(rows)["transistors"] == f"{summary(design)['transistors']:,}"


def test_a_layer_without_a_weight_has_no_ratios():
    layers = (cmru(INPUTS), Pooling("pool"), Linear("readout", np.zeros((2, 4)), np.ones(2)))
    design = map_network(Network(layers), load_technology(), MappingOptions(input_bound=BOUND))
    assert summary(design)["mirror_ratios"]["readout"] == {"count": 0, "min": 0.0, "max": 0.0}
    assert dict(summary_rows(design))["readout mirror ratios"] == "0 to 0, 0 devices"


@pytest.mark.parametrize("name", library.shipped("networks", ".safetensors"))
def test_the_bill_of_a_shipped_network_is_complete(name):
    network = load(library.network_path(name))
    parts = list(bill_of_materials(map_network(network, load_technology())))
    assert {part.parameter for part in parts} == set(trained(network))
    assert all(isinstance(value, str | float) for part in parts for value in astuple(part))
    assert all(math.isfinite(part.value) and part.value >= 0 for part in parts if part.unit != "A")
