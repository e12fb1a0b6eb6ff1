"""Runs SPICE decks: one ngspice process per deck, in a private folder. Only a complete run counts as success.

A run is complete if the exit status is 0, the log reports no abort, the raw file has points, and the last point is at
the deck's stop time. No single condition is sufficient: ngspice 39 exits with 0 when the disk is full.
"""

import math
import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from analogrnn.errors import DeckError, MissingDependencyError, ParameterError, SpiceError, in_range
from analogrnn.spice.deck import Deck
from analogrnn.spice.outcome import ProcessOutcome, judge
from analogrnn.spice.raw import Waveforms

DECK, RAW = "deck.cir", "out.raw"

_CARDS = (
    ".tran .op .dc .ac .tf .model .subckt .ends .param .func .ic .nodeset .option .options .temp .global "
    ".save .probe .include .inc .lib .endl .if .elseif .else .endif .end"
)
_COMMANDS = ("shell", "codemodel", "write", "wrdata", "source", "load", "osdi", "pre_osdi", "pre_codemodel")
_EXECUTES = re.compile(r"\.control|\.endc|\*#|^\*ng_script", re.IGNORECASE)
_REFERENCE = re.compile(r"\S+[ \t]+(?P<q>[\"']?)(?P<name>[^\"']+?)(?P=q)([ \t]+(?P<section>\w+))?")
_FILE_NAME = re.compile(r"\w[\w.-]{0,63}", re.ASCII)
_INSTALL = "install it with `apt-get install ngspice`, or set NGSPICE to its path."
_LOG_PART = 32_768  # bytes kept from the start of a log, and as many from its end
_KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True)
class Ngspice:
    """A simulator on this machine, and the limits of one run.

    max_memory  bytes  address space of the process; ngspice stops beyond it
    max_file    bytes  size of the raw file
    """

    executable: Path
    version: str
    max_memory: int = 8 << 30
    max_file: int = 4 << 30


@dataclass(frozen=True)
class Job:
    """One deck to run; the fields are the arguments of `run_deck`."""

    deck: str
    stop_time: float | None
    timeout: float = 120.0
    files: Mapping[str, str] = field(default_factory=dict)
    allowed_paths: frozenset[Path] = frozenset()


def deck_job(deck: Deck, timeout: float = 600.0, allowed_paths: frozenset[Path] = frozenset()) -> Job:
    """The job that runs a deck to the end of its analysis. `timeout` in s of real time."""
    return Job(deck.text, deck.stop_time, timeout, allowed_paths=allowed_paths)


def find_ngspice(path: str | None = None) -> Ngspice:
    """Return the simulator at `path`, else at the environment's NGSPICE, else `ngspice` on PATH.

    Raises MissingDependencyError if it is missing or does not report a version of ngspice.
    """
    executable = path or os.environ.get("NGSPICE") or "ngspice"
    found = shutil.which(executable)
    if found is None:
        raise MissingDependencyError(f"ngspice = {executable!r} is not an executable; {_INSTALL}")
    return Ngspice(Path(found).absolute(), _version(Path(found).absolute(), Path(found).stat().st_mtime_ns))


@lru_cache(maxsize=8)
def _version(executable: Path, mtime_ns: int) -> str:
    """Return the version that `executable` reports; it is run once per state of the file."""
    with tempfile.TemporaryDirectory(prefix="analogrnn-") as folder:
        outcome = run_process([str(executable), "--version"], Path(folder), timeout=20.0)
    match = re.search(r"ngspice-(\d+[\w.+-]*)", outcome.log)
    if outcome.returncode != 0 or match is None:
        raise MissingDependencyError(f"ngspice = '{executable}' does not report ngspice's version; {_INSTALL}")
    return match[1]


