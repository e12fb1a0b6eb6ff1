"""The records of a process: its constants, and what our circuits make of their currents in each size of device."""

import math
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from analogrnn.errors import ParameterError, in_range
from analogrnn.show import Rows, Shown, counted
from analogrnn.technology.block_maps import CellMaps

BOLTZMANN = 1.380649e-23  # J/K, exact
ELEMENTARY_CHARGE = 1.602176634e-19  # C, exact
SIZE = "size"  # the table of a calibration file that holds one table for each calibrated size
_T = TypeVar("_T")


def _quantity(unit: str, low: float, high: float, doc: str) -> float:
    """A dataclass field that is read from a calibration table of the same name."""
    return field(metadata={"unit": unit, "low": low, "high": high, "doc": doc})


def _curve(unit: str, low: float, high: float, axis: str, doc: str) -> "Table":
    """A dataclass field that is read from a calibration table of several values over an axis in the unit `axis`."""
    return field(metadata={"unit": unit, "low": low, "high": high, "axis": axis, "doc": doc})


@dataclass(frozen=True)
class Table:
    """A measured curve: `value` over increasing, positive `at`. Linear in log(at) between points, flat outside."""

    at: tuple[float, ...]
    value: tuple[float, ...]

    def __call__(self, x: float) -> float:
        if not x > 0.0:
            raise ParameterError(f"Table: x = {x!r} is not above zero; give a current or a ratio.")
        return float(self.over(x))

    def over(self, x: ArrayLike) -> np.ndarray:
        """The curve at `x` of any shape; zero has no logarithm and is below the first point like any small value."""
        return np.asarray(np.interp(np.log(np.maximum(x, self.at[0])), np.log(self.at), self.value))


@dataclass(frozen=True)
class Provenance:
    """Where a calibration value comes from."""

    unit: str
    meaning: str
    kind: str
    source: str
    method: str
    count: int
    uncertainty: float


@dataclass(frozen=True)
class CalibratedSize:
    """What the blocks make of their bias currents in one size of precision device; curves are over the unit current.

    But for `name` and the drawn size, the fields are those of `CellMaps`; `bare_` stands before what holds for a ladder
    of one stage.
    """

    name: str
    w: float = _quantity("m", 1e-7, 1e-3, "drawn width of the precision devices")
    l: float = _quantity("m", 1e-7, 1e-3, "drawn length of the precision devices")  # noqa: E741
    bias: Table = _curve("1", 0.5, 2.0, "A", "current of a bias line over its unit ratio, at one unit current")  # noqa: RUF009
    bias_slope: float = _quantity("1", -0.1, 0.1, "change of bias per factor e in the line's current")
    threshold: Table = _curve("1", 0.5, 2.0, "A", "I_hi / I_th of a cell")  # noqa: RUF009
    width: Table = _curve("1", 0.5, 2.0, "A", "gain g of a cell's window: I_hi - I_lo = g I_hyst - l I_th")  # noqa: RUF009
    width_loss: Table = _curve("1", -0.5, 0.5, "A", "loss l of a cell's window: I_hi - I_lo = g I_hyst - l I_th")  # noqa: RUF009
    copy: Table = _curve("1", 0.5, 2.0, "A", "copied current into a cell over the input line's current, at rest")  # noqa: RUF009
    copy_slope: float = _quantity("1", -0.1, 0.1, "change of copy per factor e in the line's current")
    base: Table = _curve("1", 0.5, 2.0, "A", "standing current of the input line over its bias line")  # noqa: RUF009
    clamp: Table = _curve("1", 0.0, 0.1, "A", "the clamp adds clamp x base^2 / line to the line's current")  # noqa: RUF009
    first_shift: Table = _curve("1", 0.5, 2.0, "A", "shift of the first stage over its bias line")  # noqa: RUF009
    shift: Table = _curve("1", 0.5, 2.0, "A", "DPI output inside a ladder over the output by dpi_gain")  # noqa: RUF009
    shift_slope: Table = _curve("1", -0.5, 0.5, "A", "change of shift per factor e in the gain current")  # noqa: RUF009
    shift_drive: Table = _curve("1", -0.5, 0.5, "A", "change of shift per factor e in drive and leak together")  # noqa: RUF009
    pulse_up: float = _quantity("1", 0.0, 1.0, "overdrive that an up pulse of 8 t_in needs, half windows")
    pulse_down: float = _quantity("1", 0.0, 1.0, "the same for a down pulse; both fall with its length squared")
    trim_up: float = _quantity("1", -0.2, 0.2, "residual error of the up thresholds, half windows")
    trim_down: float = _quantity("1", -0.2, 0.2, "residual error of the down thresholds, half windows")
    trim_first: float = _quantity("1", -0.2, 0.2, "first stage's thresholds less those of the others, half windows")
    bare_pulse_up: float = _quantity("1", 0.0, 1.0, "pulse_up of a ladder of one stage")
    bare_pulse_down: float = _quantity("1", 0.0, 1.0, "pulse_down of a ladder of one stage")
    bare_trim_up: float = _quantity("1", -0.2, 0.2, "trim_up of a ladder of one stage")
    bare_trim_down: float = _quantity("1", -0.2, 0.2, "trim_down of a ladder of one stage")
    soft_gain_up: float = _quantity("1", 0.5, 2.0, "gain of a soft threshold for positive candidates")
    soft_loss_up: float = _quantity("1", 0.5, 2.0, "what a soft threshold loses over |b| - delta, positive candidates")
    soft_offset_up: float = _quantity(
        "1", -0.2, 0.2, "offset of a soft threshold for positive candidates, half windows"
    )
    soft_gain_down: float = _quantity("1", 0.5, 2.0, "gain of a soft threshold for negative candidates")
    soft_loss_down: float = _quantity(
        "1", 0.5, 2.0, "what a soft threshold loses over |b| - delta, negative candidates"
    )
    soft_offset_down: float = _quantity(
        "1", -0.2, 0.2, "offset of a soft threshold for negative candidates, half windows"
    )

    def __post_init__(self) -> None:
        _check_ranges(self, f"{SIZE}.{self.name}")

    def at(self, name: str, square_current: float, square_beta: float) -> float:
        """One of the fields at a unit current and a half window, A, of a square device times this size's W / L."""
        value = getattr(self, name)
        if isinstance(value, Table):
            # the DPIs of a network have one drive current, whatever the half window
            return value(square_current if name.startswith("shift") else square_beta)
        return float(value)


