"""Labels in --inputs: each verb refuses wrong ones in one line, before it computes or writes anything."""

import numpy as np
import pytest

from .conftest import INPUTS, NETWORK

Y = np.arange(10)
WRONG = {
    "text": (Y.astype(str), "labels[0] = '0' is text"),
    "from_one": (Y + 1, "labels[9] = 10 is not a class (0 to 9); they seem to count from 1: subtract 1"),
    "unknown": (np.where(Y == 3, -1, Y), "labels[3] = -1 is not a class (0 to 9)"),
    "booleans": (Y > 4, "labels[0] = False is a boolean"),
    "one_hot": (np.eye(10), "number them with labels.argmax(axis=1)"),
    "nan": (np.where(Y == 2, np.nan, Y), "labels[2] = nan is not a class"),
}
VERBS = ["simulate", "mc", "trim", "agree", "analyze bits", "analyze noise", "analyze sensitivity", "analyze power"]


@pytest.fixture
def clips(tmp_path):
    """Ten clips of eight steps with the labels given."""

    def write(labels):
        path = tmp_path / "clips.npz"
        np.savez(path, x=np.random.default_rng(0).uniform(-2.0, 2.0, (8, 10, INPUTS)), labels=labels)
        return path

    return write


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", WRONG)
def test_wrong_labels_are_refused_in_one_line_and_nothing_is_written(call, clips, tmp_path, monkeypatch, verb, kind):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    labels, message = WRONG[kind]
    out = tmp_path / "out"
    words = () if verb == "agree" else ("--out", out)
    call(*verb.split(), NETWORK, "--inputs", clips(labels), *words).refused(2, "--inputs", message)
    assert not out.exists()
    assert not (tmp_path / "cache").exists()  # no checkpoint that would block the next run


def test_whole_floats_give_what_integers_give(call, clips, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for words in (("simulate", NETWORK), ("mc", NETWORK, "--chips", 2)):
        answers = [call(*words, "--inputs", clips(y), "--json").json for y in (Y, Y.astype(float))]
        assert answers[0] == answers[1]
