"""What every test shares: no screen, repeatable hypothesis runs, and a rule for tests that need a simulator.

--ngspice required       a missing simulator ends the session with an error, so it can't turn the suite green
--ngspice if-available   tests that can't run are deselected, and the summary says which and why (the default)
--ngspice off            tests that need a simulator are deselected
"""

import ctypes.util
import importlib.util
import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest

from analogrnn.errors import MissingDependencyError

os.environ["MPLBACKEND"] = "Agg"  # inherited by the examples that tests start
# a shell makes background jobs ignore Ctrl-C, and all processes that the tests start would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: the first call of a kernel compiles it.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted campaigns are kept in the user's cache: none of a test's belongs there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


_LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--ngspice",
        choices=["required", "if-available", "off"],
        default="if-available",
        help="tests marked ngspice, pdk or pyspice: fail when one can't run, leave it out, or leave all of them out",
    )


def _need_ngspice() -> None:
    from analogrnn.spice.engine import find_ngspice

    find_ngspice()


def _need_pdk() -> None:
    from analogrnn.spice.pdk import find_pdk

    find_pdk()


def _need_pyspice() -> None:
    if importlib.util.find_spec("PySpice") is None:
        raise MissingDependencyError("PySpice is not installed: pip install 'analogrnn[spice]'.")
    if not (os.environ.get("NGSPICE_LIBRARY_PATH") or ctypes.util.find_library("ngspice")):
        raise MissingDependencyError("the library of ngspice is missing; on Debian: apt-get install libngspice0.")


def _need_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        raise MissingDependencyError("torch is not installed: pip install 'analogrnn[train]'.")


def _need_cluster() -> None:
    if importlib.util.find_spec("distributed") is None:
        raise MissingDependencyError("distributed is not installed: pip install 'analogrnn[cluster]'.")


_SIMULATOR: dict[str, Callable[[], None]] = {"ngspice": _need_ngspice, "pdk": _need_pdk, "pyspice": _need_pyspice}
_OPTIONAL: dict[str, Callable[[], None]] = {"torch": _need_torch, "cluster": _need_cluster}


def _missing(need: Callable[[], None]) -> str | None:
    try:
        need()
    except MissingDependencyError as error:
        return str(error)
    return None


def pytest_configure(config: pytest.Config) -> None:
    """With pytest-xdist (-n 2), tests are collected in processes that can't report a missing simulator."""
    if config.getoption("numprocesses", None) and config.getoption("--ngspice") == "required":
        for marker, need in _SIMULATOR.items():
            if reason := _missing(need):
                raise pytest.UsageError(_cant_run(marker, reason))


def _cant_run(marker: str, reason: str) -> str:
    return f"--ngspice required, but tests marked {marker} can't run: {reason}"


# Last, so that tests which -k and -m have taken out already ask for nothing.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    mode = config.getoption("--ngspice")
    reasons: dict[str, str] = {}
    for marker, need in (_SIMULATOR | _OPTIONAL).items():
        if not any(item.get_closest_marker(marker) for item in items):
            continue
        reason = "--ngspice off" if mode == "off" and marker in _SIMULATOR else _missing(need)
        if reason and mode == "required" and marker in _SIMULATOR:
            raise pytest.UsageError(_cant_run(marker, reason))
        if reason:
            reasons[marker] = reason

    out = {item: marker for marker in reasons for item in items if item.get_closest_marker(marker)}
    if out:
        config.hook.pytest_deselected(items=list(out))
        items[:] = [item for item in items if item not in out]
    counts = Counter(out.values())
    config.stash[_LEFT_OUT] = [f"left out, marked {marker}: {n} ({reasons[marker]})" for marker, n in counts.items()]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # a process of pytest-xdist: only the first one has a summary
        session.config.workeroutput["left_out"] = session.config.stash.get(_LEFT_OUT, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """All processes collect all tests, so each reports the same; one that crashed reports nothing."""
    node.config.stash[_LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(_LEFT_OUT, []):
        terminalreporter.write_line(line, yellow=True)
