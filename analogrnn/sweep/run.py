"""Runs every condition of a specification and compares the results with it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from analogrnn.chip import draw_chip
from analogrnn.design import Design
from analogrnn.errors import ParameterError, SpiceError
from analogrnn.noise import candidate_noise
from analogrnn.spice.engine import run_decks
from analogrnn.spice.pdk import find_pdk
from analogrnn.sweep.bench import Found, bench_design, build, read
from analogrnn.sweep.specs import PARAMETERS, Condition, Spec, SpecFile, SweepBench
from analogrnn.technology import Technology


@dataclass(frozen=True, eq=False)
class Measurement:
    """All parameters under one condition, each (stages,) or (1,); or the reason why there are none."""

    condition: Condition
    values: dict[str, np.ndarray] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True)
class Row:
    """The result of one spec: extremes over its conditions and where they occur, and the mean at nominal conditions."""

    spec: Spec
    low: float
    high: float
    typical: float
    low_at: str
    high_at: str
    conditions: int
    reasons: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether the spec is met."""
        return not self.reasons


@dataclass(frozen=True, eq=False)
class SweepReport:
    """The results of a sweep: one row per spec, one measurement per condition."""

    file: SpecFile
    rows: tuple[Row, ...]
    measurements: tuple[Measurement, ...]

    @property
    def passes(self) -> bool:
        """Whether all specs are met."""
        return all(row.passes for row in self.rows)


def run_sweep(
    file: SpecFile,
    technology: Technology,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SweepReport:
    """Measure all conditions and evaluate every spec. A failed ngspice run fails every spec that covers its condition.

    Raises MappingError if the ladder can't be built, MissingDependencyError without ngspice or the models.
    """
    pdk = find_pdk()
    builds = [build(file.bench, condition, technology, pdk) for condition in file.conditions]
    deviations = _deviations(file.bench, technology)
    measurements: dict[int, Measurement] = {}
    for index, waves in run_decks([each.job for each in builds], workers):
        condition = file.conditions[index]
        if isinstance(waves, SpiceError):
            measurements[index] = Measurement(condition, failure=str(waves))
        else:
            values = parameters(file.bench, builds[index].design, read(builds[index], waves), deviations)
            measurements[index] = Measurement(condition, values)
        if progress:
            progress(len(measurements), len(builds))
    ordered = tuple(measurements[index] for index in range(len(builds)))
    return SweepReport(file, tuple(judge(spec, ordered, file.nominal) for spec in file.specs), ordered)


def parameters(bench: SweepBench, design: Design, found: Found, deviations: np.ndarray) -> dict[str, np.ndarray]:
    """Every parameter of `PARAMETERS` from one run; NaN where it could not be measured.

    deviations  (ladders, 2, N) beta, differences of the up and down thresholds of drawn ladders from the nominal ones
    """
    ladder = design.ladders[0]
    beta, noise = float(ladder.beta[0]), float(candidate_noise(design, ladder)[0])
    sizes = np.concatenate([found.up, -found.down])
    margin = np.min(np.minimum(sizes - bench.hold, bench.move - sizes)) * beta
    drawn = np.stack([found.up, -found.down]) + deviations * np.array([[1.0], [-1.0]])
    good = np.all((drawn > bench.hold) & (drawn < bench.move), axis=(1, 2))
    steps = np.diff(found.output)
    values: dict[str, np.ndarray | float] = {
        "up_threshold": found.up,
        "down_threshold": found.down,
        "threshold_margin": margin,
        "noise_margin": margin / noise,
        # levels that the random steps did not reach are excluded
        "output_step": steps[np.isfinite(steps)] if np.isfinite(steps).any() else np.nan,
        "stage_power": found.by_level.mean() / bench.stages,
        "ladder_power": found.total,
        "correct_steps": found.right.mean(),
        "mismatch_yield": good.mean() if np.isfinite(sizes).all() else np.nan,
    }
    return {name: np.atleast_1d(values[name]) for name in PARAMETERS}


def judge(spec: Spec, measurements: tuple[Measurement, ...], nominal: Condition) -> Row:
    """Evaluate one spec over all conditions that it covers. Raises ParameterError if it covers none."""
    mine = [m for m in measurements if spec.covers(m.condition)]
    if not mine:
        raise ParameterError(f"spec {spec.parameter} covers none of the conditions; list at least one of them.")
    reasons = [f"no result at {m.condition}: {m.failure}" for m in mine if m.failure]
    ran = [m for m in mine if not m.failure]
    unknown = [m for m in ran if not np.isfinite(m.values[spec.parameter]).all()]
    reasons += [f"not measurable at {m.condition}" for m in unknown]
    known = [m for m in ran if np.isfinite(m.values[spec.parameter]).any()]
    if not known:
        return Row(spec, np.nan, np.nan, np.nan, "", "", len(mine), tuple(reasons) or ("nothing measured",))
    low = min(known, key=lambda m: float(np.nanmin(m.values[spec.parameter])))
    high = max(known, key=lambda m: float(np.nanmax(m.values[spec.parameter])))
    least, most = float(np.nanmin(low.values[spec.parameter])), float(np.nanmax(high.values[spec.parameter]))
    typical = next((float(m.values[spec.parameter].mean()) for m in known if m.condition == nominal), np.nan)
    if spec.least is not None and least < spec.least:
        reasons.append(f"{least:.4g} is below min {spec.least:.4g} at {low.condition}")
    if spec.most is not None and most > spec.most:
        reasons.append(f"{most:.4g} is above max {spec.most:.4g} at {high.condition}")
    if spec.typical is not None and spec.covers(nominal):
        off = abs(typical - spec.typical)
        if not off <= spec.within * abs(spec.typical):
            reasons.append(
                f"{typical:.4g} is not within {100 * spec.within:g} % of typ {spec.typical:.4g} at {nominal}"
            )
    return Row(spec, least, most, typical, str(low.condition), str(high.condition), len(mine), tuple(reasons))


def _deviations(bench: SweepBench, technology: Technology) -> np.ndarray:
    """(ladders, 2, N) change of the up and down thresholds by mismatch, in beta."""
    layer = draw_chip(bench_design(bench, technology, bench.ladders), bench.seed, 0).ladders[0]
    down = np.where(np.isfinite(layer.down), layer.down, -np.inf)
    return np.stack([layer.up - layer.ladder.threshold[:, 1:], down - layer.ladder.threshold[:, :1]], axis=1)
