"""Network files: `.safetensors`, or `.npz` with the same tensors. Never pickle.

Format versions 1 and 2. Tensors are named `<layer>.<field>` and `encoding.<field>` (float64, float32, float16 or, in
safetensors, bfloat16). Three text entries are in the safetensors metadata, or in the 0-d text array `__metadata__` of
an `.npz`:

    format    "analogrnn-network"
    version   "1" or "2"
    network   JSON {"layers": [{"kind", "name", <scalars>}...], "encoding": {<scalars>} or null, "metadata": {...}}

Array fields and scalars are those of the records in `analogrnn.network.kinds` and `InputEncoding`. Version 1 holds a
chain of layers. In version 2 a layer may have `sources`, a list of names of earlier layers or "input"; there are more
kinds of layers, floors of thresholds, and ends of the ladders per unit. A network is written in the lowest version that
holds it.
"""

import contextlib
import json
import math
import os
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import deserialize, safe_open
from safetensors.numpy import save as save_safetensors

from analogrnn import library
from analogrnn.errors import AnalogrnnError, NetworkFormatError, OutputError, plain_array
from analogrnn.network.encoding import InputEncoding
from analogrnn.network.kinds import LAYER_TYPES, Layer
from analogrnn.network.layers import Activation, Deviation, Glu, LayerNorm, Pooling, Scale
from analogrnn.network.model import Network
from analogrnn.network.recurrent import Cmru

FORMAT, VERSION = "analogrnn-network", 2
MAX_BYTES = 1 << 30
SUFFIXES = (".safetensors", ".npz")
_META = "__metadata__"
_FLOATS = ("F64", "F32", "F16", "BF16")  # types of tensors in a .safetensors file, all read as float64


def load_network(source: str | Path) -> Network:
    """Read a shipped network by name, or a network file by path (a name that ends in `.safetensors` or `.npz`).

    >>> network = ar.load_network("digits_d16_k2")

    Raises ParameterError for a name that is not shipped, NetworkFormatError for a file that holds no network.
    """
    is_path = isinstance(source, Path) or source.endswith(SUFFIXES)
    return load(source if is_path else library.network_path(str(source)))


