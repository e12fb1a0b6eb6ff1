"""Parts of a data set, stratified by class with a fixed seed."""

from collections.abc import Mapping

import numpy as np

from analogrnn.errors import ParameterError
from analogrnn.streams import stream

PARTS = ("train", "validation", "test")
SPLIT_SEED = 20260521


def checked_part(owner: str, part: object) -> str:
    """Return `part` if it is one of PARTS, else raise ParameterError that names the data set `owner`."""
    if part not in PARTS:
        raise ParameterError(f"{owner} has no part {part!r}: use 'train', 'validation' or 'test'.")
    return str(part)


def stratified(name: str, labels: np.ndarray, per_class: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Rows of each part of the set `name`: `per_class` rows of each class for a part, all others for `train`."""
    rng = stream(SPLIT_SEED, name, "split")
    parts: dict[str, list[np.ndarray]] = {part: [] for part in (*per_class, "train")}
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        for part, piece in zip(parts, np.split(rows, np.cumsum(list(per_class.values()))), strict=True):
            parts[part].append(piece)
    return {part: np.sort(np.concatenate(rows)) for part, rows in parts.items()}
