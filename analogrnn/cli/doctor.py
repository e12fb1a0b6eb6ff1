"""`analogrnn doctor`."""

import argparse
import platform
from collections.abc import Callable
from importlib import metadata

from analogrnn import datasets, library
from analogrnn.cli.ui import Ui
from analogrnn.compilation import kernel_cache
from analogrnn.errors import AnalogrnnError, MissingDependencyError
from analogrnn.spice.engine import find_ngspice
from analogrnn.spice.pdk import find_pdk
from analogrnn.technology import load_technology

PACKAGES = ("numpy", "scipy", "numba", "matplotlib", "safetensors", "xarray")
OPTIONAL = {"PySpice": "pip install PySpice==1.5 (interoperation only)", "torch": "pip install torch (training only)"}

COVERED = (
    "spoken_digits",
    "digit_pixels",
    "mnist_pixels",
    *datasets.GENERATED,
)  # required, in the file of another, ours


def add_arguments(parser: argparse.ArgumentParser) -> None:
    # not by `arguments.add_common`: with that module come the records of a circuit, which nothing here needs
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")


def run(args: argparse.Namespace) -> int:
    ui = Ui(as_json=args.json)
    checks = [("python", True, platform.python_version()), *(_package(name) for name in PACKAGES)]
    checks += [_check(name, finder) for name, finder in _FINDERS.items()]
    optional = [_package(name, help_) for name, help_ in OPTIONAL.items()]
    optional += [_data(item) for item in datasets.REGISTRY.values() if item.name not in COVERED]
    optional.append(_kernel_cache())
    rows = [(name, "found" if ok else "MISSING", text) for name, ok, text in checks]
    rows += [(name, "found" if ok else "not there", text) for name, ok, text in optional]
    ui.columns("", ("component", "", "version and place, or how to install it"), rows)
    ui.result({"required": _as_dicts(checks), "optional": _as_dicts(optional)})
    return 0 if all(ok for _, ok, _ in checks) else MissingDependencyError.exit_code


def _ngspice() -> str:
    found = find_ngspice()
    return f"{found.version} at {found.executable}"


def _pdk() -> str:
    found = find_pdk()
    return f"{found.source}, models {found.sha256[:12]}"


def _technologies() -> str:
    return ", ".join(load_technology(name).name for name in library.shipped("calibration", ".toml"))


_FINDERS: dict[str, Callable[[], str]] = {
    "ngspice": _ngspice,
    "GF180MCU models": _pdk,
    "spoken digits": lambda: f"{datasets.count_spoken_digits():,} recordings",
    "technologies": _technologies,
    "networks": lambda: ", ".join(library.shipped("networks", ".safetensors")),
}


def _kernel_cache() -> tuple[str, bool, str]:
    cache = kernel_cache()
    if cache.folder is not None:
        return "kernel cache", True, f"{cache.folder} (can be written)"
    tried = ", ".join(str(folder) for folder in cache.tried)
    return (
        "kernel cache",
        False,
        f"none of {tried} can be written, so every run compiles its kernels anew, for up to a minute; set "
        "NUMBA_CACHE_DIR to a folder that can be written",
    )


def _data(item: datasets.DataSet) -> tuple[str, bool, str]:
    """Whether the package of a data set is there; reads no data."""
    assert item.package is not None
    try:
        return item.name, True, f"{item.package.name} {metadata.version(item.package.name)}"
    except metadata.PackageNotFoundError:
        return item.name, False, item.package.command


def _check(name: str, finder: Callable[[], str]) -> tuple[str, bool, str]:
    try:
        return name, True, finder()
    except AnalogrnnError as error:
        return name, False, str(error)


def _package(name: str, help_: str = "") -> tuple[str, bool, str]:
    try:
        return name, True, metadata.version(name)
    except metadata.PackageNotFoundError:
        return name, False, help_ or f"pip install {name}"


def _as_dicts(checks: list[tuple[str, bool, str]]) -> list[dict[str, object]]:
    return [{"name": name, "found": found, "detail": text} for name, found, text in checks]
