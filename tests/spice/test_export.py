"""`export_deck` returns the deck of the ideal or transistor writer, and refuses what no deck can hold."""

import numpy as np
import pytest
from helpers import cmru, inputs_of, mapped, network

from analogrnn.errors import ParameterError
from analogrnn.spice.engine import run_deck
from analogrnn.spice.export import export_deck
from analogrnn.spice.ideal_network import ladder_deck, network_deck
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.reading import read_deck
from analogrnn.spice.transistor_network import TransistorSetup, chip_setup, ladder_slice, network_transistors

NET = network(cmru("cell", 2, 3))
DESIGN = mapped(NET)
X = inputs_of(NET, 6, 2)
CELL = ("cell", 1)


def test_an_ideal_export_is_the_deck_of_its_writer():
    ladder = DESIGN.ladders[0]
    assert export_deck(DESIGN, X[:, 0]).text == network_deck(DESIGN, X[:, 0]).text
    assert export_deck(DESIGN, X[:, :1]).text == network_deck(DESIGN, X[:, 0]).text
    assert export_deck(DESIGN, X[:, 0], cell=CELL).text == ladder_deck(DESIGN, ladder, 1, X[:, 0]).text


@pytest.mark.pdk
def test_a_transistor_export_is_the_deck_of_its_writer_nominal_and_as_a_chip():
    pdk, clip, ladder = find_pdk(), X[:, 0], DESIGN.ladders[0]
    assert export_deck(DESIGN, clip, level="transistor").text == network_transistors(DESIGN, clip, pdk).text
    setup = chip_setup(DESIGN, 1, 7)
    made = export_deck(DESIGN, clip, level="transistor", cell=CELL, setup=setup)
    assert made.text == ladder_slice(DESIGN, ladder, [1], clip, pdk, setup).text
    assert made.text != export_deck(DESIGN, clip, level="transistor", cell=CELL).text


@pytest.mark.parametrize(
    ("x", "keywords", "message"),
    [
        (X, {}, r"^x holds 2 clips, but a deck runs one; give for example x\[:, 0\]\.$"),
        (X[:, 0], {"level": "step"}, r"^export_deck\.level = 'step' is unknown; known: ideal, transistor\.$"),
        (X[:, 0], {"setup": TransistorSetup()}, r"^export_deck\.setup requires level 'transistor'"),
        (X[:, 0], {"cell": ("cell", 2)}, r"^cell = \('cell', 2\) names no ladder; random has \('cell', 0\.\.1\)\.$"),
        (X[:, 0], {"cell": ("cell", -1)}, r"^cell = \('cell', -1\) names no ladder"),
        (np.full((3, 3), -1e3), {}, r"its current would be negative"),
    ],
)
def test_what_no_deck_can_hold_is_refused(x, keywords, message):
    with pytest.raises(ParameterError, match=message):
        export_deck(DESIGN, x, **keywords)


@pytest.mark.ngspice
def test_a_deck_record_and_its_text_give_the_same_run():
    deck = export_deck(DESIGN, X[:, 0], cell=CELL)
    stages = read_deck(deck, run_deck(deck)).stages[CELL]
    as_text = run_deck(deck.text, stop_time=deck.schedule.duration)
    np.testing.assert_array_equal(stages, read_deck(deck, as_text).stages[CELL])


def test_the_text_of_a_deck_needs_its_stop_time():
    with pytest.raises(ParameterError, match=r"^run_deck\.stop_time is required for the text of a deck: give the end"):
        run_deck("* nothing\n.end\n")
