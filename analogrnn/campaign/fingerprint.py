"""A digest of everything that a result depends on: records, arrays and plain values, by content."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np

from analogrnn.errors import ParameterError


def fingerprint(value: Any) -> str:
    """SHA-256, in hex, of a value made of dataclasses, mappings, sequences, arrays, numbers, text and None.

    Equal content gives an equal digest in every process and on every machine; floats are compared to the last bit.
    Raises ParameterError for a value of any other kind.
    """
    digest = hashlib.sha256()
    for part in _parts(value):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic | Enum | PurePath):
        yield type(value).__name__.encode()
        yield value.hex().encode() if isinstance(value, float) else str(value).encode()
    elif isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise ParameterError("fingerprint: an array of objects has no content to digest; use numbers or text.")
        plain = np.ascontiguousarray(value)
        plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
        yield f"array {plain.dtype.str} {plain.shape}".encode()
        yield plain.tobytes()
    elif is_dataclass(value) and not isinstance(value, type):
        yield f"record {type(value).__qualname__}".encode()
        for item in fields(value):
            yield item.name.encode()
            yield from _parts(getattr(value, item.name))
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for name in sorted(value, key=str):
            yield from _parts(name)
            yield from _parts(value[name])
    elif isinstance(value, frozenset | set):
        yield f"set {len(value)}".encode()
        for item in sorted(value, key=str):
            yield from _parts(item)
    elif isinstance(value, tuple | list):
        yield f"sequence {len(value)}".encode()
        for item in value:
            yield from _parts(item)
    else:
        raise ParameterError(f"fingerprint: a {type(value).__name__} has no content to digest; use plain records.")
