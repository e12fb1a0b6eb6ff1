"""What the silicon offers: process constants and the measured behaviour of our cells, read from a calibration file.

Every value of the file carries provenance (unit, meaning, kind, source, method, count, uncertainty); a file that
lacks one is refused, so that an assumption never passes for a measurement.
"""

import itertools
import math
import tomllib
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analogrnn import library
from analogrnn.errors import CalibrationError, ParameterError, in_range

BOLTZMANN = 1.380649e-23  # J/K, exact
ELEMENTARY_CHARGE = 1.602176634e-19  # C, exact
KINDS = ("foundry", "simulated", "declared", "measured", "cited")
_ENTRY = {"value", "unit", "meaning", "kind", "source", "method", "count", "uncertainty"}
_CURVE = {"axis", "at"}


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
        return float(np.interp(math.log(x), np.log(self.at), self.value))


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
class Technology:
    """One process at one supply and temperature. SI units; the meaning of each value stands in the calibration file."""

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
    pelgrom_prefactor: float = _quantity("1", 0.0, 2.0, "prefactor of both mismatch laws")
    pelgrom_dw: float = _quantity("m", -1e-6, 1e-6, "added to the drawn width in both laws")
    pelgrom_dl: float = _quantity("m", -1e-6, 1e-6, "added to the drawn length in both laws")
    noise_density: float = _quantity("A/Hz^0.5", 0.0, 1e-9, "white noise at the comparator node at noise_current")
    noise_current: float = _quantity("A", 1e-12, 1e-6, "threshold current of noise_density and noise_bandwidth")
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
    device_w: float = _quantity("m", 1e-7, 1e-3, "drawn width of the precision devices behind the simulated values")
    device_l: float = _quantity("m", 1e-7, 1e-3, "drawn length of the precision devices behind the simulated values")
    square_w: float = _quantity("m", 1e-7, 1e-3, "drawn width of the device of the values square_*")
    square_l: float = _quantity("m", 1e-7, 1e-3, "drawn length of the device of the values square_*")
    large_w: float = _quantity("m", 1e-7, 1e-3, "drawn width of the device of the values large_*")
    large_l: float = _quantity("m", 1e-7, 1e-3, "drawn length of the device of the values large_*")
    output_gain: float = _quantity("1", 0.5, 2.0, "output current of a set cell over its bias current")
    map_bias: float = _quantity("1", 0.5, 2.0, "a bias line's current over its unit ratio, at one unit current")
    map_bias_slope: float = _quantity("1", -0.1, 0.1, "what map_bias gains for each factor e in the line's current")
    map_threshold: float = _quantity("1", 0.5, 2.0, "I_hi / I_th of a cell")
    map_width: float = _quantity("1", 0.5, 2.0, "gain g of a cell's window: I_hi - I_lo = g I_hyst - l I_th")
    map_width_loss: float = _quantity("1", -0.5, 0.5, "loss l of a cell's window: I_hi - I_lo = g I_hyst - l I_th")
    map_copy: float = _quantity("1", 0.5, 2.0, "current into a cell over that into the input line, at rest")
    map_copy_slope: float = _quantity("1", -0.1, 0.1, "what map_copy gains for each factor e in the line's current")
    map_base: float = _quantity("1", 0.5, 2.0, "standing current of the input line over its bias line")
    map_clamp: float = _quantity("1", 0.0, 0.1, "the line's clamp adds this x base^2 / line to the line")
    map_first_shift: float = _quantity("1", 0.5, 2.0, "shift of the first stage over its bias line")
    map_shift: float = _quantity("1", 0.5, 2.0, "DPI output inside a ladder over that of dpi_gain")
    map_shift_slope: float = _quantity("1", -0.5, 0.5, "what map_shift gains for each factor e in the shift alone")
    map_pulse_up: float = _quantity(
        "1", 0.0, 1.0, "half windows by which an up pulse of 8 t_in must pass its threshold"
    )
    map_pulse_down: float = _quantity("1", 0.0, 1.0, "the same for a down pulse; both fall as the square of the length")
    map_trim_up: float = _quantity("1", -0.2, 0.2, "error of the up thresholds that the maps leave, half windows")
    map_trim_down: float = _quantity("1", -0.2, 0.2, "error of the down thresholds that the maps leave, half windows")
    map_trim_first: float = _quantity("1", -0.2, 0.2, "how much lower the first stage's thresholds are, half windows")
    map_tau: float = _quantity("1", 0.1, 10.0, "DPI time constant over (C + C_par) U_T / (kappa I_tau)")
    map_parasitic: float = _quantity("F/m^2", 0.0, 1.0, "C_par of a DPI over the gate area of one device")
    dpi_rise: float = _quantity("1", 0.1, 100.0, "time constants from rest to half the output at the standard drive")
    i_leak_hot: float = _quantity("A", 0.0, 1e-9, "floor of a DPI's output current at 85 C")
    noise_flicker: float = _quantity("A/Hz^0.5", 0.0, 1e-9, "noise at the comparator node at 1 Hz and noise_current")
    switch_delay_up: float = _quantity("C/m^2", -1.0, 1.0, "up pulse: t = this W L / I_c + switch_slew_up W / (u-beta)")
    switch_slew_up: float = _quantity("C/m", 0.0, 1e-3, "slewing charge of an up move over device width")
    switch_delay_down: float = _quantity("C/m^2", -1.0, 1.0, "the same law for a down pulse of magnitude u")
    switch_slew_down: float = _quantity("C/m", 0.0, 1e-3, "slewing charge of a down move over device width")
    supply_stage: float = _quantity("1", 0.5, 2.0, "supply current of a ladder's stages over the sum of their branches")
    threshold_temperature: float = _quantity("1/K", -0.1, 0.1, "relative change of I_hi with temperature, bias fixed")
    threshold_supply: float = _quantity("1/V", -1.0, 1.0, "relative change of I_hi with supply, bias fixed")
    threshold_corner: float = _quantity("1", 0.0, 1.0, "half the range of I_hi over the five corners, relative")
    shift_temperature: float = _quantity("1/K", -0.1, 0.1, "relative change of the DPI gain with temperature")
    shift_supply: float = _quantity("1/V", -1.0, 1.0, "relative change of the DPI gain with supply")
    shift_corner: float = _quantity("1", 0.0, 1.0, "half the range of the DPI gain over the five corners, relative")
    mismatch_check_n: float = _quantity("1", 0.1, 10.0, "spread of log I, foundry's statistics over our formula, nfet")
    mismatch_check_p: float = _quantity("1", 0.1, 10.0, "spread of log I, foundry's statistics over our formula, pfet")
    table_bias: Table = _curve("1", 0.5, 2.0, "A", "map_bias over the unit current")  # noqa: RUF009
    table_threshold: Table = _curve("1", 0.5, 2.0, "A", "map_threshold over the unit current")  # noqa: RUF009
    table_width: Table = _curve("1", 0.5, 2.0, "A", "map_width over the unit current")  # noqa: RUF009
    table_width_loss: Table = _curve("1", -0.5, 0.5, "A", "map_width_loss over the unit current")  # noqa: RUF009
    table_copy: Table = _curve("1", 0.5, 2.0, "A", "map_copy over the unit current")  # noqa: RUF009
    table_base: Table = _curve("1", 0.5, 2.0, "A", "map_base over the unit current")  # noqa: RUF009
    table_clamp: Table = _curve("1", 0.0, 0.1, "A", "map_clamp over the unit current")  # noqa: RUF009
    table_first_shift: Table = _curve("1", 0.5, 2.0, "A", "map_first_shift over the unit current")  # noqa: RUF009
    table_shift: Table = _curve("1", 0.5, 2.0, "A", "map_shift over the unit current")  # noqa: RUF009
    square_bias: Table = _curve("1", 0.5, 2.0, "A", "map_bias of the square device over the unit current")  # noqa: RUF009
    square_threshold: Table = _curve("1", 0.5, 2.0, "A", "map_threshold of the square device over the unit current")  # noqa: RUF009
    square_width: Table = _curve("1", 0.5, 2.0, "A", "map_width of the square device over the unit current")  # noqa: RUF009
    square_width_loss: Table = _curve("1", -0.5, 0.5, "A", "map_width_loss of the square device over the unit current")  # noqa: RUF009
    square_copy: Table = _curve("1", 0.5, 2.0, "A", "map_copy of the square device over the unit current")  # noqa: RUF009
    square_base: Table = _curve("1", 0.5, 2.0, "A", "map_base of the square device over the unit current")  # noqa: RUF009
    square_clamp: Table = _curve("1", 0.0, 0.1, "A", "map_clamp of the square device over the unit current")  # noqa: RUF009
    square_first_shift: Table = _curve("1", 0.5, 2.0, "A", "map_first_shift of the square device over the unit current")  # noqa: RUF009
    square_shift: Table = _curve("1", 0.5, 2.0, "A", "map_shift of the square device over the unit current")  # noqa: RUF009
    square_bias_slope: float = _quantity("1", -0.1, 0.1, "map_bias_slope of the square device")
    square_copy_slope: float = _quantity("1", -0.1, 0.1, "map_copy_slope of the square device")
    square_shift_slope: float = _quantity("1", -0.5, 0.5, "map_shift_slope of the square device")
    square_pulse_up: float = _quantity("1", 0.0, 1.0, "map_pulse_up of the square device")
    square_pulse_down: float = _quantity("1", 0.0, 1.0, "map_pulse_down of the square device")
    square_trim_up: float = _quantity("1", -0.2, 0.2, "map_trim_up of the square device")
    square_trim_down: float = _quantity("1", -0.2, 0.2, "map_trim_down of the square device")
    square_trim_first: float = _quantity("1", -0.2, 0.2, "map_trim_first of the square device")
    large_bias: Table = _curve("1", 0.5, 2.0, "A", "map_bias of the large device over the unit current")  # noqa: RUF009
    large_threshold: Table = _curve("1", 0.5, 2.0, "A", "map_threshold of the large device over the unit current")  # noqa: RUF009
    large_width: Table = _curve("1", 0.5, 2.0, "A", "map_width of the large device over the unit current")  # noqa: RUF009
    large_width_loss: Table = _curve("1", -0.5, 0.5, "A", "map_width_loss of the large device over the unit current")  # noqa: RUF009
    large_copy: Table = _curve("1", 0.5, 2.0, "A", "map_copy of the large device over the unit current")  # noqa: RUF009
    large_base: Table = _curve("1", 0.5, 2.0, "A", "map_base of the large device over the unit current")  # noqa: RUF009
    large_clamp: Table = _curve("1", 0.0, 0.1, "A", "map_clamp of the large device over the unit current")  # noqa: RUF009
    large_first_shift: Table = _curve("1", 0.5, 2.0, "A", "map_first_shift of the large device over the unit current")  # noqa: RUF009
    large_shift: Table = _curve("1", 0.5, 2.0, "A", "map_shift of the large device over the unit current")  # noqa: RUF009
    large_bias_slope: float = _quantity("1", -0.1, 0.1, "map_bias_slope of the large device")
    large_copy_slope: float = _quantity("1", -0.1, 0.1, "map_copy_slope of the large device")
    large_shift_slope: float = _quantity("1", -0.5, 0.5, "map_shift_slope of the large device")
    large_pulse_up: float = _quantity("1", 0.0, 1.0, "map_pulse_up of the large device")
    large_pulse_down: float = _quantity("1", 0.0, 1.0, "map_pulse_down of the large device")
    large_trim_up: float = _quantity("1", -0.2, 0.2, "map_trim_up of the large device")
    large_trim_down: float = _quantity("1", -0.2, 0.2, "map_trim_down of the large device")
    large_trim_first: float = _quantity("1", -0.2, 0.2, "map_trim_first of the large device")
    table_mirror_plain: Table = _curve("1", -0.5, 0.5, "A", "error of a positive weight of 1, no cascodes")  # noqa: RUF009
    table_mirror_negative: Table = _curve("1", -0.5, 0.5, "A", "error of a negative weight of 1, no cascodes")  # noqa: RUF009
    table_mirror_cascode: Table = _curve("1", -0.5, 0.5, "A", "error of a positive weight of 1, with cascodes")  # noqa: RUF009
    table_mirror_ratio: Table = _curve("1", -0.5, 0.5, "1", "error of a positive cascoded weight over its ratio")  # noqa: RUF009
    provenance: dict[str, Provenance] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for item in scalar_fields():
            m = item.metadata
            in_range(f"Technology.{item.name}", getattr(self, item.name), m["low"], m["high"], m["unit"])
        for item in table_fields():
            m, table = item.metadata, getattr(self, item.name)
            for j, value in enumerate(table.value):
                in_range(f"Technology.{item.name}[{j}]", value, m["low"], m["high"], m["unit"])

    @property
    def thermal_voltage(self) -> float:
        """U_T = k T / q, V."""
        return BOLTZMANN * self.temperature / ELEMENTARY_CHARGE

    def cell_maps(self, w: float | None = None, l: float | None = None, unit_current: float | None = None,  # noqa: E741
                  beta: float | None = None) -> dict[str, float]:  # fmt: skip
        """What the blocks make of their bias currents, under the names of `spice.biases.CellMaps`.

        For devices of w x l (m) at a unit current and a half window (A); what is not given is the standard stage's. The
        values of the calibrated device that is nearest in size are taken, at the same current a square.
        """
        w, l = w or self.device_w, l or self.device_l  # noqa: E741
        names = [item.name.removeprefix("map_") for item in scalar_fields() if item.name.startswith("map_")]
        maps = {name: float(getattr(self, f"map_{name}")) for name in names}
        devices = {"table": (self.device_w, self.device_l), "square": (self.square_w, self.square_l),
                   "large": (self.large_w, self.large_l)}  # fmt: skip
        nearest = min(devices, key=lambda d: abs(math.log(w / devices[d][0])) + abs(math.log(l / devices[d][1])))
        squares = l / w * devices[nearest][0] / devices[nearest][1]
        for name in names:
            found = getattr(self, f"{nearest}_{name}", None)
            # the DPIs of a network have one drive current, whatever the half window
            at = unit_current if name == "shift" else beta or unit_current
            if isinstance(found, Table):
                maps[name] = found(at * squares) if at else maps[name]
            elif found is not None:
                maps[name] = float(found)
        return maps

    def sigma_vth(self, polarity: str, w: float, l: float) -> float:  # noqa: E741
        """Standard deviation of one device's threshold voltage, V, for drawn width w and length l in m.

        Source  Pelgrom et al., JSSC 24(5), 1989, with the foundry's area correction.
        """
        return self._pelgrom(_by_polarity(self.a_vt_n, self.a_vt_p, polarity), w, l)

    def sigma_beta(self, polarity: str, w: float, l: float) -> float:  # noqa: E741
        """Relative standard deviation of one device's gain factor, same law."""
        return self._pelgrom(_by_polarity(self.a_beta_n, self.a_beta_p, polarity), w, l)

    def gm_over_i(self, polarity: str, current: ArrayLike, w: float, l: float) -> np.ndarray:  # noqa: E741
        """Transconductance efficiency, 1/V, of a device in saturation at `current` (A, any shape).

        gm/I = 1/(n U_T) / (1/2 + sqrt(1/4 + IC)), IC = I L / (I_spec W).
        Source  Enz, Krummenacher & Vittoz, Analog Integr. Circuits Signal Process. 8, 1995 (EKV).
        """
        slope = _by_polarity(self.slope_n, self.slope_p, polarity)
        i_spec = _by_polarity(self.i_spec_n, self.i_spec_p, polarity)
        inversion = np.asarray(current) * l / (i_spec * w)
        return np.asarray(1.0 / (slope * self.thermal_voltage) / (0.5 + np.sqrt(0.25 + inversion)))

    def _pelgrom(self, constant: float, w: float, l: float) -> float:  # noqa: E741
        area = (w + self.pelgrom_dw) * (l + self.pelgrom_dl)
        if w + self.pelgrom_dw <= 0 or l + self.pelgrom_dl <= 0:
            raise ParameterError(f"device of {w * 1e6:g} x {l * 1e6:g} um has no effective channel; enlarge it.")
        return self.pelgrom_prefactor * constant / math.sqrt(area)