def check_deck(
    text: str,
    *,
    files: Iterable[str] = (),
    allowed_paths: Iterable[Path] = (),
    owner: str = "deck",
    title: bool = True,
    noise: bool = False,
) -> None:
    """Raise DeckError, with the line, if `text` could make ngspice do anything but simulate.

    Only listed statements are allowed, because ngspice completes abbreviations (`.controlX` opens a control block) and
    turns sixteen unusual leading characters into comments that execute. References may name `files`, and
    `allowed_paths` by path or by file name. `title`: the first line is the title of the circuit, not an element.
    `noise`: a .noise analysis is allowed, for a caller that reads its two plots.
    """
    if bad := re.search(r"[^\n\t -_a-~]", text):
        at = text.count("\n", 0, bad.start()) + 1
        raise DeckError(f"{owner} line {at}: {bad[0]!r} may not enter; use printable ASCII without backquotes.")
    reachable = {*files, *(name for path in allowed_paths for name in (str(path), path.name))}
    statements: list[tuple[str, str]] = []
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        where = f"{owner} line {number}"
        if found := _EXECUTES.search(line):
            raise DeckError(f"{where}: {found[0]!r} makes ngspice run commands; remove it and measure in Python.")
        if line.endswith("\\"):
            raise DeckError(f"{where}: a backslash ends it; continue a line with `+` at the start of the next one.")
        if not line or line[0] == "*":
            continue
        if number == 1 and title:  # ngspice obeys a `.include` here, its shared library does not
            if not line[0].isalnum():
                raise DeckError(f"{where}: a title may not start with {line[0]!r}; start it with a letter or `*`.")
        elif line[0] == "+" and statements:
            statements[-1] = (statements[-1][0], f"{statements[-1][1]}\n{line[1:]}")
        elif line[0].isalpha() or line[0] == ".":
            statements.append((where, line))
        else:
            raise DeckError(f"{where}: no element starts with {line[0]!r}; write comments with `*`.")
    for where, statement in statements:
        _check_statement(where, statement, reachable, noise=noise)


def _check_statement(where: str, statement: str, reachable: set[str], *, noise: bool) -> None:
    """Raise DeckError if a statement, with its continuation lines joined, is not allowed."""
    name = statement.split(maxsplit=1)[0].lower()
    if name in _COMMANDS:
        raise DeckError(f"{where}: {name!r} is a command, not an element; remove it and measure in Python.")
    if name[0] == "a":
        raise DeckError(f"{where}: {name!r} is an XSPICE device, which may read files; use a B source.")
    if name[0] != ".":
        return
    card = re.split(r"[^.\w]", name)[0]
    if card == ".noise":
        if noise:
            return
        raise DeckError(
            f"{where}: .noise gives two plots, and a run has one; use .ac from each noise source and add in Python."
        )
    if card not in _CARDS.split():
        raise DeckError(f"{where}: {card} may not enter a deck; allowed: {_CARDS}.")
    if card == ".model" and re.search(r"\b(numd|nbjt|numos)", statement, re.IGNORECASE):
        raise DeckError(f"{where}: CIDER models may write files; use a compact model.")
    if card in (".save", ".probe") and (bad := re.search(r"[^\w\s()@\[\].,:#=+-]", statement)):
        raise DeckError(f"{where}: {bad[0]!r} may not enter {card}; list signals such as v(out).")
    if card in (".include", ".inc", ".lib"):
        if card == ".lib" and re.fullmatch(r"\S+[ \t]+\w+", statement):
            return  # opens a section of this library
        parts = _REFERENCE.fullmatch(statement)
        if not parts or parts["name"] not in reachable or (card == ".lib") != bool(parts["section"]):
            raise DeckError(f"{where}: {statement[:80]!r} may not be read; allowed: {sorted(reachable) or 'no files'}.")


class Runnable(Protocol):
    """A deck with its analysis and the files that it reads, as `export_deck` returns it."""

    def job(self, timeout: float = ...) -> Job: ...


