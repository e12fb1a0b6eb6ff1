"""The integer model of a quantised Design: the same network in integer arithmetic, for an implementation in logic.

Every value is code x 2^e. The accumulator of a layer has one least step, 2^a, where a is the least exponent of its
products, biases and thresholds. Products are shifted left onto this step; biases and thresholds are stored on it.
Nothing is rounded after the input DACs. Therefore

    levels, and logits x 2^a, equal those of the float simulation with the same word lengths, bit for bit.

Each sum of the float simulation is a whole multiple of 2^a. As long as the worst case is below 2^53 x 2^a, no order of
summation and no fused product rounds. The worst case also sizes the accumulator: |acc| <= (sum |w| x_max) << s + |b|,
and x_max is known because inputs are codes and outputs of ladders are levels.

Source  R. Yates, "Fixed-point arithmetic: an introduction" (2009): rules for products and sums
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from analogrnn.analysis.bits.quantise import Quantised, exponent_of, groups_of
from analogrnn.design import Design, FeedForward, Ladder
from analogrnn.errors import OutputError, ParameterError, finite_array
from analogrnn.kernels.integer_steps import integer_affine, integer_ladder
from analogrnn.simulate.steps import preset_candidates

EXACT = 53  # bits of a float64's significand


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """One layer in integers: (W x << shift) + bias, in units of 2^exponent.

    `up` and `down` (d, N) are thresholds, `stuck` (d, N) marks those that cannot be reached, `preset` (pulses, d) holds
    the candidates of the preset and `output` (d, N + 1) the output of each level. They are empty for a feed-forward
    layer. `rectify` sets negative sums to 0. `rest`: the candidate returns to zero between steps.
    """

    name: str
    weight: np.ndarray = field(metadata={"doc": "(d, D) int8 or int16"})
    shift: np.ndarray = field(metadata={"doc": "(d,) int64 >= 0"})
    bias: np.ndarray = field(metadata={"doc": "(d,) int32 or int64, the accumulator's type"})
    exponent: int = field(metadata={"doc": "least step of the accumulator, 2^exponent"})
    bound: int = field(metadata={"doc": "largest |accumulator|, presets and thresholds included"})
    rectify: bool = False
    rest: bool = True
    up: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    down: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    stuck: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), bool))
    preset: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    output: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    levels: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))

    @property
    def is_ladder(self) -> bool:
        return len(self.levels) > 0

    @property
    def accumulator_bits(self) -> int:
        """Width of a two's complement accumulator that can't overflow, bits."""
        return self.bound.bit_length() + 1


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """A network in integers: inputs are codes of `Quantised.input_codes`; logits are in units of 2^logit_exponent."""

    name: str
    layers: tuple[IntegerLayer, ...]
    input_limit: int
    pooled: bool
    logit_exponent: int

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that an implementation in logic needs, as named arrays for an .npz file."""
        found: dict[str, np.ndarray] = {
            "input_limit": np.array(self.input_limit),
            "logit_exponent": np.array(self.logit_exponent),
        }
        for layer in self.layers:
            names = ["weight", "shift", "bias", "exponent", "bound"]
            names += ["up", "down", "stuck", "preset", "output", "levels"] if layer.is_ladder else ["rectify"]
            found |= {f"{layer.name}.{name}": np.asarray(getattr(layer, name)) for name in names}
        return found


@dataclass(frozen=True, eq=False)
class IntegerRun:
    """Accumulators and levels of each layer, (T, S, d); logits (S, classes) int64, in units of 2^logit_exponent."""

    accumulators: dict[str, np.ndarray]
    levels: dict[str, np.ndarray]
    logits: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        return np.argmax(self.logits, axis=-1)


