"""A SPICE deck as a record: its contents, how to change them, and its text. This module runs nothing.

Numbers have plain exponents, because in ngspice `1M` is 1e-3 and `1F` is a femtofarad. Names are checked identifiers. A
deck holds no path, no date and no command, so that the same Design always gives the same bytes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from analogrnn.errors import DeckError


def number(value: float) -> str:
    """A finite number with ten significant digits and a plain exponent. Raises DeckError for NaN or infinity."""
    if not math.isfinite(value):
        raise DeckError(f"deck value = {value!r} is not finite; check the design.")
    return f"{float(value):.10g}"


@dataclass(frozen=True)
class Tran:
    """A transient analysis. Times in s.

    step     suggested time step, and the resolution of printed output
    stop     end of the run
    longest  largest time step; None: the simulator's own choice
    uic      start from the elements' initial conditions instead of an operating point
    """

    step: float
    stop: float
    longest: float | None = None
    uic: bool = False

    def __str__(self) -> str:
        fields = [".tran", number(self.step), number(self.stop)]
        fields += ["0", number(self.longest)] if self.longest is not None else []
        return " ".join([*fields, "uic"] if self.uic else fields)


@dataclass(frozen=True)
class Subcircuit:
    """One `.subckt`; `ports` are separated by blanks, each statement carries its own continuation lines."""

    name: str
    ports: str
    statements: tuple[str, ...]

    def with_elements(self, *statements: str, before: str | None = None) -> "Subcircuit":
        """The subcircuit with each statement in place of the element of the same name, or added; see `Deck`."""
        return replace(self, statements=_changed(self.statements, statements, before))

    def __str__(self) -> str:
        return "\n".join([f".subckt {self.name} {self.ports}", *self.statements, f".ends {self.name}"])


Element = str | Subcircuit
E = TypeVar("E", bound=Element)


@dataclass(frozen=True, eq=False)
class Deck:
    """One circuit with one analysis. Change a deck by its methods or by `dataclasses.replace`, not by its text.

    title        the first line, without the `*`
    elements     subcircuits, statements (with their continuation lines) and comments of the circuit, in order
    analysis     a transient, or one card such as `.op`
    notes        comment lines below the title
    models       lines that load the process models: see `pdk.model_lines`
    temperature  C; None: the simulator's 27 C
    blocks       text of the library's subcircuits
    options      settings of `.options`, such as `reltol=1e-3`
    nodesets     node -> V, initial guess of the operating point
    saves        signals written to the raw file; empty: all
    """

    title: str
    elements: tuple[Element, ...]
    analysis: Tran | str
    notes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    temperature: float | None = None
    blocks: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    nodesets: Mapping[str, float] = field(default_factory=dict)
    saves: tuple[str, ...] = ()

    @property
    def stop_time(self) -> float | None:
        """The end of the transient, s; None for another analysis."""
        return self.analysis.stop if isinstance(self.analysis, Tran) else None

    @property
    def text(self) -> str:
        """The deck as ngspice reads it."""
        head = (f"* {self.title}", *self.notes, *self.library_lines)
        tail = (*self.setting_lines, *self.analysis_lines, ".end", "")
        return "\n".join([*head, *map(str, self.elements), *tail])

    @property
    def library_lines(self) -> tuple[str, ...]:
        """Models, temperature and library, which precede the elements."""
        temperature = () if self.temperature is None else (f".temp {number(self.temperature)}",)
        return (*self.models, *temperature, *self.blocks)

    @property
    def setting_lines(self) -> tuple[str, ...]:
        """Options and node sets."""
        lines = [f".options {' '.join(self.options)}"] if self.options else []
        if self.nodesets:
            lines.append("* where the operating point is looked for; it does not depend on these")
            lines += _rows(".nodeset", [f"v({node})={number(volt)}" for node, volt in self.nodesets.items()], 6)
        return tuple(lines)

    @property
    def analysis_lines(self) -> tuple[str, ...]:
        """The saved signals and the analysis."""
        return (*_rows(".save", self.saves, 8), str(self.analysis))

    def with_options(self, *options: str) -> "Deck":
        """The deck with each option in place of the one of the same name, or added."""
        given = {option.partition("=")[0]: option for option in options}
        kept = [given.pop(option.partition("=")[0], option) for option in self.options]
        return replace(self, options=(*kept, *given.values()))

    def with_saves(self, *signals: str) -> "Deck":
        """The deck with further signals in its raw file, each saved once."""
        return replace(self, saves=(*self.saves, *(signal for signal in signals if signal not in self.saves)))

    def with_elements(self, *statements: str, inside: str | None = None, before: str | None = None) -> "Deck":
        """The deck with each statement in place of the element of the same name, or added.

        inside  name of the subcircuit to change; None: the top level
        before  name of the element before which new statements are inserted; None: at the end

        Raises DeckError if the deck has no such subcircuit or element.
        """
        if inside is None:
            return replace(self, elements=_changed(self.elements, statements, before))
        names = [element.name for element in self.elements if isinstance(element, Subcircuit)]
        if inside not in names:
            raise DeckError(f"deck {self.title!r} has no subcircuit {inside!r}; it has {', '.join(names) or 'none'}.")
        return replace(
            self,
            elements=tuple(
                element.with_elements(*statements, before=before)
                if isinstance(element, Subcircuit) and element.name == inside
                else element
                for element in self.elements
            ),
        )


def element_name(statement: str) -> str:
    """The name of an element, its first word in lower case."""
    return statement.split(maxsplit=1)[0].lower()


def _changed(elements: Sequence[E], statements: Sequence[str], before: str | None) -> tuple[E | str, ...]:
    given = {element_name(statement): statement for statement in statements}
    out: list[E | str] = []
    for element in elements:
        out.append(element if isinstance(element, Subcircuit) else given.pop(element_name(element), element))
    at = len(out)
    if before is not None:
        places = [i for i, e in enumerate(out) if isinstance(e, str) and element_name(e) == before.lower()]
        if not places:
            raise DeckError(f"no element is named {before!r}; name one of the deck, or append at the end.")
        at = places[0]
    return (*out[:at], *given.values(), *out[at:])


def _rows(card: str, items: Iterable[str], count: int) -> list[str]:
    """Lines of `card` with `count` items each."""
    given = list(items)
    return [f"{card} {' '.join(given[i : i + count])}" for i in range(0, len(given), count)]
