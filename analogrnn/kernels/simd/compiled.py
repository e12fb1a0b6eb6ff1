"""How kernels are compiled: cached on disk, and compiled anew after an edit of any file of `kernels/`.

numba's own cache looks at the file of a function alone. A function that uses lanes, or a jitted function of another
file, would keep the machine code of their old text.
"""

import hashlib
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


class _Cache(FunctionCache):
    """numba's cache of one function, whose entries are also keyed by the text of all kernels."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), _STAMP)


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return the decorator `numba.njit(**options)` with this cache; without the JIT the function stays as it is."""

    def decorate(function: Callable[..., Any]) -> Any:
        kernel: Any = njit(**options)(function)
        if isinstance(kernel, Dispatcher):
            kernel._cache = _Cache(kernel.py_func)
        return kernel

    return decorate