def integer_network(quantised: Quantised) -> IntegerNetwork:
    """The integer model of a Design in which every group has a word length.

    Raises ParameterError if a group has no word length, if a least step is not a power of two, if a layer's worst case
    exceeds 53 bits, or for a graph, ladders of different lengths, or a pooling other than `last`.
    """
    missing = [group for group in groups_of(quantised.design) if group not in quantised.word_lengths]
    if missing:
        raise ParameterError(
            f"the integer model needs whole numbers throughout, but {missing} have no word length; "
            "name bits for all groups."
        )
    lacking = _lacking(quantised.design)
    if lacking:
        raise ParameterError(
            f"{quantised.design.name} {lacking}, for which there is no integer model; run it quantised."
        )
    exponent = int(exponent_of(quantised.input_lsb))
    most = np.full(quantised.design.layers[0].synapses.inputs, quantised.input_limit)
    layers: list[IntegerLayer] = []
    for layer in quantised.design.layers:
        if isinstance(layer, Ladder):
            built, exponent, most = _ladder(quantised, layer, exponent, most)
        else:
            built = _feed_forward(quantised, layer, exponent, most)
            exponent, most = built.exponent, np.full(len(built.bias), built.bound)
        layers.append(built)
    pooled = bool(quantised.design.pooling)
    return IntegerNetwork(quantised.design.name, tuple(layers), quantised.input_limit, pooled, exponent)


def _lacking(design: Design) -> str:
    """What a Design has that the integer model lacks; empty if there is nothing."""
    if not design.wiring.is_chain:
        return "has layers that read more than the layer before them"
    if any(np.ptp(ladder.counts) for ladder in design.ladders):
        return "has ladders of different lengths in one layer"
    return f"pools by {design.pooling_mode}" if design.pooling and design.pooling_mode != "last" else ""


def save_codes(quantised: Quantised, path: Path) -> None:
    """Write all codes and least steps as an .npz file, and the arrays of the integer model if there is one.

    Arrays are named `<layer>.<group>.code`, `<layer>.<group>.lsb` and `integer.<layer>.<array>`. Raises OutputError if
    the file can't be written.
    """
    arrays: dict[str, np.ndarray] = {}
    for (layer, group), codes in quantised.codes.items():
        arrays |= {f"{layer}.{group}.code": codes.code, f"{layer}.{group}.lsb": codes.lsb}
    if quantised.input_lsb:
        arrays["inputs.lsb"] = np.array(quantised.input_lsb)
    whole = set(groups_of(quantised.design)) <= set(quantised.word_lengths)
    if whole and quantised.convention.grid == "binary" and not _lacking(quantised.design):
        arrays |= {f"integer.{name}": value for name, value in integer_network(quantised).arrays().items()}
    try:
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    except OSError as error:
        raise OutputError(f"can't write {path}: {error.strerror or error}; choose another folder.") from error


def run_integer(network: IntegerNetwork, codes: np.ndarray) -> IntegerRun:
    """Run the integer model on input codes (T, S, D), whole numbers within the DAC's range.

    Raises ParameterError for another shape, or for a code that is not a whole number or out of range.
    """
    value = _checked_codes(network, codes)
    accumulators: dict[str, np.ndarray] = {}
    levels: dict[str, np.ndarray] = {}
    for layer in network.layers:
        shape = (*value.shape[:-1], len(layer.bias))
        out = np.empty((int(np.prod(shape[:-1])), shape[-1]), layer.bias.dtype)
        rows = np.ascontiguousarray(value.reshape(-1, value.shape[-1]).astype(np.int64))
        integer_affine(rows, layer.weight, layer.shift, layer.bias, layer.rectify, out)
        value = accumulators[layer.name] = out.reshape(shape)
        if layer.is_ladder:
            stages_on = _run_ladder(layer, value)
            levels[layer.name] = layer.levels[np.arange(len(layer.bias)), stages_on]
            value = layer.output[np.arange(len(layer.bias)), stages_on]
    return IntegerRun(accumulators, levels, value[-1] if network.pooled and value.ndim == 3 else value)


def _run_ladder(layer: IntegerLayer, candidates: np.ndarray) -> np.ndarray:
    n = np.zeros(candidates.shape[1:], dtype=np.int64)
    for given in (np.repeat(layer.preset[:, None, :], candidates.shape[1], axis=1), np.ascontiguousarray(candidates)):
        out = np.empty(given.shape, np.int16)
        integer_ladder(given, layer.up, layer.down, layer.stuck, layer.rest, n, out)
    return out


def _feed_forward(quantised: Quantised, layer: FeedForward, exponent: int, most: np.ndarray) -> IntegerLayer:
    weights, bias = (quantised.codes[layer.name, group] for group in ("readout_weights", "readout_bias"))
    effective = layer.synapses.trained_bias
    steps = [int((exponent_of(weights.lsb) + exponent).min()), int(exponent_of(bias.lsb))]
    return _affine(
        layer.name,
        weights.code,
        weights.lsb,
        effective,
        (exponent, min(steps), most),
        rectify=layer.rectifier is not None,
    )


