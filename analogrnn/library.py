"""Finds the data that ships with the package: circuits/, calibration/, networks/. Nobody else looks for them.

In a wheel they lie inside the package (`_data/`); in a checkout beside it.
"""

from pathlib import Path

from analogrnn.errors import MissingDependencyError, ParameterError

_PACKAGE = Path(__file__).resolve().parent
FLAVOURS = ("ideal", "gf180mcu")
_ROOTS = (_PACKAGE / "_data", _PACKAGE.parent)


def folder(name: str) -> Path:
    """Return the shipped folder `name` (`circuits`, `calibration` or `networks`)."""
    for root in _ROOTS:
        if (root / name).is_dir():
            return root / name
    raise MissingDependencyError(f"{name}/ is not in this installation of analogrnn; install the package again.")


def circuit(flavour: str, name: str) -> str:
    """Return the SPICE text of the shipped subcircuit `name` in `flavour` (`ideal` or `gf180mcu`)."""
    if flavour not in FLAVOURS:
        raise ParameterError(f"circuits/ has no flavour {flavour!r}; it has: {', '.join(FLAVOURS)}.")
    return _file(folder("circuits") / flavour, name, ".spice").read_text(encoding="ascii")


def calibration_path(name: str) -> Path:
    """Return the path of the shipped calibration `name`, for example `gf180mcu`."""
    return _file(folder("calibration"), name, ".toml")


def network_path(name: str) -> Path:
    """Return the path of the shipped network `name`, for example `digits_d32_k4`."""
    return _file(folder("networks"), name, ".safetensors")


def shipped(name: str, suffix: str) -> list[str]:
    """Return the stems of the shipped files in folder `name` that end in `suffix`, sorted."""
    return sorted(path.stem for path in folder(name).glob(f"*{suffix}"))


def _file(where: Path, stem: str, suffix: str) -> Path:
    path = where / f"{stem}{suffix}"
    # a name with a folder in it would leave the library
    if path.name != f"{stem}{suffix}" or not path.is_file():
        known = ", ".join(sorted(p.stem for p in where.glob(f"*{suffix}"))) or "none"
        raise ParameterError(f"{where.name}/ holds no {stem + suffix!r}; it holds: {known}.")
    return path
