"""The transistors of each subcircuit of circuits/gf180mcu that networks are made of.

A test compares the table with the subcircuits as flattened by their own files: every transistor, its W, its L and its
number of unit devices.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from analogrnn.biases import source_unit
from analogrnn.design import Design, Geometry

Kind = Literal["n", "p"]
Size = Literal["cell", "switch", "clamp", "source", "source cascode", "synapse", "cascode", "long"]

CASCODE = Geometry(10e-6, 1e-6)  # wc x lc of the weights' blocks
SOURCE_CASCODE = Geometry(0.625e-6, 1e-6)  # wc x lc of the reference and of the bias of a row, a unit device
LONG = Geometry(1e-6, 50e-6)  # diodes that make the gate lines of the cascodes


@dataclass(frozen=True)
class Transistor:
    """One transistor of a subcircuit.

    name   of the element without its X; `cell.m2` is element m2 of the subcircuit that element `cell` calls
    kind   "n" for nfet, "p" for pfet
    size   channel of a unit device: see `channel`
    units  unit devices in parallel: their number, or the parameter of the subcircuit that states it
    """

    name: str
    kind: Kind
    size: Size
    units: float | str = 1.0


def channel(design: Design, size: Size) -> Geometry:
    """W and L of a unit device, m, as the decks of a Design set them."""
    cell = design.sizing.cell
    return {
        "cell": cell,
        "switch": design.sizing.switch,
        "clamp": Geometry(cell.w / 4.0, 2.0 * cell.l),
        "source": source_unit(design),
        "source cascode": SOURCE_CASCODE,
        "synapse": design.sizing.synapse,
        "cascode": CASCODE,
        "long": LONG,
    }[size]


def _each(names: str, kind: Kind, size: Size, units: float | str = 1.0) -> tuple[Transistor, ...]:
    """Transistors that differ in nothing but their names, separated by blanks."""
    return tuple(Transistor(name, kind, size, units) for name in names.split())


def _inside(element: str, block: tuple[Transistor, ...]) -> tuple[Transistor, ...]:
    """The transistors of a subcircuit that `element` calls."""
    return tuple(replace(one, name=f"{element}.{one.name}") for one in block)


def _bias_line(line: str, source: str, diode: str) -> tuple[Transistor, ...]:
    """The copy of the reference that a bias line carries, and the diode that divides its current."""
    return (Transistor(source, "n", "source", f"p_{line}"), Transistor(diode, "p", "cell", f"k_{line}"))


_CELL = (*_each("m1 m2", "n", "cell"), *_each("m3 m4 m7", "p", "cell"), *_each("m5 m8", "p", "switch"))
_DPI = (*_each("md mw mi mt", "n", "cell"), *_each("mtau mol mor", "p", "cell"))
_BARE_BIAS = (
    *_bias_line("th", "rth", "bth"),
    *_bias_line("hyst", "rhyst", "bhyst"),
    *_bias_line("alpha", "ralpha", "balpha"),
    *_bias_line("base", "rbase", "bb"),
)
_WEIGHT = (Transistor("m", "n", "synapse", "ratio"), Transistor("c", "n", "cascode", "ratio"))

BLOCKS: Mapping[str, tuple[Transistor, ...]] = {
    "ladder_stage": (
        *_inside("cell", _CELL),
        *_each("m9 mu", "p", "cell"),
        Transistor("m10", "p", "switch"),
        *_inside("dpi", _DPI),
    ),
    "bare_stage": (*_inside("cell", _CELL), Transistor("mu", "p", "cell")),
    "ladder_line": (
        *_each("n1 n2 n3 sn dn", "n", "switch"),
        *_each("p1 p2 p3 sp dp rb rd rp rk", "p", "switch"),
        *_each("mb md mp mk", "p", "cell"),
        *_each("k1 k2", "n", "cell", 4.0),
        Transistor("k3", "n", "clamp"),
        *_each("u1 du", "n", "cell"),
        Transistor("u2", "n", "cell", "drive"),
        Transistor("u3", "p", "cell", "drive"),
    ),
    "ladder_end": (Transistor("d0", "p", "cell"), Transistor("dump", "n", "cell")),
    "ladder_bias": (
        *_BARE_BIAS,
        *_bias_line("on", "ron", "bon"),
        *_bias_line("tau", "rtau", "btau"),
        *_bias_line("gain", "rgain", "bgain"),
        *_bias_line("shift", "rs", "bs"),
    ),
    "bare_bias": _BARE_BIAS,
    "synapse_positive_cascode": _WEIGHT,
    "synapse_negative_cascode": _WEIGHT,
    "row_rail_cascode": (*_each("i o", "p", "synapse"), *_each("ci co", "p", "cascode")),
    "bias_sink_cascode": (Transistor("r", "n", "source", "p"), Transistor("c", "n", "source cascode", "p")),
    "input_diode_cascode": (Transistor("d", "n", "synapse"), Transistor("c", "n", "cascode")),
    "bias_reference_cascode": (Transistor("ref", "n", "source", "q"), Transistor("c", "n", "source cascode", "q")),
    "cascode_bias": (
        *_each("r1 r2", "n", "source", "p"),
        *_each("pd po", "p", "cell"),
        Transistor("p", "p", "long"),
        Transistor("n", "n", "long"),
    ),
    "absolute": (
        *_each("mp d2 o2", "p", "cell"),
        *_each("mn d", "n", "cell"),
        *_each("cd2 co2", "p", "cascode"),
        Transistor("cd", "n", "cascode"),
    ),
    "soft_threshold": (
        *_each("mp e3 e4 d2 o2", "p", "cell"),
        *_each("mn e1 d1 o1 e2", "n", "cell"),
        *_each("ce3 ce4 cd2 co2", "p", "cascode"),
        *_each("ce1 ce2", "n", "cascode"),
    ),
    "soft_bias": (
        *_each("v1 v2 v3 v4", "p", "long"),
        *_each("r1 r2", "n", "source", "units"),
        *_each("pd po p", "p", "cell", "units"),
        Transistor("n", "n", "cell", "units"),
    ),
}
# of ladder_line: gates of the candidate to the line and to its dummy branch, which carries the standing current too
PULSE_SHAPER = frozenset({"n1", "p1", "sn", "sp", "dn", "dp", "md", "rd", "du"})