def run_deck(
    deck: str | Runnable,
    *,
    stop_time: float | None = -math.inf,
    ngspice: Ngspice | None = None,
    timeout: float = 600.0,
    files: Mapping[str, str] = MappingProxyType({}),
    allowed_paths: frozenset[Path] = frozenset(),
) -> Waveforms:
    """Run `deck` and return the plot of its one analysis (its transient, if `stop_time` is given).

    >>> waves = ar.run_deck(ar.export_deck(design, x[:8, 0], cell=("cell", 3)))

    deck              a deck of `export_deck`, or the text of a deck
    stop_time      s  end of the transient; None for .op, .dc, .ac; required for text only
    timeout        s  of real time
    files             file name -> text, written beside the deck, which may `.include` them by that name
    allowed_paths     files that the deck may read in place, by path or by file name (process models)

    Raises DeckError for text that is not allowed to run, SpiceError for a run without a complete result (its `log` is
    the output of ngspice), ParameterError for text without a stop time, MissingDependencyError without ngspice.
    """
    if not isinstance(deck, str):
        own = deck.job(timeout)
        job = replace(own, files={**own.files, **files}, allowed_paths=own.allowed_paths | allowed_paths)
    elif stop_time == -math.inf:  # not given
        raise ParameterError(
            "run_deck.stop_time is required for the text of a deck: give the end of its transient in s, or None for "
            "another analysis."
        )
    else:
        job = Job(deck, stop_time, timeout, files, allowed_paths)
    return _run(job, ngspice or find_ngspice(), threading.Event())


