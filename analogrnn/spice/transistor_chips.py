"""Mismatched chips in ngspice for a campaign: from chip numbers to the classes or the scores of the clips.

A chip has the draws of `chip.draw_chip(design, seed, number)`: chip 17 here is chip 17 of the behavioural model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from analogrnn.design import Design
from analogrnn.errors import SpiceError
from analogrnn.metrics import ACCURACY, Metric
from analogrnn.spice.run_network import Simulation, run_network
from analogrnn.spice.transistor_ladder import TransistorOptions
from analogrnn.spice.transistor_network import chip_setup


@dataclass(frozen=True, eq=False)
class TransistorChips:
    """The scoring of chips. It can be pickled and called by any worker, which runs one simulator at a time.

    x        (T, S, D) encoded clips
    scale    multiplies every device deviation
    metric   how outputs are scored, against the labels or targets `truth`
    timeout  s of real time per deck; a chip has one deck per ladder and clip, and one for the readout
    """

    design: Design
    x: np.ndarray
    seed: int = 1
    scale: float = 1.0
    options: TransistorOptions = field(default_factory=TransistorOptions)
    timeout: float = 3600.0
    metric: Metric = field(default=ACCURACY)
    truth: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.metric == ACCURACY:
            self.design.check_pooling()

    def __call__(self, chips: np.ndarray) -> Mapping[str, np.ndarray]:
        """classes (len(chips), S), int16, or scores (len(chips), S) of a metric that gives clips no class.

        Raises SpiceError, with the log, if a deck of a chip fails.
        """
        name, kind = ("classes", np.int16) if self.metric.has_classes else ("scores", np.float64)
        found = np.empty((len(chips), self.x.shape[1]), dtype=kind)
        for row, number in enumerate(chips):
            setup = chip_setup(self.design, self.seed, int(number), self.options, scale=self.scale)
            run = run_network(self.design, self.x, Simulation(setup, workers=1, timeout=self.timeout))
            if run.failures:
                more = f" (and {len(run.failures) - 1} more)" if len(run.failures) > 1 else ""
                raise SpiceError(f"chip {number}: {run.failures[0]}{more}", log="\n\n".join(run.logs))
            if self.metric.has_classes:
                found[row] = self.metric.classes(run.logits)
            else:
                assert self.truth is not None
                found[row] = self.metric.per_clip(run.logits, self.truth)
        return {name: found}
