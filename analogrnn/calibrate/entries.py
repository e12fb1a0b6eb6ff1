"""Values of the calibration file, each with method, count and uncertainty, from the numbers that the probes read.

Uncertainties are relative unless the method says absolute. Each is the largest deviation from a fit or between copies
that should agree, but at least `REPEAT`, by which another version of the simulator or another step control may change a
value.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analogrnn.calibrate import dpis, noises, statics, switching
from analogrnn.calibrate.bench import Numbers, Setup, list_of, number_of
from analogrnn.technology import Technology

REPEAT = 0.002
Results = Mapping[str, Numbers]


@dataclass(frozen=True)
class Entry:
    """One simulated value, or a curve over `at`, in the unit that the calibration file states."""

    value: float | list[float]
    source: str
    method: str
    count: int
    uncertainty: float = REPEAT
    at: tuple[float, ...] = ()


def static_entries(setup: Setup, results: Results) -> dict[str, Entry]:
    """Weak-inversion fit of both devices, gm/I over the fit, and the errors of mirrors."""
    found: dict[str, Entry] = {}
    about = f"single device, gate sweep, V_DS = {statics.DRAIN} V"
    fit = "fit of gm/I = G0/(1/2 + sqrt(1/4 + I/I_spec)) from 3 pA to 12 nA; uncertainty: largest error of the fit"
    for p in "np":
        error, points = number_of(results, f"device_{p}", "error"), int(number_of(results, f"device_{p}", "points"))
        found[f"slope_{p}"] = Entry(number_of(results, f"device_{p}", "slope"), about, fit, points, error)
        found[f"i_spec_{p}"] = Entry(number_of(results, f"device_{p}", "i_spec"), about, fit, points, 2.0 * error)
        found[f"table_efficiency_{p}"] = Entry(
            list_of(results, f"device_{p}", "table").tolist(),
            about,
            f"d log I / d V_G over the fit of slope_{p} and i_spec_{p}; uncertainty: largest interpolation error of "
            "fit x table, compared with the sweep, between the first and the last current",
            int(number_of(results, f"device_{p}", "table_points")),
            max(number_of(results, f"device_{p}", "table_error"), REPEAT),
            statics.EFFICIENCY_CURRENTS,
        )
    for name, key in (("plain", "plain_positive"), ("negative", "plain_negative"), ("cascode", "cascode_positive")):
        found[f"table_mirror_{name}"] = Entry(
            list_of(results, "mirrors", key).tolist(),
            f"synapse, .op, output node at {statics.NODE} V",
            "output over input current - 1; 8 unit devices; uncertainty absolute",
            len(statics.MIRROR_CURRENTS),
            2e-4,
            statics.MIRROR_CURRENTS,
        )
    found["table_rail"] = Entry(
        list_of(results, "mirrors", "rail").tolist(),
        f"synapse, .op, row_rail_cascode into {statics.CANDIDATE} V",
        "output over input current - 1; one unit device; uncertainty absolute",
        len(statics.RAIL_CURRENTS),
        2e-4,
        statics.RAIL_CURRENTS,
    )
    found["table_mirror_ratio"] = Entry(
        list_of(results, "mirrors", "cascode_positive_ratio").tolist(),
        f"synapse, .op, {statics.MIRROR_AT:g} A",
        "output over ratio x input current - 1; uncertainty absolute",
        len(statics.MIRROR_RATIOS),
        2e-4,
        statics.MIRROR_RATIOS,
    )
    return found


def mismatch_entries(technology: Technology, setup: Setup, results: Results) -> dict[str, Entry]:
    """The foundry's statistics compared with Pelgrom's law and our gm/I, at one gate voltage."""
    found, device = {}, setup.device
    for p in "np":
        current, sigma = (number_of(results, f"mismatch_{p}", name) for name in ("current", "sigma"))
        efficiency = float(technology.gm_over_i(p, current, device.w, device.l))
        ours = np.hypot(
            efficiency * technology.sigma_vth(p, device.w, device.l), technology.sigma_beta(p, device.w, device.l)
        )
        found[f"mismatch_check_{p}"] = Entry(
            sigma / ours,
            f"{statics.COPIES} single devices, sw_stat_mismatch = 1, gate at {statics.GATE[p]} V",
            "standard deviation of log I over hypot(gm/I sigma_vth, sigma_beta); uncertainty: two standard errors",
            statics.COPIES,
            2.0 / np.sqrt(2 * statics.COPIES),
        )
    return found


def dpi_entries(setup: Setup, results: Results) -> dict[str, Entry]:
    """Gain, time constant with parasitic capacitance, dead time and leakage of the DPI."""
    c = np.array([number_of(results, key, "c") for key in ("dpi_c1", "dpi_c2", "dpi_c4")])
    tau = np.array([number_of(results, key, "tau_textbook") for key in ("dpi_c1", "dpi_c2", "dpi_c4")]) * c
    slope, offset = np.polyfit(c, tau, 1)
    error = float(np.abs((slope * c + offset) / tau - 1.0).max())
    leak = number_of(results, "dpi_leak_typical", "floor")
    settled, rise = (number_of(results, "dpi_c1", name) for name in ("settled", "rise_from_rest"))
    model = dpis.rise_time(leak / settled, setup.drive_ratio)
    fit = (
        "decay from 0.7 to 0.1 of the output at three capacitors; fit of tau = map_tau (C + C_par) U_T / (kappa I_tau)"
    )
    return {
        "dpi_gain": Entry(
            number_of(results, "dpi_c1", "gain"), dpis.ABOUT, "settled output, standard currents", 1, 0.005
        ),
        "dpi_tau": Entry(
            float(slope), dpis.ABOUT, fit + "; C includes C_par = map_parasitic W L", 3, max(error, 0.005)
        ),
        "map_tau": Entry(float(slope), dpis.ABOUT, fit, 3, max(error, 0.005)),
        "map_parasitic": Entry(float(offset / slope / setup.device.area), dpis.ABOUT, fit, 3, max(10 * error, 0.02)),
        "dpi_rise": Entry(
            rise,
            dpis.ABOUT,
            f"first rise after {dpis.ON:g} nominal tau at rest; the behavioural DPI takes {model:.3g} from i_leak; "
            "uncertainty: its error",
            1,
            max(abs(model / rise - 1.0), 0.01),
        ),
        "i_leak": Entry(
            leak,
            "dpi, .op, input 0",
            "output current at rest; varies by a factor of two with gmin, corner and drain voltage",
            1,
            0.5,
        ),
    }


def noise_entries(setup: Setup, results: Results) -> dict[str, Entry]:
    """White and flicker noise of the comparator, its bandwidth, and the threshold current at which they hold."""
    i_th = setup.threshold_ratio * setup.unit
    key = f"noise_{i_th:.4g}"
    density, band, flicker = (number_of(results, key, name) for name in ("density", "bandwidth", "flicker"))
    return {
        "noise_current": Entry(i_th, noises.ABOUT, "bias of the deck", 1),
        "noise_density": Entry(density, noises.ABOUT, "input-referred, at a tenth of the input pole", 1, 0.02),
        "noise_bandwidth": Entry(
            band, noises.ABOUT, "pi/2 times the input pole; slewing of the state node narrows it", 1, 0.05
        ),
        "noise_flicker": Entry(flicker, noises.ABOUT, "input-referred, at 1 Hz", 1, 0.02),
    }


def switching_entries(setup: Setup, results: Results) -> dict[str, Entry]:
    """Input time constant of the behavioural model, and the equation of switching times if all moves were run."""

    def pulse(move: float) -> float:
        direction = "down" if move < 0 else "up"
        return number_of(results, f"switching_{direction}_{abs(move):g}_{setup.unit:.4g}", "pulse")

    centre = (setup.shift_ratio + switching.BASE) * setup.unit
    area, grade = setup.device.area, switching.GRADE - 1.0
    found = {
        "input_charge_density": Entry(
            pulse(2.0) / np.log(2.0) * centre / area,
            switching.ABOUT,
            "shortest up pulse at 2 beta = t_in ln 2; includes slewing of the state node; down moves take longer, "
            "see switch_slew_down",
            switching.TRIALS,
            grade,
        )
    }
    if not all(f"switching_down_{m:g}_{setup.unit:.4g}" in results for m in switching.DOWN):
        return found
    for direction, moves in (("up", switching.UP), ("down", switching.DOWN)):
        sign = 1 if direction == "up" else -1
        delay, slew, error = switching.fit_switching(moves, np.array([pulse(sign * m) for m in moves]))
        method = f"shortest pulses at {', '.join(f'{m:g}' for m in moves)} beta: t = delay + slew / (m - 1)"
        count = len(moves) * switching.TRIALS
        found[f"switch_delay_{direction}"] = Entry(delay * centre / area, switching.ABOUT, method, count, 3 * grade)
        found[f"switch_slew_{direction}"] = Entry(
            slew * setup.unit / setup.device.w, switching.ABOUT, method, count, max(3 * grade, error)
        )
    return found
