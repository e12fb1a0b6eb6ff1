"""A network is a graph: unique names, widths that fit, one pooling, recurrence before it."""

from dataclasses import replace

import numpy as np
import pytest

from analogrnn.errors import ParameterError
from analogrnn.network import (
    AlphaCmru,
    Cmru,
    FirstQuadrantBmru,
    Glu,
    InputEncoding,
    Linear,
    Network,
    Pooling,
    ReLU,
    forward,
)


def linear(name, inputs, width):
    return Linear(name, np.ones((width, inputs)), np.zeros(width))


def cell(name, inputs, width):
    return Cmru(name, np.ones((width, inputs)), np.zeros(width), np.ones(width), np.ones(width))


def chain():
    return linear("fc", 3, 4), ReLU("relu"), cell("cell", 4, 2), Pooling("pool"), linear("readout", 2, 5)


def test_a_chain_of_layers_has_its_inputs_and_its_layers():
    network = Network(list(chain()), metadata={"name": "demo", "accuracy": 0.9, "seed": 3})
    assert (network.inputs, network.name, len(network.layers)) == (3, "demo", 5)
    assert isinstance(network.layers, tuple)
    assert network.layer("relu") is network.layers[1]
    assert Network(chain()).name == "network"


def test_the_metadata_is_a_copy():
    mine = {"seed": 3}
    network = Network(chain(), metadata=mine)
    mine["seed"] = 4
    assert network.metadata == {"seed": 3}


def test_relu_and_pooling_keep_the_width():
    Network((ReLU("r"), Pooling("p"), linear("a", 3, 4), ReLU("s"), linear("b", 4, 1)))


def test_an_encoding_gives_the_first_width():
    encoding = InputEncoding(np.zeros(2), np.ones(2))
    assert Network(chain(), encoding).encoding is encoding
    message = r"^fc\.weight has shape \(4, 3\): 3 inputs, but the encoding gives 2\."
    with pytest.raises(ParameterError, match=message):
        Network(chain(), InputEncoding(np.zeros(2), np.ones(2), ramp=False))


def test_an_empty_network_is_refused():
    with pytest.raises(ParameterError, match=r"^Network\.layers is empty; give at least one layer\."):
        Network(())


def test_two_layers_of_one_name_are_refused():
    with pytest.raises(ParameterError, match=r"^Network\.layers has two layers named 'a'; names must be unique\."):
        Network((linear("b", 3, 3), linear("a", 3, 3), ReLU("a")))


def test_names_that_differ_in_case_only_are_one_name_to_spice():
    message = r"^Network\.layers has two layers named 'cell'; names must be unique\. SPICE reads upper and lower case"
    with pytest.raises(ParameterError, match=message):
        Network((cell("Cell", 3, 3), cell("cELL", 3, 3)))


def test_a_network_without_weights_has_no_inputs_and_does_not_run():
    bare = Network((ReLU("r"), Pooling("p")))
    message = r"^Network\.layers has no layer with weights that reads the inputs, so their number is unknown; give at "
    with pytest.raises(ParameterError, match=message):
        _ = bare.inputs
    with pytest.raises(ParameterError, match=message):
        forward(bare, np.zeros((1, 1, 1)))


def test_a_layer_that_does_not_fit_its_source_is_refused():
    message = r"^readout\.weight has shape \(5, 3\): 3 inputs, but cell gives 2\."
    with pytest.raises(ParameterError, match=message):
        Network((cell("cell", 4, 2), Pooling("pool"), linear("readout", 3, 5)))


def test_a_second_pooling_is_refused():
    with pytest.raises(ParameterError, match=r"^again pools a second time; keep one Pooling layer\."):
        Network((*chain(), Pooling("again")))


@pytest.mark.parametrize(
    "late",
    [
        cell("late", 2, 2),
        FirstQuadrantBmru("late", np.ones((2, 2)), np.zeros(2), np.ones(2), 2 * np.ones(2), np.ones(2)),
        AlphaCmru("late", np.ones((2, 2)), np.zeros(2), np.ones(2), np.ones((2, 2)), np.zeros(2)),
    ],
)
def test_a_cell_behind_the_pooling_is_refused(late):
    with pytest.raises(ParameterError, match=r"^late is recurrent and follows the pooling; move the pooling behind it"):
        Network((cell("cell", 3, 2), Pooling("pool"), late))


@pytest.mark.parametrize("value", [[1], None, {"a": 1}, np.ones(2)])
def test_metadata_is_text_or_numbers(value):
    with pytest.raises(ParameterError, match=r"^Network\.metadata\['x'\] = .* is not text or a number\."):
        Network(chain(), metadata={"x": value})
    with pytest.raises(ParameterError, match=r"^Network\.metadata\[5\] = 'x' is not text or a number\."):
        Network(chain(), metadata={5: "x"})


