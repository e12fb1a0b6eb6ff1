"""Network files that are not files, too large, truncated or damaged are refused with a reason."""

import json
import os
import struct
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors import safe_open

from analogrnn.errors import NetworkFormatError
from analogrnn.network import Linear, Network
from analogrnn.network.files import MAX_BYTES, load, save_network

from .helpers import TENSORS, assert_same_network, npy, small, suffixes, text_of, write

# ---------------------------------------------------------------- files that are not there, too large or not files


@suffixes
def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path, suffix):
    path = tmp_path / f"n{suffix}"
    with pytest.raises(NetworkFormatError, match=r"^can't read .*: No such file or directory\."):
        load(path)
    os.mkfifo(path)
    with pytest.raises(NetworkFormatError, match=rf"n{suffix} is not a file\."):
        load(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(NetworkFormatError, match=rf"n{suffix} is not a file\."):
        load(path)
    with pytest.raises(NetworkFormatError, match=r"is damaged or not a network file \(embedded null byte\)"):
        load(str(tmp_path / f"a\0{suffix}"))


@suffixes
def test_a_huge_file_is_refused_before_it_is_read(tmp_path, suffix):
    path = tmp_path / f"n{suffix}"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # sparse: takes no room on the disk
    with pytest.raises(NetworkFormatError, match=rf"has {MAX_BYTES + 1} bytes, above the limit of {MAX_BYTES}\."):
        load(path)


@suffixes
def test_a_file_of_the_largest_size_is_read(tmp_path, suffix):
    """The limit belongs to what is allowed: such a file of zeros is refused for what it holds."""
    path = tmp_path / f"n{suffix}"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES)
    with pytest.raises(NetworkFormatError, match=rf"n{suffix} is damaged or not a network file"):
        load(path)


def declare_size(path, size):
    """Set the unpacked size that a zip's directory states for each member."""
    raw = bytearray(path.read_bytes())
    at = raw.find(b"PK\x01\x02")
    while at >= 0:
        raw[at + 24 : at + 28] = struct.pack("<I", size)
        at = raw.find(b"PK\x01\x02", at + 1)
    path.write_bytes(raw)


