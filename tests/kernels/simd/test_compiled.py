"""Compiled kernels are kept on disk until any kernel's text changes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba import config

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


def answer(folder, cache="cache"):
    """What a new process gets from the kernels: three times the factor, and how many it found on disk."""
    child = [sys.executable, "-c", USE.format(folder=str(folder))]
    environment = {"NUMBA_CACHE_DIR": str(folder / cache), "XDG_CACHE_HOME": str(folder / "plain")}
    return subprocess.run(child, check=True, capture_output=True, text=True, env=environment).stdout.split()


def test_an_unchanged_kernel_is_compiled_once(folder):
    assert answer(folder) == ["6", "0"]
    assert answer(folder) == ["6", "1"]


def test_an_edit_of_another_file_of_the_kernels_is_seen(folder):
    """numba's own cache would still multiply by two."""
    assert answer(folder) == ["6", "0"]
    (folder / "kernels" / "called.py").write_text(CALLED.format(5))
    assert answer(folder) == ["15", "0"]


def test_without_a_folder_to_write_to_kernels_are_compiled_in_memory(folder):
    """numba's own decorator raises "no locator available" where neither the source's folder nor a home is writable."""
    for name in ("plain", "kernels/__pycache__"):
        (folder / name).touch()
    assert answer(folder, "plain/cache") == ["6", "0"]


def tripled(x):
    return 3 * x


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Where numba keeps what this process compiles."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def found_on_disk(x):
    """Decorate and call the function as a new process would; return whether its machine code came from the disk."""
    kernel = compiled.compiled()(tripled)
    assert kernel(x) == 3 * x
    return bool(kernel.stats.cache_hits)


@pytest.mark.parametrize("content", [b"", b"no pickle", b"\x80\x04"])
@pytest.mark.parametrize("kind", ["*.nbi", "*.nbc"])
def test_a_damaged_file_is_compiled_anew_and_replaced(cache, kind, content):
    assert not found_on_disk(2)
    assert found_on_disk(2)
    for path in list(cache.rglob(kind)):
        path.write_bytes(content)
    assert not found_on_disk(2)
    assert found_on_disk(2)


def test_a_folder_that_can_not_be_written_any_more_costs_only_time(cache):
    kernel = compiled.compiled()(tripled)
    shutil.rmtree(cache)
    cache.touch()
    assert kernel(2) == 6
    assert kernel(2.0) == 6.0
