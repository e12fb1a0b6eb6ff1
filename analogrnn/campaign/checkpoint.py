"""The folder in which a campaign keeps finished chunks: one subfolder per series, one file per chunk.

Only one run at a time can use the folder; the operating system releases the lock when its process ends for any reason.
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from analogrnn.campaign.chunks import Chunk, as_json, encode, read_chunk, write_whole
from analogrnn.campaign.fingerprint import fingerprint
from analogrnn.errors import CheckpointError, OutputError, ParameterError
from analogrnn.outputs.files import make_folder

LOCK, MANIFEST, SUFFIX = "lock", "campaign.json", ".chunk"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


def folder_name(owner: str, name: str) -> str:
    """Return `name` if it is a valid folder name on every system, else raise ParameterError that names `owner`."""
    if not _NAME.fullmatch(name):
        raise ParameterError(f"{owner} = {name!r}: use 1 to 64 letters, digits and . _ + -, starting with a letter.")
    return name


@dataclass(frozen=True)
class SeriesStore:
    """The finished chunks of one series. `campaign` is the fingerprint of all conditions that its results depend on."""

    folder: Path
    campaign: str

    def save(self, chunk: Chunk) -> None:
        """Write a chunk. Raises OutputError."""
        items = chunk.items
        tail = hashlib.sha256(items.tobytes()).hexdigest()[:8]
        write_whole(self.folder / f"{items[0]:09d}-{len(items)}-{tail}{SUFFIX}", encode(chunk, self.campaign))

    def load(self) -> Iterator[Chunk]:
        """Read every chunk, one at a time. Raises CheckpointError that names all files that can't be used."""
        bad: list[str] = []
        for path in self.files():
            try:
                chunk = read_chunk(path, self.campaign)
            except CheckpointError as error:
                bad.append(str(error))
                continue
            yield chunk
        if bad:
            raise CheckpointError(" ".join(bad))

    def files(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{SUFFIX}"))


class Checkpoint:
    """A folder of finished chunks, locked while the `with` block runs.

    resume  True: continue with the chunks that are there; False: refuse a folder that has finished chunks, so that
            results are not overwritten by mistake

    Raises CheckpointError if another run uses the folder, OutputError if it can't be made.
    """

    def __init__(self, folder: Path, *, resume: bool = False) -> None:
        self.folder = folder
        self.resume = resume
        self._lock: IO[str] | None = None

    def __enter__(self) -> "Checkpoint":
        make_folder(self.folder)
        path = self.folder / LOCK
        try:
            lock = path.open("a+", encoding="ascii")
        except OSError as error:
            raise OutputError(f"can't write {path}: {error.strerror or error}; choose another folder.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            owner = lock.read(20).strip() or "?"
            lock.close()
            raise CheckpointError(
                f"{self.folder} is in use by another run (process {owner}): wait for it, or choose another folder."
            ) from error
        self._lock = lock
        try:
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            for left in self.folder.glob("*/*.new"):
                left.unlink()  # a write that was interrupted
            if not self.resume and (count := len(self._chunks())):
                raise CheckpointError(
                    f"{self.folder} holds {count} finished chunks of an earlier run: resume it, start again, or "
                    "choose another folder."
                )
        except OSError as error:
            self._close()
            raise OutputError(f"can't write {path}: {error.strerror or error}; free the disk.") from error
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def series(self, name: str, depends_on: Mapping[str, Any]) -> SeriesStore:
        """The store of one series, whose results depend only on `depends_on` and on the item's number.

        Raises CheckpointError that names the differences, if the folder has the series under other conditions.
        """
        folder = make_folder(self.folder / folder_name("Series.name", name))
        store = SeriesStore(folder, fingerprint(depends_on))
        parts = {key: _short(value) for key, value in depends_on.items()}
        path = folder / MANIFEST
        if path.exists():
            _compare(path, store.campaign, parts)
        else:
            write_whole(path, as_json({"fingerprint": store.campaign, "depends_on": parts}))
        return store

    def clear(self) -> None:
        """Delete the files that a checkpoint writes, and no others. Raises OutputError."""
        try:
            for path in [*self._chunks(), *self.folder.glob(f"*/{MANIFEST}")]:
                path.unlink()
            for path in self.folder.iterdir():
                if path.is_dir() and not any(path.iterdir()):
                    path.rmdir()
        except OSError as error:
            raise OutputError(f"can't clear {self.folder}: {error.strerror or error}; delete it.") from error

    def _chunks(self) -> list[Path]:
        return sorted(self.folder.glob(f"*/*{SUFFIX}"))

    def _close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _compare(path: Path, campaign: str, parts: dict[str, str]) -> None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        stored, theirs = dict(found["depends_on"]), str(found["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, f"it can't be read: {error}") from error
    if theirs == campaign:
        return
    if stored == parts:
        raise _damaged(path, "its fingerprint does not match the conditions that it lists")
    differ = [
        f"{key} ({stored.get(key, 'none')}, now {parts.get(key, 'none')})"
        for key in sorted(stored.keys() | parts.keys())
        if stored.get(key) != parts.get(key)
    ]
    raise CheckpointError(
        f"checkpoint {path.parent} belongs to another campaign; it differs in {', '.join(differ)}: give the same "
        "options, or another folder."
    )


def _damaged(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"checkpoint {path} is damaged: {why}; delete that file and resume: each chunk beside it has the fingerprint "
        "of its campaign."
    )


def _short(value: Any) -> str:
    """Text to compare: plain values as they are, anything else as a short digest."""
    return str(value) if isinstance(value, str | int | float | bool | None) else fingerprint(value)[:12]