@pytest.mark.parametrize("size", [MAX_BYTES // 3 + 1, MAX_BYTES + 1, 2**32 - 2])
def test_a_small_npz_that_unpacks_to_a_gibibyte_is_refused_before_it_is_unpacked(tmp_path, size):
    path = write(tmp_path / "bomb.npz")
    declare_size(path, size)
    message = rf"bomb\.npz unpacks to {3 * size} bytes, above the limit of {MAX_BYTES}\."
    with pytest.raises(NetworkFormatError, match=message):
        load(path)


def test_an_npz_that_unpacks_to_the_limit_is_read(tmp_path):
    """Two members of half the limit each are refused for what they hold, not for their size."""
    path = write(tmp_path / "n.npz", {"fc.weight": TENSORS["fc.weight"]})
    declare_size(path, MAX_BYTES // 2)
    with pytest.raises(NetworkFormatError, match=r"^(?!.*unpacks to)"):
        load(path)


def test_a_real_zip_bomb_of_many_members_is_refused(tmp_path):
    """Eight members of 160 MiB of zeros are 1.25 GiB from about a megabyte; the same bytes serve all of them."""
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a0.npy", "w") as member:
        member.write(npy(np.zeros(0)))
        for _ in range(40):
            member.write(bytes(4 << 20))
    with zipfile.ZipFile(path, "a") as archive:
        for i in range(1, 8):
            again = zipfile.ZipInfo(f"a{i}.npy")
            first = archive.infolist()[0]
            for field in ("compress_type", "CRC", "compress_size", "file_size", "header_offset", "flag_bits"):
                setattr(again, field, getattr(first, field))
            archive.filelist.append(again)
            archive._didModify = True
    assert path.stat().st_size < 1 << 20
    with pytest.raises(NetworkFormatError, match=r"bomb\.npz unpacks to 13\d{8} bytes, above the limit"):
        load(path)


# ---------------------------------------------------------------- damage


@suffixes
def test_a_file_that_ends_early_is_refused_wherever_it_ends(tmp_path, suffix):
    save_network(small(), tmp_path / f"n{suffix}")
    whole, cut = (tmp_path / f"n{suffix}").read_bytes(), tmp_path / f"cut{suffix}"
    # closely through the first and the last bytes, and a sample between
    for size in [
        *range(0, 40, 3),
        *range(40, len(whole) - 40, 101),
        *range(len(whole) - 40, len(whole), 3),
        len(whole) - 1,
    ]:
        cut.write_bytes(whole[:size])
        with pytest.raises(NetworkFormatError, match=rf"cut{suffix} is damaged or not a network file \(.*\); export"):
            load(cut)


@pytest.mark.parametrize("bit", range(8))
def test_no_flipped_bit_in_the_header_of_a_safetensors_file_gets_past_as_another_error(tmp_path, bit):
    """A flip may still spell a valid network; it may not end in anything but a network or a NetworkFormatError."""
    path = write(tmp_path / "n.safetensors")
    whole, flipped = path.read_bytes(), tmp_path / "flipped.safetensors"
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    refused = 0
    for at in range(bit % 4, header, 4):
        changed = bytearray(whole)
        changed[at] ^= 1 << bit
        flipped.write_bytes(changed)
        try:
            load(flipped)
        except NetworkFormatError:
            refused += 1
    assert refused > header / 8, "half of the flips that were tried"


def test_a_flipped_bit_in_the_weights_of_an_npz_is_seen_by_its_checksum(tmp_path):
    path = write(tmp_path / "n.npz")
    raw = bytearray(path.read_bytes())
    raw[raw.find(np.float64(2.0).tobytes())] ^= 1
    path.write_bytes(raw)
    with pytest.raises(
        NetworkFormatError, match=r"n\.npz is damaged or not a network file \(Bad CRC-32.*\); export it"
    ):
        load(path)


@pytest.mark.parametrize("size", [0, 1, 10**8, 2**40, 2**63, 2**64 - 1])
def test_a_header_of_any_declared_size_is_refused(tmp_path, size):
    path = tmp_path / "n.safetensors"
    path.write_bytes(struct.pack("<Q", size) + b"{}")
    with pytest.raises(NetworkFormatError, match=r"n\.safetensors is damaged or not a network file \(.*header"):
        load(path)


@suffixes
@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"not a network\n" * 9, npy(np.ones(3)), b"\x80\x04N."])
def test_another_kind_of_file_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"n{suffix}"
    path.write_bytes(content)
    with pytest.raises(
        NetworkFormatError, match=rf"n{suffix} is damaged or not a network file \(.*\); export it again"
    ):
        load(path)


@pytest.mark.parametrize("offsets", [[8, 24], [0, 8], [0, 10**12], [16, 0]])
def test_a_tensor_that_lies_outside_its_data_is_refused(tmp_path, offsets):
    path = tmp_path / "n.safetensors"
    header = {"__metadata__": text_of(), "fc.weight": {"dtype": "F64", "shape": [1, 2], "data_offsets": offsets}}
    body = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(body)) + body + bytes(16))
    with pytest.raises(NetworkFormatError, match=r"n\.safetensors is damaged or not a network file"):
        load(path)


def repacked(path, **changed):
    """The hand-made archive with members replaced by the given bytes, or added."""
    write(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | changed).items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["x.bin", "__metadata__.npy", "fc.weight.npy"])
def test_a_member_of_an_npz_that_is_no_array_is_refused(tmp_path, name):
    with pytest.raises(NetworkFormatError, match=r"n\.npz is damaged or not a network file \(.*magic string"):
        load(repacked(tmp_path / "n.npz", **{name: b"abc"}))


