"""What the silicon offers: process constants and the measured behaviour of our cells, read from a calibration file.

Every value of the file carries provenance (unit, meaning, kind, source, method, count, uncertainty); a file that
lacks one is refused, so that an assumption never passes for a measurement.
"""

import math
import tomllib
from dataclasses import dataclass, field, fields
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


def _quantity(unit: str, low: float, high: float, doc: str) -> float:
    """A dataclass field that is read from a calibration table of the same name."""
    return field(metadata={"unit": unit, "low": low, "high": high, "doc": doc})


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
    provenance: dict[str, Provenance] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for item in fields(self):
            if "unit" in item.metadata:
                m = item.metadata
                in_range(f"Technology.{item.name}", getattr(self, item.name), m["low"], m["high"], m["unit"])

    @property
    def thermal_voltage(self) -> float:
        """U_T = k T / q, V."""
        return BOLTZMANN * self.temperature / ELEMENTARY_CHARGE

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
    for item in fields(Technology):
        if "unit" in item.metadata:
            entry = _checked_entry(path, item.name, content.get(item.name), item.metadata["unit"])
            values[item.name] = float(entry.pop("value"))
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


def _checked_entry(path: Path, name: str, entry: Any, unit: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise CalibrationError(f"{path} has no table [{name}]; add it with {sorted(_ENTRY)}.")
    missing, extra = sorted(_ENTRY - set(entry)), sorted(set(entry) - _ENTRY)
    if missing or extra:
        raise CalibrationError(f"{path} [{name}] misses {missing} and has unknown {extra}; every value has provenance.")
    if entry["unit"] != unit:
        raise CalibrationError(f"{path} [{name}].unit = {entry['unit']!r}; expected {unit!r}.")
    if entry["kind"] not in KINDS:
        raise CalibrationError(f"{path} [{name}].kind = {entry['kind']!r}; known: {list(KINDS)}.")
    numbers = (entry["value"], entry["count"], entry["uncertainty"])
    if any(isinstance(x, bool) or not isinstance(x, int | float) or not abs(x) < 1e300 for x in numbers):
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


def _by_polarity(n: float, p: float, polarity: str) -> float:
    if polarity not in ("n", "p"):
        raise ParameterError(f"polarity = {polarity!r} is neither 'n' nor 'p'.")
    return n if polarity == "n" else p
