"""The record of a deck: its text, and that a change affects the named element only."""

import pytest

from analogrnn.errors import DeckError
from analogrnn.spice.deck import Deck, Subcircuit, Tran, number

BLOCK = Subcircuit("divider", "top middle", ("R1 top middle 1000", "R2 middle 0\n+ 1000"))
DECK = Deck(
    "two halves",
    (BLOCK, "* supply", "V1 a 0 1", "X1 a b divider"),
    Tran(1e-3, 1.0),
    options=("reltol=1e-3", "method=trap"),
    saves=("v(a)",),
)


def test_a_deck_is_written_from_its_title_to_its_end():
    full = Deck(
        "all of it",
        ("V1 a 0 1",),
        Tran(0.1, 1.0, 0.2, uic=True),
        notes=("* a note",),
        models=(".include models",),
        temperature=85.0,
        blocks=(str(BLOCK),),
        options=("reltol=1e-3",),
        nodesets={"a": 0.5, "x1.b": 1.0},
        saves=tuple(f"v({k})" for k in range(9)),
    )
    assert full.text.split("\n") == [
        "* all of it",
        "* a note",
        ".include models",
        ".temp 85",
        ".subckt divider top middle",
        "R1 top middle 1000",
        "R2 middle 0",
        "+ 1000",
        ".ends divider",
        "V1 a 0 1",
        ".options reltol=1e-3",
        "* where the operating point is looked for; it does not depend on these",
        ".nodeset v(a)=0.5 v(x1.b)=1",
        ".save v(0) v(1) v(2) v(3) v(4) v(5) v(6) v(7)",
        ".save v(8)",
        ".tran 0.1 1 0 0.2 uic",
        ".end",
        "",
    ]
    assert full.stop_time == 1.0
    assert Deck("rest", (), ".op").stop_time is None


def test_an_option_replaces_the_one_of_the_same_name_and_others_are_added():
    assert DECK.with_options("method=gear", "acct").options == ("reltol=1e-3", "method=gear", "acct")


def test_a_signal_is_saved_once():
    assert DECK.with_saves("v(b)", "v(a)").saves == ("v(a)", "v(b)")


def test_an_element_replaces_the_one_of_the_same_name_and_others_come_last():
    changed = DECK.with_elements("v1 a 0 2", "I1 0 b 1")
    assert changed.elements == (BLOCK, "* supply", "v1 a 0 2", "X1 a b divider", "I1 0 b 1")
    assert DECK.elements[2] == "V1 a 0 1"


def test_a_new_element_is_inserted_before_another_in_the_named_subcircuit():
    changed = DECK.with_elements("I1 0 middle 1", "I2 0 middle 2", inside="divider", before="R2")
    assert changed.elements[0].statements == (
        BLOCK.statements[0],
        "I1 0 middle 1",
        "I2 0 middle 2",
        BLOCK.statements[1],
    )
    assert changed.elements[1:] == DECK.elements[1:]


def test_an_unknown_subcircuit_is_refused_with_the_known_ones():
    with pytest.raises(DeckError, match=r"deck 'two halves' has no subcircuit 'half'; it has divider\."):
        DECK.with_elements("I1 0 a 1", inside="half")


def test_the_element_to_insert_before_must_exist():
    with pytest.raises(DeckError, match="no element is named 'R9'; name one of the deck"):
        DECK.with_elements("I1 0 a 1", before="R9")


def test_a_number_that_is_not_finite_is_refused():
    with pytest.raises(DeckError, match="deck value = nan is not finite"):
        number(float("nan"))
