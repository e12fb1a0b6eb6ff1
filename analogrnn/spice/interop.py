"""A network's deck as a PySpice `Circuit`, for users who live there.

The elements of the top level (sources, ladders, diodes, rows) become PySpice elements, which can be looked up, changed
and added to; subcircuits, options and model references stay text, as PySpice has no words for them. What `.tran` and
`.save` say belongs to a simulation in PySpice, not to a circuit: `analysis_lines` has it.

PySpice 1.5 (GPL-3) is imported here only, when a Circuit is asked for.
"""

import re
from typing import Any

from analogrnn.errors import MissingDependencyError
from analogrnn.spice.deck import Subcircuit
from analogrnn.spice.reading import ProbedDeck

_ELEMENTS = "XVIR"


def pyspice_circuit(deck: ProbedDeck) -> Any:
    """A `PySpice.Spice.Netlist.Circuit` whose str() is the circuit of `deck`, without its analysis.

    Raises MissingDependencyError without PySpice.
    """
    try:
        from PySpice.Spice.Netlist import Circuit  # noqa: PLC0415 (GPL, and a second of import: only on demand)
    except ImportError:
        raise MissingDependencyError("PySpice is not installed; install it with `pip install PySpice==1.5`.") from None
    record = deck.deck
    circuit = Circuit(record.title)
    raw = list(record.library_lines)
    for element in record.elements:
        if not isinstance(element, Subcircuit) and element[0].upper() in _ELEMENTS:
            _add(circuit, element)
        else:
            raw.append(str(element))
    # PySpice writes this text before its elements, as ngspice needs it
    circuit.raw_spice = "\n".join([*raw, *record.setting_lines]) + "\n"
    return circuit


def analysis_lines(deck: ProbedDeck) -> str:
    """The `.save` and `.tran` lines of `deck`: append them to str(circuit) to have the deck again."""
    return "\n".join([*deck.deck.analysis_lines, ".end"]) + "\n"


def _add(circuit: Any, statement: str) -> None:
    code = re.sub(r" ;[^\n]*", "", statement)
    kind, (name, *rest) = code[0].upper(), code[1:].split(maxsplit=1)
    if kind == "X":
        words = re.sub(r"\n\+", " ", rest[0]).split()
        nodes = [word for word in words if "=" not in word]
        circuit.X(name, nodes[-1], *nodes[:-1], **dict(word.split("=", 1) for word in words if "=" in word))
        return
    plus, minus, value = rest[0].split(maxsplit=2)
    getattr(circuit, kind)(name, plus, minus, value)
