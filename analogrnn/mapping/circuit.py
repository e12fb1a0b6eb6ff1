"""Network + Technology -> Design."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

import numpy as np

from analogrnn.design import Design, FeedForward, Geometry, Ladder, Sizing, Timing, input_time_constants
from analogrnn.errors import MappingError
from analogrnn.mapping.exact import circuit_form
from analogrnn.mapping.inequalities import check_ladders
from analogrnn.mapping.lowering import Lowered, lower
from analogrnn.mapping.options import MappingChanges, MappingOptions, chosen_options
from analogrnn.mapping.settling import largest_current, rectify_margin
from analogrnn.network import Network
from analogrnn.technology import Technology
from analogrnn.wiring import Wiring

MOST_GAIN = 16.0  # of rectified currents over the trained ones; power grows with it
STRETCHES = 5  # times that the period may grow: margins are not quite proportional to it


def map_network(
    network: Network,
    technology: Technology,
    options: MappingOptions | None = None,
    *,
    stage: str | None = None,
    **changes: Unpack[MappingChanges],
) -> Design:
    """Return the circuit of `network` in `technology`.

    >>> design = ar.map_network(network, ar.load_technology("gf180mcu"), stage="standard")

    Give the `options`, or the name of a stage (`default`, `standard`, `large`); `changes` are fields of MappingOptions
    that override either, in SI units, as in `cell_w=4e-6`. Where rectified currents would not settle in time, they
    are made larger; if that does not do, a period that was not asked for becomes longer. Raises ParameterError for an
    option out of range, and MappingError, naming the parameter and a way out, for a cell that no ladder can hold, a
    current or ratio out of range, or a clock that breaks an inequality.
    """
    options = chosen_options(options, stage, changes)
    network = circuit_form(network)
    lowered = lower(network, technology, options, _input_bound(network, options))
    if not any(isinstance(layer, Ladder) for layer in lowered.layers):
        raise MappingError(f"{network.name} has no recurrent layer; the ladder circuits need a CMRU or a BMRU.")
    _check_row_names(lowered.layers)
    design = _design(network, technology, lowered, options)
    if rectify_margin(design) is not None:
        design = _settling(network, design, options)
    _check_currents(design)
    check_ladders(design)
    return design


def _settling(network: Network, design: Design, options: MappingOptions) -> Design:
    """A Design whose rectified currents settle: at larger ones if that will do, else with a longer period if it may."""
    technology, bound = design.technology, _input_bound(network, options)
    margin, gain = rectify_margin(design), 1.0
    while margin is not None and margin <= 0.0 and gain < MOST_GAIN:
        gain *= 2.0
        try:
            larger = _design(network, technology, lower(network, technology, options, bound, gain), options)
        except MappingError:  # a mirror ratio out of range
            break
        if largest_current(larger) > technology.i_max:
            break
        design, margin = larger, rectify_margin(larger)
    for _ in range(STRETCHES if options.period is None or options.stretch else 0):
        if margin is None or margin > 0.0 or margin <= -1.0:  # a deadline before the start: no period mends it
            break
        longer = replace(options, period=1.01 * design.timing.period / (1.0 + margin))
        design = _design(network, technology, Lowered(design.layers, design.pooling, design.pooling_mode), longer)
        margin = rectify_margin(design)
    return design


def _design(network: Network, technology: Technology, lowered: Lowered, options: MappingOptions) -> Design:
    geometry = Geometry(options.cell_w, options.cell_l)
    synapse = Geometry(options.synapse_w or options.cell_w, options.synapse_l or options.cell_l)
    ladders = [layer for layer in lowered.layers if isinstance(layer, Ladder)]
    timing = _timing(ladders, Wiring.of(lowered.layers), geometry, technology, options)
    return Design(
        name=network.name,
        technology=technology,
        unit_current=options.unit_current,
        sizing=Sizing(geometry, synapse),
        timing=timing,
        layers=tuple(_with_gain(layer, timing, technology) for layer in lowered.layers),
        pooling=lowered.pooling,
        pooling_mode=lowered.pooling_mode,
        encoding=network.encoding,
        metadata=dict(network.metadata),
    )


def _check_row_names(layers: Sequence[FeedForward | Ladder]) -> None:
    """Raise MappingError if a layer has the name of another one's rows: both would have the same mismatch."""
    names = {layer.name.lower() for layer in layers}
    for layer in layers:
        if isinstance(layer, Ladder) and layer.gate is not None and layer.gate.name.lower() in names:
            raise MappingError(
                f"{layer.gate.name} is the name of a layer and of the rows of {layer.name}'s thresholds; rename the "
                "layer."
            )


