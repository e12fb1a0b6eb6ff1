"""Flips of memory cells under noise according to ngspice: many cells in a deck, each with its own noise source.

A cell is held at the middle of its window. Piecewise linear noise (ngspice's TRNOISE, a new value each `sample`
seconds) flows into its input node, whose low-pass makes nearly an Ornstein-Uhlenbeck process of fast noise, and lets
slow noise pass. The cell is a telegraph: ON above the upper threshold, OFF below the lower one; the mean time between
two flips is that from one threshold to the other.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from analogrnn import library
from analogrnn.analysis.noise.hold_times import mean_passage
from analogrnn.design import Geometry
from analogrnn.errors import ParameterError, SpiceError, in_range
from analogrnn.spice.deck import Deck, Tran, number
from analogrnn.spice.engine import Ngspice, run_deck
from analogrnn.spice.ideal_ladder import RUNIT
from analogrnn.spice.pdk import Pdk, model_lines
from analogrnn.spice.raw import Waveforms
from analogrnn.spice.sources import piecewise_linear

# a threshold lies this many steps of the walk farther off for piecewise linear noise: 0.58 (-zeta(1/2)/sqrt(2 pi)) as
# the walk has finite steps, the rest as interpolation averages neighbouring ones. 0.79 to 0.87 in exact simulations of
# the sampled process, samples of 0.02 to 0.05 t_in, thresholds at 1.5 to 3 rms
SAMPLED = 0.85
SUPPLY = 1.8


@dataclass(frozen=True)
class FlipBench:
    """Cells of one kind. SI units.

    i_centre, beta  middle and half width of the window
    t_in            time constant of the input node
    rms             of the noise at the comparator, behind the input node
    sample          time between two values of the noise
    """

    i_centre: float
    beta: float
    t_in: float
    rms: float
    sample: float
    cells: int = 32
    seconds: float = 0.02

    def __post_init__(self) -> None:
        in_range("FlipBench.beta", self.beta, 0.0, self.i_centre, "A", hint="half a window can't exceed its middle")
        if not 0.0 < self.sample <= self.t_in / 4.0 and not self.sample >= 8.0 * self.t_in:
            raise ParameterError(
                f"FlipBench.sample = {self.sample:g} s is neither fast (up to t_in / 4) nor slow "
                f"(from 8 t_in, t_in = {self.t_in:g} s): there is no prediction between."
            )
        in_range("FlipBench.cells", self.cells, 1, 1000)

    @property
    def source_rms(self) -> float:
        """A, of each noise value, so that piecewise linear noise has `rms` behind the input node. Exact."""
        r = self.sample / self.t_in
        rho = math.exp(-r)
        late = 1.0 - (1.0 - rho) / r  # weight of the value at the end of an interval, and at its start
        early = (1.0 - rho) / r - rho
        return self.rms / math.sqrt((early**2 + late**2 + 2.0 * rho * early * late) / (1.0 - rho**2))

    def predicted(self) -> float:
        """Mean time between two flips, s, from one threshold to the other, noise sampled as it is.

        Fast noise: the first passage. Slow noise: each value is a new trial, sample / Phi(-beta / rms); such a path is
        smooth, so this is Rice's rate of upcrossings with those left out that find the cell flipped already.
        """
        if self.sample > self.t_in:
            return self.sample / float(ndtr(-self.beta / self.rms))
        late = SAMPLED * math.sqrt(2.0 * self.sample / self.t_in)
        distance = self.beta / self.rms
        return self.t_in * mean_passage(distance + late, start=-distance)


@dataclass(frozen=True)
class Flips:
    """Result in ngspice: number of flips of all cells, and simulated time of all cells, s."""

    count: int
    seconds: float

    @property
    def mean(self) -> float:
        """s between two flips of a cell."""
        return self.seconds / self.count if self.count else math.inf


def ideal_flips(bench: FlipBench, *, ngspice: Ngspice | None = None) -> Flips:
    """Run the ideal cell, `circuits/ideal/bmru_cell`. Raises SpiceError, MissingDependencyError."""
    lines = [
        "Rth vdd bth " + number(RUNIT),
        f"Ith bth 0 DC {number(bench.i_centre + bench.beta)}",
        "Rhy vdd bhy " + number(RUNIT),
        f"Ihy bhy 0 DC {number(2.0 * bench.beta)}",
        "Ron vdd bon " + number(RUNIT),
        f"Ion bon 0 DC {number(bench.beta)}",
    ]
    parameters = f"c_in={number(bench.t_in / RUNIT)} seti={number(bench.i_centre * RUNIT)}"
    deck = _deck(bench, lines, parameters, uic=True)
    deck = replace(deck, blocks=(library.circuit("ideal", "bmru_cell").rstrip(),))
    return _count(bench, run_deck(deck.text, stop_time=bench.seconds, ngspice=ngspice, timeout=600.0))


@dataclass(frozen=True)
class TransistorCell:
    """A cell of `circuits/gf180mcu/bmru_cell` and its bias currents, A."""

    size: Geometry
    i_th: float
    i_hyst: float
    pdk: Pdk

    def on_models(self, deck: Deck) -> Deck:
        """The deck with the models, the blocks and the options of a cell in transistors."""
        return replace(
            deck,
            models=model_lines(self.pdk),
            blocks=tuple(library.circuit("gf180mcu", name).rstrip() for name in ("devices", "bmru_cell")),
            options=("gmin=1e-16", "abstol=1e-15", "chgtol=1e-17", "method=gear"),
        )

    def bias(self) -> list[str]:
        currents = {"bth": self.i_th, "bhy": self.i_hyst, "bon": self.i_hyst / 2.0}
        diodes = [f"X{name} {name} {name} vdd vdd pfet {self.wl}" for name in currents]
        return [*diodes, *(f"I{name} {name} 0 DC {number(i)}" for name, i in currents.items())]

    @property
    def wl(self) -> str:
        return f"w={number(self.size.w)} l={number(self.size.l)}"


def transistor_window(cell: TransistorCell, seconds: float, *, ngspice: Ngspice | None = None) -> tuple[float, float]:
    """(resets at, sets at), A, by a ramp of the input up and down that takes `seconds`.

    Raises SpiceError if the cell doesn't set on the way up and reset on the way down.
    """
    top = 1.3 * cell.i_th
    lines = (
        f"Vdd vdd 0 DC {number(SUPPLY)}",
        *cell.bias(),
        f"Xc0 n0 a0 o0 vdd 0 bth bhy bon bmru_cell {cell.wl}",
        "Vo0 o0 0 DC 0.5",
        f"Ic0 0 n0 {piecewise_linear([(0.0, top / 20), (seconds / 2, top), (seconds, top / 20)])}",
    )
    ramp = Deck("one memory cell on a ramp", lines, Tran(seconds / 4000, seconds, seconds / 2000), saves=("v(a0)",))
    waves = run_deck(cell.on_models(ramp).text, stop_time=seconds, ngspice=ngspice, allowed_paths=cell.pdk.paths)
    on, half = waves["v(a0)"] < SUPPLY / 2.0, waves.axis < seconds / 2.0
    sets, resets = waves.axis[on & half], waves.axis[on & ~half]
    if not len(sets) or not len(resets) or resets[-1] >= waves.axis[-1]:
        raise SpiceError("the cell didn't set and reset on its ramp; check its bias currents.")
    slope = top * 0.95 / (seconds / 2.0)
    return float(top - slope * (resets[-1] - seconds / 2.0)), float(top / 20 + slope * sets[0])


def transistor_flips(bench: FlipBench, cell: TransistorCell, *, ngspice: Ngspice | None = None) -> Flips:
    """Run `bench` on transistors: its window is that of the cell, see `transistor_window`."""
    text = cell.on_models(_deck(bench, cell.bias(), cell.wl, uic=False)).text
    waves = run_deck(text, stop_time=bench.seconds, ngspice=ngspice, timeout=1200.0, allowed_paths=cell.pdk.paths)
    return _count(bench, waves)


def _deck(bench: FlipBench, bias: list[str], parameters: str, *, uic: bool) -> Deck:
    noise = f"TRNOISE({number(bench.source_rms)} {number(bench.sample)} 0 0)"
    cells = []
    for m in range(bench.cells):
        cells += [
            f"Xc{m} n{m} a{m} o{m} vdd 0 bth bhy bon bmru_cell {parameters}",
            f"Vo{m} o{m} 0 DC 0.5",
            f"Ic{m} 0 n{m} DC {number(bench.i_centre)}",
            f"In{m} 0 n{m} DC 0 {noise}",
        ]
    return Deck(
        f"{bench.cells} memory cells with noise in the middle of their windows",
        (f"Vdd vdd 0 DC {number(SUPPLY)}", *bias, *cells),
        Tran(bench.sample, bench.seconds, min(bench.sample, bench.t_in), uic),
        saves=tuple(f"v(a{m})" for m in range(bench.cells)),
    )


def _count(bench: FlipBench, waves: Waveforms) -> Flips:
    """Flips after each cell's first one, and the time since: a telegraph that starts at a flip."""
    count, seconds = 0, 0.0
    for m in range(bench.cells):
        on = waves[f"v(a{m})"] < SUPPLY / 2.0
        at = waves.axis[np.flatnonzero(on[1:] != on[:-1]) + 1]
        if len(at):
            count += len(at) - 1
            seconds += float(bench.seconds - at[0])
    if not count:
        raise SpiceError("no cell flipped twice; simulate for longer, or with more noise.")
    return Flips(count, seconds)
