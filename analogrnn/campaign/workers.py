"""Who runs the chunks: this thread, processes of this machine, a Dask cluster, or any executor of the caller's.

No scheduler of our own: each is a `concurrent.futures.Executor`.
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

PATIENCE = 10.0  # s that a cluster has to answer and to show a worker
LONELY = 60.0  # s without any worker after which nobody is expected
_KEPT = "what is finished is kept in the checkpoint, if there is one: resume on another."
_GRACE = 3.0  # s that a worker has to stop its simulator once it is told to leave


@dataclass(frozen=True)
class Crew:
    """An executor at work.

    window  how many chunks it should have at hand: running, and one waiting for each that runs
    check   called now and then while nothing is finished; raises WorkerError if nothing ever will be
    flukes  exceptions that may be the executor's own: such a chunk runs once more
    """

    executor: Executor
    window: Callable[[], int]
    check: Callable[[], None] = lambda: None
    flukes: tuple[type[Exception], ...] = ()


@dataclass(frozen=True)
class Workers:
    """How to get a crew, again after it broke. `lost` are the exceptions by which this kind tells that it is gone."""

    name: str
    open: Callable[[], AbstractContextManager[Crew]]
    lost: tuple[type[BaseException], ...] = ()


class SerialExecutor(Executor):
    """Runs each call at once, in the thread that submits it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # the future carries it, as with any executor; Ctrl-C passes
            future.set_exception(error)
        return future


def serial() -> Workers:
    """This process and thread."""
    return using(SerialExecutor(), window=1)


def using(executor: Executor, window: int) -> Workers:
    """An executor that the caller made and will shut down; `window` chunks are at hand at a time."""
    in_range("using.window", window, 1, 10**6)

    @contextmanager
    def lend() -> Iterator[Crew]:
        yield Crew(executor, lambda: window)

    return Workers(type(executor).__name__, lend)


def processes(count: int) -> Workers:
    """`count` processes of this machine, started afresh (spawn): no thread or lock is inherited half-way.

    They end with this process, even if it is killed; on an error what they run is stopped, not waited for.
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

    Raises MissingDependencyError without `distributed`; opening raises WorkerError if no scheduler answers, it has no
    workers, or they lack this version.
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
            # closing the client gives up what runs; the executor's own exit would wait for it
            # a chunk whose worker dies while its result is fetched ends with a TypeError of distributed's own
            yield Crew(client.get_executor(pure=False), cluster.window, cluster.check, (TypeError,))

    lost = (distributed.scheduler.KilledWorker, comm.CommClosedError, CancelledError)
    return Workers(f"Dask cluster {address}", connect, lost)


class _Cluster:
    """Looks after a cluster whose workers come and go."""

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
                f"the Dask cluster {self._address} has had no worker for {LONELY:g} s, so start some; {_KEPT}"
            )


def installed_version() -> str:
    """The version of this package, asked where the workers are."""
    return importlib.import_module("analogrnn").__version__


def _inspect(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise WorkerError(f"the Dask scheduler at {address} has no workers; start `dask worker {address}`.") from None
    here = installed_version()
    try:
        found = client.run(installed_version)
    except Exception as error:  # distributed wraps what a worker said into a bare Exception
        raise WorkerError(
            f"the workers of {address} can't import analogrnn ({error}); install analogrnn {here} there."
        ) from error
    other = {worker: version for worker, version in found.items() if version != here}
    if other:
        worker, version = next(iter(other.items()))
        raise WorkerError(f"worker {worker} has analogrnn {version}, here is {here}: install the same version.")


# ------------------------------------------------------------------ in a worker process


def _begin(pids: Any) -> None:
    """Ctrl-C is the parent's to handle; leave when told to, or when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    pids.put(os.getpid())
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    # an idle worker of a killed parent would wait for ever: it holds the writing end of its own queue
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, frame: FrameType | None) -> None:
    """Unwind the task, so that it stops its simulator; the pool's loop would then go on, so end it after a while."""
    exit_later = threading.Timer(_GRACE, os._exit, (1,))
    exit_later.daemon = True
    exit_later.start()
    raise SystemExit(1)


def _dismiss(pids: Any) -> None:
    """End the workers whose numbers are in the queue, without waiting for their tasks."""
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
