"""Writes the golden decks of this folder, two a shipped network: `python netlists/regenerate.py`.

NAME.spice is the whole network in ideal subcircuits with the default mapping. NAME.transistors.spice is the standard
stage on GF180MCU: the whole network where its deck is small, else one ladder with its own front end (NAME.cell_5...).
The stimulus is random_stimulus(design, 12, 0). The same tree always gives the same bytes:
tests/test_golden_netlists.py compares them. The foundry's models are named in a deck, never copied.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analogrnn import library
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network.files import load
from analogrnn.spice.ideal_network import network_deck
from analogrnn.spice.pdk import Pdk
from analogrnn.spice.reading import ProbedDeck
from analogrnn.spice.transistor_network import ladder_slice, network_transistors
from analogrnn.stimulus import random_stimulus
from analogrnn.technology import load_technology

FOLDER = Path(__file__).resolve().parent
TECHNOLOGY, STEPS, SEED = "gf180mcu", 12, 0
# a deck holds the models' plain names only, so writing it needs no models
MODELS = Pdk(Path("design.ngspice"), Path("sm141064.ngspice"), "plain names", "")
# the BMRU at the published scale: 1 unit = 1 nA, 10 ms a frame
STAGES = {"digits_bmru_d16": replace(MappingOptions.standard(), unit_current=1e-9)}
SLICED = {"digits_d32_k4": 5}  # the whole network would be 300 kB; this ladder moves most


def golden_deck(name: str) -> ProbedDeck:
    """The flat ideal deck of a shipped network."""
    design = map_network(load(library.network_path(name)), load_technology(TECHNOLOGY))
    return network_deck(design, random_stimulus(design, STEPS, SEED))


def golden_transistors(name: str) -> ProbedDeck:
    """The transistor deck of a shipped network, or of its first ladder."""
    options = STAGES.get(name, MappingOptions.standard())
    design = map_network(load(library.network_path(name)), load_technology(TECHNOLOGY), options)
    x = random_stimulus(design, STEPS, SEED)
    if name in SLICED:
        return ladder_slice(design, design.ladders[0], [SLICED[name]], x, MODELS)
    return network_transistors(design, x, MODELS)


def golden_decks() -> dict[str, ProbedDeck]:
    """File name -> deck, all of them."""
    names = library.shipped("networks", ".safetensors")
    decks = {f"{name}.spice": golden_deck(name) for name in names}
    for name in names:
        part = f".cell_{SLICED[name]}" if name in SLICED else ""
        decks[f"{name}{part}.transistors.spice"] = golden_transistors(name)
    return decks


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write the golden decks.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help="where to (default: beside this file)")
    folder = parser.parse_args(argv).folder
    decks = golden_decks()
    for stale in folder.glob("*.spice"):
        if stale.name not in decks:
            stale.unlink()
    for name, deck in decks.items():
        (folder / name).write_text(deck.text, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main()