def test_numbers_of_numpy_in_the_metadata_become_plain_ones():
    given = {"seed": np.int64(3), "accuracy": np.float32(0.5), "ok": np.bool_(True), "name": np.str_("demo")}
    found = Network(chain(), metadata=given).metadata
    assert found == {"seed": 3, "accuracy": 0.5, "ok": True, "name": "demo"}
    assert [type(value) for value in found.values()] == [int, float, bool, str]


def test_a_layer_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(ParameterError, match=r"^the network has no layer 'cel'; it has \['fc', 'relu', 'cell'"):
        Network(chain()).layer("cel")


def test_a_network_encodes_as_its_encoding_does():
    encoding = InputEncoding(np.zeros(2), np.ones(2), frames=4)
    sequences = [np.ones((5, 2)), np.zeros((3, 2))]
    np.testing.assert_array_equal(Network(chain(), encoding).encode(sequences), encoding(sequences))


def test_the_error_of_a_network_without_an_encoding_names_its_inputs():
    message = r"^network has no encoding, so sequences can't be encoded; give inputs x \(T, S, 3\)"
    with pytest.raises(ParameterError, match=message):
        Network(chain()).encode([np.ones((5, 2))])


# ---------------------------------------------------------------- graphs


def test_a_layer_reads_the_one_before_it_or_the_sum_of_those_that_it_names():
    net = Network((linear("a", 3, 2), linear("b", 2, 2), linear("c", 2, 1)))
    assert [net.sources(name) for name in "abc"] == [("input",), ("a",), ("b",)]
    skip = Network((linear("a", 3, 2), linear("b", 2, 2), replace(linear("c", 2, 1), sources=("a", "b"))))
    assert (skip.sources("c"), skip.readers("a"), skip.readers("input")) == (("a", "b"), ("b", "c"), ("a",))
    x = np.arange(12.0).reshape(2, 2, 3)
    a = skip.layers[0].affine(x)
    expected = skip.layers[2].affine(a + skip.layers[1].affine(a))
    np.testing.assert_allclose(forward(skip, x).logits, expected, rtol=1e-13)  # some ten roundings


def test_the_inputs_can_be_added_to_a_later_layer():
    net = Network((linear("a", 3, 3), replace(linear("b", 3, 2), sources=("a", "input"))))
    x = np.arange(12.0).reshape(2, 2, 3)
    np.testing.assert_allclose(forward(net, x).logits, net.layers[1].affine(net.layers[0].affine(x) + x), rtol=1e-13)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (("c",), r"^b\.sources names 'c', which doesn't stand before it: a network has no feedback"),
        (("b",), r"^b\.sources names 'b', which doesn't stand before it"),
        (("d",), r"^b\.sources names 'd', which is no layer; known: \['input', 'a'\]"),
        (("a", "a"), r"^b\.sources names a layer twice; double its weights instead"),
        ("a", r"^b\.sources = 'a' is not a list of names of layers"),
        (("input",), r"^nothing reads the output of a; remove the layer, or name it as a source"),
        (("a", "input"), r"^b adds a of 2, input of 3: only values of the same width add up|^b\.weight has shape"),
    ],
)
def test_sources_that_can_not_be_are_refused(sources, message):
    with pytest.raises(ParameterError, match=message):
        Network((linear("a", 3, 2), replace(linear("b", 2, 2), sources=sources), linear("c", 2, 1)))


def test_values_before_and_after_the_pooling_do_not_add_up():
    with pytest.raises(ParameterError, match=r"^c adds values before and after the pooling; pool all of them, or none"):
        Network((linear("a", 3, 2), Pooling("p"), replace(linear("c", 2, 1), sources=("a", "p"))))


def test_a_layer_named_input_is_refused_only_where_sources_are_named():
    assert Network((linear("input", 3, 2), linear("b", 2, 2))).sources("b") == ("input",)
    with pytest.raises(ParameterError, match=r"^a layer is named 'input', which stands for the inputs"):
        Network((linear("input", 3, 2), replace(linear("b", 2, 2), sources=("input",))))


def test_the_width_passes_through_layers_that_keep_it():
    gate = Network((ReLU("r"), Glu("g"), linear("out", 2, 1)))
    assert (gate.inputs, gate.width("r"), gate.width("g"), gate.outputs) == (4, 4, 2, 1)
    with pytest.raises(ParameterError, match=r"^g halves 3 inputs; a gated linear unit has an even number"):
        Network((linear("a", 3, 3), Glu("g")))
