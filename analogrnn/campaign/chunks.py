"""The file of one finished chunk. A checksum covers every byte, so that a damaged file is refused.

    analogrnn chunk 1\\n          format and version
    <64 hex digits>\\n            SHA-256 of all that follows
    {"campaign": ..., ...}\\n     JSON: fingerprint of the campaign; name, type and shape of each array
    <bytes>                      the arrays one after the other, C order, little endian

The format is not pickle, which runs code when it is read, and not .npz, in which no checksum covers the zip directory.
"""

import contextlib
import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analogrnn.errors import CheckpointError, OutputError, ParameterError

MAGIC = b"analogrnn chunk 1\n"
KINDS = "biuf"  # booleans, integers, floats


@dataclass(frozen=True, eq=False)
class Chunk:
    """Results of some items: `items` (n,) are their numbers; `arrays`: name -> (n, ...), one row per item.

    Raises ParameterError for an array that has no such rows of numbers.
    """

    items: np.ndarray
    arrays: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if array.dtype.kind not in KINDS or array.shape[:1] != self.items.shape:
                raise ParameterError(
                    f"Chunk.arrays[{name!r}] is {array.dtype} {array.shape}; give one row of numbers for each of the "
                    f"{len(self.items)} items."
                )


def encode(chunk: Chunk, campaign: str) -> bytes:
    """The bytes of a chunk of the campaign with this fingerprint."""
    arrays = {"items": chunk.items.astype(np.int64), **chunk.arrays}
    plain = {name: np.ascontiguousarray(a).astype(a.dtype.newbyteorder("<"), copy=False) for name, a in arrays.items()}
    table = [[name, array.dtype.str, list(array.shape)] for name, array in plain.items()]
    header = json.dumps({"campaign": campaign, "arrays": table}).encode() + b"\n"
    body = header + b"".join(array.tobytes() for array in plain.values())
    return MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def decode(content: bytes, owner: Path) -> tuple[Chunk, str]:
    """The chunk and the fingerprint of its campaign. Raises CheckpointError that names the file `owner`."""
    start = len(MAGIC) + 65
    digest, body = content[len(MAGIC) : start], content[start:]
    if content[: len(MAGIC)] != MAGIC:
        raise _damaged(owner, "it does not start like a chunk")
    if digest != hashlib.sha256(body).hexdigest().encode() + b"\n":
        raise _damaged(owner, "its checksum is wrong")
    line, _, rest = body.partition(b"\n")
    try:
        header = json.loads(line)
        arrays = _arrays(header["arrays"], rest)
        return Chunk(arrays.pop("items"), arrays), str(header["campaign"])
    except (
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:  # written by other software, with a valid checksum
        raise _damaged(owner, f"its header can't be read ({error})") from error


def read_chunk(path: Path, campaign: str) -> Chunk:
    """Read a chunk of this campaign. Raises CheckpointError if it is damaged or belongs to another campaign."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"can't read checkpoint {path}: {error.strerror or error}.") from error
    chunk, owner = decode(content, path)
    if owner != campaign:
        raise CheckpointError(
            f"checkpoint {path} belongs to another campaign ({owner[:12]}, this one is {campaign[:12]}): "
            "give the options of that campaign, or another folder."
        )
    return chunk


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically: after a kill or a power cut it is complete or absent. Raises OutputError."""
    beside = path.with_name(f"{path.name}.new")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # so that the new name is on the disk, too
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        reason = error.strerror or error
        raise OutputError(f"can't write {path}: {reason}; free the disk or choose another folder.") from error


def _arrays(table: list[tuple[str, str, list[int]]], rest: bytes) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    at = 0
    for name, kind, shape in table:
        if not re.fullmatch(rf"[<|][{KINDS}][0-9]{{1,2}}", kind, re.ASCII):  # numpy parses other text as Python
            raise ValueError(f"type {kind[:40]!r}")
        dtype = np.dtype(kind)
        count = math.prod(shape)
        arrays[name] = np.frombuffer(rest, dtype, count, at).reshape(shape)
        at += count * dtype.itemsize
    if at != len(rest):
        raise ValueError(f"{len(rest) - at} bytes too many")
    return arrays


def _damaged(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"checkpoint {path} is damaged: {why}; delete that file and resume: only the items in it are run again."
    )


def as_json(content: Any) -> bytes:
    """Readable JSON with sorted keys: the same bytes for the same content."""
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"
