"""Supply current of a ladder's stages at each level, from the branches of the circuit.

OFF    the copy of the line (mu), and in the comparator's branch the cell's own input current (m2 limits m3)
ON     the copy, the threshold current (set by m3), hysteresis, output, the DPI's drive and tail, and its two outputs
Valid  at rest: the charging of capacitors and the pulses are not counted (a pulse lasts some per cent of a step)
"""

from collections.abc import Mapping

import numpy as np

from analogrnn.design import Design, Ladder


def branch_sum(branches: Mapping[str, float], stages: int) -> np.ndarray:
    """(stages + 1,) supply current, A, of the stages with 0, 1, .. of them ON.

    branches  A: th, hyst, on, alpha, base (copy of the line), shift (a settled DPI output), first (shift of stage 1);
              shift = on = 0 for a bare stage
    """
    b = branches
    total = np.empty(stages + 1)
    for level in range(stages + 1):
        on = b["base"] + b["th"] + b["hyst"] + b["alpha"] + 2.0 * b["on"] + 2.0 * b["shift"]
        # the first OFF stage receives the shift of its lower neighbour, the others only the line
        inputs = [b["base"] + (b["first"] if j == 0 else b["shift"]) * (j == level) for j in range(level, stages)]
        total[level] = level * on + sum(b["base"] + min(i, b["th"]) for i in inputs) + b["first"]
    return total


def stages_by_level(design: Design, ladder: Ladder, cell: int = 0) -> np.ndarray:
    """(N + 1,) predicted supply current, A, of the stages of one ladder at each level, from the calibration."""
    dpi = ladder.has_dpi
    shift = float(ladder.i_shift[cell])
    branches = {
        "th": float(ladder.i_th[cell]),
        "hyst": float(ladder.i_hyst[cell]),
        "alpha": float(ladder.i_alpha[cell]),
        "base": float(ladder.i_base[cell]),
        "on": design.timing.i_on if dpi else 0.0,
        "shift": shift,
        "first": shift,
    }
    return np.asarray(design.technology.supply_stage * branch_sum(branches, int(ladder.counts[cell])))
