"""Network + Technology -> Design, and back.

The currents and times follow the inequalities of the thermometer ladder. With beta half the window, I_s the shift that
a settled DPI adds to its neighbours, I_c the window's centre, x = T_p/tau and y = T/tau:

    shift     I_s (2 exp(-x) - 1) > beta      a pulse of any amplitude moves exactly one level
    base      I_c - I_s > beta                a down pulse fits above zero on the unipolar input line
    reset     I_s < I_c - beta                with the line at zero, all-OFF is the only state
    settle    y >= 4 after the dead time      a DPI forgets its past before the next pulse
    pulse     T_p >= 8 t_in                   the input node follows the candidate

Each has a stated margin in `MappingOptions`; `ladder_margins` returns what a Design reached.
"""

import math
from dataclasses import dataclass

import numpy as np

from analogrnn.design import Design, FeedForward, Geometry, Ladder, Sizing, Synapses, Timing
from analogrnn.errors import MappingError, in_range
from analogrnn.network import AlphaCmru, Cmru, FirstQuadrantBmru, Linear, Network, Pooling, ReLU
from analogrnn.technology import Technology

LEAST_SETTLE = 4.0  # tau; below, the inequalities are unsafe
LEAST_PULSE = 8.0  # t_in; exp(-8) = 0.03 % of the candidate's amplitude is lost


@dataclass(frozen=True)
class MappingOptions:
    """What the designer chooses. SI units; None = the shortest that the margins allow."""

    unit_current: float = 1e-9  # A that stand for 1 in the trained network
    cell_w: float = 10e-6
    cell_l: float = 10e-6
    synapse_w: float | None = None  # None: as the cell
    synapse_l: float | None = None
    shift_ratio: float = 2.2  # I_s / beta
    base_ratio: float = 1.4  # (I_c - I_s) / beta
    pulse_ratio: float = 0.15  # x = T_p / tau
    pulse_settle: float = 12.0  # T_p / t_in
    settle: float = 12.0  # tau between the end of a pulse and the next, after the dead time
    drive_ratio: float = 25.0  # R = I_on / I_tau of the DPI
    c_dpi: float = 2e-12
    period: float | None = None
    pulse: float | None = None
    input_bound: float | None = None  # largest magnitude of an encoded input; default: the encoding's clip

    def __post_init__(self) -> None:
        limits = {
            "unit_current": (1e-12, 1e-6, "A"),
            "cell_w": (0.22e-6, 100e-6, "m"),
            "cell_l": (0.28e-6, 50e-6, "m"),
            "shift_ratio": (1.0, 20.0, ""),
            "base_ratio": (1.0, 20.0, ""),
            "pulse_ratio": (1e-3, 0.69, ""),
            "pulse_settle": (LEAST_PULSE, 1e4, ""),
            "settle": (LEAST_SETTLE, 100.0, "tau"),
            "drive_ratio": (2.0, 1e4, ""),
            "c_dpi": (1e-15, 1e-9, "F"),
        }
        for name, (low, high, unit) in limits.items():
            in_range(f"MappingOptions.{name}", getattr(self, name), low, high, unit)
        for name, (low, high, unit) in {
            "synapse_w": limits["cell_w"],
            "synapse_l": limits["cell_l"],
            "period": (1e-9, 1e3, "s"),
            "pulse": (1e-9, 1e3, "s"),
            "input_bound": (1e-6, 1e6, ""),
        }.items():
            if getattr(self, name) is not None:
                in_range(f"MappingOptions.{name}", getattr(self, name), low, high, unit)


