"""Records show themselves in three lines, or as a small table: never by their arrays."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers import TECHNOLOGY, cmru, first_quadrant, inputs_of, mapped, network

from analogrnn.agreement import AgreementSetup, check_agreement
from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.montecarlo import Variability, run_monte_carlo
from analogrnn.network import Network
from analogrnn.show import counted
from analogrnn.simulate import simulate
from analogrnn.spice.export import export_deck

NET = network(cmru("cell", 4, 3))
DESIGN = mapped(NET)
X = inputs_of(NET, 12, 3)
LABELS = np.array([0, 1, 2])
RECORDS = {
    "ProbedDeck": export_deck(DESIGN, X[:, :1]),
    "Network": NET,
    "Technology": TECHNOLOGY,
    "Design": DESIGN,
    "Chip": draw_chip(DESIGN, 1, 7),
    "StepRun": simulate(nominal_chip(DESIGN), X),
    "MonteCarlo": run_monte_carlo(DESIGN, X, LABELS, 3, Variability(seed=2, noise=False)),
    "Agreement": check_agreement(NET, DESIGN, X, AgreementSetup(level="step")),
}
every_record = pytest.mark.parametrize(("name", "record"), RECORDS.items(), ids=RECORDS)


@every_record
def test_a_record_shows_itself_in_three_lines(name, record):
    lines = repr(record).split("\n")
    assert len(lines) == 3
    assert lines[0].startswith(name)
    assert all(len(line) < 200 and line.isprintable() for line in lines)
    assert "array(" not in repr(record)


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


@every_record
def test_in_a_notebook_the_same_facts_are_a_table(name, record):
    reader = Reader()
    reader.feed(record._repr_html_())
    title, *rows = repr(record).split("\n")
    assert reader.tags == ["table", "caption", *(["tr", "th", "td"] * len(rows))]
    label, text = reader.texts[1::2], reader.texts[2::2]
    assert [title, *(f"  {a}: {b}" for a, b in zip(label, text, strict=True))] == repr(record).split("\n")


def test_the_facts_are_those_of_the_record():
    assert repr(DESIGN).split("\n")[:2] == [
        "Design random in gf180mcu: 16 memory stages",
        "  layers: 3 inputs -> cell (4 ladders of 4 stages) -> out (3 rows)",
    ]
    assert "unit current 1 nA" in repr(DESIGN)
    assert "cells 10 x 10 um" in repr(DESIGN)
    assert repr(draw_chip(DESIGN, 1, 7)).startswith("Chip of random, number 7 under seed 1\n")
    assert repr(nominal_chip(DESIGN)).endswith("deviation of the thresholds: none")
    assert repr(RECORDS["StepRun"]).startswith("StepRun: 3 clips of 12 steps\n")
    assert repr(RECORDS["MonteCarlo"]).startswith(
        "MonteCarlo: 3 chips, 3 clips\n  variability: mismatch, no noise, seed 2\n"
    )
    assert repr(RECORDS["Agreement"]).startswith("Agreement: level step agrees on 3 clips\n")
    assert "steps equal on every stage: 144 of 144, 3 of 3 classes" in repr(RECORDS["Agreement"])


def test_a_first_quadrant_network_has_a_repr_too():
    design = mapped(network(first_quadrant()))
    assert "2 ladders of 1 stage)" in repr(design)
    assert len(repr(draw_chip(design, 1, 0)).split("\n")) == 3


def test_a_hostile_name_stays_one_line_and_is_no_markup():
    hostile = Network(NET.layers, metadata={"origin": "<script>\n\x1b[2J &"})
    assert len(repr(hostile).split("\n")) == 3
    assert "\x1b" not in repr(hostile)
    assert "<script>" not in hostile._repr_html_()
    assert "&lt;script&gt;" in hostile._repr_html_()
    assert "x" * 50 not in repr(replace(hostile, metadata={"origin": "x" * 50}))


@pytest.mark.parametrize(("number", "text"), [(0, "0 clips"), (1, "1 clip"), (2, "2 clips"), (1024, "1,024 clips")])
def test_a_count_agrees_with_its_noun(number, text):
    assert counted(number, "clip") == text
