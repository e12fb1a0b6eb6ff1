"""References of a comparison: the digital network, or the behavioural model of one manufactured chip."""

import numpy as np

from analogrnn.agreement.compare import Reference, ReferenceLayer
from analogrnn.chip import Chip
from analogrnn.design import Design
from analogrnn.network import DigitalRun
from analogrnn.simulate import simulate
from analogrnn.soft_threshold import soft_candidates


def nominal_reference(design: Design, run: DigitalRun) -> Reference:
    """The digital `run`, with the trained thresholds; of an input-dependent one, the candidate behind it counts."""
    layers = {}
    for ladder in design.ladders:
        up, down = (np.repeat(ladder.threshold[:, side, None], ladder.stages, axis=1) for side in (1, 0))
        outputs = ladder.alpha * (run.states[ladder.name] - ladder.k_min)
        candidates = run.candidates[ladder.name]
        if ladder.gate is not None:
            candidates = soft_candidates(candidates, run.thresholds[ladder.name], ladder.threshold[:, 1])
        layers[ladder.name] = ReferenceLayer(candidates, run.states[ladder.name], outputs, up, down)
    return Reference(layers, run.logits)


def chip_reference(chip: Chip, x: np.ndarray) -> Reference:
    """The step model of `chip` on encoded clips x (T, S, D), with the thresholds of its tables."""
    run = simulate(chip, x)
    layers = {}
    for layer in chip.ladders:
        levels = run.levels[layer.name]
        on = layer.ladder.stages_on(levels)
        outputs = layer.output[np.arange(layer.ladder.width), on] - layer.ladder.alpha * layer.ladder.k_min
        layers[layer.name] = ReferenceLayer(run.candidates[layer.name], levels, outputs, layer.up, layer.down)
    return Reference(layers, run.logits)
