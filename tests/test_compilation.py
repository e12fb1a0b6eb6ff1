"""Where machine code is kept, and what is said where it can't be made."""

import os

import numpy as np
import pytest
from helpers import clips_for, direct, mapped
from numba import config

from analogrnn import compilation
from analogrnn.chip import ChipFactory, nominal_chip
from analogrnn.compilation import kernel_cache
from analogrnn.errors import MissingDependencyError
from analogrnn.kernels.ladder_steps import ladder_steps
from analogrnn.simulate import simulate_waveforms
from analogrnn.simulate.chip_batch import ChipBatch


@pytest.fixture
def blocked(tmp_path, monkeypatch):
    """No folder that numba tries can be made, by root either: each lies below a regular file."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(compilation, "KERNELS", tmp_path / "file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "numba"))
    return tmp_path


def test_the_folder_is_the_one_that_numba_takes():
    assert os.path.samefile(kernel_cache().folder, os.path.dirname(ladder_steps._cache.cache_path)) or os.path.samefile(
        kernel_cache().folder, ladder_steps._cache.cache_path
    )


def test_a_folder_that_can_not_be_written_leaves_the_next_one(blocked, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked / "home"))
    assert kernel_cache().folder == blocked / "home" / "numba"


def test_without_any_folder_all_that_were_tried_are_named(blocked):
    cache = kernel_cache()
    assert cache.folder is None
    file = blocked / "file"
    assert cache.tried == (file / "numba", file / "__pycache__", file / "numba")


@pytest.mark.parametrize(
    ("what", "use"),
    [
        (
            "mismatch of many chips at once",
            lambda design, x: ChipFactory(design, 1).tables(np.arange(2, dtype=np.uint64)),
        ),
        ("a campaign of chips", lambda design, x: ChipBatch(design, x, 1, True, 1.0)),
        (
            "the waveform level of many ladders",
            lambda design, x: simulate_waveforms(nominal_chip(design), nominal_chip(design).ladders[0], x),
        ),
    ],
)
def test_vector_kernels_name_the_switch_that_takes_their_compiler_away(monkeypatch, what, use):
    net = direct(4, k_min=-2, initial=0.0)
    monkeypatch.setattr(config, "DISABLE_JIT", 1)
    message = f"{what} needs vector kernels, which only run compiled, and NUMBA_DISABLE_JIT switches .* off; unset it"
    with pytest.raises(MissingDependencyError, match=message):
        use(mapped(net), clips_for(net, 4, 1))
