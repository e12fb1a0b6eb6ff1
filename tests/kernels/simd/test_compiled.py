"""Compiled kernels are kept on disk until any kernel's text changes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from analogrnn.kernels.simd import compiled

USE = """
import sys
sys.path.insert(0, {folder!r})
from kernels.caller import times
print(times(3), len(times.stats.cache_hits))
"""
CALLED = "from kernels.simd.compiled import compiled\n@compiled()\ndef factor():\n    return {}\n"
CALLER = """
from kernels.called import factor
from kernels.simd.compiled import compiled
@compiled()
def times(x):
    return factor() * x
"""


@pytest.fixture
def folder(tmp_path):
    """A folder of two kernels, one of which calls the other in another file."""
    (tmp_path / "kernels" / "simd").mkdir(parents=True)
    shutil.copy(Path(compiled.__file__), tmp_path / "kernels" / "simd" / "compiled.py")
    for package in ("kernels", "kernels/simd"):
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "kernels" / "called.py").write_text(CALLED.format(2))
    (tmp_path / "kernels" / "caller.py").write_text(CALLER)
    return tmp_path


def answer(folder):
    """What a new process gets from the kernels: three times the factor, and how many it found on disk."""
    child = [sys.executable, "-c", USE.format(folder=str(folder))]
    environment = {"NUMBA_CACHE_DIR": str(folder / "cache")}
    return subprocess.run(child, check=True, capture_output=True, text=True, env=environment).stdout.split()


def test_an_unchanged_kernel_is_compiled_once(folder):
    assert answer(folder) == ["6", "0"]
    assert answer(folder) == ["6", "1"]


def test_an_edit_of_another_file_of_the_kernels_is_seen(folder):
    """numba's own cache would still multiply by two."""
    assert answer(folder) == ["6", "0"]
    (folder / "kernels" / "called.py").write_text(CALLED.format(5))
    assert answer(folder) == ["15", "0"]
