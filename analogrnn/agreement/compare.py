"""Compares stages, candidates, outputs and classes of one run with those of a reference."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analogrnn.design import Design, Ladder
from analogrnn.metrics import Goal
from analogrnn.show import Rows, Shown, counted
from analogrnn.spice.run_network import NetworkRun

NEAR = 0.25  # over the threshold: a preset pulse, nominally twice its threshold, that comes this near may have failed


@dataclass(frozen=True, eq=False)
class ReferenceLayer:
    """Reference values of one layer of ladders.

    candidates, states (levels k), outputs (T, S, d) in trained units, outputs counted from all-OFF; a candidate with
    an input-dependent threshold is that behind its soft threshold;
    up, down (d, N) thresholds of the candidate: with n stages ON, up[n] and down[n - 1]
    """

    candidates: np.ndarray
    states: np.ndarray
    outputs: np.ndarray
    up: np.ndarray
    down: np.ndarray


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference of a comparison; logits (S, classes), or (T, S, classes) without pooling."""

    layers: dict[str, ReferenceLayer]
    logits: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        """(S,) the class of each clip, or (T, S) of each step."""
        return np.argmax(self.logits, axis=-1)


@dataclass(frozen=True)
class FirstError:
    """The first step at which a cell left its reference level in a clip.

    digital    the reference level at that step
    candidate  of that step; or that of a preset pulse, if the level is too low at the first step and the threshold of
               that pulse is nearer
    threshold  the nearest threshold that could move the cell from its previous level
    measured   the candidate measured in the simulator's front end, NaN where unknown
    """

    layer: str
    cell: int
    clip: int
    step: int
    digital: int
    stages: tuple[bool, ...]
    candidate: float
    threshold: float
    measured: float = float("nan")

    @property
    def distance(self) -> float:
        """Distance of the candidate from the threshold, over the threshold."""
        return abs(self.candidate - self.threshold) / abs(self.threshold)

    def as_dict(self) -> dict[str, Any]:
        """A dictionary for JSON, with None instead of NaN."""
        known = np.isfinite(self.measured)
        return vars(self) | {"distance": self.distance, "measured": self.measured if known else None}


@dataclass(frozen=True)
class AgreementBound:
    """The conditions under which a comparison holds.

    stage_steps, classes  least fractions of equal stage-steps and classes
    first_error           largest distance of a first error from its threshold, over the threshold
    """

    stage_steps: float = 1.0
    classes: float = 1.0
    first_error: float = 0.0


@dataclass(frozen=True)
class Spread:
    """Largest magnitude and rms of an error."""

    largest: float
    rms: float
    unit: str

    @classmethod
    def of(cls, error: np.ndarray, unit: str) -> "Spread | None":
        """Of the finite values of `error` in `unit`; None if there are none."""
        known = error[np.isfinite(error)]
        if not len(known):
            return None
        return cls(float(np.abs(known).max()), float(np.sqrt(np.mean(known**2))), unit)


@dataclass(frozen=True, eq=False, repr=False)
class Agreement(Shown):
    """The result of a comparison. A step is one (clip, step, cell), equal if all its stages are.

    A stage-step is one stage at one step.

    >>> holds = ar.check_agreement(network, design, x, ar.AgreementSetup(level="waveform")).holds

    candidate   errors of candidates over the cell's threshold (half window); `candidate_error` is the largest in units
    output      errors of output currents over the full output of the cell
    undecided   number of stage-steps neither ON nor OFF
    classes_*   clips with the same class, or steps without pooling
    outputs     logits of the reference and of the run, (S, O) or (T, S, O); None where the run has none
    """

    level: str
    clips: int
    stages: int
    steps_checked: int
    steps_equal: int
    thermometer_violations: int
    first_errors: tuple[FirstError, ...]
    stage_steps_checked: int = 0
    stage_steps_equal: int = 0
    undecided: int = 0
    candidate_error: float | None = None
    candidate: Spread | None = None
    output: Spread | None = None
    logit_error: float | None = None
    classes_equal: int | None = None
    classes_checked: int | None = None
    failures: tuple[str, ...] = ()
    bound: AgreementBound = AgreementBound()
    readings: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    outputs: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)

    def scores(self, goal: Goal) -> tuple[float, float] | None:
        """The scores of the reference and of the run on the clips whose outputs are known; None without outputs."""
        if self.outputs is None:
            return None
        reference, found = self.outputs
        known = np.isfinite(found).all(axis=-1)
        clips = np.flatnonzero(known if known.ndim == 1 else known.all(axis=0))
        if not len(clips) or not found.shape[-1]:
            return None
        # clips are the last axis of labels, and the last but one of targets
        truth = goal.truth[..., clips] if goal.metric.kind == "share" else goal.truth[..., clips, :]
        return goal.metric.score(reference[..., clips, :], truth), goal.metric.score(found[..., clips, :], truth)

    def shown(self) -> tuple[str, Rows]:
        """The verdict and its counts."""
        classes = "" if self.classes_equal is None else f", {self.classes_equal} of {self.classes_checked} classes"
        rows = [
            ("steps equal on every stage", f"{self.steps_equal:,} of {self.steps_checked:,}{classes}"),
            ("failed runs", f"{len(self.failures)}; first errors: {len(self.first_errors)}"),
        ]
        verdict = "agrees" if self.holds else "disagrees"
        return f"Agreement: level {self.level} {verdict} on {counted(self.clips, 'clip')}", rows

    @property
    def holds(self) -> bool:
        """Whether the comparison meets its bound, and no run failed."""
        if self.failures or not self.steps_checked:
            return False
        if self.bound == AgreementBound():
            return self.steps_equal == self.steps_checked
        classes = (
            self.classes_checked is None
            or self.classes_equal is None
            or (self.classes_equal >= self.bound.classes * self.classes_checked)
        )
        near = all(error.distance <= self.bound.first_error for error in self.first_errors)
        return classes and near and self.stage_steps_equal >= self.bound.stage_steps * self.stage_steps_checked

    def as_dict(self) -> dict[str, Any]:
        """A dictionary for JSON, without the readings."""
        plain = {
            name: value for name, value in vars(self).items() if name not in ("readings", "outputs", "first_errors")
        }
        for name in ("candidate", "output", "bound"):
            plain[name] = None if plain[name] is None else dict(vars(plain[name]))
        plain["failures"] = list(self.failures)
        return plain | {"first_errors": [error.as_dict() for error in self.first_errors], "holds": self.holds}


