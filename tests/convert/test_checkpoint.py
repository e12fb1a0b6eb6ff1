"""Readers of checkpoints: every spelling of a name, every type of a number, and nothing executed."""

import json
import pickle
import struct
import sys
import zipfile

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import save_file

from analogrnn.convert.checkpoint import read_checkpoint
from analogrnn.convert.names import canonical
from analogrnn.errors import MissingDependencyError, NetworkFormatError, ParameterError

CELL = {"cell.weight": np.arange(6.0).reshape(2, 3), "cell.bias": np.array([0.5, -0.25])}


def npz(folder, **arrays):
    np.savez(folder / "c.npz", **arrays)
    return folder / "c.npz"


@pytest.mark.parametrize(
    "spell",
    [
        lambda name: name,
        lambda name: "module." + name,
        lambda name: "module._orig_mod." + name,
        lambda name: "_orig_mod.model." + name,
        lambda name: "params/" + name.replace(".", "/"),
        lambda name: str(("params", *name.split("."))),
        lambda name: "".join(f"['{part}']" for part in ["params", *name.split(".")]),
        lambda name: name + ".value",
        lambda name: "state_dict." + name,
    ],
)
def test_every_spelling_of_a_name_is_the_same_tensor(tmp_path, spell):
    # a slash would be a folder in the archive, which numpy writes and reads as it is
    found = read_checkpoint(npz(tmp_path, **{spell(name): array for name, array in CELL.items()}))
    assert list(found.tensors) == list(CELL)
    for name, array in CELL.items():
        assert_array_equal(found.tensors[name], array)
        assert found.find(spell(name)) == name
        assert found.find(name) == name
    assert found.find("cell.other") is None


def test_a_prefix_that_only_some_names_have_belongs_to_the_names():
    assert canonical(["model.a.weight", "head.weight"])["model.a.weight"] == "model.a.weight"


def test_collections_of_flax_are_merged_and_two_spellings_of_one_name_are_refused():
    assert list(canonical(["params.n.scale", "batch_stats.n.mean"]).values()) == ["n.scale", "n.mean"]
    with pytest.raises(NetworkFormatError, match=r"'params\.n\.scale' and 'n/scale' are both 'n\.scale' without their"):
        canonical(["params.n.scale", "n/scale"])


