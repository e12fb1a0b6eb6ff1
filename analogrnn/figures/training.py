"""Figure of `train`: loss, and scores on validation clips without mismatch and on chips, over the epochs."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from analogrnn.figures.style import BLUE, GREEN, GREY, INK, ORANGE, legend_above, open_frame, picture
from analogrnn.metrics import Metric


def draw_training(curves: Mapping[str, Sequence[float]], metric: Metric, title: str, path: Path) -> None:
    """Curves `loss`, `mismatch` (share, 0 to 1), `digital` and `chips` over the epochs; nan leaves a point out."""
    epochs = range(1, len(curves["loss"]) + 1)
    with picture(path, (9.5, 4.2)) as figure:
        left, right = figure.subplots(1, 2)
        left.plot(epochs, curves["loss"], color=BLUE, label="loss on the chips of the epoch")
        left.plot(epochs, curves["mismatch"], color=GREY, ls=":", label="share of the mismatch")
        left.set(xlabel="epoch", ylabel="loss", yscale="log")
        right.plot(epochs, [metric.factor * v for v in curves["digital"]], color=GREEN, label="without mismatch")
        chips = [(n, metric.factor * v) for n, v in zip(epochs, curves["chips"], strict=True) if not math.isnan(v)]
        if chips:
            right.plot(*zip(*chips, strict=True), "o-", color=ORANGE, label="mean over chips, with noise")
        right.set(xlabel="epoch", ylabel=f"validation: {metric.axis}")
        for axes in (left, right):
            open_frame(axes)
            legend_above(axes, 1)
        figure.suptitle(title, color=INK)
