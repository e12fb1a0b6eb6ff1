"""The type of vector lanes for numba, and its operators. See kernels/simd/lanes.py for how it is used."""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import PrimitiveModel, register_default
from numba.core.extending import lower_builtin, type_callable

REGISTER = 64  # bytes of a full vector
WORD = ir.IntType(32)


class Lanes(types.Type):
    """`count` lanes of a numba scalar type `kind`; a mask is lanes of booleans."""

    def __init__(self, kind: Any, count: int) -> None:
        self.kind, self.count = kind, count
        super().__init__(name=f"Lanes({kind}, {count})")

    @property
    def key(self) -> tuple[Any, int]:
        return self.kind, self.count


@register_default(Lanes)
class _LanesModel(PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, ir.VectorType(element_of(lanes.kind), lanes.count))


def element_of(kind: Any) -> ir.Type:
    if kind == types.float32:
        return ir.FloatType()
    if kind == types.float64:
        return ir.DoubleType()
    return ir.IntType(1 if kind == types.boolean else kind.bitwidth)


def vector_of(lanes: Lanes) -> ir.VectorType:
    return ir.VectorType(element_of(lanes.kind), lanes.count)


def mask_of(lanes: Lanes) -> Lanes:
    return Lanes(types.boolean, lanes.count)


def full_lanes(dtype: Any) -> Lanes:
    """The lanes that an array of this type is loaded in."""
    return Lanes(dtype, REGISTER // 8 if dtype.bitwidth == 64 else REGISTER // 4)


def _spread(builder: Any, value: Any, count: int) -> Any:
    """A vector of one scalar."""
    vector = ir.VectorType(value.type, count)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, WORD(0))
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), ir.Constant(ir.VectorType(WORD, count), None))


def as_lanes(context: Any, builder: Any, value: Any, source: Any, target: Lanes) -> Any:
    """Lanes as they are; a scalar cast to the kind and spread."""
    if isinstance(source, Lanes):
        return value
    return _spread(builder, context.cast(builder, value, source, target.kind), target.count)


def joint_lanes(*given: Any) -> Lanes | None:
    """The one type of lanes among the arguments, if all the others are numbers."""
    lanes = {a for a in given if isinstance(a, Lanes)}
    others = [a for a in given if not isinstance(a, Lanes)]
    if len(lanes) != 1 or not all(isinstance(a, (types.Number, types.Boolean)) for a in others):
        return None
    return next(iter(lanes))


# ---------------------------------------------------------------- operators


def is_float(lanes: Lanes) -> bool:
    return isinstance(lanes.kind, types.Float)


def _arithmetic(floating: str, integer: str) -> Callable[[Any, Lanes, Any, Any], Any]:
    def build(builder: Any, lanes: Lanes, a: Any, b: Any) -> Any:
        return getattr(builder, floating if is_float(lanes) else integer)(a, b)

    return build


def compare(sign: str) -> Callable[[Any, Lanes, Any, Any], Any]:
    def build(builder: Any, lanes: Lanes, a: Any, b: Any) -> Any:
        if is_float(lanes):
            return (builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered)(sign, a, b)
        signed = isinstance(lanes.kind, types.Integer) and lanes.kind.signed
        return (builder.icmp_signed if signed else builder.icmp_unsigned)(sign, a, b)

    return build


def _shift_right(builder: Any, lanes: Lanes, a: Any, b: Any) -> Any:
    return (builder.ashr if lanes.kind.signed else builder.lshr)(a, b)


_FLOATS, _INTEGERS, _MASKS = types.Float, types.Integer, types.Boolean
_ANY = (_FLOATS, _INTEGERS)
_BITS = (_INTEGERS, _MASKS)
# operator, its in-place form: kinds that have it, what it builds
_BINARY: list[tuple[Any, Any, tuple[type, ...], Callable[[Any, Lanes, Any, Any], Any]]] = [
    (operator.add, operator.iadd, _ANY, _arithmetic("fadd", "add")),
    (operator.sub, operator.isub, _ANY, _arithmetic("fsub", "sub")),
    (operator.mul, operator.imul, _ANY, _arithmetic("fmul", "mul")),
    (operator.truediv, operator.itruediv, (_FLOATS,), _arithmetic("fdiv", "")),
    (operator.and_, operator.iand, _BITS, _arithmetic("", "and_")),
    (operator.or_, operator.ior, _BITS, _arithmetic("", "or_")),
    (operator.xor, operator.ixor, _BITS, _arithmetic("", "xor")),
    (operator.lshift, operator.ilshift, (_INTEGERS,), _arithmetic("", "shl")),
    (operator.rshift, operator.irshift, (_INTEGERS,), _shift_right),
]
_COMPARISONS = [
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.gt, ">"),
    (operator.ge, ">="),
    (operator.eq, "=="),
    (operator.ne, "!="),
]


def _register_binary(function: Any, kinds: tuple[type, ...], build: Any, *, compares: bool) -> None:
    @type_callable(function)
    def typed(_: Any) -> Any:
        def typer(a: Any, b: Any) -> Lanes | None:
            lanes = joint_lanes(a, b)
            if lanes is None or not isinstance(lanes.kind, kinds):
                return None
            return mask_of(lanes) if compares else lanes

        return typer

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lanes = joint_lanes(*sig.args)
        assert lanes is not None
        return build(
            builder, lanes, *(as_lanes(context, builder, v, t, lanes) for v, t in zip(args, sig.args, strict=True))
        )

    for shape in ((Lanes, Lanes), (Lanes, types.Any), (types.Any, Lanes)):
        lower_builtin(function, *shape)(lower)


def _register_unary(function: Any, kinds: tuple[type, ...], build: Any) -> None:
    @type_callable(function)
    def typed(_: Any) -> Any:
        def typer(a: Any) -> Lanes | None:
            return a if isinstance(a, Lanes) and isinstance(a.kind, kinds) else None

        return typer

    @lower_builtin(function, Lanes)
    def lower(_: Any, builder: Any, sig: Any, args: Any) -> Any:
        return build(builder, sig.args[0], args[0])


for _function, _in_place, _kinds, _build in _BINARY:
    _register_binary(_function, _kinds, _build, compares=False)
    _register_binary(_in_place, _kinds, _build, compares=False)
for _function, _sign in _COMPARISONS:
    _register_binary(_function, _ANY, compare(_sign), compares=True)
_register_unary(operator.neg, _ANY, lambda builder, lanes, a: (builder.fneg if is_float(lanes) else builder.neg)(a))
_register_unary(operator.invert, _BITS, lambda builder, _, a: builder.not_(a))
