"""One deck of a design: the whole analog core or one ladder, on ideal subcircuits or on the foundry's transistors."""

from typing import Literal

import numpy as np

from analogrnn.design import Design, Ladder
from analogrnn.errors import ParameterError
from analogrnn.spice.ideal_network import ladder_deck, network_deck
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.reading import Cell, ProbedDeck
from analogrnn.spice.transistor_network import TransistorSetup, ladder_slice, network_transistors

DeckLevel = Literal["ideal", "transistor"]


def export_deck(
    design: Design,
    x: np.ndarray,
    *,
    level: DeckLevel = "ideal",
    cell: Cell | None = None,
    setup: TransistorSetup | None = None,
) -> ProbedDeck:
    """The deck of a design for one encoded clip x (T, D); its `text` runs in plain ngspice.

    >>> deck = ar.export_deck(design, x[:, 0], level="transistor")
    >>> size = (folder / "network.spice").write_text(deck.text)

    level  `ideal`: ideal subcircuits; `transistor`: GF180MCU devices, whose models are referenced, not copied
    cell   (layer, index) of one ladder, exported alone with its own front end; None: the whole network
    setup  transistors only: corner, temperature, supply, and the draws of a mismatched chip (`chip_setup`)

    Raises ParameterError for inputs that the mirrors can't carry, more than one clip, an unknown level or cell, or a
    `setup` of ideal subcircuits; MissingDependencyError for transistors without the process models; MappingError for
    a ladder that another layer feeds.
    """
    clip = one_clip(x)
    if level not in ("ideal", "transistor"):
        raise ParameterError(f"export_deck.level = {level!r} is unknown; known: ideal, transistor.")
    if level == "ideal":
        if setup is not None:
            raise ParameterError("export_deck.setup requires level 'transistor': ideal subcircuits have no devices.")
        return network_deck(design, clip) if cell is None else ladder_deck(design, *ladder_of(design, cell), clip)
    if cell is None:
        return network_transistors(design, clip, find_pdk(), setup)
    ladder, number = ladder_of(design, cell)
    return ladder_slice(design, ladder, [number], clip, find_pdk(), setup)


def one_clip(x: np.ndarray) -> np.ndarray:
    """x (T, D) of one clip, also given as (T, 1, D). Raises ParameterError for several clips."""
    clip = np.asarray(x)
    if clip.ndim == 3 and clip.shape[1] != 1:
        raise ParameterError(f"x holds {clip.shape[1]} clips, but a deck runs one; give for example x[:, 0].")
    return clip[:, 0] if clip.ndim == 3 else clip


def ladder_of(design: Design, cell: Cell) -> tuple[Ladder, int]:
    """The ladder of (layer, index). Raises ParameterError if there is none."""
    for ladder in design.ladders:
        if ladder.name == cell[0] and 0 <= cell[1] < ladder.width:
            return ladder, cell[1]
    known = ", ".join(f"({ladder.name!r}, 0..{ladder.width - 1})" for ladder in design.ladders)
    raise ParameterError(f"cell = {cell} names no ladder; {design.name} has {known}.")