def thermometer(levels: np.ndarray, ladder: Ladder, cell: int | None = None) -> np.ndarray:
    """The stages (..., N), bool, of ladders at the given levels (..., d), or of ladder `cell` at levels (...).

    Where all ladders have the same lowest level, the levels of some of them will do.
    """
    lowest = ladder.k_min if cell is None else ladder.k_min[cell]
    stages_on = (np.asarray(levels) - (lowest if np.ptp(ladder.k_min) else ladder.k_min[0])) / ladder.level_step
    return np.asarray(stages_on[..., None] > np.arange(ladder.stages))


@dataclass(frozen=True, eq=False)
class Observed:
    """The results of one level of description.

    stages  layer -> (T, S, d, N) bool
    run     the ngspice run behind them, with its currents; None: all cells ran and every stage is ON or OFF
    logits  (S, classes), or (T, S, classes) without pooling, NaN where unknown; None: the level has none
    """

    stages: dict[str, np.ndarray]
    run: NetworkRun | None = None
    logits: np.ndarray | None = None

    @classmethod
    def of(cls, run: NetworkRun) -> "Observed":
        """The results of an ngspice run."""
        return cls(run.stages, run, run.logits)

    def ran(self, ladder: Ladder) -> np.ndarray:
        """(S, d) bool, which ladders of a layer ran."""
        stages = self.stages[ladder.name]
        return np.ones(stages.shape[1:3], dtype=bool) if self.run is None else self.run.ran[ladder.name]

    def decided(self, ladder: Ladder) -> np.ndarray:
        """(T, S, d, N) bool, which stages were clearly ON or OFF."""
        stages = self.stages[ladder.name]
        return np.ones(stages.shape, dtype=bool) if self.run is None else self.run.decided[ladder.name]


def compare(
    level: str, design: Design, reference: Reference, observed: Observed, bound: AgreementBound = AgreementBound()
) -> Agreement:
    """Compare stages with those of the reference, and currents and classes where they are known.

    Cells that did not run are not counted.
    """
    layers = [(ladder, reference.layers[ladder.name]) for ladder in design.ladders]
    counts = [_count(ladder, layer, observed) for ladder, layer in layers]
    errors = [
        _first_error(design, ladder, layer, observed, (int(np.argmin(count.same[:, clip, cell])), int(clip), int(cell)))
        for (ladder, layer), count in zip(layers, counts, strict=True)
        for clip, cell in np.argwhere(~count.same.all(axis=0))
    ]
    run = observed.run
    currents = _CurrentErrors() if run is None else _current_errors(design, reference, run)
    classes = _class_errors(reference, observed.logits)
    return Agreement(
        level,
        clips=layers[0][1].states.shape[1],
        stages=design.stages,
        steps_checked=sum(count.steps for count in counts),
        steps_equal=sum(count.equal for count in counts),
        thermometer_violations=sum(count.violations for count in counts),
        first_errors=tuple(errors),
        stage_steps_checked=sum(count.stage_steps for count in counts),
        stage_steps_equal=sum(count.stage_steps_equal for count in counts),
        undecided=sum(count.undecided for count in counts),
        candidate_error=currents.units,
        candidate=currents.candidate,
        output=currents.output,
        logit_error=classes.logit,
        classes_equal=classes.equal,
        classes_checked=classes.checked,
        failures=() if run is None else run.failures,
        bound=bound,
        readings=observed.stages,
        outputs=None if observed.logits is None else (reference.logits, observed.logits),
    )


