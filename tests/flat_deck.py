"""The transistors of a deck, with its subcircuits taken apart and their parameters evaluated."""

import re
from dataclasses import dataclass

from analogrnn import library


@dataclass(frozen=True)
class FlatTransistor:
    """One call of nfet or pfet. `path` are the elements from the top of the deck down, `blocks` what each one calls."""

    path: tuple[str, ...]
    blocks: tuple[str, ...]
    w: float
    l: float  # noqa: E741
    units: float

    @property
    def kind(self):
        return {"nfet": "n", "pfet": "p"}[self.blocks[-1]]

    @property
    def block(self):
        """The subcircuit of the library in which it stands, and its name there."""
        at = next(i for i, name in enumerate(self.blocks) if name in LIBRARY)
        return self.blocks[at], ".".join(name[1:] for name in self.path[at + 1 :])


def subcircuits(text):
    """Subcircuit to its default parameters and its instances (name, subcircuit, parameters); "" is the top level."""
    found, where = {"": ({}, [])}, ""
    for line in re.sub(r"\n\+", " ", re.sub(r"(?m);.*$", "", text)).lower().splitlines():
        words = line.split()
        given = dict(word.split("=", 1) for word in words if "=" in word)
        plain = [word for word in words if "=" not in word]
        if line.startswith(".subckt"):
            where = words[1]
            found[where] = (given, [])
        elif line.startswith(".ends"):
            where = ""
        elif line.startswith("x"):
            found[where][1].append((plain[0], plain[-1], given))
    return found


LIBRARY = {
    name
    for file in library.shipped("circuits/gf180mcu", ".spice")
    for name in subcircuits(library.circuit("gf180mcu", file))
} - {"", "nfet", "pfet"}


def flat_transistors(text):
    """Every transistor of a deck's text."""
    blocks = subcircuits(text)

    def below(name, parameters, path, called):
        for element, target, given in blocks[name][1]:
            values = {key: value_of(word, parameters) for key, word in given.items()}
            place = (*path, element), (*called, target)
            if target in ("nfet", "pfet"):
                yield FlatTransistor(*place, values["w"], values["l"], values.get("units", 1.0))
            else:
                defaults = {key: value_of(word, {}) for key, word in blocks[target][0].items()}
                assert set(values) <= set(defaults), f"{target} has no parameter {set(values) - set(defaults)}"
                yield from below(target, defaults | values, *place)

    return list(below("", {}, (), ()))


def value_of(word, parameters):
    """A number, or an expression in braces with * and / of numbers and parameters."""
    value, operation = 1.0, "*"
    for part in re.findall(r"[*/]|[^*/{}]+", word):
        if part in "*/":
            operation = part
            continue
        factor = parameters[part] if part in parameters else float(part)
        value = value * factor if operation == "*" else value / factor
    return value