def map_network(network: Network, technology: Technology, options: MappingOptions | None = None) -> Design:
    """Return the circuit of `network` in `technology`.

    Raises MappingError, naming the parameter and a way out, for a cell that no ladder can hold, a current or ratio
    out of range, or a clock that breaks an inequality.
    """
    options = options or MappingOptions()
    geometry = Geometry(options.cell_w, options.cell_l)
    synapse = Geometry(options.synapse_w or options.cell_w, options.synapse_l or options.cell_l)
    offset = np.full(network.inputs, _input_bound(network, options))
    layers: list[FeedForward | Ladder] = []
    pooling = ""
    for position, layer in enumerate(network.layers):
        match layer:
            case Linear():
                rectifier = _rectifier_after(network, position)
                layers.append(FeedForward(_synapses(layer, np.ones(layer.width), offset, technology), rectifier))
                offset = np.zeros(layer.width)
            case ReLU():
                if position == 0 or not isinstance(network.layers[position - 1], Linear):
                    raise MappingError(f"{layer.name} doesn't follow a Linear layer; a rectifier needs signed currents.")
            case Pooling():
                if layer.mode != "last":
                    raise MappingError(
                        f"{layer.name}.mode = {layer.mode!r} needs an averaging circuit, which is not there yet: "
                        "train with pooling 'last'."
                    )
                pooling = layer.name
            case _:
                ladder = _ladder(layer, offset, technology, options)
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


def recover_network(design: Design) -> Network:
    """Return the network that a Design holds: the inverse of `map_network`, from circuit values to rounding."""
    layers: list[Cmru | FirstQuadrantBmru | Linear | ReLU | Pooling] = []
    for layer in design.layers:
        synapses = layer.synapses
        weight = synapses.ratio / synapses.scale[:, None]
        bias = synapses.bias / synapses.scale + weight @ synapses.offset
        if isinstance(layer, Ladder):
            layers.append(_recover_cell(design, layer, weight, bias))
        else:
            if design.pooling and layer is design.layers[-1]:
                layers.append(Pooling(design.pooling))
            layers.append(Linear(layer.name, weight, bias))
            if layer.rectifier:
                layers.append(ReLU(layer.rectifier))
    if design.pooling and not any(isinstance(layer, Pooling) for layer in layers):
        layers.append(Pooling(design.pooling))
    return Network(tuple(layers), design.encoding, design.metadata)


