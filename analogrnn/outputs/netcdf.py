"""The result of a run as a labelled dataset: axes with names and units, and the origin of the data."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from analogrnn.errors import OutputError


def step_dataset(
    levels: Mapping[str, np.ndarray],
    candidates: Mapping[str, np.ndarray],
    logits: np.ndarray,
    period: float,
    attributes: Mapping[str, str | float | int],
) -> xr.Dataset:
    """Axes step (s), sample, cell_<layer> and class; variables level_<layer>, candidate_<layer> and logits.

    levels and candidates map a layer to (T, S, d); logits is (S, classes), or (T, S, classes) without pooling.
    """
    variables: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]] = {}
    steps = 0
    for name in levels:
        dims = ("step", "sample", f"cell_{name}")
        variables[f"level_{name}"] = (
            dims,
            levels[name].astype(np.int32),
            {"units": "1", "long_name": "level of the ladder"},
        )
        variables[f"candidate_{name}"] = (dims, candidates[name], {"units": "unit_current", "long_name": "candidate"})
        steps = len(levels[name])
    axes = ("sample", "class") if logits.ndim == 2 else ("step", "sample", "class")
    variables["logits"] = (axes, logits, {"units": "unit_current", "long_name": "output current"})
    time = ("step", period * np.arange(steps), {"units": "s", "long_name": "start of the step"})
    return xr.Dataset(variables, coords={"time": time}, attrs=dict(attributes))


def save_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Write a netCDF-3 file. Its integers have 32 bits, so longer attributes become text. Raises OutputError."""
    small = {k: v if not isinstance(v, int) or abs(v) < 2**31 else str(v) for k, v in dataset.attrs.items()}
    try:
        dataset.assign_attrs(small).to_netcdf(path, engine="scipy")
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}; choose another place.") from error
