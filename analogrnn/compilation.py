"""What the compiled kernels need of numba: its compiler, and a folder that keeps their machine code."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from analogrnn.errors import MissingDependencyError
from analogrnn.outputs.files import can_write

KERNELS = Path(__file__).parent / "kernels"


@dataclass(frozen=True)
class KernelCache:
    """Where machine code is kept between runs: the first of the folders `tried` that can be written, or None."""

    folder: Path | None
    tried: tuple[Path, ...]


def kernel_cache() -> KernelCache:
    """Return where numba keeps the machine code of the kernels.

    The order is numba's own: `NUMBA_CACHE_DIR`, then `__pycache__` beside the kernels, then the user's cache. As numba
    does, this makes the folder in order to try it. Without a folder the kernels are compiled anew in every process.
    """
    tried = tuple(_places())
    return KernelCache(next((folder for folder in tried if can_write(folder)), None), tried)


def require_compiler(what: str) -> None:
    """Raise MissingDependencyError if numba's compiler is switched off: `what` needs kernels that only run compiled."""
    from numba import config  # noqa: PLC0415 (`doctor` asks for the cache only, and numba costs a second)

    if config.DISABLE_JIT:
        raise MissingDependencyError(
            f"{what} needs vector kernels, which only run compiled, and NUMBA_DISABLE_JIT switches numba's compiler "
            "off; unset it."
        )


def _places() -> Iterator[Path]:
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen)
    yield KERNELS / "__pycache__"
    yield Path(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))) / "numba"
