"""Runs of many decks: failures are reported with their logs, finished decks are kept, and none runs twice."""

import os
import re

import numpy as np
import pytest
from helpers import clips_for, direct, mapped

from analogrnn.errors import DeckError, SpiceError
from analogrnn.spice.engine import find_ngspice
from analogrnn.spice.pdk import find_pdk
from analogrnn.spice.run_network import Simulation, run_network
from analogrnn.spice.transistor_network import TransistorSetup

NET = direct(2, d=2, k_min=-1)
DESIGN = mapped(NET)
X = clips_for(NET, 4, 2)
pytestmark = pytest.mark.ngspice


class Notes:
    """A memory in a dictionary that counts its requests."""

    def __init__(self):
        self.kept, self.put_count = {}, 0

    def get(self, digest):
        return self.kept.get(digest)

    def put(self, digest, reading):
        self.put_count += 1
        self.kept[digest] = reading


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """ngspice, but the second ladder's deck meets `body` first."""
    real = find_ngspice().executable

    def install(body: str, which: str = "xladder_cell_1.a1") -> None:
        script = tmp_path / "ngspice"
        script.write_text(
            f'#!/bin/sh\ncase "$1" in --version) echo "** ngspice-39"; exit 0;; esac\n'
            f'if grep -q "{which}" deck.cir; then {body}; fi\nexec {real} "$@"\n'
        )
        script.chmod(0o700)
        monkeypatch.setenv("NGSPICE", str(script))

    return install


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("kill -KILL $$", "killed by SIGKILL"),
        ("echo 'malloc: Out of memory'; exit 1", "it ran out of memory"),
        ("ulimit -v 20000", r"ngspice \(exit"),  # 20 MB of address space: the real ngspice finds no room
        ("echo 'rawfile write error'; exit 0", "the disk is full"),
        ("head -c 30 /dev/zero > out.raw; exit 0", "out.raw"),
        ("sleep 30", "did not finish within timeout = 3 s"),
    ],
    ids=["killed", "no_memory", "address_space", "disk_full", "torn_file", "hung"],
)
def test_a_crash_affects_its_own_deck_only(broken, body, message):
    broken(body)
    run = run_network(DESIGN, X[:, :1], Simulation(workers=1, timeout=3.0))
    assert run.ran["cell"].tolist() == [[True, False]]
    assert np.isfinite(run.candidates["cell"][:, 0, 0]).all()
    assert np.isnan(run.candidates["cell"][:, 0, 1]).all()
    (failure,) = run.failures
    assert failure.startswith("clip 0, cell[1]: ")
    assert re.search(message, failure), failure
    assert len(run.logs) == 1


def test_finished_decks_are_not_run_again(broken):
    notes = Notes()
    broken("kill -KILL $$")
    with_failures = run_network(DESIGN, X, Simulation(workers=2, memory=notes))
    assert (len(with_failures.failures), notes.put_count) == (2, 2)
    broken("exit 9", which="xladder_cell_0.a1")  # the finished ladder's decks would fail now
    whole = run_network(DESIGN, X, Simulation(workers=2, memory=notes))
    assert whole.failures == ()
    assert notes.put_count == 4
    assert np.array_equal(whole.stages["cell"], run_network(DESIGN, X, Simulation(memory=notes)).stages["cell"])
    assert notes.put_count == 4


def test_other_inputs_are_another_run_in_a_memory():
    notes = Notes()
    run_network(DESIGN, X[:, :1], Simulation(memory=notes))
    run_network(DESIGN, X[:, :1] * 0.5, Simulation(memory=notes))
    assert notes.put_count == 4


def test_all_failing_is_an_error_with_the_first_of_them(broken):
    broken("exit 3", which="cell")
    with pytest.raises(SpiceError, match=r"all 4 simulator runs failed; the first: clip \d, cell\[\d\]: ngspice \(ex"):
        run_network(DESIGN, X, Simulation(workers=1))


@pytest.mark.pdk
def test_models_that_hold_commands_are_refused_before_anything_runs(tmp_path, monkeypatch):
    """PDK_ROOT may point anywhere: models that would start a shell are refused by name and line."""
    pdk = find_pdk()
    folder = tmp_path / "gf180mcuD" / "libs.tech" / "ngspice"
    folder.mkdir(parents=True)
    (folder / "sm141064.ngspice").symlink_to(pdk.models)
    (folder / "design.ngspice").write_text(pdk.design.read_text() + f"\n*# shell touch {tmp_path}/ran\n")
    monkeypatch.setenv("PDK_ROOT", str(tmp_path))
    monkeypatch.delenv("PDK", raising=False)
    with pytest.raises(DeckError, match=r"design\.ngspice line \d+: '\*#' makes ngspice run commands"):
        run_network(DESIGN, X[:, :1], Simulation(TransistorSetup()))
    assert not (tmp_path / "ran").exists()
    assert sorted(os.listdir(tmp_path)) == ["gf180mcuD"]
