"""The result of a campaign as a labelled dataset: axes device_size, chip and sample with units, and its provenance.

A module of its own, because xarray takes a third of a second to import.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analogrnn import __version__
from analogrnn.campaign import fingerprint, write_whole
from analogrnn.errors import OutputError, ParameterError
from analogrnn.metrics import ACCURACY
from analogrnn.montecarlo.statistics import MonteCarlo, confusion
from analogrnn.montecarlo.study import Study

_KIND = {"units": "1", "long_name": "class"}


@dataclass(frozen=True, eq=False)
class Conditions:
    """What a result file says besides the answers.

    clips    (S,) numbers of the clips in their set
    digital  (S,) classes of the digital network, or its score of each clip
    classes  number of classes; 0 for a metric without one class per clip
    """

    clips: np.ndarray
    digital: np.ndarray
    classes: int
    options: dict[str, Any] = field(default_factory=dict)


def campaign_dataset(studies: Sequence[Study], results: Sequence[MonteCarlo], conditions: Conditions) -> xr.Dataset:
    """Variables over device_size: predicted (.., chip, sample), accuracy (.., chip), confusion (.., class, answer); and
    label (sample), digital (sample).

    With a metric that gives no class per clip: score (.., chip), clip_score (.., chip, sample) and digital (sample).
    One study per device size, all on the same chips, clips, metric and variability. A chip without an answer has
    predicted -1, or NaN. Holds nothing that depends on how or when the campaign ran, so that equal campaigns give equal
    files.
    """
    first = results[0]
    if any(not np.array_equal(r.index, first.index) or r.variability != first.variability for r in results):
        raise ParameterError("campaign_dataset: the studies differ in their chips or variability; write one file each.")
    if any(r.metric != first.metric for r in results):
        raise ParameterError("campaign_dataset: the studies differ in their metric; write one file each.")
    cells = [study.design.sizing.cell for study in studies]
    variables = (_classes if first.metric.has_classes else _scores)(results, conditions)
    classes = np.arange(conditions.classes, dtype=np.int32)
    coordinates = {
        "device_size": ("device_size", [study.name for study in studies], {"long_name": "devices, W or WxL"}),
        "device_w": ("device_size", np.array([cell.w for cell in cells]), {"units": "m", "long_name": "drawn width"}),
        "device_l": ("device_size", np.array([cell.l for cell in cells]), {"units": "m", "long_name": "drawn length"}),
        "chip": ("chip", first.index.astype(np.int32), {"units": "1", "long_name": "chip number under the seed"}),
        "sample": ("sample", conditions.clips.astype(np.int32), {"units": "1", "long_name": "number in the test set"}),
    }
    if first.metric.has_classes:
        coordinates |= {
            "class": ("class", classes, _KIND),
            "answer": ("answer", classes, {"units": "1", "long_name": "predicted class"}),
        }
    design, variability = studies[0].design, first.variability
    attributes = {
        "title": f"Monte Carlo of {design.name}",
        "network": design.name,
        "technology": design.technology.name,
        "seed": str(variability.seed),  # netCDF-3 has 32 bits; a seed may have more
        "noise": "on" if variability.noise else "off",
        "mismatch_scale": variability.scale,
        "level": studies[0].level,
        "unit_current_A": design.unit_current,
        "step_s": design.timing.period,
        "analogrnn": __version__,
        "fingerprint": fingerprint([study.series().depends_on for study in studies]),
        "options": json.dumps(conditions.options, sort_keys=True),
    }
    if first.metric != ACCURACY:
        attributes["metric"] = first.metric.name
    return xr.Dataset(variables, coordinates, attributes)


def _classes(results: Sequence[MonteCarlo], conditions: Conditions) -> dict[str, Any]:
    """The variables of a metric that gives each clip a class."""
    predicted = np.stack([np.where(r.done[:, None], r.classes, -1) for r in results]).astype(np.int16)
    accuracy = {"units": "1", "long_name": "part of the clips classified as labelled"}
    tables = np.stack([confusion(r, conditions.classes) for r in results])
    part = {"units": "1", "long_name": "part of the clips of a class that chips give to an answer"}
    labels, digital = results[0].truth.astype(np.int16), conditions.digital.astype(np.int16)
    return {
        "predicted": (("device_size", "chip", "sample"), predicted, _KIND | {"comment": "-1: the chip gave no answer"}),
        "accuracy": (("device_size", "chip"), np.stack([r.score for r in results]), accuracy),
        "confusion": (("device_size", "class", "answer"), tables, part),
        "label": (("sample",), labels, {"units": "1", "long_name": "class of the clip"}),
        "digital": (("sample",), digital, {"units": "1", "long_name": "class by the digital network"}),
    }


def _scores(results: Sequence[MonteCarlo], conditions: Conditions) -> dict[str, Any]:
    """The variables of a metric that gives each clip a score alone."""
    title = results[0].metric.title
    each = np.stack([np.where(r.done[:, None], r.answers, np.nan) for r in results])
    missing = {"comment": "NaN: the chip gave no answer"}
    return {
        "score": (
            ("device_size", "chip"),
            np.stack([r.score for r in results]),
            {"units": "1", "long_name": title} | missing,
        ),
        "clip_score": (
            ("device_size", "chip", "sample"),
            each,
            {"units": "1", "long_name": f"{title} of the clip"} | missing,
        ),
        "digital": (("sample",), conditions.digital, {"units": "1", "long_name": f"{title} by the digital network"}),
    }


def save_campaign(dataset: xr.Dataset, path: Path) -> None:
    """Write netCDF-3, whole or not at all; `xarray.open_dataset(path)` reads it. Raises OutputError."""
    try:
        content = bytes(dataset.to_netcdf(None, engine="scipy"))
    except (OSError, ValueError, OverflowError) as error:
        raise OutputError(f"can't write {path}: {error}; score fewer chips in one file.") from error
    write_whole(path, content)
