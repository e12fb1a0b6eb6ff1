"""The decks in netlists/: the bytes that this tree writes, nothing in them but a circuit, and the right answer."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analogrnn import library
from analogrnn.agreement import Observed, compare, nominal_reference, thermometer
from analogrnn.mapping import MappingOptions, map_network
from analogrnn.network import forward
from analogrnn.network.files import load
from analogrnn.spice.engine import check_deck, run_deck
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.reading import read_deck
from analogrnn.stimulus import random_stimulus
from analogrnn.technology import load_technology

ROOT = Path(__file__).resolve().parents[1]
NETLISTS = ROOT / "netlists"
REGENERATE = "run `python netlists/regenerate.py`, read the difference and name it in CHANGELOG.md"
SCRIPT = runpy.run_path(str(NETLISTS / "regenerate.py"))
NAMES = library.shipped("networks", ".safetensors")
FILES = sorted(path.name for path in NETLISTS.glob("*.spice"))
decks = pytest.mark.parametrize("name", FILES)
MODELS = {"design.ngspice", "sm141064.ngspice"}


@pytest.fixture(scope="module")
def written():
    return SCRIPT["golden_decks"]()


def test_there_are_two_decks_for_every_shipped_network_and_no_other():
    assert sorted({name.split(".")[0] for name in FILES}) == NAMES, REGENERATE
    assert len(FILES) == 2 * len(NAMES)


@decks
def test_a_deck_is_what_this_tree_writes(name, written):
    assert (NETLISTS / name).read_bytes() == written[name].text.encode("ascii"), REGENERATE


@pytest.mark.parametrize("hash_seed", ["1", "4294967295"])
def test_the_bytes_depend_on_no_process(tmp_path, hash_seed):
    """Two other processes, with other orders of sets, in another folder: the same files."""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    (tmp_path / "stale.spice").write_text("* of a network that is no longer shipped\n")
    subprocess.run(
        [sys.executable, NETLISTS / "regenerate.py", tmp_path], check=True, cwd=tmp_path, env=environment, timeout=120
    )
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in NETLISTS.glob("*.spice")}, REGENERATE


@decks
def test_a_deck_holds_a_circuit_and_nothing_of_the_machine_that_wrote_it(name):
    raw = (NETLISTS / name).read_bytes()
    assert b"\r" not in raw
    assert b"\t" not in raw
    text = raw.decode("ascii")
    check_deck(text, files=MODELS)
    lines = text.split("\n")
    assert lines[0] == lines[0].strip() != ""
    assert lines[-2:] == [".end", ""]
    assert max(map(len, lines)) < 250
    named = re.findall(r"(?im)^\.(?:include|lib) +(\S+)", text)
    assert set(named) == (MODELS if ".transistors." in name else set())
    assert not re.search(r"\.control|\*#", text, re.IGNORECASE)
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b|\d\d:\d\d:\d\d", text), "a date or a time"
    # a path has a slash with a name on either side; expressions divide by names only inside braces or B sources
    assert not re.search(r"(^|[\s'\"=])(~|\.{0,2})/\w", text, re.MULTILINE), "a path"
    assert str(ROOT) not in text
    elements = [line.split()[0].lower() for line in _top_level(lines)]
    assert len(set(elements)) == len(elements), "two elements share a name"


@decks
def test_no_number_has_a_suffix_that_spice_would_read_otherwise(name):
    """`1M` is 1e-3 in SPICE, and `1F` on a capacitor 1e-15: plain exponents only."""
    for line in (NETLISTS / name).read_text().split("\n"):
        if not line.startswith(("*", ".include ", ".lib ")):
            assert not re.search(r"(?<![\w.])\d+\.?\d*(?!e[+-]?\d)[a-zA-Z]", line.split(";")[0]), line


@pytest.mark.ngspice
def test_the_small_deck_in_ngspice_is_the_digital_network_at_every_step_and_stage():
    name = "digits_d16_k2"
    network = load(library.network_path(name))
    design = map_network(network, load_technology(SCRIPT["TECHNOLOGY"]))
    x = random_stimulus(design, SCRIPT["STEPS"], SCRIPT["SEED"])[:, None]
    reference = forward(network, x)
    deck = SCRIPT["golden_deck"](name)
    text = (NETLISTS / f"{name}.spice").read_text(encoding="ascii")
    reading = read_deck(deck, run_deck(text, stop_time=deck.schedule.duration, timeout=300.0))
    stages = {"cell": np.stack([reading.stages["cell", i] for i in range(16)], axis=1)[:, None]}
    found = compare("ideal", design, nominal_reference(design, reference), Observed(stages))
    assert found.steps_equal == found.steps_checked == SCRIPT["STEPS"] * 16
    assert found.thermometer_violations == 0
    # a stimulus that moved nothing would agree for free
    assert (np.diff(reference.states["cell"], axis=0) != 0).any(axis=(0, 1)).sum() > 8
    assert int(np.argmax(reading.logits)) == int(reference.classes[0])


@pytest.mark.ngspice
@pytest.mark.pdk
def test_a_ladder_of_transistors_follows_the_digital_network():
    """The golden slice of the largest network: eight stages, twelve steps, as any ngspice user runs it."""
    name = "digits_d32_k4"
    network = load(library.network_path(name))
    design = map_network(network, load_technology(SCRIPT["TECHNOLOGY"]), MappingOptions.standard())
    x = random_stimulus(design, SCRIPT["STEPS"], SCRIPT["SEED"])[:, None]
    states = forward(network, x).states["cell"][:, 0, 5]
    deck = SCRIPT["golden_transistors"](name)
    text = (NETLISTS / f"{name}.cell_5.transistors.spice").read_text(encoding="ascii")
    waves = run_deck(text, stop_time=deck.schedule.duration, timeout=300.0, allowed_paths=find_pdk().paths)
    stages = read_deck(deck, waves).stages["cell", 5]
    assert np.array_equal(stages, thermometer(states, design.ladders[0]))
    assert len(set(states)) > 3


def _top_level(lines):
    """The elements outside of subcircuits."""
    inside = 0
    for line in lines[1:]:
        inside += line.startswith(".subckt")
        if not inside and line and line[0].isalpha():
            yield line
        inside -= line.startswith(".ends")
