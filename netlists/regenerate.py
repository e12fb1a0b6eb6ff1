"""Writes the golden decks of this folder, one a shipped network: `python netlists/regenerate.py`.

The stimulus is random_stimulus(design, 12, 0), the mapping the default one in GF180MCU, the cells ideal. The same
tree always gives the same bytes: tests/test_golden_netlists.py compares them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from analogrnn import library
from analogrnn.mapping import map_network
from analogrnn.network.files import load
from analogrnn.spice.testbench import NetworkDeck, network_deck
from analogrnn.stimulus import random_stimulus
from analogrnn.technology import load_technology

FOLDER = Path(__file__).resolve().parent
TECHNOLOGY, STEPS, SEED = "gf180mcu", 12, 0


def golden_deck(name: str) -> NetworkDeck:
    """The flat ideal deck of a shipped network."""
    design = map_network(load(library.network_path(name)), load_technology(TECHNOLOGY))
    return network_deck(design, random_stimulus(design, STEPS, SEED))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write the golden decks.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help="where to (default: beside this file)")
    folder = parser.parse_args(argv).folder
    names = library.shipped("networks", ".safetensors")
    for stale in folder.glob("*.spice"):
        if stale.stem not in names:
            stale.unlink()
    for name in names:
        (folder / f"{name}.spice").write_text(golden_deck(name).text, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main()
