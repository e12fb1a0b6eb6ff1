"""The readers, each with seeds that it accepts, how a file is put together, and what an accepted input must mean.

`check` returns whether the input was accepted. It lets any error but ours through (a crash), and raises Silent if an
accepted input doesn't survive a round trip, or doesn't mean what an independent reading of it says.
"""

import hashlib
import io
import json
import re
import struct
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import tomli_w
from safetensors.numpy import save_file

from analogrnn import library
from analogrnn.campaign.chunks import MAGIC, Chunk, decode, encode
from analogrnn.convert import Checkpoint, build_network, guess_spec, parse_spec, read_checkpoint, read_spec
from analogrnn.datasets import Clips, Sequences, read_data
from analogrnn.errors import AnalogrnnError
from analogrnn.network import Cmru, InputEncoding, Linear, Network, Pooling
from analogrnn.network.files import load, save_network
from analogrnn.spice.engine import check_deck
from analogrnn.spice.raw import read_raw
from analogrnn.sweep.specs import read_specs
from analogrnn.technology import load_technology
from analogrnn.units import parse


class Silent(AssertionError):  # noqa: N818 (it names the fault that is looked for)
    """An accepted input that means something else than it says."""


@dataclass(frozen=True)
class Reader:
    """parts: a seed in pieces that are edited apart; whole: puts them together; read: reads a file and checks it."""

    name: str
    seeds: Sequence[Sequence[bytes]]
    whole: Callable[[Sequence[bytes]], bytes]
    read: Callable[[bytes, Path], None]

    def check(self, data: bytes, folder: Path) -> bool:
        try:
            self.read(data, folder)
        except AnalogrnnError:
            return False
        return True


def _join(parts: Sequence[bytes]) -> bytes:
    return b"".join(parts)


def _put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


# ---------------------------------------------------------------- checkpoints of other frameworks


def _tensors() -> dict[str, np.ndarray]:
    cell = {"weight": np.array([[1.0, -0.5], [0.25, 2.0]]), "bias": np.array([0.5, 0.0]), "alpha": np.ones(2)}
    tensors = {f"module.cell.{name}": value for name, value in cell.items()}
    head = {"module.out.kernel": np.array([[1.0], [2.0]], np.float32), "optimizer.step": np.array(3)}
    return tensors | {"module.cell.threshold": np.array([0.5, 1.0])} | head


def _seed_checkpoint(folder: Path, suffix: str) -> list[bytes]:
    path = folder / f"foreign{suffix}"
    if suffix == ".npz":
        np.savez(path, **_tensors())
        return _seed_zip(path.read_bytes())
    if suffix == ".pt":
        import torch

        torch.save({"state_dict": {name: torch.tensor(value) for name, value in _tensors().items()}, "epoch": 1}, path)
        return _seed_zip(path.read_bytes())
    save_file(_tensors(), path)
    content = path.read_bytes()
    end = 8 + struct.unpack("<Q", content[:8])[0]
    return [content[8:end], content[end:]]


def _read_checkpoint(suffix: str) -> Callable[[bytes, Path], None]:
    def read(data: bytes, folder: Path) -> None:
        found = read_checkpoint(_put(folder, f"in{suffix}", data))
        np.savez(folder / "again.npz", **{f"t{i}": array for i, array in enumerate(found.tensors.values())})
        again = read_checkpoint(folder / "again.npz").tensors.values()
        if any(one.tobytes() != other.tobytes() for one, other in zip(found.tensors.values(), again, strict=True)):
            raise Silent("written again, the tensors are others")
        if suffix == ".npz":
            with np.load(folder / f"in{suffix}") as arrays:
                for short, name in found.given.items():
                    plain = arrays[name]
                    if plain.dtype.kind != "V" and not np.array_equal(plain, found.tensors[short], equal_nan=True):
                        raise Silent(f"{name} is not what the file holds")
        parse_spec(guess_spec(found).text)

    return read


_SPEC = (
    b'name = "seed"\nignore = ["spare"]\n',
    b"[encoding]\nmean = [0.0, 1.0]\nscale = [1.0, 2.0]\nframes = 4\nramp = false\n",
    b'[[layer]]\nkind = "cmru"\nname = "cell"\nk_min = -2\nk_max = [1, 2]\nalpha = "abs(-cell.alpha[0:2])"\n',
    b'[[layer]]\nkind = "pooling"\nname = "pool"\nmode = "mean"\n',
    b'[[layer]]\nkind = "linear"\nname = "out"\nsources = ["pool"]\n',
)


