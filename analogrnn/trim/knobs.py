"""Which bias DACs a chip carries, their bits, ranges and areas, and a set of codes for them.

A DAC is binary weighted: bit b switches 2^b equal small devices. Four kinds, each able to undo RANGE standard
deviations of what it trims:

    threshold  in parallel to m3 of a stage: moves both thresholds of it
    width      in parallel to m4 of a stage: moves its down threshold alone
    row        at the candidate node of a ladder: what the mismatched mirrors make of the inputs' standing offset
    readout    at each output of the readout
"""

from dataclasses import dataclass, field

import numpy as np

from analogrnn import mismatch
from analogrnn.design import Design, FeedForward, Geometry, Ladder, Synapses
from analogrnn.errors import ParameterError, in_range

RANGE = 4.0  # standard deviations either way
LEAST_REACH = 1.2  # half windows either way: the rest of stage 1 must be found within the range
MOST_OF_BIAS = 0.9  # of a bias current may be taken over by its DAC
SHARING = ("stage", "width", "ladder")
LATCH_AREA = 40e-12  # m^2 per bit: declared, about a latch of a 180 nm standard-cell library
SWITCH_AREA = 1e-12  # m^2 per bit: declared, one 0.5 x 0.5 um device with its contacts


@dataclass(frozen=True)
class TrimOptions:
    """What the designer and the tester choose.

    bits     of every DAC
    sharing  "stage": each stage has a threshold and a width DAC; "width": one width DAC per ladder;
             "ladder": one of each per ladder
    repeats  odd: each comparison is decided by the majority of so many sequences
    clips    calibration clips, which set the readout's biases
    unit     one device of a DAC, m
    """

    bits: int = 6
    sharing: str = "stage"
    repeats: int = 3
    clips: int = 40
    unit: Geometry = field(default_factory=lambda: Geometry(1e-6, 1e-6))

    def __post_init__(self) -> None:
        in_range("TrimOptions.bits", self.bits, 1, 12)
        in_range("TrimOptions.repeats", self.repeats, 1, 99)
        in_range("TrimOptions.clips", self.clips, 1, 10_000)
        if self.repeats % 2 == 0:
            raise ParameterError(f"TrimOptions.repeats = {self.repeats} is even; a majority needs an odd number.")
        if self.sharing not in SHARING:
            raise ParameterError(f"TrimOptions.sharing = {self.sharing!r} is unknown; known: {list(SHARING)}.")


@dataclass(frozen=True, eq=False)
class Dac:
    """A group of equal DACs: code 0..2^bits - 1, half range at the middle code. `lsb` A, one per ladder or output."""

    bits: int
    lsb: np.ndarray

    @property
    def middle(self) -> int:
        return 1 << (self.bits - 1)

    @property
    def top(self) -> int:
        return (1 << self.bits) - 1

    def clipped(self, code: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(code), 0, self.top).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Codes:
    """What the latches hold: threshold and width (d, N), row (d,), readout (outputs,), parked (d,) bool."""

    threshold: np.ndarray
    width: np.ndarray
    row: np.ndarray
    readout: np.ndarray
    parked: np.ndarray


@dataclass(frozen=True, eq=False)
class TrimPlan:
    """The trim hardware of a Design: known to the tester, because it is the design, not the chip."""

    design: Design
    ladder: Ladder
    readout: Synapses
    options: TrimOptions
    threshold: Dac
    width: Dac
    row: Dac
    output: Dac

    @property
    def middle(self) -> Codes:
        """The codes of an untrimmed chip: every DAC at its nominal value."""
        d, n = self.ladder.width, self.ladder.stages
        return Codes(
            threshold=np.full((d, n), self.threshold.middle),
            width=np.full((d, n), self.width.middle),
            row=np.full(d, self.row.middle),
            readout=np.full(self.readout.width, self.output.middle),
            parked=np.zeros(d, dtype=bool),
        )

    @property
    def dacs(self) -> int:
        """How many DACs the chip carries."""
        d, n, sharing = self.ladder.width, self.ladder.stages, self.options.sharing
        stage = {"stage": 2 * n, "width": n + 1, "ladder": 2}[sharing]
        return d * (stage + 1) + self.readout.width

    @property
    def bits_total(self) -> int:
        """Latches: all DACs and one park bit per ladder."""
        return self.dacs * self.options.bits + self.ladder.width

    @property
    def area(self) -> float:
        """m^2 of DAC devices, switches and latches; wiring is not counted."""
        devices = (2**self.options.bits - 1) * self.options.unit.area + self.options.bits * SWITCH_AREA
        return self.dacs * devices + self.bits_total * LATCH_AREA


