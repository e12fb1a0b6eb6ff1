"""Readers of checkpoints: `.safetensors`, `.npz`, and torch's `.pt` where torch is installed. Nothing is executed.

Every reader gives named float64 arrays. A pickle is never loaded: `.pt` files are read with `weights_only=True`, whose
reader knows tensors and plain containers only.
"""

import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import deserialize

from analogrnn.convert.names import canonical, of_optimizer, path_of
from analogrnn.errors import AnalogrnnError, MissingDependencyError, NetworkFormatError, plain_array
from analogrnn.network.files import MAX_BYTES, load_network

TORCH_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin")
SUFFIXES = (".safetensors", ".npz", *TORCH_SUFFIXES)
_DEEPEST, _MOST_ENTRIES = 20, 100_000  # of containers within containers, far above those of a real checkpoint
# types of tensors in a .safetensors file that numpy has, by their code
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "?"} | {
    f"{code}{8 * size}": f"<{kind}{size}" for code, kind in (("I", "i"), ("U", "u")) for size in (1, 2, 4, 8)
}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The parameters of a checkpoint under short names (see `analogrnn.convert.names`).

    They stand in the order of the file; a `.safetensors` file has none (`ordered` is False), so there by name.
    """

    source: str
    tensors: Mapping[str, np.ndarray] = field(metadata={"doc": "float64 arrays by short name"})
    given: Mapping[str, str] = field(metadata={"doc": "name in the file by short name"})
    dropped: Mapping[str, str] = field(metadata={"doc": "entries that are no parameters, with the reason"})
    ordered: bool = True

    def find(self, name: str) -> str | None:
        """The short name of a tensor that is written with or without its wrappers; None if there is none."""
        short = ".".join(path_of(name))
        if short in self.tensors:
            return short
        return next(
            (key for key, given in self.given.items() if given == name or ".".join(path_of(given)) == short), None
        )


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read the named arrays of a checkpoint.

    Optimizer entries and settings that are no arrays are set aside, each with its reason. bfloat16 is widened.
    Raises NetworkFormatError for a file that is missing, damaged, a pickle, too large when unpacked, or of another
    type; MissingDependencyError for a `.pt` file without torch.
    """
    source = Path(path)
    if source.suffix not in SUFFIXES:
        hint = " A pickle can run any code when it is loaded, so it is never read." if _is_pickle(source) else ""
        raise NetworkFormatError(
            f"{source} ends in {source.suffix!r}; a checkpoint ends in {', '.join(SUFFIXES)}: save its arrays with "
            f"safetensors or numpy.savez.{hint}"
        )
    try:
        if not source.is_file():
            raise NetworkFormatError(f"{source} is {'not a file' if source.exists() else 'not there'}.")
        if source.stat().st_size > MAX_BYTES:
            raise NetworkFormatError(f"{source} has {source.stat().st_size} bytes, above the limit of {MAX_BYTES}.")
        entries, settings = _READERS.get(source.suffix, _read_torch)(source)
    except AnalogrnnError:
        raise
    except Exception as error:  # whatever is wrong with the file, each library says it in its own way
        if _is_pickle(source):
            raise NetworkFormatError(_pickle_text(source)) from error
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise NetworkFormatError(f"{source} is damaged or no checkpoint ({reason}); save it again.") from error
    return _checkpoint(str(source), entries, settings)


def is_network_file(path: str | Path) -> bool:
    """Whether a file is a network file of this package, which needs no import."""
    try:
        load_network(Path(path))
    except AnalogrnnError:
        return False
    return True


def _checkpoint(source: str, entries: Mapping[str, np.ndarray], settings: Mapping[str, str]) -> Checkpoint:
    dropped = dict(settings) | {name: "state of an optimizer" for name in entries if of_optimizer(path_of(name))}
    kept = [name for name in entries if name not in dropped]
    if not kept:
        raise NetworkFormatError(f"{source} holds no tensors; save the parameters of the network.")
    short = canonical(kept)
    tensors = {short[name]: entries[name] for name in kept}
    ordered = not source.endswith(".safetensors")
    return Checkpoint(source, tensors, {short[name]: name for name in kept}, dropped, ordered)


def _is_pickle(source: Path) -> bool:
    try:
        with source.open("rb") as file:
            return file.read(1) == b"\x80"
    except OSError:
        return False


def _pickle_text(source: Path) -> str:
    return (
        f"{source} is a pickle, which can run any code when it is loaded, so it is never read; save its arrays with "
        "safetensors or numpy.savez (torch.save of torch 1.6 and later writes another format, which is read)."
    )


# ---------------------------------------------------------------- safetensors

Entries = tuple[dict[str, np.ndarray], dict[str, str]]  # arrays; settings with a reason


