"""Network files: written and read back bit for bit; written atomically."""

import os
import resource
import stat

import numpy as np
import pytest
from hypothesis import given, settings

from analogrnn import library
from analogrnn.errors import NetworkFormatError, OutputError
from analogrnn.network import Activation, Cmru, Glu, LayerNorm, Linear, Network, Pooling, ReLU, Scale, forward
from analogrnn.network.files import _read_npz, _read_safetensors, load, save_network

from .helpers import TENSORS, assert_same_network, networks, small, suffixes, write

# ---------------------------------------------------------------- there and back


@suffixes
def test_a_network_with_every_kind_of_layer_comes_back_to_the_last_bit(tmp_path, suffix):
    save_network(small(), tmp_path / f"n{suffix}")
    assert_same_network(load(tmp_path / f"n{suffix}"), small())


@suffixes
@settings(max_examples=40)
@given(network=networks())
def test_any_network_comes_back_to_the_last_bit(tmp_path_factory, suffix, network):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    save_network(network, path)
    assert_same_network(load(path), network)


@pytest.mark.parametrize("name", library.shipped("networks", ".safetensors"))
def test_a_shipped_network_survives_both_formats(tmp_path, name):
    network = load(library.network_path(name))
    save_network(network, tmp_path / "a.npz")
    save_network(load(tmp_path / "a.npz"), tmp_path / "b.safetensors")
    assert_same_network(load(tmp_path / "b.safetensors"), network)


@suffixes
def test_a_path_may_be_text_and_hold_spaces_and_other_letters(tmp_path, suffix):
    path = str(tmp_path / f"my netwörk *# .control{suffix}")
    save_network(small(), path)
    assert_same_network(load(path), small())


@suffixes
def test_a_hand_made_file_is_read_by_its_documented_layout(tmp_path, suffix):
    fc = load(write(tmp_path / f"n{suffix}")).layers[0]
    assert (fc.weight.tolist(), fc.bias.tolist()) == ([[1.0, 2.0]], [3.0])


@suffixes
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_narrower_floats_are_widened_without_rounding(tmp_path, suffix, dtype):
    narrow = {name: (array / 3).astype(dtype) for name, array in TENSORS.items()}
    fc = load(write(tmp_path / f"n{suffix}", narrow)).layers[0]
    assert fc.weight.dtype == np.float64
    assert fc.weight.tolist() == narrow["fc.weight"].tolist()


def test_the_byte_order_of_an_npz_does_not_matter(tmp_path):
    swapped = {name: array.astype(">f8") for name, array in TENSORS.items()}
    assert load(write(tmp_path / "n.npz", swapped)).layers[0].weight.tolist() == [[1.0, 2.0]]


# ---------------------------------------------------------------- writing


@suffixes
def test_a_save_leaves_one_ordinary_file_and_replaces_an_older_one(tmp_path, suffix):
    path = tmp_path / f"n{suffix}"
    for network in (Network((ReLU("old"),)), small()):
        save_network(network, path)
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert_same_network(load(path), small())


@suffixes
def test_a_save_that_fails_leaves_the_older_file_as_it_was(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"n{suffix}"
    save_network(Network((ReLU("old"),)), path)

    def no_space(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    message = rf"^can't write .*n{suffix}: No space left on device; choose another path\."
    with pytest.raises(OutputError, match=message):
        save_network(small(), path)
    assert_same_network(load(path), Network((ReLU("old"),)))


@suffixes
def test_a_folder_that_can_not_be_written_to_is_an_output_error(tmp_path, suffix):
    (tmp_path / "file").write_text("")
    for folder, reason in (("file", "Not a directory"), ("nowhere", "No such file or directory")):
        message = rf"^can't write .*n{suffix}: {reason}; choose another path\."
        with pytest.raises(OutputError, match=message):
            save_network(small(), tmp_path / folder / f"n{suffix}")


@suffixes
def test_a_folder_of_the_same_name_is_not_overwritten(tmp_path, suffix):
    (tmp_path / f"n{suffix}").mkdir()
    with pytest.raises(OutputError, match=rf"^can't write .*n{suffix}: Is a directory; choose another path\."):
        save_network(small(), tmp_path / f"n{suffix}")
    assert [p.name for p in tmp_path.iterdir()] == [f"n{suffix}"]


@suffixes
def test_a_disk_that_fills_up_leaves_no_half_written_file(tmp_path, suffix):
    """A limit on the file size replaces a full disk: the error occurs in the middle of the write."""
    limit, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    large = Network((Linear("fc", np.ones((100, 100)), np.ones(100)),))
    assert large.layers[0].weight.nbytes > 4096
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OutputError, match=rf"^can't write .*n{suffix}: File too large; choose another path\."):
            save_network(large, tmp_path / f"n{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["n", "n.pt", "n.pickle", "n.NPZ", ".npz", "n.npz.bak"])
def test_another_suffix_is_refused_both_ways(tmp_path, name):
    message = r"ends in '.*'; a network file ends in \.safetensors or \.npz\."
    with pytest.raises(NetworkFormatError, match=message):
        save_network(small(), tmp_path / name)
    with pytest.raises(NetworkFormatError, match=message):
        load(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_a_graph_is_written_in_version_2_and_a_chain_in_version_1(tmp_path, suffix):
    cell = Cmru(
        "c",
        np.ones((2, 2)),
        np.zeros(2),
        np.ones(2),
        np.ones(2),
        k_min=np.array([0, -1]),
        k_max=3,
        threshold_weight=np.ones((2, 2)),
        threshold_floor=np.full(2, 0.5),
        sources=("g", "input"),
    )
    graph = Network(
        (
            Linear("a", np.ones((4, 2)), np.zeros(4)),
            Scale("s", np.ones(4), np.zeros(4)),
            LayerNorm("n", np.ones(4), np.zeros(4), 1e-3),
            Activation("f", "gelu"),
            Glu("g"),
            cell,
            Pooling("p", "vote"),
        )
    )
    path = tmp_path / f"n{suffix}"
    save_network(graph, path)
    back = load(path)
    assert [layer.sources for layer in back.layers] == [()] * 5 + [("g", "input"), ()]
    assert (back.layers[5].k_min.tolist(), back.layers[5].k_max, back.layers[6].mode) == ([0, -1], 3, "vote")
    assert (back.layers[2].epsilon, back.layers[3].function) == (1e-3, "gelu")
    x = np.random.default_rng(1).normal(size=(5, 3, 2))
    np.testing.assert_array_equal(forward(back, x).logits, forward(graph, x).logits)
    reader = _read_npz if suffix == ".npz" else _read_safetensors
    assert reader(path)[1]["version"] == "2"
    save_network(Network((Linear("a", np.ones((4, 2)), np.zeros(4)), Pooling("p"))), path)
    assert reader(path)[1]["version"] == "1"
