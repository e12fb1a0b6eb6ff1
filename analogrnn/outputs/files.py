"""Results on disk: folders, text, JSON. A failure to write raises OutputError, which names the path."""

import json
import tempfile
from pathlib import Path
from typing import Any

from analogrnn.errors import OutputError


def make_folder(path: Path) -> Path:
    """Make a folder and its parents. Raises OutputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"can't make the folder {path}: {error.strerror or error}; choose another one.") from error
    return path


def can_write(folder: Path) -> bool:
    """Whether files can be made in a folder; the folder is made if it does not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def write_text(path: Path, text: str) -> None:
    """Write a text file with Unix line ends. Raises OutputError."""
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}; choose another folder.") from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON. Raises OutputError."""
    write_text(path, json.dumps(content, indent=2) + "\n")
