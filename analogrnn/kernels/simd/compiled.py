"""How kernels are compiled: cached on disk, where it can be written, and compiled anew after an edit of any kernel.

numba's own cache looks at the file of a function alone. A function that uses lanes, or a jitted function of another
file, would keep the machine code of their old text. And numba refuses to decorate a function that it can't cache:
without a folder to write to (a read-only installation, a full disk), these kernels are compiled in memory instead.
"""

import contextlib
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher


def _stamp() -> str:
    """A hash of every source file of `kernels/` and its subfolders."""
    digest, root = hashlib.sha256(), Path(__file__).parent.parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


_STAMP = _stamp()
# What reading a truncated or foreign cache file raises.
_UNREADABLE = (OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError, IndexError, KeyError, ValueError)


class _Cache(FunctionCache):
    """numba's cache of one function, keyed also by the text of all kernels; a failure to read or write only costs time.

    A file that can't be read is compiled anew and replaced; a folder that can't be written any more is left alone.
    """

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), _STAMP)

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super()._load_overload(sig, target_context)
        except _UNREADABLE:
            return None

    def _save_overload(self, sig: Any, data: Any) -> None:
        try:
            super()._save_overload(sig, data)
        except OSError:
            self.disable()
        except _UNREADABLE:  # the index on the disk is damaged: start a new one
            try:
                self.flush()
                super()._save_overload(sig, data)
            except OSError:
                self.disable()


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return the decorator `numba.njit(**options)` with this cache; without the JIT the function stays as it is."""

    def decorate(function: Callable[..., Any]) -> Any:
        kernel: Any = njit(**options)(function)
        if isinstance(kernel, Dispatcher):
            # A RuntimeError says that numba found no folder to write to: the kernel stays without a cache.
            with contextlib.suppress(RuntimeError):
                kernel._cache = _Cache(kernel.py_func)
        return kernel

    return decorate