def ladder_margins(design: Design) -> dict[str, float]:
    """What each inequality has to spare, worst over all ladders with a DPI; a negative one is broken.

    shift, base and reset are in units of beta; settle in tau beyond 4, pulse in t_in beyond 8.
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
    slowest = max(float(input_time_constants(ladder, design.sizing.cell, design.technology).max())
                  for ladder in design.ladders)  # fmt: skip
    margins["pulse"] = timing.pulse / slowest - LEAST_PULSE
    return margins


def check_ladders(design: Design) -> None:
    """Raise MappingError for the first inequality that a Design breaks."""
    way_out = {
        "shift": "raise shift_ratio or shorten the pulse",
        "base": "raise base_ratio",
        "reset": "raise base_ratio",
        "settle": f"lengthen the period (now {design.timing.period:g} s) or shorten tau with a smaller c_dpi",
        "pulse": f"lengthen the pulse (now {design.timing.pulse:g} s), or use smaller devices or a larger unit_current",
    }
    for name, margin in ladder_margins(design).items():
        if not margin > 0.0:
            raise MappingError(f"{design.name}: the ladder's '{name}' margin is {margin:.3g}, not above 0: "
                               f"{way_out[name]}.")  # fmt: skip


def input_time_constants(ladder: Ladder, cell: Geometry, technology: Technology) -> np.ndarray:
    """(d,) time constant t_in of each cell's input node, s, at its window's centre."""
    return technology.input_charge_density * cell.area / (ladder.i_th - ladder.i_hyst / 2.0)


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
        raise MappingError(f"{name} feeds another layer without a ReLU, but currents in mirrors have one sign: "
                           "multiply the two matrices into one.")  # fmt: skip
    return None


def _synapses(layer: Linear | Cmru | FirstQuadrantBmru, scale: np.ndarray, offset: np.ndarray,
              technology: Technology) -> Synapses:  # fmt: skip
    ratio = layer.weight * scale[:, None]
    bias = (layer.bias - layer.weight @ offset) * scale
    size = np.abs(ratio)
    bad = np.argwhere((size > technology.ratio_max) | ((size > 0) & (size < technology.ratio_min)))
    if len(bad):
        i, j = (int(n) for n in bad[0])
        raise MappingError(
            f"{layer.name}.weight[{i},{j}] = {layer.weight[i, j]:g} needs a mirror ratio of {size[i, j]:.3g}, outside "
            f"[{technology.ratio_min:g}, {technology.ratio_max:g}]: prune or clip the weight, or train with decay."
        )
    return Synapses(layer.name, ratio, bias, scale, offset, layer.weight, layer.bias)


def _ladder(
    layer: Cmru | FirstQuadrantBmru | AlphaCmru, offset: np.ndarray, technology: Technology, options: MappingOptions
) -> Ladder:
    match layer:
        case AlphaCmru():
            raise MappingError(
                f"{layer.name} is an alphaCMRU: its states are not quantised, so no ladder of levels holds them; "
                "train a CMRU."
            )
        case FirstQuadrantBmru():
            return _first_quadrant(layer, offset, technology, options)
    if layer.threshold_weight is not None:
        raise MappingError(
            f"{layer.name}.threshold_weight: input-dependent thresholds run digitally only; train with a constant "
            "threshold per unit."
        )
    if layer.eps not in (0.0, 1.0):
        raise MappingError(
            f"{layer.name}.eps = {layer.eps:g} has no circuit: the state leaves the ladder. Train with eps 1 (CMRU) "
            "or 0 (BMRU)."
        )
    k_min, k_max, step = (layer.k_min, layer.k_max, 1) if layer.eps == 1.0 else (-1, 1, 2)
    if k_min is None or k_max is None:
        raise MappingError(f"{layer.name} has no k_min and k_max: a ladder is finite. Train with both ends.")
    stages = (k_max - k_min) // step
    _check_levels(layer, k_min, k_max, step)
    scale = _octave_scale(layer.name, layer.threshold)
    beta = np.abs(layer.threshold) * scale * options.unit_current
    i_shift = beta * (options.shift_ratio if stages > 1 else 0.0)
    i_base = beta * options.base_ratio
    assert layer.initial is not None
    return Ladder(
        synapses=_synapses(layer, scale, offset, technology),
        stages=stages,
        k_min=k_min,
        level_step=step,
        initial=layer.initial,
        threshold=np.stack([-np.abs(layer.threshold), np.abs(layer.threshold)], axis=1),
        alpha=layer.alpha,
        i_th=i_shift + i_base + beta,
        i_hyst=2.0 * beta,
        i_base=i_base,
        i_shift=i_shift,
        i_gain=np.zeros(layer.width),
        i_alpha=layer.alpha * step * options.unit_current,
        i_preset=2.0 * beta,
    )


def _first_quadrant(layer: FirstQuadrantBmru, offset: np.ndarray, technology: Technology,
                    options: MappingOptions) -> Ladder:  # fmt: skip
    if np.any(layer.b_lo <= 0):
        i = int(np.argmin(layer.b_lo))
        raise MappingError(f"{layer.name}.b_lo[{i}] = {layer.b_lo[i]:g}: a cell that resets at zero current can't be "
                           "told from one that holds; train with b_lo > 0.")  # fmt: skip
    scale = _octave_scale(layer.name, (layer.b_hi - layer.b_lo) / 2.0)
    unit = scale * options.unit_current
    assert layer.initial is not None
    zero = np.zeros(layer.width)
    return Ladder(
        synapses=_synapses(layer, scale, offset, technology),
        stages=1,
        k_min=0,
        level_step=1,
        initial=layer.initial,
        threshold=np.stack([layer.b_lo, layer.b_hi], axis=1),
        alpha=layer.alpha,
        i_th=layer.b_hi * unit,
        i_hyst=(layer.b_hi - layer.b_lo) * unit,
        i_base=zero,
        i_shift=zero,
        i_gain=zero,
        i_alpha=layer.alpha * options.unit_current,
        i_preset=2.0 * layer.b_hi * unit,
        return_to_zero=False,
    )


def _octave_scale(name: str, half_width: np.ndarray) -> np.ndarray:
    """Powers of two that bring each half window into [1, 2) unit currents, so that one cell size serves all."""
    size = np.abs(half_width)
    if np.any(size < 1e-3):
        i = int(np.argmin(size))
        raise MappingError(f"{name}.threshold[{i}] = {half_width[i]:g} leaves no window (half width below 0.001); "
                           "train with a floor under the threshold.")  # fmt: skip
    return np.exp2(-np.floor(np.log2(size)))


def _check_levels(layer: Cmru, k_min: int, k_max: int, step: int) -> None:
    assert layer.initial is not None
    allowed = np.arange(k_min, k_max + 1, step)
    bad = np.flatnonzero(~np.isin(layer.initial, allowed))
    if len(bad):
        i = int(bad[0])
        raise MappingError(f"{layer.name}.initial[{i}] = {layer.initial[i]:g} is not a level of the ladder "
                           f"{allowed.tolist()}; round it.")  # fmt: skip
    if np.any(layer.alpha <= 0):
        i = int(np.argmin(layer.alpha))
        raise MappingError(f"{layer.name}.alpha[{i}] = {layer.alpha[i]:g} is not positive: fold its sign into the "
                           "weights of the next layer.")  # fmt: skip


def _timing(ladders: list[Ladder], cell: Geometry, technology: Technology, options: MappingOptions) -> Timing:
    slowest = max(float(input_time_constants(ladder, cell, technology).max()) for ladder in ladders)
    pulse = options.pulse or options.pulse_settle * slowest
    tau = pulse / options.pulse_ratio
    i_tau = technology.dpi_tau * options.c_dpi * technology.thermal_voltage / (technology.kappa * tau)
    shift = min((float(lad.i_shift.min()) for lad in ladders if lad.has_dpi), default=options.unit_current)
    draft = Timing(1.0, pulse, tau, options.c_dpi, i_tau, options.drive_ratio * i_tau, technology.i_leak / shift, 0)
    period = options.period or pulse + draft.rise_time(options.settle)
    # a stage lets go once its upper neighbour's DPI has decayed below I_lo / I_s - 1: one by one from the top
    spare = min((float(((lad.i_th - lad.i_hyst) / lad.i_shift).min()) - 1.0 for lad in ladders if lad.has_dpi),
                default=1.0)  # fmt: skip
    stages = max(lad.stages for lad in ladders)
    decay = stages * math.log(1.0 / min(max(spare, 1e-3), 0.9)) + options.settle
    return Timing(period, pulse, tau, options.c_dpi, i_tau, draft.i_on, draft.i_floor,
                  reset_steps=1 + math.ceil(decay * tau / period))  # fmt: skip


def _with_gain(layer: FeedForward | Ladder, timing: Timing, technology: Technology) -> FeedForward | Ladder:
    """Fill in the DPI gain bias, which needs the clock: I_s = dpi_gain I_on I_gain / I_tau, measured."""
    if isinstance(layer, FeedForward):
        return layer
    i_gain = layer.i_shift / (technology.dpi_gain * timing.drive_ratio)
    values = {name: getattr(layer, name) for name in layer.__dataclass_fields__}
    return Ladder(**{**values, "i_gain": i_gain})


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


def _recover_cell(design: Design, ladder: Ladder, weight: np.ndarray, bias: np.ndarray) -> Cmru | FirstQuadrantBmru:
    unit = ladder.synapses.scale * design.unit_current
    alpha = ladder.i_alpha / (design.unit_current * ladder.level_step)
    if not ladder.return_to_zero:
        b_hi, b_lo = ladder.i_th / unit, (ladder.i_th - ladder.i_hyst) / unit
        return FirstQuadrantBmru(ladder.name, weight, bias, b_lo, b_hi, alpha, ladder.initial)
    return Cmru(
        ladder.name,
        weight,
        bias,
        threshold=ladder.i_hyst / (2.0 * unit),
        alpha=alpha,
        eps=1.0 if ladder.level_step == 1 else 0.0,
        k_min=ladder.k_min,
        k_max=ladder.k_max,
        initial=ladder.initial,
    )
