"""What the long measurement keeps on disk comes back as it was, and a draft that was never finished does not count."""

import numpy as np
from numpy.testing import assert_array_equal

from analogrnn.spice.reading import DeckReading
from validation.network.memory import DiskMemory, memory_of


def reading(steps=3, classes=2):
    key, rng = ("cell", 7), np.random.default_rng(1)
    on = rng.random((steps, 4)) < 0.5
    return DeckReading(
        {key: on}, {key: ~on}, {key: rng.random(steps)}, {key: rng.random(steps)}, rng.random((steps, classes))
    )


def test_a_reading_comes_back_bit_for_bit(tmp_path):
    memory = DiskMemory(tmp_path / "cache")
    kept = {"a" * 64: reading(), "b" * 64: reading(steps=1, classes=0)}
    for digest, item in kept.items():
        memory.put(digest, item)
    for digest, item in kept.items():
        found = DiskMemory(tmp_path / "cache").get(digest)
        for part in ("stages", "decided", "candidates", "outputs"):
            assert list(getattr(found, part)) == [("cell", 7)]
            assert_array_equal(getattr(found, part)["cell", 7], getattr(item, part)["cell", 7])
        assert_array_equal(found.series, item.series)
        assert found.stages["cell", 7].dtype == bool
    assert memory.get("c" * 64) is None


def test_a_draft_of_a_killed_run_is_no_reading(tmp_path):
    memory = DiskMemory(tmp_path)
    (tmp_path / f"{'a' * 64}.123.draft").write_bytes(b"half")
    assert memory.get("a" * 64) is None
    memory.put("a" * 64, reading())
    assert memory.get("a" * 64) is not None


def test_quick_runs_remember_nothing():
    assert memory_of(True) is None
