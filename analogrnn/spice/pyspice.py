"""Runs a deck through PySpice 1.5 and the shared library of ngspice, to compare with the subprocess engine.

Each run has its own worker process, because the library keeps unsafe state within one process. After a deck that fails
to load, PySpice returns the previous circuit's waveforms as a success. An undefined parameter leaves the library
unusable. A run can't be interrupted, and each run leaks 0.7 MB. PySpice also raises for harmless notes on stderr (gmin
stepping, the banner of the matrix solver): the worker ignores them, and the rules of the engine decide. The deck's
title is replaced by a nonce, which must appear in the raw file: this proves that no other circuit wrote it.

Waveforms come from the raw file that the library writes, because PySpice's vectors lack the circuit's title.
"""

import ctypes.util
import importlib.metadata
import json
import logging
import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from analogrnn.errors import MissingDependencyError, SpiceError
from analogrnn.spice.engine import DECK, RAW, Job, run_process, write_job
from analogrnn.spice.outcome import judge
from analogrnn.spice.raw import Waveforms

_LIMITS = (8 << 30, 4 << 30)  # bytes of memory, and of raw file, as in the subprocess engine
_NO_LIBRARY, _NOT_RUN = 73, 74  # exit statuses of the worker
_LIBRARY = "NGSPICE_LIBRARY_PATH"  # PySpice's own variable
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from analogrnn.spice import pyspice; pyspice.work()"


def run_deck_pyspice(
    deck: str,
    *,
    stop_time: float | None,
    timeout: float = 120.0,
    files: Mapping[str, str] = MappingProxyType({}),
    allowed_paths: frozenset[Path] = frozenset(),
) -> Waveforms:
    """Run `deck` as `engine.run_deck` does, through PySpice; same arguments, same checks, same errors.

    Raises MissingDependencyError if PySpice or libngspice is not installed.
    """
    library = _library()
    job = Job(deck, stop_time, timeout, files, allowed_paths)
    nonce = f"nonce {secrets.token_hex(16)}"  # lower case: ngspice folds titles
    with tempfile.TemporaryDirectory(prefix="analogrnn-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_job(job, folder)
        (folder / DECK).write_text(_with_title(deck, nonce), encoding="ascii", newline="\n")
        outcome = run_process(
            [sys.executable, "-I", "-c", _START, json.dumps(_search_path())],
            folder,
            timeout=timeout,
            limits=_LIMITS,
            extra_environment={_LIBRARY: library},
        )
        if outcome.returncode == _NO_LIBRARY:
            raise _no_library(library)
        if outcome.returncode == _NOT_RUN:
            # ngspice itself exits with 1, with the same text in the log
            outcome = replace(outcome, returncode=1)
        waveforms = judge(outcome, folder / RAW, stop_time, timeout)
    if waveforms.title != nonce:
        raise SpiceError(f"PySpice returned the circuit {waveforms.title!r}, not the one sent.", log=outcome.log)
    return waveforms


def work() -> None:
    """Run the deck in the current folder and write its raw file; the body of the worker process."""
    from PySpice.Spice.NgSpice.Shared import NgSpiceCommandError, NgSpiceShared  # noqa: PLC0415 (in the worker only)

    class Shared(NgSpiceShared):  # type: ignore[misc]  # PySpice has no types
        def send_char(self, message: str, ngspice_id: int) -> int:
            print(message.partition(" ")[2], flush=True)  # without the leading `stdout` or `stderr`
            return 0

        def command(self, text: str) -> None:
            try:
                self.exec_command(text)
            except NgSpiceCommandError:
                print(f"Note: PySpice refused what ngspice said during `{text}`", flush=True)

    logging.disable()  # PySpice would print each message of ngspice a second time
    try:
        shared = Shared.new_instance()
    except OSError:
        sys.exit(_NO_LIBRARY)
    try:
        shared.load_circuit(Path(DECK).read_text(encoding="ascii"))
        shared.command("run")
        shared.command("set appendwrite")
        for plot in shared.plot_names:
            if plot != "const":  # it holds the constants of nature
                shared.command(f"setplot {plot}")
                shared.command(f"write {RAW}")
    except NameError as error:  # the base of PySpice's errors
        print(f"Error: {error}", flush=True)
    if not Path(RAW).exists():
        print("Error: no analysis ran", flush=True)
    # skips the library's exit handlers, which may hang or crash after a failed load
    os._exit(0 if Path(RAW).exists() else _NOT_RUN)


def _with_title(deck: str, title: str) -> str:
    """Return `deck` with another title, ended by `.end`, without which the library loads nothing."""
    _, _, rest = deck.partition("\n")
    return f"{title}\n{rest}\n.end\n"


def _search_path() -> list[str]:
    """Return this process's import path; `-I` keeps the worker from importing files of the deck's folder."""
    package = str(Path(__file__).resolve().parents[2])
    return [package, *(str(Path(entry).absolute()) for entry in sys.path if entry)]


def _library() -> str:
    try:
        importlib.metadata.version("PySpice")
    except importlib.metadata.PackageNotFoundError:
        raise MissingDependencyError("PySpice is not installed; install it with `pip install PySpice==1.5`.") from None
    library = os.environ.get(_LIBRARY) or ctypes.util.find_library("ngspice")
    if not library:
        raise _no_library("ngspice")
    return library


def _no_library(name: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"libngspice = {name!r} can't be loaded; install it with `apt-get install libngspice0`, "
        f"or set {_LIBRARY} to its path."
    )
