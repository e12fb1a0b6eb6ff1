"""Vector lanes for numba: 16 lanes of 32 bits or 8 of 64 as one value, in registers, on any CPU.

    from analogrnn.kernels.simd.compiled import compiled
    from analogrnn.kernels.simd.functions import any_of, fused, where
    from analogrnn.kernels.simd.lanes import load, store

    @compiled(nogil=True)
    def decay(x, rate, out):                    # C-contiguous float32 (T, S), S a multiple of 16
        for t in range(len(x)):
            for s in range(0, x.shape[1], 16):
                v = load(x, (t, s))             # 16 lanes of float32; of float64 it would be 8
                low = v < 0.5                   # a mask
                if any_of(low):
                    v = where(low, v * rate, v)
                store(out, (t, s), fused(v, rate, 1.0))

A value is one vector of LLVM, of no particular machine: a smaller CPU takes two or four of its registers for it. A loop
that the compiler vectorises, in contrast, is held to 256 bits on CPUs that could do 512, and looks up by selections.

Operators  + - * / and unary -, < <= > >= == !=, & | ^ ~ << >> between lanes, or lanes and a scalar, which is cast to
           their kind. Each rounds once, as in scalar code: nothing is contracted. Integers wrap around; shifts go by
           the kind's sign. `v += w` works. An `if` needs `any_of`. They are those of lane_types.py.
Functions  of memory, and what makes lanes, are here; those of lanes and masks are in functions.py
Kinds      float32, int32, uint32, uint8 (16 lanes in a quarter of a register), float64, int64, uint64, masks
Not        bounds checks: the caller's arrays must have room. Slices other than C-contiguous ones. JIT switched off
Source     the LLVM language reference, vector types; numba's guide to `intrinsic` and `lower_builtin`
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.extending import intrinsic
from numba.core.registry import cpu_target

from analogrnn.kernels.simd.lane_types import REGISTER, WORD, Lanes, as_lanes, element_of, full_lanes, vector_of


def features() -> frozenset[str]:
    """What numba's compiler knows of this CPU, in LLVM's names."""
    _, _, known = cpu_target.target_context.codegen().magic_tuple()
    return frozenset(word[1:] for word in known.split(",") if word.startswith("+"))


def vector_bits() -> int:
    """Return the width of a register of floats: 512, 256 or 128."""
    return 512 if "avx512f" in features() else 256 if "avx2" in features() else 128


FULL = vector_bits() == 8 * REGISTER  # a full vector is one register

# ---------------------------------------------------------------- memory


def _pointer(context: Any, builder: Any, array: tuple[Any, Any], at: tuple[Any, Any], lanes: Lanes) -> Any:
    kind, value = at
    parts = cgutils.unpack_tuple(builder, value) if isinstance(kind, types.BaseTuple) else [value]
    kinds = list(kind) if isinstance(kind, types.BaseTuple) else [kind]
    index = [context.cast(builder, p, k, types.intp) for p, k in zip(parts, kinds, strict=True)]
    made = context.make_array(array[0])(context, builder, array[1])
    place = cgutils.get_item_pointer(context, builder, array[0], made, index)
    return builder.bitcast(place, vector_of(lanes).as_pointer())


def _checked(name: str, array: Any, at: Any) -> Lanes:
    parts = list(at) if isinstance(at, types.BaseTuple) else [at]
    if not isinstance(array, types.Array) or array.layout != "C":
        raise TypingError(f"{name}: {array} is no C-contiguous array")
    if len(parts) != array.ndim or not all(isinstance(p, types.Integer) for p in parts):
        raise TypingError(f"{name}: {at} is no index of {array}")
    return full_lanes(array.dtype)


@intrinsic
def load(_, array, at):
    """Return the full vector of lanes that starts at index `at` (an integer, or a tuple of them) of an array."""
    lanes = _checked("load", array, at)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _pointer(context, builder, (sig.args[0], args[0]), (sig.args[1], args[1]), lanes)
        return builder.load(place, align=lanes.kind.bitwidth // 8)

    return lanes(array, at), codegen


@intrinsic
def spread(_, array, at):
    """Return a full vector whose lanes are all the element at index `at` of an array: part of an instruction."""
    lanes = _checked("spread", array, at)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _pointer(context, builder, (sig.args[0], args[0]), (sig.args[1], args[1]), lanes)
        one = builder.load(builder.bitcast(place, element_of(lanes.kind).as_pointer()))
        return as_lanes(context, builder, one, lanes.kind, lanes)

    return lanes(array, at), codegen


@intrinsic
def store(_, array, at, value):
    """Write lanes, full or fewer, to an array of their kind, from index `at` on."""
    if not isinstance(value, Lanes) or value.kind != _checked("store", array, at).kind:
        raise TypingError(f"store: {value} doesn't go into {array}")
    lanes = value

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _pointer(context, builder, (sig.args[0], args[0]), (sig.args[1], args[1]), sig.args[2])
        builder.store(args[2], place, align=lanes.kind.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, at, value), codegen


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return zeros that start at a multiple of 64 bytes: a vector across two cache lines costs two loads."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + REGISTER, dtype=np.uint8)
    start = -raw.__array_interface__["data"][0] % REGISTER
    return raw[start : start + size].view(dtype).reshape(shape)


# ---------------------------------------------------------------- making and changing lanes


@intrinsic
def splat(_, value, like):
    """Return a full vector whose lanes are all `value`, of the kind `like`, a type as np.float32."""
    lanes = full_lanes(like.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return as_lanes(context, builder, args[0], sig.args[0], lanes)

    return lanes(value, like), codegen


@intrinsic
def ramp(_, like):
    """Return the lanes 0, 1, 2, .. of the kind `like`, a type as np.int32."""
    lanes = full_lanes(like.dtype)

    def codegen(*_: Any) -> Any:
        return ir.Constant(vector_of(lanes), [ir.Constant(element_of(lanes.kind), j) for j in range(lanes.count)])

    return lanes(like), codegen


@intrinsic
def converted(_, value, kind):
    """Return the same numbers as another kind, lane by lane; floats to integers are cut towards zero."""
    source, target = value, Lanes(kind.dtype, value.count)

    def codegen(_: Any, builder: Any, __: Any, args: Any) -> Any:
        return _convert(builder, args[0], source.kind, target)

    return target(value, kind), codegen


def _convert(builder: Any, value: Any, source: Any, target: Lanes) -> Any:
    kind, vector = target.kind, vector_of(target)
    if isinstance(source, types.Float):
        if isinstance(kind, types.Float):
            grows = kind.bitwidth >= source.bitwidth
            return value if kind == source else (builder.fpext if grows else builder.fptrunc)(value, vector)
        return (builder.fptosi if kind.signed else builder.fptoui)(value, vector)
    signed = isinstance(source, types.Integer) and source.signed
    if isinstance(kind, types.Float):
        return (builder.sitofp if signed else builder.uitofp)(value, vector)
    width = 1 if isinstance(source, types.Boolean) else source.bitwidth
    if kind.bitwidth == width:
        return value
    if kind.bitwidth < width:
        return builder.trunc(value, vector)
    return (builder.sext if signed else builder.zext)(value, vector)


@intrinsic
def reinterpreted(_, value, kind):
    """Return the same bits as another kind; the number of lanes follows from its size."""
    target = Lanes(kind.dtype, value.count * value.kind.bitwidth // kind.dtype.bitwidth)

    def codegen(_: Any, builder: Any, __: Any, args: Any) -> Any:
        return builder.bitcast(args[0], vector_of(target))

    return target(value, kind), codegen


@intrinsic
def take(_, table, index):
    """Return lane `index` of `table` in each lane: a table of 16 in one register. 0 <= index < count is up to you."""
    if not isinstance(table, Lanes) or not isinstance(index, Lanes) or table.count != index.count:
        raise TypingError(f"take: {index} doesn't index {table}")

    def codegen(_: Any, builder: Any, __: Any, args: Any) -> Any:
        if vector_bits() == 256 and table.kind == types.float32:
            return _take_by_halves(builder, *args)
        # LLVM knows this pattern as a permutation, one instruction where there is one
        out = ir.Constant(vector_of(table), ir.Undefined)
        for j in range(table.count):
            one = builder.extract_element(args[0], builder.extract_element(args[1], WORD(j)))
            out = builder.insert_element(out, one, WORD(j))
        return out

    return table(table, index), codegen


def _take_by_halves(builder: Any, table: Any, index: Any) -> Any:
    """`take` of 16 lanes of float32 where a register holds 8: two permutations and a selection for each half.

    LLVM would go through memory, lane by lane.
    """
    low, high = _half(builder, table, 0), _half(builder, table, 1)
    parts = []
    for j in range(2):
        own = _half(builder, index, j)
        above = builder.icmp_signed(">", own, ir.Constant(own.type, [WORD(7)] * 8))
        parts.append(builder.select(above, _permuted(builder, high, own), _permuted(builder, low, own)))
    return _joined(builder, parts)


@intrinsic
def look_up(_, array, at, index):
    """Return, in each lane, element `at` + index % 8 of an array of float32: of eight that lie in one piece."""
    lanes = _checked("look_up", array, at)
    if lanes.kind != types.float32 or index != Lanes(types.int32, lanes.count):
        raise TypingError(f"look_up: {index} doesn't index {array}")

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _pointer(context, builder, (sig.args[0], args[0]), (sig.args[1], args[1]), lanes)
        if vector_bits() >= 256:
            eight = builder.bitcast(place, ir.VectorType(ir.FloatType(), 8).as_pointer())
            table = builder.load(eight, align=4)
            return _joined(builder, [_permuted(builder, table, _half(builder, args[2], j)) for j in range(2)])
        first = builder.bitcast(place, ir.FloatType().as_pointer())
        within = builder.and_(args[2], ir.Constant(args[2].type, [WORD(7)] * lanes.count))
        out = ir.Constant(vector_of(lanes), ir.Undefined)
        for j in range(lanes.count):
            one = builder.load(builder.gep(first, [builder.extract_element(within, WORD(j))]))
            out = builder.insert_element(out, one, WORD(j))
        return out

    return lanes(array, at, index), codegen


def _half(builder: Any, value: Any, high: int) -> Any:
    places = ir.Constant(ir.VectorType(WORD, 8), [WORD(8 * high + j) for j in range(8)])
    return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), places)


def _joined(builder: Any, halves: Any) -> Any:
    return builder.shuffle_vector(*halves, ir.Constant(ir.VectorType(WORD, 16), [WORD(j) for j in range(16)]))


def _permuted(builder: Any, table: Any, index: Any) -> Any:
    """Eight floats of a table of eight, by the lowest three bits of each index: one instruction of AVX2."""
    kind = ir.FunctionType(table.type, [table.type, index.type])
    permute = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx2.permps")
    return builder.call(permute, [table, index])


@intrinsic
def lane(_, value, j):
    """Return lane `j` as a scalar."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.extract_element(args[0], context.cast(builder, args[1], sig.args[1], types.int32))

    return value.kind(value, j), codegen
