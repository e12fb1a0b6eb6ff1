"""The file that keeps the state of a training: tensors, numbers and text, written whole or not at all."""

import os
import tempfile
from pathlib import Path
from typing import Any

from analogrnn.errors import CheckpointError, MissingDependencyError, OutputError
from analogrnn.train import NO_TORCH

try:
    import torch
except ImportError as error:
    raise MissingDependencyError(NO_TORCH) from error

_KEYS = {"plan", "model", "kept", "best", "optimiser", "schedule", "random", "mapped", "epochs"}


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint in one step, so that a kill leaves the old one or the new one. Raises OutputError."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            torch.save(state, file)
        os.replace(file.name, path)
    except (OSError, RuntimeError) as problem:  # torch's writer has errors of its own for a full disk
        raise OutputError(
            f"can't write the checkpoint {path}: {problem}; free the disk or choose another."
        ) from problem


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; nothing in it is executed. Raises CheckpointError for a file that is none."""
    try:
        state = torch.load(path, weights_only=True)
    except Exception as problem:  # torch, zipfile and pickle each say in their own way what is wrong with a file
        raise CheckpointError(
            f"{path} is no checkpoint of a training ({type(problem).__name__}); remove it to start anew."
        ) from problem
    if not isinstance(state, dict) or set(state) != _KEYS:
        raise CheckpointError(f"{path} is no checkpoint of a training; remove it to start anew.")
    return state
