"""`analogrnn train`: a network, its metrics and its curves from one command, continued after a kill."""

import csv
import json
import sys

import pytest

from analogrnn.cli.main import main
from analogrnn.network import load_network

pytest.importorskip("torch")
pytestmark = pytest.mark.torch
SHORT = ["--units", "4", "--levels", "2", "--epochs", "2", "--chips", "8", "--test-chips", "4", "--batch", "500"]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "own.safetensors"


def test_one_command_trains_scores_and_draws(out, capsys):
    assert main(["train", "delayed_recall@12", "--for", "4um", "--out", str(out), *SHORT]) == 0
    said = capsys.readouterr().out
    assert "cell nfet, 4 x 4 um: V_th" in said
    assert "epoch 2/2  loss" in said
    assert "mean of 4 fresh chips, with noise" in said
    network = load_network(str(out))
    assert network.metadata["task"] == "delayed_recall@12"
    assert network.metadata["trained_for"] == "gf180mcu/4um"
    rows = list(csv.DictReader(out.with_suffix(".csv").read_text(encoding="utf-8").splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert rows[0]["chips"] == ""
    assert 0.0 <= float(rows[1]["chips"]) <= 1.0
    assert out.with_suffix(".png").stat().st_size > 10_000
    assert not out.with_suffix(".checkpoint").exists()
    # and it tunes what it trained
    again = out.with_name("again.safetensors")
    assert main(["train", "delayed_recall@12", "--tune", str(out), "--out", str(again), "--json", *SHORT]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["trained_for"] == "gf180mcu/standard"
    assert load_network(str(again)).layer("cell").width == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing", "--out", "a.safetensors"], "there is no data set 'nothing'"),
        (["counting", "--out", "a.txt"], "--out a.txt: a network is written as NAME.safetensors"),
        (["counting", "--for", "tiny", "--out", "a.safetensors"], "hardware 'tiny' is unknown"),
        (
            ["counting@10", "--tune", "digits_d16_k2", "--out", "a.safetensors"],
            "sequence 0 has shape (10, 1); expected (any, 13)",
        ),
        (["counting@10", "--epochs", "0", "--out", "a.safetensors"], "--epochs = 0 is outside"),
    ],
)
def test_bad_input_is_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1


def test_without_torch_the_command_says_what_to_install(out, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("analogrnn.train.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["train", "counting", "--out", str(out)]) == 3
    said = capsys.readouterr()
    assert said.err == "analogrnn: torch is not installed, and training needs it: pip install torch\n"
    assert said.out == ""