def load_technology(source: str | Path = "gf180mcu") -> Technology:
    """Read a shipped technology by name, or a calibration file by path (a name that ends in `.toml`).

    Raises CalibrationError if the file can't be read, misses a value or a value misses its provenance.
    """
    path = Path(source) if str(source).endswith(".toml") else library.calibration_path(str(source))
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CalibrationError(f"can't read calibration {path}: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CalibrationError(f"{path} is not valid TOML: {error}.") from error
    values: dict[str, Any] = {}
    provenance: dict[str, Provenance] = {}
    for item in (*scalar_fields(), *table_fields()):
        axis = item.metadata.get("axis")
        entry = checked_entry(path, item.name, content.get(item.name), item.metadata["unit"], axis)
        value = entry.pop("value")
        if axis:
            entry.pop("axis")
            values[item.name] = Table(tuple(map(float, entry.pop("at"))), tuple(map(float, value)))
        else:
            values[item.name] = float(value)
        provenance[item.name] = Provenance(**entry)
    extra = sorted(set(content) - set(values) - {"name", "process"})
    if extra:
        raise CalibrationError(f"{path} has unknown tables {extra}; a misspelt one would be ignored.")
    name = content.get("name")
    if not isinstance(name, str):
        raise CalibrationError(f'{path} has no name; add: name = "my_process".')
    try:
        return Technology(name=name, provenance=provenance, **values)
    except ParameterError as error:
        raise CalibrationError(f"{path}: {error}") from error


def scalar_fields() -> "list[Field[Any]]":
    """The fields of Technology that are one number each."""
    return [item for item in fields(Technology) if "unit" in item.metadata and "axis" not in item.metadata]


def table_fields() -> "list[Field[Any]]":
    """The fields of Technology that are curves."""
    return [item for item in fields(Technology) if "axis" in item.metadata]


def checked_entry(path: Path, name: str, entry: Any, unit: str, axis: str | None = None) -> dict[str, Any]:
    """Return a copy of one calibration entry if complete. `axis`: the unit of a curve's `at`; None: one number."""
    known = _ENTRY | _CURVE if axis else _ENTRY
    if not isinstance(entry, dict):
        raise CalibrationError(f"{path} has no table [{name}]; add it with {sorted(known)}.")
    missing, extra = sorted(known - set(entry)), sorted(set(entry) - known)
    if missing or extra:
        raise CalibrationError(f"{path} [{name}] misses {missing} and has unknown {extra}; every value has provenance.")
    if entry["unit"] != unit:
        raise CalibrationError(f"{path} [{name}].unit = {entry['unit']!r}; expected {unit!r}.")
    if entry["kind"] not in KINDS:
        raise CalibrationError(f"{path} [{name}].kind = {entry['kind']!r}; known: {list(KINDS)}.")
    if axis:
        _check_curve(path, name, entry, axis)
    numbers = (*([] if axis else [entry["value"]]), entry["count"], entry["uncertainty"])
    if not all(_is_finite(x) for x in numbers):
        raise CalibrationError(f"{path} [{name}]: value, count and uncertainty must be finite numbers.")
    if not isinstance(entry["count"], int) or entry["count"] < 0 or entry["uncertainty"] < 0:
        raise CalibrationError(f"{path} [{name}]: count is a whole number >= 0, uncertainty is >= 0.")
    if any(not isinstance(entry[key], str) or not entry[key].strip() for key in ("meaning", "source", "method")):
        raise CalibrationError(
            f"{path} [{name}]: meaning, source and method must be text; say where the value is from."
        )
    if entry["kind"] in ("simulated", "measured") and entry["count"] < 1:
        raise CalibrationError(f"{path} [{name}] is {entry['kind']} but counts no run; give count >= 1.")
    return dict(entry)


def _check_curve(path: Path, name: str, entry: dict[str, Any], axis: str) -> None:
    if entry["axis"] != axis:
        raise CalibrationError(f"{path} [{name}].axis = {entry['axis']!r}; expected {axis!r}.")
    at, value = entry["at"], entry["value"]
    if not all(isinstance(part, list) and len(part) > 1 and all(map(_is_finite, part)) for part in (at, value)):
        raise CalibrationError(f"{path} [{name}]: at and value must be lists of two or more finite numbers.")
    if len(at) != len(value) or at[0] <= 0 or any(b <= a for a, b in itertools.pairwise(at)):
        raise CalibrationError(f"{path} [{name}]: at must be as long as value, above zero and increasing.")


def _is_finite(x: Any) -> bool:
    return not isinstance(x, bool) and isinstance(x, int | float) and abs(x) < 1e300


def _by_polarity(n: float, p: float, polarity: str) -> float:
    if polarity not in ("n", "p"):
        raise ParameterError(f"polarity = {polarity!r} is neither 'n' nor 'p'.")
    return n if polarity == "n" else p
