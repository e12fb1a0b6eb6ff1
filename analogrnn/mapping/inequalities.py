"""The inequalities that a thermometer ladder must satisfy, and the margins of a Design.

With beta half the window, I_s the shift that a settled DPI adds to its neighbours, I_c the window's centre,
x = T_p/tau and y = T/tau:

    shift     I_s (2 exp(-x) - 1) > beta      a pulse moves exactly one level ...
    recovery  I_s exp(-x) > I_c - I_s - beta  ... and a down pulse resets no stage but the top one; or, if it does, they
              or I_s (2 exp(-x - t/tau) - 1) - (I_c - I_s) exp(-t/t_in) > beta for some t > 0:       set again in time
    base      I_c - I_s > beta                a down pulse fits above zero on the unipolar input line
    reset     I_s < I_c - beta                with the line at zero, all-OFF is the only state
    settle    y >= 4 after the dead time      a DPI settles before the next pulse
    pulse     T_p >= 8 t_in                   the input node follows the candidate
    rectify   rectified currents and soft thresholds settle before the pulse of what reads them, see `settling`
    read      4 T_p from the last layer's pulse to the reading: the next layer has settled
"""

import math

import numpy as np

from analogrnn.design import Design, Ladder, input_time_constants
from analogrnn.errors import MappingError
from analogrnn.mapping.settling import rectify_margin
from analogrnn.schedule import READ_AT

LEAST_SETTLE = 4.0  # tau; below, the inequalities are unsafe
LEAST_READ = 4.0  # pulses
LEAST_PULSE = 8.0  # t_in; exp(-8) = 0.03 % of the candidate's amplitude is lost


def ladder_margins(design: Design) -> dict[str, float]:
    """The margin of each inequality, the smallest over all ladders; an inequality with a negative margin is violated.

    shift, base and reset are in units of beta; settle in tau beyond 4, pulse in t_in beyond 8, read in pulses beyond 4,
    rectify in the time that it needs.
    """
    timing, margins = design.timing, {}
    chained = [ladder for ladder in design.ladders if ladder.has_dpi]
    pulsed = [ladder for ladder in design.ladders if ladder.return_to_zero]
    if chained:
        grip = 2.0 * math.exp(-timing.x) - 1.0
        margins["shift"] = min(float((ladder.i_shift * grip / ladder.beta).min()) for ladder in chained) - 1.0
        margins["reset"] = min(
            float(((ladder.i_th - ladder.i_hyst - ladder.i_shift) / ladder.beta).min()) for ladder in chained
        )
        settle = (timing.period - timing.pulse - timing.rise_time(0.0)) / timing.tau
        margins["settle"] = settle * (1.0 - 1.0 / timing.drive_ratio) - LEAST_SETTLE
    if pulsed:
        margins["base"] = min(float((ladder.i_base / ladder.beta).min()) for ladder in pulsed) - 1.0
    slowest = max(
        float(input_time_constants(ladder, design.sizing.cell, design.technology).max()) for ladder in design.ladders
    )
    margins["pulse"] = timing.pulse / slowest - LEAST_PULSE
    if pulsed:
        phases = 1 + max(design.wiring.phase[ladder.name] for ladder in pulsed)
        last = phases * (timing.lead + timing.pulse)  # ladders behind other ladders follow them
        margins["read"] = (READ_AT * timing.period - last) / timing.pulse - LEAST_READ
    settled = rectify_margin(design)
    if settled is not None:
        margins["rectify"] = settled
    if chained:
        margins["recovery"] = min(_recovery(design, ladder) for ladder in chained)
    return margins


def check_ladders(design: Design) -> None:
    """Raise MappingError for the first inequality that a Design violates."""
    timing, soft = design.timing, any(ladder.gate is not None for ladder in design.ladders)
    period, pulse = f"period (now {timing.period:g} s)", f"pulse (now {timing.pulse:g} s)"
    way_out = {
        "shift": "raise shift_ratio or shorten the pulse",
        "recovery": "raise shift_ratio, lower base_ratio or shorten the pulse",
        "base": "raise base_ratio",
        "reset": "raise base_ratio",
        "settle": f"lengthen the {period}; or shorten the {pulse}, and the DPI's time constant with it: a larger "
        "unit_current or smaller devices allow that",
        "read": f"lengthen the {period} or make lead a smaller part of it",
        "rectify": f"smaller {'cells' if soft else 'synapse devices (synapse_w, synapse_l)'}, a larger unit_current, "
        "or a longer period with the "
        f"same unit_current let rectified currents settle; now {period}, unit_current {design.unit_current:g} A",
        "pulse": f"lengthen the {pulse}, or use smaller devices or a larger unit_current",
    }
    for name, margin in ladder_margins(design).items():
        if not margin > 0.0:
            raise MappingError(
                f"{design.name}: the ladder's '{name}' margin is {margin:.3g}, not above 0: {way_out[name]}."
            )


def _recovery(design: Design, ladder: Ladder) -> float:
    """Least margin, in beta, with which a down pulse of any size leaves the stages below the top one ON.

    The line can't go below zero. Either it can't reset a stage between two that were ON, even as the DPI of the upper
    one decays during the pulse: I_s exp(-x) > (I_c - I_s) - beta. Or the stage sets again afterwards: from the moment
    when the input node has recovered until the neighbours' DPIs have decayed. An up pulse is easier, as a DPI's rise
    begins with its dead time.
    """
    timing = design.timing
    t_in = input_time_constants(ladder, design.sizing.cell, design.technology)[:, None]
    t = t_in * np.linspace(0.0, 40.0, 401)
    grip = ladder.i_shift[:, None] * (2.0 * np.exp(-(timing.pulse + t) / timing.tau) - 1.0)
    again = ((grip - ladder.i_base[:, None] * np.exp(-t / t_in)) / ladder.beta[:, None] - 1.0).max(axis=1)
    stays = (ladder.i_shift * math.exp(-timing.x) - ladder.i_base) / ladder.beta + 1.0
    return float(np.maximum(again, stays).min())
