"""Readings of finished decks on disk, by the digest of deck, models and simulator, so that a long run can be resumed.

They lie in validation/.cache/network, which git does not know; delete the folder to measure everything anew.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from analogrnn.spice.reading import DeckReading

FOLDER = Path(__file__).resolve().parents[1] / ".cache" / "network"
_PARTS = ("stages", "decided", "candidates", "outputs")


class DiskMemory:
    """See `analogrnn.spice.run_network.Memory`."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, digest: str) -> DeckReading | None:
        path = self.folder / f"{digest}.npz"
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as data:
            parts: list[dict[tuple[str, int], np.ndarray]] = [{} for _ in _PARTS]
            for name in data.files:
                part, *key = name.split("/")
                if part in _PARTS:
                    parts[_PARTS.index(part)][key[0], int(key[1])] = data[name]
            stages, decided, candidates, outputs = parts
            return DeckReading(stages, decided, candidates, outputs, series=data["series"])

    def put(self, digest: str, reading: DeckReading) -> None:
        arrays: dict[str, Any] = {"series": reading.series}
        for part in _PARTS:
            arrays |= {f"{part}/{layer}/{cell}": value for (layer, cell), value in getattr(reading, part).items()}
        draft = self.folder / f"{digest}.{os.getpid()}.draft"
        with draft.open("wb") as file:
            np.savez(file, **arrays)
        draft.replace(self.folder / f"{digest}.npz")


def memory_of(quick: bool) -> DiskMemory | None:
    """None for quick runs: they measure every time."""
    return None if quick else DiskMemory()
