"""Step level of many chips: their classes at the last step, or their outputs, without the candidates in between.

Each class, and each output, equals that of `simulate` for the same chip. A chip for which rounding could have decided a
comparison is computed again by `simulate` itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analogrnn.chip import ChipFactory, ChipTables
from analogrnn.compilation import require_compiler
from analogrnn.design import Design, FeedForward, Ladder
from analogrnn.deviations import preset_pulses
from analogrnn.kernels.noisy_ladder import campaign_work, ladder_campaign
from analogrnn.kernels.readout import readout_classes
from analogrnn.kernels.simd.lanes import aligned
from analogrnn.noise import candidate_noise
from analogrnn.simulate.steps import StepRun, noise_keys, simulate
from analogrnn.wiring import INPUT

_TIE = (
    1e-11  # if two logits differ by less than this fraction of the sum of their terms' magnitudes, `simulate` decides
)


@dataclass(frozen=True, eq=False)
class PackedInputs:
    """Inputs of one layer for the kernel: in float32 as vectors of 16 samples, and as given."""

    vectors: np.ndarray  # (V, T', D, 16), T' = T rounded up to an even number
    source: np.ndarray  # (T, S, D)
    reach: np.ndarray  # (D,) largest magnitude of each input

    @classmethod
    def of(cls, value: np.ndarray) -> "PackedInputs":
        """Pack inputs (T, S, D), with zeros for missing samples of the last vector and for an additional step."""
        steps, samples, inputs = value.shape
        vectors = aligned((-(-samples // 16), steps + steps % 2, inputs, 16), np.float32)
        for v, part in enumerate(vectors):
            some = value[:, 16 * v : 16 * v + 16]
            part[:steps, :, : some.shape[1]] = some.transpose(0, 2, 1)
        return cls(vectors, np.ascontiguousarray(value), np.abs(value).max(axis=(0, 1)))


class ChipBatch:
    """One design on one set of clips, prepared to classify any of its chips. Thread-safe: calls do not change it.

    seed, noise and scale are those of montecarlo.Variability. Memory depends only on the clips and on the number of
    chips in one call. Raises ParameterError for inputs that do not fit, MissingDependencyError if numba's compiler is
    switched off.
    """

    def __init__(self, design: Design, x: np.ndarray, seed: int, noise: bool, scale: float) -> None:
        require_compiler("a campaign of chips")
        self._design, self._seed, self._scale = design, seed, scale
        self._value = design.layers[0].synapses.checked(x, samples=True)
        self._factory = ChipFactory(design, seed, scale)
        self._ladders = [j for j, layer in enumerate(design.layers) if isinstance(layer, Ladder)]
        self._lanes = PackedInputs.of(self._value) if self._ladders[:1] == [0] else None
        # the kernel has constant thresholds; with input-dependent ones every chip takes the general path
        self._soft = any(ladder.gate is not None for ladder in design.ladders)
        readout = design.layers[-1]
        # all chips share the inputs of a ladder layer that only the inputs drive
        self._is_alone = self._lanes is not None and self._ladders == [0] and self._reads_last()
        self._is_linear = (
            self._is_alone and len(design.layers) == 2 and isinstance(readout, FeedForward) and not readout.rectifier
        )
        self._noise = seed if noise else None

    def _reads_last(self) -> bool:
        """Whether the outputs follow from the last layer of ladders at the last step alone."""
        design = self._design
        return bool(design.pooling) and design.wiring.is_chain and design.pooling_mode == "last"

    def classes(self, numbers: np.ndarray) -> np.ndarray:
        """(C, S) int64 classes of the samples on chips `numbers` (C,) uint64."""
        if self._soft:
            return np.stack([self._plain(int(number)).classes for number in numbers])
        tables = self._factory.tables(numbers)
        found = np.empty((len(numbers), self._value.shape[1]), dtype=np.int64)
        doubtful = np.zeros(len(numbers), dtype=np.bool_)
        first = None
        if self._lanes is not None and self._is_alone:
            first = self._run(0, self._lanes, tables[0], numbers, doubtful, every=False)
        if first is not None and self._is_linear:
            _classify(first, tables, found, doubtful)
        else:
            for row in range(len(numbers)):
                own = [_row(table, row) for table in tables]
                value = None if first is None else _outputs(own[0], first[row])
                found[row] = self._readout(own, value, numbers[row : row + 1], doubtful[row : row + 1])
        for j in np.flatnonzero(doubtful):
            found[j] = self._plain(int(numbers[j])).classes
        return found

    def outputs(self, numbers: np.ndarray) -> Iterator[np.ndarray]:
        """Outputs (S, O), or (T, S, O) without pooling, of each of the chips `numbers` (C,) uint64, one by one."""
        if self._soft:
            for number in numbers:
                yield self._plain(int(number)).logits
            return
        tables = self._factory.tables(numbers)
        doubtful = np.zeros(len(numbers), dtype=np.bool_)
        first = None
        if self._lanes is not None and self._is_alone:
            first = self._run(0, self._lanes, tables[0], numbers, doubtful, every=False)
        for row in range(len(numbers)):
            own, at = [_row(table, row) for table in tables], slice(row, row + 1)
            value = None if first is None else _outputs(own[0], first[row])
            found, _ = self._read(own, value, numbers[at], doubtful[at])
            if doubtful[row]:
                yield self._plain(int(numbers[row])).logits
            else:
                yield self._design.pooled(found) if found.ndim == 3 else found

    def _plain(self, number: int) -> StepRun:
        return simulate(self._factory.chip(number), self._value, noise_seed=self._noise)

    def _readout(
        self, tables: list[ChipTables], value: np.ndarray | None, number: np.ndarray, doubtful: np.ndarray
    ) -> np.ndarray:
        """(S,) classes of one chip; see `_read`."""
        return self._choose(*self._read(tables, value, number, doubtful), doubtful)

    def _read(
        self, tables: list[ChipTables], value: np.ndarray | None, number: np.ndarray, doubtful: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Outputs of one chip, (S, O) or (T, S, O) before the pooling, and the sum of their terms' magnitudes.

        `value`: outputs (S, d) of its only ladder layer at the last step, if known.
        """
        design, wiring = self._design, self._design.wiring
        start = 0 if value is None else 1
        values = {INPUT: self._value} if value is None else {design.layers[0].name: value}
        size = np.empty(0)
        for j in range(start, len(tables)):
            layer, table = design.layers[j], tables[j]
            value = wiring.gather(layer.name, values)
            if isinstance(layer, FeedForward):
                if layer.name == wiring.last:
                    size = np.abs(value) @ np.abs(table.weight[0]).T + np.abs(table.bias[0])
                value = value @ table.weight[0].T + table.bias[0]
                values[layer.name] = np.maximum(value, 0.0) if layer.rectifier is not None else value
                continue
            last = j == self._ladders[-1] and self._reads_last()
            lanes = self._lanes if j == 0 and self._lanes is not None else PackedInputs.of(value)
            values[layer.name] = _outputs(table, self._run(j, lanes, table, number, doubtful, every=not last)[0])
            size = np.abs(values[layer.name]) if layer.name == wiring.last else size
        return values[wiring.last], size

    def _choose(self, value: np.ndarray, size: np.ndarray, doubtful: np.ndarray) -> np.ndarray:
        """(S,) classes from outputs (S, classes) or (T, S, classes), each a sum of terms of magnitudes `size`."""
        pooled = self._design.pooled(value) if value.ndim == 3 else value
        if self._design.pooling_mode == "vote":  # votes are counted without rounding
            doubtful |= _tied(value, size)
        else:
            doubtful |= _tied(pooled, size.max(axis=0) if size.ndim == 3 else size)
        return np.asarray(np.argmax(pooled, axis=1))

    def _run(
        self, j: int, lanes: PackedInputs, table: ChipTables, numbers: np.ndarray, doubtful: np.ndarray, *, every: bool
    ) -> np.ndarray:
        """Stages ON of ladder layer j: (C, S, d) after the last step, or (C, T, S, d) after each."""
        ladder = self._design.layers[j]
        assert isinstance(ladder, Ladder)
        unit = self._design.candidate_units(ladder.synapses)
        sigma = candidate_noise(self._design, ladder) / unit
        noisy = self._noise is not None and bool(np.any(sigma > 0.0))
        (steps, samples), chips = lanes.source.shape[:2], len(numbers)
        last = np.empty((chips, samples, ladder.width), dtype=np.int16)
        each = np.empty((chips, steps, samples, ladder.width) if every else (0, 0, 0, 0), dtype=np.int16)
        ladder_campaign(
            lanes.vectors,
            lanes.source,
            False,
            (table.weight, table.bias),
            (table.up, table.down),
            (sigma, preset_pulses(ladder, unit), lanes.reach),
            np.array([ladder.return_to_zero, not ladder.return_to_zero, noisy]),
            noise_keys(self._noise or 0, ladder.name),
            numbers,
            campaign_work(lanes.vectors, ladder.width, noisy),
            last,
            each,
            doubtful,
        )
        return each if every else last


