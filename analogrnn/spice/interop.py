"""A network's deck as a PySpice `Circuit`, for users who live there.

The elements of the top level (sources, ladders, diodes, rows) become PySpice elements, which can be looked up, changed
and added to; subcircuits, options and model references stay text, as PySpice has no words for them. What `.tran` and
`.save` say belongs to a simulation in PySpice, not to a circuit: `analysis_lines` has it.

PySpice 1.5 (GPL-3) is imported here only, when a Circuit is asked for.
"""

import re
from typing import Any

from analogrnn.errors import MissingDependencyError
from analogrnn.spice.testbench import NetworkDeck

_ANALYSIS = (".tran", ".save", ".end")
_ELEMENTS = "XVIR"


def pyspice_circuit(deck: NetworkDeck) -> Any:
    """A `PySpice.Spice.Netlist.Circuit` whose str() is the circuit of `deck`, without its analysis.

    Raises MissingDependencyError without PySpice.
    """
    try:
        from PySpice.Spice.Netlist import Circuit  # noqa: PLC0415 (GPL, and a second of import: only on demand)
    except ImportError:
        raise MissingDependencyError("PySpice is not installed; install it with `pip install PySpice==1.5`.") from None
    title, statements = _statements(deck.text)
    circuit = Circuit(title.lstrip("* "))
    raw: list[str] = []
    depth = 0
    for statement in statements:
        word = statement.split(maxsplit=1)[0].lower()
        depth += word == ".subckt"
        top = depth == 0
        depth -= word == ".ends"
        if word in _ANALYSIS:
            continue
        if top and statement[0].upper() in _ELEMENTS:
            _add(circuit, statement)
        else:
            raw.append(statement)
    # PySpice writes this text before its elements, as ngspice needs it
    circuit.raw_spice = "\n".join(raw) + "\n"
    return circuit


def analysis_lines(deck: NetworkDeck) -> str:
    """The `.save` and `.tran` lines of `deck`: append them to str(circuit) to have the deck again."""
    kept = [text for text in _statements(deck.text)[1] if text.split(maxsplit=1)[0].lower() in _ANALYSIS]
    return "\n".join(kept) + "\n"


def _statements(text: str) -> tuple[str, list[str]]:
    """Title and statements, continuation lines joined by line ends, comments dropped."""
    title, _, body = text.partition("\n")
    statements: list[str] = []
    for line in body.split("\n"):
        code = line.split(" ;")[0].rstrip()
        if not code or code[0] == "*":
            continue
        if code[0] == "+":
            statements[-1] += f"\n{code}"
        else:
            statements.append(code)
    return title, statements


def _add(circuit: Any, statement: str) -> None:
    kind, (name, *rest) = statement[0].upper(), statement[1:].split(maxsplit=1)
    if kind == "X":
        words = re.sub(r"\n\+", " ", rest[0]).split()
        nodes = [word for word in words if "=" not in word]
        circuit.X(name, nodes[-1], *nodes[:-1], **dict(word.split("=", 1) for word in words if "=" in word))
        return
    plus, minus, value = rest[0].split(maxsplit=2)
    getattr(circuit, kind)(name, plus, minus, value)
