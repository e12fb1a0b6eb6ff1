"""The bench of a calibration: the device under test, its decks, and its probes.

A Probe is one deck and the function that reads numbers from its waveforms. Its digest covers the deck, the models and
the simulator, so that a stored result is reused only for an identical run.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from analogrnn import library
from analogrnn.design import Geometry
from analogrnn.errors import SpiceError, in_range
from analogrnn.spice.deck import Deck, Tran, number
from analogrnn.spice.engine import Job, deck_job
from analogrnn.spice.pdk import Corner, Pdk, model_lines
from analogrnn.spice.raw import Waveforms
from analogrnn.technology import BOLTZMANN, ELEMENTARY_CHARGE, SIZE, STANDARD

# leakage floors of 1 fA need a gmin below 1e-15 / supply
OPTIONS = ("gmin=1e-16", "abstol=1e-16", "vntol=1e-7", "chgtol=1e-18", "reltol=1e-4", "method=gear")
STATIC_OPTIONS = ("gmin=1e-18", "abstol=1e-18", "vntol=1e-9", "reltol=1e-6")
ZERO_CELSIUS = 273.15
Numbers = dict[str, float | list[float]]
Read = Callable[[Waveforms], Numbers]


@dataclass(frozen=True)
class Setup:
    """What is measured: the standard stage, and the grids. SI units, except the temperature in Celsius, as in SPICE."""

    pdk: Pdk
    device: Geometry = field(default=Geometry(2e-6, 18e-6), metadata={"doc": "every precision device"})
    unit: float = field(default=0.25e-9, metadata={"doc": "A, the current that represents 1: half a window"})
    supply: float = 1.8
    temperature: float = 27.0
    c_dpi: float = 0.5e-12
    drive_ratio: float = field(default=12.0, metadata={"doc": "R = I_on / I_tau"})
    base_ratio: float = field(default=2.0, metadata={"doc": "standing current over half a window"})
    shift_ratio: float = field(default=2.2, metadata={"doc": "I_s over half a window"})
    pulse_ratio: float = field(default=0.2, metadata={"doc": "T_p / tau"})
    pulse_settle: float = field(default=8.01, metadata={"doc": "T_p / t_in"})
    units: tuple[float, ...] = field(
        default=(0.08e-9, 0.25e-9, 0.5e-9, 1e-9, 2.5e-9), metadata={"doc": "A, the unit currents of the maps"}
    )
    name: str = field(default=STANDARD, metadata={"doc": "name of this size of device in the calibration file"})

    def __post_init__(self) -> None:
        in_range("Setup.device.w", self.device.w, 0.22e-6, 100e-6, "m")
        in_range("Setup.device.l", self.device.l, 0.28e-6, 50e-6, "m")
        in_range("Setup.unit", self.unit, 1e-12, 1e-7, "A")

    @property
    def label(self) -> str:
        """Prefix of the names of probes; empty for the standard size."""
        return "" if self.name == STANDARD else f"{self.name}_"

    def entry(self, name: str) -> str:
        """The name that a value of this size has in the calibration file."""
        return f"{SIZE}.{self.name}.{name}"

    @property
    def size(self) -> str:
        """Width and length of the devices as SPICE parameters."""
        return f"w={number(self.device.w)} l={number(self.device.l)}"

    @property
    def threshold_ratio(self) -> float:
        """I_th over half a window."""
        return self.shift_ratio + self.base_ratio + 1.0

    @property
    def thermal_voltage(self) -> float:
        """U_T = k T / q, V."""
        return BOLTZMANN * (self.temperature + ZERO_CELSIUS) / ELEMENTARY_CHARGE


def others(setup: Setup) -> tuple[Setup, ...]:
    """The setups for the devices of the default and of the large stage, with their ratios."""
    return (
        replace(
            setup,
            device=Geometry(10e-6, 10e-6),
            unit=1e-9,
            c_dpi=2e-12,
            drive_ratio=25.0,
            base_ratio=1.6,
            shift_ratio=1.8,
            pulse_ratio=0.15,
            pulse_settle=12.0,
            units=(0.25e-9, 1e-9, 2.5e-9),
            name="square",
        ),
        replace(setup, device=Geometry(4e-6, 20e-6), units=(0.08e-9, 0.25e-9, 0.5e-9), name="large"),
    )


@dataclass(frozen=True)
class OperatingPoint:
    """Corner, temperature (C) and supply (V) of a deck; None: the value of the setup."""

    corner: Corner = "typical"
    temperature: float | None = None
    supply: float | None = None

    @property
    def label(self) -> str:
        """The part of a probe's name that states this operating point."""
        parts: list[str] = [self.corner]
        parts += [f"{self.temperature:g}C"] if self.temperature is not None else []
        parts += [f"{self.supply:g}V"] if self.supply is not None else []
        return "_".join(parts)


