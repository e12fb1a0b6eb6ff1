"""Workers that run the chunks: this thread, processes of this machine, a Dask cluster, or any executor of the caller.

There is no scheduler of our own: each kind is a `concurrent.futures.Executor`.
"""

import importlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from analogrnn.errors import MissingDependencyError, WorkerError, in_range

PATIENCE = 10.0  # s for a cluster to answer and to have a worker
LONELY = 60.0  # s without any worker, after which the cluster counts as lost
_KEPT = "finished chunks are kept in the checkpoint, if there is one: resume on another."
_GRACE = 3.0  # s for a worker to stop its simulator after SIGTERM


@dataclass(frozen=True)
class Crew:
    """An executor that is open.

    window  number of chunks to submit at the same time: those that run, and one waiting for each of these
    check   called regularly while no chunk finishes; raises WorkerError if the workers are lost
    flukes  exceptions that the executor itself may raise: such a chunk runs once more
    """

    executor: Executor
    window: Callable[[], int]
    check: Callable[[], None] = lambda: None
    flukes: tuple[type[Exception], ...] = ()


@dataclass(frozen=True)
class Workers:
    """A way to open a Crew, also again after a failure. `lost`: exceptions that mean that these workers are gone."""

    name: str
    open: Callable[[], AbstractContextManager[Crew]]
    lost: tuple[type[BaseException], ...] = ()


class SerialExecutor(Executor):
    """Runs each call immediately, in the thread that submits it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # the future carries it, as with any executor; Ctrl-C passes through
            future.set_exception(error)
        return future


def serial() -> Workers:
    """Run in this process and thread."""
    return using(SerialExecutor(), window=1)


def using(executor: Executor, window: int) -> Workers:
    """An executor that the caller made and will shut down; up to `window` chunks are submitted at the same time.

    Raises ParameterError for a window below 1.
    """
    in_range("using.window", window, 1, 10**6)

    @contextmanager
    def lend() -> Iterator[Crew]:
        yield Crew(executor, lambda: window)

    return Workers(type(executor).__name__, lend)


def processes(count: int) -> Workers:
    """`count` processes of this machine, started by spawn, so that they inherit no threads and no locks.

    They end with this process, even if it is killed. After an error their tasks are stopped, not waited for. Raises
    ParameterError for a count outside 1 to 1024.
    """
    in_range("workers", count, 1, 1024, hint="give the number of processes")

    @contextmanager
    def start() -> Iterator[Crew]:
        context = multiprocessing.get_context("spawn")
        pids = context.SimpleQueue()
        pool = ProcessPoolExecutor(int(count), context, _begin, (pids,))
        try:
            yield Crew(pool, lambda: 2 * int(count))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _dismiss(pids)
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            pids.close()

    return Workers(f"{count} processes", start)


def dask_cluster(address: str) -> Workers:
    """The workers of a running Dask cluster; they need this version of analogrnn.

    Raises MissingDependencyError without `distributed`. Opening raises WorkerError if no scheduler answers, or if it
    has no workers or workers without this version.
    """
    try:
        distributed = importlib.import_module("distributed")
        comm = importlib.import_module("distributed.comm.core")
    except ImportError:
        raise MissingDependencyError("distributed is not installed: pip install 'analogrnn[cluster]'.") from None

    @contextmanager
    def connect() -> Iterator[Crew]:
        try:
            client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise WorkerError(f"no Dask scheduler answers at {address} ({error}); give tcp://HOST:PORT.") from error
        with client:
            _inspect(client, address)
            cluster = _Cluster(client, address)
            # closing the client abandons running tasks; the executor's own exit would wait for them
            # a chunk whose worker dies while its result is fetched ends with a TypeError inside distributed
            yield Crew(client.get_executor(pure=False), cluster.window, cluster.check, (TypeError,))

    lost = (distributed.scheduler.KilledWorker, comm.CommClosedError, CancelledError)
    return Workers(f"Dask cluster {address}", connect, lost)


class _Cluster:
    """Monitors a cluster whose workers come and go."""

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        self._seen = time.monotonic()

    def window(self) -> int:
        return 2 * max(1, self._threads())

    def _threads(self) -> int:
        try:
            return sum(self._client.nthreads().values())
        except (OSError, TimeoutError) as error:
            raise WorkerError(f"lost the Dask cluster {self._address} ({error}); {_KEPT}") from error

    def check(self) -> None:
        now = time.monotonic()
        if self._threads():
            self._seen = now
        elif now - self._seen > LONELY:
            raise WorkerError(
                f"the Dask cluster {self._address} has had no worker for {LONELY:g} s; start workers; {_KEPT}"
            )


def installed_version() -> str:
    """The version of this package; also called on workers."""
    return importlib.import_module("analogrnn").__version__


def _inspect(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise WorkerError(f"the Dask scheduler at {address} has no workers; start `dask worker {address}`.") from None
    here = installed_version()
    try:
        found = client.run(installed_version)
    except Exception as error:  # distributed wraps the worker's error into a bare Exception
        raise WorkerError(
            f"the workers of {address} can't import analogrnn ({error}); install analogrnn {here} there."
        ) from error
    other = {worker: version for worker, version in found.items() if version != here}
    if other:
        worker, version = next(iter(other.items()))
        raise WorkerError(
            f"worker {worker} has analogrnn {version}, this process has {here}: install the same version."
        )


# ------------------------------------------------------------------ in a worker process


def _begin(pids: Any) -> None:
    """Set up a worker: the parent handles Ctrl-C; the worker ends on SIGTERM, or when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    pids.put(os.getpid())
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    # an idle worker of a killed parent would wait for ever, because it holds the writing end of its own queue
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, frame: FrameType | None) -> None:
    """Unwind the task, so that it stops its simulator. The pool's loop would then continue, so exit after a delay."""
    exit_later = threading.Timer(_GRACE, os._exit, (1,))
    exit_later.daemon = True
    exit_later.start()
    raise SystemExit(1)


def _dismiss(pids: Any) -> None:
    """End the workers whose process ids are in the queue, without waiting for their tasks."""
    ours = set()
    while not pids.empty():
        ours.add(pids.get())
    children = [child for child in multiprocessing.active_children() if child.pid in ours]
    for child in children:
        child.terminate()
    for child in children:
        child.join(_GRACE + 2.0)
        if child.is_alive():
            child.kill()
