"""The inventory of devices: every transistor of the flattened deck with its size, and none else."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flat_deck import LIBRARY, flat_transistors
from helpers import TECHNOLOGY, kinds, mapped

from analogrnn.bill_of_materials import BLOCKS, devices
from analogrnn.errors import ParameterError
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.mismatch import LADDER_DEVICES, STAGE_DEVICES
from analogrnn.spice.pdk import Pdk
from analogrnn.spice.transistor_network import network_transistors

PDK = Pdk(Path("design.ngspice"), Path("sm141064.ngspice"), "test", "0" * 64)
KINDS = kinds()


def key(block, name, kind, w, l, units):  # noqa: E741
    """A deck writes ten digits; a size that it derives from one of them (w/4, 2 l) has one rounding more."""
    return block, name, kind, f"{w:.9g}", f"{l:.9g}", f"{units:.10g}"


def of_the_deck(design, inputs):
    text = network_transistors(design, np.zeros((1, inputs)), PDK).text
    return Counter(key(*one.block, one.kind, one.w, one.l, one.units) for one in flat_transistors(text))


def of_the_inventory(design):
    found = Counter()
    for group in devices(design):
        found[key(group.block, group.name, group.kind, group.w, group.l, group.units)] += group.count
    return found


OPTIONS = {
    "default": MappingOptions(input_bound=20.0),
    "sizes that differ": replace(MappingOptions.standard(), synapse_w=3e-6, synapse_l=7e-6, input_bound=3.0),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS)
def test_every_transistor_of_the_deck_is_in_the_inventory_and_none_else(kind, options):
    net = KINDS[kind]
    design = map_network(net, TECHNOLOGY, OPTIONS[options])
    assert of_the_inventory(design) == of_the_deck(design, net.inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_the_devices_of_a_layer_stand_in_its_subcircuits(kind):
    net = KINDS[kind]
    design = mapped(net)
    text = network_transistors(design, np.zeros((1, net.inputs)), PDK).text
    for layer in design.layers:
        owners = tuple(f"x{kind}_{layer.name}_{row}" for kind in ("ladder", "row") for row in range(99))
        placed = [one for one in flat_transistors(text) if one.path[0] in owners]
        groups = [g for g in devices(design) if g.layer == layer.name and g.block != "input_diode_cascode"]
        assert sum(group.count for group in groups) == len(placed)
        # unit devices have ten digits in the deck
        area = sum(one.w * one.l * one.units for one in placed)
        assert sum(group.area for group in groups) == pytest.approx(area, rel=1e-9)


def test_equal_transistors_are_one_group():
    groups = devices(mapped(KINDS["stacked"]))
    names = [(g.layer, g.block, g.name, g.w, g.l, g.units) for g in groups]
    assert len(names) == len(set(names))
    assert next(g for g in groups if g.name == "cell.m1").count == 2 * 4


def test_the_networks_above_use_every_block_of_the_table():
    used = {group.block for net in KINDS.values() for group in devices(mapped(net))}
    assert used == set(BLOCKS)
    assert used <= LIBRARY


def test_mismatch_draws_every_precision_device_of_a_stage_with_its_polarity():
    """Not drawn are the switches of a stage."""
    stage = {one.name.rpartition(".")[2]: one for one in BLOCKS["ladder_stage"]}
    drawn = {name: polarity for name, (polarity, _) in STAGE_DEVICES.items()}
    assert drawn == {name: one.kind for name, one in stage.items() if one.size == "cell"}


def test_mismatch_draws_the_bias_lines_and_the_line_with_their_polarity():
    """Of a diode of several unit devices and of the standing current of the line, one deviation is drawn or none."""
    parts = [*BLOCKS["ladder_bias"], *BLOCKS["ladder_line"], *BLOCKS["ladder_end"]]
    kind = {one.name: one.kind for one in parts}
    assert {name: kind[name] for name in LADDER_DEVICES} == {name: p for name, (p, _) in LADDER_DEVICES.items()}


def test_a_bias_current_that_no_unit_devices_make_has_no_inventory():
    design = mapped(KINDS["signed"])
    ladder = design.ladders[0]
    tiny = replace(ladder, i_alpha=ladder.i_alpha * 1e-6)
    with pytest.raises(ParameterError, match=r"bias_units\.ratio = .* is outside"):
        devices(replace(design, layers=(tiny, *design.layers[1:])))
