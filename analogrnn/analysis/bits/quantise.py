"""Quantisation of a Design to given word lengths: weights as whole unit mirrors, currents and inputs as DAC codes.

There is one DAC per group and layer, and one reference current per DAC:

    value = code x lsb,   |code| <= 2^(bits-1) - 1 signed (the sign chooses the rail),   0..2^bits - 1 unsigned

The least step (lsb) depends on the grid:

    binary  the smallest power of two at which the layer's largest value still rounds to a code. A ratio is p/k, with
            p unit devices in the mirror and k = 2^f in the diode. All steps of a layer align by shifts
    full    largest value / largest code: the reference of the DAC is tuned

Rounding is to nearest, ties to even. All currents are in the unit of a ladder's row, scale x unit current, in which
half windows lie in [1, 2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from analogrnn.chip import Chip, nominal_chip
from analogrnn.design import Design, FeedForward, Ladder, Synapses
from analogrnn.errors import ParameterError, in_range, plain_array
from analogrnn.wiring import INPUT

GROUPS = {
    "inputs": "input DACs, one code per step and input",
    "weights": "mirrors into the ladders",
    "bias": "bias currents of the candidates",
    "threshold": "I_th of the cells",
    "width": "I_hyst, the width of the window",
    "base": "standing current of the input line",
    "shift": "I_s, the current that a DPI adds to its neighbours",
    "output": "output current of one level",
    "readout_weights": "mirrors of the feed-forward layers",
    "readout_bias": "bias currents of the feed-forward layers",
}
SIGNED = {"inputs", "weights", "bias", "readout_weights", "readout_bias"}
MAX_BITS = 16  # bits; sums of such products are exact in float64 and fit 64-bit accumulators
GRIDS, REFERENCES, BIASES = ("binary", "full"), ("layer", "row"), ("circuit", "trained")

WordLengths = Mapping[str, int]  # bits of each group; a group that is not named stays as trained


@dataclass(frozen=True)
class Convention:
    """Conventions of the quantisation. Raises ParameterError for an unknown choice.

    grid       `binary`: the least step is a power of two; `full`: it is the largest value over the largest code
    reference  `layer`: one least step for all mirrors of a layer; `row`: one least step per row
    compensate True: I_th is rounded after shift and standing current, and I_hyst after I_th, each to the value that
               preserves its threshold; False: each current is rounded by itself
    bias       `circuit`: the code includes the input offset; `trained`: the trained bias alone, as in logic
    """

    grid: str = "binary"
    reference: str = "layer"
    compensate: bool = True
    bias: str = "circuit"

    def __post_init__(self) -> None:
        for name, known in (("grid", GRIDS), ("reference", REFERENCES), ("bias", BIASES)):
            if getattr(self, name) not in known:
                raise ParameterError(f"Convention.{name} = {getattr(self, name)!r} is unknown; use one of {known}.")


@dataclass(frozen=True, eq=False)
class QuantisedArray:
    """Codes and their least step: value = code x lsb. `lsb` is one number, or (d, 1) with one step per row."""

    code: np.ndarray
    lsb: np.ndarray
    bits: int
    signed: bool

    @property
    def value(self) -> np.ndarray:
        return self.code * self.lsb

    @property
    def limit(self) -> int:
        """The largest code."""
        return largest_code(self.bits, signed=self.signed)


@dataclass(frozen=True, eq=False)
class Quantised:
    """A quantised Design: `design` has the rounded values; `codes` has the numbers to program, by (layer, group).

    `original` is the Design as trained. `input_lsb` is 0 if the inputs are not quantised. `codes` has no entry for a
    group that stays as trained.
    """

    design: Design
    original: Design
    word_lengths: dict[str, int]
    convention: Convention
    codes: dict[tuple[str, str], QuantisedArray]
    input_lsb: float = 0.0
    input_limit: int = field(default=0, metadata={"doc": "largest input code, either sign"})

    def chip(self) -> Chip:
        """The chip without mismatch; `chip.draw_chip(quantised.design, ...)` adds it."""
        return nominal_chip(self.design)

    def input_codes(self, x: np.ndarray) -> np.ndarray:
        """DAC codes, int64, of encoded inputs x of any shape. Raises ParameterError if inputs have no word length."""
        if not self.input_lsb:
            raise ParameterError("the inputs have no word length; name bits for 'inputs'.")
        value = plain_array("x", x)
        if not np.isfinite(value).all():
            raise ParameterError("x has values that are not finite, which have no code; drop those clips.")
        return np.clip(np.rint(value / self.input_lsb), -self.input_limit, self.input_limit).astype(np.int64)

    def inputs(self, x: np.ndarray) -> np.ndarray:
        """Encoded inputs x after the DACs: rounded to codes, in the unit of x."""
        return self.input_codes(x) * self.input_lsb if self.input_lsb else x

    def storage(self) -> int:
        """Bits that hold all codes of the circuit."""
        return sum(codes.code.size * codes.bits for codes in self.codes.values())


def groups_of(design: Design) -> tuple[str, ...]:
    """The groups that a Design has, in the order of GROUPS."""
    absent: set[str] = set()
    if not any(ladder.has_dpi for ladder in design.ladders):
        absent |= {"shift"}
    if not any(ladder.return_to_zero for ladder in design.ladders):
        absent |= {"base"}
    if not any(isinstance(layer, FeedForward) for layer in design.layers):
        absent |= {"readout_weights", "readout_bias"}
    return tuple(group for group in GROUPS if group not in absent)


def least_bits(group: str) -> int:
    """The shortest word length that distinguishes two values: a sign and a digit, or a digit."""
    return 2 if group in SIGNED else 1


def largest_code(bits: int, *, signed: bool) -> int:
    """Largest code of `bits`: sign and magnitude, so that both rails have the same range; or unsigned."""
    return int(2 ** (bits - 1) - 1) if signed else int(2**bits - 1)


def to_codes(
    value: np.ndarray, bits: int, *, signed: bool, grid: str = "binary", by_row: bool = False
) -> QuantisedArray:
    """Round values to the nearest codes; with `by_row`, (d, D) values have one least step per row."""
    limit = largest_code(bits, signed=signed)
    size = np.abs(value)
    most = size.max(axis=1, keepdims=True) if by_row else np.asarray(size.max())
    lsb = np.where(most > 0.0, most, 1.0) / limit if grid == "full" else _binary_lsb(most, limit)
    code = np.clip(np.rint(value / lsb), -limit if signed else 0, limit).astype(np.int64)
    return QuantisedArray(code, lsb, bits, signed)


def quantise(design: Design, word_lengths: WordLengths, convention: Convention | None = None) -> Quantised:
    """Return `design` with each group of `word_lengths` rounded to that number of bits.

    Raises ParameterError for an unknown group, a word length out of range, an input-dependent threshold, or a window
    that rounds to width zero: a cell without hysteresis does not hold its state.
    """
    design.check_constant_thresholds("quantisation")
    convention = convention or Convention()
    checked = _checked_word_lengths(design, word_lengths)
    first = design.layers[0].synapses
    lsb, limit, offsets = 0.0, 0, {INPUT: first.offset}
    if "inputs" in checked:
        bound = float(first.offset.max())
        inputs = to_codes(np.array([bound]), checked["inputs"], signed=True, grid=convention.grid)
        lsb, limit = float(inputs.lsb), int(inputs.code[0])
        # the DAC's middle code is the new zero: no code is a negative current
        offsets[INPUT] = np.full(first.inputs, limit * lsb)
    codes: dict[tuple[str, str], QuantisedArray] = {}
    layers: list[FeedForward | Ladder] = []
    for layer in design.layers:
        part = _Part(layer.name, checked, convention, codes)
        synapses = _synapses(layer, design.wiring.gather(layer.name, offsets), part)
        if isinstance(layer, FeedForward):
            layers.append(replace(layer, synapses=synapses))
            offsets[layer.name] = np.zeros(layer.synapses.width)
        else:
            ladder = _ladder(design, layer, synapses, part)
            layers.append(ladder)
            offsets[layer.name] = -ladder.alpha * ladder.k_min
    rounded = replace(design, layers=tuple(layers))
    return Quantised(rounded, design, checked, convention, codes, lsb, limit)


@dataclass(frozen=True, eq=False)
class _Part:
    """Rounds the groups of one layer, and adds their codes to the common table."""

    layer: str
    word_lengths: dict[str, int]
    convention: Convention
    codes: dict[tuple[str, str], QuantisedArray]

    def round(self, group: str, value: np.ndarray, *, by_row: bool = False) -> np.ndarray | None:
        """The rounded values, or None if the group stays as trained."""
        if group not in self.word_lengths:
            return None
        found = to_codes(
            value, self.word_lengths[group], signed=group in SIGNED, grid=self.convention.grid, by_row=by_row
        )
        self.codes[self.layer, group] = found
        return found.value


def _synapses(layer: FeedForward | Ladder, offset: np.ndarray, part: _Part) -> Synapses:
    synapses, prefix = layer.synapses, "" if isinstance(layer, Ladder) else "readout_"
    scale = synapses.scale
    ratio = part.round(f"{prefix}weights", synapses.ratio, by_row=part.convention.reference == "row")
    weight = synapses.weight if ratio is None else ratio / scale[:, None]
    carried = weight @ offset if part.convention.bias == "circuit" else np.zeros(synapses.width)
    code_value = part.round(f"{prefix}bias", (synapses.trained_bias - carried) * scale)
    bias = synapses.trained_bias if code_value is None else code_value / scale + carried
    mirror = (bias - weight @ offset) * scale
    return replace(
        synapses, ratio=weight * scale[:, None], bias=mirror, offset=offset, weight=weight, trained_bias=bias
    )


def _ladder(design: Design, ladder: Ladder, synapses: Synapses, part: _Part) -> Ladder:
    window = _window(design, ladder, part)
    scale, unit = synapses.scale, design.candidate_units(synapses)
    down, up = (ladder.threshold[:, i] + error / scale for i, error in ((0, window.down_error), (1, window.up_error)))
    currents = window.currents
    if window.whole:  # all are codes: their sum is exact, and a trained value plus errors is not
        up = (currents["th"] - currents["base"] - currents["shift"]) / scale
        down = up - currents["hyst"] / scale
    step = part.round("output", ladder.alpha * ladder.level_step)
    alpha = ladder.alpha if step is None else step / ladder.level_step
    gain = ladder.i_gain
    if "shift" in part.word_lengths and ladder.has_dpi:
        gain = ladder.i_gain * currents["shift"] * design.unit_current / ladder.i_shift
    amps = {name: np.asarray(value * design.unit_current) for name, value in currents.items()}
    return replace(
        ladder,
        synapses=synapses,
        threshold=np.stack([down, up], axis=1),
        alpha=alpha,
        i_gain=gain,
        i_th=amps["th"],
        i_hyst=amps["hyst"],
        i_base=amps["base"],
        i_shift=amps["shift"],
        i_alpha=alpha * ladder.level_step * design.unit_current,
        i_preset=2.0 * np.abs(up) * unit,
    )


@dataclass(frozen=True, eq=False)
class _Window:
    """Rounded currents of a ladder over the unit current, the shift of its thresholds, and whether all are codes."""

    currents: dict[str, np.ndarray]
    up_error: np.ndarray
    down_error: np.ndarray
    whole: bool


def _window(design: Design, ladder: Ladder, part: _Part) -> _Window:
    ideal = {name: getattr(ladder, f"i_{name}") / design.unit_current for name in ("th", "hyst", "base", "shift")}
    compensate = part.convention.compensate
    base = part.round("base", ideal["base"]) if ladder.return_to_zero else None
    shift = part.round("shift", ideal["shift"]) if ladder.has_dpi else None
    # how far the first two move the window: exactly zero where nothing is rounded
    moved = np.zeros(ladder.width)
    for name, new in (("base", base), ("shift", shift)):
        moved = moved if new is None else moved + (new - ideal[name])
    goal = ideal["th"] + moved if compensate else ideal["th"]
    th = part.round("threshold", goal)
    up_error = (goal if th is None else th) - ideal["th"] - moved
    if th is None and compensate:
        up_error = np.zeros(ladder.width)  # the sum above would leave the last bits
    width = part.round("width", ideal["hyst"] + (up_error if compensate else 0.0))
    if width is not None and not width.all():
        i = int(np.argmin(width))
        raise ParameterError(
            f"{ladder.name}.i_hyst[{i}] rounds to code 0 at {part.word_lengths['width']} bits: a window of "
            "width zero does not hold a state; give 'width' more bits."
        )
    down_error = up_error - (0.0 if width is None else width - ideal["hyst"])
    known = {"th": th, "hyst": width, "base": base, "shift": shift}
    whole = all(new is not None or not ideal[name].any() for name, new in known.items())
    currents = {name: ideal[name] if new is None else new for name, new in known.items()}
    if th is None:
        currents["th"] = goal
    return _Window(currents, up_error, down_error, whole)


def _checked_word_lengths(design: Design, word_lengths: WordLengths) -> dict[str, int]:
    present = groups_of(design)
    unknown = sorted(set(word_lengths) - set(present))
    if unknown:
        raise ParameterError(f"{design.name} has no group {unknown[0]!r}; it has: {', '.join(present)}.")
    checked = {}
    for group in present:
        if group in word_lengths:
            bits = in_range(f"bits of {group}", word_lengths[group], least_bits(group), MAX_BITS, "bits")
            if bits != int(bits):
                raise ParameterError(f"bits of {group} = {bits:g} is not a whole number.")
            checked[group] = int(bits)
    return checked


def _binary_lsb(most: np.ndarray, limit: int) -> np.ndarray:
    """The smallest power of two at which `most` rounds to a code: most <= (limit + 1/2) lsb."""
    mantissa, exponent = np.frexp(np.where(most > 0.0, most, 1.0) / (limit + 0.5))
    return np.ldexp(1.0, exponent - (mantissa == 0.5))


def exponent_of(lsb: np.ndarray | float) -> np.ndarray:
    """The exponent e of lsb = 2^e. Raises ParameterError if a step is not a power of two."""
    mantissa, exponent = np.frexp(lsb)
    if np.any(mantissa != 0.5):
        raise ParameterError(
            f"the least step {float(np.max(lsb)):g} is not a power of two, so codes don't align by "
            "shifts; use grid 'binary'."
        )
    return np.asarray(exponent - 1)
