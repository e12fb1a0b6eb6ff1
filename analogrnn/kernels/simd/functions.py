"""Functions of vector lanes, lane by lane, and what is asked of masks. See kernels/simd/lanes.py for how they are used.

Source  the LLVM language reference, intrinsics for vectors
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.extending import intrinsic

from analogrnn.kernels.simd.lane_types import Lanes, as_lanes, compare, is_float, joint_lanes, mask_of, vector_of
from analogrnn.kernels.simd.lanes import features


@intrinsic
def fused(_, a, b, c):
    """Return a b + c: rounded once where the CPU has such an instruction, else twice."""
    return _call("llvm.fmuladd", a, b, c)


@intrinsic
def rotated(_, value, places):
    """Return whole numbers with their bits turned to the right by as many places, lane by lane."""
    if not isinstance(value, Lanes) or is_float(value) or places != value:
        raise TypingError(f"rotated: {value} is not turned by {places}")

    def codegen(_: Any, builder: Any, __: Any, args: Any) -> Any:
        vector = vector_of(value)
        kind = ir.FunctionType(vector, [vector] * 3)
        name = f"llvm.fshr.v{value.count}i{value.kind.bitwidth}"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [args[0], *args])

    return value(value, places), codegen


@intrinsic
def divided(_, a, divisor):
    """Return a / divisor, correctly rounded as by `/`, for a divisor (scalar) that all lanes share: five times as fast.

    By two fused corrections of a times 1 / divisor: Markstein 1990, IBM Journal of Research and Development 34(1):111.
    Not for quotients near overflow or underflow. A CPU without fused products divides.
    """
    if not isinstance(a, Lanes) or not is_float(a) or not isinstance(divisor, types.Float):
        raise TypingError(f"divided: {a} is not divided by {divisor}")
    name = f"llvm.fma.v{a.count}f{a.kind.bitwidth}"

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        by = as_lanes(context, builder, args[1], sig.args[1], a)
        if "fma" not in features():
            return builder.fdiv(args[0], by)
        vector = vector_of(a)
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
        part = builder.fdiv(as_lanes(context, builder, context.get_constant(a.kind, 1.0), a.kind, a), by)
        quotient = builder.fmul(args[0], part)
        for _ in range(2):
            rest = builder.call(fma, [builder.fneg(by), quotient, args[0]])
            quotient = builder.call(fma, [rest, part, quotient])
        return quotient

    return a(a, divisor), codegen


@intrinsic
def square_root(_, a):
    """Return the square root, correctly rounded."""
    return _call("llvm.sqrt", a)


@intrinsic
def signed(_, size, sign):
    """Return the magnitude of `size` with the sign of `sign`."""
    return _call("llvm.copysign", size, sign)


@intrinsic
def floor(_, a):
    """Return the largest whole number that is not above `a`, as a float."""
    return _call("llvm.floor", a)


@intrinsic
def magnitude(_, a):
    """Return |a| of floats."""
    return _call("llvm.fabs", a)


def _call(name: str, *given: Any) -> Any:
    """The signature and code of an LLVM intrinsic of floats whose arguments are all of one type."""
    lanes = joint_lanes(*given)
    if lanes is None or not is_float(lanes):
        raise TypingError(f"{name} takes lanes of one kind of float, not {', '.join(map(str, given))}")
    bits = {types.float32: "f32", types.float64: "f64"}[lanes.kind]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = vector_of(lanes)
        kind = ir.FunctionType(vector, [vector] * len(given))
        function = cgutils.get_or_insert_function(builder.module, kind, f"{name}.v{lanes.count}{bits}")
        return builder.call(
            function, [as_lanes(context, builder, v, t, lanes) for v, t in zip(args, sig.args, strict=True)]
        )

    return lanes(*given), codegen


def _nearer(sign: str) -> Any:
    def build(_: Any, a: Any, b: Any) -> Any:
        lanes = joint_lanes(a, b)
        if lanes is None:
            raise TypingError(f"takes lanes of one kind, not {a} and {b}")

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, y = (as_lanes(context, builder, v, t, lanes) for v, t in zip(args, sig.args, strict=True))
            return builder.select(compare(sign)(builder, lanes, x, y), x, y)

        return lanes(a, b), codegen

    return build


@intrinsic
def least(context, a, b):
    """Return the smaller, lane by lane; `b` if either is NaN."""
    return _nearer("<")(context, a, b)


@intrinsic
def most(context, a, b):
    """Return the larger, lane by lane; `b` if either is NaN."""
    return _nearer(">")(context, a, b)


# ---------------------------------------------------------------- masks


@intrinsic
def where(_, mask, yes, no):
    """Return `yes` where the mask is set, else `no`; one of them may be a scalar."""
    lanes = joint_lanes(yes, no)
    if lanes is None or mask != mask_of(lanes):
        raise TypingError(f"where: {mask} doesn't choose between {yes} and {no}")

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pair = (as_lanes(context, builder, v, t, lanes) for v, t in zip(args[1:], sig.args[1:], strict=True))
        return builder.select(args[0], *pair)

    return lanes(mask, yes, no), codegen


@intrinsic
def bits_of(_, mask):
    """Return a mask as a whole number (uint32), lane 0 in its lowest bit."""

    def codegen(_: Any, builder: Any, __: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(mask.count)), ir.IntType(32))

    return types.uint32(mask), codegen


@intrinsic
def any_of(_, mask):
    """Return whether any lane of the mask is set."""

    def codegen(_: Any, builder: Any, __: Any, args: Any) -> Any:
        whole = ir.IntType(mask.count)
        return builder.icmp_unsigned("!=", builder.bitcast(args[0], whole), whole(0))

    return types.boolean(mask), codegen


@intrinsic
def first_of(_, bits):
    """Return the place of the lowest bit (int64) that is set in a whole number (uint32) other than zero."""

    def codegen(_: Any, builder: Any, __: Any, args: Any) -> Any:
        word = ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(word, [word, ir.IntType(1)]), "llvm.cttz.i32"
        )
        return builder.zext(builder.call(function, [args[0], ir.IntType(1)(1)]), ir.IntType(64))

    return types.int64(types.uint32), codegen