NOMINAL = OperatingPoint()


@dataclass(frozen=True)
class Probe:
    """One deck and how to read it. `noise`: the deck is a .noise analysis, whose raw file has two plots."""

    key: str
    job: Job
    read: Read
    noise: bool = False

    def digest(self, simulator: str, models: str) -> str:
        """Identifies this run: equal digests mean equal numbers."""
        text = "\n".join((self.key, simulator, models, self.job.deck))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class CalibrationBench:
    """Writes decks for one setup."""

    setup: Setup

    def deck(
        self,
        body: Sequence[str],
        blocks: Sequence[str],
        analysis: Tran | str,
        *,
        at: OperatingPoint = NOMINAL,
        static: bool = False,
    ) -> Deck:
        """A deck of `body` and the library's `blocks`. `static`: for an analysis other than a transient."""
        setup = self.setup
        return Deck(
            "calibration",
            (f"Vdd vdd 0 DC {number(setup.supply if at.supply is None else at.supply)}", *body),
            analysis,
            models=model_lines(setup.pdk, at.corner),
            temperature=setup.temperature if at.temperature is None else at.temperature,
            blocks=tuple(library.circuit("gf180mcu", block).rstrip() for block in ("devices", *blocks)),
            options=STATIC_OPTIONS if static else OPTIONS,
        )

    def job(self, deck: Deck) -> Job:
        """The job that runs one of these decks."""
        return deck_job(deck, allowed_paths=self.setup.pdk.paths)

    def diode(self, name: str, current: float) -> list[str]:
        """A bias line `b<name>`: the gate of a PMOS diode that carries `current` (A)."""
        return [f"Xb{name} b{name} b{name} vdd vdd pfet {self.setup.size}", f"Ib{name} b{name} 0 {number(current)}"]


def crossings(time: np.ndarray, value: np.ndarray, level: float, *, falling: bool) -> np.ndarray:
    """Times (s) at which the waveform `value` (P,) over `time` (P,) passes `level`, by linear interpolation."""
    past = value < level if falling else value > level
    i = np.flatnonzero(past[1:] & ~past[:-1])
    return np.asarray(time[i] + (level - value[i]) / (value[i + 1] - value[i]) * (time[i + 1] - time[i]))


def only(found: np.ndarray, what: str, index: int = 0) -> float:
    """The crossing number `index` of `found`. Raises SpiceError if there is none: the circuit did not switch."""
    if len(found) == 0:
        raise SpiceError(f"calibration: {what} does not occur; the device or the currents are out of range.")
    return float(found[index])


def number_of(results: Mapping[str, Numbers], probe: str, name: str) -> float:
    """A scalar result. Raises KeyError if its probe was not run."""
    value = results[probe][name]
    assert not isinstance(value, list)
    return float(value)


def list_of(results: Mapping[str, Numbers], probe: str, name: str) -> np.ndarray:
    """An array result."""
    return np.asarray(results[probe][name], dtype=float)
