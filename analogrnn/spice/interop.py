"""A network's deck as a PySpice `Circuit`, for users of PySpice.

The elements of the top level (sources, ladders, diodes, rows) become PySpice elements, which can be looked up, changed
and extended. Subcircuits, options and model references stay text, because PySpice does not represent them. In PySpice
`.tran` and `.save` belong to a simulation, not to a circuit: `analysis_lines` returns them.

PySpice 1.5 (GPL-3) is imported in this module only, when a Circuit is requested.
"""

import re
from typing import Any

from analogrnn.errors import MissingDependencyError
from analogrnn.spice.deck import Subcircuit
from analogrnn.spice.reading import ProbedDeck

_ELEMENTS = "XVIR"


def pyspice_circuit(deck: ProbedDeck) -> Any:
    """The `PySpice.Spice.Netlist.Circuit` of `deck`, whose str() is the circuit without its analysis.

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
    """The `.save` and `.tran` lines of `deck`; appended to str(circuit) they give the deck."""
    return "\n".join([*deck.deck.analysis_lines, ".end"]) + "\n"


def _add(circuit: Any, statement: str) -> None:
    code = re.sub(r" ;[^\n]*", "", statement)
    kind, (name, *rest) = code[0].upper(), code[1:].split(maxsplit=1)
    if kind == "X":
        fields = re.sub(r"\n\+", " ", rest[0]).split()
        nodes = [item for item in fields if "=" not in item]
        circuit.X(name, nodes[-1], *nodes[:-1], **dict(item.split("=", 1) for item in fields if "=" in item))
        return
    plus, minus, value = rest[0].split(maxsplit=2)
    getattr(circuit, kind)(name, plus, minus, value)
