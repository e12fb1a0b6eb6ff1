"""Named random streams: a draw depends only on its seed and its name, not on other draws.

A new stream does not change the draws of any other, and chip 7 is the same chip in a run of 10 and of 10,000.
"""

import hashlib

import numpy as np

from analogrnn.errors import ParameterError

MOST_CHIP = 2**31 - 1  # the largest chip number: netCDF-3 stores them with 32 bits and a sign
NO_CHIP = 2**32 - 1  # chip number of the nominal chip in the counter of a draw


def stream(seed: int, *path: str | int | np.integer) -> np.random.Generator:
    """Return the generator with the name `path` under `seed`.

    The path is hashed with SHA-256 into the key of a counter-based Philox generator (Salmon et al., SC'11), so that
    two different paths share no draws for any practical length.

    Raises ParameterError if the seed is negative or not an integer, or if the path is empty.
    """
    return np.random.Generator(np.random.Philox(key=np.frombuffer(_digest(seed, path)[:16], dtype=np.uint64)))


def stream_key(seed: int, *path: str | int | np.integer) -> np.ndarray:
    """Return (2,) uint64, two words of 32 bits: the key for `path` of the kernels' counter-based draws.

    Raises ParameterError as `stream` does.
    """
    return np.frombuffer(_digest(seed, path)[:8], dtype=np.uint32).astype(np.uint64)


def chip_number(owner: str, value: object) -> int:
    """Return `value` if it is a valid chip number, else raise ParameterError. It is one 32-bit word of a counter."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value <= MOST_CHIP:
        raise ParameterError(f"{owner} = {value!r} is not a chip number: give a whole number from 0 to {MOST_CHIP}.")
    return int(value)


def _digest(seed: int, path: tuple[str | int | np.integer, ...]) -> bytes:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ParameterError(f"seed = {seed!r} is not a whole number >= 0; give for example 1.")
    if not path:
        raise ParameterError("stream() has no name; name what the draws are for, as in stream(seed, 'mismatch', 3).")
    # prefixes of type and length distinguish ("a", 1) from ("a", "1"), and ("ab",) from ("a", "b")
    parts = [f"{'s' if isinstance(part, str) else 'i'}{len(str(part))}:{part}" for part in path]
    return hashlib.sha256("|".join([f"seed:{int(seed)}", *parts]).encode()).digest()


def training_seed(seed: int, *path: str | int) -> int:
    """A seed from 2**64 up for draws in training under `seed`; a score's own seeds are below, so that none is met.

    Raises ParameterError as `stream` does.
    """
    return 2**64 + int.from_bytes(_digest(seed, ("training", *path))[:7], "big")