@pytest.mark.parametrize("length", [100, 10**9, 10**15, 10**30])
def test_an_array_that_promises_more_than_it_holds_is_refused_before_it_is_allocated(tmp_path, length):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({length},)}}".ljust(117).encode() + b"\n"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    message = r"n\.npz: fc\.weight\.npy promises more data than it holds; export it again\."
    with pytest.raises(NetworkFormatError, match=message):
        load(repacked(tmp_path / "n.npz", **{"fc.weight.npy": member}))


@pytest.mark.parametrize(
    ("local", "central", "value", "reason"),
    [(6, 8, 1, "is encrypted, password required"), (8, 10, 99, "compression method is not supported")],
)
def test_an_encrypted_or_oddly_compressed_member_is_refused(tmp_path, local, central, value, reason):
    """Bytes 6 and 8 of a local header are its flags and its method; the directory has them at 8 and 10."""
    path = write(tmp_path / "n.npz")
    raw = bytearray(path.read_bytes())
    raw[raw.find(b"PK\x03\x04") + local] = raw[raw.find(b"PK\x01\x02") + central] = value
    path.write_bytes(raw)
    with pytest.raises(NetworkFormatError, match=rf"n\.npz is damaged or not a network file \(.*{reason}"):
        load(path)


@pytest.mark.parametrize("bit", range(0, 8, 3))
def test_no_flipped_bit_in_a_compressed_npz_gets_past_as_another_error(tmp_path, bit):
    """zlib, zipfile and numpy each fail in their own way; what comes out is a network or a NetworkFormatError."""
    whole, flipped = tmp_path / "n.npz", tmp_path / "flipped.npz"
    np.savez_compressed(whole, __metadata__=np.array(json.dumps(text_of())), **TENSORS)
    assert_same_network(load(whole), Network((Linear("fc", TENSORS["fc.weight"], TENSORS["fc.bias"]),)))
    raw, refused = whole.read_bytes(), 0
    tried = range(28, len(raw), 2)
    for at in tried:
        changed = bytearray(raw)
        changed[at] ^= 1 << bit
        flipped.write_bytes(changed)
        try:
            load(flipped)
        except NetworkFormatError:
            refused += 1
    # the checksum covers the data; times and attributes in the headers are not read
    assert refused > len(tried) / 2


def write_one(path, dtype, data):
    header = {"__metadata__": text_of(), "fc.bias": {"dtype": dtype, "shape": [1], "data_offsets": [0, len(data)]}}
    body = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(body)) + body + data)
    return path


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "F8_E8M0"])
def test_a_number_type_whose_scale_is_elsewhere_is_refused(tmp_path, dtype):
    with pytest.raises(NetworkFormatError, match=rf"tensor 'fc\.bias' has type {dtype}; a network file holds F64, F32"):
        load(write_one(tmp_path / "n.safetensors", dtype, b"\0"))


def test_bfloat16_is_widened_exactly(tmp_path):
    """A bfloat16 is the upper half of a float32: sign, 8 bits of exponent, 7 of mantissa."""
    network = Network((Linear("fc", [[1.5, -2.0]], [0.0078125]),))
    save_network(network, tmp_path / "n.safetensors")
    with safe_open(tmp_path / "n.safetensors", "np") as file:
        text = file.metadata()
    halves = {"fc.weight": ([1, 2], [0x3FC0, 0xC000]), "fc.bias": ([1], [0x3C00])}
    header, data = {"__metadata__": text}, b""
    for name, (shape, words) in halves.items():
        part = np.array(words, "<u2").tobytes()
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    body = json.dumps(header).encode()
    (tmp_path / "b.safetensors").write_bytes(struct.pack("<Q", len(body)) + body + data)
    layer = load(tmp_path / "b.safetensors").layer("fc")
    assert_array_equal(layer.weight, network.layers[0].weight)
    assert_array_equal(layer.bias, network.layers[0].bias)
