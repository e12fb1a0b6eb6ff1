"""How long rectified currents take to settle, and the time that they have.

Model   A rectified row that was negative has left its gate line at 0 V. A current I charges the line, its diode and all
        mirrors on it before any of them conducts: t = Q / I, with Q proportional to their gate area. A mirror of PMOS
        devices, a rail, that carried nothing needs a charge of its own. A smaller current takes longer, so the question
        is which one still matters: the smallest relevant current moves a candidate by a fifth of its half window.
        A soft threshold passes three such nodes: the diode of e, the mirror that turns e round, and its own output,
        which decides at half a window.
Valid   weak inversion, between 0.1 and 2 units: measured times are within 30 % of the model for 1 to 8 mirrors on a
        line, at the default and at the standard stage
Not     the tail of a falling current, about a tenth of that time; several small currents that rise together
        A soft threshold: 5 to 25 % below the model where e rises from nothing to 0.1 .. 1 half window
Source  ngspice 39 with the models of GF180MCU, typical, 27 C, 1.8 V: rows stepped from -1 to 0.1 .. 2 units, 95 % of
        the candidate. tests/spice/test_rectified_rows.py measures it again
"""

from dataclasses import dataclass

import numpy as np

from analogrnn.design import Design, FeedForward, Ladder
from analogrnn.schedule import READ_AT, Schedule
from analogrnn.wiring import INPUT

LINE_CHARGE = 0.66e-3  # C/m^2 of unit devices on a gate line of cascoded NMOS mirrors, from 0 V to one unit
RAIL_CHARGE = 2.8e-3  # C/m^2 of the unit device of a row's rail, from no current to one unit
SOFT_CHARGE = (3.8e-3, 1.8e-3)  # C/m^2 of a cell's device: at the current of e, and at the output's
RELEVANT = 0.2  # of a half window, or of one unit at an output: an error that may be lost


@dataclass(frozen=True)
class Arrival:
    """When the currents of a layer are there within a step, s: they begin to move at `start` and need `need`."""

    start: float
    need: float


def rectify_margin(design: Design) -> float | None:
    """Time that rectified currents have over the time that they need, less 1.

    None without rectified rows and soft thresholds.
    """
    rectified = [layer for layer in design.layers if isinstance(layer, FeedForward) and layer.rectifier]
    if not rectified and all(ladder.gate is None for ladder in design.ladders):
        return None
    schedule, relevant = Schedule(design.timing, 0, 0, 1), relevant_currents(design)
    arrivals = {INPUT: Arrival(0.0, 0.0)}
    margins = []
    for layer in design.layers:
        sources = [arrivals[source.name] for source in design.wiring.sources[layer.name]]
        start = max(arrival.start for arrival in sources)
        late = max(arrival.need for arrival in sources)
        need = late + (_rail_time(design, layer, relevant[layer.name]) if late else 0.0)
        deadline = READ_AT * design.timing.period
        if isinstance(layer, Ladder) and not layer.return_to_zero:  # without a clock it follows its inputs at all times
            arrivals[layer.name] = Arrival(start, need)
        elif isinstance(layer, Ladder):
            need += soft_time(design, layer)
            deadline = schedule.lead_of(design.wiring.phase[layer.name])
            arrivals[layer.name] = Arrival(deadline + design.timing.pulse, 0.0)
        else:
            own = float((line_charges(design, layer) / relevant[layer.name]).max()) if layer.rectifier else 0.0
            need += own
            arrivals[layer.name] = Arrival(start, need)
        clocked = isinstance(layer, Ladder) and layer.return_to_zero
        if need and (clocked or layer is design.layers[-1]):
            margins.append((deadline - start) / need - 1.0)
    return min(margins, default=None)


def relevant_currents(design: Design) -> dict[str, np.ndarray]:
    """Layer -> (d,) A, the smallest current of each row that matters to the layers which read it."""
    found: dict[str, np.ndarray] = {}
    for layer in design.layers[::-1]:
        if isinstance(layer, Ladder):
            found[layer.name] = RELEVANT * layer.beta
            continue
        smallest = np.full(layer.width, RELEVANT * design.unit_current if layer is design.layers[-1] else np.inf)
        for reader, ratio in _mirrors(design, layer):
            with np.errstate(divide="ignore"):
                smallest = np.minimum(smallest, (found[reader][:, None] / ratio).min(axis=0))
        found[layer.name] = smallest
    return found


def soft_time(design: Design, ladder: Ladder) -> float:
    """Time, s, for the slowest soft threshold of a layer; 0 without any."""
    if ladder.gate is None:
        return 0.0
    rising, output = SOFT_CHARGE
    return float(((rising / RELEVANT + output) * design.sizing.cell.area / ladder.beta).max())


def largest_current(design: Design) -> float:
    """A, the largest current that a rectified row can carry at inputs within their bound and any levels."""
    reach = {INPUT: design.layers[0].synapses.offset}
    largest = 0.0
    for layer in design.layers:
        if isinstance(layer, Ladder):
            reach[layer.name] = layer.alpha * np.maximum(np.abs(layer.k_min), np.abs(layer.k_max))
            continue
        synapses = layer.synapses
        reach[layer.name] = np.abs(synapses.weight) @ design.wiring.gather(layer.name, reach) + np.abs(
            synapses.trained_bias
        )
        largest = max(largest, float(reach[layer.name].max())) if layer.rectifier else largest
    return largest * design.unit_current


def line_charges(design: Design, layer: FeedForward) -> np.ndarray:
    """(d,) C that the line of each row takes: its diode and the mirrors on it."""
    units = 1.0 + sum(ratio.sum(axis=0) for _, ratio in _mirrors(design, layer))
    return np.asarray(LINE_CHARGE * design.sizing.synapse.area * units * np.ones(layer.width))


def _mirrors(design: Design, layer: FeedForward) -> list[tuple[str, np.ndarray]]:
    """What reads a layer: (name, magnitudes of its ratios (rows, d)), rows of input-dependent thresholds included."""
    layers = {other.name: other for other in design.layers}
    found = []
    for reader in design.wiring.readers.get(layer.name, ()):
        other, columns = layers[reader.name], slice(reader.start, reader.start + layer.width)
        for rows in other.rows if isinstance(other, Ladder) else (other.synapses,):
            found.append((other.name, np.abs(rows.ratio[:, columns])))
    return found


def _rail_time(design: Design, layer: FeedForward | Ladder, relevant: np.ndarray) -> float:
    """Time, s, for the slowest rail of a layer whose inputs begin at zero."""
    charge, unit = RAIL_CHARGE * design.sizing.synapse.area, design.unit_current
    rows = layer.rows if isinstance(layer, Ladder) else (layer.synapses,)
    times = [0.0]
    for synapses in rows:
        standing = np.maximum(synapses.rails(synapses.offset) * unit, relevant)
        positive = np.array([synapses.has_rail(row) for row in range(synapses.width)])
        times.append(float(np.where(positive, charge / standing, 0.0).max()))
    return max(times)