@dataclass(frozen=True, repr=False)
class Technology(Shown):
    """One process at one supply and temperature. SI units; the meaning of each value stands in the calibration file.

    >>> technology = ar.load_technology("gf180mcu")
    """

    name: str
    supply: float = _quantity("V", 0.5, 6.0, "supply of all blocks")
    temperature: float = _quantity("K", 200.0, 450.0, "absolute temperature")
    slope_n: float = _quantity("1", 1.0, 3.0, "weak-inversion slope factor, nfet")
    slope_p: float = _quantity("1", 1.0, 3.0, "weak-inversion slope factor, pfet")
    i_spec_n: float = _quantity("A", 1e-9, 1e-5, "specific current of a square nfet")
    i_spec_p: float = _quantity("A", 1e-9, 1e-5, "specific current of a square pfet")
    a_vt_n: float = _quantity("V m", 0.0, 1e-6, "Pelgrom constant of V_th, nfet")
    a_vt_p: float = _quantity("V m", 0.0, 1e-6, "Pelgrom constant of V_th, pfet")
    a_beta_n: float = _quantity("m", 0.0, 1e-6, "Pelgrom constant of the gain factor, nfet")
    a_beta_p: float = _quantity("m", 0.0, 1e-6, "Pelgrom constant of the gain factor, pfet")
    pelgrom_prefactor: float = _quantity("1", 0.0, 2.0, "prefactor of both mismatch equations")
    pelgrom_dw: float = _quantity("m", -1e-6, 1e-6, "added to the drawn width in both mismatch equations")
    pelgrom_dl: float = _quantity("m", -1e-6, 1e-6, "added to the drawn length in both mismatch equations")
    noise_density: float = _quantity("A/Hz^0.5", 0.0, 1e-9, "white noise at the comparator node at noise_current")
    noise_current: float = _quantity("A", 1e-12, 1e-6, "threshold current at which the noise was measured")
    noise_bandwidth: float = _quantity("Hz", 1.0, 1e9, "bandwidth of the comparator at noise_current")
    input_charge_density: float = _quantity("C/m^2", 0.0, 1.0, "input time constant x current / gate area")
    dpi_gain: float = _quantity("1", 0.1, 2.0, "DPI gain over the textbook formula")
    dpi_tau: float = _quantity("1", 0.1, 10.0, "DPI time constant over the textbook formula")
    kappa: float = _quantity("1", 0.3, 1.0, "kappa of the textbook DPI formula")
    i_leak: float = _quantity("A", 0.0, 1e-9, "floor of a DPI's output current")
    i_max: float = _quantity("A", 1e-10, 1e-3, "largest current in weak inversion")
    i_min: float = _quantity("A", 0.0, 1e-9, "smallest bias current")
    w_min: float = _quantity("m", 1e-8, 1e-5, "smallest drawn width")
    l_max: float = _quantity("m", 1e-7, 1e-3, "longest channel of one device")
    ratio_max: float = _quantity("1", 1.0, 1e4, "largest mirror ratio")
    ratio_min: float = _quantity("1", 0.0, 1.0, "smallest mirror ratio")
    output_gain: float = _quantity("1", 0.5, 2.0, "output current of a set cell over its bias current")
    map_tau: float = _quantity("1", 0.1, 10.0, "DPI time constant over (C + C_par) U_T / (kappa I_tau)")
    map_parasitic: float = _quantity("F/m^2", 0.0, 1.0, "C_par of a DPI over the gate area of one device")
    dpi_rise: float = _quantity("1", 0.1, 100.0, "time constants from rest to half the output at the standard drive")
    i_leak_hot: float = _quantity("A", 0.0, 1e-9, "floor of a DPI's output current at 85 C")
    noise_flicker: float = _quantity("A/Hz^0.5", 0.0, 1e-9, "noise at the comparator node at 1 Hz and noise_current")
    switch_delay_up: float = _quantity("C/m^2", -1.0, 1.0, "up pulse: t = this W L / I_c + switch_slew_up W / (u-beta)")
    switch_slew_up: float = _quantity("C/m", 0.0, 1e-3, "slewing charge of an up move over device width")
    switch_delay_down: float = _quantity("C/m^2", -1.0, 1.0, "the same equation for a down pulse of magnitude u")
    switch_slew_down: float = _quantity("C/m", 0.0, 1e-3, "slewing charge of a down move over device width")
    supply_stage: float = _quantity("1", 0.5, 2.0, "supply current of a ladder's stages over the sum of their branches")
    threshold_temperature: float = _quantity("1/K", -0.1, 0.1, "relative change of I_hi with temperature, bias fixed")
    threshold_supply: float = _quantity("1/V", -1.0, 1.0, "relative change of I_hi with supply, bias fixed")
    threshold_corner: float = _quantity("1", 0.0, 1.0, "half the range of I_hi over the five corners, relative")
    shift_temperature: float = _quantity("1/K", -0.1, 0.1, "relative change of the DPI gain with temperature")
    shift_supply: float = _quantity("1/V", -1.0, 1.0, "relative change of the DPI gain with supply")
    shift_corner: float = _quantity("1", 0.0, 1.0, "half the range of the DPI gain over the five corners, relative")
    mismatch_check_n: float = _quantity("1", 0.1, 10.0, "sigma of log I, foundry's statistics over our model, nfet")
    mismatch_check_p: float = _quantity("1", 0.1, 10.0, "sigma of log I, foundry's statistics over our model, pfet")
    table_efficiency_n: Table = _curve("1", 0.5, 2.0, "A", "gm/I over the fit of slope_n and i_spec_n, square nfet")  # noqa: RUF009
    table_efficiency_p: Table = _curve("1", 0.5, 2.0, "A", "gm/I over the fit of slope_p and i_spec_p, square pfet")  # noqa: RUF009
    table_mirror_plain: Table = _curve("1", -0.5, 0.5, "A", "error of a positive weight of 1, no cascodes")  # noqa: RUF009
    table_mirror_negative: Table = _curve("1", -0.5, 0.5, "A", "error of a negative weight of 1, no cascodes")  # noqa: RUF009
    table_mirror_cascode: Table = _curve("1", -0.5, 0.5, "A", "error of a positive weight of 1, with cascodes")  # noqa: RUF009
    table_rail: Table = _curve("1", -0.5, 0.5, "A", "error of the cascoded PMOS mirror of a row's positive weights")  # noqa: RUF009
    table_mirror_ratio: Table = _curve("1", -0.5, 0.5, "1", "error of a positive cascoded weight over its ratio")  # noqa: RUF009
    sizes: tuple[CalibratedSize, ...] = field(default=(), metadata={"doc": "the standard one first"})
    provenance: dict[str, Provenance] = field(default_factory=dict, compare=False, repr=False)
    process: str = field(
        default="gf180mcu", repr=False, metadata={"doc": "whose devices these are; decks have no other"}
    )

    def __post_init__(self) -> None:
        _check_ranges(self, "Technology")
        if not self.sizes:
            raise ParameterError("Technology.sizes is empty; give the standard size of device, or calibrate one.")

    def shown(self) -> tuple[str, Rows]:
        """The operating point, and where the values come from."""
        kinds = Counter(entry.kind for entry in self.provenance.values())
        rows = [
            ("operating point", f"{self.supply:g} V, {self.temperature - 273.15:.3g} C"),
            ("values", ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no provenance"),
        ]
        return f"Technology {self.name}: {counted(len(self.sizes), 'calibrated device size')}", rows

    @property
    def standard(self) -> CalibratedSize:
        """The size behind the simulated values that belong to no other."""
        return self.sizes[0]

    @property
    def thermal_voltage(self) -> float:
        """U_T = k T / q, V."""
        return BOLTZMANN * self.temperature / ELEMENTARY_CHARGE

    def block_maps(
        self,
        w: float,
        l: float,  # noqa: E741
        unit_current: float,
        beta: float,
        *,
        bare: bool = False,
    ) -> CellMaps:
        """What the blocks make of their bias currents, for devices of w x l (m), a unit current and a half window (A).

        The values of the calibrated device that is nearest in size are taken, at the same current a square. `bare`: for
        a ladder of one stage, whose input node is lighter, so that its pulses need less overdrive.
        """
        nearest = min(self.sizes, key=lambda size: abs(math.log(w / size.w)) + abs(math.log(l / size.l)))
        squares = l / w * nearest.w / nearest.l
        own = {item.name for item in fields(CalibratedSize)}
        names = [item.name for item in fields(CellMaps) if item.name in own]
        values = {
            name: nearest.at(
                f"bare_{name}" if bare and f"bare_{name}" in own else name, unit_current * squares, beta * squares
            )
            for name in names
        }
        return CellMaps(tau=self.map_tau, parasitic=self.map_parasitic, **values)

    def sigma_vth(self, polarity: str, w: float, l: float) -> float:  # noqa: E741
        """Standard deviation of one device's threshold voltage, V, for drawn width w and length l in m.

        Source  Pelgrom et al., JSSC 24(5), 1989, with the foundry's area correction.
        """
        return self._pelgrom(_by_polarity(self.a_vt_n, self.a_vt_p, polarity), w, l)

    def sigma_beta(self, polarity: str, w: float, l: float) -> float:  # noqa: E741
        """Relative standard deviation of one device's gain factor, same equation."""
        return self._pelgrom(_by_polarity(self.a_beta_n, self.a_beta_p, polarity), w, l)

    def gm_over_i(self, polarity: str, current: ArrayLike, w: float, l: float) -> np.ndarray:  # noqa: E741
        """Transconductance efficiency, 1/V, of a device in saturation at `current` (A, any shape).

        gm/I = table(I L / W) / (n U_T) / (1/2 + sqrt(1/4 + IC)), IC = I L / (I_spec W). No pair of n and I_spec fits
        our devices over four decades, so `table_efficiency_*` multiplies the equation; outside the table's currents its
        ends stay, and the equation alone shapes the curve.
        Source  Enz, Krummenacher & Vittoz, Analog Integr. Circuits Signal Process. 8, 1995 (EKV).
        """
        slope = _by_polarity(self.slope_n, self.slope_p, polarity)
        i_spec = _by_polarity(self.i_spec_n, self.i_spec_p, polarity)
        table = _by_polarity(self.table_efficiency_n, self.table_efficiency_p, polarity)
        square = np.asarray(current) * l / w
        equation = 1.0 / (slope * self.thermal_voltage) / (0.5 + np.sqrt(0.25 + square / i_spec))
        return np.asarray(equation * table.over(square))

    def _pelgrom(self, constant: float, w: float, l: float) -> float:  # noqa: E741
        area = (w + self.pelgrom_dw) * (l + self.pelgrom_dl)
        if w + self.pelgrom_dw <= 0 or l + self.pelgrom_dl <= 0:
            raise ParameterError(f"device of {w * 1e6:g} x {l * 1e6:g} um has no effective channel; enlarge it.")
        return self.pelgrom_prefactor * constant / math.sqrt(area)


def _by_polarity(n: _T, p: _T, polarity: str) -> _T:
    if polarity not in ("n", "p"):
        raise ParameterError(f"polarity = {polarity!r} is neither 'n' nor 'p'.")
    return n if polarity == "n" else p


def _check_ranges(record: Technology | CalibratedSize, owner: str) -> None:
    for item in fields(record):
        m, value = item.metadata, getattr(record, item.name)
        if isinstance(value, Table):
            for j, point in enumerate(value.value):
                in_range(f"{owner}.{item.name}[{j}]", point, m["low"], m["high"], m["unit"])
        elif "unit" in m:
            in_range(f"{owner}.{item.name}", value, m["low"], m["high"], m["unit"])
