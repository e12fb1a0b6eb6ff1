"""Device mismatch: the draw of every device of a chip, and its effect on thresholds, shifts, outputs and weights."""

from analogrnn.mismatch.devices import (
    LADDER_DEVICES,
    SOFT_DEVICES,
    STAGE_DEVICES,
    DeviceDraw,
    DeviceTypes,
    draw_ladder,
    draw_layers,
    draw_synapses,
    ladder_types,
    shared_diodes,
    synapse_types,
)
from analogrnn.mismatch.rows import RowFactors, Rows, rows_of
from analogrnn.mismatch.thresholds import (
    Term,
    evaluate,
    log_ratio,
    shift_devices,
    soft_gains,
    spread,
    stage_terms,
    threshold_deviations,
    threshold_terms,
)

__all__ = [
    "LADDER_DEVICES",
    "SOFT_DEVICES",
    "STAGE_DEVICES",
    "DeviceDraw",
    "DeviceTypes",
    "RowFactors",
    "Rows",
    "Term",
    "draw_ladder",
    "draw_layers",
    "draw_synapses",
    "evaluate",
    "ladder_types",
    "log_ratio",
    "rows_of",
    "shared_diodes",
    "shift_devices",
    "soft_gains",
    "spread",
    "stage_terms",
    "synapse_types",
    "threshold_deviations",
    "threshold_terms",
]
