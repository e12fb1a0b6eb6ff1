"""The analysis behind `analyze fixed-points`: all results for one ladder, in one call."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from analogrnn.analysis.fixed_points.dynamics import (
    WaveformLadder,
    after_pulse,
    after_upset,
    at_rest,
    reachable,
    settle,
    waveform_ladder,
)
from analogrnn.analysis.fixed_points.rest_states import (
    LevelWindows,
    RestStates,
    all_codes,
    count_rest_states,
    is_thermometer,
    level_windows,
    rest_states,
)
from analogrnn.analysis.fixed_points.spice import codes_equal, rest_by_ngspice, settled_starts
from analogrnn.chip import Chip, ChipLadder
from analogrnn.show import Rows, Shown, counted

# both sides of the threshold and far beyond it; the result is monotone in the amplitude, so these cover all others
AMPLITUDES = np.array([-6.0, -3.0, -1.001, -0.999, 0.999, 1.001, 3.0, 6.0])  # beta


@dataclass(frozen=True, eq=False)
class Upset:
    """Result of forcing `stages` (numbered from 0) to the opposite state, from a level with `level` stages ON.

    brief  result if the upset lasts one pulse
    long   result if it lasts until the DPIs have followed

    A result is "heals", "moves to level n" (n stages ON) or "island <code>".
    """

    level: int
    stages: tuple[int, ...]
    brief: str
    long: str


@dataclass(frozen=True, eq=False, repr=False)
class LadderFixedPoints(Shown):
    """Rest states, level windows, pulses and upsets of one ladder of one chip."""

    cell: int
    ratio: float  # I_s / beta
    base_ratio: float  # (I_c - I_s) / beta
    expected: int  # number of rest states of a nominal ladder, by `count_rest_states`
    states: RestStates
    windows: LevelWindows
    waveform_agrees: bool  # exactly these codes hold in the waveform model
    ngspice_agrees: bool | None  # exactly these codes hold in ngspice; None: not run
    reached: np.ndarray  # (M, N) codes that pulses reach from all-OFF
    moves: np.ndarray  # (N + 1, 8) stages ON after one pulse of AMPLITUDES, from each level; -1: not a level
    upsets: tuple[Upset, ...]

    def shown(self) -> tuple[str, Rows]:
        """How many codes hold, and which routes find the same ones."""
        levels, islands = int(self.states.thermometer.sum()), len(self.states.islands)
        reached = self.islands_reached
        ngspice = {None: "not run", True: "agrees", False: "disagrees"}[self.ngspice_agrees]
        rows = [
            ("codes", f"{counted(levels, 'level')}, {counted(islands, 'island')}, of which pulses reach {reached}"),
            ("models", f"waveform {'agrees' if self.waveform_agrees else 'disagrees'}, ngspice {ngspice}"),
        ]
        count = counted(len(self.states.codes), "rest state")
        return f"LadderFixedPoints of cell {self.cell}: {count}, {self.expected} in a nominal ladder", rows

    @property
    def islands_reached(self) -> int:
        return int((~is_thermometer(self.reached)).sum())

    @property
    def agrees(self) -> bool:
        """Whether every route that was taken finds the same rest states."""
        return self.waveform_agrees and self.ngspice_agrees is not False

    def as_dict(self) -> dict[str, Any]:
        def text(codes: np.ndarray) -> list[str]:
            return ["".join("1" if on else "0" for on in code) for code in codes]

        def finite(values: np.ndarray) -> list[float | None]:
            return [float(v) if np.isfinite(v) else None for v in values]

        return {
            "cell": self.cell,
            "stages": self.states.stages,
            "shift_ratio": self.ratio,
            "base_ratio": self.base_ratio,
            "rest_states": len(self.states.codes),
            "rest_states_expected": self.expected,
            "levels": int(self.states.thermometer.sum()),
            "islands": text(self.states.islands),
            "margin_beta": float(self.states.margin.min()) if len(self.states.margin) else None,
            "waveform_agrees": self.waveform_agrees,
            "ngspice_agrees": self.ngspice_agrees,
            "reached_from_reset": text(self.reached),
            "islands_reached": self.islands_reached,
            "windows": {
                "level": self.windows.level.tolist(),
                "output": self.windows.output.tolist(),
                "down": finite(self.windows.down),
                "up": finite(self.windows.up),
                "beta": self.windows.beta,
            },
            "pulse_amplitudes_beta": AMPLITUDES.tolist(),
            "stages_on_after_pulse": self.moves.tolist(),
            "upsets": [vars(upset) for upset in self.upsets],
        }


def analyze_fixed_points(chip: Chip, layer: ChipLadder, cell: int, *, ngspice: bool = False) -> LadderFixedPoints:
    """Rest states of one ladder by all routes, its level windows, the codes that pulses reach, and results of upsets.

    >>> found = ar.analyze_fixed_points(chip, chip.ladders[0], cell=0)

    `ngspice` also starts every code in ngspice, which simulates the nominal design for any chip.

    Raises ParameterError for a ladder that never rests or has more than 16 stages; with `ngspice` also SpiceError and
    MissingDependencyError.
    """
    ladder, stages = layer.ladder, int(layer.ladder.counts[cell])
    states, windows = rest_states(chip, layer, cell), level_windows(layer, cell)
    model, codes = waveform_ladder(chip, layer, cell), all_codes(stages)
    kept = np.array([(settle(model, at_rest(model, code)).on == code).all() for code in codes])
    by_spice = None
    if ngspice:
        ends = rest_by_ngspice(chip.design, ladder, cell, settled_starts(chip.design, codes))
        by_spice = codes_equal(codes[(ends == codes).all(axis=1)], states.codes)
    ratio = float(ladder.i_shift[cell] / ladder.beta[cell])
    expected = count_rest_states(stages) if ratio > 1.0 or stages == 1 else 2**stages
    return LadderFixedPoints(
        cell,
        ratio,
        float(ladder.i_base[cell] / ladder.beta[cell]),
        expected,
        states,
        windows,
        codes_equal(codes[kept], states.codes),
        by_spice,
        reachable(model, AMPLITUDES * model.beta),
        _moves(model),
        upsets(model),
    )


def upsets(model: WaveformLadder) -> tuple[Upset, ...]:
    """Every upset of one stage, or of two neighbours, from every level."""
    out = []
    for level in range(model.stages + 1):
        code = np.arange(model.stages) < level
        groups = [(j,) for j in range(model.stages)] + [(j, j + 1) for j in range(model.stages - 1)]
        for group in groups:
            forced = {j: not code[j] for j in group}
            brief, long = (
                _outcome(after_upset(model, code, forced, s).on, level) for s in (model.pulse, 2 * model.rise)
            )
            out.append(Upset(level, group, brief, long))
    return tuple(out)


def _moves(model: WaveformLadder) -> np.ndarray:
    out = np.empty((model.stages + 1, len(AMPLITUDES)), dtype=int)
    for level in range(model.stages + 1):
        start = at_rest(model, np.arange(model.stages) < level)
        ends = [after_pulse(model, start, a * model.beta).on for a in AMPLITUDES]
        out[level] = [int(end.sum()) if is_thermometer(end) else -1 for end in ends]
    return out


def _outcome(code: np.ndarray, level: int) -> str:
    if not is_thermometer(code):
        return "island " + "".join("1" if on else "0" for on in code)
    return "heals" if code.sum() == level else f"moves to level {int(code.sum())}"