def _ladder(
    quantised: Quantised, ladder: Ladder, exponent: int, most: np.ndarray
) -> tuple[IntegerLayer, int, np.ndarray]:
    """The layer, and the exponent and largest code of its output. Accumulators are in the unit of a ladder's row."""
    name, scale = ladder.name, ladder.synapses.scale[:, None]
    chip = next(layer for layer in quantised.chip().ladders if layer.name == name)
    used = [group for group in ("bias", "threshold", "width", "base", "shift") if (name, group) in quantised.codes]
    weights, output = quantised.codes[name, "weights"], quantised.codes[name, "output"]
    steps = [int(exponent_of(quantised.codes[name, group].lsb)) for group in used]
    least = min(*steps, int((exponent_of(weights.lsb) + exponent).min()))
    base = _affine(name, weights.code, weights.lsb, ladder.synapses.trained_bias * scale[:, 0], (exponent, least, most))
    stuck = ~np.isfinite(chip.down)
    up, down = (
        _whole(np.where(stuck & low, 0.0, table) * scale, least) for low, table in ((False, chip.up), (True, chip.down))
    )
    preset = np.where(preset_candidates(chip) > 0.0, up.max(axis=1), 0)
    bound = base.bound + int(max(np.abs(up).max(), np.abs(down).max()))
    # an eps = 0 ladder has levels -1 and 1: half the step current each, on a least step half as large
    whole_output = output.code[:, None] * ladder.levels
    built = IntegerLayer(
        name,
        base.weight,
        base.shift,
        base.bias.astype(_accumulator(bound)),
        least,
        bound,
        rest=ladder.return_to_zero,
        rectify=not ladder.return_to_zero,
        up=up,
        down=down,
        stuck=stuck,
        preset=preset,
        output=whole_output,
        levels=ladder.levels,
    )
    out_exponent = int(exponent_of(output.lsb)) - int(ladder.level_step == 2)
    return built, out_exponent, np.abs(whole_output).max(axis=1)


def _affine(
    name: str,
    codes: np.ndarray,
    lsb: np.ndarray,
    bias: np.ndarray,
    at: tuple[int, int, np.ndarray],
    *,
    rectify: bool = False,
) -> IntegerLayer:
    """`at`: exponent of the inputs, exponent of the accumulator, largest code of each input."""
    exponent, least, most = at
    shift = np.broadcast_to(np.ravel(exponent_of(lsb)) + exponent - least, len(codes)).astype(np.int64)
    whole = _whole(bias, least)
    sums = [sum(abs(int(w)) * int(x) for w, x in zip(row, most, strict=True)) for row in codes]
    bound = max((total << int(s)) + abs(int(b)) for total, s, b in zip(sums, shift, whole, strict=True))
    if bound.bit_length() > EXACT:
        raise ParameterError(
            f"{name} needs an accumulator of {bound.bit_length() + 1} bits, above {EXACT + 1}; "
            "use shorter word lengths, or one reference per layer."
        )
    small = np.int8 if np.abs(codes).max() <= np.iinfo(np.int8).max else np.int16
    return IntegerLayer(name, codes.astype(small), shift, whole.astype(_accumulator(bound)), least, bound, rectify)


def _accumulator(bound: int) -> type[np.signedinteger]:
    return np.int32 if bound <= np.iinfo(np.int32).max else np.int64


def _whole(value: np.ndarray, exponent: int) -> np.ndarray:
    """value / 2^exponent as int64; the values are whole multiples of it by construction."""
    scaled = np.ldexp(value, -exponent)
    assert np.array_equal(scaled, np.rint(scaled)), "a value is not a multiple of its least step"
    return scaled.astype(np.int64)


def _checked_codes(network: IntegerNetwork, codes: np.ndarray) -> np.ndarray:
    value = finite_array("codes", codes, (None, None, network.layers[0].weight.shape[1]))
    if value.size == 0:
        raise ParameterError("codes has no steps or no clips; give at least one.")
    bad = np.argwhere((value != np.rint(value)) | (np.abs(value) > network.input_limit))
    if len(bad):
        at = tuple(int(n) for n in bad[0])
        raise ParameterError(
            f"codes{list(at)} = {value[at]:g} is not a whole number within {network.input_limit}: "
            "encode inputs with Quantised.input_codes."
        )
    return value.astype(np.int64)
