"""Named random streams: a draw depends on its seed and its name alone, never on who else drew before.

Adding a consumer moves nobody else's draws, and chip 7 is the same chip in a run of 10 and of 10,000.
"""

import hashlib

import numpy as np

from analogrnn.errors import ParameterError

NO_CHIP = 2**32 - 1  # stands in a draw's counter for the nominal chip


def stream(seed: int, *path: str | int | np.integer) -> np.random.Generator:
    """Return the generator named by `path` under `seed`.

    The path is hashed with SHA-256 into the key of a counter-based Philox generator (Salmon et al., SC'11), so that
    two different paths share no draws for any practical length.

    Raises ParameterError if the seed is negative or not an integer, or if the path is empty.
    """
    return np.random.Generator(np.random.Philox(key=np.frombuffer(_digest(seed, path)[:16], dtype=np.uint64)))


def stream_key(seed: int, *path: str | int | np.integer) -> np.ndarray:
    """Return (2,) uint64, two words of 32 bits: the key that the kernels' counter-based draws take for `path`.

    Raises ParameterError as `stream` does.
    """
    return np.frombuffer(_digest(seed, path)[:8], dtype=np.uint32).astype(np.uint64)


def chip_number(owner: str, value: object) -> int:
    """Return `value` if it can number a chip, else raise ParameterError. It is one word of a draw's counter."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < NO_CHIP:
        raise ParameterError(f"{owner} = {value!r} is not a chip number: give a whole number from 0 to {NO_CHIP - 1}.")
    return int(value)


def _digest(seed: int, path: tuple[str | int | np.integer, ...]) -> bytes:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ParameterError(f"seed = {seed!r} is not a whole number >= 0; give for example 1.")
    if not path:
        raise ParameterError("stream() has no name; name what the draws are for, as in stream(seed, 'mismatch', 3).")
    # type and length prefixes keep ("a", 1) apart from ("a", "1") and ("ab",) from ("a", "b")
    words = [f"{'s' if isinstance(part, str) else 'i'}{len(str(part))}:{part}" for part in path]
    return hashlib.sha256("|".join([f"seed:{int(seed)}", *words]).encode()).digest()