def _input_bound(network: Network, options: MappingOptions) -> float:
    if options.input_bound is not None:
        return options.input_bound
    if network.encoding is None:
        raise MappingError(
            f"{network.name} has no encoding, so the range of its input currents is unknown; give input_bound."
        )
    return network.encoding.clip


def _timing(
    ladders: list[Ladder], wiring: Wiring, cell: Geometry, technology: Technology, options: MappingOptions
) -> Timing:
    slowest = max(float(input_time_constants(ladder, cell, technology).max()) for ladder in ladders)
    pulse = options.pulse or options.pulse_settle * slowest
    tau = pulse / options.pulse_ratio
    parasitic = technology.map_parasitic * cell.area
    i_tau = technology.dpi_tau * (options.c_dpi + parasitic) * technology.thermal_voltage / (technology.kappa * tau)
    shift = min((float(lad.i_shift.min()) for lad in ladders if lad.has_dpi), default=options.unit_current)
    draft = Timing(
        1.0, pulse, tau, options.c_dpi, i_tau, options.drive_ratio * i_tau, technology.i_leak / shift, parasitic, 0.0, 0
    )
    period = options.period or pulse + draft.rise_time(options.settle)
    # a stage resets once its upper neighbour's DPI has decayed below I_lo / I_s - 1: one by one from the top
    decayed = min(
        (float(((lad.i_th - lad.i_hyst) / lad.i_shift).min()) - 1.0 for lad in ladders if lad.has_dpi), default=1.0
    )
    stages = max(lad.stages for lad in ladders)
    decay = stages * math.log(1.0 / min(max(decayed, 1e-3), 0.9)) + options.settle
    # layers follow one another within a step, each after its own lead
    phases = 1 + max(wiring.phase[lad.name] for lad in ladders)
    lead = options.lead * period / phases
    return replace(draft, period=period, lead=lead, reset_steps=1 + math.ceil(decay * tau / period))


def _with_gain(layer: FeedForward | Ladder, timing: Timing, technology: Technology) -> FeedForward | Ladder:
    """Fill in the DPI gain bias, which needs the clock: I_s = dpi_gain I_on I_gain / I_tau, measured."""
    if isinstance(layer, FeedForward):
        return layer
    i_gain = layer.i_shift / (technology.dpi_gain * timing.drive_ratio)
    return replace(layer, i_gain=i_gain)


def _check_currents(design: Design) -> None:
    technology = design.technology
    for ladder in design.ladders:
        for name in ("i_th", "i_hyst", "i_base", "i_shift", "i_gain", "i_alpha"):
            current = getattr(ladder, name)
            used = current[current > 0]
            if len(used) and (used.min() < technology.i_min or used.max() > technology.i_max):
                i = int(np.argmax(current) if current.max() > technology.i_max else np.argmin(current))
                raise MappingError(
                    f"{ladder.name}.{name}[{i}] = {current[i]:.3g} A is outside [{technology.i_min:g}, "
                    f"{technology.i_max:g}] A (weak inversion): change unit_current, now {design.unit_current:g} A."
                )
    for name, value in (("i_tau", design.timing.i_tau), ("i_on", design.timing.i_on)):
        if not technology.i_min <= value <= technology.i_max and any(lad.has_dpi for lad in design.ladders):
            raise MappingError(
                f"timing.{name} = {value:.3g} A is outside [{technology.i_min:g}, {technology.i_max:g}] A: "
                f"change c_dpi (now {design.timing.c_dpi:g} F) or the pulse."
            )
