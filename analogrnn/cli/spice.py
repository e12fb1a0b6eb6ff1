"""`analogrnn spice DECK`."""

import argparse
import re
from pathlib import Path

import numpy as np

from analogrnn.cli.arguments import add_common
from analogrnn.cli.ui import Ui
from analogrnn.errors import OutputError, ParameterError
from analogrnn.spice.engine import find_ngspice, run_deck
from analogrnn.spice.pdk import find_pdk
from analogrnn.units import format_quantity, parse, plain_number

MAX_DECK = 64 << 20  # bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("deck", type=Path, help="a deck with elements and one analysis, without control blocks")
    add_common(parser, seed=False)
    parser.add_argument("--stop-time", metavar="s", help="end of the transient; default: read from .tran")
    parser.add_argument(
        "--timeout", metavar="s", default="600s", help="stop the simulator after this time (default 600s)"
    )
    parser.add_argument(
        "--allow",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="allow the deck to read files of this folder, by file name or full path; may be given more than once",
    )
    parser.add_argument("--out", type=Path, metavar="FILE.npz", help="write the signals here")


def run(args: argparse.Namespace) -> int:
    ui = Ui(as_json=args.json)
    text = _read(args.deck)
    stop = parse(args.stop_time, "s", owner="--stop-time") if args.stop_time else _stop_time(text)
    ngspice = find_ngspice()
    with ui.progress(f"ngspice {ngspice.version}"):
        waves = run_deck(
            text,
            stop_time=stop,
            ngspice=ngspice,
            timeout=parse(args.timeout, "s", owner="--timeout"),
            allowed_paths=_models(text) | _allowed(text, args.allow),
        )
    rows = []
    for name, values in waves.signals.items():
        unit = "A" if name.startswith("i(") else "V"
        size = np.abs(values) if np.iscomplexobj(values) else values
        rows.append((name, *(format_quantity(float(v), unit) for v in (size.min(), size.max(), size[-1]))))
    unit = {"time": "s", "frequency": "Hz"}.get(waves.axis_name, "1")
    title = (
        f"{waves.plotname}: {len(waves.axis):,} points, {waves.axis_name} to {format_quantity(waves.axis[-1], unit)}"
    )
    ui.columns(title, ("signal", "minimum", "maximum", "last"), rows)
    if args.out is not None:
        _save(args.out, {waves.axis_name: waves.axis, **waves.signals})
    ui.result(
        {
            "ngspice": ngspice.version,
            "plot": waves.plotname,
            "points": len(waves.axis),
            "last": {name: float(np.abs(v[-1]) if np.iscomplexobj(v) else v[-1]) for name, v in waves.signals.items()},
        }
    )
    return 0


def _models(text: str) -> frozenset[Path]:
    """The model files of GF180MCU, if the deck refers to them by name or by path."""
    if not re.search(r"(?mi)^\s*\.(include|lib)\b.*(design|sm141064)\.ngspice", text):
        return frozenset()
    return find_pdk().paths


def _allowed(text: str, folders: list[Path]) -> frozenset[Path]:
    """The files of `folders` that the deck includes, directly or through other files; the engine checks them."""
    found: set[Path] = set()
    for folder in map(Path.absolute, folders):
        if not folder.is_dir():
            raise ParameterError(f"--allow {folder} is not a folder.")
        texts = [text]
        while texts:
            named = re.findall(r"(?mi)^\s*\.(?:include|inc|lib)[ \t]+[\"']?([^\s\"']+)", texts.pop())
            new = {folder / Path(name).name for name in named if Path(name).name == name or Path(name).parent == folder}
            new = {path for path in new - found if path.is_file() and path.stat().st_size <= MAX_DECK}
            found |= new
            texts += [path.read_text(encoding="latin-1") for path in sorted(new)]
    return frozenset(found)


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    try:
        with path.open("wb") as file:  # numpy would append .npz to a path
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}; choose another place.") from error


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if not path.is_file() or size > MAX_DECK:
            raise ParameterError(f"{path} is not a file of at most {MAX_DECK} bytes; give a deck.")
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise ParameterError(f"can't read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError:
        raise ParameterError(f"{path} is not plain ASCII text; give a deck in ASCII.") from None


def _stop_time(text: str) -> float | None:
    """The second number of `.tran`, if it is written without a suffix (ngspice's suffixes are not SI)."""
    found = re.search(r"^\s*\.tran\s+\S+\s+(\S+)", text, re.IGNORECASE | re.MULTILINE)
    if found is None:
        return None
    try:
        return plain_number(found[1])
    except ParameterError:
        raise ParameterError(f".tran ends at {found[1]!r}, which is not a plain number; give --stop-time.") from None
