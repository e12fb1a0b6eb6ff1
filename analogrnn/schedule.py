"""The clock of a run, shared by the waveform level and the SPICE decks: reset, presets, then one step per frame."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from analogrnn.design import Design, Timing
from analogrnn.errors import ParameterError

# negative controls: neighbours react without delay; the candidate stays on after the pulse; the ladder powers up
# all-ON; there is no coupling from the upper neighbour. A ladder must fail with each of them, otherwise the agreement
# check could not detect an error
Control = Literal["none", "no_dpi", "no_return_to_zero", "no_reset", "forward_only"]
CONTROLS: tuple[Control, ...] = get_args(Control)

READ_AT = 0.98  # fraction of the period at which levels are read


@dataclass(frozen=True)
class Schedule:
    """The steps of a run, counted from the start of the reset. Times in s."""

    timing: Timing
    reset_steps: int
    preset_steps: int
    frames: int

    @property
    def steps(self) -> int:
        """All steps: reset, presets and frames."""
        return self.reset_steps + self.preset_steps + self.frames

    @property
    def first_frame(self) -> int:
        """The step of the first frame."""
        return self.reset_steps + self.preset_steps

    @property
    def lead(self) -> float:
        """Delay from the start of a step, where the inputs change, to the pulse of the first ladders, s."""
        return self.timing.lead

    def lead_of(self, phase: int) -> float:
        """Delay, s, to the pulse of ladders behind `phase` others, each of which has pulsed a lead before the next."""
        return self.timing.lead + phase * (self.timing.lead + self.timing.pulse)

    @property
    def duration(self) -> float:
        """s, the length of the run."""
        return self.steps * self.timing.period

    def __str__(self) -> str:
        return f"{self.reset_steps} reset + {self.preset_steps} preset + {self.frames} steps"

    def starts(self) -> np.ndarray:
        """(steps,) start of each step, s."""
        return np.arange(self.steps) * self.timing.period

    def read_times(self) -> np.ndarray:
        """(frames,) time at which the levels of each frame are read, s."""
        return (np.arange(self.first_frame, self.steps) + READ_AT) * self.timing.period


def checked_control(control: str) -> Control:
    """`control`, if it is one of CONTROLS. Raises ParameterError for any other name."""
    if control not in CONTROLS:
        raise ParameterError(f"control = {control!r} is unknown; known: {list(CONTROLS)}.")
    return control


def build_schedule(design: Design, frames: int, control: Control = "none") -> Schedule:
    """The clock for a run of `frames` steps. Raises ParameterError for an unknown control."""
    checked_control(control)
    reset = 0 if control == "no_reset" else design.timing.reset_steps
    return Schedule(design.timing, reset, design.preset_steps, frames)


@dataclass(frozen=True, eq=False)
class PeriodGrid:
    """Time intervals of one period for the waveform kernel: fine around the pulse, coarse while the DPIs settle."""

    ends: np.ndarray  # (P,) s, end of each interval, from the start of the period
    pulsed: np.ndarray  # (P,) True inside the pulse
    read: int  # first interval that ends at or after READ_AT of the period

    @property
    def lengths(self) -> np.ndarray:
        """(P,) s, length of each interval."""
        return np.diff(self.ends, prepend=0.0)


def period_grid(timing: Timing, t_in: float, *, points_per_t_in: int = 8, points_per_tau: int = 20) -> PeriodGrid:
    """The grid of one period, fine from the start of the pulse until 12 t_in after its end."""
    lead, fine, coarse = timing.lead, t_in / points_per_t_in, timing.tau / points_per_tau
    stop, read = lead + timing.pulse, READ_AT * timing.period
    parts = [_even(0.0, lead, max(fine, min(coarse, lead / 4))), _even(lead, stop, fine)]
    calm = min(stop + 12.0 * t_in, timing.period)
    parts.append(_even(stop, calm, fine))
    at, step = calm, fine
    tail = []
    while at < timing.period * (1 - 1e-9):
        step = min(step * 1.2, max(coarse, fine))
        at = min(at + step, timing.period)
        tail.append(at)
    ends = np.unique(np.concatenate([*parts, np.array([*tail, read, timing.period])]))
    # the edges of the pulse come from the same sums, so the grid contains them bit for bit
    pulsed = (ends > lead) & (ends <= stop)
    return PeriodGrid(ends, pulsed, int(np.searchsorted(ends, read)))


def _even(start: float, stop: float, step: float) -> np.ndarray:
    """Interval ends in (start, stop], evenly spaced by at most `step`."""
    if stop <= start:
        return np.empty(0)
    count = max(1, int(np.ceil((stop - start) / step)))
    return np.append(start + (stop - start) * np.arange(1, count) / count, stop)