def _tied(value: np.ndarray, size: np.ndarray) -> bool:
    """Whether two of the largest values (..., classes) differ by so little that rounding could have decided."""
    if value.shape[-1] == 1:
        return False
    best = np.partition(value, -2, axis=-1)[..., -2:]
    return bool(np.any(best[..., 1] - best[..., 0] <= _TIE * size.max(axis=-1)))


def _row(table: ChipTables, row: int) -> ChipTables:
    """The tables of one chip of many; the axis of chips has length one."""

    def part(a: np.ndarray) -> np.ndarray:
        return a[row : row + 1] if len(a) > 1 else a

    up, down, output = (None if a is None else part(a) for a in (table.up, table.down, table.output))
    return ChipTables(part(table.weight), part(table.bias), up, down, output)


def _classify(level: np.ndarray, tables: list[ChipTables], found: np.ndarray, doubtful: np.ndarray) -> None:
    """Fill `found` (C, S) with the classes by a linear readout of the levels (C, S, d) of a ladder layer."""
    ladder, readout = tables
    assert ladder.output is not None
    width = -(-readout.weight.shape[1] // 8) * 8
    table, logits = aligned((*ladder.output.shape[1:], width), np.float64), np.zeros(width)
    readout_classes(level, ladder.output, readout.weight, readout.bias, _TIE, table, logits, found, doubtful)


def _outputs(table: ChipTables, stages_on: np.ndarray) -> np.ndarray:
    """(.., d) outputs of a ladder layer for a number of stages ON (.., d)."""
    assert table.output is not None
    return np.asarray(table.output[0][np.arange(stages_on.shape[-1]), stages_on])
