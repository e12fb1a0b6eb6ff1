"""A network that runs digitally in parts, through the verbs that take one."""

import numpy as np
import pytest

from analogrnn.network import Activation, Cmru, Glu, InputEncoding, Linear, Network, Pooling, forward, save_network
from analogrnn.streams import stream


def linear(name, inputs, width, **given):
    return Linear(name, stream(1, name).normal(size=(width, inputs)) / inputs**0.5, np.zeros(width), **given)


def cell(name, inputs, width):
    weight = stream(2, name).normal(size=(width, inputs))
    return Cmru(name, weight, np.zeros(width), np.ones(width), np.full(width, 0.5), k_min=-2, k_max=2)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A network of two circuits with a gated linear unit between them, and clips labelled by it."""
    folder = tmp_path_factory.mktemp("hybrid")
    layers = (cell("c1", 3, 4), linear("wide", 4, 6), Glu("g"), cell("c2", 3, 3), Pooling("p"), linear("out", 3, 2))
    network = Network(layers, InputEncoding(np.zeros(3), np.ones(3), ramp=False), {"name": "mixed"})
    save_network(network, folder / "mixed.safetensors")
    x = np.clip(stream(3, "x").normal(size=(10, 12, 3)), -3.0, 3.0)
    np.savez(folder / "x.npz", x=x, labels=forward(network, x).classes)
    return [folder / "mixed.safetensors", "--data", folder / "x.npz"]


def test_the_nominal_chip_of_a_hybrid_network_is_the_digital_one(call, files):
    answer = call("simulate", *files, "--json").json
    assert answer["steps_equal_to_digital"] == {"c1": 1.0, "c2": 1.0}
    assert (answer["accuracy"], answer["same_class_as_digital"]) == (1.0, 12)
    assert answer["saturated_inputs"] == {"mixed_c1": 0.0, "mixed_c2": 0.0}
    assert call("simulate", *files, "--chip", 3, "--cell-size", "1um", "--json").json["accuracy"] < 1.0


def test_chips_of_a_hybrid_network_are_scored_and_equal_those_of_simulate(call, files):
    words = ["--cell-size", "1um", "--noise", "off", "--json"]
    answer = call("mc", *files, "--chips", 4, *words).json["sizes"]["1um"]
    each = [call("simulate", *files, "--chip", k, *words).json["accuracy"] for k in range(4)]
    assert answer["accuracy"] == each
    assert min(each) < 1.0


def test_one_circuit_of_a_hybrid_network_is_exported_and_agrees_in_ngspice(call, files, tmp_path):
    words = [*files, "--part", "mixed_c2", "--clips", "1", "--json"]
    answer = call("export", *words, "--out", tmp_path / "deck.spice").json
    assert answer["ladders"] == 3
    assert call("agree", *words).json["holds"]


def test_a_part_must_be_named_where_there_are_several_and_exist(call, files):
    call("export", *files).refused(2, "mixed has 2 circuits; choose one with --part: mixed_c1, mixed_c2.")
    call("export", *files, "--part", "c3").refused(2, "--part = 'c3' names no circuit; there are mixed_c1, mixed_c2.")
    call("export", "digits_d16_k2", "--part", "c3").refused(2, "digits_d16_k2 is one circuit; leave --part out.")


def test_a_hybrid_network_in_transistors_as_a_whole_is_refused(call, files):
    call("mc", *files, "--level", "transistor").refused(2, "so no deck holds all of it")


def test_a_verb_that_takes_one_circuit_names_the_digital_layer(call, tmp_path):
    layers = (linear("fc", 3, 3), Activation("f", "gelu"), cell("c", 3, 3), Pooling("p"), linear("out", 3, 2))
    save_network(Network(layers, InputEncoding(np.zeros(3), np.ones(3), ramp=False)), tmp_path / "n.npz")
    call("map", tmp_path / "n.npz").refused(2, "f ", "digital")
