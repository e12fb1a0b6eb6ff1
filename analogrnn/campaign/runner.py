"""Runs a campaign: every item of every series once, in chunks, on any executor, keeping each finished chunk.

An item's row is a function of its series and its number alone, so the result is the same for any number of workers, any
chunks and any order; that is what makes resuming exact.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analogrnn.campaign.checkpoint import Checkpoint, SeriesStore
from analogrnn.campaign.chunks import Chunk
from analogrnn.campaign.workers import Crew, Workers, serial
from analogrnn.errors import ParameterError, WorkerError

Work = Callable[[np.ndarray], Mapping[str, np.ndarray]]
Progress = Callable[[int, int], None]

TARGET = 1.0  # s of work in a chunk: what a kill may cost, against the price of a file
FIRST, MOST = 32, 4096  # items of the first chunk, so that a result is saved early, and of the largest
BATCH = 32  # larger chunks are a multiple of it, since work likes to go in powers of two
CHECK = 5.0  # s without a finished chunk after which the workers are asked whether they are there
BREAKS = 3  # times that workers may die one after the other without a chunk finished between


@dataclass(frozen=True, eq=False)
class Series:
    """Items (n,) that one function works on.

    work        (m,) item numbers -> arrays of m rows, of the same types and widths whatever the items; can be pickled
    depends_on  everything else that a row depends on, in plain records: two series that share it may share results
    recorded    errors that fail one item and let the others go on; then items run one by one
    """

    name: str
    items: np.ndarray
    work: Work
    depends_on: Mapping[str, Any]
    recorded: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        items = np.asarray(self.items)
        if items.ndim != 1 or len(items) == 0 or items.dtype.kind not in "iu" or items.min() < 0:
            raise ParameterError(f"Series.items of {self.name!r}: give a list of whole numbers >= 0, at least one.")
        if len(np.unique(items)) != len(items):
            raise ParameterError(f"Series.items of {self.name!r} names an item twice; name each once.")
        object.__setattr__(self, "items", items.astype(np.int64))


@dataclass(frozen=True)
class Failure:
    """An item that gave no result: what the error said, and the log that came with it."""

    item: int
    message: str
    log: str = ""


@dataclass(frozen=True, eq=False)
class Gathered:
    """What a series gave: arrays name -> (n, ...) in the order of `items`; rows of items that are not `done` are zero.

    restored  how many items came from the checkpoint
    """

    items: np.ndarray
    arrays: dict[str, np.ndarray]
    done: np.ndarray
    failures: tuple[Failure, ...]
    restored: int


@dataclass(frozen=True)
class Options:
    """How to run, none of which changes a result. `chunk` items at a time; None = about a second of work."""

    workers: Workers = field(default_factory=serial)
    checkpoint: Checkpoint | None = None
    chunk: int | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if self.chunk is not None and self.chunk < 1:
            raise ParameterError(f"Options.chunk = {self.chunk}: give at least one item a chunk, or None.")


def run_campaign(series: Sequence[Series], options: Options | None = None) -> list[Gathered]:
    """Run what the checkpoint does not hold yet, and return one `Gathered` a series.

    Raises CheckpointError, OutputError (what is finished stays), WorkerError if workers die again and again, and
    whatever the work raises beyond what its series records.
    """
    run = _Run(series, options or Options())
    workers, breaks = run.options.workers, 0
    while run.pending:
        finished = run.finished
        try:
            with workers.open() as crew:
                run.drain(crew)
        except BrokenExecutor as error:
            breaks = 1 if run.finished > finished else breaks + 1
            if breaks > BREAKS:
                why = "Memory may be short: take fewer workers."
                if not run.finished:
                    why += ' A script that starts processes does so under `if __name__ == "__main__":`.'
                raise WorkerError(
                    f"workers ({workers.name}) died {breaks} times in a row on {run.suspects()}: {error} {why} What is "
                    "finished is kept in the checkpoint, if there is one."
                ) from error
        except workers.lost as error:
            raise WorkerError(
                f"lost the {workers.name} ({type(error).__name__}: {error}); what is finished is kept in the "
                "checkpoint, if there is one: resume on another."
            ) from error
    return [part.gathered() for part in run.parts]


@dataclass(frozen=True, eq=False)
class _Done:
    """What a worker sends back."""

    chunk: Chunk | None
    failures: tuple[Failure, ...]
    seconds: float


def _run_items(work: Work, items: np.ndarray, recorded: tuple[type[Exception], ...]) -> _Done:
    """Runs where the worker is."""
    started = time.perf_counter()
    if not recorded:
        return _Done(Chunk(items, dict(work(items))), (), time.perf_counter() - started)
    rows: list[Mapping[str, np.ndarray]] = []
    good: list[int] = []
    failures: list[Failure] = []
    for item in items:
        try:
            rows.append(work(np.array([item])))
            good.append(int(item))
        except recorded as error:
            failures.append(Failure(int(item), str(error), str(getattr(error, "log", ""))))
    chunk = None
    if rows:
        chunk = Chunk(np.array(good), {name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
    return _Done(chunk, tuple(failures), time.perf_counter() - started)


class _Part:
    """One series under way."""

    def __init__(self, series: Series, store: SeriesStore | None) -> None:
        self.series = series
        self.store = store
        self.arrays: dict[str, np.ndarray] = {}
        self.done = np.zeros(len(series.items), dtype=bool)
        self.failures: list[Failure] = []
        self._order = np.argsort(series.items)
        for chunk in store.load() if store else ():
            self._fill(chunk)
        self.restored = int(self.done.sum())
        self._waiting = series.items[~self.done]

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take(self, count: int) -> np.ndarray:
        """The next items."""
        items, self._waiting = self._waiting[:count], self._waiting[count:]
        return items

    def finish(self, done: _Done) -> None:
        if done.chunk is not None:
            if self.store is not None:
                self.store.save(done.chunk)
            self._fill(done.chunk)
        self.failures.extend(done.failures)

    def gathered(self) -> Gathered:
        failures = tuple(sorted(self.failures, key=lambda failure: failure.item))
        return Gathered(self.series.items, self.arrays, self.done, failures, self.restored)

    def _fill(self, chunk: Chunk) -> None:
        """Put rows in their places; a stored item that this series does not ask for is left out."""
        items = self.series.items
        at = np.minimum(np.searchsorted(items, chunk.items, sorter=self._order), len(items) - 1)
        places = self._order[at]
        wanted = items[places] == chunk.items
        for name, rows in chunk.arrays.items():
            if name not in self.arrays:
                self.arrays[name] = np.zeros((len(items), *rows.shape[1:]), rows.dtype)
            self.arrays[name][places[wanted]] = rows[wanted]
        self.done[places[wanted]] = True


@dataclass(eq=False)
class _Piece:
    part: _Part
    items: np.ndarray
    again: bool = False  # after a fluke


class _Run:
    """The campaign under way: what waits, what is in flight, what is finished."""

    def __init__(self, series: Sequence[Series], options: Options) -> None:
        names = [item.name for item in series]
        if len(set(names)) != len(names):
            raise ParameterError(f"run_campaign: two series have the same name among {names}; name them apart.")
        self.options = options
        stores = options.checkpoint
        self.parts = [_Part(s, stores.series(s.name, s.depends_on) if stores else None) for s in series]
        self.finished = 0
        self._again: deque[_Piece] = deque()  # in flight when workers died
        self._flight: dict[Future[_Done], _Piece] = {}
        self._size = options.chunk or FIRST
        self._tell()

    @property
    def pending(self) -> int:
        return sum(part.waiting for part in self.parts) + len(self._again)

    def suspects(self) -> str:
        if not self._again:
            return "starting up"
        piece = self._again[0]
        return f"items {piece.items[0]} to {piece.items[-1]} of {piece.part.series.name}"

    def drain(self, crew: Crew) -> None:
        """Submit and collect until nothing is left. On BrokenExecutor, what was in flight waits to be run again."""
        try:
            while True:
                self._submit(crew)
                if not self._flight:
                    return
                finished = wait(self._flight, CHECK, FIRST_COMPLETED).done
                if not finished:
                    crew.check()
                for future in finished:
                    piece = self._flight[future]
                    if not piece.again and isinstance(future.exception(), crew.flukes):
                        piece.again = True
                        self._again.append(self._flight.pop(future))
                        continue
                    done = future.result()  # before it leaves the flight: a broken executor's piece runs again
                    del self._flight[future]
                    piece.part.finish(done)
                    self.finished += 1
                    self._pace(piece, done.seconds)
                    self._tell()
        except BrokenExecutor:
            self._again.extendleft(reversed(self._flight.values()))
            raise
        finally:
            for future in self._flight:
                future.cancel()
            self._flight.clear()

    def _submit(self, crew: Crew) -> None:
        # after a break one at a time, so that the chunk that kills workers is known and the others get through
        window = 1 if self._again else crew.window()
        while len(self._flight) < window:
            piece = self._again.popleft() if self._again else self._next(window)
            if piece is None:
                return
            series = piece.part.series
            try:
                future = crew.executor.submit(_run_items, series.work, piece.items, series.recorded)
            except BrokenExecutor:
                self._again.appendleft(piece)
                raise
            self._flight[future] = piece

    def _next(self, window: int) -> _Piece | None:
        part = next((part for part in self.parts if part.waiting), None)
        if part is None:
            return None
        size = self._size
        if self.options.chunk is None:
            if part.series.recorded:
                size = 1
            left = sum(p.waiting for p in self.parts)
            size = min(size, max(1, math.ceil(left / window)))  # nobody idles at the end
        return _Piece(part, part.take(size))

    def _pace(self, piece: _Piece, seconds: float) -> None:
        """Chunks of about TARGET seconds; the first ones compile, so grow by steps."""
        if self.options.chunk is None:
            wanted = len(piece.items) * TARGET / max(seconds, 1e-6)
            size = int(min(max(wanted, 1), 4 * self._size, MOST))
            self._size = size - size % BATCH if size > BATCH else size

    def _tell(self) -> None:
        if self.options.progress:
            done = sum(int(part.done.sum()) + len(part.failures) for part in self.parts)
            self.options.progress(done, sum(len(part.done) for part in self.parts))
