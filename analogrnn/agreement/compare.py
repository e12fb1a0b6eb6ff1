"""The comparison itself: stages, candidates, outputs and classes of one run against those of a reference."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analogrnn.design import Design, Ladder
from analogrnn.show import Rows, Shown, counted
from analogrnn.spice.run_network import NetworkRun

NEAR = 0.25  # of its threshold: a preset pulse, which should pass it by all of it, has come as near as this


@dataclass(frozen=True, eq=False)
class Wanted:
    """What one layer of ladders should do.

    candidates, states (levels k), outputs (T, S, d) in trained units, outputs counted from all-OFF;
    up, down (d, N) the thresholds of the candidate, up[n] with n stages ON, down[n - 1] likewise
    """

    candidates: np.ndarray
    states: np.ndarray
    outputs: np.ndarray
    up: np.ndarray
    down: np.ndarray


@dataclass(frozen=True, eq=False)
class Reference:
    """What a run is held against; logits (S, classes) at the last step."""

    layers: dict[str, Wanted]
    logits: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        """(S,) the class of each clip."""
        return np.argmax(self.logits, axis=-1)


@dataclass(frozen=True)
class Miss:
    """The first step at which a cell left its reference level in a clip.

    candidate  of that step; at the first step that of a preset pulse before it, if its threshold is nearer and the
               level came out too low
    threshold  the nearest one that could move the cell from the level where it was
    measured   the candidate as the simulator's front end made it, NaN where it is not known
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
        """How far the candidate was from the threshold, over the threshold."""
        return abs(self.candidate - self.threshold) / abs(self.threshold)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON, which knows no NaN."""
        known = np.isfinite(self.measured)
        return vars(self) | {"distance": self.distance, "measured": self.measured if known else None}


@dataclass(frozen=True)
class Bound:
    """When a comparison holds: least shares of equal stage-steps and classes, largest distance of a first miss."""

    stage_steps: float = 1.0
    classes: float = 1.0
    miss: float = 0.0


@dataclass(frozen=True)
class Spread:
    """Largest magnitude and rms of an error."""

    largest: float
    rms: float
    unit: str

    @classmethod
    def of(cls, error: np.ndarray, unit: str) -> "Spread | None":
        """Of what is finite; None if nothing is."""
        known = error[np.isfinite(error)]
        if not len(known):
            return None
        return cls(float(np.abs(known).max()), float(np.sqrt(np.mean(known**2))), unit)


@dataclass(frozen=True, eq=False, repr=False)
class Agreement(Shown):
    """The outcome of a comparison. A step is one (clip, step, cell), equal if every stage is; a stage-step one stage.

    >>> holds = ar.check_agreement(network, design, x, ar.Bench(level="waveform")).holds

    candidate         against the cell's threshold (half window), `candidate_error` the largest in units
    output            against the full output of the cell
    """

    level: str
    clips: int
    stages: int
    steps_checked: int
    steps_equal: int
    thermometer_violations: int
    first_misses: tuple[Miss, ...]
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
    bound: Bound = Bound()
    readings: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def shown(self) -> tuple[str, Rows]:
        """The verdict and its counts."""
        classes = "" if self.classes_equal is None else f", {self.classes_equal} of {self.classes_checked} classes"
        rows = [
            ("steps equal on every stage", f"{self.steps_equal:,} of {self.steps_checked:,}{classes}"),
            ("failed runs", f"{len(self.failures)}; first errors: {len(self.first_misses)}"),
        ]
        verdict = "agrees" if self.holds else "disagrees"
        return f"Agreement: level {self.level} {verdict} on {counted(self.clips, 'clip')}", rows

    @property
    def holds(self) -> bool:
        if self.failures or not self.steps_checked:
            return False
        if self.bound == Bound():
            return self.steps_equal == self.steps_checked
        classes = (
            self.classes_checked is None
            or self.classes_equal is None
            or (self.classes_equal >= self.bound.classes * self.classes_checked)
        )
        near = all(miss.distance <= self.bound.miss for miss in self.first_misses)
        return classes and near and self.stage_steps_equal >= self.bound.stage_steps * self.stage_steps_checked

    def as_dict(self) -> dict[str, Any]:
        """Everything but the readings, ready for JSON."""
        plain = {name: value for name, value in vars(self).items() if name not in ("readings", "first_misses")}
        for name in ("candidate", "output", "bound"):
            plain[name] = None if plain[name] is None else dict(vars(plain[name]))
        plain["failures"] = list(self.failures)
        return plain | {"first_misses": [miss.as_dict() for miss in self.first_misses], "holds": self.holds}


def thermometer(levels: np.ndarray, ladder: Ladder) -> np.ndarray:
    """The stages (..., N), bool, of a ladder at the given levels (...)."""
    stages_on = (np.asarray(levels) - ladder.k_min) / ladder.level_step
    return np.asarray(stages_on[..., None] > np.arange(ladder.stages))


def compare(
    level: str,
    design: Design,
    reference: Reference,
    stages: dict[str, np.ndarray],
    run: NetworkRun | None = None,
    **extra: Any,
) -> Agreement:
    """Compare stages[layer] (T, S, d, N), bool, with the reference; with `run`, its currents and classes too.

    Cells that did not run are left out.
    """
    totals = np.zeros(5, dtype=int)  # steps, equal, not a code, stage-steps equal, undecided
    stage_steps = 0
    misses: list[Miss] = []
    for ladder in design.ladders:
        found, wanted = stages[ladder.name], reference.layers[ladder.name]
        known = np.ones(wanted.states.shape[1:], dtype=bool) if run is None else run.ran[ladder.name]
        decided = np.ones(found.shape, dtype=bool) if run is None else run.decided[ladder.name]
        right = (found == thermometer(wanted.states, ladder)) & decided
        same = right.all(axis=-1) | ~known
        code = (np.diff(found.astype(int), axis=-1) > 0).any(axis=-1)
        totals += [
            len(same) * int(known.sum()),
            int((same & known).sum()),
            int((code & known).sum()),
            int((right & known[..., None]).sum()),
            int((~decided & known[..., None]).sum()),
        ]
        stage_steps += len(same) * int(known.sum()) * ladder.stages
        preset = ladder.i_preset / (ladder.synapses.scale * design.unit_current)
        for clip, cell in np.argwhere(~same.all(axis=0)):
            at = int(np.argmin(same[:, clip, cell])), int(clip), int(cell)
            misses.append(_miss(ladder, wanted, found, run, at, preset))
    if run is not None:
        extra = _currents(design, reference, run) | extra
    clips = next(iter(reference.layers.values())).states.shape[1]
    return Agreement(
        level,
        clips,
        design.stages,
        int(totals[0]),
        int(totals[1]),
        int(totals[2]),
        tuple(misses),
        stage_steps_checked=stage_steps,
        stage_steps_equal=int(totals[3]),
        undecided=int(totals[4]),
        readings=stages,
        **extra,
    )


def _miss(
    ladder: Ladder,
    wanted: Wanted,
    found: np.ndarray,
    run: NetworkRun | None,
    at: tuple[int, int, int],
    preset: np.ndarray,
) -> Miss:
    """`preset` (d,): what a preset pulse is, in trained units."""
    step, _, cell = at
    before = wanted.states[step - 1][at[1:]] if step else ladder.initial[cell]
    on = round((float(before) - ladder.k_min) / ladder.level_step)
    candidate = float(wanted.candidates[at])
    reach = [(candidate, t) for t in (*wanted.up[cell, on : on + 1], *wanted.down[cell, max(on - 1, 0) : on])]
    low = found[at].sum() < thermometer(wanted.states[at], ladder).sum()
    if step == 0 and low:  # one of the presets before it may not have set its stage
        presets = wanted.up[cell, : ladder.preset_pulses[cell]]
        reach += [(float(preset[cell]), t) for t in presets if abs(preset[cell] - t) < NEAR * abs(t)]
    acted, nearest = min(
        (pair for pair in reach if np.isfinite(pair[1])),
        key=lambda pair: abs(pair[0] - pair[1]),
        default=(candidate, np.nan),
    )
    # of a preset no candidate was measured
    measured = float(run.candidates[ladder.name][at]) if run is not None and acted == candidate else float("nan")
    return Miss(
        ladder.name,
        cell,
        at[1],
        step,
        int(wanted.states[at]),
        tuple(bool(b) for b in found[at]),
        acted,
        float(nearest),
        measured,
    )


def _currents(design: Design, reference: Reference, run: NetworkRun) -> dict[str, Any]:
    """Errors of candidates, outputs and logits, and the classes."""
    in_units, candidates, outputs = [], [], []
    for ladder in design.ladders:
        wanted = reference.layers[ladder.name]
        error = run.candidates[ladder.name] - wanted.candidates
        half = ladder.beta / (ladder.synapses.scale * design.unit_current)
        in_units.append(error.ravel())
        candidates.append((error / half).ravel())
        # a cell that missed a step gives another level: that is no error of its currents
        right = (run.stages[ladder.name] == thermometer(wanted.states, ladder)).all(axis=-1)
        full = ladder.i_alpha * ladder.stages / design.unit_current
        wrong = run.outputs[ladder.name] / design.unit_current - wanted.outputs
        outputs.append(np.where(right, wrong / full, np.nan).ravel())
    units = Spread.of(np.concatenate(in_units), "units")
    found: dict[str, Any] = {
        "candidate_error": None if units is None else units.largest,
        "candidate": Spread.of(np.concatenate(candidates), "of the threshold"),
        "output": Spread.of(np.concatenate(outputs), "of full scale"),
        "failures": run.failures,
    }
    known = np.isfinite(run.logits).all(axis=1) if run.logits.shape[1] else np.zeros(len(run.logits), dtype=bool)
    if known.any():
        found |= {
            "logit_error": float(np.abs(run.logits - reference.logits)[known].max()),
            "classes_equal": int((run.classes == reference.classes)[known].sum()),
            "classes_checked": int(known.sum()),
        }
    return found