def run_decks(
    jobs: Iterable[Job], workers: int | None = None, ngspice: Ngspice | None = None
) -> Iterator[tuple[int, Waveforms | SpiceError]]:
    """Run `jobs` on `workers` processes at a time (None = one per CPU); yield (index, result) as each completes.

    Jobs are taken from `jobs` one by one, as workers become free. A job that fails yields its SpiceError, and the
    others continue. Any other error, Ctrl-C, or closing the iterator stops all running simulators.
    """
    simulator = ngspice or find_ngspice()
    workers = int(in_range("run_decks.workers", workers or os.cpu_count() or 1, 1, 1024))
    stop = threading.Event()
    running: dict[Future[Waveforms], int] = {}
    queue = iter(enumerate(jobs))
    with ThreadPoolExecutor(workers, thread_name_prefix="ngspice") as pool:
        try:
            while True:
                # at most one job waits per running job, so that results of a long campaign do not accumulate
                while len(running) < 2 * workers and (item := next(queue, None)) is not None:
                    running[pool.submit(_run, item[1], simulator, stop)] = item[0]
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    index, error = running.pop(future), future.exception()
                    yield index, error if isinstance(error, SpiceError) else future.result()
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _run(job: Job, ngspice: Ngspice, stop: threading.Event) -> Waveforms:
    argv = [str(ngspice.executable), "-n", "-b", "-r", RAW, DECK]
    limits = (ngspice.max_memory, ngspice.max_file)
    with tempfile.TemporaryDirectory(prefix="analogrnn-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_job(job, folder)
        outcome = run_process(argv, folder, timeout=job.timeout, limits=limits, stop=stop)
        return judge(outcome, folder / RAW, job.stop_time, job.timeout)


def write_job(job: Job, folder: Path, *, noise: bool = False) -> None:
    """Check the deck and every file of `job`, then write them into `folder`. Raises DeckError or SpiceError.

    `noise`: the deck's analysis is .noise.
    """
    if job.stop_time is not None:
        in_range("run_deck.stop_time", job.stop_time, 1e-15, 1e9, "s")
    in_range("run_deck.timeout", job.timeout, 1e-3, 1e7, "s")
    taken = {DECK, RAW}
    for name in (*job.files, *(path.name for path in job.allowed_paths)):
        if not _FILE_NAME.fullmatch(name) or name in taken:
            raise DeckError(
                f"files: {name!r} is taken or is not a plain file name; use letters, digits, `_`, `.`, `-`."
            )
        taken.add(name)
    if not job.deck.strip():
        raise DeckError("deck: it is empty; a deck has a title, elements and one analysis.")
    check_deck(job.deck, files=job.files, allowed_paths=job.allowed_paths, noise=noise)
    for path in job.allowed_paths:
        _check_models(path, _stamp(path))
    for name, text in job.files.items():
        check_deck(text, files=job.files, allowed_paths=job.allowed_paths, owner=name, title=False)
    try:
        for name, text in {DECK: job.deck, **job.files}.items():
            (folder / name).write_text(text, encoding="ascii", newline="\n")
        for path in job.allowed_paths:
            (folder / path.name).symlink_to(path.absolute())
    except OSError as error:
        raise SpiceError(f"The deck can't be written: {error.strerror}; set TMPDIR to a disk with space.") from None


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise SpiceError(f"{path} can't be read: {error.strerror}; correct the path, or PDK_ROOT.") from None


@lru_cache(maxsize=32)
def _check_models(path: Path, mtime_ns: int) -> None:
    """Raise DeckError if a file that the deck reads in place holds commands; checked once per state of the file."""
    try:
        text = path.read_text(encoding="latin-1")
    except OSError as error:
        raise SpiceError(f"{path} can't be read: {error.strerror}; correct the path, or PDK_ROOT.") from None
    for number, line in enumerate(text.splitlines(), 1):
        if found := _EXECUTES.search(line.strip()):
            raise DeckError(
                f"{path.name} line {number}: {found[0]!r} makes ngspice run commands; use a clean copy of the models."
            )


def run_process(
    argv: Sequence[str],
    folder: Path,
    *,
    timeout: float,
    limits: tuple[int, int] | None = None,
    stop: threading.Event | None = None,
    extra_environment: Mapping[str, str] = MappingProxyType({}),
) -> ProcessOutcome:
    """Run `argv` in `folder`, at most `timeout` seconds or until `stop`, and end all its processes.

    The process gets a fresh environment: SPICE_SCRIPTS, SPICE_LIB_DIR or a ~/.spiceinit could run commands, and a
    second OpenMP thread triples the CPU time of small decks.
    """
    environment = {key: os.environ[key] for key in _KEPT_ENVIRONMENT if key in os.environ}
    environment |= {"HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C", "OMP_THREAD_LIMIT": "1"}
    deadline = time.monotonic() + timeout
    try:
        child = subprocess.Popen(
            argv,
            cwd=folder,
            env=environment | dict(extra_environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            bufsize=0,
        )
    except OSError as error:
        raise MissingDependencyError(f"{argv[0]!r} can't be started: {error.strerror}; {_INSTALL}") from None
    log = bytearray()
    with child:
        try:
            if limits:
                _limit(child.pid, timeout, *limits)
            ended = _drain(child, log, deadline, stop or threading.Event())
        finally:
            if child.returncode is None:  # not reaped yet, so the group's number can't belong to another process
                os.killpg(child.pid, signal.SIGKILL)
    return ProcessOutcome(child.returncode if ended else None, log.decode("utf-8", "replace"))


def _limit(pid: int, timeout: float, max_memory: int, max_file: int) -> None:
    """Limit a running process, from outside because `preexec_fn` may deadlock in a program with threads.

    The limit of CPU time ends the simulator even if this program is killed. Linux only; other systems have the timeout.
    """
    if hasattr(resource, "prlimit"):
        caps = {resource.RLIMIT_AS: max_memory, resource.RLIMIT_FSIZE: max_file, resource.RLIMIT_CPU: int(timeout) + 10}
        for kind, cap in caps.items():
            with suppress(OSError, ValueError):  # it has ended already, or a lower limit applies
                resource.prlimit(pid, kind, (cap, cap))


def _drain(child: subprocess.Popen[bytes], log: bytearray, deadline: float, stop: threading.Event) -> bool:
    """Collect output until the process ends; True if it ended by itself. Of a long log only both ends are kept."""
    if child.stdout is None:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0 and not stop.is_set():
            # short waits: each thread stops its own child, so that no recycled process number is signalled
            if not selector.select(min(left, 0.1)):
                continue
            chunk = child.stdout.read(65_536)
            if not chunk:
                with suppress(subprocess.TimeoutExpired):
                    child.wait(left)
                    return True
            log += chunk
            del log[_LOG_PART : max(_LOG_PART, len(log) - _LOG_PART)]
    return False
