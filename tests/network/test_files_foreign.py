"""Network files of another version or format, and incomplete ones, are refused with a way out."""

import json

import numpy as np
import pytest

from analogrnn.errors import NetworkFormatError
from analogrnn.network.files import load

from .helpers import TENSORS, suffixes, text_of, write


@suffixes
@pytest.mark.parametrize("version", ["3", "0", "1.0", "", "one", None])
def test_another_version_is_refused_with_what_to_do(tmp_path, suffix, version):
    path = write(tmp_path / f"n{suffix}", text=text_of(version=version))
    message = (
        rf"n{suffix}: format version {version!r} is unknown here \(this version reads 1 to 2\); "
        "update analogrnn, or save it again with an older one"
    )
    with pytest.raises(NetworkFormatError, match=message):
        load(path)


@suffixes
@pytest.mark.parametrize("name", ["pt", "analogrnn-networks", None])
def test_another_format_is_refused(tmp_path, suffix, name):
    path = write(tmp_path / f"n{suffix}", text=text_of(format=name))
    message = rf"n{suffix}: format = {name!r} is not 'analogrnn-network'; save it with this package\."
    with pytest.raises(NetworkFormatError, match=message):
        load(path)


def test_tensors_without_our_metadata_are_refused(tmp_path):
    np.savez(tmp_path / "n.npz", **TENSORS)
    with pytest.raises(NetworkFormatError, match=r"n\.npz has no __metadata__; save it with this package\."):
        load(tmp_path / "n.npz")
    write(tmp_path / "n.safetensors", text={})
    with pytest.raises(NetworkFormatError, match=r"format = None is not 'analogrnn-network'; save it with this"):
        load(tmp_path / "n.safetensors")


@pytest.mark.parametrize("text", ["[1]", '"text"', "5", "null"])
def test_metadata_that_is_no_object_is_refused(tmp_path, text):
    np.savez(tmp_path / "n.npz", __metadata__=np.array(text), **TENSORS)
    with pytest.raises(NetworkFormatError, match=r"n\.npz: __metadata__ is not a JSON object\."):
        load(tmp_path / "n.npz")


@suffixes
@pytest.mark.parametrize("body", ["null", "[]", "5", '"x"', "{}", '{"layers": 5}', '{"layers": {}}', None])
def test_a_network_entry_without_layers_is_refused(tmp_path, suffix, body):
    path = write(tmp_path / f"n{suffix}", text=text_of(network=body))
    message = rf"n{suffix}: the entry 'network' is not a JSON object with a list of layers\."
    with pytest.raises(NetworkFormatError, match=message):
        load(path)


@pytest.mark.parametrize("body", [5, [], {"layers": []}, True])
def test_a_network_entry_that_is_not_text_is_refused(tmp_path, body):
    """The metadata of an .npz may hold any JSON; the network in it is JSON in a text."""
    path = write(tmp_path / "n.npz", text=text_of(network=body))
    with pytest.raises(NetworkFormatError, match=r"n\.npz: the JSON object must be str"):
        load(path)


@suffixes
@pytest.mark.parametrize("spec", [{"kind": "gru", "name": "a"}, {"name": "a"}, "gru", None, 5, ["gru"]])
def test_an_unknown_kind_of_layer_is_refused_with_those_that_are_known(tmp_path, suffix, spec):
    path = write(tmp_path / f"n{suffix}", {}, text_of({"layers": [spec]}))
    message = rf"n{suffix}: layer kind .* is unknown; known: \['activation', 'alpha_cmru', 'cmru', 'deviation', 'first_"
    with pytest.raises(NetworkFormatError, match=message):
        load(path)


