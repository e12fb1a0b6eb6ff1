"""Named random streams: a draw depends on its seed and its name alone, never on who else drew before.

Adding a consumer moves nobody else's draws, and chip 7 is the same chip in a run of 10 and of 10,000.
"""

import hashlib

import numpy as np

from analogrnn.errors import ParameterError


def stream(seed: int, *path: str | int | np.integer) -> np.random.Generator:
    """Return the generator named by `path` under `seed`.

    The path is hashed with SHA-256 into the key of a counter-based Philox generator (Salmon et al., SC'11), so that
    two different paths share no draws for any practical length.

    Raises ParameterError if the seed is negative or not an integer, or if the path is empty.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ParameterError(f"seed = {seed!r} is not a whole number >= 0; give for example --seed 1.")
    if not path:
        raise ParameterError("stream() has no name; name what the draws are for, as in stream(seed, 'mismatch', 3).")
    # type and length prefixes keep ("a", 1) apart from ("a", "1") and ("ab",) from ("a", "b")
    words = [f"{'s' if isinstance(part, str) else 'i'}{len(str(part))}:{part}" for part in path]
    digest = hashlib.sha256("|".join([f"seed:{int(seed)}", *words]).encode()).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(digest[:16], dtype=np.uint64)))
