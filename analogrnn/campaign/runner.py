"""Runs a campaign: every item of every series once, in chunks, on any executor, and saves each finished chunk.

The row of an item depends only on its series and its number. So the result is the same for any number of workers, any
chunk size and any order, and a resumed run is exact.
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

TARGET = 1.0  # s of work in a chunk: a compromise between work lost by a kill and the cost of writing a file
FIRST, MOST = 32, 4096  # items in the first chunk (small, so that a result is saved early) and in the largest
LEAST = 32  # the last chunks shrink to this part of the others
BATCH = 32  # larger chunks are a multiple of it, because kernels work on batches of a power of two
CHECK = 5.0  # s without a finished chunk, after which the workers are checked
BREAKS = 3  # largest number of consecutive failures of the workers without a finished chunk in between


@dataclass(frozen=True, eq=False)
class Series:
    """Items (n,) that one function processes.

    work        (m,) item numbers -> arrays of m rows, of the same types and widths for any items; can be pickled
    depends_on  everything else that a row depends on, in plain records: series with equal `depends_on` share results
    recorded    errors that count as the failure of one item, while the others continue; then items run one by one

    Raises ParameterError if `items` is empty, is not a list of whole numbers >= 0, or has an item twice.
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
    """An item without a result: the message of the error, and its log."""

    item: int
    message: str
    log: str = ""


@dataclass(frozen=True, eq=False)
class Gathered:
    """Results of a series.

    items     (n,) item numbers
    arrays    name -> (n, ...), in the order of `items`; rows of items that are not `done` are zero
    done      (n,) bool, which items have a result
    failures  items without a result
    restored  number of items from the checkpoint
    """

    items: np.ndarray
    arrays: dict[str, np.ndarray]
    done: np.ndarray
    failures: tuple[Failure, ...]
    restored: int


@dataclass(frozen=True)
class Options:
    """How to run; no option changes a result. `chunk`: items per chunk; None for about a second of work."""

    workers: Workers = field(default_factory=serial)
    checkpoint: Checkpoint | None = None
    chunk: int | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if self.chunk is not None and self.chunk < 1:
            raise ParameterError(f"Options.chunk = {self.chunk}: give at least one item per chunk, or None.")


def run_campaign(series: Sequence[Series], options: Options | None = None) -> list[Gathered]:
    """Run all items that are not in the checkpoint yet, and return one `Gathered` per series.

    Raises ParameterError if two series have the same name, CheckpointError, OutputError (finished chunks are kept),
    WorkerError if workers die repeatedly, and any error of the work that its series does not record.
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
                    f"workers ({workers.name}) died {breaks} times in a row on {run.suspects()}: {error} {why} "
                    "Finished chunks are kept in the checkpoint, if there is one."
                ) from error
        except workers.lost as error:
            raise WorkerError(
                f"lost the {workers.name} ({type(error).__name__}: {error}); finished chunks are kept in the "
                "checkpoint, if there is one: resume on another."
            ) from error
    return [part.gathered() for part in run.parts]


@dataclass(frozen=True, eq=False)
class _Done:
    """The answer of a worker: results and failures of one chunk."""

    chunk: Chunk | None
    failures: tuple[Failure, ...]
    seconds: float


def _run_items(work: Work, items: np.ndarray, recorded: tuple[type[Exception], ...]) -> _Done:
    """Work on one chunk, in a worker."""
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
    """State of one series during a run."""

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
        """Put rows in their places; a stored item that is not in this series is left out."""
        items = self.series.items
        at = np.minimum(np.searchsorted(items, chunk.items, sorter=self._order), len(items) - 1)
        places = self._order[at]
        included = items[places] == chunk.items
        for name, rows in chunk.arrays.items():
            if name not in self.arrays:
                self.arrays[name] = np.zeros((len(items), *rows.shape[1:]), rows.dtype)
            self.arrays[name][places[included]] = rows[included]
        self.done[places[included]] = True


@dataclass(eq=False)
class _Piece:
    part: _Part
    items: np.ndarray
    again: bool = False  # it runs a second time, after an error of the executor


class _Run:
    """State of the campaign during a run: chunks that wait, that are in flight and that are finished."""

    def __init__(self, series: Sequence[Series], options: Options) -> None:
        names = [item.name for item in series]
        if len(set(names)) != len(names):
            raise ParameterError(f"run_campaign: two series have the same name among {names}; give each its own name.")
        self.options = options
        stores = options.checkpoint
        self.parts = [_Part(s, stores.series(s.name, s.depends_on) if stores else None) for s in series]
        self.finished = 0
        self._again: deque[_Piece] = deque()  # in flight when workers died
        self._flight: dict[Future[_Done], _Piece] = {}
        self._size = options.chunk or FIRST
        self._report()

    @property
    def pending(self) -> int:
        return sum(part.waiting for part in self.parts) + len(self._again)

    def suspects(self) -> str:
        if not self._again:
            return "starting up"
        piece = self._again[0]
        return f"items {piece.items[0]} to {piece.items[-1]} of {piece.part.series.name}"

    def drain(self, crew: Crew) -> None:
        """Submit and collect until all is finished. After BrokenExecutor, chunks in flight wait to run again."""
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
                    done = future.result()  # before it leaves the flight: after BrokenExecutor the piece runs again
                    del self._flight[future]
                    piece.part.finish(done)
                    self.finished += 1
                    self._pace(piece, done.seconds)
                    self._report()
        except BrokenExecutor:
            self._again.extendleft(reversed(self._flight.values()))
            raise
        finally:
            for future in self._flight:
                future.cancel()
            self._flight.clear()

    def _submit(self, crew: Crew) -> None:
        # after a failure, one chunk at a time, so that a chunk that kills workers is identified and the others finish
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
            # no worker idles at the end; nor does it get less than a thirty-second of a chunk, as every chunk costs
            left = sum(p.waiting for p in self.parts)
            size = min(size, max(1, size // LEAST, math.ceil(left / window)))
        return _Piece(part, part.take(size))

    def _pace(self, piece: _Piece, seconds: float) -> None:
        """Adapt the chunk size to TARGET seconds; it grows in steps, because the first chunks include compilation."""
        if self.options.chunk is None:
            ideal = len(piece.items) * TARGET / max(seconds, 1e-6)
            size = int(min(max(ideal, 1), 4 * self._size, MOST))
            self._size = size - size % BATCH if size > BATCH else size

    def _report(self) -> None:
        if self.options.progress:
            done = sum(int(part.done.sum()) + len(part.failures) for part in self.parts)
            self.options.progress(done, sum(len(part.done) for part in self.parts))
