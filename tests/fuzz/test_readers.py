"""A bounded run: no reader crashes, and none accepts an input that means something else."""

import warnings
from pathlib import Path
from tempfile import mkdtemp

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from .edits import apply, edits
from .readers import Reader, Silent, readers

FOLDER = Path(mkdtemp(prefix="analogrnn-fuzz-"))
READERS = {reader.name: reader for reader in readers(FOLDER)}
# about 20 s in all on a quiet machine; a calibration file takes 20 ms to read
EXAMPLES = {"quantity": 600, "deck": 300, "checkpoint": 300, "calibration": 50}


def test_every_seed_is_accepted(tmp_path):
    for reader in READERS.values():
        for seed in reader.seeds:
            if reader.name != "quantity":  # whose unit follows from its length
                assert reader.check(reader.whole(seed), tmp_path), reader.name


@pytest.mark.parametrize("name", READERS)
def test_no_damaged_input_crashes_or_is_read_as_another(name):
    reader = READERS[name]

    @settings(
        max_examples=EXAMPLES.get(name, 120), database=None, suppress_health_check=list(HealthCheck), deadline=None
    )
    @given(st.integers(0, len(reader.seeds) - 1), edits(), edits())
    def run(seed, inside, outside):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zipfile and numpy speak of names given twice and of old headers
            data = apply([reader.whole(apply(reader.seeds[seed], inside))], outside[: len(outside) // 2])[0]
            reader.check(data, FOLDER)

    run()


def test_the_check_itself_can_fail(tmp_path):
    """Negative control: a reader that forgets a comma is caught."""

    def careless(data: bytes, folder: Path) -> None:
        if float(data.replace(b",", b"")) != float(data.replace(b",", b".")):
            raise Silent(repr(data))

    with pytest.raises(Silent):
        Reader("careless", [(b"0.5",)], b"".join, careless).check(b"0,5", tmp_path)
