"""Runs a deck through PySpice 1.5 and the shared library of ngspice, to compare with the subprocess engine.

Each run has a worker process of its own, since inside one process the library keeps state that a run can't trust:
after a deck that fails to load, PySpice returns the previous circuit's waveforms as success; an undefined parameter
leaves the library unusable; a run can't be interrupted; 0.7 MB leak a run. PySpice also raises for harmless notes on
stderr (gmin stepping, the matrix solver's banner): the worker lets them pass, and the engine's rules judge the run.
The deck's title is replaced by a nonce, which must come back in the raw file: no other circuit can have written it.

Waveforms come from the raw file that the library's `write` makes: PySpice's own vectors lack the circuit's title.
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
            # 1 is what ngspice itself exits with, and words the log alike
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
    # not through the library's own end, which may hang or crash after a failed load
    os._exit(0 if Path(RAW).exists() else _NOT_RUN)


def _with_title(deck: str, title: str) -> str:
    """Return `deck` under `title`, closed by `.end`, without which the library loads nothing."""
    _, _, rest = deck.partition("\n")
    return f"{title}\n{rest}\n.end\n"


def _search_path() -> list[str]:
    """Return this process's import path; `-I` keeps the worker from importing what lies in the deck's folder."""
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