def save_network(network: Network, path: str | Path) -> None:
    """Write `network` to `path` atomically; the suffix chooses `.safetensors` or `.npz`.

    >>> ar.save_network(network, folder / "mine.safetensors")

    Raises OutputError if the file can't be written, NetworkFormatError for another suffix.
    """
    target = Path(path)
    tensors, text = _disassemble(network)
    suffix = _suffix(target)
    # beside the target, so that the rename is atomic
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as out:
            if suffix == ".npz":
                np.savez(out, **{_META: np.array(json.dumps(text))}, **tensors)  # type: ignore[arg-type]
            else:
                out.write(save_safetensors(tensors, metadata=text))
        os.replace(part, target)
    except OSError as error:
        raise OutputError(f"can't write {target}: {error.strerror or error}; choose another path.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def load(path: str | Path) -> Network:
    """Read a network. Raises NetworkFormatError if the file is missing, damaged, hostile or of another version."""
    source = Path(path)
    suffix = _suffix(source)
    try:
        size = source.stat().st_size
        if not source.is_file():
            raise NetworkFormatError(f"{source} is not a file.")
        if size > MAX_BYTES:
            raise NetworkFormatError(f"{source} has {size} bytes, above the limit of {MAX_BYTES}.")
        tensors, text = _read_npz(source) if suffix == ".npz" else _read_safetensors(source)
    except AnalogrnnError:
        raise
    except OSError as error:
        raise NetworkFormatError(f"can't read {source}: {error.strerror or error}.") from error
    except (
        Exception
    ) as error:  # a hostile file may fail anywhere in the readers of numpy, zipfile, zlib and safetensors
        raise NetworkFormatError(f"{source} is damaged or not a network file ({error}); export it again.") from error
    try:
        return _assemble(tensors, text)
    except (AnalogrnnError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise NetworkFormatError(f"{source}: {error}") from error


def _disassemble(network: Network) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    tensors: dict[str, np.ndarray] = {}
    layers = [{"kind": layer.kind, **_split_fields(layer, layer.name, tensors)} for layer in network.layers]
    encoding = None if network.encoding is None else _split_fields(network.encoding, "encoding", tensors)
    body = {"layers": layers, "encoding": encoding, "metadata": dict(network.metadata)}
    return tensors, {"format": FORMAT, "version": str(_version(network)), "network": json.dumps(body)}


def _version(network: Network) -> int:
    """The lowest version that holds a network."""

    def later(layer: Layer) -> bool:
        match layer:
            case Scale() | LayerNorm() | Deviation() | Activation() | Glu():
                return True
            case Pooling():
                return bool(layer.sources) or layer.mode == "vote"
            case Cmru():
                by_unit = any(isinstance(end, np.ndarray) for end in (layer.k_min, layer.k_max))
                return bool(layer.sources) or by_unit or layer.threshold_floor is not None
        return bool(layer.sources)

    return 2 if any(later(layer) for layer in network.layers) else 1


def _split_fields(record: Any, prefix: str, tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    """Put the arrays of a record into `tensors`; return its scalars."""
    scalars: dict[str, Any] = {}
    for item in fields(record):
        value = getattr(record, item.name)
        if isinstance(value, np.ndarray):
            tensors[f"{prefix}.{item.name}"] = np.ascontiguousarray(value)
        elif value is not None and value != ():
            scalars[item.name] = value
    return scalars


def _assemble(tensors: dict[str, np.ndarray], text: dict[str, str]) -> Network:
    if text.get("format") != FORMAT:
        raise NetworkFormatError(f"format = {text.get('format')!r} is not {FORMAT!r}; save it with this package.")
    versions = range(1, VERSION + 1)
    if text.get("version") not in (*map(str, versions), *versions) or isinstance(text.get("version"), bool | float):
        raise NetworkFormatError(
            f"format version {text.get('version')!r} is unknown here (this version reads 1 to {VERSION}); "
            "update analogrnn, or save it again with an older one."
        )
    body = json.loads(text.get("network", "null"))
    shapes = {"layers": list, "encoding": dict | None, "metadata": dict | None}
    if not isinstance(body, dict) or not all(isinstance(body.get(key), kind) for key, kind in shapes.items()):
        raise NetworkFormatError(
            "the entry 'network' is not a JSON object with a list of layers. Encoding and metadata are objects or null."
        )
    left = dict(tensors)
    layers = tuple(_layer(spec, left) for spec in body["layers"])
    encoding = None
    if body.get("encoding") is not None:
        encoding = _record(InputEncoding, "encoding", body["encoding"], left)
    if left:
        raise NetworkFormatError(f"tensor {sorted(left)[0]!r} belongs to no layer; remove it.")
    return Network(layers, encoding, body.get("metadata") or {})


def _layer(spec: Any, left: dict[str, np.ndarray]) -> Layer:
    kind = spec.get("kind") if isinstance(spec, dict) else spec
    if not isinstance(spec, dict) or not isinstance(kind, str) or kind not in LAYER_TYPES:
        raise NetworkFormatError(f"layer kind {kind!r} is unknown; known: {sorted(LAYER_TYPES)}.")
    scalars = {key: value for key, value in spec.items() if key != "kind"}
    layer: Layer = _record(LAYER_TYPES[kind], str(spec.get("name")), scalars, left)
    return layer


def _record(cls: type, prefix: str, scalars: dict[str, Any], left: dict[str, np.ndarray]) -> Any:
    known = {item.name for item in fields(cls)}
    given = dict(scalars)
    for name in known:
        if f"{prefix}.{name}" in left:
            if name in given:
                raise NetworkFormatError(f"tensor {prefix}.{name} is given among the scalars as well; keep one.")
            given[name] = left.pop(f"{prefix}.{name}")
    unknown = sorted(set(given) - known)
    if unknown:
        raise NetworkFormatError(f"layer {prefix!r} has an unknown entry {unknown[0]!r}; known: {sorted(known)}.")
    try:
        return cls(**given)
    except TypeError as error:
        # Python's own message names the missing field
        raise NetworkFormatError(f"layer {prefix!r} is incomplete: {error}") from error


def _read_safetensors(source: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    with safe_open(str(source), framework="np") as file:
        text = file.metadata() or {}
        types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        for name, kind in types.items():
            if kind.startswith("F") and kind not in _FLOATS:
                raise NetworkFormatError(
                    f"tensor {name!r} has type {kind}; a network file holds {', '.join(_FLOATS)}: save it as float32."
                )
        found = {name: _float(name, file.get_tensor(name)) for name, kind in types.items() if kind != "BF16"}
    if "BF16" in types.values():
        # numpy has no such type: the upper half of a float32
        for name, view in deserialize(source.read_bytes()):  # type: ignore[no-untyped-call]
            if view["dtype"] == "BF16":
                upper = np.frombuffer(view["data"], "<u2").astype(np.uint32)
                found[name] = (upper << 16).view(np.float32).astype(np.float64).reshape(view["shape"])
    return found, text


def _read_npz(source: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    with zipfile.ZipFile(source) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > MAX_BYTES:
            raise NetworkFormatError(f"{source} unpacks to {unpacked} bytes, above the limit of {MAX_BYTES}.")
        for info in archive.infolist():
            _check_member(source, archive, info)
    with np.load(source, allow_pickle=False) as data:
        if _META not in data:
            raise NetworkFormatError(f"{source} has no {_META}; save it with this package.")
        text = json.loads(str(data[_META][()]))
        if not isinstance(text, dict):
            raise NetworkFormatError(f"{source}: {_META} is not a JSON object.")
        return {name: _float(name, data[name]) for name in data.files if name != _META}, text


def _check_member(source: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Refuse a member whose array header promises more than the member holds: numpy would allocate it."""
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(member)
    if math.prod(shape) * dtype.itemsize > info.file_size:
        raise NetworkFormatError(f"{source}: {info.filename} promises more data than it holds; export it again.")


def _float(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f":
        raise NetworkFormatError(f"tensor {name!r} has type {array.dtype}; weights are floating-point numbers.")
    return plain_array(f"tensor {name!r}", array)


def _suffix(path: Path) -> str:
    if path.suffix not in SUFFIXES:
        raise NetworkFormatError(f"{path} ends in {path.suffix!r}; a network file ends in .safetensors or .npz.")
    return path.suffix