def _read_safetensors(source: Path) -> Entries:
    found: dict[str, np.ndarray] = {}
    for name, view in deserialize(source.read_bytes()):  # type: ignore[no-untyped-call]
        kind, shape = view["dtype"], view["shape"]
        if kind == "BF16":
            array = _bfloat16(np.frombuffer(view["data"], "<u2"))
        elif kind in _TYPES:
            array = np.frombuffer(view["data"], _TYPES[kind])
        else:
            raise NetworkFormatError(f"{source}: tensor {name!r} has type {kind}; save it as float32.")
        found[name] = plain_array(f"tensor {name!r}", array.reshape(shape))
    # the library gives them in another order each time
    return dict(sorted(found.items(), key=lambda item: _by_number(item[0]))), {}


def _by_number(name: str) -> list[tuple[int, str]]:
    """A key that sorts `layer.2` before `layer.10`."""
    return [(int(part), "") if part.isdecimal() and len(part) < 10 else (-1, part) for part in re.split(r"(\d+)", name)]


def _bfloat16(bits: np.ndarray) -> np.ndarray:
    """float32 values of bfloat16 bits (uint16): the upper half of a float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


# ---------------------------------------------------------------- npz


def _read_npz(source: Path) -> Entries:
    with zipfile.ZipFile(source) as archive:
        _check_unpacked(source, archive)
        for info in archive.infolist():
            _check_member(source, archive, info)
    found: dict[str, np.ndarray] = {}
    settings: dict[str, str] = {}
    with np.load(source, allow_pickle=False) as data:
        if len(set(data.files)) != len(data.files):
            raise NetworkFormatError(f"{source} holds a name twice; save it again.")
        for name in data.files:
            array = data[name]
            if array.dtype.kind in "US":
                settings[name] = "text"
            elif array.dtype == np.dtype("V2"):  # what numpy.savez makes of bfloat16
                found[name] = plain_array(f"tensor {name!r}", _bfloat16(array.view("<u2")))
            else:
                found[name] = plain_array(f"tensor {name!r}", array)
    return found, settings


def _check_unpacked(source: Path, archive: zipfile.ZipFile) -> None:
    unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > MAX_BYTES:
        raise NetworkFormatError(f"{source} unpacks to {unpacked} bytes, above the limit of {MAX_BYTES}.")


def _check_member(source: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Refuse Python objects, and a header that promises more than the member holds: numpy would allocate it."""
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(member)
    if dtype.hasobject:
        raise NetworkFormatError(
            f"{source}: {info.filename.removesuffix('.npy')!r} holds Python objects, which only a pickle can hold and "
            "which are never read; flatten a nested tree first, as with flax.traverse_util.flatten_dict(tree, sep='.')."
        )
    if math.prod(shape) * dtype.itemsize > info.file_size:
        raise NetworkFormatError(f"{source}: {info.filename} promises more data than it holds; save it again.")


# ---------------------------------------------------------------- torch


def _read_torch(source: Path) -> Entries:
    if not zipfile.is_zipfile(source):
        raise NetworkFormatError(
            _pickle_text(source) if _is_pickle(source) else f"{source} is no file of torch.save; save it again."
        )
    with zipfile.ZipFile(source) as archive:
        _check_unpacked(source, archive)
    try:
        import torch  # noqa: PLC0415 (an optional dependency that costs a second)
    except ImportError as error:
        raise MissingDependencyError(
            f"{source} is a file of torch, which is not installed; install torch, or save it with safetensors."
        ) from error
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:
        if "weights_only" in str(error) or "Unsupported" in str(error):
            raise NetworkFormatError(
                f"{source} holds more than tensors and plain containers, and would run code when it is loaded; "
                "save model.state_dict() alone. Nothing of it was executed."
            ) from error
        raise
    found: dict[str, np.ndarray] = {}
    settings: dict[str, str] = {}
    for name, value in _flat(source, content):
        if not hasattr(value, "layout"):
            settings[name] = f"a setting: {value!r:.40}"
            continue
        if value.numel() * 8 > MAX_BYTES:  # a view of one value can have any size
            raise NetworkFormatError(f"{source}: tensor {name!r} has {value.numel()} values; that is above the limit.")
        found[name] = plain_array(f"tensor {name!r}", value)
    return found, settings


def _flat(source: Path, content: Any) -> list[tuple[str, Any]]:
    """The leaves of nested containers, with their paths joined by `.`, in order."""
    leaves: list[tuple[str, Any]] = []
    open_: list[tuple[tuple[str, ...], Any]] = [((), content)]
    for _ in range(_MOST_ENTRIES):
        if not open_:
            return leaves
        path, value = open_.pop()
        if len(path) > _DEEPEST:
            raise NetworkFormatError(f"{source} nests its containers more than {_DEEPEST} deep; save a state_dict.")
        if isinstance(value, Mapping):
            items = [(key if isinstance(key, tuple) else (key,), part) for key, part in value.items()]
        elif isinstance(value, list | tuple):
            items = [((i,), part) for i, part in enumerate(value)]
        else:
            leaves.append((".".join(path), value))
            continue
        open_ += [((*path, *map(str, key)), part) for key, part in reversed(items)]
    raise NetworkFormatError(f"{source} has more than {_MOST_ENTRIES} entries; save a state_dict.")


_READERS = {".safetensors": _read_safetensors, ".npz": _read_npz}
