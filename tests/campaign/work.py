"""Work for the tests of campaigns, in a module that worker processes can import; and how to call and kill them."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analogrnn.campaign import Options, Series, run_campaign
from analogrnn.errors import ParameterError, SpiceError


def rows(items: np.ndarray) -> dict[str, np.ndarray]:
    """Rows that depend on the item alone, of several types."""
    draws = np.stack([np.random.default_rng(int(item)).standard_normal(5) for item in items])
    return {"value": draws, "count": items.astype(np.int16) % 7, "flag": draws[:, :2] > 0}


def series(count: int = 40, work: Callable[..., dict[str, np.ndarray]] = rows, name: str = "one", **changes) -> Series:
    return Series(**{"name": name, "items": np.arange(count), "work": work, "depends_on": {"seed": 1}} | changes)


def same(found, expected) -> None:
    """Bit-identical results."""
    for left, right in zip(found, expected, strict=True):
        assert left.arrays.keys() == right.arrays.keys()
        assert left.done.tolist() == right.done.tolist()
        for name, array in left.arrays.items():
            assert array.dtype == right.arrays[name].dtype
            assert array.tobytes() == right.arrays[name].tobytes()


def plain(*every: Series):
    """What an uninterrupted run in this thread gives."""
    return run_campaign(every, Options())


@dataclass(frozen=True)
class Slow:
    """Takes `seconds` an item, and notes each item that it begins in the folder."""

    folder: Path
    seconds: float = 0.02

    def __call__(self, items):
        for item in items:
            (self.folder / f"begun_{item}").touch()
            time.sleep(self.seconds)
        return rows(items)


@dataclass(frozen=True)
class Killed:
    """Kills the process that works on `item`, the first `times` times; other chunks take `seconds`."""

    folder: Path
    item: int
    times: int
    seconds: float = 0.0

    def __call__(self, items):
        if self.item in items:
            before = len(list(self.folder.glob("killed_*")))
            if before < self.times:
                (self.folder / f"killed_{before}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        return rows(items)


@dataclass(frozen=True)
class Failing:
    """Fails on some items, as a simulator does."""

    bad: frozenset[int]

    def __call__(self, items):
        if bad := self.bad & set(items.tolist()):
            raise SpiceError(f"no convergence on {sorted(bad)}", log="the last lines\nof ngspice")
        return rows(items)


def refuses(items):
    raise ParameterError("x has no clips; give at least one.")


def interrupted(items):
    if 20 in items:
        raise KeyboardInterrupt
    return rows(items)
