"""Figure of a sweep over conditions."""

from pathlib import Path

import numpy as np

from analogrnn.figures.style import BLUE, FAINT, INK, ORANGE, open_frame, picture
from analogrnn.sweep.run import SweepReport

PLOTTED = {"A": (1e12, "pA"), "W": (1e9, "nW")}


def draw_sweep(report: SweepReport, path: Path) -> None:
    """Each parameter over all conditions with its limits. Raises OutputError."""
    rows = report.rows
    with picture(path, (9, 1.2 + 1.25 * len(rows)), dpi=110) as figure:
        all_axes = np.atleast_1d(figure.subplots(len(rows), 1, sharex=True))
        ran = [m for m in report.measurements if not m.failure]
        for axes, row in zip(all_axes, rows, strict=True):
            spec = row.spec
            scale, unit = PLOTTED.get(spec.about.unit, (1.0, spec.about.unit))
            for at, measurement in enumerate(report.measurements):
                if measurement.failure or not spec.covers(measurement.condition):
                    continue
                values = scale * measurement.values[spec.parameter]
                axes.plot(np.full(len(values), at), values, "_", color=BLUE if row.passes else ORANGE, ms=8, mew=1.5)
            for limit in (spec.least, spec.most):
                if limit is not None:
                    axes.axhline(scale * limit, color=INK, lw=1.0, ls="--")
            if spec.typical is not None:
                axes.axhline(scale * spec.typical, color=FAINT, lw=4, zorder=0)
            verdict = "pass" if row.passes else "FAIL"
            axes.set_ylabel(f"{spec.parameter}\n({unit})", fontsize=7, rotation=0, ha="right", va="center")
            axes.set_title(verdict, loc="right", fontsize=8, color=BLUE if row.passes else ORANGE, pad=1)
            axes.tick_params(labelsize=7)
            open_frame(axes)
        last = all_axes[-1]
        step = max(1, len(report.measurements) // 24)
        ticks = range(0, len(report.measurements), step)
        last.set_xticks(list(ticks), [str(report.measurements[i].condition) for i in ticks], rotation=90, fontsize=6)
        title = f"{report.file.name}: {len(ran)} conditions; dashed: min and max, grey: typ"
        figure.suptitle(title, color=INK, fontsize=10)
