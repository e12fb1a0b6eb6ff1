"""`analogrnn analyze bits`: what it prints, writes and refuses."""

import json

import numpy as np
import pytest

from analogrnn.cli.main import main

QUICK = ["analyze", "bits", "digits_d16_k2", "--clips", "60", "--longest", "8"]


def test_the_command_writes_word_lengths_codes_and_a_figure(tmp_path, capsys):
    assert main([*QUICK, "--sure", "0.5", "--within", "0.05", "--out", str(tmp_path), "--json"]) in (0, 1)
    answer = json.loads(capsys.readouterr().out)
    assert answer == json.loads((tmp_path / "bits.json").read_text())
    assert set(answer["word_lengths"]) == {group["group"] for group in answer["groups"]} - {"all"}
    assert answer["validation"]["difference"] >= -0.05
    assert (tmp_path / "accuracy_over_bits.png").stat().st_size > 10_000
    with np.load(tmp_path / "codes.npz", allow_pickle=False) as data:
        assert np.abs(data["cell.weights.code"]).max() < 2 ** (answer["word_lengths"]["weights"] - 1)
        assert "integer.cell.up" in data


def test_given_word_lengths_are_evaluated_and_shown(capsys):
    assert main([*QUICK, "--word-lengths", "all=7,weights=9", "--groups", "weights,bias,inputs"]) == 0
    shown = capsys.readouterr().out
    assert "together" in shown
    assert "integer model" in shown
    assert "have no word length" in " ".join(shown.split())


def test_word_lengths_that_are_too_short_end_in_a_warning_and_exit_code_1(capsys):
    assert main([*QUICK, "--word-lengths", "weights=2,output=1"]) == 1
    assert "warning: cell" in capsys.readouterr().out


def test_own_clips_choose_and_report_in_turn(tmp_path, capsys):
    rng = np.random.default_rng(1)
    x = np.clip(rng.normal(0, 1, (32, 9, 14)), -3, 3)
    np.savez(tmp_path / "own.npz", x=x, labels=rng.integers(0, 10, 9))
    command = [
        "analyze",
        "bits",
        "digits_d16_k2",
        "--inputs",
        str(tmp_path / "own.npz"),
        "--word-lengths",
        "all=8",
        "--json",
    ]
    main(command)
    answer = json.loads(capsys.readouterr().out)
    assert (answer["validation"]["clips"], answer["test"]["clips"]) == (5, 4)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--word-lengths", "weights"], "write group=bits"),
        (["--word-lengths", "weights=x"], "write group=bits"),
        (["--word-lengths", "wights=4"], "has no group 'wights'"),
        (["--groups", "wights"], "has no group 'wights'"),
        (["--within", "2"], "--within = 2 is outside"),
        (["--longest", "99"], "--longest = 99"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_exit_code_2(extra, message, capsys):
    assert main([*QUICK, *extra]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_clips_without_labels_or_partners_are_refused(tmp_path, capsys):
    x = np.zeros((32, 1, 14))
    np.savez(tmp_path / "a.npz", x=x)
    np.savez(tmp_path / "b.npz", x=x, labels=np.zeros(1, int))
    for name, message in (("a", "has no labels"), ("b", "holds one clip")):
        assert main(["analyze", "bits", "digits_d16_k2", "--inputs", str(tmp_path / f"{name}.npz")]) == 2
        assert message in capsys.readouterr().err