@dataclass(frozen=True, eq=False)
class _Count:
    """The counts of one layer; same (T, S, d): all stages are equal, or the ladder did not run."""

    same: np.ndarray
    steps: int
    equal: int
    violations: int
    stage_steps: int
    stage_steps_equal: int
    undecided: int


def _count(ladder: Ladder, layer: ReferenceLayer, observed: Observed) -> _Count:
    found, known, decided = observed.stages[ladder.name], observed.ran(ladder), observed.decided(ladder)
    right = (found == thermometer(layer.states, ladder)) & decided
    same = right.all(axis=-1) | ~known
    violated = (np.diff(found.astype(int), axis=-1) > 0).any(axis=-1)
    steps = len(same) * int(known.sum())
    steps_of_stages = len(same) * int((known * ladder.counts).sum())
    return _Count(
        same,
        steps,
        int((same & known).sum()),
        int((violated & known).sum()),
        steps_of_stages,
        int((right & known[..., None] & ladder.exists).sum()),
        int((~decided & known[..., None] & ladder.exists).sum()),
    )


def _first_error(
    design: Design, ladder: Ladder, layer: ReferenceLayer, observed: Observed, at: tuple[int, int, int]
) -> FirstError:
    """The error at step, clip, cell."""
    (step, clip, cell), found = at, observed.stages[ladder.name]
    before = layer.states[step - 1, clip, cell] if step else ladder.initial[cell]
    on = round((float(before) - float(ladder.k_min[cell])) / ladder.level_step)
    candidate = float(layer.candidates[at])
    reach = [(candidate, t) for t in (*layer.up[cell, on : on + 1], *layer.down[cell, max(on - 1, 0) : on])]
    low = found[at].sum() < thermometer(layer.states[at], ladder, cell).sum()
    if step == 0 and low:  # a preset may have failed to set its stage
        preset = float(ladder.i_preset[cell] / design.candidate_units(ladder.synapses)[cell])
        presets = layer.up[cell, : ladder.preset_pulses[cell]]
        reach += [(preset, t) for t in presets if abs(preset - t) < NEAR * abs(t)]
    acted, nearest = min(
        (pair for pair in reach if np.isfinite(pair[1])),
        key=lambda pair: abs(pair[0] - pair[1]),
        default=(candidate, np.nan),
    )
    run = observed.run
    # the candidate of a preset is not measured
    measured = float(run.candidates[ladder.name][at]) if run is not None and acted == candidate else float("nan")
    return FirstError(
        ladder.name,
        cell,
        clip,
        step,
        int(layer.states[at]),
        tuple(bool(b) for b in found[at]),
        acted,
        float(nearest),
        measured,
    )


@dataclass(frozen=True)
class _CurrentErrors:
    """Errors of candidates and outputs, None where unknown; `units` is the largest candidate error in units."""

    units: float | None = None
    candidate: Spread | None = None
    output: Spread | None = None


def _current_errors(design: Design, reference: Reference, run: NetworkRun) -> _CurrentErrors:
    in_units, candidates, outputs = [], [], []
    for ladder in design.ladders:
        layer = reference.layers[ladder.name]
        error = run.candidates[ladder.name] - layer.candidates
        half = ladder.beta / design.candidate_units(ladder.synapses)
        in_units.append(error.ravel())
        candidates.append((error / half).ravel())
        # the output of a wrong level is not an error of the currents
        right = (run.stages[ladder.name] == thermometer(layer.states, ladder)).all(axis=-1)
        full = ladder.i_alpha * ladder.counts / design.unit_current
        wrong = run.outputs[ladder.name] / design.unit_current - layer.outputs
        outputs.append(np.where(right, wrong / full, np.nan).ravel())
    units = Spread.of(np.concatenate(in_units), "units")
    return _CurrentErrors(
        None if units is None else units.largest,
        Spread.of(np.concatenate(candidates), "of the threshold"),
        Spread.of(np.concatenate(outputs), "of full scale"),
    )


@dataclass(frozen=True)
class _ClassErrors:
    """Errors of logits and classes, None where no logits are known."""

    logit: float | None = None
    equal: int | None = None
    checked: int | None = None


def _class_errors(reference: Reference, logits: np.ndarray | None) -> _ClassErrors:
    """Largest error of the logits, number of equal classes and of compared clips, or of steps without pooling."""
    if logits is None or not logits.shape[-1]:
        return _ClassErrors()
    known = np.isfinite(logits).all(axis=-1)
    if not known.any():
        return _ClassErrors()
    error = np.abs(logits - reference.logits)[known]
    equal = np.argmax(logits[known], axis=-1) == reference.classes[known]
    return _ClassErrors(float(error.max()), int(equal.sum()), int(known.sum()))