def plan_trim(design: Design, options: TrimOptions | None = None) -> TrimPlan:
    """The DACs of a Design, their ranges from the predicted spread (Pelgrom).

    Raises ParameterError for a design whose ladders are not driven by its inputs and read by one linear readout, for
    ladders without a clock, whose thresholds can't be measured from outside, and for input-dependent thresholds.
    """
    design.check_constant_thresholds("trim")
    options = options or TrimOptions()
    match design.layers:
        case (Ladder() as ladder, FeedForward() as last):
            pass
        case _:
            raise ParameterError(
                f"{design.name}: trim measures ladders that the inputs drive and one linear readout shows; other "
                "networks need test outputs inside the chip."
            )
    if not ladder.return_to_zero:
        raise ParameterError(f"{ladder.name} takes its candidates without a clock; trim needs one to stop.")
    if not design.wiring.is_chain:
        raise ParameterError(f"{last.name} reads more than {ladder.name}; trim needs a readout of the ladders alone.")
    if np.ptp(ladder.counts):
        raise ParameterError(f"{ladder.name} has ladders of different lengths; trim measures ladders of one length.")
    if last.rectifier:
        raise ParameterError(f"{last.name} is rectified: it hides half of what the ladders do; trim needs it linear.")
    halves = (
        _threshold_reach(design, ladder),
        _width_reach(design, ladder),
        _offset_reach(design, ladder.synapses),
        _output_reach(design, ladder, last.synapses),
    )
    dacs = [Dac(options.bits, 2.0 * half / 2**options.bits) for half in halves]
    return TrimPlan(design, ladder, last.synapses, options, *dacs)


def device_spread(design: Design, polarity: str, current: np.ndarray, size: Geometry) -> np.ndarray:
    """Standard deviation of the log current of one device."""
    technology = design.technology
    vth = technology.gm_over_i(polarity, current, size.w, size.l) * technology.sigma_vth(polarity, size.w, size.l)
    return np.hypot(vth, technology.sigma_beta(polarity, size.w, size.l))


def _threshold_reach(design: Design, ladder: Ladder) -> np.ndarray:
    stages = range(ladder.stages)
    sigma = np.max([_spread(design, ladder, mismatch.threshold_terms(ladder, j, upper=True)) for j in stages], axis=0)
    reach = np.maximum(RANGE * sigma, LEAST_REACH * ladder.beta)
    return np.minimum(reach, MOST_OF_BIAS * ladder.i_th)


def _width_reach(design: Design, ladder: Ladder) -> np.ndarray:
    hysteresis = mismatch.threshold_terms(ladder, 0, upper=False)[-1]
    return np.minimum(RANGE * _spread(design, ladder, [hysteresis]), MOST_OF_BIAS * ladder.i_hyst)


def _spread(design: Design, ladder: Ladder, terms: list[mismatch.Term]) -> np.ndarray:
    return mismatch.spread(design, ladder, terms)[1]


def _offset_reach(design: Design, synapses: Synapses, level: np.ndarray | None = None) -> np.ndarray:
    """RANGE sigma of a row's current with inputs `level` (D,) (default: the offset) above the mirrors' zero, A."""
    unit = np.array(design.unit_current)
    n, p = (float(device_spread(design, polarity, unit, design.sizing.synapse)) for polarity in "np")
    at = synapses.offset if level is None else level
    each = synapses.ratio * at
    mirrors = 2.0 * n**2 * (each**2).sum(axis=1) + n**2 * synapses.bias**2
    rail = 2.0 * p**2 * (np.where(each > 0.0, each, 0.0).sum(axis=1) + np.maximum(synapses.bias, 0.0)) ** 2
    return np.asarray(RANGE * np.sqrt(mirrors + rail) * design.unit_current)


def _output_reach(design: Design, ladder: Ladder, synapses: Synapses) -> np.ndarray:
    """The ladders at typical output currents; twice, for the spread of their own output mirrors and moved levels."""
    middle = ladder.alpha * np.abs(ladder.levels).mean(axis=1)
    return _offset_reach(design, synapses, np.maximum(middle, 1e-3)) * 2.0
