"""Commands on transistors: export, spice and agree for a small network of two ladders."""

import re

import numpy as np
import pytest

from analogrnn.network import Cmru, Linear, Network, Pooling
from analogrnn.network.files import save_network
from analogrnn.spice.pdk import find_pdk

from .conftest import NETWORK

RANDOM = ("--stimulus", "random", "--steps", "2")
STANDARD = ("--stage", "standard", "--input-bound", "3")
pdk = pytest.mark.pdk


@pytest.fixture
def small(tmp_path):
    """Two ladders and a readout, and two clips of four steps away from the thresholds."""
    cell = Cmru("cell", np.eye(2), np.zeros(2), np.ones(2), np.ones(2), k_min=0, k_max=2)
    save_network(
        Network((cell, Pooling("pool"), Linear("out", np.array([[1.0, -1.0], [-0.5, 1.0]]), [0.1, 0.0]))),
        tmp_path / "small.npz",
    )
    x = np.array(
        [[[1.5, -0.5], [0.4, 1.8]], [[1.4, 1.6], [1.5, 1.5]], [[-1.7, 0.0], [0.0, 0.3]], [[0.2, 1.5], [-2.0, 2.0]]]
    )
    np.savez(tmp_path / "inputs.npz", x=x)
    return tmp_path / "small.npz", tmp_path / "inputs.npz"


@pdk
def test_a_transistor_deck_names_the_models_by_file_name_or_by_path(call, tmp_path, small):
    words = ("export", small[0], *RANDOM, *STANDARD, "--level", "transistor")
    plain, placed = call(*words), call(*words, "--pdk-paths", "absolute")
    models = find_pdk()
    assert f".include {models.design.name}\n.lib {models.models.name} typical\n" in plain.out
    assert f'.include "{models.design}"\n.lib "{models.models}" typical\n' in placed.out
    assert str(models.design.parent) not in plain.out
    assert len(re.findall(r"(?m)^Xladder_cell_\d ", plain.out)) == 2
    slow = call(*words, "--corner", "ss", "--temperature=-20", "--supply", "1.62V").out
    assert ".lib sm141064.ngspice ss" in slow
    assert ".temp -20\n" in slow
    assert "Vdd vdd vss DC 1.62\n" in slow


@pdk
def test_a_chip_is_the_same_chip_every_time_and_another_one_under_another_number(call, small):
    words = ("export", small[0], *RANDOM, *STANDARD, "--level", "transistor", "--chip")
    one, again, other, seeded = (call(*words, *more).out for more in (["3"], ["3"], ["4"], ["3", "--seed", "2"]))
    assert one == again
    assert len({one, other, seeded}) == 3


def test_every_ladder_of_a_layer_goes_into_a_folder(call, tmp_path):
    answer = call("export", NETWORK, *RANDOM, "--slice", "all", "--out", tmp_path / "decks", "--json").json
    assert sorted(answer["decks"]) == sorted(str(path) for path in (tmp_path / "decks").iterdir())
    assert len(answer["decks"]) == 16
    named = call("export", NETWORK, *RANDOM, "--slice", "cell", "--out", tmp_path / "again")
    assert "16 decks of one ladder each" in named.out
    one = call("export", NETWORK, *RANDOM, "--slice", "cell[5]").out
    assert (tmp_path / "again" / "cell_5.spice").read_text() == one
    call("export", NETWORK, *RANDOM, "--slice", "all").refused(2, "gives 16 decks; give a folder for them with --out")


@pytest.mark.parametrize("words", [["--chip", "3"], ["--pdk-paths", "absolute"]])
def test_ideal_cells_have_no_devices(call, words):
    call("export", NETWORK, *RANDOM, *words).refused(2, "need --level transistor: ideal subcircuits have no devices")
    call("agree", NETWORK, "--chip", "3").refused(2, "ideal subcircuits have no devices to draw")


def test_a_clip_is_named_by_its_number(call, inputs):
    named = call("export", NETWORK, "--inputs", inputs, "--clip", "1").out
    assert named == call("export", NETWORK, "--inputs", inputs, "--clips", "1,").out
    call("export", NETWORK, "--inputs", inputs, "--clip", "2").refused(2, "names no clip among the 2")


@pdk
@pytest.mark.ngspice
@pytest.mark.parametrize("paths", ["bare", "absolute"])
def test_the_command_spice_finds_the_models_that_a_deck_names(call, tmp_path, small, paths):
    deck = tmp_path / "cell.spice"
    call(
        "export",
        small[0],
        *RANDOM,
        *STANDARD,
        "--level",
        "transistor",
        "--slice",
        "cell[0]",
        "--pdk-paths",
        paths,
        "--out",
        deck,
    )
    last = call("spice", deck, "--json").json["last"]
    states = [value for name, value in last.items() if re.fullmatch(r"v\(xladder_cell_0\.a[12]\)", name)]
    assert len(states) == 2
    assert all(value < 0.1 or value > 1.7 for value in states)


@pdk
@pytest.mark.ngspice
def test_a_small_network_agrees_in_transistors_with_its_picture(call, tmp_path, small):
    net, clips = small
    words = ("agree", net, "--inputs", clips, *STANDARD, "--level", "transistor")
    answer = call(*words, "--clips", "all", "--out", tmp_path / "seen", "--json").json
    assert answer["holds"] is True
    assert answer["stage_steps_equal"] == answer["stage_steps_checked"] == 2 * 4 * 4
    assert answer["classes_equal"] == answer["classes_checked"] == 2
    assert answer["candidate"]["largest"] < 0.05
    assert {path.name for path in (tmp_path / "seen").iterdir()} == {"agreement.json", "worst_cell.png"}
    # a bound that no run meets
    said = call(*words, "--clips", "1", "--least-steps", "1.1")
    assert said.code == 1
    assert "DISAGREES" in said.out


@pdk
@pytest.mark.ngspice
def test_a_chip_is_compared_with_its_own_behavioural_model(call, small):
    net, clips = small
    said = call("agree", net, "--inputs", clips, *STANDARD, "--level", "transistor", "--clips", "1", "--chip", "2")
    assert "chip 2: agrees" in said.out