def test_optimizer_entries_and_texts_are_set_aside_with_the_reason(tmp_path):
    extra = {
        "optimizer.state.0.exp_avg": np.ones(2),
        "comment": np.array("hello"),
        "opt_state.mu.cell.bias": np.ones(2),
    }
    found = read_checkpoint(npz(tmp_path, **CELL, **extra))
    assert list(found.tensors) == list(CELL)
    assert found.dropped["optimizer.state.0.exp_avg"] == "state of an optimizer"
    assert found.dropped["opt_state.mu.cell.bias"] == "state of an optimizer"
    assert found.dropped["comment"] == "text"


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "int32", "bool", "bfloat16"])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_numbers_of_every_type_are_widened_without_loss(tmp_path, kind, suffix):
    array = np.array([[0.0, 1.0], [1.0, 0.0]]).astype(ml_dtypes.bfloat16 if kind == "bfloat16" else kind)
    if suffix == ".npz":
        path = npz(tmp_path, w=array)
    elif kind == "bfloat16":
        path = tmp_path / "c.safetensors"
        header = json.dumps({"w": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + array.tobytes())
    else:
        path = tmp_path / "c.safetensors"
        save_file({"w": array}, path)
    found = read_checkpoint(path).tensors["w"]
    assert found.dtype == np.float64
    assert_array_equal(found, array.astype(np.float64))


def test_the_tensors_of_a_safetensors_file_stand_in_the_order_of_their_names(tmp_path):
    save_file({name: np.ones(1) for name in ("l.10.w", "l.9.w", "b.w", "l.9.b", "l.²")}, tmp_path / "c.safetensors")
    found = read_checkpoint(tmp_path / "c.safetensors")
    assert list(found.tensors) == ["b.w", "l.9.b", "l.9.w", "l.10.w", "l.²"]
    assert not found.ordered
    assert read_checkpoint(npz(tmp_path, **CELL)).ordered


# ---------------------------------------------------------------- torch


@pytest.mark.torch
def test_a_whole_checkpoint_of_torch_gives_its_model(tmp_path):
    import torch

    model = torch.nn.DataParallel(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2)))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    content = {"state_dict": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    torch.save(content, tmp_path / "c.pt")
    found = read_checkpoint(tmp_path / "c.pt")
    assert list(found.tensors) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert_array_equal(found.tensors["0.bias"], model.state_dict()["module.0.bias"].numpy())
    assert found.dropped["epoch"] == "a setting: 3"
    assert any(reason == "state of an optimizer" for reason in found.dropped.values())


class Bomb:
    """Would write a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.torch
def test_a_file_of_torch_with_code_is_refused_and_nothing_is_executed(tmp_path):
    import torch

    torch.save({"w": torch.ones(2), "x": Bomb(tmp_path / "executed")}, tmp_path / "c.pt")
    with pytest.raises(NetworkFormatError, match=r"c\.pt holds more than tensors .* Nothing of it was executed"):
        read_checkpoint(tmp_path / "c.pt")
    assert not (tmp_path / "executed").exists()


@pytest.mark.torch
def test_a_view_of_one_value_does_not_fill_the_memory(tmp_path):
    import torch

    torch.save({"w": torch.ones(1).expand(1 << 20, 1 << 12)}, tmp_path / "c.pt")
    with pytest.raises(NetworkFormatError, match=r"tensor 'w' has 4294967296 values; that is above the limit"):
        read_checkpoint(tmp_path / "c.pt")


@pytest.mark.torch
def test_containers_that_share_each_other_do_not_take_for_ever(tmp_path):
    import torch

    nested = {"w": torch.ones(1)}
    for _ in range(30):
        nested = [nested, nested]
    torch.save(nested, tmp_path / "c.pt")
    with pytest.raises(NetworkFormatError, match=r"nests its containers more than 20 deep; save a state_dict"):
        read_checkpoint(tmp_path / "c.pt")
    wide = [[]]
    for _ in range(8):
        wide = [wide] * 20
    torch.save(wide, tmp_path / "c.pt")
    with pytest.raises(NetworkFormatError, match=r"has more than 100000 entries; save a state_dict"):
        read_checkpoint(tmp_path / "c.pt")


def test_without_torch_the_file_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with zipfile.ZipFile(tmp_path / "c.pt", "w") as archive:
        archive.writestr("c/data.pkl", b"\x80\x02}.")
    with pytest.raises(
        MissingDependencyError, match=r"c\.pt is a file of torch, which is not installed; install torch"
    ):
        read_checkpoint(tmp_path / "c.pt")


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize("suffix", [".pkl", ".pt", ".npz", ".safetensors"])
def test_a_pickle_is_never_loaded_whatever_its_name(tmp_path, suffix):
    path = tmp_path / f"c{suffix}"
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "executed")))
    with pytest.raises(NetworkFormatError, match=r"pickle"):
        read_checkpoint(path)
    assert not (tmp_path / "executed").exists()


def test_a_nested_tree_in_an_npz_is_an_object_and_refused(tmp_path):
    np.savez(tmp_path / "c.npz", params=np.array({"cell": {"kernel": np.ones(2)}}, dtype=object))
    with pytest.raises(NetworkFormatError, match=r"'params' holds Python objects, .* flatten a nested tree first"):
        read_checkpoint(tmp_path / "c.npz")


@pytest.mark.parametrize("suffix", [".npz", ".pt"])
def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("analogrnn.convert.checkpoint.MAX_BYTES", 1 << 20)
    path = tmp_path / f"c{suffix}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", b"\0" * (1 << 22))
    with pytest.raises(NetworkFormatError, match="unpacks to 4194304 bytes, above the limit of 1048576"):
        read_checkpoint(path)


def test_an_array_that_promises_more_than_it_holds_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones(3))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        data = archive.read("w.npy").replace(b"(3,), }   ", b"(99999,), }", 1)[: 10 + 118 + 24]
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("w.npy", data)
    with pytest.raises(NetworkFormatError, match=r"w\.npy promises more data than it holds; save it again"):
        read_checkpoint(tmp_path / "c.npz")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.npz", b"", r"c\.npz is damaged or no checkpoint \(File is not a zip file\); save it again"),
        ("c.npz", b"PK\x03\x04 and nothing", r"c\.npz is damaged or no checkpoint"),
        ("c.safetensors", b"\xff" * 40, r"c\.safetensors is damaged or no checkpoint"),
        ("c.pt", b"hello", r"c\.pt is no file of torch\.save; save it again"),
        ("c.txt", b"hello", r"c\.txt ends in '\.txt'; a checkpoint ends in \.safetensors, \.npz, \.pt"),
    ],
)
def test_a_damaged_file_is_one_clear_error(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NetworkFormatError, match=message):
        read_checkpoint(tmp_path / name)


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path):
    with pytest.raises(NetworkFormatError, match=r"c\.npz is not there"):
        read_checkpoint(tmp_path / "c.npz")
    (tmp_path / "d.npz").mkdir()
    with pytest.raises(NetworkFormatError, match=r"d\.npz is not a file"):
        read_checkpoint(tmp_path / "d.npz")


def test_a_file_without_tensors_or_with_foreign_numbers_is_refused(tmp_path):
    with pytest.raises(NetworkFormatError, match="holds no tensors; save the parameters of the network"):
        read_checkpoint(npz(tmp_path, note=np.array("text")))
    with pytest.raises(ParameterError, match=r"tensor 'w' is not an array of numbers\. It is complex"):
        read_checkpoint(npz(tmp_path, w=np.ones(2, complex)))
    header = json.dumps({"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}).encode()
    (tmp_path / "c.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0")
    with pytest.raises(NetworkFormatError, match="tensor 'w' has type F8_E4M3; save it as float32"):
        read_checkpoint(tmp_path / "c.safetensors")