def _read_spec(data: bytes, folder: Path) -> None:
    tensors = {name.removeprefix("module."): np.asarray(value, float) for name, value in _tensors().items()}
    checkpoint = Checkpoint("seed", tensors, {name: name for name in tensors}, {})
    network = build_network(checkpoint, read_spec(_put(folder, "in.toml", data))).network
    given = tomllib.loads(data.decode())["layer"]
    if [layer["name"] for layer in given] != [layer.name for layer in network.layers]:
        raise Silent("the layers have other names than the spec gives")
    for layer in given:
        for key in ("k_min", "k_max", "eps", "mode", "function"):
            # levels that are equal in all units are kept as one number
            if key in layer and not np.all(np.asarray(layer[key]) == getattr(network.layer(layer["name"]), key)):
                raise Silent(f"{key} is not what the spec says")
    save_network(network, folder / "out.npz")
    if _meaning(load(folder / "out.npz")) != _meaning(network):
        raise Silent("a saved network is another one")


# ---------------------------------------------------------------- networks


def _network() -> Network:
    cell = Cmru("cell", [[1.0, -0.5], [0.25, 2.0]], [0.1, 0.0], [0.5, 1.0], [1.0, 1.0], k_min=-2, k_max=2)
    encoding = InputEncoding([0.5], [2.0], frames=4)
    return Network((cell, Pooling("pool"), Linear("out", [[1.0, 2.0]], [0.5])), encoding, {"name": "seed", "n": 1.5})


def _safetensors(parts: Sequence[bytes]) -> bytes:
    return struct.pack("<Q", len(parts[0])) + _join(parts)


def _seed_safetensors(folder: Path) -> list[bytes]:
    save_network(_network(), folder / "seed.safetensors")
    content = (folder / "seed.safetensors").read_bytes()
    end = 8 + struct.unpack("<Q", content[:8])[0]
    return [content[8:end], content[end:]]