BAD_BODIES = [
    ({"layers": []}, r"Network\.layers is empty; give at least one layer\."),
    ({"layers": [{"kind": "relu"}]}, r"layer 'None' is incomplete: .*missing .*'name'"),
    ({"layers": [{"kind": "cmru", "name": "a"}]}, r"layer 'a' is incomplete: .*missing .*'threshold'"),
    (
        {"layers": [{"kind": "relu", "name": "a", "slope": 0.1}]},
        r"layer 'a' has an unknown entry 'slope'; known: \['name', 'sources'\]",
    ),
    (
        {"layers": [{"kind": "pooling", "name": "a", "mode": "max"}]},
        r"a\.mode = 'max' is unknown: use 'last', 'mean' or 'vote'",
    ),
    ({"layers": [{"kind": "relu", "name": "a"}] * 2}, r"Network\.layers has two layers named 'a'"),
    (
        {"layers": [{"kind": "relu", "name": "a"}], "encoding": {}},
        r"layer 'encoding' is incomplete: .*missing .*'mean'",
    ),
    (
        {"layers": [{"kind": "relu", "name": "a"}], "encoding": {"gain": 1}},
        r"layer 'encoding' has an unknown entry 'gain'; known: \['clip',",
    ),
    (
        {"layers": [{"kind": "relu", "name": "a"}], "metadata": {"x": []}},
        r"Network\.metadata\['x'\] = \[\] is not text",
    ),
]


@suffixes
@pytest.mark.parametrize("entry", ["encoding", "metadata"])
@pytest.mark.parametrize("value", [[], "x", 1, True])
def test_an_encoding_and_metadata_are_objects_or_null(tmp_path, suffix, entry, value):
    layers = [{"kind": "relu", "name": "a"}]
    assert load(write(tmp_path / f"null{suffix}", {}, text_of({"layers": layers, entry: None}))).layers
    path = write(tmp_path / f"n{suffix}", {}, text_of({"layers": layers, entry: value}))
    with pytest.raises(NetworkFormatError, match=rf"n{suffix}: .* Encoding and metadata are objects or null\.$"):
        load(path)


@suffixes
@pytest.mark.parametrize(("body", "message"), BAD_BODIES)
def test_an_incomplete_or_wrong_description_is_refused(tmp_path, suffix, body, message):
    path = write(tmp_path / f"n{suffix}", {}, text_of(body))
    with pytest.raises(NetworkFormatError, match=rf"n{suffix}: .*{message}"):
        load(path)


@suffixes
@pytest.mark.parametrize("name", list(TENSORS))
def test_a_missing_tensor_is_named(tmp_path, suffix, name):
    tensors = {key: array for key, array in TENSORS.items() if key != name}
    path = write(tmp_path / f"n{suffix}", tensors)
    message = rf"n{suffix}: layer 'fc' is incomplete: .*missing .*'{name.removeprefix('fc.')}'"
    with pytest.raises(NetworkFormatError, match=message):
        load(path)


@suffixes
@pytest.mark.parametrize("extra", ["fc.momentum", "other.weight", "fc", "encoding.mean"])
def test_a_tensor_that_belongs_to_no_layer_is_named(tmp_path, suffix, extra):
    path = write(tmp_path / f"n{suffix}", TENSORS | {extra: np.ones(1)})
    with pytest.raises(NetworkFormatError, match=rf"n{suffix}: tensor '{extra}' belongs to no layer; remove it\."):
        load(path)


@suffixes
def test_a_tensor_of_a_wrong_shape_is_refused_with_the_right_one(tmp_path, suffix):
    path = write(tmp_path / f"n{suffix}", TENSORS | {"fc.bias": np.ones(2)})
    with pytest.raises(NetworkFormatError, match=rf"n{suffix}: fc\.bias has shape \(2,\); expected \(1,\)\."):
        load(path)


def test_a_version_that_is_a_number_is_accepted_and_a_truth_value_is_not(tmp_path):
    """JSON by another hand may hold `1`; the text of a .safetensors file can't."""
    assert load(write(tmp_path / "n.npz", text=text_of(version=1))).layers
    with pytest.raises(NetworkFormatError, match="format version True is unknown here"):
        load(write(tmp_path / "n.npz", text=text_of(version=True)))


@suffixes
def test_a_tensor_that_is_a_scalar_too_is_refused(tmp_path, suffix):
    body = json.loads(text_of()["network"])
    body["layers"][0]["bias"] = [1.0]
    path = write(tmp_path / f"n{suffix}", text=text_of(network=json.dumps(body)))
    with pytest.raises(NetworkFormatError, match=r"tensor fc\.bias is given among the scalars as well; keep one"):
        load(path)
