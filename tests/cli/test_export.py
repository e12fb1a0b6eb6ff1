"""`analogrnn export`: a deck on standard output or in a file, whole or one ladder."""

import re
from collections import Counter

import numpy as np
import pytest

from analogrnn import library
from analogrnn.mapping import map_network
from analogrnn.network import Cmru, Linear, Network
from analogrnn.network.files import load, save_network
from analogrnn.spice.ideal_network import network_deck
from analogrnn.stimulus import random_stimulus
from analogrnn.technology import load_technology

from .conftest import NETWORK

RANDOM = ("--stimulus", "random", "--steps", "3")


def test_the_deck_on_standard_output_is_the_deck_in_the_file(call, tmp_path):
    shown = call("export", NETWORK, *RANDOM)
    said = call("export", NETWORK, *RANDOM, "--out", tmp_path / "net.spice")
    assert shown.code == said.code == 0
    assert (tmp_path / "net.spice").read_bytes() == shown.out.encode("ascii")
    assert "ngspice -b -r out.raw" in said.out
    assert "16 ladders, 8 steps" in said.out  # 3 reset, 2 preset, 3 of the stimulus
    design = map_network(load(library.network_path(NETWORK)), load_technology())
    assert shown.out == network_deck(design, random_stimulus(design, 3, 1)).text


def test_the_json_states_the_stop_and_read_times_of_the_deck(call, tmp_path):
    answer = call("export", NETWORK, *RANDOM, "--out", tmp_path / "net.spice", "--json").json
    assert set(answer) == {"deck", "ladders", "steps", "stop_time_s", "read_times_s"}
    assert answer["deck"] == str(tmp_path / "net.spice")
    assert (answer["ladders"], answer["steps"], len(answer["read_times_s"])) == (16, 8, 3)
    assert 0.0 < answer["read_times_s"][0] < answer["read_times_s"][-1] <= answer["stop_time_s"]
    assert f" {answer['stop_time_s']:.10g} " in (tmp_path / "net.spice").read_text().split(".tran", 1)[1]


def test_the_stimulus_follows_the_seed_the_steps_and_the_clip(call, inputs):
    decks = [
        call("export", NETWORK, *words).out
        for words in (
            [*RANDOM],
            [*RANDOM, "--seed", "2"],
            ["--stimulus", "random", "--steps", "4"],
            ["--inputs", inputs],
            ["--inputs", inputs, "--clips", "1,"],
        )
    ]
    assert len(set(decks)) == len(decks)
    assert decks[0] == call("export", NETWORK, *RANDOM, "--seed", "1").out
    assert decks[3] == call("export", NETWORK, "--inputs", inputs, "--clips", "0,").out


def test_json_without_a_file_would_mix_with_the_deck_and_is_refused(call):
    said = call("export", NETWORK, *RANDOM, "--json")
    said.refused(2, "--json needs --out", "standard output")
    assert said.out == ""


@pytest.mark.parametrize("names", [("d_in", "x"), ("d_h_x", "x"), ("in", "out"), ("ladder", "g"), ("a", "a_0")])
def test_no_names_of_layers_give_two_elements_the_same_name(call, tmp_path, names):
    """The elements of a deck are named after layers; `h_x_0` of one must not be `x_0` of another that is named h."""
    chain = [Cmru(name, np.eye(2), np.zeros(2), np.ones(2), np.ones(2), k_min=0, k_max=2) for name in names]
    save_network(Network((*chain, Linear("last", np.ones((1, 2)), [0.0]))), tmp_path / "n.npz")
    said = call("export", tmp_path / "n.npz", *RANDOM, "--input-bound", "2")
    assert said.err == ""
    seen, inside = Counter(), False
    for line in said.out.lower().splitlines():
        if line.startswith(".subckt"):
            inside = True
            seen[line.split()[1]] += 1
        elif line.startswith(".ends"):
            inside = False
        elif not inside and line[:1].isalpha():
            seen[line.split()[0]] += 1
    assert len(seen) > 20
    assert seen.most_common(1)[0][1] == 1, seen.most_common(3)


def test_one_ladder_comes_with_its_own_front_end(call, tmp_path):
    answer = call("export", NETWORK, *RANDOM, "--cell", "cell[3]", "--out", tmp_path / "cell.spice", "--json").json
    assert answer["ladders"] == 1
    deck = (tmp_path / "cell.spice").read_text()
    assert re.findall(r"^\.subckt \w*?(cell_\d+) ", deck, re.MULTILINE) == ["cell_3"]


@pytest.mark.ngspice
def test_an_exported_ladder_runs_with_the_command_spice(call, tmp_path):
    exported = call("export", NETWORK, *RANDOM, "--cell", "cell[0]", "--out", tmp_path / "cell.spice", "--json").json
    ran = call("spice", tmp_path / "cell.spice", "--json").json
    # the supply is 1.8 V; a state node is at the supply or at ground long after the last pulse
    states = [value for name, value in ran["last"].items() if re.fullmatch(r"v\(x\w*cell_0\.a[1-4]\)", name)]
    assert len(states) == 4
    assert all(v < 0.1 * 1.8 or v > 0.9 * 1.8 for v in states)
    assert ran["points"] > exported["steps"]


@pytest.mark.parametrize(
    "cell", ["cell[16]", "cell[-1]", "cell[²]", "cell[٣]", "cell[", "cell[x]", "readout[0]", "nothing[0]", ""]
)
def test_an_unknown_ladder_is_refused_with_the_known_ones(call, cell):
    said = call("export", NETWORK, *RANDOM, "--cell", cell)
    said.refused(2, f"--slice = {cell!r} names no ladder", "cell[0..15]")
    assert said.out == ""


@pytest.mark.parametrize("steps", ["0", "-1", "1000001"])
def test_a_stimulus_without_steps_or_without_end_is_refused(call, steps):
    call("export", NETWORK, "--stimulus", "random", f"--steps={steps}").refused(2, "steps = ", "is outside")


def test_an_input_beyond_the_bound_is_refused(call, inputs):
    said = call("export", NETWORK, "--inputs", inputs, "--input-bound", "0.5")
    said.refused(2, "= 1.589 is above 0.5", "larger --input-bound")


@pytest.mark.parametrize("path", ["/dev/full", "/proc/net.spice", "/"])
def test_a_place_that_can_not_be_written_is_exit_code_5(call, path):
    said = call("export", NETWORK, *RANDOM, "--out", path)
    said.refused(5, path, "choose another")
    assert said.out == ""


def test_a_path_under_a_file_is_exit_code_5(call, blocked):
    call("export", NETWORK, *RANDOM, "--out", blocked).refused(5, "Not a directory")