def _zip(parts: Sequence[bytes]) -> bytes:
    """Parts are names and members in turn."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in zip(parts[::2], parts[1::2], strict=True):
            archive.writestr(name.decode("latin-1").replace("\0", "_") or "_", data)
    return out.getvalue()


def _seed_zip(content: bytes) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [part for name in archive.namelist() for part in (name.encode(), archive.read(name))]


def _seed_npz(folder: Path) -> list[bytes]:
    save_network(_network(), folder / "seed.npz")
    return _seed_zip((folder / "seed.npz").read_bytes())


def _meaning(network: Network) -> list[object]:
    def of(record: object) -> list[object]:
        values = [(item.name, getattr(record, item.name)) for item in fields(record)]  # type: ignore[arg-type]
        return [(k, v.tobytes() if isinstance(v, np.ndarray) else v) for k, v in values]

    encoding = None if network.encoding is None else of(network.encoding)
    return [[(layer.kind, of(layer)) for layer in network.layers], encoding, json.dumps(dict(network.metadata))]


def _read_network(suffix: str) -> Callable[[bytes, Path], None]:
    def read(data: bytes, folder: Path) -> None:
        network = load(_put(folder, f"in{suffix}", data))
        save_network(network, folder / f"out{suffix}")
        if _meaning(load(folder / f"out{suffix}")) != _meaning(network):
            raise Silent("a saved network is another one")
        if suffix == ".npz":
            with np.load(folder / f"in{suffix}") as arrays:
                for layer in network.layers:
                    for key in ("weight", "bias", "threshold"):
                        name = f"{layer.name}.{key}"
                        if name in arrays and not np.array_equal(arrays[name].astype(float), getattr(layer, key)):
                            raise Silent(f"{name} is not what the file holds")

    return read


# ---------------------------------------------------------------- inputs


def _seed_inputs() -> list[list[bytes]]:
    x, frames = np.linspace(-1.0, 1.0, 12).reshape(3, 2, 2), np.linspace(-1.0, 1.0, 10).reshape(5, 2)
    return [
        _seed_archive(x=x, labels=np.array([0, 1])),
        _seed_archive(features=frames, lengths=np.array([2, 3]), labels=np.array([0, 1, 1, 0, 1])),
        _seed_archive(features=frames, lengths=np.array([2, 3]), targets=np.array([[0.5], [0.25]])),
    ]


def _seed_archive(**arrays: np.ndarray) -> list[bytes]:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return _seed_zip(out.getvalue())


def _inputs(data: bytes, folder: Path) -> None:
    path = _put(folder, "inputs.npz", data)
    found = read_data(path, "inputs", 2)
    given = {"x": found.x} if isinstance(found, Clips) else {"features": np.concatenate(found.features)}
    if isinstance(found, Sequences):
        given["lengths"] = found.lengths
    for name in ("labels", "targets"):
        if len(getattr(found, name, ())):
            given[name] = getattr(found, name)
    # not np.load, which looks at the first bytes: a zip file may start with others
    with path.open("rb") as file, np.lib.npyio.NpzFile(file) as arrays:
        for name, value in given.items():
            if not np.array_equal(np.ravel(value), np.ravel(arrays[name]), equal_nan=True):
                raise Silent(f"{name} is not what the file holds")
        if any(name in arrays and name not in given for name in ("labels", "targets")):
            raise Silent("labels or targets of the file are missing")


# ---------------------------------------------------------------- TOML


def _calibration(data: bytes, folder: Path) -> None:
    path = _put(folder, "c.toml", data)
    technology = load_technology(path)
    content = tomllib.loads(data.decode())
    for name in ("supply", "slope_n", "a_vt_n", "noise_density", "i_max"):
        if getattr(technology, name) != content[name]["value"]:
            raise Silent(f"{name} is not what the file holds")


def _quantity(text: object, unit: str) -> Decimal:
    """An independent reading of a quantity."""
    if not isinstance(text, str):
        return Decimal(repr(text))
    found = re.fullmatch(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([^\W\d_]*)\s*", text)
    if found is None:
        raise Silent(f"{text!r} was read as a quantity")
    word = found[2]
    word = word.removesuffix(unit) if unit != "1" else word
    powers = {
        "y": -24,
        "z": -21,
        "a": -18,
        "f": -15,
        "p": -12,
        "n": -9,
        "u": -6,
        "\u00b5": -6,
        "\u03bc": -6,
        "m": -3,
        "": 0,
    }
    powers |= {"k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "Z": 21, "Y": 24}
    if word not in powers:
        raise Silent(f"{text!r} was read in {unit}")
    return Decimal(found[1]).scaleb(powers[word])


def _specs(data: bytes, folder: Path) -> None:
    path = _put(folder, "s.toml", data)
    file = read_specs(path)
    content = tomllib.loads(data.decode())
    for spec, line in zip(file.specs, content["spec"], strict=True):
        for key, value in (("min", spec.least), ("typ", spec.typical), ("max", spec.most)):
            if (value is None) != (key not in line):
                raise Silent(f"{key} came or went")
            if value is not None and value != float(_quantity(line[key], spec.about.unit)):
                raise Silent(f"{key} = {line[key]!r} was read as {value}")
    if read_specs(_put(folder, "again.toml", tomli_w.dumps(content).encode())) != file:
        raise Silent("written again, it is another specification")


# ---------------------------------------------------------------- quantities, decks


def _quantities(data: bytes, folder: Path) -> None:
    text, unit = data.decode("utf-8", "replace"), ("A", "s", "V", "m", "K", "C", "1")[len(data) % 7]
    value = parse(text, unit)
    if value != float(_quantity(text, unit)):
        raise Silent(f"{text!r} was read as {value} {unit}")


_DECK = b"""* seed
.include models.inc
.param r=1k c={1n}
V1 in 0 PWL(0 0 1e-6 1)
R1 in out {r}
C1 out 0 1n
+ ic=0
.save v(out) i(v1)
.tran 1e-9 1e-6
.end
"""
_FORBIDDEN = re.compile(r"\.control|`|\*#|^\s*(shell|write|source|load|quit|set|alter)\b", re.IGNORECASE)


def _deck(data: bytes, folder: Path) -> None:
    text = data.decode("utf-8", "replace")
    check_deck(text, files=("models.inc",))
    for line in text.split("\n")[1:]:
        if _FORBIDDEN.search(line) or (found := re.match(r"(?i)\s*\.(?:inc|include|lib)\s+(\S+)\s+\S+", line)):
            raise Silent(f"{line!r} may enter")
        found = re.match(r"(?i)\s*\.inc(?:lude)?\s+[\"']?([^\"'\s]+)", line)
        if found and found[1] != "models.inc":
            raise Silent(f"{line!r} may be read")


# ---------------------------------------------------------------- raw files, campaigns


def _raw_header(flags: str, points: int = 3) -> bytes:
    return (
        f"Title: seed\nDate: today\nPlotname: Transient Analysis\nFlags: {flags}\nNo. Variables: 2\n"
        f"No. Points: {points}\nVariables:\n\t0\ttime\ttime\n\t1\tv(out)\tvoltage\n"
    ).encode()


_VALUES = np.array([[0.0, 1.0], [0.5, 2.0], [1.0, -3.0]])
_RAW = (
    (_raw_header("real"), b"Binary:\n", _VALUES.tobytes()),
    (_raw_header("real fastaccess"), b"Binary:\n", _VALUES.T.tobytes()),
    (_raw_header("complex"), b"Binary:\n", _VALUES.astype(complex).tobytes()),
    (_raw_header("real"), b"Values:\n", b"0\t0\n\t1\n\n1\t0.5\n\t2\n\n2\t1\n\t-3\n\n"),
)


def _raw(data: bytes, folder: Path) -> None:
    plots = read_raw(_put(folder, "r.raw", data))
    for plot in plots:
        for name, values in plot.signals.items():
            if values.shape != plot.axis.shape or plot[name] is not values:
                raise Silent(f"{name} has another length than the axis")
    head, marker, tail = data.partition(b"\nBinary:\n")
    if len(plots) == 1 and marker and b"Values:" not in head:
        wide = 16 if re.search(rb"(?i)flags:[^\n]*complex", head) else 8
        count = sum(1 for _ in plots[0].signals) + (plots[0].axis_name != "point")
        if len(tail.rstrip(b"\r\n\t ")) > count * len(plots[0].axis) * wide:
            raise Silent("bytes behind the plot were not read")
        values = np.frombuffer(tail, "<c16" if wide == 16 else "<f8", count * len(plots[0].axis))
        by_variable = re.search(rb"(?i)flags:[^\n]*fastaccess", head) is not None
        table = values.reshape(count, -1) if by_variable else values.reshape(-1, count).T
        first = count - len(plots[0].signals)
        for row, column in zip(table[first:], plots[0].signals.values(), strict=True):
            if row.tobytes() != column.tobytes():
                raise Silent("a signal holds the values of another")


def _checked(parts: Sequence[bytes]) -> bytes:
    body = _join(parts)
    return MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _seed_chunk() -> list[bytes]:
    chunk = Chunk(np.arange(3), {"classes": np.ones((3, 2), np.int16), "loss": np.linspace(0, 1, 3)})
    head, _, rest = encode(chunk, "a" * 64)[len(MAGIC) + 65 :].partition(b"\n")
    return [head, b"\n" + rest]


def _chunk(data: bytes, folder: Path) -> None:
    chunk, campaign = decode(data, folder / "x.chunk")
    again, owner = decode(encode(chunk, campaign), folder / "x.chunk")
    same = owner == campaign and np.array_equal(again.items, chunk.items) and set(again.arrays) == set(chunk.arrays)
    if not same or any(
        again.arrays[k].tobytes() != v.astype(again.arrays[k].dtype).tobytes() for k, v in chunk.arrays.items()
    ):
        raise Silent("written again, it is another chunk")


def readers(folder: Path) -> list[Reader]:
    """All readers; `folder` takes the files that seeds are made from."""
    calibration = [part + b"\n\n" for part in library.calibration_path("gf180mcu").read_bytes().split(b"\n\n")]
    specs = (
        b'name = "seed"\n',
        b'[bench]\nstage = "standard"\nstages = 4\nperiod = "10ms"\nhold = 0.5\n',
        b'[conditions]\ncorner = ["typical", "ss"]\ntemperature = ["27C", "-20 C"]\nsupply = ["1.8V"]\n',
        b'[[spec]]\nparameter = "stage_power"\nunit = "W"\nmax = "5nW"\n',
        b'[[spec]]\nparameter = "up_threshold"\nunit = "beta"\nmin = 0.5\ntyp = "1 beta"\nmax = 1.5\ncorner = "ss"\n',
    )
    texts = (b"10nA", b"1.5 ms", b"4um", b"-20 C", b"300 K", b"1e-9", b"2.2p", b"0.5", b"1 MHz", b"+.5u")
    foreign = [(".safetensors", _safetensors), (".npz", _zip)]
    if find_spec("torch") is not None:
        foreign.append((".pt", _zip))
    return [
        Reader("network.safetensors", [_seed_safetensors(folder)], _safetensors, _read_network(".safetensors")),
        Reader("network.npz", [_seed_npz(folder)], _zip, _read_network(".npz")),
        *(Reader(f"import{s}", [_seed_checkpoint(folder, s)], put, _read_checkpoint(s)) for s, put in foreign),
        Reader("import spec", [_SPEC], _join, _read_spec),
        Reader("inputs.npz", _seed_inputs(), _zip, _inputs),
        Reader("calibration", [calibration], _join, _calibration),
        Reader("specification", [specs], _join, _specs),
        Reader("quantity", [(text,) for text in texts], _join, _quantities),
        Reader("raw", _RAW, _join, _raw),
        Reader("deck", [_DECK.splitlines(keepends=True)], _join, _deck),
        Reader("checkpoint", [_seed_chunk()], _checked, _chunk),
    ]
