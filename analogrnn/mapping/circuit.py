"""Network + Technology -> Design."""

import math
from dataclasses import replace
from typing import Unpack

import numpy as np

from analogrnn.design import Design, FeedForward, Geometry, Ladder, Sizing, Timing, input_time_constants
from analogrnn.errors import MappingError
from analogrnn.mapping.inequalities import check_ladders
from analogrnn.mapping.ladders import map_ladder, map_synapses
from analogrnn.mapping.options import MappingChanges, MappingOptions, chosen_options
from analogrnn.network import INPUT, FirstQuadrantBmru, Linear, Network, Pooling, ReLU
from analogrnn.technology import Technology


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
    that override either, in SI units, as in `cell_w=4e-6`. Raises ParameterError for an option out of range, and
    MappingError, naming the parameter and a way out, for a cell that no ladder can hold, a current or ratio out of
    range, or a clock that breaks an inequality.
    """
    options = chosen_options(options, stage, changes)
    geometry = Geometry(options.cell_w, options.cell_l)
    synapse = Geometry(options.synapse_w or options.cell_w, options.synapse_l or options.cell_l)
    offset = np.full(network.inputs, _input_bound(network, options))
    layers: list[FeedForward | Ladder] = []
    pooling = ""
    for position, layer in enumerate(network.layers):
        before = network.layers[position - 1].name if position else INPUT
        if network.sources(layer.name) != (before,):
            raise MappingError(f"{layer.name} reads other layers than the one before it, which has no circuit yet.")
        match layer:
            case Linear():
                rectifier = _rectifier_after(network, position)
                layers.append(FeedForward(map_synapses(layer, np.ones(layer.width), offset, technology), rectifier))
                offset = np.zeros(layer.width)
            case ReLU():
                if position == 0 or not isinstance(network.layers[position - 1], Linear):
                    raise MappingError(
                        f"{layer.name} doesn't follow a Linear layer; a rectifier needs signed currents."
                    )
            case Pooling():
                if layer.mode != "last":
                    raise MappingError(
                        f"{layer.name}.mode = {layer.mode!r} needs an averaging circuit, which is not there yet: "
                        "train with pooling 'last'."
                    )
                pooling = layer.name
            case _:
                if isinstance(layer, FirstQuadrantBmru) and any(isinstance(before, Ladder) for before in layers):
                    raise MappingError(
                        f"{layer.name} has no clock, so it would latch what the layer before does in its pulses: "
                        "train a cmru with eps 0 instead."
                    )
                ladder = map_ladder(layer, offset, technology, options)
                layers.append(ladder)
                offset = -ladder.alpha * ladder.k_min
    ladders = [layer for layer in layers if isinstance(layer, Ladder)]
    if not ladders:
        raise MappingError(f"{network.name} has no recurrent layer; the ladder circuits need a CMRU or a BMRU.")
    timing = _timing(ladders, geometry, technology, options)
    design = Design(
        name=network.name,
        technology=technology,
        unit_current=options.unit_current,
        sizing=Sizing(geometry, synapse),
        timing=timing,
        layers=tuple(_with_gain(layer, timing, technology) for layer in layers),
        pooling=pooling,
        encoding=network.encoding,
        metadata=dict(network.metadata),
    )
    _check_currents(design)
    check_ladders(design)
    return design


def _input_bound(network: Network, options: MappingOptions) -> float:
    if options.input_bound is not None:
        return options.input_bound
    if network.encoding is None:
        raise MappingError(
            f"{network.name} has no encoding, so the range of its input currents is unknown; give input_bound."
        )
    return network.encoding.clip


def _rectifier_after(network: Network, position: int) -> str | None:
    behind = network.layers[position + 1 :]
    if behind and isinstance(behind[0], ReLU):
        return behind[0].name
    if any(not isinstance(layer, Pooling) for layer in behind):
        name = network.layers[position].name
        raise MappingError(
            f"{name} feeds another layer without a ReLU, but currents in mirrors have one sign: "
            "multiply the two matrices into one."
        )
    return None


def _timing(ladders: list[Ladder], cell: Geometry, technology: Technology, options: MappingOptions) -> Timing:
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
    lead = options.lead * period / max(1, sum(lad.return_to_zero for lad in ladders))
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
