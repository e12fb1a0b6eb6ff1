"""Records show themselves in three lines, or as a small table: never by their arrays."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers import TECHNOLOGY, cmru, first_quadrant, inputs_of, mapped, network

from analogrnn.agreement import AgreementSetup, check_agreement
from analogrnn.analysis.bits.search import Settings, analyze_bits
from analogrnn.analysis.fixed_points.report import analyze_fixed_points
from analogrnn.analysis.noise.report import accuracy_under_noise, analyze_noise
from analogrnn.analysis.power.report import analyze_power
from analogrnn.analysis.sensitivity.indices import Indices, Losses, Sensitivity, SensitivityOptions
from analogrnn.chip import draw_chip, nominal_chip
from analogrnn.datasets import LabelledClips
from analogrnn.montecarlo import Variability, run_monte_carlo
from analogrnn.network import Network
from analogrnn.show import counted
from analogrnn.simulate import simulate
from analogrnn.spice.export import export_deck

NET = network(cmru("cell", 4, 3))
DESIGN = mapped(NET)
X = inputs_of(NET, 12, 3)
LABELS = np.array([0, 1, 2])
CLIPS = LabelledClips(X, LABELS)
NO_LOSS = Losses((), np.empty(0), np.empty(0))
SENSITIVITY = Sensitivity(  # a true one takes minutes
    network="random",
    options=SensitivityOptions(),
    nominal=0.95,
    mean=0.91,
    mean_error=0.001,
    good=0.62,
    groups=("weights", "thresholds"),
    area=np.array([0.5, 0.5]),
    indices=(Indices("accuracy", 1e-3, *np.array([[0.2, 0.6], [0.1, 0.1], [0.3, 0.7], [0.1, 0.11]])),),
    recovered=NO_LOSS,
    by_cell=NO_LOSS,
    by_device=NO_LOSS,
    clips=40,
)
RECORDS = {
    "ProbedDeck": export_deck(DESIGN, X[:, :1]),
    "Network": NET,
    "Technology": TECHNOLOGY,
    "Design": DESIGN,
    "Chip": draw_chip(DESIGN, 1, 7),
    "StepRun": simulate(nominal_chip(DESIGN), X),
    "MonteCarlo": run_monte_carlo(DESIGN, X, LABELS, 3, Variability(seed=2, noise=False)),
    "LadderFixedPoints": analyze_fixed_points(nominal_chip(DESIGN), nominal_chip(DESIGN).ladders[0], 0),
    "LayerNoise": analyze_noise(nominal_chip(DESIGN), X)[0],
    "AccuracyCurve": accuracy_under_noise(nominal_chip(DESIGN), X, LABELS, np.array([0.0, 0.5])),
    "PowerReport": analyze_power(DESIGN, X),
    "BitsReport": analyze_bits(DESIGN, CLIPS, CLIPS, settings=Settings(word_lengths={"weights": 6})),
    "Sensitivity": SENSITIVITY,
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


def test_the_facts_of_an_analysis_are_those_of_the_record():
    found = {name: repr(RECORDS[name]).split("\n") for name in RECORDS}
    assert found["LadderFixedPoints"] == [
        "LadderFixedPoints of cell 0: 6 rest states, 6 in a nominal ladder",
        "  codes: 5 levels, 1 island, of which pulses reach 0",
        "  models: waveform agrees, ngspice not run",
    ]
    assert found["Sensitivity"] == [
        "Sensitivity of random: accuracy 95.0 % nominal, 91.0 % over chips, 40 clips",
        "  good chips: 62.0 % (at most 5 % less than the nominal)",
        "  largest total index: thresholds, 0.70 +- 0.11 of the variance of the accuracy",
    ]
    power = RECORDS["PowerReport"]
    assert found["PowerReport"][0] == f"PowerReport of random: {1e6 * power.total:.3g} uW at 1.8 V"
    assert found["PowerReport"][2].endswith("mean over 3 clips")
    assert found["LayerNoise"][0].startswith("LayerNoise of cell: 4 ladders, at most 0.0")
    assert found["AccuracyCurve"][0] == "AccuracyCurve: 2 noise levels, 3 clips, 3 draws of noise"
    assert found["AccuracyCurve"][2].startswith("  with 0.5 beta rms: ")
    assert found["BitsReport"][1].startswith("  word lengths (bits): weights 6")


def test_no_word_lengths_is_said_and_so_is_a_level_that_drifts():
    none = replace(RECORDS["BitsReport"], word_lengths={}, test=None, within=0.02)
    assert repr(none).endswith("  word lengths (bits): none\n  quantised: none within 2 % of it")
    layer = RECORDS["LayerNoise"]
    drifting = replace(layer.hold, down=np.full_like(layer.hold.down, -np.inf))
    assert "shortest hold time: a level drifts away at rest (cell" in repr(replace(layer, hold=drifting))


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


def test_long_metadata_are_shown_in_part_and_counted():
    many = Network(NET.layers, metadata={"name": "net", **{f"seed_{n}": n / 3 for n in range(9)}})
    assert repr(many).endswith("seed_4 1.333, and 4 more")


@pytest.mark.parametrize(("number", "text"), [(0, "0 clips"), (1, "1 clip"), (2, "2 clips"), (1024, "1,024 clips")])
def test_a_count_agrees_with_its_noun(number, text):
    assert counted(number, "clip") == text
